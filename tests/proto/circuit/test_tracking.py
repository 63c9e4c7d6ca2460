"""Trackers by themselves: what is told in which order, and what is forgotten."""

import pytest

from qstack.base.ids import Label, QubitId, make_qna
from qstack.base.services import PairReady
from qstack.base.time import DomainTime
from qstack.proto.circuit.estimate import Composer
from qstack.proto.circuit.halves import Half, Halves, Side, Tracked
from qstack.proto.circuit.tracking import EndTracker, RepeaterTracker
from qstack.quantum.formulas import bell_state
from qstack.wire.circuit import MemoryTimes

UP, DOWN = Side.ABOVE, Side.BELOW


def ready(sequence: int, bell: int = 0, born: int = 0) -> PairReady:
    qubit = QubitId(100 + sequence)
    return PairReady(make_qna(1, 1), Label(2), sequence, qubit, bell, DomainTime(born), bell_state(bell))


def tracked(sequence: int, pair: int = 0, frame: int = 0) -> Tracked:
    return Tracked(pair, sequence, frame, bell_state(frame), DomainTime(0))


def repeater() -> RepeaterTracker:
    return RepeaterTracker(Composer(MemoryTimes()))


def joined(up: int = 5, down: int = 8, outcome: int = 0) -> RepeaterTracker:
    """A repeater that has swapped one pair."""
    tracker = repeater()
    tracker.pair_ready(UP, ready(up, 1))
    tracker.pair_ready(DOWN, ready(down, 2))
    ((one, two),) = tracker.couples()
    tracker.swapped(one, two, outcome, DomainTime(0))
    return tracker


def live(tracker: RepeaterTracker) -> int:
    return sum(len(halves) for halves in tracker.halves.values())


@pytest.mark.parametrize("first", ["track", "swap"])
def test_track_and_swap_meet_in_either_order(first: str) -> None:
    tracker = repeater()
    tracker.pair_ready(UP, ready(5, 1))
    tracker.pair_ready(DOWN, ready(8, 2))
    ((up, down),) = tracker.couples()
    if first == "track":
        assert tracker.track(UP, tracked(5, pair=77, frame=1))
        assert not tracker.outbox.tracks[DOWN]
    tracker.swapped(up, down, 3, DomainTime(0))
    if first == "swap":
        assert tracker.track(UP, tracked(5, pair=77, frame=1))
    (on,) = tracker.outbox.tracks[DOWN]
    assert (on.pair, on.sequence, on.frame) == (77, 8, 1 ^ 3 ^ 2)
    assert on.state == pytest.approx(bell_state(on.frame))


def test_frames_of_both_directions_compose_to_the_same() -> None:
    tracker = joined(outcome=3)
    tracker.track(UP, tracked(5, frame=1))
    tracker.track(DOWN, tracked(8, frame=2))
    assert tracker.outbox.tracks[DOWN][0].frame == tracker.outbox.tracks[UP][0].frame == 1 ^ 3 ^ 2


def test_chain_is_forgotten_when_both_tracks_have_passed() -> None:
    tracker = joined()
    tracker.track(UP, tracked(5))
    assert live(tracker) == 2
    tracker.track(DOWN, tracked(8))
    assert live(tracker) == 0


def test_track_that_comes_twice_passes_once() -> None:
    tracker = joined()
    assert tracker.track(UP, tracked(5))
    assert not tracker.track(UP, tracked(5))
    assert len(tracker.outbox.tracks[DOWN]) == 1


def test_track_before_its_pair_waits_and_after_it_is_ignored() -> None:
    tracker = repeater()
    assert tracker.track(UP, tracked(5))
    tracker.pair_ready(UP, ready(5, 0))
    tracker.expired_by_peer(UP, 5)
    assert not tracker.track(UP, tracked(5))
    assert not tracker.track(UP, tracked(4))
    assert live(tracker) == 0 and tracker.outbox.discarded == [105]


def test_swaps_join_the_oldest_first_and_all_at_once() -> None:
    tracker = repeater()
    for sequence in (1, 2, 3):
        tracker.pair_ready(UP, ready(sequence))
    for sequence in (7, 9):
        tracker.pair_ready(DOWN, ready(sequence))
    assert [(up.sequence, down.sequence) for up, down in tracker.couples()] == [(1, 7), (2, 9)]
    assert tracker.couples() == []


def test_broken_chain_is_told_onwards_over_the_swap() -> None:
    tracker = joined(5, 8)
    tracker.expired_by_peer(UP, 5)
    assert tracker.outbox.expired == {UP: [], DOWN: [8]}
    assert tracker.outbox.lost == 1, "the pair below is to be replaced; the one above is its upstream end's to replace"
    assert live(tracker) == 0


def test_chain_that_breaks_below_is_replaced_below() -> None:
    tracker = joined(5, 8)
    tracker.expired_by_peer(DOWN, 8)
    assert tracker.outbox.expired == {UP: [5], DOWN: []} and tracker.outbox.lost == 1


def test_expiry_that_overtakes_its_pair_is_remembered() -> None:
    tracker = repeater()
    tracker.expired_by_peer(DOWN, 8)
    tracker.pair_ready(UP, ready(5))
    tracker.pair_ready(DOWN, ready(8))
    assert tracker.couples() == []
    assert tracker.outbox.discarded == [108] and tracker.outbox.lost == 1


@pytest.mark.parametrize("side", [UP, DOWN])
def test_chain_that_breaks_during_a_swap_breaks_on_the_other_side_too(side: Side) -> None:
    tracker = repeater()
    tracker.pair_ready(UP, ready(5))
    tracker.pair_ready(DOWN, ready(8))
    ((up, down),) = tracker.couples()
    tracker.expired_by_peer(side, 5 if side is UP else 8)
    assert tracker.outbox.freed == tracker.outbox.discarded == []
    tracker.swapped(up, down, 0, DomainTime(0))
    assert tracker.outbox.expired[side] == [] and len(tracker.outbox.expired[side.other]) == 1
    assert sorted(tracker.outbox.freed) == [105, 108]
    assert tracker.outbox.lost == 1 and live(tracker) == 0


def test_swap_that_fails_breaks_both_chains_and_empties_both_memories() -> None:
    tracker = repeater()
    tracker.pair_ready(UP, ready(5))
    tracker.pair_ready(DOWN, ready(8))
    ((up, down),) = tracker.couples()
    tracker.swap_failed(up, down)
    assert tracker.outbox.expired == {UP: [5], DOWN: [8]}
    assert tracker.outbox.discarded == [105, 108] and tracker.outbox.lost == 1


def test_revoked_pair_is_not_replaced_and_its_qubit_not_touched() -> None:
    tracker = repeater()
    tracker.pair_ready(DOWN, ready(8))
    tracker.revoked(DOWN, 8)
    assert tracker.outbox.lost == 0 and tracker.outbox.discarded == tracker.outbox.freed == []
    assert tracker.outbox.expired[DOWN] == [8], "a track may wait for it at the neighbour"


def test_revoked_during_a_swap_frees_the_other_qubit_alone() -> None:
    tracker = repeater()
    tracker.pair_ready(UP, ready(5))
    tracker.pair_ready(DOWN, ready(8))
    ((up, down),) = tracker.couples()
    tracker.revoked(UP, 5)
    tracker.swapped(up, down, 0, DomainTime(0))
    assert tracker.outbox.freed == [108] and tracker.outbox.expired[DOWN] == [8]


def test_cutoff_gives_up_what_waits_too_long_and_nothing_else() -> None:
    tracker = joined(5, 8)
    tracker.pair_ready(UP, ready(6, born=10))
    tracker.pair_ready(UP, ready(7, born=20))
    assert tracker.oldest() == 10
    assert tracker.cut_off(DomainTime(20)) == 1
    assert tracker.outbox.expired == {UP: [6], DOWN: []} and tracker.outbox.discarded == [106]
    assert tracker.oldest() == 20


def test_tracks_that_wait_are_bounded() -> None:
    halves = Halves(UP, 3)
    assert [halves.park(tracked(sequence)) for sequence in range(5)] == [True, True, True, False, False]
    for sequence in range(100, 110):
        halves.doom(sequence)
    assert sum(halves.add(ready(sequence))[1] for sequence in range(100, 110)) == 3


def test_numbers_of_pairs_go_round() -> None:
    halves = Halves(UP, 10)
    halves.add(ready(0xFFFF_FFFF))
    assert halves.park(tracked(0)) and not halves.park(tracked(0xFFFF_FFFE))


# --- ends ---


def delivered(tracker: EndTracker) -> list[tuple[Half, Tracked]]:
    return tracker.outbox.delivered


def test_head_numbers_its_pairs_and_delivers_under_its_numbers() -> None:
    head = EndTracker(DOWN)
    head.pair_ready(ready(40, 2))
    head.pair_ready(ready(43, 1))
    assert [(t.pair, t.sequence, t.frame) for t in head.outbox.tracks[DOWN]] == [(0, 40, 2), (1, 43, 1)]
    assert head.track(tracked(43, pair=9999, frame=3))
    ((half, told),) = delivered(head)
    assert (half.qubit, told.pair, told.frame) == (143, 1, 3)


def test_tail_delivers_under_the_heads_number_exactly_once() -> None:
    tail = EndTracker(UP)
    assert tail.track(tracked(40, pair=6, frame=1))  # before the link has told of the pair
    tail.pair_ready(ready(40))
    assert not tail.track(tracked(40, pair=6, frame=1))
    ((half, told),) = delivered(tail)
    assert (half.qubit, told.pair, told.frame) == (140, 6, 1)
    assert len(tail.outbox.tracks[UP]) == 1, "its own track goes out all the same"


@pytest.mark.parametrize(("side", "replaced"), [(DOWN, 1), (UP, 0)])
def test_broken_chain_empties_the_ends_memory(side: Side, replaced: int) -> None:
    end = EndTracker(side)
    end.pair_ready(ready(40))
    end.expired_by_peer(40)
    assert end.outbox.discarded == [140] and end.outbox.lost == replaced
    assert not end.track(tracked(40)) and not delivered(end)


def test_expiry_that_overtakes_the_ends_pair_is_remembered() -> None:
    head = EndTracker(DOWN)
    head.expired_by_peer(40)
    head.pair_ready(ready(40))
    assert head.outbox.discarded == [140] and head.outbox.tracks[DOWN] == []


def test_pair_revoked_by_the_link_is_given_up_unless_it_was_delivered() -> None:
    tail = EndTracker(UP)
    tail.pair_ready(ready(40))
    tail.pair_ready(ready(41))
    tail.track(tracked(41, pair=1))
    for sequence in (40, 41):
        tail.revoked(sequence)
    assert tail.outbox.discarded == [] and tail.outbox.expired[UP] == [40]
    assert [half.qubit for half, _ in delivered(tail)] == [141]

"""Links between two machines and their station, from outside: services in, pairs out."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, PurposeId, Qna, make_qna
from qstack.base.services import (
    CancelPairs,
    LinkRefused,
    LinkReserved,
    PairExpired,
    PairReady,
    PairsFailed,
    QubitsFreed,
    ReleaseLink,
    RequestPairs,
    ReserveLink,
)
from qstack.base.time import Instant
from qstack.proto.link.params import LinkParameters
from qstack.wire.link import (
    Cancel,
    Gen,
    Reply,
    ReplyCode,
    ReplyCopy,
)
from tests.proto.circuit import fabric as whole

LOW, HIGH, THIRD = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 7)
LABEL, OTHER = Label(2), Label(4)
Fabric = partial(whole.Fabric, links_only=True)


def reserve(fabric: whole.Fabric, label: Label = LABEL, memories: int = 2) -> None:
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ReserveLink(other, label, memories, 0.0))


def request(
    fabric: whole.Fabric, number: int, own: Qna = LOW, label: Label = LABEL, seconds: float = 5.0, fidelity: float = 0.0
) -> None:
    deadline = Instant(fabric.local(fabric.places[own]) + int(seconds * 1e9))
    other = HIGH if own == LOW else LOW
    fabric.serve(own, RequestPairs(other, label, number, fidelity, PurposeId(0), deadline))


def pairs(fabric: whole.Fabric, own: Qna, label: Label = LABEL) -> list[PairReady]:
    return [pair for pair in fabric.places[own].of(PairReady) if pair.label == label]


def give_back(fabric: whole.Fabric, own: Qna, ready: list[PairReady]) -> None:
    fabric.serve(own, QubitsFreed(tuple(pair.qubit for pair in ready), discard=True))


def both_have(fabric: whole.Fabric, number: int, label: Label = LABEL) -> Callable[[], bool]:
    return lambda: len(pairs(fabric, LOW, label)) >= number and len(pairs(fabric, HIGH, label)) >= number


def assert_same_pairs(fabric: whole.Fabric, label: Label = LABEL) -> None:
    """Both ends were told of the same pairs, and the device agrees as far as they are held."""
    low, high = pairs(fabric, LOW, label), pairs(fabric, HIGH, label)
    told = [[(p.sequence, p.bell_index, p.created) for p in end] for end in (low, high)]
    assert told[0] == told[1]
    assert [p.sequence for p in low] == sorted({p.sequence for p in low})
    for mine, theirs in zip(low, high, strict=True):
        pair = fabric.device.pairs.get((LOW, mine.qubit))
        if pair is not None and len(pair.ends) == 2 and pair.born == mine.created:
            assert set(pair.ends) == {(LOW, mine.qubit), (HIGH, theirs.qubit)} and pair.frame == mine.bell_index


@pytest.mark.parametrize("station", [LOW, HIGH, THIRD])
@pytest.mark.parametrize("asker", [LOW, HIGH])
@pytest.mark.parametrize("probability", [1.0, 0.02])
def test_pairs_are_told_alike_at_both_ends(station: Qna, asker: Qna, probability: float) -> None:
    fabric = Fabric([LOW, HIGH], stations=[station], probability=probability)
    reserve(fabric)
    request(fabric, 6, asker)
    fabric.run(3, both_have(fabric, 6))
    assert len(pairs(fabric, LOW)) == 6
    assert_same_pairs(fabric)
    fabric.run(1)
    assert len(pairs(fabric, LOW)) == len(pairs(fabric, HIGH)) == 6, "not one pair more than was asked for"


def test_reservation_is_bounded_and_released() -> None:
    fabric = Fabric([LOW, HIGH], memories=4)
    fabric.serve(LOW, ReserveLink(HIGH, LABEL, 3, 0.0))
    fabric.serve(LOW, ReserveLink(HIGH, OTHER, 2, 0.0))
    assert fabric.places[LOW].of(LinkReserved)[0].link_fidelity == 1.0
    assert fabric.places[LOW].of(LinkRefused)[0].reason is ErrorCode.NO_RESOURCES
    fabric.serve(LOW, ReleaseLink(HIGH, LABEL))
    fabric.serve(LOW, ReserveLink(HIGH, OTHER, 2, 0.0))
    assert len(fabric.places[LOW].of(LinkReserved)) == 2


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ReserveLink(HIGH, LABEL, 1, 0.95), ErrorCode.FIDELITY_UNATTAINABLE),
        (ReserveLink(THIRD, LABEL, 1, 0.0), ErrorCode.NO_ROUTE),
        (ReserveLink(HIGH, LABEL, 9, 0.0), ErrorCode.NO_RESOURCES),
    ],
)
def test_reservation_that_cannot_be_is_refused(asked: ReserveLink, reason: ErrorCode) -> None:
    fabric = Fabric([LOW, HIGH], fidelity=0.9)
    fabric.serve(LOW, asked)
    assert [refused.reason for refused in fabric.places[LOW].of(LinkRefused)] == [reason]


def test_request_for_a_label_that_the_other_end_does_not_know_fails() -> None:
    fabric = Fabric([LOW, HIGH])
    fabric.serve(LOW, ReserveLink(HIGH, LABEL, 2, 0.0))
    request(fabric, 1)
    fabric.run(0.1)
    assert [failed.reason for failed in fabric.places[LOW].of(PairsFailed)] == [ErrorCode.NOT_ALLOWED]


def test_more_pairs_than_memories_come_as_memories_become_free() -> None:
    fabric = Fabric([LOW, HIGH], memories=4)
    reserve(fabric)
    request(fabric, 10)
    fabric.run(1)
    assert len(pairs(fabric, LOW)) == len(pairs(fabric, HIGH)) == 4
    before = len(fabric.sent)
    fabric.run(1)
    assert len(fabric.sent) == before, "a link without room sends nothing"
    give_back(fabric, LOW, pairs(fabric, LOW)[:2])
    fabric.run(0.5)
    assert len(pairs(fabric, LOW)) == 4, "the other end has no room yet"
    give_back(fabric, HIGH, pairs(fabric, HIGH)[:2])
    fabric.run(0.5)
    assert len(pairs(fabric, LOW)) == len(pairs(fabric, HIGH)) == 6
    assert_same_pairs(fabric)


def test_slots_that_nobody_had_memories_for_when_they_were_planned_are_not_lost() -> None:
    """One memory, held over two of three beginnings of slots, and so at some instants of planning."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD], memories=1)
    reserve(fabric, memories=1)
    request(fabric, 1_000)
    for told in range(1, 51):
        fabric.run(0.1, both_have(fabric, told))
        fabric.run(0.022)
        for own in (LOW, HIGH):
            give_back(fabric, own, pairs(fabric, own)[-1:])
    assert len(pairs(fabric, LOW)) == 50
    instants = [pair.created for pair in pairs(fabric, LOW)]
    assert max(later - earlier for earlier, later in pairwise(instants)) <= 30_000_000, "three slots"


def test_idle_link_sends_nothing() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    reserve(fabric)
    request(fabric, 2)
    fabric.run(0.5)
    before = len(fabric.sent)
    fabric.run(4)
    assert len(fabric.sent) == before


def test_labels_take_turns() -> None:
    fabric = Fabric([LOW, HIGH], memories=6)
    reserve(fabric, LABEL, 1)
    reserve(fabric, OTHER, 1)
    request(fabric, 30, LOW, LABEL)
    request(fabric, 30, LOW, OTHER)
    for _ in range(40):
        fabric.run(0.02)
        for own in (LOW, HIGH):
            held = fabric.places[own].link.describe().links[0].held
            if held:
                give_back(fabric, own, [p for p in fabric.places[own].of(PairReady)
                                        if (own, p.qubit) in fabric.device.pairs])  # fmt: skip
        counts = [len(pairs(fabric, LOW, label)) for label in (LABEL, OTHER)]
        assert abs(counts[0] - counts[1]) <= 6
    assert counts == [30, 30]
    assert_same_pairs(fabric, LABEL)
    assert_same_pairs(fabric, OTHER)


def test_cancel_stops_both_ends_and_keeps_what_was_delivered() -> None:
    fabric = Fabric([LOW, HIGH], memories=4)
    reserve(fabric)
    request(fabric, 100)
    fabric.run(1)
    fabric.serve(LOW, CancelPairs(HIGH, LABEL))
    fabric.run(0.5)
    for own in (LOW, HIGH):
        assert fabric.places[own].link.describe().links[0].queued_requests == 0
        give_back(fabric, own, pairs(fabric, own))
    fabric.run(1)
    assert len(pairs(fabric, LOW)) == 4
    assert not fabric.places[LOW].of(PairsFailed), "whoever cancels is not told of failure"


def test_deadline_of_a_request_fails_what_is_missing() -> None:
    fabric = Fabric([LOW, HIGH], memories=2)
    reserve(fabric)
    request(fabric, 5, seconds=0.5)
    fabric.run(1)
    assert [failed.reason for failed in fabric.places[LOW].of(PairsFailed)] == [ErrorCode.TIMEOUT]
    assert fabric.places[HIGH].link.describe().links[0].queued_requests == 0


def test_release_empties_memories_whatever_they_do() -> None:
    fabric = Fabric([LOW, HIGH], memories=4, probability=0.01)
    reserve(fabric)
    request(fabric, 50)
    fabric.run(0.08, lambda: bool(fabric.places[LOW].link.describe().links[0].offered))
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ReleaseLink(other, LABEL))
    fabric.run(6)
    assert fabric.leaks() == []


def test_lost_gen_is_answered_to_both_ends_and_the_window_is_made_good() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    lost: list[Any] = []

    def drop(source: Qna, destination: Qna, message: Any) -> bool:
        if isinstance(message, Gen) and source == HIGH and not lost:
            lost.append(message)
            return True
        return False

    fabric.drop = drop
    reserve(fabric)
    request(fabric, 3)
    fabric.run(3, both_have(fabric, 3))
    assert lost and len(pairs(fabric, LOW)) == 3
    replies = [message for _, _, message in fabric.sent if isinstance(message, Reply)]
    assert [reply.code for reply in replies[:2]] == [ReplyCode.NO_OTHER, ReplyCode.NO_OTHER]
    assert {reply.queue_sequence for reply in replies[:2]} == {0, 1}
    assert_same_pairs(fabric)


@pytest.mark.parametrize("deaf", [LOW, HIGH])
def test_reply_that_never_comes_revokes_the_pairs_at_the_other_end(deaf: Qna) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=LinkParameters(reply_timeout_ns=200_000_000))
    lost: list[Any] = []

    def drop(source: Qna, destination: Qna, message: Any) -> bool:
        if isinstance(message, Reply | ReplyCopy) and destination == deaf:
            if not lost:
                lost.append(message)
            return bool(message.first_cycle == lost[0].first_cycle)
        return False

    fabric.drop = drop
    reserve(fabric)
    request(fabric, 3)
    other = HIGH if deaf == LOW else LOW
    fabric.run(3, lambda: len(pairs(fabric, deaf)) >= 3)
    fabric.run(0.1)
    first = [pair.sequence for pair in lost[0].pairs and pairs(fabric, other)[:3]]
    assert sorted(expired.sequence for expired in fabric.places[other].of(PairExpired)) == first
    left = [pair.sequence for pair in pairs(fabric, other) if pair.sequence not in first]
    assert [pair.sequence for pair in pairs(fabric, deaf)] == left, "numbers agree after the loss"
    give_back(fabric, LOW, pairs(fabric, LOW))
    give_back(fabric, HIGH, pairs(fabric, HIGH))
    fabric.run(1)
    for own in (LOW, HIGH):
        assert fabric.places[own].link.describe().links[0].free == 8


def test_silent_station_device_ends_the_window() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=LinkParameters(herald_timeout_ns=50_000_000))
    fabric._await = lambda place, request: None  # type: ignore[method-assign, assignment]
    reserve(fabric)
    request(fabric, 3)
    fabric.run(0.2)
    codes = {message.code for _, _, message in fabric.sent if isinstance(message, Reply)}
    assert codes == {ReplyCode.NO_HERALDS}
    assert fabric.places[LOW].link.describe().links[0].emptying <= 3


def test_end_that_cancelled_declines() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    fabric.drop = lambda source, destination, message: isinstance(message, Cancel)
    reserve(fabric)
    request(fabric, 3, HIGH)
    fabric.run(0.005)
    fabric.serve(HIGH, CancelPairs(LOW, LABEL))  # the master does not learn of it
    fabric.run(0.1)
    codes = [message.code for _, _, message in fabric.sent if isinstance(message, Reply)]
    assert codes and set(codes) == {ReplyCode.DECLINED}


@pytest.mark.parametrize("gone", [HIGH, THIRD])
def test_lost_neighbour_or_station_fails_the_request_and_frees_everything(gone: Qna) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], memories=4)
    reserve(fabric)
    request(fabric, 100)
    fabric.run(0.1)
    fabric.peer_down(LOW, gone)
    fabric.run(0.2)
    assert [failed.reason for failed in fabric.places[LOW].of(PairsFailed)] == [ErrorCode.SESSION_LOST]
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ReleaseLink(other, LABEL))
    fabric.run(8)
    assert fabric.leaks() == []


def test_label_whose_station_was_lost_gets_no_more_pairs() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], memories=4)
    reserve(fabric)
    request(fabric, 2)
    fabric.run(0.5)
    fabric.peer_down(LOW, THIRD)
    fabric.run(0.1)
    request(fabric, 2)
    request(fabric, 1, HIGH)
    fabric.run(0.2)
    for own in (LOW, HIGH):
        assert {failed.reason for failed in fabric.places[own].of(PairsFailed)} == {ErrorCode.SESSION_LOST}


@pytest.mark.parametrize("seed", range(12))
def test_bad_network_never_makes_the_ends_disagree(seed: int) -> None:
    fabric = Fabric(
        [LOW, HIGH], b"%d" % seed, stations=[(LOW, HIGH, THIRD)[seed % 3]], loss=0.25, duplication=0.2,
        delay_ns=(100_000, 20_000_000), probability=0.05, memories=6,
        link=LinkParameters(partner_timeout_ns=60_000_000, reply_timeout_ns=400_000_000),
    )  # fmt: skip
    reserve(fabric)
    request(fabric, 12, (LOW, HIGH)[seed % 2], seconds=60)
    for _ in range(200):
        fabric.run(0.1)
        low_knows, high_knows = ({(p.sequence, p.created) for p in pairs(fabric, own)} for own in (LOW, HIGH))
        known = low_knows & high_knows
        for own in (LOW, HIGH):  # an end uses what the other end has been told of too
            give_back(fabric, own, [p for p in pairs(fabric, own) if (p.sequence, p.created) in known
                                    and (own, p.qubit) in fabric.device.pairs])  # fmt: skip
        if len(known) >= 12:
            break
    low, high = ({p.sequence: p for p in pairs(fabric, own)} for own in (LOW, HIGH))
    revoked = {e.sequence for own in (LOW, HIGH) for e in fabric.places[own].of(PairExpired)}
    assert set(low) ^ set(high) <= revoked, "a pair that one end alone knows is revoked"
    assert len(set(low) & set(high) - revoked) == 12
    assert all(low[s].bell_index == high[s].bell_index and low[s].created == high[s].created
               for s in set(low) & set(high))  # fmt: skip
    assert fabric.violations == []

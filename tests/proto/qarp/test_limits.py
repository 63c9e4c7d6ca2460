"""Bounds: what fills the cache, the hints and the rates, and what does not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender, SendUnsealed
from qstack.base.ids import Qna, make_qna
from qstack.base.locator import Arrival, Locator, parse_locator
from qstack.base.services import PeerDown, PeerUnresolved, PeerUp, ProveClaim
from qstack.proto.qarp.draws import Draws
from qstack.proto.qarp.hints import Hint, HintClass, HintStore, Trial
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.segment import Segment
from qstack.proto.qarp.states import NeighbourState
from qstack.wire.qarp import Announcement, Answer, PaddingTlv, Probe, Question, Whereabouts
from tests.proto.qarp.world import ALICE, BOB, MILLISECOND, SECOND, Host, World, at

SMALL = QarpParameters(neighbours=8, incomplete_limit=4)


def stranger(number: int) -> Qna:
    return make_qna(64999, number)


def host(parameters: QarpParameters = SMALL, **options: object) -> tuple[World, Host]:
    world = World()
    return world, world.host(ALICE, at(1), parameters=parameters, **options)  # type: ignore[arg-type]


def peers(alice: Host) -> set[Qna]:
    return {entry.peer for entry in alice.machine.describe()}


def question(target: Qna, nonce: int = 0) -> Question:
    bare = Question(nonce=nonce.to_bytes(16, "big"), target=target)
    return bare.replace(options=(PaddingTlv(zeros=bytes(214)),))


# --- the cache -----------------------------------------------------------------------------------------------------


def test_cache_is_filled_by_nothing_that_strangers_send() -> None:
    world, alice = host()
    for number in range(1_000):
        claimed = stranger(number)
        arrival = Arrival("lan", at(number % 250), number % 2 == 0)
        for message in (
            question(claimed), Probe(nonce=bytes(16), target=claimed),
            Announcement(nonce=bytes(16), target=claimed, whereabouts=Whereabouts()),
            Answer(nonce=bytes(16), target=claimed, whereabouts=Whereabouts()),
        ):  # fmt: skip
            alice.receive(message, Sender(claimed, None, arrival, claimed))
    assert not alice.machine.describe() and not world.packets


def test_cache_full_of_idle_neighbours_forgets_the_one_used_least_recently_unreachable_first() -> None:
    world, alice = host()
    for number in range(1, 9):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(number + 10)))
        alice.lose(stranger(number))
    alice.want(stranger(100))
    world.run(20 * SECOND)
    assert peers(alice) == {stranger(n) for n in range(2, 9)} | {stranger(100)}
    assert alice.entry(stranger(100)).state is NeighbourState.UNREACHABLE
    alice.want(stranger(101))
    assert peers(alice) == {stranger(n) for n in range(2, 9)} | {stranger(101)}
    assert alice.counters["qarp.evicted"] == 2


def test_cache_counts_a_proof_as_use() -> None:
    _, alice = host()
    for number in (*range(1, 9), 1):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(number + 10)))
        alice.lose(stranger(number))
    alice.want(stranger(100))
    assert stranger(1) in peers(alice) and stranger(2) not in peers(alice)


def test_cache_never_forgets_static_connected_or_wanted_neighbours() -> None:
    world, alice = host(statics={stranger(1): (at(11),), stranger(2): (at(12),)})
    for number in (3, 4, 5):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(number + 10)))
    kept = {stranger(number) for number in range(1, 6)}
    for number in range(6, 9):
        alice.want(stranger(number))
    for number in range(20, 40):
        alice.want(stranger(number))
        alice.serve(PeerUp(stranger(number + 100), Seal.HOP, at(99)))
    assert len(alice.machine.describe()) == 8 and kept <= peers(alice)
    assert {stranger(6), stranger(7), stranger(8)} <= peers(alice)
    assert {event.peer for event in alice.events(PeerUnresolved)} == {stranger(n) for n in range(20, 40)}
    world.run(100 * SECOND)
    assert kept <= peers(alice)


def test_cache_full_of_connected_neighbours_refuses_another_however_idle_they_are() -> None:
    world, alice = host()
    for number in range(1, 9):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(number + 10)))
    world.run(100 * SECOND)
    assert {entry.state for entry in alice.machine.describe()} == {NeighbourState.STALE}
    alice.want(stranger(100))
    assert alice.events(PeerUnresolved) == [PeerUnresolved(stranger(100))]


def test_cache_refuses_more_searches_at_a_time_than_its_limit() -> None:
    _, alice = host()
    for number in range(1, 7):
        alice.want(stranger(number))
    searching = [e for e in alice.machine.describe() if e.state is NeighbourState.INCOMPLETE]
    assert len(searching) == 4
    assert alice.events(PeerUnresolved) == [PeerUnresolved(stranger(5)), PeerUnresolved(stranger(6))]


def test_cache_lets_one_locator_hold_few_neighbours() -> None:
    _, alice = host(QarpParameters())
    for number in range(1, 20):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(50)))
        alice.lose(stranger(number))
    assert peers(alice) == {stranger(n) for n in range(16, 20)}


def test_forgotten_neighbour_leaves_nothing_behind() -> None:
    world, alice = host(QarpParameters(neighbours=1))
    for number in range(50):
        alice.want(stranger(number))
        world.run(4 * SECOND)
    around = alice.machine._around  # what no public view shows: that nothing leaks
    assert (len(around.questions), len(around.hints), len(around.proofs), len(around.timers)) == (0, 0, 0, 0)


# --- hints ---------------------------------------------------------------------------------------------------------


def store(**limits: int) -> HintStore:
    return HintStore(QarpParameters(**limits), Draws(Chance(b"hints")))


def answered(number: int, peer: Qna = BOB, source: Locator | None = None) -> Hint:
    locator = at(number % 250, 1_000 + number)
    return Hint(peer, locator, HintClass.ANSWERED, source or locator)


def test_hints_of_one_address_cannot_fill_the_store() -> None:
    hints = store()
    for number in range(1_000):
        hints.add(answered(number, stranger(number), source=at(66, number + 1)))
    assert len(hints) == QarpParameters().hints_per_source


def test_hints_of_one_ipv6_subnet_count_as_one_address() -> None:
    hints = store()
    for number in range(100):
        locator = parse_locator(f"[2001:db8::{number + 1:x}]:4560")
        hints.add(Hint(BOB, locator, HintClass.ANSWERED, locator))
    assert len(hints) == QarpParameters().hints_per_source


def test_hints_about_one_neighbour_are_bounded_and_the_configured_ones_stay() -> None:
    hints = store(hints_per_peer=4)
    hints.add(Hint(BOB, at(1), HintClass.CONFIGURED))
    for number in range(100):
        hints.add(answered(number + 10))
        hints.add(Hint(BOB, at(number + 10, 9), HintClass.RUMOURED, at(number + 10)))
    assert len(hints.about(BOB)) == 4
    assert hints.about(BOB)[0].locator == at(1)
    assert all(hint.rank is HintClass.ANSWERED for hint in hints.about(BOB)[1:])


def test_hints_in_total_are_bounded_and_the_oldest_gives_way() -> None:
    hints = store(hints=20)
    for number in range(100):
        hints.add(answered(number, stranger(number)))
    assert len(hints) == 20 and not hints.about(stranger(0)) and hints.about(stranger(99))


def test_hint_that_comes_last_is_kept_as_often_as_the_first() -> None:
    kept = {0: 0, 49: 0}
    for seed in range(400):
        hints = HintStore(QarpParameters(hints_per_peer=10), Draws(Chance(seed.to_bytes(2, "big"))))
        for number in range(50):
            hints.add(answered(number))
        for number in kept:
            kept[number] += hints.find(BOB, answered(number).locator) is not None
    assert all(50 < count < 110 for count in kept.values())  # 80 expected, sigma 8


def test_hint_from_a_fresh_address_displaces_those_of_the_busiest() -> None:
    for seed in range(30):
        hints = HintStore(QarpParameters(), Draws(Chance(seed.to_bytes(2, "big"))))
        for number in range(16):
            hints.add(answered(number, source=at(60 + number // 8, 1_000 + number)))
        assert hints.add(answered(200))


def test_hint_tried_in_vain_is_tried_again_in_a_later_round_only() -> None:
    hints = store()
    hint = answered(1)
    assert hints.add(hint) and not hints.add(answered(1))
    hint.trial = Trial.SPENT
    assert not hints.add(answered(1))
    later = answered(1)
    later.round = 1
    assert hints.add(later) and hints.about(BOB)[0].trial is Trial.WAITING


def test_rumour_that_answers_is_counted_for_whoever_answered() -> None:
    hints = store()
    hints.add(Hint(BOB, at(2), HintClass.RUMOURED, at(66)))
    hints.add(Hint(BOB, at(2), HintClass.ANSWERED, at(2)))
    assert [(hint.rank, hint.teller) for hint in hints.about(BOB)] == [(HintClass.ANSWERED, at(2))]


PEER, PLACE, SOURCE = st.integers(1, 4), st.integers(1, 30), st.integers(1, 6)
STEP = st.tuples(PEER, PLACE, st.sampled_from(HintClass), SOURCE, st.booleans(), st.integers(0, 3))


@given(st.lists(STEP, max_size=120))
def test_hints_stay_within_all_bounds_whatever_comes(steps: list[tuple[int, int, HintClass, int, bool, int]]) -> None:
    hints = store(hints=20, hints_per_peer=6, hints_per_source=3)
    for peer, place, rank, source, spend, round_ in steps:
        teller = None if rank is HintClass.CONFIGURED else at(source)
        hints.add(Hint(stranger(peer), at(place), rank, teller, round_))
        about = [hint for number in range(1, 5) for hint in hints.about(stranger(number))]
        if spend and about:
            about[place % len(about)].trial = Trial.SPENT
        assert len(about) == len(hints) <= 20
        for number in range(1, 5):
            assert len(hints.about(stranger(number))) <= 6
        for number in range(1, 7):
            assert sum(hint.teller == at(number) for hint in about) <= 3
    for number in range(1, 5):
        hints.forget(stranger(number))
    assert len(hints) == 0


# --- proofs --------------------------------------------------------------------------------------------------------


def test_proofs_run_a_few_at_a_time_begun_a_moment_apart() -> None:
    world, alice = host(QarpParameters())
    alice.want(BOB)
    nonce = world.packets[0].message.nonce
    for number in range(12):
        claim = Answer(nonce=nonce, target=BOB, whereabouts=Whereabouts())
        alice.receive(claim, Sender(BOB, None, Arrival("lan", at(60 + number)), BOB))
    world.run(40 * SECOND)
    begun = [(at_ns, effect.locator) for at_ns, effect in alice.seen if isinstance(effect, ProveClaim)]
    assert [locator for _, locator in begun] == [at(60 + number) for number in range(12)]
    times = [at_ns for at_ns, _ in begun]
    assert all(b - a >= 250 * MILLISECOND for a, b in itertools.pairwise(times))
    assert all(sum(t <= other < t + SECOND for other in times) <= 4 for t in times)
    assert alice.entry(BOB).state is NeighbourState.UNREACHABLE


def test_proofs_in_all_are_bounded() -> None:
    world, alice = host(QarpParameters(proofs=3))
    for number in range(1, 11):
        alice.want(stranger(number))
        claim = Answer(nonce=world.packets[-1].message.nonce, target=stranger(number), whereabouts=Whereabouts())
        source = at(100 + number)
        alice.receive(claim, Sender(stranger(number), None, Arrival("lan", source), stranger(number)))
    assert len(alice.events(ProveClaim)) == 3
    world.run(3_500 * MILLISECOND)
    assert len(alice.events(ProveClaim)) == 10  # but each has its turn


# --- rates ---------------------------------------------------------------------------------------------------------


def test_answers_to_one_source_are_limited_and_others_are_still_served() -> None:
    world = World()
    bob = world.host(BOB, at(2))
    for number in range(200):
        bob.receive(question(BOB, number), Sender(ALICE, None, Arrival("lan", at(66, 1 + number)), ALICE))
    assert len(bob.events(SendUnsealed)) == 20
    bob.receive(question(BOB), Sender(ALICE, None, Arrival("lan", at(1)), ALICE))
    assert len(bob.events(SendUnsealed)) == 21
    assert bob.counters["qarp.answers_limited"] == 180


def test_answers_in_total_are_limited_and_known_sources_outlive_a_flood() -> None:
    world = World()
    bob = world.host(BOB, at(2))
    bob.receive(question(BOB), Sender(ALICE, None, Arrival("lan", at(1)), ALICE))
    for number in range(5_000):
        source = Locator((10 << 24 | number).to_bytes(4, "big"), 4560)
        bob.receive(question(BOB, number), Sender(ALICE, None, Arrival("lan", source), ALICE))
    assert len(bob.events(SendUnsealed)) == QarpParameters().newcomers_s
    bob.receive(question(BOB), Sender(ALICE, None, Arrival("lan", at(1)), ALICE))
    assert len(bob.events(SendUnsealed)) == QarpParameters().newcomers_s + 1


def test_answers_to_known_sources_are_limited_in_total_too() -> None:
    world = World()
    bob = world.host(BOB, at(2), parameters=QarpParameters(answers_s=30))
    for number in range(100):
        bob.receive(question(BOB, number), Sender(ALICE, None, Arrival("lan", at(10 + number % 10)), ALICE))
    assert len(bob.events(SendUnsealed)) == 30


def test_questions_that_leave_a_node_are_limited() -> None:
    world = World()
    everywhere = Segment("lan", None, tuple(at(number, port) for number in range(2, 202) for port in (1, 2)))
    alice = world.host(ALICE, at(1), segments=(everywhere,))
    alice.want(BOB)
    assert len(world.packets) == QarpParameters().questions_s
    assert alice.counters["qarp.questions_limited"] == 200


@pytest.mark.parametrize("peers_up", [1, 20])
def test_lost_neighbours_do_not_leave_timers(peers_up: int) -> None:
    _, alice = host(QarpParameters())
    for number in range(1, peers_up + 1):
        alice.serve(PeerUp(stranger(number), Seal.HOP, at(number + 10)))
    assert alice.machine.next_deadline() is not None
    for number in range(1, peers_up + 1):
        alice.serve(PeerDown(stranger(number), Seal.HOP))
    assert alice.machine.next_deadline() is None

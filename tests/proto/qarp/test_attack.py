"""Attackers who can forge everything but a handshake: none of what they send is accepted.

The off-path attacker sends blindly. The one on the segment sees every unsealed datagram, nonces too, and answers before
anybody else. Neither has an identity, so no handshake with either proves anybody else.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.effects import Sender, SendMessage, SendUnsealed
from qstack.base.ids import Qna
from qstack.base.locator import Arrival, Locator
from qstack.base.services import PeerResolved, ProveClaim
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.states import NeighbourState
from qstack.wire.qarp import (
    Announcement,
    Answer,
    Conflict,
    Description,
    Ipv4Locator,
    Probe,
    Question,
    Whereabouts,
)
from tests.proto.qarp.world import ALICE, BOB, CAROL, MILLISECOND, SECOND, SEGMENT, Host, Packet, World, at

NONCE = bytes(range(16))


def said(victim: Host, message: object, source: Locator, claimed: Qna = BOB, segment: str = "lan") -> None:
    """A forged unsealed datagram arrives."""
    victim.receive(message, Sender(claimed, None, Arrival(segment, source), claimed))


def listing(*locators: Locator) -> Whereabouts:
    return Whereabouts(ipv4=tuple(Ipv4Locator(port=port, address=address) for address, port in locators))


def searching(world: World) -> tuple[Host, Question]:
    alice = world.host(ALICE, at(1))
    alice.want(BOB)
    return alice, world.packets[-1].message


# --- one by one ----------------------------------------------------------------------------------------------------


def test_unsolicited_answer_is_dropped() -> None:
    world = World()
    alice, _ = searching(world)
    said(alice, Answer(nonce=NONCE, target=BOB, whereabouts=Whereabouts()), at(66))
    assert not alice.events(ProveClaim) and alice.counters["qarp.unsolicited"] == 1


def test_answer_for_somebody_else_is_dropped() -> None:
    world = World()
    alice, question = searching(world)
    said(alice, Answer(nonce=question.nonce, target=CAROL, whereabouts=Whereabouts()), at(66), CAROL)
    said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts()), at(66), CAROL)
    assert not alice.events(ProveClaim) and alice.counters["qarp.mismatched"] == 2


def test_answer_by_another_segment_or_to_the_group_is_dropped() -> None:
    world = World()
    alice, question = searching(world)
    answer = Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts())
    said(alice, answer, at(66), segment="cellar")
    alice.receive(answer, Sender(BOB, None, Arrival("lan", at(66), True), BOB))
    assert not alice.events(ProveClaim) and alice.counters["qarp.misdirected"] == 2


def test_conflict_does_not_answer_a_question() -> None:
    world = World()
    alice, question = searching(world)
    said(alice, Conflict(nonce=question.nonce, target=BOB, whereabouts=Whereabouts()), at(66))
    assert not alice.events(ProveClaim)


def test_late_answer_is_dropped_after_success_and_after_failure() -> None:
    world = World()
    alice, question = searching(world)
    bob = world.host(BOB, at(2))
    bob.alive = False
    late = Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts())
    world.run(4 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.UNREACHABLE
    said(alice, late, at(2))
    assert not alice.events(ProveClaim)
    bob.alive = True
    alice.want(BOB)
    world.run(SECOND)
    proofs = len(alice.events(ProveClaim))
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    for packet in [p for p in world.packets if isinstance(p.message, Question) and p.claimed == ALICE]:
        said(alice, late.replace(nonce=packet.message.nonce), at(66))
    assert len(alice.events(ProveClaim)) == proofs and alice.entry(BOB).locator == at(2)


def test_duplicate_answer_is_tried_once_a_round() -> None:
    world = World()
    world.refusal_ns = MILLISECOND
    alice, question = searching(world)
    for _ in range(50):
        said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts()), at(66))
        world.run(10 * MILLISECOND)
    assert alice.events(ProveClaim) == [ProveClaim(BOB, at(66))]


def test_nonce_of_a_sealed_question_is_of_no_use_unsealed() -> None:
    world = World()
    alice, _ = searching(world)
    world.host(BOB, at(2))
    world.run(2 * SECOND)
    proofs = len(alice.events(ProveClaim))
    said(alice, Announcement(nonce=NONCE, target=BOB, whereabouts=Whereabouts()), at(66))
    sealed = [e.message for e in alice.events(SendMessage) if isinstance(e.message, Question)]
    assert len(sealed) == 1
    said(alice, Answer(nonce=sealed[0].nonce, target=BOB, whereabouts=Whereabouts()), at(66))
    assert len(alice.events(ProveClaim)) == proofs and alice.counters["qarp.misdirected"] == 1


def test_locators_listed_in_an_answer_are_asked_and_never_shaken_hands_with() -> None:
    world = World()
    alice, question = searching(world)
    victims = tuple(at(100 + n) for n in range(8))
    said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=listing(*victims)), at(66))
    world.run(3 * SECOND)
    asked = [p.destination for p in world.packets if p.destination in victims]
    assert 0 < len(asked) <= 2 * QarpParameters().rumours_asked
    assert {claim.locator for claim in alice.events(ProveClaim)} == {at(66)}


def test_answer_from_elsewhere_than_asked_proves_nothing_about_its_source() -> None:
    world = World()
    alice = world.host(ALICE, at(1), segments=(), statics={BOB: (at(2),)})
    alice.want(BOB)
    world.run(1_100 * MILLISECOND)
    question = next(p.message for p in world.packets if p.destination == at(2))
    said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts()), at(77))
    world.run(1_500 * MILLISECOND)
    assert at(77) in {packet.destination for packet in world.packets}
    assert at(77) not in {claim.locator for claim in alice.events(ProveClaim)}


def test_announcement_starts_no_handshake_and_costs_a_live_neighbour_one_sealed_question() -> None:
    world = World()
    alice, _ = searching(world)
    world.host(BOB, at(2))
    world.run(2 * SECOND)
    proofs = len(alice.events(ProveClaim))
    for number in range(200):
        said(alice, Announcement(nonce=NONCE, target=BOB, whereabouts=listing(at(70))), at(100 + number % 50))
        world.run(20 * MILLISECOND)
    entry = alice.entry(BOB)
    assert (entry.state, entry.locator) == (NeighbourState.REACHABLE, at(2))
    assert len(alice.events(ProveClaim)) == proofs
    assert len([e for e in alice.events(SendMessage) if isinstance(e.message, Question)]) == 1


def test_unusable_locators_are_not_asked() -> None:
    world = World()
    alice, question = searching(world)
    bad = [
        Locator(bytes(4), 1), Locator(b"\xff\xff\xff\xff", 1), Locator(b"\xef\x01\x01\x01", 1),
        Locator(b"\x7f\0\0\1", 1), Locator(at(5).address, 0), at(1), Locator(b"\xf0\0\0\1", 9),
    ]  # fmt: skip
    for locator in bad:
        said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=listing(locator)), at(66))
    world.run(3 * SECOND)
    assert not {p.destination for p in world.packets} & set(bad)


# --- the attacker on the segment -----------------------------------------------------------------------------------


class Wolf:
    """Sees every unsealed datagram and answers at once, before it has arrived, from addresses of its own making."""

    def __init__(self, world: World, answers: int, sources: int, ports: int = 1) -> None:
        self.world, self.answers = world, answers
        self.locators = [at(60 + n % sources, 1_000 + n // sources % ports) for n in range(sources * ports)]
        self._random = random.Random(answers)
        world.taps.append(self.on_packet)

    def on_packet(self, packet: Packet) -> None:
        victim = self.world.host_at(packet.source)
        if isinstance(packet.message, Question) and victim is not None:
            for n in range(self.answers):
                source = self.locators[n % len(self.locators)]
                listed = listing(*self._random.sample(self.locators, min(4, len(self.locators))))
                lie = Answer(nonce=packet.message.nonce, target=packet.message.target, whereabouts=listed)
                self.world.after(1, partial(said, victim, lie, source, lie.target))


@pytest.mark.parametrize(("answers", "sources", "ports"), [(1, 1, 1), (4, 1, 4), (8, 8, 1), (40, 2, 20), (10, 10, 1)])
def test_wrong_answers_that_come_first_do_not_block_the_right_one(answers: int, sources: int, ports: int) -> None:
    world = World()
    Wolf(world, answers, sources, ports)
    alice = world.host(ALICE, at(1))
    world.host(BOB, at(2))
    alice.want(BOB)
    took_ns = world.run_until(lambda: BOB in alice.up, 20 * SECOND)
    assert alice.entry(BOB).locator == at(2)
    assert took_ns < (4 * SECOND if sources > 4 else SECOND)


def test_wrong_answers_that_are_refuted_at_once_cost_nearly_nothing() -> None:
    world = World()
    world.refusal_ns = 0
    Wolf(world, 10, 10)
    alice = world.host(ALICE, at(1))
    world.host(BOB, at(2))
    alice.want(BOB)
    assert world.run_until(lambda: BOB in alice.up, 20 * SECOND) < 3 * SECOND


def test_flood_of_wrong_answers_from_forged_sources_leaves_the_right_one_its_chance() -> None:
    found = 0
    for seed in range(20):
        world = World(seed)
        Wolf(world, 40, 40)
        alice = world.host(ALICE, at(1))
        world.host(BOB, at(2))
        alice.want(BOB)
        world.run(25 * SECOND)
        found += BOB in alice.up
        assert alice.entry(BOB).locator in (None, at(2))
    assert found >= 6  # 16 of 41 are tried


def test_search_ends_however_long_an_attacker_goes_on() -> None:
    world = World()
    Wolf(world, 5, 40)
    alice, question = searching(world)
    lie = Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts())
    for number in range(400):
        said(alice, lie, at(1 + number % 250, 7_000 + number))
        world.run(100 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.UNREACHABLE


def test_rumours_asked_in_one_round_are_few() -> None:
    world = World()
    alice, question = searching(world)
    rumoured = [at(100 + number) for number in range(12)]
    for number in range(3):
        told = listing(*rumoured[4 * number : 4 * number + 4])
        said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=told), at(60 + number))
    world.run(1_500 * MILLISECOND)
    asked = [packet.destination for packet in world.packets if packet.destination in rumoured]
    assert len(asked) == 4 == len(set(asked))


def test_one_address_cannot_take_up_all_places_for_proofs() -> None:
    world = World()
    alice, question = searching(world)
    for port in range(1, 9):
        said(alice, Answer(nonce=question.nonce, target=BOB, whereabouts=Whereabouts()), at(66, port))
    world.run(990 * MILLISECOND)
    assert len(alice.events(ProveClaim)) == 2


FORGERIES = st.sampled_from([Answer, Announcement, Conflict, Probe, Question, Description])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32), on_path=st.booleans(), many=st.integers(1, 200), loss=st.sampled_from([0.0, 0.3]),
    kinds=st.lists(FORGERIES, min_size=1, max_size=6), static=st.booleans(),
)  # fmt: skip
def test_no_forgery_is_ever_accepted(
    seed: int, on_path: bool, many: int, loss: float, kinds: list[type], static: bool
) -> None:
    """Forged, late, duplicate, unsolicited and conflicting messages, of all kinds, at any time: every locator that is
    ever used is a true one."""
    world = World(seed, loss)
    chance = random.Random(seed)
    alice = world.host(ALICE, at(1), statics={CAROL: (at(3),)} if static else {}, start=True)
    world.host(BOB, at(2), start=True)
    world.host(CAROL, at(3), start=True)
    nonces = [NONCE]
    if on_path:
        world.taps.append(lambda packet: nonces.append(getattr(packet.message, "nonce", NONCE)))
    truth = {BOB: at(2), CAROL: at(3)}
    for number in range(many):
        kind, source = chance.choice(kinds), at(chance.randrange(1, 120), chance.choice([4560, 666]))
        target = chance.choice([ALICE, BOB, CAROL])
        values: dict[str, Any] = {"nonce": chance.choice(nonces[-8:]), "target": target}
        values["whereabouts"] = listing(at(chance.randrange(50, 250)))
        forged = kind(**{name: value for name, value in values.items() if name in kind.__annotations__})
        segment = chance.choice(["lan", "lan", "lan", "cellar"])
        arrival = Arrival(segment, source, chance.random() < 0.3)
        alice.receive(forged, Sender(target, None, arrival, target))
        if number % 8 == 0:
            alice.want(chance.choice([BOB, CAROL]))
        world.run(chance.choice([0, MILLISECOND, 300 * MILLISECOND, 2 * SECOND]))
        for entry in alice.machine.describe():
            assert entry.locator in (None, truth[entry.peer])
            assert entry.device_port in (None, 0)
    assert all(resolved.locator == truth[resolved.peer] for resolved in alice.events(PeerResolved))
    assert alice.machine.describe_address().conflicts == 0
    world.loss = 0.0
    alice.want(BOB)
    world.run(40 * SECOND)
    assert BOB in alice.up or alice.entry(BOB).state is NeighbourState.UNREACHABLE


def test_guessed_nonces_reach_nothing() -> None:
    """Those that are one bit off, and many others."""
    world = World()
    alice, question = searching(world)
    template = Answer(nonce=NONCE, target=BOB, whereabouts=Whereabouts())
    sender = Sender(BOB, None, Arrival("lan", at(66)), BOB)
    right = int.from_bytes(question.nonce, "big")
    for number in range(20_000):
        guess = (right ^ (1 << number % 128)) if number < 128 else number
        alice.machine.receive(template.replace(nonce=guess.to_bytes(16, "big")), sender, world.now_ns)
    effects = alice.machine.take_effects()
    assert len(effects) == 20_000 and not [e for e in effects if isinstance(e, ProveClaim | SendUnsealed)]


def test_attackers_segment_does_not_matter_to_static_neighbours() -> None:
    world = World()
    Wolf(world, 20, 10)
    alice = world.host(ALICE, at(1), segments=(SEGMENT,), statics={BOB: (at(2),)})
    world.host(BOB, at(2))
    alice.want(BOB)
    assert world.run_until(lambda: BOB in alice.up, SECOND) < 20 * MILLISECOND

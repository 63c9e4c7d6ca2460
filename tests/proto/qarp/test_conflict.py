"""The own address: probing and announcing in time, and rivals that can prove it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qstack.base.effects import Log, Sender, SendUnsealed, Severity
from qstack.base.locator import Arrival, Locator
from qstack.base.services import ClaimProved, ProveClaim
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.presence import padded
from qstack.proto.qarp.questions import EVERYBODY
from qstack.proto.qarp.states import AddressState, NeighbourState
from qstack.wire.qarp import Announcement, Answer, Conflict, Probe, Question, Whereabouts
from tests.proto.qarp.world import ALICE, BOB, MILLISECOND, SECOND, Host, World, at


def sent(world: World, kind: type, source: Locator) -> list[int]:
    return [p.sent_ns for p in world.packets if isinstance(p.message, kind) and p.source == source]


def state(host: Host) -> AddressState:
    return host.machine.describe_address().state


def held(world: World) -> Host:
    """A node that holds its address."""
    alice = world.host(ALICE, at(1), start=True)
    world.run(12 * SECOND)
    assert state(alice) is AddressState.HELD
    world.packets.clear()
    alice.seen.clear()
    return alice


def claimed(alice: Host, message: Any, source: Locator) -> None:
    alice.receive(message, Sender(ALICE, None, Arrival("lan", source, True), ALICE))


def prove_rival(alice: Host, number: int = 66) -> None:
    alice.serve(ClaimProved(ALICE, at(number)))


ANNOUNCEMENT = padded(Announcement(nonce=bytes(16), target=ALICE, whereabouts=Whereabouts()))
PROBE = padded(Probe(nonce=bytes(16), target=ALICE))


# --- timing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_probes_and_announcements_keep_the_times_of_rfc_5227(seed: int) -> None:
    world = World(seed, loss=0.3)
    began_ns = world.now_ns
    alice = world.host(ALICE, at(1), start=True)
    world.host(BOB, at(2), start=True)
    world.run(60 * SECOND)
    probes, announcements = sent(world, Probe, at(1)), sent(world, Announcement, at(1))
    assert len(probes) == 3 and len(announcements) == 2
    assert 0 <= probes[0] - began_ns <= SECOND
    assert all(SECOND <= b - a <= 2 * SECOND for a, b in itertools.pairwise(probes))
    assert announcements[0] - probes[2] == 2 * SECOND
    assert announcements[1] - announcements[0] == 2 * SECOND
    assert state(alice) is AddressState.HELD and alice.machine.next_deadline() is None


def test_probe_times_differ_between_nodes() -> None:
    first = set()
    for seed in range(20):
        world = World(seed)
        world.host(ALICE, at(1), start=True)
        world.run(2 * SECOND)
        first.add(sent(world, Probe, at(1))[0])
    assert len(first) == 20


def test_claims_go_to_everybody_on_every_segment() -> None:
    world = World()
    alice = world.host(ALICE, at(1), start=True)
    world.run(SECOND)
    probe = next(effect for effect in alice.events(SendUnsealed))
    assert (probe.destination, probe.locator, probe.segment) == (EVERYBODY, None, "lan")


def test_questions_are_answered_while_probing() -> None:
    world = World()
    world.host(ALICE, at(1), start=True)
    bob = world.host(BOB, at(2))
    bob.want(ALICE)
    world.run(100 * MILLISECOND)
    assert bob.entry(ALICE).state is NeighbourState.REACHABLE


# --- claims that prove nothing --------------------------------------------------------------------------------------


def test_own_echo_is_no_rival() -> None:
    world = World()  # the group loops back to its sender
    alice = world.host(ALICE, at(1), locators={}, start=True)  # so it does not even know its own locator
    world.run(30 * SECOND)
    assert state(alice) is AddressState.HELD
    assert not alice.events(ProveClaim)
    assert not [p for p in world.packets if isinstance(p.message, Conflict | Question)]


def test_probe_for_a_held_address_is_answered_by_one_conflict() -> None:
    world = World()
    alice = held(world)
    claimed(alice, PROBE, at(66))
    assert [type(effect.message) for effect in alice.events(SendUnsealed)] == [Conflict]
    conflict = alice.events(SendUnsealed)[0]
    assert conflict.message.nonce == PROBE.nonce and conflict.locator == at(66)
    assert state(alice) is AddressState.HELD


def test_forged_announcements_make_no_conflict_and_at_most_one_challenge_a_second() -> None:
    world = World()
    alice = held(world)
    for number in range(100):
        claimed(alice, ANNOUNCEMENT, at(60 + number))
        world.run(50 * MILLISECOND)
    assert len(sent(world, Question, at(1))) <= 6
    assert not alice.events(ProveClaim) and not alice.events(Log)
    assert (state(alice), alice.machine.describe_address().conflicts) == (AddressState.HELD, 0)


def test_rival_that_answers_but_cannot_prove_it_is_no_conflict() -> None:
    world = World()
    world.refusal_ns = MILLISECOND
    alice = held(world)
    for _ in range(3):
        claimed(alice, ANNOUNCEMENT, at(66))
        challenge = alice.events(SendUnsealed)[-1]
        assert isinstance(challenge.message, Question) and challenge.locator == at(66)
        lie = Answer(nonce=challenge.message.nonce, target=ALICE, whereabouts=Whereabouts())
        alice.receive(lie, Sender(ALICE, None, Arrival("lan", at(66)), ALICE))
        world.run(2 * SECOND)
    assert alice.events(ProveClaim) == [ProveClaim(ALICE, at(66))] * 3
    assert (state(alice), alice.machine.describe_address().conflicts) == (AddressState.HELD, 0)


def test_late_answer_to_a_challenge_and_late_conflict_are_dropped() -> None:
    world = World()
    alice = world.host(ALICE, at(1), start=True)
    world.run(12 * SECOND)
    nonces = [packet.message.nonce for packet in world.packets]
    assert len(nonces) == 5
    claimed(alice, ANNOUNCEMENT, at(66))
    challenge = alice.events(SendUnsealed)[-1].message
    world.run(2 * SECOND)
    late = Answer(nonce=challenge.nonce, target=ALICE, whereabouts=Whereabouts())
    alice.receive(late, Sender(ALICE, None, Arrival("lan", at(66)), ALICE))
    for nonce in nonces:
        conflict = Conflict(nonce=nonce, target=ALICE, whereabouts=Whereabouts())
        alice.receive(conflict, Sender(ALICE, None, Arrival("lan", at(66)), ALICE))
    assert not alice.events(ProveClaim)


def test_handshake_with_oneself_is_no_conflict() -> None:
    world = World()
    alice = held(world)
    alice.serve(ClaimProved(ALICE, at(1)))
    assert alice.machine.describe_address().conflicts == 0


# --- rivals that prove it ------------------------------------------------------------------------------------------


def test_conflict_while_probing_ceases_at_once() -> None:
    world = World()
    alice = world.host(ALICE, at(1), start=True)
    world.run(SECOND)
    prove_rival(alice)
    assert state(alice) is AddressState.CEASED
    assert [(log.severity, log.event) for log in alice.events(Log)] == [
        (Severity.LOCAL, "qarp.conflict"), (Severity.LOCAL, "qarp.ceased"),
    ]  # fmt: skip
    assert alice.machine.describe_address().rival == at(66)


def test_first_conflict_is_defended_by_one_announcement_the_second_within_the_interval_ceases() -> None:
    world = World()
    alice = held(world)
    prove_rival(alice)
    assert state(alice) is AddressState.HELD and len(sent(world, Announcement, at(1))) == 1
    world.run(9 * SECOND)
    assert len(sent(world, Announcement, at(1))) == 1
    prove_rival(alice)
    assert state(alice) is AddressState.CEASED and len(sent(world, Announcement, at(1))) == 1


def test_conflicts_further_apart_than_the_interval_are_all_defended() -> None:
    world = World()
    alice = held(world)
    for _ in range(5):
        prove_rival(alice)
        world.run(10 * SECOND)
    assert state(alice) is AddressState.HELD and len(sent(world, Announcement, at(1))) == 5


def test_ceased_node_is_silent_but_can_still_reach_others() -> None:
    world = World()
    alice = held(world)
    bob = world.host(BOB, at(2))
    prove_rival(alice)
    prove_rival(alice)
    world.packets.clear()
    bob.want(ALICE)
    claimed(alice, PROBE, at(66))
    claimed(alice, ANNOUNCEMENT, at(66))
    world.run(5 * SECOND)
    assert not [p for p in world.packets if p.source == at(1)]
    alice.want(BOB)
    world.run(100 * MILLISECOND)
    assert BOB in alice.up


def test_ceased_node_probes_again_and_after_ten_conflicts_once_a_minute() -> None:
    world = World()
    alice = world.host(ALICE, at(1), start=True)
    waits = []
    for _ in range(14):
        count = len(sent(world, Probe, at(1)))
        world.run_until(lambda count=count: len(sent(world, Probe, at(1))) > count, 90 * SECOND)  # type: ignore[misc]
        prove_rival(alice)
        ceased_ns = world.now_ns
        count = len(sent(world, Probe, at(1)))
        world.run_until(lambda: state(alice) is AddressState.PROBING, 90 * SECOND)
        waits.append((world.now_ns - ceased_ns) // SECOND)
    assert waits == [10] * 9 + [60] * 5


def test_quiet_minute_makes_the_next_conflict_the_first_again() -> None:
    world = World()
    alice = held(world)
    for _ in range(3):
        prove_rival(alice)
        world.run(11 * SECOND)
    assert alice.machine.describe_address().conflicts == 3
    world.run(60 * SECOND)
    prove_rival(alice)
    assert alice.machine.describe_address().conflicts == 1


# --- clones, from end to end ---------------------------------------------------------------------------------------


def test_clone_that_joins_is_found_out_and_the_newcomer_gives_way() -> None:
    world = World()
    alice = held(world)
    clone = world.host(ALICE, at(66), start=True)
    world.run_until(lambda: state(clone) is AddressState.CEASED, 3 * SECOND)
    world.run(5 * SECOND)
    assert clone.machine.describe_address().rival == at(1)
    assert state(alice) is AddressState.HELD


@pytest.mark.parametrize("seed", range(8))
def test_clones_that_start_together_do_not_both_hold_the_address(seed: int) -> None:
    world = World(seed)
    clones = world.host(ALICE, at(1), start=True), world.host(ALICE, at(66), start=True)
    world.run(8 * SECOND)
    assert [state(clone) for clone in clones].count(AddressState.CEASED) == 1


@pytest.mark.parametrize("seed", range(8))
def test_clone_whose_probes_were_lost_meets_its_announcement_or_ours(seed: int) -> None:
    world = World(seed, loss=0.3)
    alice = held(world)
    clone = world.host(ALICE, at(66), start=True)
    world.run(120 * SECOND)
    found = alice.machine.describe_address().conflicts + clone.machine.describe_address().conflicts
    assert found >= 1


def test_neighbour_is_not_moved_by_a_clone_that_announces() -> None:
    world = World()
    alice = held(world)
    bob = world.host(BOB, at(2))
    bob.want(ALICE)
    world.run(SECOND)
    clone = world.host(ALICE, at(66))
    announcement = padded(Announcement(nonce=bytes(16), target=ALICE, whereabouts=Whereabouts()))
    for _ in range(20):
        bob.receive(announcement, Sender(ALICE, None, Arrival("lan", clone.locator, True), ALICE))
        world.run(SECOND)
    assert bob.entry(ALICE).locator == alice.locator
    assert bob.entry(ALICE).state is NeighbourState.REACHABLE


def test_parameters_of_the_claim_are_those_of_rfc_5227() -> None:
    p = QarpParameters()
    assert (p.probe_wait_ns, p.probe_number, p.probe_min_ns, p.probe_max_ns) == (SECOND, 3, SECOND, 2 * SECOND)
    assert (p.announce_wait_ns, p.announce_number, p.announce_interval_ns) == (2 * SECOND, 2, 2 * SECOND)
    assert (p.maximum_conflicts, p.rate_limit_interval_ns, p.defend_interval_ns) == (10, 60 * SECOND, 10 * SECOND)
    assert (p.multicast_solicit, p.unicast_solicit, p.reachable_time_ns) == (3, 3, 30 * SECOND)
    assert (p.retransmit_ns, p.delay_first_probe_ns) == (SECOND, 5 * SECOND)

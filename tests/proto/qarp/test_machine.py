"""Resolution from outside: nodes in a virtual network, timers, sessions that prove truthfully."""

from __future__ import annotations

import itertools

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender, SendMessage, SendUnsealed
from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.locator import Arrival, Locator, parse_locator
from qstack.base.services import EnsurePeer, PeerHeard, PeerResolved, PeerUnresolved, PeerUp, ProveClaim
from qstack.proto.qarp.machine import QarpMachine
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.segment import Segment
from qstack.proto.qarp.states import NeighbourState
from qstack.wire.qarp import (
    PADDED_OCTETS,
    Announcement,
    Answer,
    Capability,
    Description,
    Question,
    Whereabouts,
)
from tests.proto.qarp.world import ALICE, BOB, CAROL, MILLISECOND, SECOND, SEGMENT, Host, World, at


def connected(world: World, **options: object) -> tuple[Host, Host]:
    """Two nodes that have found each other."""
    alice, bob = world.host(ALICE, at(1)), world.host(BOB, at(2), **options)  # type: ignore[arg-type]
    alice.want(BOB)
    world.run(SECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    return alice, bob


def questions(world: World, sealed: bool = False) -> list[int]:
    """When unsealed (or sealed) questions were sent."""
    asked = [packet for packet in world.packets if isinstance(packet.message, Question)]
    return [packet.sent_ns for packet in asked if (packet.sealed_for is not None) == sealed]


# --- finding -----------------------------------------------------------------------------------------------------


def test_resolution_on_a_multicast_segment_takes_one_round() -> None:
    world = World()
    alice, bob = connected(world)
    assert alice.entry(BOB).locator == at(2)
    assert bob.entry(ALICE).locator == at(1)
    assert [type(p.message) for p in world.packets if p.sealed_for is None] == [Question, Answer]
    services = [effect for effect in alice.events(object) if isinstance(effect, ProveClaim | PeerResolved)]
    assert [type(service) for service in services] == [ProveClaim, PeerResolved]
    assert alice.events(PeerResolved) == [PeerResolved(BOB, at(2))]


def test_resolution_on_a_unicast_segment_asks_each_but_itself() -> None:
    world = World()
    listed = Segment("lan", None, (at(1), at(2), at(3)))
    alice = world.host(ALICE, at(1), segments=(listed,))
    world.host(BOB, at(2), segments=(listed,))
    world.host(CAROL, at(3), segments=(listed,))
    alice.want(BOB)
    assert {p.destination for p in world.packets} == {at(2), at(3)}
    world.run(SECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE


def test_resolution_of_a_static_neighbour_is_tried_at_once_without_a_question() -> None:
    world = World()
    alice = world.host(ALICE, at(1), segments=(), statics={BOB: (at(2),)})
    world.host(BOB, at(2), segments=())
    assert alice.entry(BOB).state is NeighbourState.STALE
    alice.want(BOB)
    assert alice.events(object)[0] == PeerResolved(BOB, at(2))
    world.run(100 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    assert not questions(world)


def test_resolution_of_a_static_neighbour_at_its_second_locator_takes_little_more_than_a_second() -> None:
    world = World()
    alice = world.host(ALICE, at(1), segments=(), statics={BOB: (at(9), at(2))})
    world.host(BOB, at(2), segments=())
    alice.want(BOB)
    took_ns = world.run_until(lambda: alice.entry(BOB).state is NeighbourState.REACHABLE, 5 * SECOND)
    assert took_ns < 1_500 * MILLISECOND
    assert alice.entry(BOB).locator == at(2)


def test_resolution_of_a_node_that_starts_later_succeeds_with_the_next_round() -> None:
    world = World()
    alice, bob = world.host(ALICE, at(1)), world.host(BOB, at(2))
    bob.alive = False
    alice.want(BOB)
    world.run(500 * MILLISECOND)
    bob.alive = True
    world.run(600 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE


def test_resolution_does_not_wait_for_probing() -> None:
    world = World()
    alice, bob = world.host(ALICE, at(1), start=True), world.host(BOB, at(2), start=True)
    alice.want(BOB)
    bob.want(ALICE)
    took_ns = world.run_until(lambda: ALICE in bob.up and BOB in alice.up, SECOND)
    assert took_ns < 50 * MILLISECOND


@pytest.mark.parametrize("seed", range(10))
def test_resolution_under_forty_percent_loss_comes_about(seed: int) -> None:
    world = World(seed, loss=0.4)
    alice, bob = world.host(ALICE, at(1), start=True), world.host(BOB, at(2), start=True)
    for _ in range(10):
        alice.want(BOB)
        world.run(4 * SECOND)
        if BOB in alice.up:
            break
    assert bob.up.keys() == {ALICE} and alice.up.keys() == {BOB}
    assert alice.entry(BOB).locator == at(2)


def test_resolution_over_ipv6_works_the_same() -> None:
    world = World()
    here, there = parse_locator("[2001:db8::1]:4560"), parse_locator("[2001:db8::2]:4560")
    alice = world.host(ALICE, here)
    world.host(BOB, there)
    alice.want(BOB)
    world.run(SECOND)
    assert alice.entry(BOB).locator == there


def test_search_without_an_answer_asks_three_times_a_second_apart_and_gives_up() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    began_ns = world.now_ns
    alice.want(BOB)
    world.run(2_999 * MILLISECOND)
    assert not alice.events(PeerUnresolved)
    world.run(MILLISECOND)
    assert [sent - began_ns for sent in questions(world)] == [0, SECOND, 2 * SECOND]
    assert alice.events(PeerUnresolved) == [PeerUnresolved(BOB)]
    assert alice.entry(BOB).state is NeighbourState.UNREACHABLE
    assert alice.machine.next_deadline() is None


def test_search_waits_for_a_slow_handshake_with_somebody_who_answers() -> None:
    world = World(latency_ns=900 * MILLISECOND)
    alice = world.host(ALICE, at(1))
    world.host(BOB, at(2))
    alice.want(BOB)
    world.run(6 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE and not alice.events(PeerUnresolved)


def test_search_repeated_in_vain_backs_off_and_a_sign_of_life_ends_that() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    gaps = []
    for _ in range(6):
        last_ns = questions(world)[-1] if questions(world) else None
        count = len(questions(world))
        alice.want(BOB)
        world.run_until(lambda count=count: len(questions(world)) > count, 20 * SECOND)  # type: ignore[misc]
        gaps.append(questions(world)[count] - (last_ns or world.now_ns))
        world.run_until(lambda: alice.entry(BOB).state is NeighbourState.UNREACHABLE, 20 * SECOND)
    assert [round(gap / SECOND) for gap in gaps[1:]] == [1, 2, 4, 8, 8]
    claim = Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts())
    alice.receive(claim, Sender(BOB, None, Arrival("lan", at(2), True), BOB))
    world.run(SECOND)
    count = len(questions(world))
    alice.want(BOB)
    assert len(questions(world)) == count + 1


def test_search_that_waits_is_begun_by_a_sign_of_life() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    for _ in range(5):
        alice.want(BOB)
        world.run_until(lambda: alice.entry(BOB).state is NeighbourState.UNREACHABLE, 20 * SECOND)
    alice.want(BOB)
    count = len(questions(world))
    claim = Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts())
    alice.receive(claim, Sender(BOB, None, Arrival("lan", at(2), True), BOB))
    world.run(MILLISECOND)
    assert len(questions(world)) > count


def test_questions_never_come_faster_than_one_round_a_second() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    for _ in range(500):
        alice.want(BOB)
        world.run(37 * MILLISECOND)
    asked = questions(world)
    assert len(asked) > 5
    assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(asked))


def test_question_and_answer_are_unlike_all_others() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    for peer in range(64513 << 32, (64513 << 32) + 20):
        alice.want(peer)  # type: ignore[arg-type]
    world.run(2 * SECOND)
    nonces = [p.message.nonce for p in world.packets]
    assert len(set(nonces)) == len(nonces) >= 40


# --- living with a neighbour -------------------------------------------------------------------------------------


def test_reachable_time_is_drawn_between_half_and_one_and_a_half() -> None:
    lasted = []
    for seed in range(40):
        world = World(seed)
        alice, _ = connected(world)
        heard_ns = alice.entry(BOB).heard_ns
        world.run_until(lambda alice=alice: alice.entry(BOB).state is NeighbourState.STALE, 60 * SECOND)  # type: ignore[misc]
        lasted.append((world.now_ns - heard_ns) / SECOND)
    assert 15 <= min(lasted) < 20 and 40 < max(lasted) <= 45.1
    assert len(set(lasted)) > 30


def test_neighbour_that_is_heard_stays_reachable_without_a_question() -> None:
    world = World()
    alice, bob = connected(world)
    count = len(questions(world))
    for _ in range(20):
        world.run(10 * SECOND)
        bob.say_sealed(ALICE)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    assert len(questions(world)) == count and not questions(world, sealed=True)


def test_stale_neighbour_in_use_is_delayed_then_probed_under_the_seal_and_confirmed() -> None:
    world = World()
    alice, _ = connected(world)
    world.run(60 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.STALE
    alice.want(BOB)
    assert alice.events(PeerResolved)[-1] == PeerResolved(BOB, at(2))
    assert alice.entry(BOB).state is NeighbourState.DELAY
    world.run(4_999 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.DELAY and not questions(world, sealed=True)
    world.run(MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.PROBE and len(questions(world, sealed=True)) == 1
    world.run(10 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE


def test_delayed_neighbour_that_is_heard_is_not_probed() -> None:
    world = World()
    alice, bob = connected(world)
    world.run(60 * SECOND)
    alice.want(BOB)
    bob.say_sealed(ALICE)
    world.run(10 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE and not questions(world, sealed=True)


def test_probed_neighbour_that_is_gone_is_searched_for_and_given_up() -> None:
    world = World()
    alice, bob = connected(world)
    world.run(60 * SECOND)
    bob.alive = False
    count = len(questions(world))
    alice.want(BOB)
    world.run(5 * SECOND)
    began_ns = world.now_ns
    assert alice.entry(BOB).state is NeighbourState.PROBE
    world.run(3 * SECOND)
    assert [sent - began_ns for sent in questions(world, sealed=True)] == [0, SECOND, 2 * SECOND]
    assert alice.entry(BOB).state is NeighbourState.INCOMPLETE
    assert [p.destination for p in world.packets[-2:]] == [None, at(2)]  # the group, and where it was last
    world.run(3 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.UNREACHABLE
    assert len(questions(world)) == count + 6
    assert alice.events(PeerUnresolved) == [PeerUnresolved(BOB)]


def test_node_that_moved_is_found_again() -> None:
    world = World()
    alice, bob = connected(world)
    world.run(60 * SECOND)
    bob.locator = at(7)
    bob.machine.reconfigure((SEGMENT,), {}, world.now_ns, locators={"lan": (at(7),)})
    alice.want(BOB)
    world.run(9 * SECOND)
    assert alice.entry(BOB).locator == at(7)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    assert len(alice.logs("qarp.moved")) == 1


def test_node_that_moved_and_announces_it_is_found_within_seconds() -> None:
    world = World()
    alice, bob = connected(world)
    world.run(2 * SECOND)
    bob.locator = at(7)
    bob.machine.reconfigure((SEGMENT,), {}, world.now_ns, locators={"lan": (at(7),)})
    bob.machine.start(world.now_ns)
    world.run_until(lambda: alice.entry(BOB).locator == at(7), 6 * SECOND)


def test_doubted_neighbour_that_is_heard_is_not_probed() -> None:
    world = World()
    alice, bob = connected(world)
    world.loss = 1.0
    claim = Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts())
    alice.receive(claim, Sender(BOB, None, Arrival("lan", at(7), True), BOB))
    world.run(SECOND // 2)
    world.loss = 0.0
    bob.say_sealed(ALICE)
    world.run(3 * SECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE
    assert not questions(world, sealed=True) and alice.entry(BOB).hints == 0


def test_node_heard_from_elsewhere_is_followed_once_proved() -> None:
    world = World()
    alice, bob = connected(world)
    bob.locator = at(7)
    bob.say_sealed(ALICE)
    world.run(2 * MILLISECOND)
    assert alice.entry(BOB).locator == at(2)
    assert ProveClaim(BOB, at(7)) in alice.events(ProveClaim)
    world.run(20 * MILLISECOND)
    assert alice.entry(BOB).locator == at(7)


def test_lost_session_makes_the_neighbour_stale_and_the_next_wish_renews_it() -> None:
    world = World()
    alice, bob = connected(world)
    bob.up.clear()
    alice.lose(BOB)
    assert alice.entry(BOB).state is NeighbourState.STALE and not alice.entry(BOB).connected
    alice.want(BOB)
    world.run(50 * MILLISECOND)
    assert alice.entry(BOB).state is NeighbourState.REACHABLE


def test_neighbour_that_calls_is_known_without_being_asked_for() -> None:
    world = World()
    _alice, bob = connected(world)
    assert bob.entry(ALICE).state is NeighbourState.REACHABLE
    assert not [p for p in world.packets if p.claimed == BOB and isinstance(p.message, Question)]


def test_neighbour_that_calls_while_being_searched_for_ends_the_search() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    alice.want(BOB)
    alice.serve(PeerUp(BOB, Seal.HOP, at(2)))
    assert alice.events(PeerResolved) == [PeerResolved(BOB, at(2))]
    assert alice.entry(BOB).state is NeighbourState.REACHABLE


# --- what a neighbour says of itself -----------------------------------------------------------------------------


def test_device_port_and_capabilities_are_learned_under_the_seal() -> None:
    world = World()
    second = parse_locator("[2001:db8::2]:4560")
    alice, _ = connected(
        world, device_port=7, capabilities=Capability.MEMORY | Capability.SWAP, locators={"lan": (at(2), second)}
    )
    entry = alice.entry(BOB)
    assert (entry.device_port, entry.capabilities) == (7, Capability.MEMORY | Capability.SWAP)
    assert entry.described == (at(2), second)


def test_device_port_in_an_unsealed_answer_is_not_believed() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    alice.want(BOB)
    nonce = world.packets[0].message.nonce
    lie = Answer(nonce=nonce, target=BOB, whereabouts=Whereabouts(device_port=666, capabilities=63))
    alice.receive(lie, Sender(BOB, None, Arrival("lan", at(2)), BOB))
    alice.serve(PeerUp(BOB, Seal.HOP, at(2)))
    assert alice.entry(BOB).device_port is None and alice.entry(BOB).capabilities is None


def test_answer_of_a_segment_carries_its_locators_and_the_device() -> None:
    world = World()
    sixth = parse_locator("[2001:db8::2]:4560")
    bob = world.host(BOB, at(2), locators={"lan": (at(2), sixth)}, device_port=3, capabilities=Capability.STATION)
    alice = world.host(ALICE, at(1))
    alice.want(BOB)
    world.run(MILLISECOND)
    told = next(e.message for e in bob.events(SendUnsealed)).whereabouts
    assert [(item.preference, item.address) for item in told.ipv4] == [(0, at(2).address)]
    assert [(item.preference, item.address) for item in told.ipv6] == [(1, sixth.address)]
    assert (told.device_port, told.capabilities) == (3, Capability.STATION)


def test_description_of_a_neighbour_helps_to_find_it_at_its_other_locator() -> None:
    world = World()
    other = at(22)
    alice, bob = connected(world, locators={"lan": (at(2), other)})
    bob.locator = other
    alice.machine.reconfigure((), {}, world.now_ns)  # no group to ask any more
    bob.up.clear()
    alice.lose(BOB)
    alice.want(BOB)
    world.run(1_100 * MILLISECOND)
    assert alice.entry(BOB).locator == other


def test_new_description_reaches_connected_neighbours() -> None:
    world = World()
    alice, bob = connected(world)
    bob.machine.reconfigure((SEGMENT,), {}, world.now_ns, device_port=9)
    bob.drain()
    world.run(10 * MILLISECOND)
    assert alice.entry(BOB).device_port == 9
    assert len([e for e in bob.events(SendMessage) if isinstance(e.message, Description)]) == 2


# --- being configured --------------------------------------------------------------------------------------------


def test_configuration_that_cannot_be_is_refused_whole() -> None:
    def machine(segments: tuple[Segment, ...], statics: dict[object, tuple[Locator, ...]]) -> QarpMachine:
        return QarpMachine(ALICE, QarpParameters(), segments, statics, Chance(b"x"))  # type: ignore[arg-type]

    with pytest.raises(LocalMisuse, match="twice"):
        machine((SEGMENT, SEGMENT), {})
    with pytest.raises(LocalMisuse, match="itself"):
        machine((), {ALICE: (at(1),)})
    with pytest.raises(LocalMisuse, match="unicast"):
        machine((), {BOB: (parse_locator("239.0.0.1:1"),)})
    good = machine((SEGMENT,), {BOB: (at(2),)})
    with pytest.raises(LocalMisuse, match="at most 8"):
        good.reconfigure((), {}, 0, locators={"lan": tuple(at(number) for number in range(9))})
    good.on_service(EnsurePeer(CAROL), 0)
    assert [e for e in good.take_effects() if isinstance(e, SendUnsealed)], "the segment is still there"
    assert [entry.peer for entry in good.describe()] == [BOB, CAROL]


@pytest.mark.parametrize("change", [{"probe_number": 0}, {"probe_max_ns": 1}, {"proofs": -1}])
def test_parameters_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(LocalMisuse):
        QarpParameters(**change)


def test_reconfiguration_adds_and_removes_static_neighbours() -> None:
    world = World()
    alice = world.host(ALICE, at(1), statics={BOB: (at(2),)})
    world.host(CAROL, at(3))
    alice.machine.reconfigure((SEGMENT,), {CAROL: (at(3),)}, world.now_ns)
    assert [entry.peer for entry in alice.machine.describe()] == [CAROL]
    alice.want(CAROL)
    world.run(SECOND)
    alice.machine.reconfigure((SEGMENT,), {}, world.now_ns)
    assert alice.entry(CAROL).connected and not alice.entry(CAROL).static


# --- what must not be --------------------------------------------------------------------------------------------


def test_own_address_is_not_looked_for() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    alice.want(ALICE)
    assert alice.events(PeerUnresolved) == [PeerUnresolved(ALICE)] and not world.packets


def test_end_sessions_are_none_of_its_business() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    alice.serve(EnsurePeer(BOB, Seal.END))
    alice.serve(PeerUp(BOB, Seal.END, None))
    assert not alice.seen and not alice.machine.describe()


def test_heard_stranger_makes_no_entry() -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    alice.serve(PeerHeard(BOB, at(2)))
    assert not alice.machine.describe()


def test_question_for_another_is_passed_over_and_teaches_nothing() -> None:
    world = World()
    bob = world.host(BOB, at(2))
    question = Question(nonce=bytes(16), target=CAROL)
    bob.receive(question, Sender(ALICE, None, Arrival("lan", at(1), True), ALICE))
    assert not bob.seen and not bob.machine.describe()


def test_question_on_a_segment_that_is_not_configured_is_not_answered() -> None:
    world = World()
    bob = world.host(BOB, at(2))
    question = Question(nonce=bytes(PADDED_OCTETS)[:16], target=BOB)
    bob.receive(question, Sender(ALICE, None, Arrival("cellar", at(1)), ALICE))
    assert not bob.events(SendUnsealed) and bob.counters == {"qarp.off_segment": 1}


@pytest.mark.parametrize("sender", [
    Sender(BOB, Seal.END, Arrival("lan", at(2)), BOB), Sender(BOB, Seal.HOP, Arrival("lan", at(3)), CAROL),
])  # fmt: skip
def test_sealed_message_that_was_forwarded_is_the_neighbours_fault(sender: Sender) -> None:
    world = World()
    alice = world.host(ALICE, at(1))
    with pytest.raises(PeerViolation):
        alice.receive(Description(whereabouts=Whereabouts(device_port=1)), sender)


def test_sealed_messages_that_make_no_sense_are_the_neighbours_fault() -> None:
    world = World()
    alice, _ = connected(world)
    sealed = Sender(BOB, Seal.HOP, Arrival("lan", at(2)), BOB)
    wrong = [
        Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts()),
        Question(nonce=bytes(16), target=CAROL),
        Answer(nonce=bytes(16), target=CAROL, whereabouts=Whereabouts()),
    ]
    before = alice.machine.describe()
    for message in wrong:
        with pytest.raises(PeerViolation):
            alice.receive(message, sealed)
    assert alice.machine.describe() == before


def test_unsealed_description_is_not_believed() -> None:
    world = World()
    alice, _ = connected(world)
    before = alice.machine.describe()
    lie = Description(whereabouts=Whereabouts(device_port=666))
    alice.receive(lie, Sender(BOB, None, Arrival("lan", at(2)), BOB))
    assert alice.machine.describe() == before and alice.counters["qarp.unsealed"] == 1

"""Reserving and releasing, from outside: services in at the ends, messages in between."""

from itertools import pairwise
from typing import Any

import pytest

from qstack.base.bell import BellIndex
from qstack.base.effects import NO_LABEL, Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Label, Qna, make_qna
from qstack.base.services import PeerUnresolved, ReleaseCircuit, ReserveLink
from qstack.base.time import DomainTime
from qstack.proto.circuit.params import CircuitParameters
from qstack.wire.circuit import (
    Estimate,
    Expire,
    MemoryTimes,
    Refused,
    Release,
    Reserve,
    Reserved,
    RouteHop,
    Track,
    TrackedPair,
)
from tests.proto.circuit.fabric import ARRIVAL, Fabric

ALICE, REPEATER, BORDER, FAR, BOB = ROW = [
    make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3), make_qna(64513, 1), make_qna(64513, 2),
]  # fmt: skip


OCCUPIED = Label(0xF000_0001)
FORGETS_NOTHING = MemoryTimes()


def sent(fabric: Fabric, kind: type[Any], source: Qna | None = None) -> list[Any]:
    return [message for own, _, message in fabric.sent if isinstance(message, kind) and source in (None, own)]


def occupy(fabric: Fabric, place: Qna) -> None:
    """Somebody keeps all memories of a node towards its neighbour above."""
    fabric.links_only = True
    fabric.serve(place, ReserveLink(ROW[ROW.index(place) - 1], OCCUPIED, 4, 0.0))
    fabric.links_only = False


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(list(ROW))


def test_circuit_is_reserved_from_end_to_end_and_both_ends_are_told(fabric: Fabric) -> None:
    fabric.open(4, context=b"sixteen octets..")
    fabric.run(0.1)
    (head,), (tail,) = fabric.places[ALICE].ready, fabric.places[BOB].ready
    assert head.circuit == tail.circuit and head.circuit[0] == ALICE
    assert (head.context, tail.context) == (b"sixteen octets..",) * 2
    assert (head.head, tail.head) == (True, False)
    assert (head.remote, tail.remote) == (BOB, ALICE)
    roles = [place.circuit.describe()[0].role for place in fabric.places.values()]
    assert roles == ["head", "repeater", "repeater", "repeater", "tail"]


@pytest.mark.parametrize("who", [ALICE, BOB])
def test_release_by_either_end_leaves_nothing(fabric: Fabric, who: Qna) -> None:
    fabric.open(6)
    fabric.run(0.3)
    fabric.release(who, ErrorCode.CANCELLED)
    fabric.run(3)
    assert [closed.reason for own in (ALICE, BOB) for closed in fabric.places[own].closed] == [ErrorCode.CANCELLED] * 2
    assert fabric.leaks() == []


def test_neighbours_know_a_circuit_by_the_same_link_label_and_by_their_own_labels(fabric: Fabric) -> None:
    fabric.open(1)
    fabric.run(0.1)
    described = [fabric.places[own].circuit.describe()[0] for own in ROW]
    for upper, lower in pairwise(described):
        above, below = upper.below, lower.above
        assert above is not None and below is not None
        assert above.link_label == below.link_label
        assert above.peer_label == below.own_label and above.own_label == below.peer_label
        assert above.qui == below.qui


def test_qui_is_one_inside_a_domain_and_another_on_the_border(fabric: Fabric) -> None:
    fabric.open(1)
    fabric.run(0.1)
    alice, repeater, border, far, bob = (fabric.places[own].circuit.describe()[0] for own in ROW)
    assert alice.qui == repeater.qui == border.qui
    assert far.qui == bob.qui
    assert border.below is not None
    assert len({alice.qui, border.below.qui, bob.qui}) == 3


@pytest.mark.parametrize("place", [REPEATER, BORDER, FAR, BOB])
def test_refusal_releases_all_before_it(place: Qna) -> None:
    fabric = Fabric(list(ROW), memories=4)
    occupy(fabric, place)
    fabric.open(8)
    fabric.run(1)
    (failed,) = fabric.places[ALICE].failed
    assert failed.reason is ErrorCode.NO_RESOURCES and failed.context == bytes(16)
    assert failed.refused_by == (FAR if place in (FAR, BOB) else place), "a border speaks for its domain"
    assert not any(own.circuit.describe() for own in fabric.places.values())
    assert all(link.labels in ((), (OCCUPIED,)) for own in fabric.places.values()
               for link in own.link.describe().links)  # fmt: skip


def test_border_hides_who_refused_inside() -> None:
    fabric = Fabric(list(ROW), memories=4)
    occupy(fabric, BOB)
    fabric.open(8)
    fabric.run(1)
    assert [message.refused_by for message in sent(fabric, Refused, BOB)] == [BOB]
    assert {message.refused_by for own in (FAR, BORDER, REPEATER) for message in sent(fabric, Refused, own)} == {FAR}


def test_destination_without_a_route_fails_at_once(fabric: Fabric) -> None:
    fabric.open(1, tail=make_qna(1, 1))
    fabric.open(1, tail=ALICE)
    assert [(f.reason, f.refused_by) for f in fabric.places[ALICE].failed] == [(ErrorCode.NO_ROUTE, ALICE)] * 2


def test_fidelity_that_the_path_cannot_give_is_refused_where_it_is_lost() -> None:
    fabric = Fabric(list(ROW), fidelity=0.95)
    fabric.open(1, min_fidelity=0.87)  # two links give 0.903, three 0.860
    fabric.run(1)
    (failed,) = fabric.places[ALICE].failed
    assert (failed.reason, failed.refused_by) == (ErrorCode.FIDELITY_UNATTAINABLE, BORDER)
    fabric.run(8)
    assert fabric.leaks() == []


def test_expected_fidelity_of_the_path_is_known_at_both_ends() -> None:
    fabric = Fabric(list(ROW), fidelity=0.95)
    fabric.open(1)
    fabric.run(0.1)
    for own in (ALICE, BOB):
        assert fabric.places[own].circuit.describe()[0].path_fidelity == pytest.approx(0.819126, abs=1e-4)


def test_head_whose_own_link_is_too_bad_fails(fabric: Fabric) -> None:
    worse = Fabric(list(ROW), fidelity=0.8)
    worse.open(1, min_fidelity=0.9)
    assert [f.reason for f in worse.places[ALICE].failed] == [ErrorCode.FIDELITY_UNATTAINABLE]
    worse.run(8)
    assert worse.leaks() == []


def test_silence_downstream_is_told_as_unreachable_and_releases_all(fabric: Fabric) -> None:
    fabric.drop = lambda source, destination, message: isinstance(message, Reserve) and destination == BOB
    fabric.open(1, seconds=30)
    fabric.run(12)
    assert [f.reason for f in fabric.places[ALICE].failed] == [ErrorCode.UNREACHABLE]
    assert fabric.leaks() == []


@pytest.mark.parametrize("mute", [Reserved, Refused, Release])
def test_everything_is_released_after_the_deadline_whatever_is_lost(fabric: Fabric, mute: type[Any]) -> None:
    fabric.drop = lambda source, destination, message: isinstance(message, mute)
    fabric.open(500, seconds=1)
    fabric.run(12)
    assert fabric.leaks() == []


def test_deadline_is_told_at_both_ends(fabric: Fabric) -> None:
    fabric.places[ALICE].hold = fabric.places[BOB].hold = True
    fabric.open(4, seconds=1)
    fabric.run(5)
    assert [c.reason for own in (ALICE, BOB) for c in fabric.places[own].closed] == [ErrorCode.TIMEOUT] * 2
    assert fabric.leaks() == []


@pytest.mark.parametrize("victim", ROW)
def test_crash_of_any_node_releases_all_others(victim: Qna) -> None:
    fabric = Fabric(list(ROW), probability=0.05)
    fabric.open(200)
    fabric.run(0.2)
    fabric.crash(victim)
    fabric.run(4)
    for own in {ALICE, BOB} - {victim}:
        assert [c.reason for c in fabric.places[own].closed] == [ErrorCode.SESSION_LOST]
    assert fabric.leaks() == []


def test_lost_session_in_the_middle_of_reserving_fails_the_head(fabric: Fabric) -> None:
    fabric.drop = lambda source, destination, message: isinstance(message, Reserve) and destination == FAR
    fabric.open(1)
    fabric.run(0.1)
    fabric.peer_down(BORDER, FAR)
    fabric.run(1)
    assert [(f.reason, f.refused_by) for f in fabric.places[ALICE].failed] == [(ErrorCode.SESSION_LOST, BORDER)]
    fabric.run(8)
    assert fabric.leaks() == []


def test_neighbour_that_cannot_be_found_fails_the_head(fabric: Fabric) -> None:
    fabric.drop = lambda source, destination, message: destination == REPEATER
    fabric.open(1)
    fabric.run(0.1)
    place = fabric.places[ALICE]
    place.circuit.on_service(PeerUnresolved(REPEATER), fabric.local(place))
    fabric.settle(place)
    assert [f.reason for f in place.failed] == [ErrorCode.UNREACHABLE]


def test_circuits_share_links() -> None:
    fabric = Fabric(list(ROW), memories=24)
    for number in range(3):
        fabric.open(10, head=ROW[number % 2], context=bytes([number]) * 16, seconds=20)
        fabric.open(10, head=BOB, tail=REPEATER, context=bytes([10 + number]) * 16, seconds=20)
    fabric.run(15, lambda: fabric.matched >= 60)
    assert fabric.matched == 60
    for own in ROW:
        fabric.release(own)
    fabric.run(5)
    assert fabric.leaks() == []


def test_heads_that_meet_in_the_middle_may_both_be_refused_but_leave_nothing() -> None:
    fabric = Fabric(list(ROW), memories=4)
    fabric.open(10)
    fabric.open(10, head=BOB, tail=ALICE)
    fabric.run(1)
    assert sum(len(place.failed) for place in fabric.places.values()) in (1, 2)
    for own in ROW:
        fabric.release(own)
    fabric.run(8)
    assert fabric.leaks() == []


def test_bound_of_circuits_refuses_the_next() -> None:
    fabric = Fabric(list(ROW), memories=32, circuit=CircuitParameters(circuits=2, memories=1))
    for number in range(3):
        fabric.open(1, context=bytes([number]) * 16)
    fabric.run(0.1)
    assert [f.reason for f in fabric.places[ALICE].failed] == [ErrorCode.NO_RESOURCES]
    assert len(fabric.places[ALICE].ready) == 2


def test_bound_of_labels_refuses_and_leaks_none() -> None:
    fabric = Fabric(list(ROW), memories=32, circuit=CircuitParameters(labels=3, memories=1))
    for number in range(4):
        fabric.open(1, context=bytes([number]) * 16)
    fabric.run(0.1)
    assert len(fabric.places[ALICE].ready) == 1  # a repeater needs two labels for each
    fabric.release(ALICE)
    fabric.run(8)
    assert fabric.leaks() == []


def test_release_of_a_circuit_that_is_over_is_nothing(fabric: Fabric) -> None:
    fabric.open(1)
    fabric.run(0.1)
    (ready,) = fabric.places[ALICE].ready
    for _ in range(2):
        fabric.serve(ALICE, ReleaseCircuit(ready.circuit))
    assert len(fabric.places[ALICE].closed) == 1


# --- neighbours that do not keep the rules ---


def sender(qna: Qna, label: Label = NO_LABEL, seal: Seal | None = Seal.HOP) -> Sender:
    return Sender(qna, seal, ARRIVAL, qna, label)


def reserve(fabric: Fabric, **changes: Any) -> Reserve:
    """As the border would send it to the far border."""
    values = dict(
        link_label=Label(0x4000_0000), circuit=7, context=bytes(16), qui=9, number=1, memories=1, path_fidelity=65535,
        min_fidelity=0, hops_left=5, deadline=fabric.domain() + 10**9, head_memory=FORGETS_NOTHING,
        endpoints=(ALICE, BOB), route=(RouteHop(node=BOB, loose=1),),
    )  # fmt: skip
    return Reserve(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hops_left": 0}, ErrorCode.HOP_LIMIT),
        ({"deadline": 1}, ErrorCode.EXPIRED),
        ({"number": 0}, ErrorCode.POLICY),
        ({"memories": 0}, ErrorCode.POLICY),
        ({"endpoints": (ALICE, REPEATER, BOB)}, ErrorCode.POLICY),
        ({"route": (RouteHop(node=make_qna(9, 9), loose=1),)}, ErrorCode.NO_ROUTE),
        ({"route": (RouteHop(node=BORDER, loose=1),)}, ErrorCode.NO_ROUTE),  # back where it came from
        ({"route": (RouteHop(node=FAR, loose=0),)}, ErrorCode.NO_ROUTE),  # ends here, but this is not the tail
        ({"memories": 9}, ErrorCode.NO_RESOURCES),
    ],
)
def test_reserve_that_cannot_be_is_refused(fabric: Fabric, changes: dict[str, Any], reason: ErrorCode) -> None:
    place = fabric.places[FAR]
    place.circuit.receive(reserve(fabric, **changes), sender(BORDER), fabric.local(place))
    fabric.settle(place)
    (refused,) = sent(fabric, Refused, FAR)
    assert (refused.reason, refused.refused_by, refused.link_label) == (reason, FAR, 0x4000_0000)
    assert place.circuit.describe() == ()


def test_strict_route_is_followed(fabric: Fabric) -> None:
    place = fabric.places[FAR]
    route = (RouteHop(node=FAR, loose=0), RouteHop(node=BOB, loose=0))
    place.circuit.receive(reserve(fabric, route=route), sender(BORDER), fabric.local(place))
    fabric.settle(place)
    (passed_on,) = sent(fabric, Reserve, FAR)
    assert passed_on.route == (RouteHop(node=BOB, loose=0),) and passed_on.hops_left == 4


def test_circuit_that_comes_in_a_circle_is_refused(fabric: Fabric) -> None:
    place = fabric.places[FAR]
    for label in (0x4000_0000, 0x4000_0002):
        place.circuit.receive(reserve(fabric, link_label=Label(label)), sender(BORDER), fabric.local(place))
        fabric.settle(place)
    assert [message.reason for message in sent(fabric, Refused, FAR)] == [ErrorCode.NO_ROUTE]


@pytest.mark.parametrize("label", [0, 0x4000_0001])
def test_label_that_is_not_the_senders_to_give_is_a_violation(fabric: Fabric, label: int) -> None:
    place = fabric.places[FAR]
    with pytest.raises(PeerViolation):
        place.circuit.receive(reserve(fabric, link_label=Label(label)), sender(BORDER), fabric.local(place))
    assert place.circuit.take_effects() == [] and place.circuit.describe() == ()


@pytest.mark.parametrize("place", [FAR, BOB])
def test_release_that_comes_in_the_same_turn_as_its_reserve_leaves_nothing(place: Qna) -> None:
    fabric = Fabric(list(ROW))
    here, above = fabric.places[place], ROW[ROW.index(place) - 1]
    route = (RouteHop(node=BOB, loose=1),)
    here.circuit.receive(reserve(fabric, route=route), sender(above), fabric.local(here))
    release = Release(link_label=Label(0x4000_0000), reason=0)
    here.circuit.receive(release, sender(above), fabric.local(here))
    fabric.settle(here)
    fabric.run(8)
    assert fabric.leaks() == [] and not sent(fabric, Reserve, place)


def test_label_in_use_is_a_violation(fabric: Fabric) -> None:
    place = fabric.places[FAR]
    place.circuit.receive(reserve(fabric), sender(BORDER), fabric.local(place))
    fabric.settle(place)
    with pytest.raises(PeerViolation):
        place.circuit.receive(reserve(fabric, circuit=8), sender(BORDER), fabric.local(place))


def test_violations_of_a_standing_circuit_are_refused_and_change_nothing(fabric: Fabric) -> None:
    fabric.open(1)
    fabric.run(0.1)
    place = fabric.places[BORDER]
    (before,) = place.circuit.describe()
    assert before.above is not None and before.below is not None
    pair = TrackedPair(pair=1, sequence=999, bell_index=BellIndex(0), estimate=0, created=DomainTime(1))
    track = Track(estimates=(Estimate(correlation=(1 << 31,) * 15),), pairs=(pair,))
    reserved = Reserved(link_label=before.below.link_label, downstream_label=Label(5), qui=before.below.qui,
                        path_fidelity=0, tail_memory=FORGETS_NOTHING)  # fmt: skip
    own = before.above.own_label
    wrong = [
        (reserved, sender(FAR)),  # a second one
        (reserved.replace(qui=1), sender(FAR)),
        (reserved.replace(link_label=before.above.link_label), sender(REPEATER)),  # from above
        (Refused(link_label=before.below.link_label, reason=1, refused_by=FAR), sender(FAR)),
        (track, sender(FAR, own)),  # under a label given to another
        (track, sender(REPEATER, own, None)),
        (track.replace(pairs=(track.pairs[0].replace(estimate=1),)), sender(REPEATER, own)),
        (track.replace(pairs=(track.pairs[0].replace(bell_index=4),)), sender(REPEATER, own)),
        (Expire(sequences=(1,)), sender(ALICE, own)),
    ]
    for message, who in wrong:
        with pytest.raises(PeerViolation):
            place.circuit.receive(message, who, fabric.local(place))
        assert place.circuit.take_effects() == [] and place.circuit.describe() == (before,)


def test_messages_for_a_circuit_that_is_over_are_counted_and_ignored(fabric: Fabric) -> None:
    fabric.open(1)
    fabric.run(0.1)
    place = fabric.places[BORDER]
    (gone,) = place.circuit.describe()
    assert gone.above is not None
    fabric.release(ALICE)
    fabric.run(1)
    for message in (Release(link_label=gone.above.link_label, reason=0), Expire(sequences=(1,))):
        place.circuit.receive(message, sender(REPEATER, gone.above.own_label), fabric.local(place))
        fabric.settle(place)
    assert fabric.counters["circuit.stray_signals"] == 1 and fabric.counters["circuit.stray_labels"] == 1

"""Neighbours that keep the letter of the protocol and nothing else."""

from itertools import pairwise

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, Qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.proto.circuit.estimate import to_wire
from qstack.proto.circuit.params import CircuitParameters
from qstack.wire.circuit import Refused, Release, Reserve, RouteHop, Track
from tests.proto.circuit.fabric import Fabric
from tests.proto.circuit.test_reservation import ALICE, BOB, BORDER, FAR, REPEATER, ROW, reserve, sender, sent

DAY_NS = 24 * 3_600 * SECOND_NS


def give(fabric: Fabric, message: Reserve | Release, own: Qna = FAR, neighbour: Qna = BORDER) -> None:
    place = fabric.places[own]
    place.circuit.receive(message, sender(neighbour), fabric.local(place))
    fabric.settle(place)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(list(ROW))


def test_reserve_that_names_this_node_as_its_head_is_refused(fabric: Fabric) -> None:
    """It would take the name of a circuit of our own, and when it is released, that circuit's entries too."""
    ends = (FAR, FAR)
    give(fabric, reserve(fabric, endpoints=ends, route=(RouteHop(node=FAR, loose=1),)))
    give(fabric, reserve(fabric, link_label=Label(0x4000_0002), endpoints=(FAR, BOB)))
    assert [(no.reason, no.link_label) for no in sent(fabric, Refused, FAR)] == [
        (ErrorCode.NO_ROUTE, 0x4000_0000), (ErrorCode.NO_ROUTE, 0x4000_0002),
    ]  # fmt: skip
    assert fabric.places[FAR].circuit.describe() == ()


def test_number_of_the_next_circuit_cannot_be_foretold_from_the_last_ones(fabric: Fabric) -> None:
    for _ in range(3):
        fabric.open(1)
    numbers = [asked.circuit for asked in sent(fabric, Reserve, ALICE)]
    assert len({(later - earlier) % (1 << 32) for earlier, later in pairwise(numbers)} - {1}) == 2


def test_deadline_in_the_far_future_counts_as_one_a_day_away(fabric: Fabric) -> None:
    """Also the largest that there is: centuries away, and more nanoseconds than a timer can count."""
    give(fabric, reserve(fabric, deadline=(1 << 64) - 1))
    [passed_on] = sent(fabric, Reserve, FAR)
    assert abs(passed_on.deadline - fabric.domain() - DAY_NS) < MILLISECOND_NS  # its clock is a little off
    [kept] = fabric.places[FAR].circuit.describe()
    assert kept.deadline_ns <= fabric.local(fabric.places[FAR]) + DAY_NS + SECOND_NS


def test_neighbour_that_takes_more_than_its_share_of_circuits_leaves_the_rest_to_others() -> None:
    fabric = Fabric(list(ROW), circuit=CircuitParameters(circuits=4, circuits_of_neighbour=2))
    for number in range(4):
        give(fabric, reserve(fabric, link_label=Label(0x4000_0000 + 2 * number), circuit=number))
    assert [refused.reason for refused in sent(fabric, Refused, FAR)] == [ErrorCode.NO_RESOURCES] * 2
    from_below = reserve(fabric, circuit=9, endpoints=(BOB, BORDER), link_label=Label(0x4000_0001),
                         route=(RouteHop(node=BORDER, loose=1),))  # fmt: skip
    give(fabric, from_below, neighbour=BOB)
    assert len(fabric.places[FAR].circuit.describe()) == 3


def test_estimate_of_no_state_is_delivered_as_a_fidelity_all_the_same() -> None:
    """-1 times a Bell state has correlations in range, and fidelity -1/2 to that state."""
    fabric = Fabric([ALICE, REPEATER])
    honest = fabric.places[ALICE].circuit._turn._states
    honest.write = lambda state: to_wire((1.0, *(-value for value in state[1:])))  # type: ignore[method-assign]
    fabric.open(2, tail=REPEATER)
    fabric.run(2)
    assert sent(fabric, Track, ALICE)
    told = fabric.places[REPEATER].delivered
    assert len(told) == 2 and [pair.fidelity for pair in told] == [0.0, 0.0]
    assert all(0.0 <= pair.fidelity <= 1.0 for pair in fabric.places[ALICE].delivered)

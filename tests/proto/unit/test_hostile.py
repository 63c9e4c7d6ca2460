"""Far ends, and nodes on the way, that use what is theirs to say against the node of an endpoint."""

from typing import Any

import pytest

from qstack.base.effects import Seal, Sender, SendMessage, TellClient
from qstack.base.errors import ErrorCode
from qstack.base.ids import CircuitId, Qna, QubitId, make_qna
from qstack.base.services import CircuitClosed, CircuitReady, EndPairReady, QubitsFreed, ReleaseCircuit
from qstack.base.time import DomainTime, Instant
from qstack.base.units import SECOND_NS
from qstack.proto.unit.machine import UnitMachine
from qstack.proto.unit.params import UnitParameters
from qstack.wire.control import Failed, OpenUnit, PairDelivered, Refused
from qstack.wire.unit import UnitAccept, UnitKind, UnitRefuse, UnitRequest
from tests.proto.unit.couple import ALICE, ARRIVAL, BOB, ENDPOINT_A, ENDPOINT_B, EPOCH, Couple

MALLORY = make_qna(64513, 66)
DAY_NS = 24 * 3_600 * SECOND_NS
NOW = Instant(1_000)


class Tail:
    """Bob's machine, which serves the endpoint; the test is everybody else."""

    def __init__(self, **parameters: Any) -> None:
        couple = Couple()
        couple.open()  # serves the endpoint
        couple.lose_session()
        couple.lose_session()
        self.machine: UnitMachine = couple.machines[BOB]
        self.machine.reconfigure(UnitParameters(**parameters), self.machine.admission.rules)
        self.done: list[Any] = []
        assert self.machine.describe() == ()

    def receive(self, message: Any, peer: Qna = ALICE) -> None:
        self.machine.receive(message, Sender(peer, Seal.END, ARRIVAL, peer), NOW)
        self.done += self.machine.take_effects()

    def serve(self, *services: Any) -> None:
        for service in services:
            self.machine.on_service(service, NOW)
        self.done += self.machine.take_effects()

    def sent(self, kind: type) -> list[Any]:
        return [each.message for each in self.done if isinstance(each, SendMessage) and isinstance(each.message, kind)]

    def told(self, kind: type) -> list[Any]:
        return [each.message for each in self.done if isinstance(each, TellClient) and isinstance(each.message, kind)]

    @property
    def context(self) -> bytes:
        [unit] = self.machine._ledger
        return unit.context


def asking(number: int = 1, *, valid_until: int = 1_800_000_000, **changes: Any) -> UnitRequest:
    urns = (ENDPOINT_A, f"{ENDPOINT_B}&n={number}", f"urn:qkd:lifecycle?=size=8&valid-until={valid_until}")
    values = {"request": number, "kind": UnitKind.PAIRS, "pairs": 8, "deadline": EPOCH.domain(NOW + 60 * SECOND_NS),
              "nonce": bytes(16), "urn": urns}  # fmt: skip
    return UnitRequest(**(values | changes))


@pytest.fixture
def tail() -> Tail:
    return Tail()


@pytest.mark.parametrize("deadline", [(1 << 64) - 1, 1 << 63, (1 << 63) + (1 << 62)])
def test_unit_whose_deadline_is_far_away_lasts_a_day(tail: Tail, deadline: int) -> None:
    """Also one that is more nanoseconds away than a timer can count."""
    tail.receive(asking(deadline=DomainTime(deadline)))
    assert len(tail.sent(UnitAccept)) == 1
    assert [unit.deadline_ns for unit in tail.machine.describe()] == [NOW + DAY_NS] == [tail.machine.next_deadline()]


def test_unit_ends_at_its_tail_when_its_lifecycle_does_whatever_the_request_says(tail: Tail) -> None:
    tail.receive(asking(valid_until=1_790_000_000 - 37 + 10, deadline=DomainTime((1 << 64) - 1)))
    assert tail.machine.next_deadline() == 10 * SECOND_NS
    tail.machine.handle_deadline(Instant(10 * SECOND_NS))
    tail.done += tail.machine.take_effects()
    assert [failed.reason for failed in tail.told(Failed)] == [ErrorCode.TIMEOUT]
    tail.receive(asking(2, valid_until=1_790_000_000 - 37))
    assert [refused.reason for refused in tail.sent(UnitRefuse)] == [ErrorCode.EXPIRED]


def test_far_node_that_opens_more_than_its_share_is_refused_and_others_are_not() -> None:
    tail = Tail(units_of_peer=3, units=8)
    for number in range(5):
        tail.receive(asking(number))
    assert [refused.reason for refused in tail.sent(UnitRefuse)] == [ErrorCode.NO_RESOURCES] * 2
    tail.receive(asking(9), MALLORY)
    assert tail.sent(UnitRefuse)[-1].reason == ErrorCode.NO_ENDPOINT  # not for want of room


def test_units_that_far_nodes_open_with_a_user_do_not_count_against_what_the_user_may_open() -> None:
    tail = Tail(units_per_user=1)
    for number in range(3):
        tail.receive(asking(number))
    urns = (ENDPOINT_A, ENDPOINT_B, "urn:qkd:lifecycle?=size=8&valid-until=1800000000")
    tail.machine.request(OpenUnit(request=7, kind=UnitKind.KEY, urn=urns), 1, 1000, NOW)
    tail.done += tail.machine.take_effects()
    assert tail.told(Refused) == [] and len(tail.sent(UnitRequest)) == 1


def test_circuit_from_another_node_with_a_units_context_is_released_and_the_units_own_is_bound(tail: Tail) -> None:
    """Every node on the way of a reservation can read its context."""
    tail.receive(asking())
    foreign, own = CircuitId((MALLORY, 1)), CircuitId((ALICE, 1))
    tail.serve(CircuitReady(foreign, tail.context, MALLORY, False))
    assert ReleaseCircuit(foreign, ErrorCode.CANCELLED) in tail.done
    tail.serve(CircuitReady(own, tail.context, ALICE, False))
    assert [unit.state for unit in tail.machine.describe()] == ["sharing"]


def test_circuit_that_ends_takes_along_no_unit_that_is_bound_to_another_of_the_same_context(tail: Tail) -> None:
    tail.receive(asking())
    own, second = CircuitId((ALICE, 1)), CircuitId((ALICE, 2))
    tail.serve(CircuitReady(own, tail.context, ALICE, False), CircuitReady(second, tail.context, ALICE, False))
    assert ReleaseCircuit(second, ErrorCode.CANCELLED) in tail.done
    tail.serve(CircuitClosed(second, tail.context, ErrorCode.CANCELLED))
    assert [unit.state for unit in tail.machine.describe()] == ["sharing"]
    tail.serve(CircuitClosed(own, tail.context, ErrorCode.CANCELLED))
    assert tail.machine.describe() == ()


def test_second_pair_of_one_number_is_discarded_and_the_first_is_kept(tail: Tail) -> None:
    tail.receive(asking())
    circuit = CircuitId((ALICE, 1))
    tail.serve(CircuitReady(circuit, tail.context, ALICE, False))
    for qubit in (QubitId(5), QubitId(6)):
        tail.serve(EndPairReady(circuit, 0, qubit, 0, 0.9, DomainTime(0), Instant(0)))
    assert [pair.qubit for pair in tail.told(PairDelivered)] == [5]
    assert [freed for freed in tail.done if isinstance(freed, QubitsFreed)] == [QubitsFreed((QubitId(6),), True)]


def test_unit_is_shown_without_what_was_measured() -> None:
    couple = Couple(cut_after=3)
    couple.open()
    units = [unit for machine in couple.machines.values() for unit in machine._ledger]
    assert units and any(unit.outcomes for unit in units)
    assert not [unit for unit in units if "outcomes=" in repr(unit) or "secret=b" in repr(unit)]

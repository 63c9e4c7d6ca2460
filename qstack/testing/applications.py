"""Applications of a simulated network: they claim endpoints, open units, measure pairs, and close what is consumed."""

from collections.abc import Callable

from qstack.base.ids import QubitId
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS, fidelity_to_wire
from qstack.testing.record import End, Life, Record, Unit
from qstack.testing.scenario import UnitPlan
from qstack.testing.simulation import EPOCH_NS, Simulation
from qstack.testing.topology import Topology
from qstack.wire.control import (
    ClaimEndpoint,
    CloseUnit,
    MeasurePairs,
    OpenUnit,
    PairBasis,
    PairDelivered,
    PairsMeasured,
    Refused,
)
from qstack.wire.twin import FIDELITY_UNIT
from qstack.wire.value import Message

__all__ = ["Applications", "unit_urns"]

_REACTION_NS = 100 * MICROSECOND_NS
_LINGER_NS = 500 * MILLISECOND_NS  # from the last measurement to the closing of a unit of pairs
_VALID_S = 3_600
_TAI_MINUS_UTC_S = 37


def unit_urns(plan: UnitPlan) -> tuple[str, str, str]:
    """The URNs of a planned unit."""
    valid_until = EPOCH_NS // SECOND_NS - _TAI_MINUS_UTC_S + _VALID_S
    return (
        f"urn:qkd:net:{plan.opener}?=nonce=a{plan.number}", f"urn:qkd:net:{plan.server}?=nonce=b{plan.number}",
        f"urn:qkd:lifecycle?=size={plan.size}&valid-until={valid_until}",
    )  # fmt: skip


class Applications:
    """One application a unit and end; its number as a client is the unit's plus one."""

    def __init__(self, simulation: Simulation, topology: Topology, record: Record) -> None:
        self._simulation = simulation
        self._topology = topology
        self._record = record
        self._waiting: dict[tuple[str, int], Callable[[Message], None]] = {}
        self._requests = 0

    def serve(self, unit: Unit) -> None:
        """Claim the unit's far endpoint, if its node runs."""
        self._ask(unit.plan.server, unit, ClaimEndpoint(request=self._number(), urn=unit.urns[1]))

    def serve_all(self, name: str) -> None:
        """Claim everything that is served at a node which has just started."""
        for unit in self._record.units.values():
            if unit.plan.server == name:
                self.serve(unit)

    def open(self, unit: Unit) -> None:
        """Open a unit. Nothing happens when the opener's node does not run."""
        plan = unit.plan
        self._ask(plan.opener, unit, OpenUnit(
            request=self._number(), kind=plan.kind, timeout_ms=plan.timeout_ms, urn=unit.urns,
            min_fidelity=fidelity_to_wire(plan.min_fidelity),
        ))  # fmt: skip

    def give_up(self, unit: Unit, *, by_opener: bool, leaves: bool) -> None:
        """The application at one end closes the unit, or goes away."""
        name = unit.plan.opener if by_opener else unit.plan.server
        life = self._record.life(name)
        for end in unit.ends:
            if end.life is life and end.is_head == by_opener and not end.delivered and not end.failed:
                end.gave_up_ns = self._simulation.now_ns
                if leaves:
                    self._simulation.drop_client(self._topology.qna(name), unit.plan.number + 1)
                else:
                    self._ask(name, unit, CloseUnit(unit=end.handle))

    def told(self, life: Life, client: int, message: Message) -> None:
        """What an application is told."""
        now_ns = self._simulation.now_ns
        known = self._record.note_told(life, message, now_ns)
        match message:
            case Refused():
                self._refused(life, client, message)
            case PairsMeasured():
                taker = self._waiting.pop((life.name, message.request), None)
                if taker is not None:
                    taker(message)
            case PairDelivered() if known is not None:
                self._take_pair(*known, message)

    def _refused(self, life: Life, client: int, message: Refused) -> None:
        unit = self._record.units.get(client - 1)
        if unit is not None and life.name == unit.plan.opener and not unit.heads:
            unit.refused.append(message)

    def _take_pair(self, unit: Unit, end: End, pair: PairDelivered) -> None:
        seen = self._simulation.inspect(self._topology.qna(end.life.name), QubitId(pair.qubit))
        if seen is not None and not seen.alone:
            end.truths[pair.pair] = seen.fidelities[pair.bell_index] / FIDELITY_UNIT

        def measure() -> None:
            request = self._number()
            self._waiting[end.life.name, request] = lambda done: self._measured(unit, end, done)
            if end.gave_up_ns is None and end.life.died_ns is None:
                basis = PairBasis(pair=pair.pair, basis=unit.plan.basis)
                self._ask(end.life.name, unit, MeasurePairs(request=request, unit=end.handle, pairs=(basis,)))

        self._simulation.after(_REACTION_NS, measure)

    def _measured(self, unit: Unit, end: End, done: Message) -> None:
        assert isinstance(done, PairsMeasured)
        self._record.note_outcomes(end, done)
        if end.is_head and len(end.outcomes) == unit.plan.size:
            self._simulation.after(_LINGER_NS, lambda: self.give_up(unit, by_opener=True, leaves=False))

    def _ask(self, name: str, unit: Unit, message: Message) -> None:
        self._simulation.request(self._topology.qna(name), message, unit.plan.number + 1)

    def _number(self) -> int:
        self._requests += 1
        return self._requests


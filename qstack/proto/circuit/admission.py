"""How a circuit comes into being at a node: asked for by the unit, or by the neighbour above."""

from qstack.base.chance import Chance
from qstack.base.effects import NO_LABEL
from qstack.base.errors import ErrorCode, PeerViolation, ResourceLimit
from qstack.base.ids import CircuitId, Label, Qna, Qui, as_number
from qstack.base.services import CircuitFailed, RequestCircuit, Routes
from qstack.base.time import DomainTime
from qstack.base.units import fidelity_from_wire
from qstack.proto.circuit.halves import Side
from qstack.proto.circuit.labels import is_of
from qstack.proto.circuit.reservation import Asked, Circuit, HeadCircuit, Hop, RepeaterCircuit, TailCircuit
from qstack.proto.circuit.states import CircuitState, TailState
from qstack.proto.circuit.surroundings import Surroundings
from qstack.proto.circuit.tracking import EndTracker, RepeaterTracker
from qstack.wire.circuit import Refused, Reserve, RouteHop

__all__ = ["Admission"]


class _Inadmissible(Exception):
    """Why a circuit cannot be."""

    def __init__(self, reason: ErrorCode) -> None:
        super().__init__(reason)
        self.reason = reason


class Admission:
    """Makes circuits, or refuses them before anything is kept."""

    def __init__(self, around: Surroundings, routes: Routes, chance: Chance) -> None:
        self._around = around
        self._routes = routes
        self._chance = chance
        self._numbers = 0
        self._quis = 0

    def request(self, asked: RequestCircuit) -> None:
        """The unit of this node asks: be the head."""
        around = self._around
        try:
            deadline = self._bounded(around.timescale().domain(asked.deadline_ns))
            if deadline <= around.domain_now():
                raise _Inadmissible(ErrorCode.EXPIRED)
            wanted = Asked(
                asked.context, asked.number, min(around.parameters.memories, max(1, asked.number)), asked.min_fidelity,
                0.0, around.parameters.hops, deadline, around.memory, (around.own, asked.destination),
                (RouteHop(node=asked.destination, loose=1),),
            )  # fmt: skip
            self._check(wanted)
            below = self._next_hop(wanted, Qna(0))
            self._begin(self._new_identity(), wanted, None, below)
        except _Inadmissible as no:
            around.emit(CircuitFailed(asked.context, no.reason, around.own))

    def reserve(self, message: Reserve, above: Qna) -> None:
        """The neighbour above asks. Raises `PeerViolation` before anything has changed."""
        around = self._around
        if not is_of(message.link_label, above, around.own) or (above, message.link_label) in around.by_link:
            raise PeerViolation("a Reserve under a label that is not the sender's to give, or in use")
        try:
            asked = Asked(
                message.context, message.number, message.memories, fidelity_from_wire(message.min_fidelity),
                fidelity_from_wire(message.path_fidelity), message.hops_left, self._bounded(message.deadline),
                message.head_memory,
                message.endpoints, self._after_here(message.route),
            )  # fmt: skip
            identity = CircuitId((message.endpoints[0], message.circuit))
            if identity in around.circuits or message.endpoints[0] == around.own:
                raise _Inadmissible(ErrorCode.NO_ROUTE)  # it has come in a circle
            self._check(asked)
            self._check_share(above)
            below = None if self._is_tail(asked) else self._next_hop(asked, above)
            hop = Hop(above, message.link_label, Label(0), message.link_label, message.qui)
            self._begin(identity, asked, hop, below)
        except _Inadmissible as no:
            around.count("refused")
            refused = Refused(link_label=message.link_label, reason=no.reason, refused_by=around.own)
            around.send(above, refused, message.link_label)

    def _check(self, asked: Asked) -> None:
        around = self._around
        if len(asked.endpoints) != 2 or not asked.number or not asked.memories:
            raise _Inadmissible(ErrorCode.POLICY)
        if asked.deadline <= around.domain_now():
            raise _Inadmissible(ErrorCode.EXPIRED)
        if len(around.circuits) >= around.parameters.circuits:
            raise _Inadmissible(ErrorCode.NO_RESOURCES)

    def _check_share(self, above: Qna) -> None:
        """No neighbour has more than its share of this node's circuits (CIRCUIT-7)."""
        theirs = sum(1 for each in self._around.circuits.values() if each.came_from(above))
        if theirs >= self._around.parameters.circuits_of_neighbour:
            raise _Inadmissible(ErrorCode.NO_RESOURCES)

    def _bounded(self, deadline: DomainTime) -> DomainTime:
        """A deadline that may have been set by somebody else: nothing is kept for ever (CIRCUIT-3-4)."""
        return min(deadline, DomainTime(self._around.domain_now() + self._around.parameters.lifetime_ns))

    def _new_identity(self) -> CircuitId:
        """Of chance: a number that could be foretold, somebody else could have used before (CIRCUIT-4.1-2)."""
        around = self._around
        while True:
            self._numbers += 1
            identity = CircuitId((around.own, self._chance.integer(b"circuit number %d" % self._numbers, 32)))
            if identity not in around.circuits:
                return identity

    def _after_here(self, route: tuple[RouteHop, ...]) -> tuple[RouteHop, ...]:
        """What is left of a route once this node is visited."""
        place = next((n for n, hop in enumerate(route) if hop.node != self._around.own), len(route))
        return route[place:]

    def _is_tail(self, asked: Asked) -> bool:
        return asked.endpoints[-1] == self._around.own and not asked.route

    def _next_hop(self, asked: Asked, above: Qna) -> Qna:
        """The neighbour to ask: the next node of the route, or, where that is loose, the one towards it."""
        if not asked.route:
            raise _Inadmissible(ErrorCode.NO_ROUTE)
        if not asked.hops_left:
            raise _Inadmissible(ErrorCode.HOP_LIMIT)
        first = asked.route[0]
        below = self._routes.quantum_next_hop(first.node)
        if below is None or below in (above, self._around.own) or (not first.loose and below != first.node):
            raise _Inadmissible(ErrorCode.NO_ROUTE)
        return below

    def _begin(self, identity: CircuitId, asked: Asked, above: Hop | None, below: Qna | None) -> None:
        around = self._around
        entering = above is None or as_number(above.neighbour) != as_number(around.own)
        qui = self._new_qui() if entering or above is None else above.qui  # CIRCUIT-5.1-1
        circuit = self._make(identity, asked, qui, above is not None, below is not None)
        self._add_hops(circuit, above, below)
        if below is None:
            circuit.path_fidelity, circuit.tail_memory = asked.path_fidelity, around.memory
        circuit.begin()

    def _make(self, identity: CircuitId, asked: Asked, qui: Qui, has_above: bool, has_below: bool) -> Circuit:
        around = self._around
        if not has_above:
            return HeadCircuit(identity, asked, qui, {}, around, EndTracker(Side.BELOW), CircuitState.CHECKING)
        if not has_below:
            return TailCircuit(identity, asked, qui, {}, around, EndTracker(Side.ABOVE), TailState.CHECKING)
        tracker = RepeaterTracker(around.composer)
        return RepeaterCircuit(identity, asked, qui, {}, around, tracker, CircuitState.CHECKING)

    def _add_hops(self, circuit: Circuit, above: Hop | None, below: Qna | None) -> None:
        around = self._around
        try:
            if above is not None:
                above.own_label = around.labels.give(above.neighbour, (circuit, Side.ABOVE))
                circuit.hops[Side.ABOVE] = above
            if below is not None:
                label = around.labels.give(below, (circuit, Side.BELOW))
                leaving = as_number(below) != as_number(around.own)
                qui = self._new_qui() if leaving else circuit.qui
                circuit.hops[Side.BELOW] = Hop(below, label, label, NO_LABEL, qui)
        except ResourceLimit as limit:
            for hop in circuit.hops.values():
                around.labels.take_back(hop.own_label)
            raise _Inadmissible(limit.reason) from limit

    def _new_qui(self) -> Qui:
        self._quis += 1
        return Qui(self._chance.integer(b"circuit QUI %d" % self._quis) or 1)


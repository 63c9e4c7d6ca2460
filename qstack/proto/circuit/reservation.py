"""One circuit at one node: what its tables' actions do (CIRCUIT-3, CIRCUIT-4.2, CIRCUIT-5.1).

Reservation and release; pairs are `tracking`'s.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from qstack.base.errors import ErrorCode
from qstack.base.ids import CircuitId, Label, PurposeId, Qna, Qui, as_number
from qstack.base.services import (
    CircuitClosed,
    CircuitFailed,
    CircuitReady,
    LinkReserved,
    ReleaseLink,
    RequestPairs,
    ReserveLink,
)  # fmt: skip
from qstack.base.time import DomainTime, Instant
from qstack.base.units import fidelity_from_wire, fidelity_to_wire
from qstack.machine.table import TransitionTable
from qstack.proto.circuit.halves import Side
from qstack.proto.circuit.states import HEAD, REPEATER, TAIL, CircuitEvent, CircuitState, TailState
from qstack.proto.circuit.surroundings import Surroundings
from qstack.proto.circuit.tracking import EndTracker, RepeaterTracker
from qstack.wire.circuit import MemoryTimes, Refused, Release, Reserve, Reserved, RouteHop

__all__ = ["Asked", "Circuit", "Ending", "HeadCircuit", "Hop", "RepeaterCircuit", "TailCircuit"]

_PURPOSE = PurposeId(0)  # what pairs are for is known to the ends alone
_NEVER = MemoryTimes()


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a circuit ends. `refused_by` 0: this node."""

    reason: ErrorCode
    refused_by: Qna = Qna(0)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, as it goes from node to node. `path_fidelity`: expected up to the link above."""

    context: bytes
    number: int
    memories: int
    min_fidelity: float
    path_fidelity: float
    hops_left: int
    deadline: DomainTime
    head_memory: MemoryTimes
    endpoints: tuple[Qna, ...]
    route: tuple[RouteHop, ...]


@dataclass(slots=True)
class Hop:
    """The link on one side of a circuit.

    `link_label` names the circuit on it; `own_label` is on what the neighbour sends us, `peer_label` on what we send;
    `qui` is the circuit's name in messages on it.
    """

    neighbour: Qna
    link_label: Label
    own_label: Label
    peer_label: Label
    qui: Qui
    kept: bool = False


@dataclass(slots=True, eq=False)
class Circuit:
    """A circuit at this node. `above` is None at the head, `below` at the tail."""

    identity: CircuitId
    asked: Asked
    qui: Qui
    hops: dict[Side, Hop]
    around: Surroundings
    tracker: RepeaterTracker | EndTracker
    state: Any  # the table's
    path_fidelity: float = 0.0
    tail_memory: MemoryTimes = _NEVER

    TABLE: ClassVar[TransitionTable[Any, CircuitEvent]]
    ROLE: ClassVar[str]

    @property
    def is_open(self) -> bool:
        """Whether pairs belong to it."""
        return self.state in (CircuitState.OPEN, TailState.OPEN)

    def came_from(self, neighbour: Qna) -> bool:
        """Whether it was asked for by this neighbour."""
        above = self.hops.get(Side.ABOVE)
        return above is not None and above.neighbour == neighbour

    @property
    def deadline_ns(self) -> Instant:
        """The deadline, on the local clock."""
        return self.around.local(self.asked.deadline)

    def fire(self, event: CircuitEvent, cause: object) -> bool:
        """Something happens to it; see `states`."""
        return self.TABLE.fire(self, event, cause)

    def begin(self) -> None:
        """Enter it under its names, start its timer, and see whether this node's links have room."""
        around = self.around
        around.circuits[self.identity] = self
        margin_ns = 0 if self.ROLE == "head" else around.parameters.deadline_margin_ns
        around.timers.set(("deadline", self.identity), self.deadline_ns + margin_ns)
        for side, hop in self.hops.items():
            around.by_link[hop.neighbour, hop.link_label] = (self, side)
        for hop in self.hops.values():
            around.emit(ReserveLink(hop.neighbour, hop.link_label, self.asked.memories, self.asked.min_fidelity))

    def request_pairs(self, number: int) -> None:
        """Ask the link below for pairs."""
        hop = self.hops[Side.BELOW]
        self.around.emit(RequestPairs(hop.neighbour, hop.link_label, number, self.asked.min_fidelity, _PURPOSE,
                                      self.deadline_ns))  # fmt: skip

    # --- guards ----------------------------------------------------------------------------------------------------

    def _may_have_both(self, kept: LinkReserved) -> bool:
        return all(hop.kept or hop.neighbour == kept.neighbour for hop in self.hops.values())

    def _may_fall_short(self, kept: LinkReserved) -> bool:
        return self._fidelity_with(kept) + 1e-5 < self.asked.min_fidelity

    def _fidelity_with(self, kept: LinkReserved) -> float:
        """Expected from the head to the far end of the link that was kept; Werner states compose like this."""
        below = self.hops.get(Side.BELOW)
        if below is None or kept.neighbour != below.neighbour:
            return self.path_fidelity or self.asked.path_fidelity
        if self.ROLE == "head":
            return kept.link_fidelity
        above = self.asked.path_fidelity
        return above * kept.link_fidelity + (1.0 - above) * (1.0 - kept.link_fidelity) / 3.0

    # --- actions ---------------------------------------------------------------------------------------------------

    def _act_note_kept(self, kept: LinkReserved) -> None:
        self.path_fidelity = self._fidelity_with(kept)
        for hop in self.hops.values():
            hop.kept = hop.kept or hop.neighbour == kept.neighbour

    def _act_ask_downstream(self, cause: object) -> None:
        hop, asked = self.hops[Side.BELOW], self.asked
        self.around.timers.set(("setup", self.identity), self.around.now_ns + self.around.parameters.setup_timeout_ns)
        self.around.send(hop.neighbour, Reserve(
            link_label=hop.link_label, circuit=self.identity[1], context=asked.context, qui=hop.qui,
            number=asked.number, memories=asked.memories, min_fidelity=fidelity_to_wire(asked.min_fidelity),
            path_fidelity=fidelity_to_wire(self.path_fidelity), hops_left=asked.hops_left - 1,
            deadline=asked.deadline, head_memory=asked.head_memory, endpoints=asked.endpoints, route=asked.route,
        ), Label(0))  # fmt: skip

    def _act_bind(self, reserved: Reserved) -> None:
        self.around.timers.cancel(("setup", self.identity))
        self.hops[Side.BELOW].peer_label = reserved.downstream_label
        self.tail_memory = reserved.tail_memory
        self.path_fidelity = fidelity_from_wire(reserved.path_fidelity)

    def _act_answer_above(self, cause: object) -> None:
        hop = self.hops[Side.ABOVE]
        self.around.send(hop.neighbour, Reserved(
            link_label=hop.link_label, downstream_label=hop.own_label, qui=hop.qui,
            path_fidelity=fidelity_to_wire(self.path_fidelity), tail_memory=self.tail_memory,
        ), hop.peer_label)  # fmt: skip

    def _act_ask_pairs(self, cause: object) -> None:
        self.request_pairs(self.asked.number)

    def _act_refuse_above(self, ending: Ending) -> None:
        hop = self.hops[Side.ABOVE]
        own, speaker = self.around.own, ending.refused_by or self.around.own
        if as_number(hop.neighbour) != as_number(own):
            speaker = own  # CIRCUIT-4.3-2: the border speaks for its domain
        refused = Refused(link_label=hop.link_label, reason=ending.reason, refused_by=speaker)
        self.around.send(hop.neighbour, refused, hop.peer_label)

    def _act_refuse_short(self, cause: object) -> None:
        self._act_refuse_above(Ending(ErrorCode.FIDELITY_UNATTAINABLE))

    def _act_release_above(self, ending: Ending) -> None:
        self._release(Side.ABOVE, ending)

    def _act_release_below(self, ending: Ending) -> None:
        self._release(Side.BELOW, ending)

    def _release(self, side: Side, ending: Ending) -> None:
        hop = self.hops[side]
        release = Release(link_label=hop.link_label, reason=ending.reason)
        self.around.send(hop.neighbour, release, hop.peer_label)

    def _act_give_back(self, cause: object) -> None:
        around = self.around
        del around.circuits[self.identity]
        around.touched.pop(self.identity, None)
        for what in ("deadline", "setup", "cutoff"):
            around.timers.cancel((what, self.identity))
        for hop in self.hops.values():
            del around.by_link[hop.neighbour, hop.link_label]
            around.labels.take_back(hop.own_label)
            around.emit(ReleaseLink(hop.neighbour, hop.link_label))

    def _act_tell_ready(self, cause: object) -> None:
        head = self.ROLE == "head"
        remote = self.asked.endpoints[-1 if head else 0]
        self.around.emit(CircuitReady(self.identity, self.asked.context, remote, head))

    def _act_tell_failed(self, ending: Ending) -> None:
        refused_by = ending.refused_by or self.around.own
        self.around.emit(CircuitFailed(self.asked.context, ending.reason, refused_by))

    def _act_tell_short(self, cause: object) -> None:
        self._act_tell_failed(Ending(ErrorCode.FIDELITY_UNATTAINABLE))

    def _act_tell_closed(self, ending: Ending) -> None:
        self.around.emit(CircuitClosed(self.identity, self.asked.context, ending.reason))


@HEAD.drives
class HeadCircuit(Circuit):
    """At the node whose unit asked for it."""

    __slots__ = ()
    TABLE = HEAD
    ROLE = "head"


@REPEATER.drives
class RepeaterCircuit(Circuit):
    """At a node in between."""

    __slots__ = ()
    TABLE = REPEATER
    ROLE = "repeater"


@TAIL.drives
class TailCircuit(Circuit):
    """At the last node."""

    __slots__ = ()
    TABLE = TAIL
    ROLE = "tail"

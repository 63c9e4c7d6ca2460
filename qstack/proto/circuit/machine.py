"""The circuits of one node: dispatch, and the turn's end.

Rules are in `states`, what they do in `reservation`; pairs are followed by `tracking`, swapped by `swapping`, and their
states estimated by `estimate`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import CircuitId, Label, Qna
from qstack.base.services import (
    LinkRefused,
    LinkReserved,
    PairExpired,
    PairReady,
    PairsFailed,
    PeerDown,
    PeerUnresolved,
    ReleaseCircuit,
    ReleaseLink,
    RequestCircuit,
    Routes,
)  # fmt: skip
from qstack.base.time import Instant, Timescale
from qstack.proto.circuit.admission import Admission
from qstack.proto.circuit.estimate import Composer
from qstack.proto.circuit.halves import Side
from qstack.proto.circuit.labels import LabelTable
from qstack.proto.circuit.outbound import read_track
from qstack.proto.circuit.params import CircuitParameters
from qstack.proto.circuit.reservation import Circuit, Ending
from qstack.proto.circuit.states import CircuitEvent, CircuitState
from qstack.proto.circuit.surroundings import Surroundings
from qstack.proto.circuit.swapping import Swapper
from qstack.proto.circuit.tracking import EndTracker, RepeaterTracker
from qstack.proto.circuit.turn import Turn
from qstack.wire.circuit import Expire, Refused, Release, Reserve, Reserved, Track
from qstack.wire.value import Message

__all__ = ["CircuitDescription", "CircuitMachine", "HopDescription"]


@dataclass(frozen=True, slots=True)
class HopDescription:
    """A circuit on one of its links, for operators."""

    neighbour: Qna
    link_label: Label
    own_label: Label
    peer_label: Label
    qui: int
    pairs: int  # halves held, or swapped but not yet tracked both ways


@dataclass(frozen=True, slots=True)
class CircuitDescription:
    """A circuit at this node, for operators. `made`: swaps at a repeater, end-to-end pairs delivered at an end."""

    circuit: CircuitId
    role: str
    state: str
    context: bytes
    endpoints: tuple[Qna, ...]
    above: HopDescription | None
    below: HopDescription | None
    qui: int
    number: int
    made: int
    path_fidelity: float
    deadline_ns: Instant


class CircuitMachine:
    """All circuits through the node `own`."""

    def __init__(
        self, own: Qna, parameters: CircuitParameters, chance: Chance, *, routes: Routes,
        timescale: Callable[[], Timescale],
    ) -> None:  # fmt: skip
        self.own = own
        first_label = chance.integer(b"circuit first label", 31)
        labels: LabelTable[tuple[Circuit, Side]] = LabelTable(own, parameters.labels, first_label)
        composer = Composer(parameters.memory)
        self._around = Surroundings(own, parameters, timescale, labels, composer)
        self._admission = Admission(self._around, routes, chance)
        self._swapper = Swapper()
        self._turn = Turn(self._around)

    # --- driven by the node --------------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of the circuit table. Raises `PeerViolation` before anything has changed."""
        self._around.now_ns = now_ns
        if sender.seal is not Seal.HOP or sender.qna != sender.neighbour:
            raise PeerViolation(f"{message.NAME} did not come from a neighbour under the hop seal")
        match message:
            case Reserve():
                self._admission.reserve(message, sender.qna)
            case Reserved() | Refused() | Release():
                self._signal(message, sender.qna)
            case Track():
                self._track(message, sender)
            case Expire():
                self._expire(message, sender)
            case _:
                raise PeerViolation(f"{message.NAME} is not known here", ErrorCode.UNKNOWN_MESSAGE)

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """RequestCircuit, ReleaseCircuit; LinkReserved, LinkRefused, PairReady, PairExpired, PairsFailed; PeerDown,
        PeerUnresolved."""
        self._around.now_ns = now_ns
        match service:
            case PairReady():
                self._pair_ready(service)
            case RequestCircuit():
                self._admission.request(service)
            case ReleaseCircuit():
                circuit = self._around.circuits.get(service.circuit)
                if circuit is not None:
                    circuit.fire(CircuitEvent.CANCELLED, Ending(service.reason))
            case LinkReserved():
                if not self._fire_on_link(service, CircuitEvent.KEPT, service):
                    self._around.emit(ReleaseLink(service.neighbour, service.label))
            case LinkRefused():
                self._fire_on_link(service, CircuitEvent.NOT_KEPT, Ending(service.reason))
            case PairsFailed():
                self._fire_on_link(service, CircuitEvent.BROKEN, Ending(service.reason))
            case PairExpired():
                self._pair_expired(service)
            case PeerDown(seal=Seal.HOP):
                self._lose(service.peer, ErrorCode.SESSION_LOST)
            case PeerUnresolved():
                self._give_up_asking(service.peer)

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """Swapped, or Refused."""
        self._around.now_ns = now_ns
        if not self._swapper.result(result, self._touch):
            self._around.count("stray_results")

    def handle_deadline(self, now_ns: Instant) -> None:
        """Fire what is due."""
        self._around.now_ns = now_ns
        for what, identity in self._around.timers.pop_due(now_ns):
            circuit = self._around.circuits.get(identity)
            if circuit is None:
                continue
            match what:
                case "deadline":
                    circuit.fire(CircuitEvent.EXPIRED, Ending(ErrorCode.TIMEOUT))
                case "setup":
                    circuit.fire(CircuitEvent.UNANSWERED, Ending(ErrorCode.UNREACHABLE))
                case "cutoff":
                    self._turn.cut_off(circuit)
                    self._touch(circuit)

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        deadline = self._around.timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def take_effects(self) -> list[Any]:
        """What is to be done, in order. Swaps, tracks and deliveries of the turn go out together."""
        around = self._around
        if around.touched:
            touched, around.touched = list(around.touched.values()), {}
            around.effects += self._swapper.ask(touched, around.domain_now())
            for circuit in touched:
                self._turn.finish(circuit)
        taken, around.effects[:] = list(around.effects), []
        return taken

    def describe(self) -> tuple[CircuitDescription, ...]:
        """All live circuits."""
        return tuple(_describe(circuit) for circuit in self._around.circuits.values())

    # --- signalling ------------------------------------------------------------------------------------------------

    def _signal(self, message: Reserved | Refused | Release, neighbour: Qna) -> None:
        circuit, side = self._around.by_link.get((neighbour, message.link_label), (None, Side.ABOVE))
        if circuit is None:
            self._around.count("stray_signals")  # for a circuit that is over here; that is told already
            return
        if isinstance(message, Release):
            event = CircuitEvent.RELEASED_ABOVE if side is Side.ABOVE else CircuitEvent.RELEASED_BELOW
            circuit.fire(event, Ending(_reason(message.reason)))
            return
        if side is Side.ABOVE:
            raise PeerViolation(f"{message.NAME} from above")
        if isinstance(message, Refused):
            circuit.fire(CircuitEvent.REFUSED, Ending(_reason(message.reason), message.refused_by))
            return
        if not message.downstream_label or message.qui != circuit.hops[side].qui:
            raise PeerViolation("a Reserved without a label, or for another QUI")
        circuit.fire(CircuitEvent.RESERVED, message)

    def _fire_on_link(self, service: Any, event: CircuitEvent, cause: object) -> bool:
        circuit, _ = self._around.by_link.get((service.neighbour, service.label), (None, Side.ABOVE))
        return circuit is not None and circuit.fire(event, cause)

    def _lose(self, peer: Qna, reason: ErrorCode) -> None:
        for circuit in list(self._around.circuits.values()):
            for side, event in ((Side.ABOVE, CircuitEvent.LOST_ABOVE), (Side.BELOW, CircuitEvent.LOST_BELOW)):
                hop = circuit.hops.get(side)
                if hop is not None and hop.neighbour == peer:
                    circuit.fire(event, Ending(reason))

    def _give_up_asking(self, peer: Qna) -> None:
        """Nobody answers for a neighbour: what waited for it was dropped, so a Reserve may have been."""
        for circuit in list(self._around.circuits.values()):
            below = circuit.hops.get(Side.BELOW)
            if circuit.state is CircuitState.ASKING and below is not None and below.neighbour == peer:
                circuit.fire(CircuitEvent.LOST_BELOW, Ending(ErrorCode.UNREACHABLE))

    # --- pairs -----------------------------------------------------------------------------------------------------

    def _pair_ready(self, ready: PairReady) -> None:
        circuit, side = self._around.by_link.get((ready.neighbour, ready.label), (None, Side.ABOVE))
        if circuit is None or not circuit.is_open:
            self._around.count("stray_pairs")  # the link gets it back with its label
            return
        if isinstance(circuit.tracker, RepeaterTracker):
            circuit.tracker.pair_ready(side, ready)
            self._turn.watch_age(circuit)
        else:
            circuit.tracker.pair_ready(ready)
        self._touch(circuit)

    def _pair_expired(self, expired: PairExpired) -> None:
        circuit, side = self._around.by_link.get((expired.neighbour, expired.label), (None, Side.ABOVE))
        if circuit is None:
            return
        if isinstance(circuit.tracker, RepeaterTracker):
            circuit.tracker.revoked(side, expired.sequence)
        else:
            circuit.tracker.revoked(expired.sequence)
        self._touch(circuit)

    def _track(self, track: Track, sender: Sender) -> None:
        circuit, side = self._of_label(sender)
        pairs = read_track(track)
        if circuit is None:
            return
        for pair in pairs:
            if isinstance(circuit.tracker, EndTracker):
                known = circuit.tracker.track(pair)
            else:
                known = circuit.tracker.track(side, pair)
            if not known:
                self._around.count("stray_tracks")
        self._touch(circuit)

    def _expire(self, expire: Expire, sender: Sender) -> None:
        circuit, side = self._of_label(sender)
        if circuit is None:
            return
        self._around.count("pairs_expired", len(expire.sequences))
        for sequence in expire.sequences:
            if isinstance(circuit.tracker, EndTracker):
                circuit.tracker.expired_by_peer(sequence)
            else:
                circuit.tracker.expired_by_peer(side, sequence)
        self._touch(circuit)

    def _of_label(self, sender: Sender) -> tuple[Circuit | None, Side]:
        """The open circuit that a neighbour's message is for. Raises `PeerViolation` for another neighbour's."""
        circuit, side = self._around.labels.find(sender.label) or (None, Side.ABOVE)
        if circuit is not None and circuit.hops[side].neighbour != sender.qna:
            raise PeerViolation(f"label {sender.label:#x} was not given to the sender")
        if circuit is None or not circuit.is_open:
            self._around.count("stray_labels")
            return None, side
        return circuit, side

    def _touch(self, circuit: Circuit) -> None:
        self._around.touched[circuit.identity] = circuit


def _reason(code: int) -> ErrorCode:
    return ErrorCode(code) if code in set(ErrorCode) else ErrorCode.UNSPECIFIED


def _describe(circuit: Circuit) -> CircuitDescription:
    tracker = circuit.tracker
    made = tracker.swaps if isinstance(tracker, RepeaterTracker) else tracker.delivered
    return CircuitDescription(
        circuit.identity, circuit.ROLE, circuit.state.value, circuit.asked.context, circuit.asked.endpoints,
        _describe_hop(circuit, Side.ABOVE), _describe_hop(circuit, Side.BELOW), circuit.qui, circuit.asked.number,
        made, circuit.path_fidelity, circuit.deadline_ns,
    )  # fmt: skip


def _describe_hop(circuit: Circuit, side: Side) -> HopDescription | None:
    hop = circuit.hops.get(side)
    if hop is None:
        return None
    tracker = circuit.tracker
    halves = tracker.halves[side] if isinstance(tracker, RepeaterTracker) else tracker.halves
    return HopDescription(hop.neighbour, hop.link_label, hop.own_label, hop.peer_label, hop.qui, len(halves))

"""The units of one node: dispatch.

Rules are in `states`, what they do in `end`, `head` and `tail`; `opening` serves applications, `answering` peers,
`ledger` knows which units live, `measuring` speaks with the device. A message about a unit that is not there is
ignored: it crossed its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Count, Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Qna, format_qna
from qstack.base.services import (
    CircuitClosed,
    CircuitFailed,
    CircuitReady,
    EndPairReady,
    PeerDown,
    PeerUp,
    QubitsFreed,
    ReleaseCircuit,
    Routes,
)
from qstack.base.time import Instant, Timescale
from qstack.proto.unit.admission import Admission, ClaimRule
from qstack.proto.unit.answering import Answering
from qstack.proto.unit.end import Ending, Surroundings, UnitEnd
from qstack.proto.unit.ledger import Ledger
from qstack.proto.unit.measuring import Measuring
from qstack.proto.unit.opening import Opening
from qstack.proto.unit.params import UnitParameters
from qstack.proto.unit.states import HeadEvent, HeadState, TailEvent, TailState
from qstack.wire.unit import (
    KeyConfirm,
    KeyConfirmed,
    Rounds,
    UnitAccept,
    UnitClose,
    UnitDelivered,
    UnitKind,
    UnitRefuse,
    UnitRequest,
)
from qstack.wire.value import Message

__all__ = ["UnitDescription", "UnitMachine"]

_HEAD_EVENTS: dict[type, HeadEvent] = {
    UnitAccept: HeadEvent.ACCEPTED, UnitRefuse: HeadEvent.REFUSED, Rounds: HeadEvent.ROUNDS,
    KeyConfirmed: HeadEvent.CONFIRMED,
}  # fmt: skip
_TAIL_EVENTS: dict[type, TailEvent] = {
    Rounds: TailEvent.ROUNDS, KeyConfirm: TailEvent.TAG, UnitDelivered: TailEvent.DELIVERED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitDescription:
    """A unit, for operators."""

    handle: int
    role: str
    state: str
    kind: str
    remote: Qna
    urns: tuple[str, ...]
    pairs: int
    mean_fidelity: float
    deadline_ns: Instant


class UnitMachine:
    """All units of the node `own`.

    `end_secret(peer, context, length)` is the exporter of the end session with `peer`; `is_secret` says whether no
    chosen seed took part in what is measured; `timescale` turns local instants into domain time.
    """

    def __init__(
        self, own: Qna, parameters: UnitParameters, chance: Chance, *, rules: tuple[ClaimRule, ...], routes: Routes,
        end_secret: Callable[[Qna, bytes, int], bytes], is_secret: Callable[[], bool],
        timescale: Callable[[], Timescale],
    ) -> None:  # fmt: skip
        self.own = own
        self.admission = Admission(rules)
        self._effects: list[Any] = []
        self._ledger = Ledger(own, parameters, chance, timescale, self._effects)
        self._measuring = Measuring(self._ledger)
        around = Surroundings(
            self._effects, end_secret, is_secret, self._measuring.queue, self._ledger.wait_for_rounds
        )  # fmt: skip
        self._opening = Opening(self._ledger, self.admission, self._measuring, routes, around)
        self._answering = Answering(self._ledger, self.admission, routes, around)

    # --- driven by the node -----------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of the unit table. Raises `PeerViolation` before anything has changed."""
        self._ledger.now_ns = now_ns
        if sender.seal is not Seal.END:
            raise PeerViolation(f"{message.NAME} came without the end seal")
        if isinstance(message, UnitRequest):
            self._answering.answer(message, sender.qna)
        elif isinstance(message, UnitClose):
            self._closed_by_peer(message, sender.qna)
        else:
            self._continue(message, sender.qna)

    def request(self, message: Message, client: int, user: int, now_ns: Instant) -> None:
        """What application `client` of user id `user` asks; refusals are told to it."""
        self._ledger.now_ns = now_ns
        self._opening.serve(message, client, user)

    def drop_client(self, client: int, now_ns: Instant) -> None:
        """An application went away: its claims and units go too."""
        self._ledger.now_ns = now_ns
        self.admission.drop_client(client)
        for unit in self._ledger:
            if unit.client == client:
                self._ledger.fire(unit, HeadEvent.CANCELLED, TailEvent.CANCELLED, Ending(ErrorCode.CANCELLED))

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """CircuitReady, CircuitFailed, CircuitClosed, EndPairReady, PeerUp, PeerDown."""
        self._ledger.now_ns = now_ns
        match service:
            case CircuitReady():
                self._bind(service)
            case CircuitFailed():
                ending = Ending(service.reason, f"refused by {format_qna(service.refused_by)}", service.refused_by)
                for unit in self._ledger.with_context(service.context):
                    self._ledger.fire(unit, HeadEvent.NOT_RESERVED, None, ending)
            case CircuitClosed():
                ending = Ending(service.reason, "the circuit was torn down")
                for unit in self._ledger:
                    if unit.circuit == service.circuit:
                        self._ledger.fire(unit, HeadEvent.CIRCUIT_CLOSED, TailEvent.CIRCUIT_CLOSED, ending)
            case EndPairReady():
                self._take_pair(service)
            case PeerUp(seal=Seal.END):
                self._answering.peer_up(service.peer, service.urn_prefixes)
            case PeerDown(seal=Seal.END):
                self._lose(service)

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """Outcomes of a batch of measurements."""
        self._ledger.now_ns = now_ns
        self._measuring.take_result(result)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Fire what is due."""
        self._ledger.now_ns = now_ns
        for kind, unit in self._ledger.due():
            if kind == "deadline":
                ending = Ending(ErrorCode.TIMEOUT, _late(unit))
                self._ledger.fire(unit, HeadEvent.EXPIRED, TailEvent.EXPIRED, ending)
            else:
                self._ledger.fire(unit, None, TailEvent.WAITED)

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        return self._ledger.next_deadline()

    def take_effects(self) -> list[Any]:
        """What is to be done, in order. Measurements asked for in this turn go to the device as one batch a unit."""
        self._measuring.flush()
        taken, self._effects[:] = list(self._effects), []
        return taken

    def reconfigure(self, parameters: UnitParameters, rules: tuple[ClaimRule, ...]) -> None:
        """Take new parameters and rules; units and claims that exist stay."""
        self._ledger.parameters = parameters
        self.admission.rules = rules

    def describe(self) -> tuple[UnitDescription, ...]:
        """All live units."""
        return tuple(
            UnitDescription(
                unit.handle, "head" if unit.IS_HEAD else "tail", unit.state.value, UnitKind(unit.request.kind).name,
                unit.remote, unit.identifier.texts, unit.pairs, unit.mean_fidelity,
                unit.deadline_ns,
            )
            for unit in self._ledger
        )  # fmt: skip

    @property
    def open_measurements(self) -> int:
        """Measurements that the device has not answered."""
        return self._measuring.open

    # --- dispatch -----------------------------------------------------------------------------------------------------

    def _continue(self, message: Message, peer: Qna) -> None:
        """A message about a unit that exists: from the tail to its head, or from the head to its tail."""
        to_head = not message.sender_is_head if isinstance(message, Rounds) else type(message) in _HEAD_EVENTS
        head_event, tail_event = _HEAD_EVENTS.get(type(message)), _TAIL_EVENTS.get(type(message))
        if (head_event if to_head else tail_event) is None:
            raise PeerViolation(f"{message.NAME} is no message of a unit")
        unit = self._ledger.get((self.own if to_head else peer, getattr(message, "request", 0)))
        if unit is None or unit.remote != peer:
            self._effects.append(Count("unit.stray_messages"))
            return
        argument = Ending(_reason(message.reason)) if isinstance(message, UnitRefuse) else message
        self._ledger.fire(unit, head_event, tail_event, argument)

    def _closed_by_peer(self, message: UnitClose, peer: Qna) -> None:
        unit = self._ledger.get((peer if message.by_head else self.own, message.request))
        if unit is not None and unit.remote == peer:
            text = "" if message.reason == ErrorCode.CONFIRMATION_FAILED else "closed by the other end"
            self._ledger.fire(unit, HeadEvent.CLOSED, TailEvent.CLOSED, Ending(_reason(message.reason), text))

    def _lose(self, down: PeerDown) -> None:
        who = format_qna(down.peer)
        if self._answering.peer_down(down.peer):
            ending = Ending(ErrorCode.SESSION_LOST, f"session with {who} lost: {down.reason}")
        else:
            ending = Ending(ErrorCode.UNREACHABLE, f"no session with {who}: {down.reason}")
        for unit in self._ledger:
            if unit.remote == down.peer:
                self._ledger.fire(unit, HeadEvent.LOST, TailEvent.LOST, ending)

    def _bind(self, ready: CircuitReady) -> None:
        """Give a circuit to the unit that it was reserved for; one that no unit wants is released.

        Every node on a circuit's way knows its context: so another circuit may come with the context of a live unit.
        """
        units = [unit for unit in self._ledger.with_context(ready.context)
                 if ready.head == unit.IS_HEAD and ready.remote == unit.remote]  # fmt: skip
        if not any([self._ledger.fire(unit, HeadEvent.RESERVED, TailEvent.RESERVED, ready) for unit in units]):
            self._effects += [Count("unit.stray_circuits"), ReleaseCircuit(ready.circuit, ErrorCode.CANCELLED)]

    def _take_pair(self, pair: EndPairReady) -> None:
        """Give a pair to its unit; one that no unit wants is discarded."""
        unit = next((unit for unit in self._ledger if unit.circuit == pair.circuit), None)
        wanted = unit is not None and unit.wants(pair)
        if unit is None or not wanted or not self._ledger.fire(unit, HeadEvent.PAIR, TailEvent.PAIR, pair):
            self._effects.append(QubitsFreed((pair.qubit,), discard=True))


def _reason(code: int) -> ErrorCode:
    return code if isinstance(code, ErrorCode) else ErrorCode.UNSPECIFIED


def _late(unit: UnitEnd) -> str:
    if unit.state not in (HeadState.SHARING, TailState.SHARING):
        return f"not established in time, was {unit.state.value}"
    told = f"time is over, {unit.pairs} of {unit.size} pairs came"
    if unit.pairs < unit.size and unit.held:
        told += (f"; {len(unit.held)} are held, each in a memory until it is measured or released: take pairs as they "
                 "come, or fewer")  # fmt: skip
    return told

"""The units of one node: finds the unit that a message, service, result or request is about, and fires its table.

Laws: a unit is in `_units` from its request until it is over, and nothing it holds outlives that (pairs are discarded,
the circuit released, the timer cancelled). A message about a unit that is not there is ignored: it crossed its end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from qstack.base.bell import Basis
from qstack.base.chance import Chance
from qstack.base.effects import CallDevice, Count, Seal, Sender, SendMessage, TellClient
from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation, QstackError, ResourceLimit, WireError
from qstack.base.ids import Qna, format_qna
from qstack.base.services import (
    CircuitClosed,
    CircuitFailed,
    CircuitReady,
    EndPairReady,
    PeerDown,
    PeerUp,
    QubitsFreed,
    Routes,
)  # fmt: skip
from qstack.base.time import Instant, Timescale
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.machine.timers import Timers
from qstack.proto.unit.admission import Admission, ClaimRule
from qstack.proto.unit.end import Asked, Ending, HeldPair, Outcome, Surroundings, UnitEnd
from qstack.proto.unit.head import HeadUnit
from qstack.proto.unit.key import rounds_needed
from qstack.proto.unit.params import CONTEXT_OCTETS, MAXIMUM_ROUNDS, NONCE_OCTETS, UnitParameters
from qstack.proto.unit.states import HEAD, TAIL, HeadEvent, HeadState, TailEvent, TailState
from qstack.proto.unit.tail import TailUnit
from qstack.wire.control import (
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    MeasurePairs,
    OpenUnit,
    Refused,
    ReleasePairs,
    UnitStarted,
)  # fmt: skip
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Measure, Measured, MeasureItem, Status, request_id
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
)  # fmt: skip
from qstack.wire.urn import UnitIdentifier, Urn, parse_unit, parse_urn
from qstack.wire.value import Message

__all__ = ["UnitDescription", "UnitMachine"]

_Key = tuple[Qna, int]  # (head's QNA, its request number)
_HEAD_EVENTS = {
    UnitAccept: HeadEvent.ACCEPTED, UnitRefuse: HeadEvent.REFUSED, Rounds: HeadEvent.ROUNDS,
    KeyConfirmed: HeadEvent.CONFIRMED,
}  # fmt: skip
_TAIL_EVENTS = {Rounds: TailEvent.ROUNDS, KeyConfirm: TailEvent.TAG, UnitDelivered: TailEvent.DELIVERED}


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
    deadline_ns: int


@dataclass(slots=True)
class _Batch:
    """Measurements asked of the device in one call."""

    unit: UnitEnd
    asked: list[Asked]
    application_request: int | None


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
        self.parameters = parameters
        self.admission = Admission(rules)
        self._chance = chance
        self._routes = routes
        self._timescale = timescale
        self._effects: list[Any] = []
        self._units: dict[_Key, UnitEnd] = {}
        self._timers: Timers[tuple[str, _Key]] = Timers()
        self._waiting: list[tuple[UnitEnd, HeldPair, Basis]] = []  # to be measured in this turn's batch
        self._batches: dict[int, _Batch] = {}
        self._speaks_for: dict[Qna, tuple[str, ...]] = {}  # URN prefixes in the certificates of live far ends
        self._counter = 0
        self._now_ns = Instant(0)
        self._around = Surroundings(self._effects, end_secret, is_secret, self._queue_measurement, self._start_waiting)

    # --- driven by the node -----------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of the unit table. Raises `PeerViolation` before anything has changed."""
        self._now_ns = now_ns
        if sender.seal is not Seal.END:
            raise PeerViolation(f"{message.NAME} came without the end seal")
        if isinstance(message, UnitRequest):
            self._answer(message, sender.qna)
        elif isinstance(message, UnitClose):
            self._closed_by_peer(message, sender.qna)
        else:
            self._continue(message, sender.qna)

    def request(self, message: Message, client: int, user: int, now_ns: Instant) -> None:
        """What application `client` of user id `user` asks; refusals are told to it."""
        self._now_ns = now_ns
        try:
            self._serve(message, client, user)
        except QstackError as error:
            reason = getattr(error, "reason", ErrorCode.UNSPECIFIED)
            reason = reason if isinstance(reason, ErrorCode) else ErrorCode.MALFORMED
            number = getattr(message, "request", 0)
            self._tell(client, Refused(request=number, reason=reason, text=_printable(str(error))))

    def drop_client(self, client: int, now_ns: Instant) -> None:
        """An application went away: its claims and units go too."""
        self._now_ns = now_ns
        self.admission.drop_client(client)
        for unit in [unit for unit in self._units.values() if unit.client == client]:
            self._fire(unit, HeadEvent.CANCELLED, TailEvent.CANCELLED, Ending(ErrorCode.CANCELLED))

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """CircuitReady, CircuitFailed, CircuitClosed, EndPairReady, PeerUp, PeerDown."""
        self._now_ns = now_ns
        match service:
            case CircuitReady():
                self._bind(service)
            case CircuitFailed():
                ending = Ending(service.reason, f"refused by {format_qna(service.refused_by)}", service.refused_by)
                for unit in self._with_context(service.context):
                    self._fire(unit, HeadEvent.NOT_RESERVED, None, ending)
            case CircuitClosed():
                for unit in self._with_context(service.context):
                    ending = Ending(service.reason, "the circuit was torn down")
                    self._fire(unit, HeadEvent.CIRCUIT_CLOSED, TailEvent.CIRCUIT_CLOSED, ending)
            case EndPairReady():
                self._take_pair(service)
            case PeerUp(seal=Seal.END):
                self._speaks_for[service.peer] = service.urn_prefixes
            case PeerDown(seal=Seal.END):
                self._speaks_for.pop(service.peer, None)
                text = f"session with {format_qna(service.peer)} lost: {service.reason}"
                ending = Ending(ErrorCode.SESSION_LOST, text)
                for unit in [unit for unit in self._units.values() if unit.remote == service.peer]:
                    self._fire(unit, HeadEvent.LOST, TailEvent.LOST, ending)

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """Outcomes of a batch of measurements."""
        self._now_ns = now_ns
        batch = self._batches.pop(getattr(result, "request_id", 0), None)
        if batch is None or not isinstance(result, Measured):
            self._effects.append(Count("unit.late_results"))
            return
        outcomes = list(result.outcomes) + [None] * (len(batch.asked) - len(result.outcomes))
        done = [
            Outcome(asked.held, asked.basis, None if seen is None or seen.status != Status.OK else seen.bit)
            for asked, seen in zip(batch.asked, outcomes, strict=True)
        ]
        self._effects.append(QubitsFreed(tuple(each.held.qubit for each in done)))
        self._fire(batch.unit, HeadEvent.MEASURED, TailEvent.MEASURED, done, batch.application_request)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Fire what is due."""
        self._now_ns = now_ns
        for kind, key in self._timers.pop_due(now_ns):
            unit = self._units.get(key)
            if unit is not None and kind == "deadline":
                ending = Ending(ErrorCode.TIMEOUT, f"not established in time, was {unit.state.value}")
                self._fire(unit, HeadEvent.EXPIRED, TailEvent.EXPIRED, ending)
            elif unit is not None:
                self._fire(unit, None, TailEvent.WAITED)

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        deadline = self._timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def take_effects(self) -> list[Any]:
        """What is to be done, in order. Measurements asked for in this turn go to the device as one batch a unit."""
        self._flush_measurements()
        taken, self._effects[:] = list(self._effects), []
        return taken

    def describe(self) -> tuple[UnitDescription, ...]:
        """All live units."""
        return tuple(
            UnitDescription(
                unit.handle, "head" if unit.IS_HEAD else "tail", unit.state.value, _kind_name(unit.request.kind),
                unit.remote, unit.identifier.texts, unit.pairs, unit.mean_fidelity,
                self._timescale().local(unit.request.deadline),
            )
            for unit in self._units.values()
        )  # fmt: skip

    # --- applications -------------------------------------------------------------------------------------------

    def _serve(self, message: Message, client: int, user: int) -> None:
        match message:
            case ClaimEndpoint():
                self.admission.claim(message.urn, client, user)
                self._tell(client, Accepted(request=message.request, node=self.own))
            case OpenUnit():
                self._open(message, client, user)
            case CloseUnit():
                unit = self._own_unit(message.unit, client)
                self._fire(unit, HeadEvent.CANCELLED, TailEvent.CANCELLED, Ending(ErrorCode.CANCELLED))
            case MeasurePairs():
                self._measure_for(message, self._own_unit(message.unit, client))
            case ReleasePairs():
                unit = self._own_unit(message.unit, client)
                for held in [unit.held.pop(pair) for pair in message.pairs if pair in unit.held]:
                    unit.discard(held)
            case _:
                raise LocalMisuse(f"{message.NAME} is not for applications to send", ErrorCode.UNKNOWN_MESSAGE)

    def _open(self, message: OpenUnit, client: int, user: int) -> None:
        identifier = self._read_identifier(message.urn)
        remote_qna = self._sides(identifier, user)
        self._check_new(identifier, remote_qna, user)
        deadline_ns = Instant(self._now_ns + message.timeout_ms * MILLISECOND_NS)
        deadline = self._timescale().domain(deadline_ns)
        valid_until_s = identifier.lifecycle.valid_until_s
        if valid_until_s is not None:
            deadline = min(deadline, type(deadline)(self._valid_until(valid_until_s)))
        if deadline <= self._timescale().domain(self._now_ns):
            raise LocalMisuse(f"{identifier.lifecycle.urn}: valid-until has passed", ErrorCode.EXPIRED)
        size = identifier.lifecycle.size or 1
        tests = self.parameters.tests_one_in if message.kind == UnitKind.KEY else 0
        pairs = rounds_needed(size, tests) if message.kind == UnitKind.KEY else size
        if message.kind == UnitKind.KEY and pairs > MAXIMUM_ROUNDS:
            raise LocalMisuse(f"size={size}: a key unit takes {pairs} rounds, the limit is {MAXIMUM_ROUNDS}; "
                              "open several units", ErrorCode.TOO_BIG)  # fmt: skip
        self._counter += 1
        request = UnitRequest(
            request=self._counter & 0xFFFF_FFFF, kind=message.kind, tests=tests, pairs=pairs,
            min_fidelity=message.min_fidelity, deadline=deadline, nonce=self._nonce(), urn=identifier.texts,
        )  # fmt: skip
        unit = HeadUnit(
            HeadState.REQUESTED, self._handle(), self.own, remote_qna, client, user, identifier, request, self._around,
            deadline_ns=self._timescale().local(deadline),
        )  # fmt: skip
        self._enter(unit)
        self._tell(client, UnitStarted(request=message.request, unit=unit.handle, kind=message.kind,
                                       remote=remote_qna, urn=identifier.texts))  # fmt: skip
        unit.send(request)

    def _read_identifier(self, urns: Sequence[str]) -> UnitIdentifier:
        try:
            return parse_unit(urns, nid=self.parameters.lifecycle_nid)
        except WireError as error:
            raise LocalMisuse(f"unit: {error}", ErrorCode.MALFORMED) from error

    def _sides(self, identifier: UnitIdentifier, user: int) -> Qna:
        """The node of the other endpoint, after checking that this user may speak for one served here."""
        if len(identifier.endpoints) > 2:
            raise LocalMisuse(f"{len(identifier.endpoints)} endpoints: this version establishes units of two")
        served = {urn: self._routes.destination_of(urn.canonical) for urn in identifier.endpoints}
        local = [urn for urn, node in served.items() if node == self.own]
        remote = [urn for urn, node in served.items() if node != self.own]
        if len(local) != 1:
            raise LocalMisuse(f"{len(local)} of the endpoints are served by this node, exactly one must be; "
                              "[[route.prefix]] of the configuration says who serves what")  # fmt: skip
        self.admission.check_user(local[0], user)
        node = served[remote[0]]
        if node is None:
            raise LocalMisuse(f"no route to {remote[0].canonical}: no announced prefix covers it", ErrorCode.NO_ROUTE)
        return node

    def _check_new(self, identifier: UnitIdentifier, remote: Qna, user: int) -> None:
        if any(unit.remote == remote and unit.identifier == identifier for unit in self._units.values()):
            raise LocalMisuse("this unit is being established already; change a nonce to open another")
        if sum(1 for unit in self._units.values() if unit.user == user) >= self.parameters.units_per_user:
            raise ResourceLimit(f"user id {user} has {self.parameters.units_per_user} units open, which is the limit")
        if len(self._units) >= self.parameters.units:
            raise ResourceLimit(f"this node has {self.parameters.units} units open, which is the limit")

    def _measure_for(self, message: MeasurePairs, unit: UnitEnd) -> None:
        missing = [item.pair for item in message.pairs if item.pair not in unit.held]
        if missing or len({item.pair for item in message.pairs}) != len(message.pairs):
            raise LocalMisuse(f"pairs {missing or 'twice in one request'}: not held by this end, nothing was measured")
        unknown = [item.basis for item in message.pairs if item.basis not in tuple(Basis)]
        if unknown:
            raise LocalMisuse(f"basis {unknown[0]}: there are 0 (Z), 1 (X) and 2 (Y)")
        asked = [Asked(unit.held.pop(item.pair), Basis(item.basis)) for item in message.pairs]
        self._ask_device(_Batch(unit, asked, message.request))

    def _own_unit(self, handle: int, client: int) -> UnitEnd:
        for unit in self._units.values():
            if unit.handle == handle and unit.client == client:
                return unit
        raise LocalMisuse(f"unit {handle:x} is not open here; it may have ended")

    # --- the other end -------------------------------------------------------------------------------------------

    def _answer(self, request: UnitRequest, head: Qna) -> None:
        key = (head, request.request)
        if key in self._units:
            raise PeerViolation(f"UnitRequest {request.request} of {format_qna(head)} is live already")
        reason, unit = self._admit(request, head)
        if unit is None:
            self._effects.append(Count("unit.refused"))
            refusal = UnitRefuse(request=request.request, reason=reason)
            self._effects.append(SendMessage(head, refusal, Seal.END))
            return
        accept = UnitAccept(request=request.request, nonce=self._nonce())
        unit.context = _context(unit.identifier, request.nonce, accept.nonce)
        self._enter(unit)
        self._tell(unit.client, UnitStarted(request=0, unit=unit.handle, kind=request.kind, remote=head,
                                            urn=unit.identifier.texts))  # fmt: skip
        unit.send(accept)

    def _admit(self, request: UnitRequest, head: Qna) -> tuple[ErrorCode, TailUnit | None]:
        """Decide on a request; one code for all that concerns the endpoint (UNIT-4.2-3)."""
        try:
            identifier = parse_unit(request.urn, nid=self.parameters.lifecycle_nid)
        except WireError:
            return ErrorCode.MALFORMED, None
        if request.kind not in (UnitKind.KEY, UnitKind.PAIRS) or len(identifier.endpoints) != 2:
            return ErrorCode.POLICY, None
        if request.kind == UnitKind.KEY and request.pairs > MAXIMUM_ROUNDS:
            return ErrorCode.TOO_BIG, None
        if request.deadline <= self._timescale().domain(self._now_ns):
            return ErrorCode.EXPIRED, None
        if any(unit.remote == head and unit.identifier == identifier for unit in self._units.values()):
            return ErrorCode.NO_ENDPOINT, None
        if len(self._units) >= self.parameters.units:
            return ErrorCode.NO_RESOURCES, None
        local = [urn for urn in identifier.endpoints if self._routes.destination_of(urn.canonical) == self.own]
        remote = [urn for urn in identifier.endpoints if self._routes.destination_of(urn.canonical) == head]
        claim = self.admission.claim_for(local[0]) if len(local) == 1 else None
        if claim is None or len(remote) != 1 or not self._may_speak(head, remote[0]):
            return ErrorCode.NO_ENDPOINT, None
        unit = TailUnit(TailState.ACCEPTED, self._handle(), head, head, claim.client, claim.user, identifier, request,
                        self._around)  # fmt: skip
        return ErrorCode.UNSPECIFIED, unit

    def _may_speak(self, node: Qna, endpoint: Urn) -> bool:
        """Whether the node's certificate, if it names prefixes, has one for the endpoint (UNIT-4.1-9)."""
        prefixes = self._speaks_for.get(node, ())
        return not prefixes or any(parse_urn(prefix).is_prefix_of(endpoint) for prefix in prefixes)

    def _continue(self, message: Message, peer: Qna) -> None:
        number = getattr(message, "request", 0)
        from_tail = isinstance(message, UnitAccept | UnitRefuse | KeyConfirmed)
        if isinstance(message, Rounds):
            from_tail = not message.sender_is_head
        unit = self._units.get((self.own if from_tail else peer, number))
        if unit is None or unit.remote != peer:
            self._effects.append(Count("unit.stray_messages"))
            return
        if isinstance(message, UnitAccept):
            unit.context = _context(unit.identifier, unit.request.nonce, message.nonce)
        argument: Any = Ending(_reason(message.reason)) if isinstance(message, UnitRefuse) else message
        events: Any = _HEAD_EVENTS if from_tail else _TAIL_EVENTS
        if type(message) not in events:
            raise PeerViolation(f"{message.NAME} is not for this end")
        self._fire(unit, events[type(message)], events[type(message)], argument)

    def _closed_by_peer(self, message: UnitClose, peer: Qna) -> None:
        unit = self._units.get((peer if message.by_head else self.own, message.request))
        if unit is not None and unit.remote == peer:
            ending = Ending(_reason(message.reason), "" if message.reason == ErrorCode.CONFIRMATION_FAILED
                            else "closed by the other end")  # fmt: skip
            self._fire(unit, HeadEvent.CLOSED, TailEvent.CLOSED, ending)

    # --- circuits and pairs -----------------------------------------------------------------------------------------

    def _bind(self, ready: CircuitReady) -> None:
        units = [unit for unit in self._with_context(ready.context) if ready.head == unit.IS_HEAD]
        for unit in units:
            self._fire(unit, HeadEvent.RESERVED, TailEvent.RESERVED, ready)
        if not units:
            self._effects.append(Count("unit.stray_circuits"))

    def _take_pair(self, pair: EndPairReady) -> None:
        for unit in self._units.values():
            if unit.circuit == pair.circuit:
                if self._fire(unit, HeadEvent.PAIR, TailEvent.PAIR, pair):
                    return
                break
        self._effects.append(QubitsFreed((pair.qubit,), discard=True))

    def _with_context(self, context: bytes) -> list[UnitEnd]:
        return [unit for unit in self._units.values() if unit.context and unit.context == context]

    def _queue_measurement(self, unit: UnitEnd, held: HeldPair, basis: Basis) -> None:
        self._waiting.append((unit, held, basis))

    def _flush_measurements(self) -> None:
        waiting, self._waiting = self._waiting, []
        by_unit: dict[int, _Batch] = {}
        for unit, held, basis in waiting:
            by_unit.setdefault(unit.handle, _Batch(unit, [], None)).asked.append(Asked(held, basis))
        for batch in by_unit.values():
            self._ask_device(batch)

    def _ask_device(self, batch: _Batch) -> None:
        self._counter += 1
        identifier = request_id(Protocol.UNIT, self._counter)
        self._batches[identifier] = batch
        self._effects.append(CallDevice(Measure(
            request_id=identifier,
            instant=self._timescale().domain(Instant(self._now_ns + self.parameters.device_lead_ns)),
            measurements=tuple(MeasureItem(qubit=asked.held.qubit, basis=asked.basis) for asked in batch.asked),
        )))  # fmt: skip

    # --- bookkeeping ------------------------------------------------------------------------------------------------

    def _fire(self, unit: UnitEnd, head: HeadEvent | None, tail: TailEvent | None, *arguments: Any) -> bool:
        if unit.ended():
            return False
        if isinstance(unit, HeadUnit):
            taken = head is not None and HEAD.fire(unit, head, *arguments)
        else:
            taken = tail is not None and TAIL.fire(unit, tail, *arguments)
        if unit.ended():
            self._leave(unit)
        return taken

    def _enter(self, unit: UnitEnd) -> None:
        key = (unit.head, unit.request.request)
        self._units[key] = unit
        self._timers.set(("deadline", key), self._timescale().local(unit.request.deadline))
        self._effects.append(Count("unit.started"))

    def _leave(self, unit: UnitEnd) -> None:
        key = (unit.head, unit.request.request)
        self._units.pop(key, None)
        self._timers.cancel(("deadline", key))
        self._timers.cancel(("rounds", key))
        for _, held, _ in (each for each in self._waiting if each[0] is unit):
            unit.discard(held)
        self._waiting = [each for each in self._waiting if each[0] is not unit]
        self._effects.append(Count("unit.ended"))

    def _start_waiting(self, unit: UnitEnd, missing: int) -> None:
        deadline = Instant(self._now_ns + self.parameters.rounds_timeout_ns)
        self._timers.set(("rounds", (unit.head, unit.request.request)), deadline)

    def _tell(self, client: int, message: Any) -> None:
        self._effects.append(TellClient(client, message))

    def _nonce(self) -> bytes:
        self._counter += 1
        return self._chance.octets(b"nonce" + self._counter.to_bytes(8, "big"), NONCE_OCTETS)

    def _handle(self) -> int:
        self._counter += 1
        return self._chance.integer(b"handle" + self._counter.to_bytes(8, "big"))

    def _valid_until(self, unix_s: int) -> int:
        return (unix_s + self.parameters.tai_minus_utc_s) * SECOND_NS


def _context(identifier: UnitIdentifier, head_nonce: bytes, tail_nonce: bytes) -> bytes:
    return sha256(identifier.digest() + head_nonce + tail_nonce).digest()[:CONTEXT_OCTETS]


def _reason(code: int) -> ErrorCode:
    return code if isinstance(code, ErrorCode) else ErrorCode.UNSPECIFIED


def _kind_name(kind: int) -> str:
    return UnitKind(kind).name if kind in (UnitKind.KEY, UnitKind.PAIRS) else str(kind)


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:500]

"""The conversation between an application and its daemon, without a socket.

Octets go in by `feed` and out by `take_octets`; in between stands what has been asked and what has been told, as state
that both forms of the sockets wait on: the trio form until an event, the blocking form until more octets have come.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import ErrorCode, QstackError, WireError
from qstack.base.ids import Qna, format_qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS, fidelity_from_wire, fidelity_to_wire
from qstack.sockets.values import Key, MeasuredPair, Pair, Quality, UnitKind
from qstack.wire.control import (
    MAXIMUM_FRAME,
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    Delivered,
    Failed,
    MeasurePairs,
    OpenUnit,
    PairBasis,
    PairDelivered,
    PairsMeasured,
    Refused,
    ReleasePairs,
    UnitStarted,
)
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["ConnectionLost", "Conversation", "RequestRefused", "UnitFailed", "UnitState"]

_LENGTH_OCTETS = 2


class ConnectionLost(QstackError):
    """The daemon has gone, or speaks another language."""


class RequestRefused(QstackError):
    """The daemon refuses what was asked; nothing has changed. `reason` is the code, the text says how to mend it."""

    def __init__(self, message: str, reason: ErrorCode) -> None:
        super().__init__(message)
        self.reason = reason


class UnitFailed(QstackError):
    """A unit ended without delivery; all it held is released. `refused_by` is the node that refused, 0 for none."""

    def __init__(self, message: str, reason: ErrorCode, refused_by: Qna) -> None:
        super().__init__(message)
        self.reason = reason
        self.refused_by = refused_by


@dataclass(slots=True, eq=False)
class UnitState:
    """What the daemon has told of one unit."""

    handle: int
    kind: UnitKind
    remote: Qna
    urns: tuple[str, ...]
    pairs: deque[Pair] = field(default_factory=deque)
    delivered: Key | None = None
    failure: UnitFailed | None = None

    def take_key(self) -> Key | None:
        """The key; None: not delivered yet. Raises `UnitFailed`."""
        if self.failure is not None:
            raise self.failure
        return self.delivered

    def take_pair(self) -> Pair | None:
        """The next pair; None: none has come yet. Raises `UnitFailed` when none will come."""
        if self.pairs:
            return self.pairs.popleft()
        if self.failure is not None:
            raise self.failure
        return None


class Conversation:
    """One connection of an application."""

    def __init__(self) -> None:
        self.units: dict[int, UnitState] = {}
        self.incoming: deque[UnitState] = deque()
        self.answers: dict[int, Message] = {}
        self._received = bytearray()
        self._to_send = bytearray()
        self._requests = 0
        self._asked: dict[int, tuple[Basis, ...]] = {}

    # --- octets --------------------------------------------------------------------------------------------------

    def take_octets(self) -> bytes:
        """What is to be sent."""
        taken = bytes(self._to_send)
        self._to_send.clear()
        return taken

    def feed(self, octets: bytes) -> None:
        """What was received. Raises `ConnectionLost` for what is no message of the table."""
        self._received += octets
        while len(self._received) >= _LENGTH_OCTETS:
            length = int.from_bytes(self._received[:_LENGTH_OCTETS], "big")
            if length > MAXIMUM_FRAME:
                raise ConnectionLost("what listens there does not speak the control table; is it a qstackd socket?")
            if len(self._received) < _LENGTH_OCTETS + length:
                return
            frame = bytes(self._received[_LENGTH_OCTETS : _LENGTH_OCTETS + length])
            del self._received[: _LENGTH_OCTETS + length]
            try:
                self._take(decode_message_untrusted(Protocol.CONTROL, frame))
            except WireError as error:
                raise ConnectionLost(f"the daemon sent what this version does not know: {error}") from error

    def _say(self, message: Message) -> None:
        octets = message.encode()
        self._to_send += len(octets).to_bytes(_LENGTH_OCTETS, "big") + octets

    # --- asking; the number returned finds the answer ----------------------------------------------------------------

    def claim(self, urn: str) -> int:
        """Ask to serve an endpoint."""
        number = self._next()
        self._say(ClaimEndpoint(request=number, urn=urn))
        return number

    def open_unit(self, urns: Sequence[str], kind: UnitKind, min_fidelity: float, timeout_s: float) -> int:
        """Ask for a service unit."""
        number = self._next()
        self._say(OpenUnit(
            request=number, kind=kind, min_fidelity=fidelity_to_wire(min_fidelity),
            timeout_ms=round(timeout_s * SECOND_NS) // MILLISECOND_NS, urn=tuple(urns),
        ))  # fmt: skip
        return number

    def measure(self, unit: UnitState, pairs: Sequence[Pair], bases: Sequence[Basis]) -> int:
        """Ask to measure pairs, each in its basis."""
        number = self._next()
        asked = tuple(PairBasis(pair=pair.number, basis=basis) for pair, basis in zip(pairs, bases, strict=True))
        self._asked[number] = tuple(bases)
        self._say(MeasurePairs(request=number, unit=unit.handle, pairs=asked))
        return number

    def release(self, unit: UnitState, pairs: Sequence[Pair]) -> None:
        """Give pairs up unmeasured. Not answered."""
        if pairs:
            self._say(ReleasePairs(unit=unit.handle, pairs=tuple(pair.number for pair in pairs)))

    def close(self, unit: UnitState) -> None:
        """Close a unit. Not answered."""
        if unit.failure is None and self.units.pop(unit.handle, None) is not None:
            self._say(CloseUnit(unit=unit.handle))

    # --- answers ---------------------------------------------------------------------------------------------------

    def accepted(self, number: int) -> bool | None:
        """Whether a claim was accepted; None: not answered yet. Raises `RequestRefused`."""
        return None if self._answer(number) is None else True

    def started(self, number: int) -> UnitState | None:
        """The unit that was opened; None: not answered yet. Raises `RequestRefused`."""
        answer = self._answer(number)
        return self.units[answer.unit] if isinstance(answer, UnitStarted) else None

    def measured(self, number: int) -> list[MeasuredPair] | None:
        """Outcomes; None: not answered yet. Raises `RequestRefused`."""
        answer = self._answer(number)
        if not isinstance(answer, PairsMeasured):
            return None
        bases = self._asked.pop(number)
        return [
            MeasuredPair(outcome.pair, basis, outcome.outcome)
            for outcome, basis in zip(answer.outcomes, bases, strict=False)
        ]

    def _answer(self, number: int) -> Message | None:
        answer = self.answers.pop(number, None)
        if isinstance(answer, Refused):
            raise RequestRefused(answer.text or f"refused: {answer.reason!r}", ErrorCode(answer.reason))
        return answer

    def _next(self) -> int:
        self._requests += 1
        return self._requests

    # --- what the daemon says ----------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        match message:
            case UnitStarted():
                self._start(message)
            case Accepted() | Refused() | PairsMeasured():
                self.answers[message.request] = message
            case Delivered() if message.unit in self.units:
                self.units.pop(message.unit).delivered = _key(message)
            case PairDelivered() if message.unit in self.units:
                self.units[message.unit].pairs.append(_pair(message))
            case Failed() if message.unit in self.units:
                self.units.pop(message.unit).failure = _failure(message)

    def _start(self, message: UnitStarted) -> None:
        unit = UnitState(message.unit, UnitKind(message.kind), message.remote, message.urn)
        self.units[message.unit] = unit
        if message.request:
            self.answers[message.request] = message
        else:
            self.incoming.append(unit)


def _key(message: Delivered) -> Key:
    mean = fidelity_from_wire(message.quality_fidelity)
    quality = Quality(message.quality_pairs, mean, message.tests, message.errors)
    return Key(message.key, bool(message.confirmed), bool(message.secret), quality)


def _pair(message: PairDelivered) -> Pair:
    return Pair(message.pair, BellIndex(message.bell_index), fidelity_from_wire(message.fidelity), message.as_of,
                message.qubit)  # fmt: skip


def _failure(message: Failed) -> UnitFailed:
    reason = message.reason if isinstance(message.reason, ErrorCode) else ErrorCode.UNSPECIFIED
    where = f" (refused by {format_qna(message.refused_by)})" if message.refused_by else ""
    text = message.text or reason.name.lower().replace("_", " ")
    return UnitFailed(f"unit failed: {text}{where}", reason, message.refused_by)

"""An application's side of the control socket, sans-IO: octets in and out, and what the node has told.

Laws:

* A request has a number of its own and is answered once; its answer is kept until it is taken.
* A unit is known from its UnitStarted on. What is told of it is kept in the order told, also when nobody looks yet.
* When the stream ends, or the daemon says what cannot be, every further look raises `ConnectionLost`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import ErrorCode, WireError
from qstack.base.ids import Qna, QubitId
from qstack.base.units import fidelity_from_wire, fidelity_to_wire
from qstack.io.framing import Frame, Framing, encode_frame
from qstack.sockets.epr_core import EPR_TOLD, EprCore
from qstack.sockets.errors import ConnectionLost, UnitFailed
from qstack.sockets.values import Key, PairTold, Quality
from qstack.wire.control import (
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    Delivered,
    EprSocketOpened,
    Failed,
    MeasurePairs,
    OpenUnit,
    PairBasis,
    PairDelivered,
    PairsMeasured,
    QubitsActed,
    QubitsMeasured,
    Refused,
    ReleasePairs,
    SocketDataFailed,
    SocketDataSent,
    UnitStarted,
)  # fmt: skip
from qstack.wire.protocols import Protocol
from qstack.wire.unit import UnitKind
from qstack.wire.urn import parse_lifecycle, parse_unit
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["MAXIMUM_MEASURED", "Answer", "ClientCore", "UnitView"]

MAXIMUM_MEASURED = 1_024  # pairs in one MeasurePairs
_MAXIMUM_RELEASED = 2_048
_MAXIMUM_TIMEOUT_MS = (1 << 32) - 1

Answer = (
    Accepted | Refused | UnitStarted | PairsMeasured | EprSocketOpened | QubitsActed | QubitsMeasured | SocketDataSent |
    SocketDataFailed
)  # fmt: skip


@dataclass(slots=True, eq=False)
class UnitView:
    """A unit as this application knows it. `opener`: it was asked for here, not by the other end."""

    handle: int
    kind: UnitKind | int
    remote: Qna
    urns: tuple[str, ...]
    opener: bool
    size: int
    key: Key | None = field(default=None, repr=False)
    pairs: deque[PairTold] = field(default_factory=deque)
    failed: UnitFailed | None = None
    closed: bool = False  # by this application


class ClientCore:
    """One connection's state."""

    def __init__(self) -> None:
        self.node: Qna | None = None  # known after the first claim
        self.units: dict[int, UnitView] = {}
        self.claims: set[str] = set()
        self._framing = Framing()
        self._out = bytearray()
        self._requests = 0
        self._answers: dict[int, Answer] = {}
        self._forgotten: set[int] = set()
        self._incoming: list[UnitView] = []
        self._lost = ""
        self.epr = EprCore(self._send, self._next)

    # --- requests ------------------------------------------------------------------------------------------------

    def claim(self, urn: str) -> int:
        """Ask to serve an endpoint. Gives the request's number."""
        return self._ask(ClaimEndpoint(request=self._next(), urn=urn))

    def open_unit(self, urns: Sequence[str], kind: UnitKind, min_fidelity: float, timeout_s: float) -> int:
        """Ask for a unit. Gives the request's number."""
        timeout_ms = min(max(1, round(timeout_s * 1000)), _MAXIMUM_TIMEOUT_MS)
        return self._ask(OpenUnit(
            request=self._next(), kind=kind, min_fidelity=fidelity_to_wire(min_fidelity),
            timeout_ms=timeout_ms, urn=tuple(urns),
        ))  # fmt: skip

    def measure(self, unit: UnitView, pairs: Sequence[tuple[int, Basis]]) -> int:
        """Ask to measure pairs by number, at most `MAXIMUM_MEASURED`. Gives the request's number."""
        items = tuple(PairBasis(pair=number, basis=basis) for number, basis in pairs)
        return self._ask(MeasurePairs(request=self._next(), unit=unit.handle, pairs=items))

    def release(self, unit: UnitView, pairs: Sequence[int]) -> None:
        """Give up pairs by number, unmeasured."""
        for start in range(0, len(pairs), _MAXIMUM_RELEASED):
            self._send(ReleasePairs(unit=unit.handle, pairs=tuple(pairs[start : start + _MAXIMUM_RELEASED])))

    def close(self, unit: UnitView) -> None:
        """Give the unit up, or say that it is consumed. Closing twice, or what is over, does nothing."""
        if not unit.closed and unit.failed is None and unit.key is None and not self._lost:
            self._send(CloseUnit(unit=unit.handle))
        unit.closed = True
        self.units.pop(unit.handle, None)

    @property
    def has_octets(self) -> bool:
        """Whether there is something to be sent."""
        return bool(self._out)

    def take_octets(self) -> bytes:
        """What is to be sent."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    # --- what the node tells ---------------------------------------------------------------------------------------

    def receive(self, octets: bytes) -> None:
        """Octets of the daemon; none at the stream's end."""
        if not octets:
            self._lost = self._lost or "the daemon has closed the connection"
            return
        self._framing.feed(octets)
        try:
            while (found := self._framing.next()) is not None:
                if not isinstance(found, Frame):
                    raise WireError(0, "frame", "is a line")
                self._take(decode_message_untrusted(Protocol.CONTROL, found.payload))
        except WireError as error:
            self._lost = f"the daemon speaks another language: {error}"

    def check(self) -> None:
        """Raise `ConnectionLost` when the connection is over."""
        if self._lost:
            raise ConnectionLost(self._lost)

    def answer(self, request: int) -> Answer | None:
        """The answer to a request, once; None while there is none."""
        return self._answers.pop(request, None)

    def forget(self, request: int) -> None:
        """Nobody waits for the answer any more; a unit that it would have brought is closed."""
        self._forgotten.add(request)

    def next_incoming(self, urn: str | None) -> UnitView | None:
        """The next unit that somebody opened towards `urn`, an endpoint as it was claimed; None: towards any."""
        for unit in self._incoming:
            if urn is None or urn in _served_names(unit.urns):
                self._incoming.remove(unit)
                return unit
        return None

    def started(self, message: UnitStarted) -> UnitView:
        """The view of a unit whose start was told."""
        return self.units[message.unit]

    # --- inside ----------------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._requests = self._requests % 0xFFFF_FFFF + 1
        return self._requests

    def _ask(self, message: ClaimEndpoint | OpenUnit | MeasurePairs) -> int:
        self._send(message)
        return message.request

    def _send(self, message: Message) -> None:
        self._out += encode_frame(message.encode())

    def _take(self, message: Message) -> None:
        match message:
            case UnitStarted():
                self._start(message)
            case Refused() if self.epr.refused(message):
                pass  # it was a request for pairs, which knows now that it is over
            case (Accepted() | Refused() | PairsMeasured() | QubitsActed() | QubitsMeasured() | SocketDataSent() |
                  SocketDataFailed()):  # fmt: skip
                if isinstance(message, Accepted):
                    self.node = message.node
                self._keep(message.request, message)
            case EprSocketOpened():
                self.node = message.node
                self.epr.answered(message, wanted=self._keep(message.request, message))
            case _ if isinstance(message, EPR_TOLD):
                self.epr.take(message)
            case Delivered() | PairDelivered() | Failed():
                unit = self.units.get(message.unit)
                if unit is not None:  # else it was closed here while this was on its way
                    _tell(unit, message)
            case _:
                raise WireError(0, "code", f"{message.NAME} is not for applications")

    def _start(self, message: UnitStarted) -> None:
        unit = UnitView(message.unit, message.kind, message.remote, message.urn, bool(message.request),
                        _size_of(message.urn))  # fmt: skip
        self.units[unit.handle] = unit
        if not message.request:
            self._incoming.append(unit)
        elif not self._keep(message.request, message):
            self.close(unit)

    def _keep(self, request: int, answer: Answer) -> bool:
        """Keep an answer unless nobody wants it; 0 answers what is never waited for (closing, releasing)."""
        wanted = request not in self._forgotten
        self._forgotten.discard(request)
        if wanted and request:
            self._answers[request] = answer
        return wanted


def _tell(unit: UnitView, message: Delivered | PairDelivered | Failed) -> None:
    match message:
        case Delivered():
            quality = Quality(message.quality_pairs, fidelity_from_wire(message.quality_fidelity), message.tests,
                              message.errors)  # fmt: skip
            unit.key = Key(message.key, bool(message.confirmed), bool(message.secret), quality)
        case PairDelivered():
            unit.pairs.append(PairTold(
                message.pair, QubitId(message.qubit), BellIndex(message.bell_index & 3),
                fidelity_from_wire(message.fidelity), message.as_of,
            ))  # fmt: skip
        case Failed():
            unit.failed = UnitFailed(error_code(message.reason), message.text, message.refused_by or None)


def error_code(number: int) -> ErrorCode:
    """A reason as told; what is unknown is unspecified."""
    return ErrorCode(number) if number in set(ErrorCode) else ErrorCode.UNSPECIFIED


def _size_of(urns: Sequence[str]) -> int:
    """Bits of the key, or number of pairs; 1 where the lifecycle does not say."""
    for text in urns:
        try:
            return parse_lifecycle(text).size or 1
        except WireError:
            continue
    return 1


def _served_names(urns: Sequence[str]) -> set[str]:
    """The names under which the unit's endpoints can have been claimed."""
    endpoints = parse_unit(urns).endpoints
    return {name for urn in endpoints for name in (urn.canonical, urn.canonical_with_q)}

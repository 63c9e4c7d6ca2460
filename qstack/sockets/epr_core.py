"""An application's EPR sockets, sans-IO: what was asked and what the node has told.

Laws:

* What is told of a socket, a request or a qubit is kept in the order told until it is taken, also when nobody looks.
* A qubit is held from the message that brings it until it is measured, freed or revoked; the first of these counts.
* A request that nobody waits for any more is cancelled, and what it brought is freed.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import PairKind
from qstack.base.units import fidelity_from_wire
from qstack.sockets.epr_values import CreateTerms, EprMeasured, QubitTold
from qstack.sockets.errors import EprRequestFailed
from qstack.wire.control import (
    ActOnQubits,
    CancelEpr,
    CloseEprSocket,
    CreateEpr,
    EprConnected,
    EprDisconnected,
    EprDone,
    EprFailed,
    EprIncomplete,
    EprOutcomes,
    EprPairs,
    EprQueued,
    EprSocketOpened,
    FreeQubits,
    MeasureQubits,
    OpenDataSocket,
    OpenEprSocket,
    QubitBasis,
    QubitGate,
    QubitsActed,
    QubitsMeasured,
    QubitsRevoked,
    Refused,
    SendSocketData,
    SocketDataArrived,
    SocketDataFailed,
    SocketDataSent,
    TakeSocketData,
)
from qstack.wire.value import Message

__all__ = ["EPR_ANSWERS", "EPR_TOLD", "EprCore", "GateAsked", "QubitState", "QubitView", "RequestView", "SocketView"]

_MAXIMUM_FREED = 2_048

EPR_ANSWERS = (EprSocketOpened, QubitsActed, QubitsMeasured, SocketDataFailed, SocketDataSent)
"""Messages that answer a request, by its number."""
EPR_TOLD = (EprConnected, EprDisconnected, EprDone, EprFailed, EprIncomplete, EprOutcomes, EprPairs, EprQueued,
            QubitsRevoked, SocketDataArrived)  # fmt: skip
"""Messages that nobody asked for at that moment."""


@unique
class QubitState(Enum):
    """What this application knows of a qubit."""

    HELD = "held"
    MEASURED = "measured"
    FREED = "freed"
    REVOKED = "revoked"


@dataclass(slots=True, eq=False)
class QubitView:
    """A qubit as this application knows it. `reason`: why it was revoked."""

    told: QubitTold
    state: QubitState = QubitState.HELD
    reason: ErrorCode = ErrorCode.UNSPECIFIED


Half = QubitView | EprMeasured


@dataclass(slots=True, eq=False)
class RequestView:
    """A request of this application. `halves`: told and not taken yet."""

    number: int
    socket: "SocketView"
    terms: CreateTerms
    halves: deque[Half] = field(default_factory=deque)
    told: int = 0
    queued: bool = False
    done: bool = False
    failed: EprRequestFailed | None = None


@dataclass(slots=True, eq=False)
class SocketView:
    """A socket.

    `connection`: the present one, 0 for none; `last`, `ended`: the newest one, and the newest that is over.
    `incoming`: halves that the other end asked for, by kind, not taken yet; `incomplete`: its requests that brought
    some of their pairs and will bring no more. Of a data socket: `messages` with their connections, not taken yet, and
    the newest connection of whose end the application has `heard`.
    """

    handle: int
    local: Qna
    remote: Qna
    purpose: PurposeId
    connection: int = 0
    last: int = 0
    ended: int = 0
    incoming: dict[PairKind, deque[Half]] = field(default_factory=lambda: {kind: deque() for kind in PairKind})
    incomplete: deque[ErrorCode] = field(default_factory=deque)
    messages: deque[tuple[int, bytes]] = field(default_factory=deque)
    heard: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class GateAsked:
    """A gate on a qubit, or on two."""

    gate: Gate
    qubit: QubitView
    second: QubitView | None = None
    angle: int = 0


class EprCore:
    """All EPR sockets of one connection. `send` puts a message on its way, `number` gives the next request number."""

    def __init__(self, send: Callable[[Message], None], number: Callable[[], int]) -> None:
        self._send = send
        self._number = number
        self._asked: dict[int, tuple[Qna, PurposeId]] = {}
        self._sockets: dict[int, SocketView] = {}
        self._requests: dict[int, RequestView] = {}
        self._qubits: dict[int, QubitView] = {}

    # --- requests ------------------------------------------------------------------------------------------------

    def open(self, remote: Qna, purpose: PurposeId, *, data: bool = False) -> int:
        """Ask for a socket, for pairs or for data. Gives the request's number."""
        number = self._number()
        self._asked[number] = (remote, purpose)
        asked = OpenDataSocket if data else OpenEprSocket
        self._send(asked(request=number, remote=remote, purpose=purpose))
        return number

    def send_data(self, socket: SocketView, data: bytes) -> int:
        """A message for the application at the other end. Gives the request's number."""
        number = self._number()
        asked = SendSocketData(request=number, socket=socket.handle, connection=socket.connection, data=data)
        self._send(asked)
        return number

    def take_data(self, socket: SocketView) -> bytes:
        """The oldest message that has come."""
        connection, data = socket.messages.popleft()
        self._send(TakeSocketData(socket=socket.handle, connection=connection))
        return data

    def socket(self, opened: EprSocketOpened) -> SocketView:
        """The socket that an answer has opened."""
        return self._sockets[opened.socket]

    def close(self, socket: SocketView) -> None:
        """Give a socket back. Twice does no harm."""
        if not socket.closed:
            self._send(CloseEprSocket(socket=socket.handle))
        socket.closed = True
        self._sockets.pop(socket.handle, None)
        for request in [each for each in self._requests.values() if each.socket is socket]:
            del self._requests[request.number]

    def create(self, socket: SocketView, wanted: CreateTerms) -> RequestView:
        """Ask for pairs."""
        request = RequestView(self._number(), socket, wanted)
        self._requests[request.number] = request
        self._send(CreateEpr(
            request=request.number, socket=socket.handle, connection=socket.connection, kind=wanted.kind,
            number=wanted.number, min_fidelity=wanted.min_fidelity, max_time_ms=wanted.max_time_ms,
            priority=wanted.priority, atomic=wanted.atomic, consecutive=wanted.consecutive,
            sequential=wanted.sequential, local=wanted.local, remote=wanted.remote,
        ))  # fmt: skip
        return request

    def abandon(self, request: RequestView) -> None:
        """Nobody waits for it any more."""
        if not request.done and request.failed is None and not request.socket.closed:
            self._send(CancelEpr(socket=request.socket.handle, create=request.number))
        self.free([half for half in request.halves if isinstance(half, QubitView)])
        self._requests.pop(request.number, None)

    def act(self, gates: Sequence[GateAsked]) -> int:
        """Ask for gates. Gives the request's number."""
        number = self._number()
        self._send(ActOnQubits(request=number, gates=tuple(
            QubitGate(qubit=each.qubit.told.number, second=0 if each.second is None else each.second.told.number,
                      gate=each.gate, angle=each.angle)
            for each in gates
        )))  # fmt: skip
        return number

    def measure(self, qubits: Sequence[tuple[QubitView, Basis]]) -> int:
        """Ask for measurements. Gives the request's number."""
        number = self._number()
        items = tuple(QubitBasis(qubit=qubit.told.number, basis=basis) for qubit, basis in qubits)
        for qubit, _ in qubits:
            qubit.state = QubitState.MEASURED
        self._send(MeasureQubits(request=number, qubits=items))
        return number

    def measured(self, qubits: Sequence[QubitView]) -> None:
        """The node has answered, or nobody waits for that any more."""
        for qubit in qubits:
            if self._qubits.get(qubit.told.number) is qubit and qubit.state is not QubitState.HELD:
                del self._qubits[qubit.told.number]

    def not_measured(self, qubits: Sequence[QubitView]) -> None:
        """The node refused to measure them: they are as they were, but for those that were revoked meanwhile."""
        for qubit in qubits:
            if qubit.state is QubitState.MEASURED:
                qubit.state = QubitState.HELD

    def free(self, qubits: Sequence[QubitView]) -> None:
        """Give up those that are still held."""
        held = [qubit for qubit in qubits if qubit.state is QubitState.HELD]
        for qubit in held:
            self._leave(qubit, QubitState.FREED)
        numbers = [qubit.told.number for qubit in held]
        for start in range(0, len(numbers), _MAXIMUM_FREED):
            self._send(FreeQubits(qubits=tuple(numbers[start : start + _MAXIMUM_FREED])))

    # --- what the node tells ---------------------------------------------------------------------------------------

    def answered(self, message: EprSocketOpened, *, wanted: bool) -> None:
        """A socket is open; one that nobody waits for is closed again."""
        remote, purpose = self._asked.pop(message.request)
        socket = SocketView(message.socket, message.node, remote, purpose)
        self._sockets[socket.handle] = socket
        if not wanted:
            self.close(socket)

    def refused(self, message: Refused) -> bool:
        """Whether a refusal was of a request for pairs, which is over."""
        self._asked.pop(message.request, None)
        request = self._requests.pop(message.request, None)
        if request is not None:
            request.failed = EprRequestFailed(_code(message.reason), message.text)
        return request is not None

    def take(self, message: Message) -> None:
        """Anything of `EPR_TOLD`. What is told of a socket that was closed here is too late, and let be."""
        match message:
            case EprConnected() if (socket := self._sockets.get(message.socket)) is not None:
                socket.connection = socket.last = message.connection
            case EprDisconnected() if (socket := self._sockets.get(message.socket)) is not None:
                socket.connection, socket.ended = 0, message.connection
            case SocketDataArrived() if (socket := self._sockets.get(message.socket)) is not None:
                socket.messages.append((message.connection, message.data))
            case EprPairs() | EprOutcomes():
                self._take_halves(message)
            case EprIncomplete() if (socket := self._sockets.get(message.socket)) is not None:
                socket.incomplete.append(_code(message.reason))
            case EprQueued() if (request := self._requests.get(message.request)) is not None:
                request.queued = True
            case EprDone() if (request := self._requests.pop(message.request, None)) is not None:
                request.done = True
            case EprFailed() if (request := self._requests.pop(message.request, None)) is not None:
                request.failed = EprRequestFailed(_code(message.reason), message.text)
            case QubitsRevoked():
                self._revoke(message)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _take_halves(self, message: EprPairs | EprOutcomes) -> None:
        socket = self._sockets.get(message.socket)
        if socket is None:
            return  # closed: the node has freed them
        request = self._requests.get(message.request)
        if message.request and request is None:  # cancelled while this was on its way
            self.free([half for half in self._halves(message, socket) if isinstance(half, QubitView)])
            return
        halves = list(self._halves(message, socket))
        if request is not None:
            request.told += len(halves)
            request.halves.extend(halves)
        elif message.kind in socket.incoming:
            socket.incoming[PairKind(message.kind)].extend(halves)

    def _halves(self, message: Any, socket: SocketView) -> list[Half]:
        if isinstance(message, EprOutcomes):
            return [
                EprMeasured(each.outcome & 1, _basis(each.basis), BellIndex(each.bell_index & 3),
                            fidelity_from_wire(each.goodness), each.create_id, each.sequence)
                for each in message.outcomes
            ]  # fmt: skip
        halves: list[Half] = []
        for each in message.pairs:
            told = QubitTold(each.qubit, socket.remote, socket.purpose, message.connection, each.create_id,
                             each.sequence, BellIndex(each.bell_index & 3), fidelity_from_wire(each.goodness),
                             each.created)  # fmt: skip
            view = QubitView(told)
            self._qubits[each.qubit] = view
            halves.append(view)
        return halves

    def _revoke(self, message: QubitsRevoked) -> None:
        for number in message.qubits:
            qubit = self._qubits.get(number)
            if qubit is not None:
                qubit.reason = _code(message.reason)
                self._leave(qubit, QubitState.REVOKED)

    def _leave(self, qubit: QubitView, state: QubitState) -> None:
        qubit.state = state
        self._qubits.pop(qubit.told.number, None)


def _basis(number: int) -> Basis:
    return Basis(number) if number in tuple(Basis) else Basis.Z


def _code(number: int) -> ErrorCode:
    return ErrorCode(number) if number in tuple(ErrorCode) else ErrorCode.UNSPECIFIED

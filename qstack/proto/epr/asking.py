"""What applications ask: sockets, pairs, acts on qubits. Refusals change nothing."""

from qstack.base.bell import Basis, Gate, has_angle, is_two_qubit
from qstack.base.errors import ErrorCode, LocalMisuse, QstackError
from qstack.base.pairs import BasisChoice, PairKind
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS
from qstack.proto.epr.acting import Acting, Step
from qstack.proto.epr.admission import Admission
from qstack.proto.epr.data import DataDesk, DataFlow
from qstack.proto.epr.ledger import Ledger
from qstack.proto.epr.qubits import HeldQubit, Qubits
from qstack.proto.epr.request import EprRequest, Failure, reading_of
from qstack.proto.epr.socket import EprSocket, Surroundings
from qstack.proto.epr.states import RequestEvent, SocketEvent
from qstack.proto.epr.telling import Telling
from qstack.wire.control import (
    ActOnQubits,
    CancelEpr,
    CloseEprSocket,
    CreateEpr,
    EprSocketOpened,
    FreeQubits,
    MeasureQubits,
    OpenDataSocket,
    OpenEprSocket,
    QubitGate,
    Refused,
    SendSocketData,
    TakeSocketData,
)
from qstack.wire.value import Message

__all__ = ["REQUESTS", "Asking"]

REQUESTS = (OpenEprSocket, CloseEprSocket, CreateEpr, CancelEpr, ActOnQubits, MeasureQubits, FreeQubits, OpenDataSocket,
            SendSocketData, TakeSocketData)  # fmt: skip
"""The messages of applications that this protocol serves."""

_TEXT_LIMIT = 500  # of Refused
_CLIFFORDS = 24


class Asking:
    """The applications' side of a node's EPR sockets."""

    def __init__(
        self, ledger: Ledger, admission: Admission, qubits: Qubits, acting: Acting, telling: Telling,
        data: DataDesk, around: Surroundings,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._admission = admission
        self._qubits = qubits
        self._acting = acting
        self._telling = telling
        self._data = data
        self._around = around

    def serve(self, message: Message, client: int, user: int) -> None:
        """Do what an application asks, or tell it why not."""
        try:
            self._serve(message, client, user)
        except QstackError as error:
            reason = getattr(error, "reason", None)
            code = reason if isinstance(reason, ErrorCode) else ErrorCode.MALFORMED
            text = "".join(c if " " <= c <= "~" else "?" for c in str(error))[:_TEXT_LIMIT]
            self._telling.tell(client, Refused(request=getattr(message, "request", 0), reason=code, text=text))

    def _serve(self, message: Message, client: int, user: int) -> None:
        match message:
            case SendSocketData():
                self._data.send(self._socket_of(client, message.socket), message)
            case TakeSocketData():
                self._data.take(self._socket_of(client, message.socket), message)
            case OpenEprSocket() | OpenDataSocket():
                self._open(message, client, user)
            case CloseEprSocket():
                self._ledger.fire(self._socket_of(client, message.socket), SocketEvent.CLOSED, ErrorCode.CANCELLED)
            case CreateEpr():
                self._create(message, self._socket_of(client, message.socket))
            case CancelEpr():
                request = self._socket_of(client, message.socket).requests.get(message.create)
                if request is not None:
                    failure = Failure(ErrorCode.CANCELLED, "cancelled by the application")
                    self._ledger.fire_request(request, RequestEvent.CANCELLED, failure)
            case ActOnQubits():
                steps = [Step(item, self._of_gate(client, item)) for item in message.gates]
                self._acting.ask(client, message.request, steps, measures=False)
            case MeasureQubits():
                self._measure(message, client)
            case FreeQubits():
                for held in [self._qubits.of_client(client, number) for number in dict.fromkeys(message.qubits)]:
                    if held is not None:
                        self._acting.empty(held)

    def _open(self, message: OpenEprSocket | OpenDataSocket, client: int, user: int) -> None:
        self._admission.check_opening(message, user)
        socket = EprSocket(client, user, message.remote, message.purpose, self._ledger.next_life(), self._around,
                           self._ledger.fired, DataFlow() if isinstance(message, OpenDataSocket) else None)  # fmt: skip
        self._ledger.enter(socket)
        self._telling.tell(client, EprSocketOpened(request=message.request, socket=socket.life, node=self._ledger.own))
        self._ledger.fire(socket, SocketEvent.FOUND)

    def _create(self, message: CreateEpr, socket: EprSocket) -> None:
        self._admission.check_creating(message, len(socket.requests))
        if socket.data is not None:
            raise LocalMisuse("this socket is for data: open an EPR socket to ask for pairs")
        if message.kind not in tuple(PairKind):
            raise LocalMisuse(f"kind {message.kind}: there are 0 (keep), 1 (measure) and 2 (prepare)")
        for half in (message.local, message.remote):
            if half.choice not in tuple(BasisChoice):
                raise LocalMisuse(f"choice {half.choice} of bases: there are 0 (none), 1 (XZ), 2 (XYZ) and 3 (CHSH)")
            if not reading_of(half).is_possible:
                chances = f"chances {half.first}/256 and {half.second}/256"
                raise LocalMisuse(f"{chances}: name one a basis but for the last of the choice, at most 1 in all")
        if not message.request or message.request in socket.requests:
            raise LocalMisuse(f"request {message.request}: take one above 0 that no live request of the socket has")
        ledger = self._ledger
        lifetime = ledger.parameters.lifetime_ns
        lifetime = min(lifetime, message.max_time_ms * MILLISECOND_NS) if message.max_time_ms else lifetime
        deadline = Instant(ledger.now_ns + lifetime)
        request = EprRequest(message, socket, deadline, ledger.now_ns, ledger.name)
        ledger.enter_request(request)
        if message.connection and not socket.is_connected:
            failure = Failure(ErrorCode.CANCELLED, f"connection {message.connection} is over")
            ledger.fire_request(request, RequestEvent.CANCELLED, failure)

    def _measure(self, message: MeasureQubits, client: int) -> None:
        numbers = [item.qubit for item in message.qubits]
        if len(set(numbers)) < len(numbers):
            raise LocalMisuse("a qubit is named twice: it is gone once it is measured")
        unknown = [item.basis for item in message.qubits if item.basis not in tuple(Basis)]
        if unknown:
            raise LocalMisuse(f"basis {unknown[0]}: there are {', '.join(f'{b.value} ({b.name})' for b in Basis)}")
        steps = [Step(item, (self._held(client, item.qubit),)) for item in message.qubits]
        self._acting.ask(client, message.request, steps, measures=True)

    def _of_gate(self, client: int, item: QubitGate) -> tuple[HeldQubit, ...]:
        if item.gate not in tuple(Gate):
            raise LocalMisuse(f"gate {item.gate}: there is none of this number")
        if item.angle and not has_angle(item.gate) and item.gate != Gate.CLIFFORD:
            raise LocalMisuse(f"gate {Gate(item.gate).name} has no angle")
        if item.gate == Gate.CLIFFORD and item.angle >= _CLIFFORDS:
            raise LocalMisuse(f"Clifford element {item.angle}: there are 0 to {_CLIFFORDS - 1}")
        first = self._held(client, item.qubit)
        if not is_two_qubit(item.gate):
            return (first,)
        second = self._held(client, item.second)
        if first is second:
            raise LocalMisuse(f"gate {Gate(item.gate).name} on one qubit: it takes two")
        return (first, second)

    def _held(self, client: int, number: int) -> HeldQubit:
        held = self._qubits.of_client(client, number)
        if held is None:
            raise LocalMisuse(f"qubit {number}: not held by this application; it may be measured, freed or revoked",
                              ErrorCode.EXPIRED)  # fmt: skip
        return held

    def _socket_of(self, client: int, handle: int) -> EprSocket:
        socket = self._ledger.get(handle)
        if socket is None or socket.client != client:
            raise LocalMisuse(f"socket {handle:x}: no socket of this application")
        return socket

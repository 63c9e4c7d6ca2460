"""Data sockets: messages of applications to a neighbour's, which the link carries in qubits or plainly (DATA-7).

A data socket holds its purpose as an EPR socket does, with lives, connections and ends. Before each message stand the
lives of both sockets, so that what was sent by or for a former socket reaches no later one.

Laws
----
1. A message is answered once: sent, failed, or refused.
2. What waits is bounded: `AHEAD` messages that the application at the other end has not taken, `WAITING` that wait for
   it here. Whoever sends more is refused; whoever waits for each answer is held up instead.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qstack.base.effects import Count, SendMessage
from qstack.base.errors import ErrorCode, LocalMisuse, ResourceLimit, WireError
from qstack.base.services import DataArrived, DataFailed, DataSent, SendData
from qstack.wire.control import (
    MAXIMUM_SOCKET_DATA,
    SendSocketData,
    SocketDataArrived,
    SocketDataFailed,
    SocketDataSent,
    TakeSocketData,
)
from qstack.wire.epr import DataLives, DataTaken

if TYPE_CHECKING:
    from qstack.proto.epr.ledger import Ledger
    from qstack.proto.epr.socket import EprSocket
    from qstack.proto.epr.telling import Telling

__all__ = ["AHEAD", "WAITING", "DataDesk", "DataFlow"]

AHEAD = 16  # DATA-6: messages that the application at the other end has not taken
WAITING = 64  # DATA-6: messages of a socket that are not answered
_BELIEVED = 4 * AHEAD  # a message that failed may have come all the same, and its sender counts it no more
_HEAD_OCTETS = 8


@dataclass(slots=True)
class DataFlow:
    """Both directions of a socket's present connection. `under_way`: requests by the link's number; `granted`: messages
    that the application at the other end has taken, `taken`: that this one has."""

    waiting: deque[SendSocketData] = field(default_factory=deque)
    under_way: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    granted: int = 0
    arrived: int = 0
    taken: int = 0


class DataDesk:
    """All data sockets of a node."""

    def __init__(self, ledger: "Ledger", telling: "Telling") -> None:
        self._ledger = ledger
        self._telling = telling
        self._numbers = 0

    # --- the application's side ------------------------------------------------------------------------------------

    def send(self, socket: "EprSocket", asked: SendSocketData) -> None:
        """Take a message. Raises `LocalMisuse`, `ResourceLimit`."""
        flow = _flow(socket)
        if not socket.is_connected or asked.connection != socket.connection:
            self._fail(socket, asked.request, ErrorCode.CANCELLED, f"connection {asked.connection} is over")
            return
        if len(flow.waiting) + len(flow.under_way) >= WAITING:
            raise ResourceLimit(f"{WAITING} messages of this socket are not sent yet, which is the limit")
        flow.waiting.append(asked)
        self._pump(socket, flow)

    def take(self, socket: "EprSocket", message: TakeSocketData) -> None:
        """The application has taken messages. Raises `LocalMisuse` when it had not as many."""
        flow = _flow(socket)
        if message.connection != socket.connection or not socket.is_connected:
            return  # over meanwhile
        if not 0 < message.number <= flow.arrived - flow.taken:
            raise LocalMisuse(f"{message.number} messages taken, of {flow.arrived - flow.taken} that were there")
        flow.taken += message.number
        taken = DataTaken(purpose=socket.purpose, life=socket.life, known=socket.other, taken=flow.taken)
        self._ledger.effects.append(SendMessage(socket.remote, taken))

    def end(self, socket: "EprSocket", reason: ErrorCode) -> None:
        """The connection is over: what is not sent has failed."""
        flow, socket.data = socket.data, None if socket.data is None else DataFlow()
        if flow is None:
            return
        for request in [*flow.under_way.values(), *(asked.request for asked in flow.waiting)]:
            self._fail(socket, request, reason, "the connection is over; the other application may have the message")

    # --- the link's side -------------------------------------------------------------------------------------------

    def on_service(self, service: DataSent | DataFailed | DataArrived) -> None:
        """What the link tells. What belongs to no socket that is open is counted."""
        socket = self._ledger.holder(service.neighbour, service.purpose)
        flow = None if socket is None else socket.data
        known = False
        if socket is not None and flow is not None:
            if isinstance(service, DataArrived):
                known = self._arrived(socket, flow, service.octets)
            else:
                known = self._answered(socket, flow, service)
        if not known:
            self._ledger.effects.append(Count("epr.stray_data"))

    def taken(self, socket: "EprSocket | None", message: DataTaken) -> bool:
        """The application at the other end has taken messages; whether that was of a connection that lives."""
        flow = None if socket is None else socket.data
        if socket is None or flow is None or (message.life, message.known) != (socket.other, socket.life):
            return False
        flow.granted = max(flow.granted, min(flow.sent, message.taken))
        self._pump(socket, flow)
        return True

    def _answered(self, socket: "EprSocket", flow: DataFlow, service: DataSent | DataFailed) -> bool:
        request = flow.under_way.pop(service.number, None)
        if request is None:
            return False
        if isinstance(service, DataSent):
            self._ledger.effects.append(Count("epr.data_messages_sent"))
            self._telling.tell(socket.client, SocketDataSent(request=request, dense=service.dense, plain=service.plain))
        else:
            flow.sent -= 1
            flow.granted = min(flow.granted, flow.sent)
            self._fail(socket, request, service.reason, "")
            self._pump(socket, flow)
        return True

    def _arrived(self, socket: "EprSocket", flow: DataFlow, octets: bytes) -> bool:
        try:
            lives = DataLives.decode_untrusted(octets[:_HEAD_OCTETS])
        except WireError:
            return False
        data = octets[_HEAD_OCTETS:]
        meant = socket.is_connected and (lives.life, lives.known) == (socket.other, socket.life)
        if not meant or flow.arrived - flow.taken >= _BELIEVED or len(data) > MAXIMUM_SOCKET_DATA:
            return False
        flow.arrived += 1
        self._ledger.effects.append(Count("epr.data_messages_received"))
        told = SocketDataArrived(socket=socket.life, connection=socket.connection, data=data)
        self._telling.tell(socket.client, told)
        return True

    def _pump(self, socket: "EprSocket", flow: DataFlow) -> None:
        """Give the link what the other end has room for."""
        while flow.waiting and flow.sent - flow.granted < AHEAD:
            asked = flow.waiting.popleft()
            self._numbers += 1
            flow.under_way[self._numbers] = asked.request
            flow.sent += 1
            head = DataLives(life=socket.life, known=socket.other).encode()
            self._ledger.effects.append(
                SendData(socket.remote, socket.purpose, self._numbers, head + asked.data, len(head))
            )

    def _fail(self, socket: "EprSocket", request: int, reason: ErrorCode, text: str) -> None:
        self._ledger.effects.append(Count("epr.data_messages_failed"))
        self._telling.tell(socket.client, SocketDataFailed(request=request, reason=reason, text=text))


def _flow(socket: "EprSocket") -> DataFlow:
    if socket.data is None:
        raise LocalMisuse("this socket is for pairs: open a data socket to send octets")
    return socket.data

"""What an application can do with data sockets, written once for all forms of the API (see `verbs`)."""

from dataclasses import dataclass

from qstack.base.errors import LocalMisuse
from qstack.sockets.client import ClientCore, error_code
from qstack.sockets.epr_core import SocketView
from qstack.sockets.epr_verbs import check_open, connected
from qstack.sockets.errors import DataLost, RemoteClosed, RequestRefused
from qstack.sockets.verbs import Verb, answer
from qstack.wire.control import MAXIMUM_SOCKET_DATA, SocketDataFailed, SocketDataSent

__all__ = ["MAXIMUM_MESSAGE", "DataWays", "receive", "send"]

MAXIMUM_MESSAGE = MAXIMUM_SOCKET_DATA
"""Octets of one message."""


@dataclass(frozen=True, slots=True)
class DataWays:
    """How a message went: octets in qubits (superdense coding), and octets in encrypted messages."""

    qubits: int
    plain: int


def send(core: ClientCore, socket: SocketView, data: bytes) -> Verb[DataWays]:
    """Send a message, as soon as there is an application at the other end; returns when the node there has it.

    Raises `LocalMisuse` for more than `MAXIMUM_MESSAGE` octets, `DataLost`, `RequestRefused`.
    """
    if len(data) > MAXIMUM_MESSAGE:
        raise LocalMisuse(f"a message of {len(data)} octets: send at most {MAXIMUM_MESSAGE} at once")
    while not socket.connection:
        yield from connected(core, socket)
    done = yield from answer(core, core.epr.send_data(socket, bytes(data)), RequestRefused)
    if isinstance(done, SocketDataFailed):
        raise DataLost(error_code(done.reason), done.text)
    assert isinstance(done, SocketDataSent)
    return DataWays(done.dense, done.plain)


def receive(core: ClientCore, socket: SocketView) -> Verb[bytes]:
    """Wait for the next message. Raises `RemoteClosed` once for each connection, after its last message."""
    while True:
        present = socket.heard + 1
        if socket.messages and socket.messages[0][0] <= present:
            return core.epr.take_data(socket)
        check_open(core, socket)
        if socket.ended >= present:
            socket.heard = present
            raise RemoteClosed("the application at the other end has closed its socket")
        yield

"""Data sockets for programs without an event loop: the verbs of `qstack.sockets.data`, blocking.

    with qstack.sockets.blocking.open_node() as node:
        socket = node.open_data_socket("64512.2", purpose=9)
        print(socket.send(b"hello"))

Every call that waits takes `timeout` seconds (None: for ever) and raises `TimeoutError`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from qstack.sockets import data_verbs, epr_verbs
from qstack.sockets.data_verbs import DataWays
from qstack.sockets.epr_core import SocketView
from qstack.sockets.epr_facts import SocketFacts
from qstack.sockets.errors import RemoteClosed

if TYPE_CHECKING:
    from qstack.sockets.blocking import Node

__all__ = ["DataSocket"]


class DataSocket(SocketFacts):
    """A purpose towards a neighbour, held by this connection alone. Made by `Node.open_data_socket`."""

    def __init__(self, node: "Node", view: SocketView) -> None:
        super().__init__(view)
        self.node = node

    def wait_connected(self, timeout: float | None = None) -> int:
        """Until an application holds the purpose at the other end. Returns the number of the connection, from 1."""
        return self.node.do(epr_verbs.connected(self.node.core, self.view), timeout)

    def send(self, data: bytes, timeout: float | None = None) -> DataWays:
        """Send a message of up to 16,000 octets, as soon as somebody is there. Returns when the other node has it.

        Applications that do not take what they are sent hold up those that send. Raises `DataLost`, `RequestRefused`.
        """
        return self.node.do(data_verbs.send(self.node.core, self.view, data), timeout)

    def receive(self, timeout: float | None = None) -> bytes:
        """The next message. Raises `RemoteClosed` after the last one of a connection."""
        return self.node.do(data_verbs.receive(self.node.core, self.view), timeout)

    def messages(self, timeout: float | None = None) -> Iterator[bytes]:
        """One message after the other until the other end closes; `timeout` is for each."""
        try:
            while True:
                yield self.receive(timeout)
        except RemoteClosed:
            return

    def __iter__(self) -> Iterator[bytes]:
        return self.messages()

    def close(self) -> None:
        """Give the purpose back."""
        self.node.do(epr_verbs.close_socket(self.node.core, self.view), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

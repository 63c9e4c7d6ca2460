"""Data sockets for trio applications: messages to a neighbour on a link, in qubits where there are pairs in stock.

    async with qstack.sockets.open_node() as node:
        socket = await node.open_data_socket("64512.2", purpose=9)
        ways = await socket.send(b"hello")
        print(ways.qubits, ways.plain)

    async for message in socket:  # until the other end closes
        print(message)
"""

from typing import TYPE_CHECKING, Self

import trio

from qstack.sockets import data_verbs, epr_verbs
from qstack.sockets.data_verbs import DataWays
from qstack.sockets.epr_core import SocketView
from qstack.sockets.epr_facts import SocketFacts
from qstack.sockets.errors import RemoteClosed

if TYPE_CHECKING:
    from qstack.sockets.node import Node

__all__ = ["DataSocket"]


class DataSocket(SocketFacts):
    """A purpose towards a neighbour, held by this connection alone. Made by `Node.open_data_socket`."""

    def __init__(self, node: "Node", view: SocketView) -> None:
        super().__init__(view)
        self.node = node

    async def wait_connected(self) -> int:
        """Until an application holds the purpose at the other end. Returns the number of the connection, from 1."""
        return await self.node.do(epr_verbs.connected(self.node.core, self.view))

    async def send(self, data: bytes) -> DataWays:
        """Send a message of up to 16,000 octets, as soon as somebody is there. Returns when the other node has it.

        Applications that do not take what they are sent hold up those that send. Raises `DataLost`, `RequestRefused`.
        """
        return await self.node.do(data_verbs.send(self.node.core, self.view, data))

    async def receive(self) -> bytes:
        """The next message. Raises `RemoteClosed` after the last one of a connection."""
        return await self.node.do(data_verbs.receive(self.node.core, self.view))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.receive()
        except RemoteClosed:
            raise StopAsyncIteration from None

    async def close(self) -> None:
        """Give the purpose back."""
        await self.node.do(epr_verbs.close_socket(self.node.core, self.view))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.close()

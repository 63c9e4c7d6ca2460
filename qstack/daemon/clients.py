"""Applications connected to the daemon: their frames to the node, the node's messages to them.

A client that does not read is dropped when too much waits for it: the node never waits for an application.
"""

import trio

from qstack.base.errors import PeerViolation, WireError
from qstack.daemon.driver import Driver
from qstack.io.clock import now_ns
from qstack.io.frames import Connection
from qstack.wire.control import ClaimEndpoint, OpenDataSocket, OpenEprSocket
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["Clients"]

_WAITING_LIMIT = 65_536  # messages: a unit of kind PAIRS may bring thousands at once


class Clients:
    """All applications of one daemon."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._waiting: dict[int, trio.MemorySendChannel[bytes]] = {}
        self._scopes: dict[int, trio.CancelScope] = {}
        self._count = 0
        driver.tell_client = self.tell

    def tell(self, client: int, message: Message) -> None:
        """A message of the node. One for a client that has gone is dropped: its units are being closed."""
        channel = self._waiting.get(client)
        if channel is None:
            return
        try:
            channel.send_nowait(message.encode())
        except trio.WouldBlock:
            self._driver.node.counters.add("clients.too_slow")
            self._scopes[client].cancel()

    async def serve(self, connection: Connection) -> None:
        """Serve one application until it leaves."""
        self._count += 1
        client, user = self._count, connection.credentials.uid
        send, receive = trio.open_memory_channel[bytes](_WAITING_LIMIT)
        self._waiting[client] = send
        try:
            async with trio.open_nursery() as nursery:
                self._scopes[client] = nursery.cancel_scope
                nursery.start_soon(self._write, connection, receive)
                await self._read(connection, client, user)
                self._drop(client)  # at once: an application that restarts may claim what it held again already
                nursery.cancel_scope.cancel()
        finally:
            self._drop(client)

    def _drop(self, client: int) -> None:
        """Its claims and units go with it. Twice does no harm."""
        if self._waiting.pop(client, None) is None:
            return
        del self._scopes[client]
        self._driver.node.drop_client(client, now_ns())
        self._driver.settle()

    async def _read(self, connection: Connection, client: int, user: int) -> None:
        while True:
            try:
                frame = await connection.receive_frame()
                if frame is None:
                    return
                message = decode_message_untrusted(Protocol.CONTROL, frame)
            except (WireError, PeerViolation):
                self._driver.node.counters.add("clients.malformed")
                return
            if isinstance(message, ClaimEndpoint | OpenDataSocket | OpenEprSocket):
                await trio.lowlevel.checkpoint()  # the end of an earlier connection that has arrived is read first
            self._driver.node.request(message, client, user, now_ns())
            self._driver.settle()
            await trio.lowlevel.checkpoint()  # what one application has sent in one piece holds up nobody else

    async def _write(self, connection: Connection, receive: trio.MemoryReceiveChannel[bytes]) -> None:
        async for octets in receive:
            await connection.send_frame(octets)

"""Two nodes on a scripted link (tests.proto.epr.ends), each with a control socket: everything but link and device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from qstack.base.ids import Qna
from qstack.io.frames import Connection, serve_control
from qstack.wire.control import OpenDataSocket, OpenEprSocket
from qstack.wire.protocols import Protocol
from qstack.wire.value import decode_message_untrusted
from tests.proto.epr.ends import ALICE, BOB, Ends

__all__ = ["TwoNodes", "two_nodes"]


@dataclass
class TwoNodes:
    """`ends` is what happens; the sockets are `alice` and `bob` in the folder."""

    folder: Path
    ends: Ends
    connections: dict[tuple[Qna, int], Connection] = field(default_factory=dict)
    clients: int = 0

    @property
    def alice(self) -> Path:
        return self.folder / "alice"

    @property
    def bob(self) -> Path:
        return self.folder / "bob"

    async def serve(self, node: Qna, connection: Connection) -> None:
        self.clients += 1
        client = self.clients
        self.connections[node, client] = connection
        try:
            while (frame := await connection.receive_frame()) is not None:
                message = decode_message_untrusted(Protocol.CONTROL, frame)
                if isinstance(message, OpenDataSocket | OpenEprSocket):
                    await trio.sleep(0.01)  # a connection that has ended is noticed first
                self.ends.ask(node, client, message)
                await self.tell()
        finally:
            del self.connections[node, client]
            self.ends.die(node, client)
            with trio.CancelScope(shield=True):
                await self.tell()

    async def tell(self) -> None:
        """Send what the nodes have told their applications."""
        told, self.ends.told = self.ends.told, {}
        for key, messages in told.items():
            for message in messages:
                if key in self.connections:
                    await self.connections[key].send_frame(message.encode())


@asynccontextmanager
async def two_nodes(folder: Path, ends: Ends | None = None) -> AsyncIterator[TwoNodes]:
    nodes = TwoNodes(folder, ends or Ends())
    async with trio.open_nursery() as nursery:
        for node, path in ((ALICE, nodes.alice), (BOB, nodes.bob)):
            async def serve(connection: Connection, node: Qna = node) -> None:
                await nodes.serve(node, connection)

            await nursery.start(serve_control, path, 0o600, serve)
        yield nodes
        nursery.cancel_scope.cancel()

"""The trio form of the sockets."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from qstack.base.bell import Basis
from qstack.base.ids import Qna
from qstack.sockets.conversation import ConnectionLost, Conversation, UnitState
from qstack.sockets.values import Key, MeasuredPair, Pair, UnitKind, default_socket, read_basis, read_kind

__all__ = ["Node", "Unit", "open_node"]

T = TypeVar("T")

_CHUNK = 65_536


class Node:
    """A connection to the daemon of this node. Made by `open_node`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._conversation = Conversation()
        self._sending = trio.Lock()
        self._changed = trio.Event()
        self._lost: ConnectionLost | None = None

    async def claim(self, urn: str) -> None:
        """Serve an endpoint URN: units opened towards it come out of `incoming`. Raises `RequestRefused`."""
        number = self._conversation.claim(urn)
        await self._send()
        await self._wait(lambda: self._conversation.accepted(number))

    async def open_unit(
        self, urns: Sequence[str], kind: UnitKind | str = UnitKind.KEY, *, min_fidelity: float = 0.0,
        timeout: float = 30.0,
    ) -> "Unit":  # fmt: skip
        """Open a service unit of N endpoints and a lifecycle URN. `timeout`: seconds to establish it.

        Raises `RequestRefused` when the daemon refuses at once; what fails later raises from the unit.
        """
        number = self._conversation.open_unit(urns, read_kind(kind), min_fidelity, timeout)
        await self._send()
        return Unit(self, await self._wait(lambda: self._conversation.started(number)))

    async def incoming(self) -> AsyncIterator["Unit"]:
        """The units that others open towards the endpoints claimed here, as they begin. Never ends by itself."""
        while True:
            yield Unit(self, await self._wait(lambda: _first(self._conversation.incoming)))

    async def _send(self) -> None:
        async with self._sending:
            octets = self._conversation.take_octets()
            try:
                await self._stream.send_all(octets)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionLost("the daemon closed the connection") from error

    async def _wait(self, look: Callable[[], T | None]) -> T:
        """Until `look` finds something."""
        while True:
            found = look()
            if found is not None:
                return found
            if self._lost is not None:
                raise self._lost
            await self._changed.wait()

    async def _receive(self) -> None:
        try:
            while octets := await self._stream.receive_some(_CHUNK):
                self._conversation.feed(octets)
                self._wake()
            self._lost = ConnectionLost("the daemon closed the connection")
        except ConnectionLost as error:
            self._lost = error
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._lost = ConnectionLost("the connection to the daemon broke")
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Unit:
    """A service unit."""

    def __init__(self, node: Node, state: UnitState) -> None:
        self._node = node
        self._state = state

    @property
    def urns(self) -> tuple[str, ...]:
        """The endpoints, then the lifecycle."""
        return self._state.urns

    @property
    def remote(self) -> Qna:
        """The node of the other endpoint."""
        return self._state.remote

    @property
    def kind(self) -> UnitKind:
        """What is shared."""
        return self._state.kind

    async def key(self) -> Key:
        """The key, once it is delivered. Raises `UnitFailed`."""
        return await self._node._wait(self._state.take_key)

    async def pair(self) -> Pair:
        """The next pair. Raises `UnitFailed`."""
        return await self._node._wait(self._state.take_pair)

    async def pairs(self, number: int) -> list[Pair]:
        """The next `number` pairs. Raises `UnitFailed`."""
        return [await self.pair() for _ in range(number)]

    async def measure(self, pair: Pair, basis: Basis | str) -> MeasuredPair:
        """Measure this end's half of a pair in X, Y or Z. Raises `RequestRefused`."""
        return (await self.measure_all([pair], [basis]))[0]

    async def measure_all(self, pairs: Sequence[Pair], bases: Sequence[Basis | str]) -> list[MeasuredPair]:
        """Measure several pairs at once, each in its basis. Raises `RequestRefused`, and then measures none."""
        number = self._node._conversation.measure(self._state, pairs, [read_basis(basis) for basis in bases])
        await self._node._send()
        return await self._node._wait(lambda: self._node._conversation.measured(number))

    async def release(self, pairs: Sequence[Pair]) -> None:
        """Give pairs up unmeasured."""
        self._node._conversation.release(self._state, pairs)
        await self._node._send()

    async def close(self) -> None:
        """Close the unit and release what it holds, at both ends."""
        self._node._conversation.close(self._state)
        await self._node._send()


@asynccontextmanager
async def open_node(path: str | Path | None = None) -> AsyncIterator[Node]:
    """Connect to the daemon of this node. Raises `ConnectionLost` naming the socket and the remedy."""
    where = str(path or default_socket())
    try:
        stream = await trio.open_unix_socket(where)
    except OSError as error:
        raise ConnectionLost(f"{where}: {error.strerror or error}; is qstackd running, with this socket?") from error
    node = Node(stream)
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(node._receive)
        try:
            yield node
        finally:
            nursery.cancel_scope.cancel()


def _first(units: deque[UnitState]) -> UnitState | None:
    return units.popleft() if units else None

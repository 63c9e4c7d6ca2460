"""Service units for trio applications.

    async with qstack.sockets.open_node() as node:
        unit = await node.open_unit([here, there, "urn:qkd:lifecycle?=size=256"])
        key = await unit.key()

Any number of tasks may use a node and its units at once. There is no background task: whoever waits reads for all, so
errors come out where they belong and not inside a group. Time limits are trio's own (`trio.fail_after`).
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Never, Self, TypeVar

import trio

from qstack.base.bell import Basis
from qstack.base.ids import Qna
from qstack.config.place import default_socket
from qstack.io.framing import unreachable
from qstack.sockets import epr_verbs, verbs
from qstack.sockets.client import ClientCore, UnitView
from qstack.sockets.data import DataSocket
from qstack.sockets.epr import EprSocket
from qstack.sockets.epr_values import read_remote
from qstack.sockets.errors import ConnectionLost
from qstack.sockets.facts import UnitFacts
from qstack.sockets.values import Key, MeasuredPair, PairTold, UnitKind, read_basis, read_kind
from qstack.sockets.values import Pair as AnyPair

__all__ = ["Incoming", "Node", "NodeConnection", "Pair", "Pairs", "Unit", "open_node"]

_READ_OCTETS = 1 << 16
T = TypeVar("T")


def open_node(path: str | Path | None = None) -> "NodeConnection":
    """The daemon whose control socket is `path`, for `async with`. Raises `LocalMisuse` when nobody is there."""
    return NodeConnection(default_socket() if path is None else Path(path))


class NodeConnection:
    """Connects on entry, and on exit closes all units that were opened over it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._node: Node | None = None

    async def __aenter__(self) -> "Node":
        sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        try:
            await sock.connect(str(self._path))
        except OSError as error:
            sock.close()
            raise unreachable(self._path, error) from error
        self._node = Node(trio.SocketStream(sock))
        return self._node

    async def __aexit__(self, *_: object) -> None:
        assert self._node is not None
        await self._node.aclose()

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(f"{name}: not connected yet; write `async with open_node() as node:` and use node.{name}")


class Node:
    """A connected node. Made by `open_node`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.core = ClientCore()
        self._stream = stream
        self._sending = trio.Lock()
        self._reading = False
        self._changed = trio.Event()

    async def claim(self, urn: str) -> None:
        """Serve an endpoint: units opened towards it come to this application. Raises `EndpointRefused`."""
        await self.do(verbs.claim(self.core, urn))

    async def open_unit(
        self, urns: Sequence[str], kind: UnitKind | str = UnitKind.KEY, *, min_fidelity: float = 0.0,
        timeout: float = 30.0,
    ) -> "Unit":  # fmt: skip
        """Open a service unit: the endpoints and the lifecycle, in any order.

        `timeout`: seconds in which it is to be established. Returns when that has begun; `UnitRefused` says why not.
        """
        return Unit(self, await self.do(verbs.open_unit(self.core, urns, read_kind(kind), min_fidelity, timeout)))

    async def next_unit(self) -> "Unit":
        """The next unit that somebody opens towards an endpoint that was claimed here."""
        return Unit(self, await self.do(verbs.accept(self.core, None)))

    def listen(self, urn: str) -> "Incoming":
        """The units that others open towards an endpoint, for `async for`; claims it first when that was not done."""
        return Incoming(self, urn)

    async def open_epr_socket(self, remote: Qna | str, purpose: int) -> EprSocket:
        """Hold a purpose (1..65535) towards the node at the other end of a link. Raises `SocketRefused`."""
        verb = epr_verbs.open_socket(self.core, read_remote(remote), purpose)
        return EprSocket(self, await self.do(verb))

    async def open_data_socket(self, remote: Qna | str, purpose: int) -> DataSocket:
        """Hold a purpose (1..65535) towards the node at the other end of a link, for octets. Raises `SocketRefused`."""
        verb = epr_verbs.open_socket(self.core, read_remote(remote), purpose, data=True)
        return DataSocket(self, await self.do(verb))

    async def do(self, verb: verbs.Verb[T]) -> T:
        """Run a verb. Cancelled in mid-way, it is given up, and the daemon is told of that."""
        try:
            while True:
                try:
                    next(verb)
                except StopIteration as done:
                    await self._send()
                    result: T = done.value
                    return result
                if self.core.has_octets:
                    await self._send()  # while this waits, another task may receive what the verb is waiting for
                else:
                    await self._receive()
        finally:
            verb.close()
            if self.core.has_octets:
                with trio.CancelScope(shield=True), suppress(ConnectionLost):
                    await self._send()

    async def aclose(self) -> None:
        """End the connection; the daemon closes what was open."""
        await self._stream.aclose()

    async def _send(self) -> None:
        async with self._sending:
            with trio.CancelScope(shield=True):  # a frame that is cut in two would end the connection
                try:
                    await self._stream.send_all(self.core.take_octets())
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise ConnectionLost("the daemon has gone") from error

    async def _receive(self) -> None:
        """Return when something was received, by this task or by the one that reads already."""
        if self._reading:
            await self._changed.wait()
            return
        self._reading = True
        try:
            self.core.receive(await self._stream.receive_some(_READ_OCTETS))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.core.receive(b"")
        finally:
            self._reading = False
            self._changed.set()
            self._changed = trio.Event()


class Incoming:
    """Units that others open, one after the other."""

    def __init__(self, node: Node, urn: str) -> None:
        self._node = node
        self._urn = urn

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Unit":
        name = await self._node.do(verbs.claim(self._node.core, self._urn))
        return Unit(self._node, await self._node.do(verbs.accept(self._node.core, name)))


class Unit(UnitFacts):
    """A service unit."""

    def __init__(self, node: Node, view: UnitView) -> None:
        super().__init__(view)
        self._node = node

    async def key(self) -> Key:
        """The key, as soon as it is delivered. Raises `UnitFailed`."""
        return await self._node.do(verbs.key(self._node.core, self._view))

    async def pair(self) -> "Pair":
        """The next pair. Raises `UnitFailed`."""
        return Pair(self, await self._node.do(verbs.next_pair(self._node.core, self._view)))

    def pairs(self, number: int | None = None) -> "Pairs":
        """The next `number` pairs, for `async for`; None: as many as the unit's size. Raises `UnitFailed`."""
        return Pairs(self, self.size if number is None else number)

    async def measure(self, pair: AnyPair, basis: Basis | str) -> MeasuredPair:
        """Measure this end's half of a pair. Raises `PairLost`, `UnitFailed`, `RequestRefused`."""
        wanted = read_basis(basis)
        return await self._node.do(verbs.measure_one(self._node.core, self._view, pair.told, wanted))

    async def measure_all(self, pairs: Sequence[AnyPair], bases: Sequence[Basis | str]) -> list[MeasuredPair]:
        """Measure several pairs at once, each in its basis, leaving out what the device has lost."""
        told, wanted = [pair.told for pair in pairs], [read_basis(basis) for basis in bases]
        return await self._node.do(verbs.measure(self._node.core, self._view, told, wanted))

    async def release(self, pairs: Sequence[AnyPair]) -> None:
        """Give pairs up unmeasured."""
        await self._node.do(verbs.release(self._node.core, self._view, [pair.told for pair in pairs]))

    async def wait_closed(self) -> None:
        """Until it is over: delivered, closed at either end, or failed."""
        await self._node.do(verbs.wait_closed(self._node.core, self._view))

    async def close(self) -> None:
        """Give it up, or say that it is consumed. What is not measured is released, at both ends."""
        await self._node.do(verbs.close(self._node.core, self._view))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.close()


class Pairs:
    """A number of pairs."""

    def __init__(self, unit: Unit, number: int) -> None:
        self._unit = unit
        self._left = number

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Pair":
        if self._left <= 0:
            raise StopAsyncIteration
        pair = await self._unit.pair()
        self._left -= 1
        return pair


class Pair(AnyPair):
    """This end's half of an end-to-end pair."""

    def __init__(self, unit: Unit, told: PairTold) -> None:
        super().__init__(told)
        self._unit = unit

    async def measure(self, basis: Basis | str = Basis.Z) -> MeasuredPair:
        """Measure it. Raises `PairLost`, `UnitFailed`, `RequestRefused`."""
        return await self._unit.measure(self, basis)

    async def release(self) -> None:
        """Give it up unmeasured."""
        await self._unit.release([self])

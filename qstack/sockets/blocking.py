"""The blocking form of the sockets: the same verbs for programs without an event loop.

    from qstack.sockets.blocking import open_node

    with open_node("/run/qstack/qstackd.sock") as node:
        unit = node.open_unit([ENDPOINT, PEER, LIFECYCLE])
        print(unit.key().hex())

One thread at a time may use a connection. Every waiting call takes `timeout` seconds (None: for ever) and raises
`TimeoutError`.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from qstack.base.bell import Basis
from qstack.base.ids import Qna
from qstack.sockets.conversation import ConnectionLost, Conversation, UnitState
from qstack.sockets.values import Key, MeasuredPair, Pair, UnitKind, default_socket, read_basis, read_kind

__all__ = ["Node", "Unit", "open_node"]

T = TypeVar("T")

_CHUNK = 65_536


class Node:
    """A connection to the daemon of this node. Made by `open_node`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._conversation = Conversation()

    def claim(self, urn: str, timeout: float | None = 10.0) -> None:
        """Serve an endpoint URN: units opened towards it come out of `next_unit`. Raises `RequestRefused`."""
        number = self._conversation.claim(urn)
        self._send()
        self._wait(lambda: self._conversation.accepted(number), timeout)

    def open_unit(
        self, urns: Sequence[str], kind: UnitKind | str = UnitKind.KEY, *, min_fidelity: float = 0.0,
        timeout: float = 30.0,
    ) -> "Unit":  # fmt: skip
        """Open a service unit of N endpoints and a lifecycle URN. `timeout`: seconds to establish it.

        Raises `RequestRefused` when the daemon refuses at once; what fails later raises from the unit.
        """
        number = self._conversation.open_unit(urns, read_kind(kind), min_fidelity, timeout)
        self._send()
        return Unit(self, self._wait(lambda: self._conversation.started(number), timeout))

    def next_unit(self, timeout: float | None = None) -> "Unit":
        """The next unit that somebody opens towards an endpoint claimed here."""
        incoming = self._conversation.incoming
        return Unit(self, self._wait(lambda: incoming.popleft() if incoming else None, timeout))

    def close(self) -> None:
        """Close the connection: the daemon closes its units."""
        self._sock.close()

    def _send(self) -> None:
        try:
            self._sock.settimeout(None)
            self._sock.sendall(self._conversation.take_octets())
        except OSError as error:
            raise ConnectionLost("the daemon closed the connection") from error

    def _wait(self, look: Callable[[], T | None], timeout: float | None) -> T:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            found = look()
            if found is not None:
                return found
            self._read(None if deadline is None else deadline - time.monotonic())

    def _read(self, timeout: float | None) -> None:
        if timeout is not None and timeout <= 0:
            raise TimeoutError("nothing came from the daemon in time")
        self._sock.settimeout(timeout)
        try:
            octets = self._sock.recv(_CHUNK)
        except TimeoutError as error:
            raise TimeoutError("nothing came from the daemon in time") from error
        except OSError as error:
            raise ConnectionLost(f"the connection to the daemon broke: {error}") from error
        if not octets:
            raise ConnectionLost("the daemon closed the connection")
        self._conversation.feed(octets)


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

    def key(self, timeout: float | None = None) -> Key:
        """The key, once it is delivered. Raises `UnitFailed`."""
        return self._node._wait(self._state.take_key, timeout)

    def pair(self, timeout: float | None = None) -> Pair:
        """The next pair. Raises `UnitFailed`."""
        return self._node._wait(self._state.take_pair, timeout)

    def pairs(self, number: int, timeout: float | None = None) -> list[Pair]:
        """The next `number` pairs. Raises `UnitFailed`."""
        return [self.pair(timeout) for _ in range(number)]

    def measure(self, pair: Pair, basis: Basis | str, timeout: float | None = 10.0) -> MeasuredPair:
        """Measure this end's half of a pair in X, Y or Z. Raises `RequestRefused`."""
        return self.measure_all([pair], [basis], timeout)[0]

    def measure_all(
        self, pairs: Sequence[Pair], bases: Sequence[Basis | str], timeout: float | None = 10.0
    ) -> list[MeasuredPair]:
        """Measure several pairs at once, each in its basis. Raises `RequestRefused`, and then measures none."""
        number = self._node._conversation.measure(self._state, pairs, [read_basis(basis) for basis in bases])
        self._node._send()
        return self._node._wait(lambda: self._node._conversation.measured(number), timeout)

    def release(self, pairs: Sequence[Pair]) -> None:
        """Give pairs up unmeasured."""
        self._node._conversation.release(self._state, pairs)
        self._node._send()

    def close(self) -> None:
        """Close the unit and release what it holds, at both ends."""
        self._node._conversation.close(self._state)
        self._node._send()


@contextmanager
def open_node(path: str | Path | None = None) -> Iterator[Node]:
    """Connect to the daemon of this node. Raises `ConnectionLost` naming the socket and the remedy."""
    where = str(path or default_socket())
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(where)
    except OSError as error:
        sock.close()
        raise ConnectionLost(f"{where}: {error.strerror or error}; is qstackd running, with this socket?") from error
    node = Node(sock)
    try:
        yield node
    finally:
        node.close()

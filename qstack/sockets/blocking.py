"""Service units for programs without an event loop: the verbs of `qstack.sockets.node`, blocking.

    from qstack.sockets.blocking import open_node

    with open_node() as node:
        unit = node.open_unit([here, there, "urn:qkd:lifecycle?=size=256"])
        key = unit.key()

A node and its units belong to one thread at a time; another thread opens a node of its own. Every call that waits takes
`timeout` seconds (None: for ever) and raises `TimeoutError`.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from qstack.base.bell import Basis
from qstack.base.ids import Qna
from qstack.config.place import default_socket
from qstack.io.framing import connect_blocking
from qstack.sockets import epr_verbs, verbs
from qstack.sockets.client import ClientCore, UnitView
from qstack.sockets.data_blocking import DataSocket
from qstack.sockets.epr_blocking import EprSocket
from qstack.sockets.epr_values import read_remote
from qstack.sockets.errors import ConnectionLost
from qstack.sockets.facts import UnitFacts
from qstack.sockets.values import Key, MeasuredPair, PairTold, UnitKind, read_basis, read_kind
from qstack.sockets.values import Pair as AnyPair

__all__ = ["Node", "Pair", "Unit", "open_node"]

_READ_OCTETS = 1 << 16
_ANSWER_S = 10.0
T = TypeVar("T")


def open_node(path: str | Path | None = None) -> "Node":
    """Connect to the daemon whose control socket is `path`. Raises `LocalMisuse` when nobody is there."""
    return Node(connect_blocking(default_socket() if path is None else Path(path)))


class Node:
    """A connected node. Made by `open_node`; leaving its `with` closes all units that were opened over it."""

    def __init__(self, sock: socket.socket) -> None:
        self.core = ClientCore()
        self._sock = sock

    def claim(self, urn: str, timeout: float | None = _ANSWER_S) -> None:
        """Serve an endpoint: units opened towards it come to this application. Raises `EndpointRefused`."""
        self.do(verbs.claim(self.core, urn), timeout)

    def open_unit(
        self, urns: Sequence[str], kind: UnitKind | str = UnitKind.KEY, *, min_fidelity: float = 0.0,
        timeout: float = 30.0,
    ) -> "Unit":  # fmt: skip
        """Open a service unit: the endpoints and the lifecycle, in any order.

        `timeout`: seconds in which it is to be established. Returns when that has begun; `UnitRefused` says why not.
        """
        verb = verbs.open_unit(self.core, urns, read_kind(kind), min_fidelity, timeout)
        return Unit(self, self.do(verb, _ANSWER_S))

    def next_unit(self, timeout: float | None = None) -> "Unit":
        """The next unit that somebody opens towards an endpoint that was claimed here."""
        return Unit(self, self.do(verbs.accept(self.core, None), timeout))

    def listen(self, urn: str, timeout: float | None = None) -> Iterator["Unit"]:
        """The units that others open towards an endpoint; claims it first when that was not done."""
        name = self.do(verbs.claim(self.core, urn), _ANSWER_S)
        while True:
            yield Unit(self, self.do(verbs.accept(self.core, name), timeout))

    def open_epr_socket(self, remote: Qna | str, purpose: int, timeout: float | None = _ANSWER_S) -> EprSocket:
        """Hold a purpose (1..65535) towards the node at the other end of a link. Raises `SocketRefused`."""
        verb = epr_verbs.open_socket(self.core, read_remote(remote), purpose)
        return EprSocket(self, self.do(verb, timeout))

    def open_data_socket(self, remote: Qna | str, purpose: int, timeout: float | None = _ANSWER_S) -> DataSocket:
        """Hold a purpose (1..65535) towards the node at the other end of a link, for octets. Raises `SocketRefused`."""
        verb = epr_verbs.open_socket(self.core, read_remote(remote), purpose, data=True)
        return DataSocket(self, self.do(verb, timeout))

    def do(self, verb: verbs.Verb[T], timeout: float | None) -> T:
        """Run a verb. Out of time, it is given up, and the daemon is told of that."""
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                try:
                    next(verb)
                except StopIteration as done:
                    self._send()
                    result: T = done.value
                    return result
                self._send()
                self._receive(None if deadline is None else deadline - time.monotonic())
        finally:
            verb.close()
            if self.core.has_octets:
                with suppress(ConnectionLost):
                    self._send()

    def close(self) -> None:
        """End the connection; the daemon closes what was open."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self) -> None:
        try:
            self._sock.settimeout(None)
            self._sock.sendall(self.core.take_octets())
        except OSError as error:
            raise ConnectionLost("the daemon has gone") from error

    def _receive(self, timeout: float | None) -> None:
        if timeout is not None and timeout <= 0:
            raise TimeoutError("nothing came from the daemon in time")
        self._sock.settimeout(timeout)
        try:
            self.core.receive(self._sock.recv(_READ_OCTETS))
        except TimeoutError as error:
            raise TimeoutError("nothing came from the daemon in time") from error
        except OSError:
            self.core.receive(b"")


class Unit(UnitFacts):
    """A service unit."""

    def __init__(self, node: Node, view: UnitView) -> None:
        super().__init__(view)
        self._node = node

    def key(self, timeout: float | None = None) -> Key:
        """The key, as soon as it is delivered. Raises `UnitFailed`."""
        return self._node.do(verbs.key(self._node.core, self._view), timeout)

    def pair(self, timeout: float | None = None) -> "Pair":
        """The next pair. Raises `UnitFailed`."""
        return Pair(self, self._node.do(verbs.next_pair(self._node.core, self._view), timeout))

    def pairs(self, number: int | None = None, timeout: float | None = None) -> list["Pair"]:
        """The next `number` pairs; None: as many as the unit's size. `timeout` is for each. Raises `UnitFailed`."""
        return [self.pair(timeout) for _ in range(self.size if number is None else number)]

    def measure(self, pair: AnyPair, basis: Basis | str, timeout: float | None = _ANSWER_S) -> MeasuredPair:
        """Measure this end's half of a pair. Raises `PairLost`, `UnitFailed`, `RequestRefused`."""
        wanted = read_basis(basis)
        return self._node.do(verbs.measure_one(self._node.core, self._view, pair.told, wanted), timeout)

    def measure_all(
        self, pairs: Sequence[AnyPair], bases: Sequence[Basis | str], timeout: float | None = _ANSWER_S
    ) -> list[MeasuredPair]:
        """Measure several pairs at once, each in its basis, leaving out what the device has lost."""
        told, wanted = [pair.told for pair in pairs], [read_basis(basis) for basis in bases]
        return self._node.do(verbs.measure(self._node.core, self._view, told, wanted), timeout)

    def release(self, pairs: Sequence[AnyPair]) -> None:
        """Give pairs up unmeasured."""
        self._node.do(verbs.release(self._node.core, self._view, [pair.told for pair in pairs]), None)

    def wait_closed(self, timeout: float | None = None) -> None:
        """Until it is over: delivered, closed at either end, or failed."""
        self._node.do(verbs.wait_closed(self._node.core, self._view), timeout)

    def close(self) -> None:
        """Give it up, or say that it is consumed. What is not measured is released, at both ends."""
        self._node.do(verbs.close(self._node.core, self._view), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Pair(AnyPair):
    """This end's half of an end-to-end pair."""

    def __init__(self, unit: Unit, told: PairTold) -> None:
        super().__init__(told)
        self._unit = unit

    def measure(self, basis: Basis | str = Basis.Z, timeout: float | None = _ANSWER_S) -> MeasuredPair:
        """Measure it. Raises `PairLost`, `UnitFailed`, `RequestRefused`."""
        return self._unit.measure(self, basis, timeout)

    def release(self) -> None:
        """Give it up unmeasured."""
        self._unit.release([self])

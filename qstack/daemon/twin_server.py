"""Serves a twin: who is connected as what, and the twin's own deadlines. Answers go out as soon as they are computed.

Holding a result until its instant is the client's part (`io.device`), so the server never waits for simulated time.
`TwinServer` knows sessions only; hosts reach it over a Unix socket (`serve_socket`) or a broker (`twin_broker`).
"""

import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import trio

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna
from qstack.base.time import DomainTime
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.packets import PacketSocket
from qstack.twin.machine import Twin

__all__ = ["Outlet", "TwinServer", "listen", "serve_socket"]

_BACKLOG = 1_024
_TIMESCALE_INTERVAL_S = 10.0
_ACCEPT_PAUSE_S = 0.05


class Outlet(NamedTuple):
    """Where the results of a session go. `send` says False when they are not taken fast enough; then `drop` is called:
    a node that does not read is as good as dead, and learns so."""

    send: Callable[[bytes], bool]
    drop: Callable[[], None]


class TwinServer:
    """Sessions of `twin`, its clock and its alarm."""

    def __init__(self, twin: Twin, max_error_ns: int) -> None:
        self.twin = twin
        self._max_error_ns = max_error_ns
        self._timescale = sample_timescale(max_error_ns)
        self._alarm = Alarm()
        self._outlets: dict[int, Outlet] = {}
        self._sessions = 0

    async def run(self) -> None:
        """Keep the twin's deadlines until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_alarm)
                nursery.start_soon(self._watch_clock)
        finally:
            self._alarm.close()

    def open(self, outlet: Outlet, nodes: frozenset[Qna] | None = None) -> int:
        """A host has come, which may attach as one of `nodes`; None: as any. Gives its session."""
        session = self._new(outlet)
        if nodes is not None:
            self.twin.restrict(session, nodes)
        return session

    def open_operator(self, outlet: Outlet) -> int:
        """An operator has come, who may look at true states."""
        session = self._new(outlet)
        self.twin.admit_operator(session)
        return session

    def take(self, session: int, datagrams: Iterable[bytes]) -> None:
        """What a session says; its answers are sent before this returns."""
        for octets in datagrams:
            self.twin.receive_datagram(session, octets, self._domain())
        self._settle()

    def close(self, session: int) -> None:
        """A host is gone, and so are its qubits."""
        self._outlets.pop(session, None)
        self.twin.close_session(session, self._domain())
        self._settle()

    def _new(self, outlet: Outlet) -> int:
        self._sessions += 1
        self._outlets[self._sessions] = outlet
        return self._sessions

    def _settle(self) -> None:
        for session, message in self.twin.take_results():
            outlet = self._outlets.get(session)
            if outlet is not None and not outlet.send(message.encode()):
                outlet.drop()
        deadline = self.twin.next_deadline()
        self._alarm.set(None if deadline is None else self._timescale.local(deadline))

    async def _watch_alarm(self) -> None:
        while True:
            await self._alarm.wait()
            self.twin.handle_deadline(self._domain())
            self._settle()

    async def _watch_clock(self) -> None:
        while True:
            self._timescale = sample_timescale(self._max_error_ns)
            await trio.sleep(_TIMESCALE_INTERVAL_S)

    def _domain(self) -> DomainTime:
        return self._timescale.domain(now_ns())


def listen(path: Path, mode: int = 0o600) -> trio.socket.SocketType:
    """A listening socket at `path`; one that a dead process left there is replaced. Raises `LocalMisuse`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        if path.is_socket() and not _somebody_listens(path):
            path.unlink()
        sock.bind(str(path))
        path.chmod(mode)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise LocalMisuse(f"cannot listen on {path}: {error.strerror}; is another qtwind running there?") from error
    return trio.socket.from_stdlib_socket(sock)


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


async def serve_socket(
    server: TwinServer, listener: trio.socket.SocketType, admit: Callable[[int], frozenset[Qna] | None] | None
) -> None:
    """Serve the connections of a listening socket until cancelled.

    `admit`: as which nodes a user, told by the kernel, may attach; None for an operator's socket.
    """

    async def serve(connection: PacketSocket) -> None:
        with trio.CancelScope() as scope:
            outlet = Outlet(connection.send, scope.cancel)
            if admit is None:
                session = server.open_operator(outlet)
            else:
                session = server.open(outlet, admit(connection.peer_uid))

            def take(datagrams: list[bytes]) -> bool:
                server.take(session, datagrams)
                return not scope.cancel_called

            try:
                await connection.run(take)
            except* OSError:  # the node is gone; so are its qubits
                pass
            finally:
                server.close(session)
                connection.close()

    with listener:
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    accepted, _ = await listener.accept()
                    connection = PacketSocket(socket.socket(fileno=accepted.detach()))
                except OSError:  # it has left already, or there are too many: those who wait are served later
                    await trio.sleep(_ACCEPT_PAUSE_S)
                else:
                    nursery.start_soon(serve, connection)

"""Serves a twin on a Unix socket: one connection a node, one datagram a message, answers as soon as they are computed.

Holding a result until its instant is the client's part (`io.device`), so the server never waits for simulated time; it
only keeps the twin's own deadlines.
"""

import socket
from pathlib import Path

import trio

from qstack.base.errors import LocalMisuse
from qstack.base.time import DomainTime
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns, sample_timescale
from qstack.twin.machine import Twin

__all__ = ["TwinServer", "listen"]

_BACKLOG = 1_024
_MAXIMUM_MESSAGE = 1 << 18
_TIMESCALE_INTERVAL_S = 10.0
_ACCEPT_PAUSE_S = 0.05


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


class TwinServer:
    """Serves `twin`: nodes on one socket, and on another operators, who may look at true states."""

    def __init__(self, twin: Twin, max_error_ns: int) -> None:
        self.twin = twin
        self._max_error_ns = max_error_ns
        self._timescale = sample_timescale(max_error_ns)
        self._alarm = Alarm()
        self._connections: dict[int, trio.MemorySendChannel[bytes]] = {}
        self._scopes: dict[int, trio.CancelScope] = {}
        self._sessions = 0

    async def run(self, nodes: trio.socket.SocketType, operators: trio.socket.SocketType | None = None) -> None:
        """Serve until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_alarm)
                nursery.start_soon(self._watch_clock)
                nursery.start_soon(self._accept, nodes, False)
                if operators is not None:
                    nursery.start_soon(self._accept, operators, True)
        finally:
            self._alarm.close()

    async def _accept(self, listener: trio.socket.SocketType, operators: bool) -> None:
        with listener:
            async with trio.open_nursery() as nursery:
                while True:
                    try:
                        connection, _ = await listener.accept()
                    except OSError:  # it has left already, or there are too many: those who wait are served later
                        await trio.sleep(_ACCEPT_PAUSE_S)
                    else:
                        nursery.start_soon(self._serve, connection, operators)

    async def _serve(self, connection: trio.socket.SocketType, operators: bool) -> None:
        self._sessions += 1
        session = self._sessions
        send, receive = trio.open_memory_channel[bytes](4_096)
        self._connections[session] = send
        if operators:
            self.twin.admit_operator(session)
        try:
            async with trio.open_nursery() as nursery:
                self._scopes[session] = nursery.cancel_scope
                nursery.start_soon(self._write, connection, receive)
                while octets := await connection.recv(_MAXIMUM_MESSAGE):
                    self.twin.receive_datagram(session, octets, self._domain())
                    self._settle()
                nursery.cancel_scope.cancel()
        except* OSError:  # the node is gone; so are its qubits
            pass
        finally:
            del self._connections[session]
            self._scopes.pop(session, None)
            self.twin.close_session(session, self._domain())
            self._settle()
            connection.close()

    async def _write(self, connection: trio.socket.SocketType, receive: trio.MemoryReceiveChannel[bytes]) -> None:
        async for octets in receive:
            await connection.send(octets)

    def _settle(self) -> None:
        for session, message in self.twin.take_results():
            connection = self._connections.get(session)
            if connection is None:
                continue
            try:
                connection.send_nowait(message.encode())
            except trio.WouldBlock:  # a node that does not read: it is as good as dead, and learns so
                self._scopes[session].cancel()
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

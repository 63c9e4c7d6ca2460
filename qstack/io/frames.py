"""The control socket's two languages on one Unix stream: frames of applications, JSON lines of operators.

A frame is a 16-bit length, whose first octet is below 0x40, and a message; a JSON line begins with `{` (0x7B) and ends
with a line feed. The first octet of a connection tells which language it speaks, for as long as it lasts. Who is at the
other end is known from the kernel.
"""

import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.wire.control import MAXIMUM_FRAME

__all__ = ["MAXIMUM_LINE", "Connection", "Credentials", "open_control", "serve_control"]

MAXIMUM_LINE = 65_536
_CHUNK = 65_536
_LENGTH_OCTETS = 2
_UCRED = struct.Struct("@iII")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The process at the other end (unix(7), SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


class Connection:
    """One connection, in one of the two languages."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._received = bytearray()
        self._sending = trio.Lock()

    @property
    def credentials(self) -> Credentials:
        """Who is at the other end."""
        raw = self.stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return Credentials(*_UCRED.unpack(raw))

    async def speaks_json(self) -> bool | None:
        """Which language the other end speaks; None when it left without a word."""
        if not self._received and not await self._more():
            return None
        return self._received[0] == ord("{")

    async def receive_frame(self) -> bytes | None:
        """The next message; None at the end. Raises `PeerViolation` for a length that cannot be."""
        if not await self._have(_LENGTH_OCTETS):
            return None
        length = int.from_bytes(self._received[:_LENGTH_OCTETS], "big")
        if length > MAXIMUM_FRAME:
            raise PeerViolation(f"a frame of {length} octets, at most {MAXIMUM_FRAME} are allowed")
        if not await self._have(_LENGTH_OCTETS + length):
            return None
        frame = bytes(self._received[_LENGTH_OCTETS : _LENGTH_OCTETS + length])
        del self._received[: _LENGTH_OCTETS + length]
        return frame

    async def receive_line(self) -> bytes | None:
        """The next line without its line feed; None at the end. Raises `PeerViolation` for one that is too long."""
        while b"\n" not in self._received:
            if len(self._received) > MAXIMUM_LINE:
                raise PeerViolation(f"a line of more than {MAXIMUM_LINE} octets")
            if not await self._more():
                return None
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return line

    async def send_frame(self, message: bytes) -> None:
        """Send a message."""
        await self.send(len(message).to_bytes(_LENGTH_OCTETS, "big") + message)

    async def send_line(self, line: bytes) -> None:
        """Send a line."""
        await self.send(line + b"\n")

    async def send(self, octets: bytes) -> None:
        """Send octets whole, whoever else sends."""
        async with self._sending:
            await self.stream.send_all(octets)

    async def _have(self, octets: int) -> bool:
        while len(self._received) < octets:
            if not await self._more():
                return False
        return True

    async def _more(self) -> bool:
        octets = await self.stream.receive_some(_CHUNK)
        self._received += octets
        return bool(octets)


async def open_control(path: Path) -> Connection:
    """Connect. Raises OSError."""
    return Connection(await trio.open_unix_socket(str(path)))


async def serve_control(
    path: Path, mode: int, on_client: Callable[[Connection], Awaitable[None]], *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:  # fmt: skip
    """Listen at `path` until cancelled; each connection gets a task. Raises `LocalMisuse` when it cannot.

    A socket that a dead process left there is replaced; one that somebody listens on is not.
    """
    sock = await _listen(path, mode)
    listener = trio.SocketListener(sock)

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await on_client(Connection(stream))
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it left; whoever waits for it has been told by the end of its connection
        finally:
            await trio.aclose_forcefully(stream)

    try:
        async with trio.open_nursery() as nursery:
            task_status.started()
            nursery.start_soon(trio.serve_listeners, serve, [listener])
    finally:
        path.unlink(missing_ok=True)


async def _listen(path: Path, mode: int) -> trio.socket.SocketType:
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not await _answers(path):
            path.unlink()
        before = os.umask(0o777 & ~mode)
        try:
            await sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise LocalMisuse(f"control socket {path}: {error.strerror}; does another daemon use it?") from error
    return sock


async def _answers(path: Path) -> bool:
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            await probe.connect(str(path))
        except OSError:
            return False
    return True

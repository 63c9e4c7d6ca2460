"""The control socket under trio: one stream for applications (frames) and operators (JSON lines).

The server knows its clients by the kernel's word alone. Whatever a client does, it harms its own connection at most:
bad octets and a vanished client end it, and connections are bounded in number, for each user and in all.
"""

import os
import socket
import stat
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import trio

from qstack.base.errors import LocalMisuse, WireError
from qstack.io.framing import (
    MAXIMUM_LINE,
    MAXIMUM_REPLY,
    Credentials,
    Frame,
    Framing,
    Line,
    encode_frame,
    encode_line,
    unreachable,
)  # fmt: skip

__all__ = ["CONNECTIONS", "CONNECTIONS_A_USER", "Connection", "open_control", "serve_control"]

CONNECTIONS = 512
CONNECTIONS_A_USER = 256
_BACKLOG = 128
_READ_OCTETS = 1 << 16
_PEERCRED = struct.Struct("@iII")  # struct ucred: pid, uid, gid


class Connection:
    """One connection. One task receives at a time; any may send, each frame and line goes out whole."""

    def __init__(self, stream: trio.SocketStream, maximum_line: int = MAXIMUM_LINE) -> None:
        self.credentials = _credentials(stream)
        self._stream = stream
        self._framing = Framing(maximum_line)
        self._sending = trio.Lock()

    async def speaks_json(self) -> bool | None:
        """Whether the next thing is a line; None when the other end leaves without a word."""
        while self._framing.kind is None:
            if not await self._read():
                return None
        return self._framing.kind is Line

    async def receive(self) -> Frame | Line | None:
        """The next frame or line; None at the end. Raises `WireError` for octets that are neither."""
        while (found := self._framing.next()) is None:
            if not await self._read():
                if self._framing.empty:
                    return None
                raise WireError(0, "stream", "ends in the middle of a message")
        return found

    async def receive_frame(self) -> bytes | None:
        """The next frame's payload; None at the end. Raises `WireError`, for a line too."""
        found = await self.receive()
        if isinstance(found, Line):
            raise WireError(0, "frame", "is a line")
        return None if found is None else found.payload

    async def receive_line(self) -> bytes | None:
        """The next line without its newline; None at the end. Raises `WireError`, for a frame too."""
        found = await self.receive()
        if isinstance(found, Frame):
            raise WireError(0, "line", "is a frame")
        return None if found is None else found.text

    async def send_frame(self, payload: bytes) -> None:
        """Send a message of the control table."""
        await self._send(encode_frame(payload))

    async def send_line(self, text: bytes) -> None:
        """Send a JSON object."""
        await self._send(encode_line(text))

    async def aclose(self) -> None:
        """End it."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _send(self, octets: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(octets)

    async def _read(self) -> bool:
        octets = await self._stream.receive_some(_READ_OCTETS)
        self._framing.feed(octets)
        return bool(octets)


def _credentials(stream: trio.SocketStream) -> Credentials:
    octets = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    assert isinstance(octets, bytes)
    return Credentials(*_PEERCRED.unpack(octets))


async def open_control(path: Path) -> Connection:
    """A connection to a daemon. Raises `LocalMisuse` naming the socket and what to do."""
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await sock.connect(str(path))
    except OSError as error:
        sock.close()
        raise unreachable(path, error) from error
    return Connection(trio.SocketStream(sock), MAXIMUM_REPLY)


async def serve_control(
    path: Path, mode: int, on_client: Callable[[Connection], Awaitable[None]], *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:  # fmt: skip
    """Serve connections at `path` until cancelled; `on_client` is run for each and ends with it.

    `mode`: permissions of the socket's file. A socket that a dead daemon left there is replaced. Raises `LocalMisuse`
    when somebody serves there or nothing can be put there; reports to `task_status` when connections are accepted.
    """
    sock = _bind(path, mode)
    identity = os.stat(path).st_ino
    live: Counter[int] = Counter()

    async def serve(stream: trio.SocketStream) -> None:
        await _serve_one(stream, on_client, live)

    try:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        async with trio.open_nursery() as nursery:
            task_status.started()
            await trio.serve_listeners(serve, [listener], handler_nursery=nursery)
    finally:
        _remove(path, identity)


async def _serve_one(
    stream: trio.SocketStream, on_client: Callable[[Connection], Awaitable[None]], live: Counter[int]
) -> None:
    async with stream:
        connection = Connection(stream)
        user = connection.credentials.uid
        if live.total() >= CONNECTIONS or live[user] >= CONNECTIONS_A_USER:
            return
        live[user] += 1
        try:
            await on_client(connection)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError, WireError):
            pass  # the client has gone, or does not speak our language: it is its connection that ends
        finally:
            live[user] -= 1


def _bind(path: Path, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        _bind_with(sock, path, mode)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        remedy = "change [listen] control, or who may write there"
        raise LocalMisuse(f"cannot put a control socket at {path}: {error.strerror or error}; {remedy}") from error
    except LocalMisuse:
        sock.close()
        raise
    return sock


def _bind_with(sock: socket.socket, path: Path, mode: int) -> None:
    """So that the file never has other permissions, not even for a moment."""
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)


def _clear(path: Path) -> None:
    """Remove a socket behind which nobody is. Raises `LocalMisuse` for anything else that is in the way."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise LocalMisuse(f"{path} is no socket: move it away, or change [listen] control")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise LocalMisuse(f"another daemon serves {path}: stop it, or change [listen] control")


def _remove(path: Path, identity: int) -> None:
    """Remove our own socket's file, not that of a successor."""
    try:
        if os.lstat(path).st_ino == identity:
            path.unlink()
    except FileNotFoundError:
        return

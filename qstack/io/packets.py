"""Datagrams over a connected Unix SOCK_SEQPACKET socket under trio: several a wake-up, and none waits for the loop.

What is sent goes to the kernel at once; only when that has no room it waits in a bounded queue, behind which a task
sends it on. What has arrived is read until nothing is left, so a burst costs one turn of the event loop.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable

import trio

__all__ = ["MAXIMUM_DATAGRAM", "PacketSocket"]

MAXIMUM_DATAGRAM = 1 << 18
_QUEUE = 4_096
_PEERCRED = struct.Struct("@iII")  # struct ucred: pid, uid, gid
_BURST = 64  # datagrams after which others get their turn


class PacketSocket:
    """One connection. `sock` is connected; it becomes non-blocking and is closed by `close`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._buffer = bytearray(MAXIMUM_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._queue: deque[bytes] = deque()
        self._waiting = trio.Event()  # set while there is something in the queue
        self.peer_uid = _peer_uid(sock)

    def send(self, octets: bytes) -> bool:
        """Send, now or as soon as there is room; False when too much waits already."""
        if not self._queue:
            try:
                self._sock.send(octets)
                return True
            except BlockingIOError:
                self._waiting.set()
            except OSError:
                return True  # the other end is gone: who reads learns it
        if len(self._queue) >= _QUEUE:
            return False
        self._queue.append(octets)
        return True

    async def run(self, take: Callable[[list[bytes]], bool]) -> None:
        """Hand over what arrives, in bursts, until the other end is gone or `take` says False. Raises `OSError`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain)
            await self._receive(take)
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Close it; whoever waits on it is woken."""
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    async def receive_one(self) -> bytes:
        """The next datagram; empty when the other end is gone. Raises `OSError`."""
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            try:
                return self._read()
            except BlockingIOError:
                continue

    async def _receive(self, take: Callable[[list[bytes]], bool]) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            burst, ended = self._burst()
            if (burst and not take(burst)) or ended:
                return

    def _burst(self) -> tuple[list[bytes], bool]:
        """What has arrived, and whether that was all for ever."""
        burst: list[bytes] = []
        try:
            while len(burst) < _BURST:
                octets = self._read()
                if not octets:
                    return burst, True
                burst.append(octets)
        except BlockingIOError:
            pass
        return burst, False

    def _read(self) -> bytes:
        return bytes(self._view[: self._sock.recv_into(self._buffer)])

    async def _drain(self) -> None:
        while True:
            await self._waiting.wait()
            await trio.lowlevel.wait_writable(self._sock)
            try:
                while self._queue:
                    self._sock.send(self._queue[0])
                    self._queue.popleft()
                self._waiting = trio.Event()
            except BlockingIOError:
                continue


def _peer_uid(sock: socket.socket) -> int:
    """User id of the process at the other end, as the kernel says (unix(7), SO_PEERCRED)."""
    uid: int = _PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))[1]
    return uid

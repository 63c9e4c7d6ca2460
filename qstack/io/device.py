"""The client of a quantum device on a Unix socket: asks the primitives, and holds each result until its instant.

Simulation time must not leak into simulated time: the device computes a result long before a real one would have had
it, and this client keeps it until `deliver_at`. A result that comes after its instant is handed over at once, and
counted with its lateness.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

import trio

from qstack.base.errors import LocalMisuse, WireError
from qstack.base.ids import Qna
from qstack.base.time import Instant, Timescale
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, Refused
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["DeviceClient", "Lateness", "connect_device"]

_MAXIMUM_MESSAGE = 1 << 18
_CONNECT_ATTEMPTS_PAUSE_S = 0.02


@dataclass(slots=True)
class Lateness:
    """How late results came. `worst_ns` and `total_ns` count from `deliver_at` to the arrival at this client."""

    results: int = 0
    late: int = 0
    worst_ns: int = 0
    total_ns: int = 0
    malformed: int = 0

    def note(self, late_ns: int) -> None:
        """Count one result."""
        self.results += 1
        if late_ns > 0:
            self.late += 1
            self.worst_ns = max(self.worst_ns, late_ns)
            self.total_ns += late_ns


class DeviceClient:
    """One attached connection. `deliver` is called with each result at its instant."""

    def __init__(
        self, sock: trio.socket.SocketType, attached: Attached, timescale: Callable[[], Timescale],
        deliver: Callable[[Message], None],
    ) -> None:  # fmt: skip
        self.attached = attached
        self.lateness = Lateness()
        self._sock = sock
        self._timescale = timescale
        self._deliver = deliver
        self._alarm = Alarm()
        self._held: list[tuple[Instant, int, Message]] = []
        self._arrived = 0
        self._to_send, self._sending = trio.open_memory_channel[bytes](4_096)

    def call(self, request: Message) -> bool:
        """Queue a request; False when the device does not take them fast enough."""
        try:
            self._to_send.send_nowait(request.encode())
        except trio.WouldBlock:
            return False
        return True

    async def run(self) -> None:
        """Serve until the device goes away: then raises `LocalMisuse`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send)
                nursery.start_soon(self._hold)
                await self._receive()
                nursery.cancel_scope.cancel()
        finally:
            self._alarm.close()
            self._sock.close()

    async def _send(self) -> None:
        async for octets in self._sending:
            await self._sock.send(octets)

    async def _receive(self) -> None:
        while octets := await self._sock.recv(_MAXIMUM_MESSAGE):
            try:
                message = decode_message_untrusted(Protocol.TWIN, octets)
            except WireError:
                self.lateness.malformed += 1
                continue
            self._take(message)

    def _take(self, message: Message) -> None:
        arrived_ns = now_ns()
        deliver_at = getattr(message, "deliver_at", 0)
        due_ns = self._timescale().local(deliver_at) if deliver_at else arrived_ns
        self.lateness.note(arrived_ns - due_ns)
        if due_ns <= arrived_ns:
            self._deliver(message)
            return
        self._arrived += 1
        heappush(self._held, (due_ns, self._arrived, message))
        self._alarm.set(self._held[0][0])

    async def _hold(self) -> None:
        while True:
            await self._alarm.wait()
            while self._held and self._held[0][0] <= now_ns():
                self._deliver(heappop(self._held)[2])
            self._alarm.set(self._held[0][0] if self._held else None)


async def connect_device(
    path: Path, node: Qna, timescale: Callable[[], Timescale], deliver: Callable[[Message], None], patience_s: float
) -> DeviceClient:
    """Connect and attach, trying again for `patience_s` while nobody listens. Raises `LocalMisuse`."""
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with trio.move_on_after(patience_s):
        while True:
            try:
                await sock.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                await trio.sleep(_CONNECT_ATTEMPTS_PAUSE_S)
        await sock.send(Attach(node=node).encode())
        answer = decode_message_untrusted(Protocol.TWIN, await sock.recv(_MAXIMUM_MESSAGE))
        if isinstance(answer, Attached):
            return DeviceClient(sock, answer, timescale, deliver)
        status = answer.status if isinstance(answer, Refused) else answer.NAME
        sock.close()
        raise LocalMisuse(f"the device at {path} refuses node {node}: {status!r}; is the node in its configuration?")
    sock.close()
    raise LocalMisuse(f"nothing answers at {path} within {patience_s} s: start qtwind first, or correct [twin] socket")

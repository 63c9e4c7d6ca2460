"""The client of a quantum device: asks the primitives, and holds each result until its instant.

Laws:

* Simulation time must not leak into simulated time: the device computes a result long before a real one would have had
  it, and this client keeps it until `deliver_at`. A result that comes after its instant is handed over at once, and
  counted with its lateness.
* Every request is answered: those that a device leaves open when it goes are answered by `Refused` (NOT_ATTACHED).

How messages reach the device is a `Carrier`'s business: a Unix socket here, a broker in `daemon.device_broker`. What a
device has to do for its hosts is told in rfc_notes/twin.md, section 10.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import Protocol as Interface

import trio

from qstack.base.errors import LocalMisuse, WireError
from qstack.base.ids import Qna, format_qna
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns
from qstack.io.packets import PacketSocket
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, Refused, Status
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["Carrier", "DeviceClient", "Lateness", "connect_device", "read_attached"]

_PAUSE_S = 0.02  # before the second attempt to connect; doubled with each
_LONGEST_PAUSE_S = 1.0


class Carrier(Interface):
    """Carries messages to a device and back, in order and each once, for as long as it runs."""

    def send(self, octets: bytes) -> bool:
        """Send one; False when the device does not take them fast enough."""

    async def run(self, take: Callable[[list[bytes]], bool]) -> None:
        """Hand over what arrives until the device is gone or `take` says False. Raises `OSError`."""

    def close(self) -> None:
        """Give back what it has."""


@dataclass(slots=True)
class Lateness:
    """How late results came. `worst_ns` counts from `deliver_at` to the arrival at this client."""

    results: int = 0
    late: int = 0
    worst_ns: int = 0
    malformed: int = 0

    def note(self, late_ns: int) -> None:
        """Count one result."""
        self.results += 1
        if late_ns > 0:
            self.late += 1
            self.worst_ns = max(self.worst_ns, late_ns)


class DeviceClient:
    """One attachment. `deliver` is called with each result at its instant."""

    def __init__(
        self, carrier: Carrier, attached: Attached, timescale: Callable[[], Timescale],
        deliver: Callable[[Message], None],
    ) -> None:  # fmt: skip
        self.attached = attached
        self.lateness = Lateness()
        self._carrier = carrier
        self._timescale = timescale
        self._deliver = deliver
        self._alarm = Alarm()
        self._held: list[tuple[Instant, int, Message]] = []
        self._arrived = 0
        self._open: set[int] = set()  # requests without an answer

    def call(self, request: Message) -> bool:
        """Ask; False when the device does not take requests fast enough."""
        if not self._carrier.send(request.encode()):
            return False
        self._open.add(getattr(request, "request_id", 0))
        return True

    async def run(self) -> None:
        """Serve until the device goes away. Nothing is delivered any more afterwards, but by `refuse_open`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hold)
                await self._carrier.run(self._take_all)
                nursery.cancel_scope.cancel()
        except* OSError:
            pass  # it went while something was on the way to it
        finally:
            self._alarm.close()
            self._carrier.close()

    def refuse_open(self) -> None:
        """Answer what the device has left open."""
        now = self._timescale().domain(now_ns())
        for number in sorted(self._open):
            self._deliver(Refused(request_id=number, status=Status.NOT_ATTACHED, completed_at=now, deliver_at=now))
        self._open.clear()

    def _take_all(self, datagrams: list[bytes]) -> bool:
        for octets in datagrams:
            try:
                message = decode_message_untrusted(Protocol.TWIN, octets)
            except WireError:
                self.lateness.malformed += 1
                continue
            if isinstance(message, Refused) and message.status == Status.NOT_ATTACHED:
                return False  # another host has attached as this node: what we had there is gone
            self._take(message)
        return True

    def _take(self, message: Message) -> None:
        arrived_ns = now_ns()
        deliver_at: DomainTime = getattr(message, "deliver_at", DomainTime(0))
        due_ns = self._timescale().local(deliver_at) if deliver_at else arrived_ns
        self.lateness.note(arrived_ns - due_ns)
        if due_ns <= arrived_ns:
            self._hand_over(message)
            return
        self._arrived += 1
        heappush(self._held, (due_ns, self._arrived, message))
        self._alarm.set(self._held[0][0])

    def _hand_over(self, message: Message) -> None:
        self._open.discard(getattr(message, "request_id", 0))
        self._deliver(message)

    async def _hold(self) -> None:
        while True:
            await self._alarm.wait()
            while self._held and self._held[0][0] <= now_ns():
                self._hand_over(heappop(self._held)[2])
            self._alarm.set(self._held[0][0] if self._held else None)


async def connect_device(
    path: Path, node: Qna, timescale: Callable[[], Timescale], deliver: Callable[[Message], None], patience_s: float
) -> DeviceClient:
    """Connect and attach over a Unix socket, trying again for `patience_s` while nobody answers. `LocalMisuse`."""
    pause_s = _PAUSE_S
    with trio.move_on_after(patience_s):
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            try:
                return DeviceClient(*await _attach(sock, path, node), timescale, deliver)
            except (FileNotFoundError, ConnectionError, BlockingIOError):
                sock.close()
            except BaseException:
                sock.close()
                raise
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    raise LocalMisuse(f"nothing answers at {path} within {patience_s} s: start qtwind first, or correct [twin] socket")


async def _attach(sock: socket.socket, path: Path, node: Qna) -> tuple[PacketSocket, Attached]:
    """Raises `LocalMisuse` for what stays as it is; `FileNotFoundError`, `ConnectionError` and `BlockingIOError` (many
    want to connect) for what may pass."""
    try:
        sock.connect(str(path))
        carrier = PacketSocket(sock)
        carrier.send(Attach(node=node).encode())
        octets = await carrier.receive_one()
    except (FileNotFoundError, ConnectionError, BlockingIOError):
        raise
    except OSError as error:
        raise LocalMisuse(f"[twin] socket {path}: {error.strerror or error}") from error
    if not octets:
        raise ConnectionResetError
    return carrier, read_attached(octets, node, str(path))


def read_attached(octets: bytes, node: Qna, place: str) -> Attached:
    """The answer to Attach. Raises `LocalMisuse` for any other, naming the `place` where the device is."""
    try:
        answer = decode_message_untrusted(Protocol.TWIN, octets)
    except WireError as error:
        raise LocalMisuse(f"what listens at {place} is no device: {error}") from error
    if isinstance(answer, Attached):
        return answer
    why = repr(answer.status) if isinstance(answer, Refused) else answer.NAME
    raise LocalMisuse(f"the device at {place} refuses node {format_qna(node)}: {why}; is the node in its "
                      "configuration, and may this user attach as it?")  # fmt: skip

"""twin.primitives/s, twin.items/s, twin.round-trip: how fast `qtwind` answers, against a socket that only echoes.

A *primitive* of the first entry is a request with one item and its result; the work is a cycle of three requests:
initialise a memory, a Hadamard gate on it, measure it. `twin.items` counts items instead, 32 in a request. Both sides
have four client processes on one Unix SEQPACKET socket, each with eight requests on the way; the echo answers each
datagram with itself, in plain Python, and stands for what sockets and processes cost by themselves.

The round trip is that of a gate as a host sees it: `io.device` under trio at one end, the twin at pace zero at the
other.
"""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import trio

from qstack.base.bell import Basis, Gate
from qstack.base.ids import make_qna
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.device import connect_device
from qstack.wire.protocols import Protocol
from qstack.wire.twin import ApplyGates, Attach, GateItem, Initialise, Measure, MeasureItem, Status
from qstack.wire.value import Message, decode_message_untrusted
from tools.benchmarks.comparison import Comparison

__all__ = ["ENTRIES"]

CLIENTS, DEPTH, SECONDS, TURNS = 4, 8, 1.0, 3
ITEMS = 32
ROUND_TRIPS = 3_000
_LARGEST = 1 << 16

TWIN = """
[listen]
socket = "twin.sock"
[time]
pace = 0.0
""" + "".join(f'[[node]]\nqna = "1.{n}"\nqubits = {DEPTH * ITEMS}\n' for n in range(1, CLIENTS + 1))

ECHO = """
import selectors, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(sys.argv[1]); listener.listen(16)
ready = selectors.DefaultSelector(); ready.register(listener, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.fileobj is listener:
            ready.register(listener.accept()[0], selectors.EVENT_READ)
            continue
        try:
            octets = key.fileobj.recv(65536)
            key.fileobj.send(octets)
        except OSError:
            octets = b""
        if not octets:
            ready.unregister(key.fileobj); key.fileobj.close()
"""


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[None]:
    """A process that says a line when it is ready, until the end of the block."""
    process = subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)  # fmt: skip
    try:
        assert process.stdout is not None and b"ready" in process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def cycle(first: int, items: int, instant: int) -> list[Message]:
    """Initialise, turn and measure `items` memories from `first` on."""
    memories: Any = tuple(range(first, first + items))
    at: Any = instant
    gates = tuple(GateItem(qubit=each, gate=Gate.H) for each in memories)
    wanted = tuple(MeasureItem(qubit=each, basis=Basis.Z) for each in memories)
    return [Initialise(request_id=1, instant=at, qubits=memories), ApplyGates(request_id=2, instant=at, gates=gates),
            Measure(request_id=3, instant=at, measurements=wanted)]  # fmt: skip


def all_done(octets: bytes) -> bool:
    """Whether every item of a result is OK."""
    result: Any = decode_message_untrusted(Protocol.TWIN, octets)
    statuses = getattr(result, "statuses", None) or [each.status for each in result.outcomes]
    return all(status == Status.OK for status in statuses)


def client(path: str, number: int, items: int, echo: bool, found: Any) -> None:
    """Keep requests on the way for a second; tell how many were answered a second, each checked at its end."""
    scale = sample_timescale(1_000)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(path)
        sock.send(Attach(node=make_qna(1, number)).encode())
        sock.recv(_LARGEST)
        waiting: deque[bytes] = deque()
        flying, answered, kept = 0, 0, list[bytes]()
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            while flying < DEPTH:
                if not waiting:
                    instant = scale.domain(now_ns())
                    for slot in range(DEPTH):
                        waiting.extend(each.encode() for each in cycle(slot * items, items, instant))
                sock.send(waiting.popleft())
                flying += 1
            octets = sock.recv(_LARGEST)
            flying, answered = flying - 1, answered + 1
            if answered % 97 == 0:
                kept.append(octets)
        took = time.perf_counter() - began
    assert echo or all(map(all_done, kept)), "a request failed"
    found.put(answered / took)


def rate(path: Path, items: int, echo: bool) -> float:
    """Requests a second of all clients together."""
    found: Any = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=client, args=(str(path), n, items, echo, found))
                 for n in range(1, CLIENTS + 1)]  # fmt: skip
    for process in processes:
        process.start()
    total = sum(found.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    return float(total)


def side_by_side(items: int) -> tuple[float, float]:
    """Requests a second of the twin and of the echo: medians of runs in turns."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "twin.toml").write_text(TWIN)
        with serving(folder, "-m", "qstack.daemon.qtwind", "twin.toml"), serving(folder, "-c", ECHO, "echo.sock"):
            for _ in range(TURNS):
                ours.append(rate(folder / "twin.sock", items, False))
                theirs.append(rate(folder / "echo.sock", items, True))
    return median(ours), median(theirs)


@lru_cache
def measured(items: int) -> tuple[float, float]:
    """As `side_by_side`, once in a run."""
    return side_by_side(items)


def primitives() -> Comparison:
    """Requests of one item."""
    ours, theirs = measured(1)
    return Comparison("twin.primitives/s", ours, theirs, "an echo in Python (the limit)", "requests per second",
                      larger_is_better=True)  # fmt: skip


def items() -> Comparison:
    """Items of requests of 32."""
    ours, theirs = measured(ITEMS)
    return Comparison("twin.items/s", ITEMS * ours, ITEMS * theirs, "an echo in Python (the limit)",
                      "items per second", larger_is_better=True)  # fmt: skip


async def round_trips(path: Path) -> float:
    """Median microseconds from asking to being told, through the client that hosts use."""
    scale, answered = sample_timescale(1_000), trio.Event()

    def deliver(result: Message) -> None:
        answered.set()

    device = await connect_device(path, make_qna(1, 1), lambda: scale, deliver, 10.0)
    times = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.run)
        memory: Any = (0,)
        requests: list[Message] = [Initialise(request_id=0, instant=scale.domain(now_ns()), qubits=memory)]
        gates = tuple(GateItem(qubit=each, gate=Gate.H) for each in memory)
        for number in range(ROUND_TRIPS):
            answered = trio.Event()
            request = requests.pop() if requests else ApplyGates(
                request_id=number, instant=scale.domain(now_ns()), gates=gates
            )  # fmt: skip
            began = time.perf_counter_ns()
            device.call(request)
            await answered.wait()
            times.append((time.perf_counter_ns() - began) / 1_000)
        nursery.cancel_scope.cancel()
    return median(times)


def echo_us(path: Path) -> float:
    """Median microseconds of a blocking client with the echo."""
    times, octets = [], bytes(40)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(str(path))
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter_ns()
            sock.send(octets)
            sock.recv(_LARGEST)
            times.append((time.perf_counter_ns() - began) / 1_000)
    return median(times)


def round_trip() -> Comparison:
    """One request at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "twin.toml").write_text(TWIN)
        with serving(folder, "-m", "qstack.daemon.qtwind", "twin.toml"), serving(folder, "-c", ECHO, "echo.sock"):
            ours, theirs = trio.run(round_trips, folder / "twin.sock"), echo_us(folder / "echo.sock")
    return Comparison("twin.round-trip/p50", ours, theirs, "an echo in Python (the limit)", "us")


ENTRIES: dict[str, Callable[[], Comparison]] = {
    "twin.primitives/s": primitives, "twin.items/s": items, "twin.round-trip/p50": round_trip,
}  # fmt: skip

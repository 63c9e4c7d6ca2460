"""A quantum device that is not the twin: ideal Bell pairs, bookkeeping in plain Python, behind the same socket.

    python tools/examples/bell_device.py device.sock --link 1:64512.1:64512.2:64512.2 --memories 64

Whoever wants to put another engine or real hardware behind `qstackd` answers the primitives of rfc_notes/twin.md; this
is about the least that will do, and shows where each answer comes from. Of qstack it takes the formats and the clock.

A pair is a Bell state, so all that can be known of it is its frame, and of each half what it was found as. That says
exactly what quantum mechanics says of Z, X and Y: halves measured in one basis agree as the frame tells, in different
ones not at all. Anything else (noise, other gates, other bases) is UNSUPPORTED here.
"""

from __future__ import annotations

import argparse
import os
import secrets
import selectors
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qstack.base.bell import BellIndex
from qstack.base.errors import WireError
from qstack.base.ids import Qna, parse_qna
from qstack.io.clock import now_ns, sample_timescale
from qstack.wire.protocols import Protocol
from qstack.wire.twin import (
    MAXIMUM_ITEMS,
    ApplyGates,
    Attach,
    Attached,
    Attempt,
    AttemptAccepted,
    AwaitHeralds,
    GatesApplied,
    Herald,
    Heralds,
    LinkEnd,
    Measure,
    Measured,
    MemoryKind,
    Outcome,
    Refused,
    Release,
    Released,
    Status,
    Swap,
    SwapOutcome,
    Swapped,
)
from qstack.wire.value import decode_message_untrusted

GRACE_NS = 500_000_000  # how long after a window its partner is waited for
DISAGREES = ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1))  # [frame][basis]: whether halves measured alike differ


@dataclass
class Pair:
    """A Bell state. `found`: what a half was measured as, (basis, bit) by side."""

    frame: int
    found: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass
class Half:
    """One qubit of a pair."""

    pair: Pair
    side: int
    partner: Half | None = None


@dataclass
class Window:
    """Attempts of both ends, and the station's question."""

    end_ns: int
    offers: dict[Qna, tuple[int, ...]] = field(default_factory=dict)
    ask: tuple[Qna, AwaitHeralds] | None = None
    heralds: tuple[Herald, ...] | None = None


@dataclass(frozen=True)
class Link:
    """Two ends and the node whose device is told of heralds."""

    ends: tuple[Qna, Qna]
    station: Qna


class BellDevice:
    """All devices of a network, as `qtwind` is. Results are sent when they are known; hosts hold them until then."""

    def __init__(self, links: dict[int, Link], memories: int, cycle_ns: int) -> None:
        self.identity = secrets.randbits(64)
        self.links = links
        self.memories = memories
        self.cycle_ns = cycle_ns
        self.halves: dict[tuple[Qna, int], Half] = {}
        self.windows: dict[tuple[int, int, int], Window] = {}
        self.used: dict[tuple[int, Qna], int] = {}  # first cycle of a link that an end has not used
        self.hosts: dict[Qna, socket.socket] = {}

    # ---- what a host may ask ----

    def request(self, node: Qna, asked: Any, now: int) -> None:
        """Answer a request of a node, now or when its partner has asked too."""
        match asked:
            case Attempt():
                self.attempt(node, asked, now)
            case AwaitHeralds():
                self.await_heralds(node, asked, now)
            case Measure():
                found = tuple(self.measure(node, each.qubit, each.basis) for each in asked.measurements)
                self.say(node, Measured(**at(asked), outcomes=found))
            case Swap():
                swapped = tuple(self.swap(node, each.first, each.second) for each in asked.couples)
                self.say(node, Swapped(**at(asked), outcomes=swapped))
            case ApplyGates():
                turned = tuple(self.turn(node, each.qubit, each.gate) for each in asked.gates)
                self.say(node, GatesApplied(**at(asked), statuses=turned))
            case Release():
                self.say(node, Released(**at(asked), statuses=tuple(self.release(node, each) for each in asked.qubits)))
            case _:
                self.refuse(node, asked, Status.UNSUPPORTED, now)

    def attempt(self, node: Qna, asked: Attempt, now: int) -> None:
        """Every attempt succeeds, so a window is as many successes as there are memories, from its first cycle on."""
        link, end_ns = self.links.get(asked.link), (asked.first_cycle + asked.cycles) * self.cycle_ns
        busy = {memory for (owner, memory) in self.halves if owner == node} | self.offered(node)
        if link is None or node not in link.ends:
            self.refuse(node, asked, Status.UNKNOWN_LINK, now)
        elif asked.kind != 0:
            self.refuse(node, asked, Status.UNSUPPORTED, now)
        elif now >= end_ns + GRACE_NS:
            self.refuse(node, asked, Status.LATE, now)
        elif asked.first_cycle < self.used.get((asked.link, node), 0):
            self.refuse(node, asked, Status.EARLY, now)
        elif max(asked.qubits) >= self.memories:
            self.refuse(node, asked, Status.NO_SUCH_QUBIT, now)
        elif busy & set(asked.qubits):
            self.refuse(node, asked, Status.BUSY, now)
        else:
            self.used[asked.link, node] = asked.first_cycle + asked.cycles
            window = self.windows.setdefault(name_of(asked), Window(end_ns))
            window.offers[node] = asked.qubits
            self.say(node, AttemptAccepted(request_id=asked.request_id, completed_at=now, deliver_at=now))
            self.meet(window, asked.link)

    def await_heralds(self, node: Qna, asked: AwaitHeralds, now: int) -> None:
        """The station asks which attempts succeed."""
        link, end_ns = self.links.get(asked.link), (asked.first_cycle + asked.cycles) * self.cycle_ns
        if link is None or node != link.station:
            self.refuse(node, asked, Status.UNKNOWN_LINK, now)
        elif now >= end_ns + GRACE_NS:
            self.refuse(node, asked, Status.LATE, now)
        else:
            window = self.windows.setdefault(name_of(asked), Window(end_ns))
            window.ask = (node, asked)
            self.meet(window, asked.link)

    def meet(self, window: Window, link: int) -> None:
        """Make the pairs once both ends have attempted and the station listens."""
        ends = self.links[link].ends
        if window.ask is None or any(end not in window.offers for end in ends):
            return
        if window.heralds is None:
            cycles = window.ask[1].cycles
            number = min(cycles, MAXIMUM_ITEMS, *(len(window.offers[end]) for end in ends))
            window.heralds = tuple(self.make(ends, window, n) for n in range(number))
        self.tell(window, link, Status.OK, window.end_ns)

    def make(self, ends: tuple[Qna, Qna], window: Window, n: int) -> Herald:
        """The n-th success: linear optics tells two Bell states apart."""
        frame = secrets.choice((BellIndex.PSI_PLUS, BellIndex.PSI_MINUS))
        pair = Pair(frame)
        halves = [Half(pair, side) for side in (0, 1)]
        for half, other, end in zip(halves, reversed(halves), ends, strict=True):
            half.partner = other
            self.halves[end, window.offers[end][n]] = half
        return Herald(offset=n, bell_index=frame)

    def tell(self, window: Window, link: int, status: Status, known_ns: int) -> None:
        """Answer the station."""
        if window.ask is None:
            return
        (node, asked), window.ask = window.ask, None
        attempted = LinkEnd(0)
        for flag, end in zip(LinkEnd, sorted(self.links[link].ends), strict=True):
            attempted |= flag if end in window.offers else LinkEnd(0)
        self.say(node, Heralds(
            request_id=asked.request_id, status=status, completed_at=window.end_ns, deliver_at=known_ns,
            link=asked.link, first_cycle=asked.first_cycle, cycles=asked.cycles, attempted=attempted,
            heralds=window.heralds or (),
        ))  # fmt: skip

    def measure(self, node: Qna, memory: int, basis: int) -> Outcome:
        """As the other half says, if it was measured alike, else by chance."""
        half = self.halves.get((node, memory))
        if half is None:
            return Outcome(status=Status.EMPTY)
        if basis > 2:
            return Outcome(status=Status.UNSUPPORTED)
        del self.halves[node, memory]
        other = half.pair.found.get(1 - half.side)
        known = other is not None and other[0] == basis
        bit = other[1] ^ DISAGREES[half.pair.frame][basis] if other is not None and known else secrets.randbits(1)
        half.pair.found[half.side] = (basis, bit)
        return Outcome(status=Status.OK, bit=bit)

    def swap(self, node: Qna, first: int, second: int) -> SwapOutcome:
        """Frames and outcome add up; the halves elsewhere are a pair."""
        one, two = self.halves.get((node, first)), self.halves.get((node, second))
        if one is None or two is None or one is two:
            return SwapOutcome(status=Status.EMPTY if one is not two else Status.BUSY)
        del self.halves[node, first], self.halves[node, second]
        if one.pair is two.pair:
            return SwapOutcome(status=Status.OK, bell_index=BellIndex(one.pair.frame))
        outcome = secrets.randbits(2)
        joined = Pair(one.pair.frame ^ two.pair.frame ^ outcome)
        for side, used in enumerate((one, two)):
            if 1 - used.side in used.pair.found:
                joined.found[side] = used.pair.found[1 - used.side]
            if used.partner is not None:
                used.partner.pair, used.partner.side = joined, side
        if one.partner is not None and two.partner is not None:
            one.partner.partner, two.partner.partner = two.partner, one.partner
        return SwapOutcome(status=Status.OK, bell_index=BellIndex(outcome))

    def turn(self, node: Qna, memory: int, gate: int) -> Status:
        """A Pauli turns the frame."""
        half = self.halves.get((node, memory))
        if half is None:
            return Status.EMPTY
        if gate > 3:
            return Status.UNSUPPORTED
        half.pair.frame ^= gate
        return Status.OK

    def release(self, node: Qna, memory: int) -> Status:
        """Empty a memory, or take it back from the window that it is offered to."""
        if self.halves.pop((node, memory), None) is not None:
            return Status.OK
        for window in self.windows.values():
            if window.heralds is None and memory in window.offers.get(node, ()):
                window.offers[node] = tuple(each for each in window.offers[node] if each != memory)
                return Status.OK
        return Status.EMPTY

    def offered(self, node: Qna) -> set[int]:
        """Memories that wait for a success."""
        waiting = (each for each in self.windows.values() if each.heralds is None)
        return {memory for window in waiting for memory in window.offers.get(node, ())}

    # ---- hosts come and go, and time passes ----

    def attach(self, asked: Attach, host: socket.socket, now: int) -> Qna | None:
        """Serve a node on a connection: its memories are empty."""
        if asked.version != 2 or not any(asked.node in (*link.ends, link.station) for link in self.links.values()):
            status = Status.UNSUPPORTED if asked.version != 2 else Status.UNKNOWN_NODE
            refused = Refused(request_id=asked.request_id, status=status, completed_at=now, deliver_at=now)
            host.send(refused.encode())
            return None
        self.forget(asked.node)
        self.hosts[asked.node] = host
        self.say(asked.node, Attached(
            request_id=asked.request_id, identity=self.identity, secret=1, qubits=self.memories,
            memories=(MemoryKind(first=0, count=self.memories),),
        ))  # fmt: skip
        return asked.node

    def forget(self, node: Qna) -> None:
        """The host of a node is gone, and what only it knew of."""
        self.hosts.pop(node, None)
        self.halves = {place: half for place, half in self.halves.items() if place[0] != node}
        for window in self.windows.values():
            if window.heralds is None:
                window.offers.pop(node, None)
            if window.ask is not None and window.ask[0] == node:
                window.ask = None

    def pass_time(self, now: int) -> None:
        """Windows whose grace is over had no partner."""
        for name in [name for name, window in self.windows.items() if window.end_ns + GRACE_NS <= now]:
            self.tell(self.windows[name], name[0], Status.NO_PARTNER, now)
            del self.windows[name]

    def say(self, node: Qna, result: Any) -> None:
        """Send a result to a node's host, if there is one."""
        if node in self.hosts:
            self.hosts[node].send(result.encode())

    def refuse(self, node: Qna, asked: Any, status: Status, now: int) -> None:
        """The request as a whole failed."""
        self.say(node, Refused(request_id=asked.request_id, status=status, completed_at=now, deliver_at=now))


def name_of(asked: Attempt | AwaitHeralds) -> tuple[int, int, int]:
    """How both ends and the station call a window."""
    return asked.link, asked.first_cycle, asked.cycles


def at(asked: Any) -> dict[str, int]:
    """Nothing takes time here: complete, and known, at the instant that the request names."""
    return {"request_id": asked.request_id, "completed_at": asked.instant, "deliver_at": asked.instant}


def serve(path: Path, device: BellDevice) -> None:
    """Answer hosts until killed."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(os.fspath(path))
    listener.listen()
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    print(f"ready: {path}", flush=True)
    while True:
        scale = sample_timescale(1_000)
        for key, _ in ready.select(0.05):
            sock: Any = key.fileobj
            if sock is listener:
                ready.register(listener.accept()[0], selectors.EVENT_READ)
            elif not answer(device, sock, key.data, scale.domain(now_ns()), ready):
                ready.unregister(sock)
                sock.close()
        device.pass_time(scale.domain(now_ns()))


def answer(device: BellDevice, sock: socket.socket, node: Qna | None, now: int, ready: Any) -> bool:
    """Take one datagram of a connection; False when there will be no more."""
    try:
        octets = sock.recv(1 << 18)
        asked = decode_message_untrusted(Protocol.TWIN, octets) if octets else None
        if isinstance(asked, Attach):
            ready.modify(sock, selectors.EVENT_READ, device.attach(asked, sock, now))
        elif asked is not None and node is not None and device.hosts.get(node) is sock:
            device.request(node, asked, now)
    except WireError:
        return True  # what does not decode is dropped
    except OSError:
        octets = b""
    if not octets and node is not None and device.hosts.get(node) is sock:
        device.forget(node)
    return bool(octets)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A device of ideal Bell pairs.")
    parser.add_argument("socket", type=Path, help="Unix socket for the daemons of the nodes")
    parser.add_argument("--link", action="append", required=True, metavar="ID:END:END:STATION", help="repeatable")
    parser.add_argument("--memories", type=int, default=64, help="of each node")
    parser.add_argument("--cycle-ns", type=int, default=10_000, help="length of an attempt cycle")
    options = parser.parse_args()
    links = {}
    for text in options.link:
        number, *nodes = text.split(":")
        left, right, station = map(parse_qna, nodes)
        links[int(number)] = Link((left, right), station)
    serve(options.socket, BellDevice(links, options.memories, options.cycle_ns))


if __name__ == "__main__":
    main()

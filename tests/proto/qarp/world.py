"""A classical network in virtual time, with nodes that run the machine, sessions that prove truthfully, and attackers.

A session stands in for `session`: a handshake with a locator takes some round trips and succeeds exactly if the node
there has the identity that was claimed. What an attacker lacks is an identity; everything else may be forged.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Count, Log, Seal, Sender, SendMessage, SendUnsealed
from qstack.base.ids import Qna, make_qna
from qstack.base.locator import Arrival, Locator, parse_locator
from qstack.base.services import (
    ClaimProved,
    ClaimRefuted,
    EnsurePeer,
    PeerDown,
    PeerHeard,
    PeerResolved,
    PeerUnresolved,
    PeerUp,
    ProveClaim,
)
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.proto.qarp.description import NeighbourEntry
from qstack.proto.qarp.machine import QarpMachine
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.segment import Segment
from qstack.wire.protocols import Protocol
from qstack.wire.value import decode_message_untrusted

GROUP = parse_locator("239.1.2.3:4560")
SEGMENT = Segment("lan", GROUP)
ALICE, BOB, CAROL = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3)
SECOND, MILLISECOND = SECOND_NS, MILLISECOND_NS


def at(number: int, port: int = 4560) -> Locator:
    """A locator on the segment."""
    return parse_locator(f"192.0.2.{number}:{port}")


@dataclass(frozen=True)
class Packet:
    """An unsealed datagram. `destination` None: to the group."""

    sent_ns: int
    source: Locator
    destination: Locator | None
    segment: str
    claimed: Qna  # source QNA of the header
    message: Any
    sealed_for: Qna | None = None

    @property
    def octets(self) -> int:
        return len(self.message.encode())


@dataclass(eq=False)
class Host:
    """A node of the network: its machine, and what its sessions are."""

    world: World
    qna: Qna
    locator: Locator
    machine: QarpMachine
    segment: str = "lan"
    up: dict[Qna, Locator] = field(default_factory=dict)
    alive: bool = True
    seen: list[tuple[int, Any]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    attempts: set[tuple[Qna, Locator]] = field(default_factory=set)

    # What a user of the machine does

    def serve(self, service: Any) -> None:
        self.machine.on_service(service, self.world.now_ns)
        self.drain()

    def want(self, peer: Qna) -> None:
        self.serve(EnsurePeer(peer))

    def receive(self, message: Any, sender: Sender) -> None:
        self.machine.receive(message, sender, self.world.now_ns)
        self.drain()

    def drain(self) -> None:
        for effect in self.machine.take_effects():
            self._carry_out(effect)

    def entry(self, peer: Qna) -> NeighbourEntry:
        return next(entry for entry in self.machine.describe() if entry.peer == peer)

    def events(self, kind: type) -> list[Any]:
        return [effect for _, effect in self.seen if isinstance(effect, kind)]

    def logs(self, event: str) -> list[Log]:
        return [log for log in self.events(Log) if log.event == event]

    def say_sealed(self, peer: Qna) -> None:
        """Send some other protocol's sealed datagram."""
        self.world.carry_sealed(self, peer, None)

    def lose(self, peer: Qna) -> None:
        self.up.pop(peer, None)
        self.serve(PeerDown(peer, Seal.HOP, "lost"))

    def _carry_out(self, effect: Any) -> None:
        self.seen.append((self.world.now_ns, effect))
        match effect:
            case SendUnsealed():
                segment = effect.segment or self.segment
                self.world.carry(Packet(self.world.now_ns, self.locator, effect.locator, segment, self.qna,
                                        effect.message))  # fmt: skip
            case SendMessage():
                self.world.carry_sealed(self, effect.destination, effect.message)
            case ProveClaim() | PeerResolved():
                self.world.shake_hands(self, effect.peer, effect.locator)
            case Count():
                self.counters[effect.name] = self.counters.get(effect.name, 0) + effect.amount
            case PeerUnresolved() | Log():
                pass
            case _:
                raise AssertionError(f"nobody carries out {effect}")


class World:
    """Everything that happens, in order. `loss`: chance that an unsealed or sealed datagram does not arrive."""

    def __init__(self, seed: int = 1, loss: float = 0.0, latency_ns: int = MILLISECOND) -> None:
        self.now_ns = 1_000 * SECOND
        self.loss = loss
        self.latency_ns = latency_ns
        self.refusal_ns = 20 * SECOND  # how long a handshake with nobody goes on
        self.hosts: list[Host] = []
        self.packets: list[Packet] = []
        self.taps: list[Callable[[Packet], None]] = []
        self._random = random.Random(seed)
        self._seed = seed
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = 0

    def host(
        self, qna: Qna, locator: Locator, *, segments: tuple[Segment, ...] = (SEGMENT,),
        statics: dict[Qna, tuple[Locator, ...]] | None = None, parameters: QarpParameters | None = None,
        start: bool = False, **described: Any,
    ) -> Host:  # fmt: skip
        """A node at `locator` (and saying so)."""
        chance = Chance(f"{self._seed}/{len(self.hosts)}".encode())
        described.setdefault("locators", {segment.name: (locator,) for segment in segments})
        machine = QarpMachine(qna, parameters or QarpParameters(), segments, statics or {}, chance, **described)
        host = Host(self, qna, locator, machine)
        self.hosts.append(host)
        if start:
            machine.start(self.now_ns)
        return host

    # Carrying

    def carry(self, packet: Packet) -> None:
        """Take a packet from its sender to whoever it reaches."""
        self.packets.append(packet)
        data = packet.message.encode()
        for tap in self.taps:
            tap(packet)
        for host in self.hosts:
            if packet.destination in (None, host.locator) and self._random.random() >= self.loss:
                self.after(self.latency_ns, partial(self._deliver, host, packet, data))

    def _deliver(self, host: Host, packet: Packet, data: bytes) -> None:
        if host.alive and packet.destination in (None, host.locator):
            arrival = Arrival(packet.segment, packet.source, packet.destination is None)
            message = decode_message_untrusted(Protocol.QARP, data)
            host.receive(message, Sender(packet.claimed, None, arrival, packet.claimed))

    def carry_sealed(self, host: Host, peer: Qna, message: Any) -> None:
        """A sealed datagram reaches the peer if it still is where the session is."""
        locator = host.up.get(peer)
        if locator is None or self._random.random() < self.loss:
            return
        self.packets.append(Packet(self.now_ns, host.locator, locator, host.segment, host.qna, message, peer))
        data = None if message is None else message.encode()
        self.after(self.latency_ns, lambda: self._deliver_sealed(host.qna, host.locator, peer, locator, data))

    def _deliver_sealed(self, sender: Qna, source: Locator, peer: Qna, locator: Locator, data: bytes | None) -> None:
        host = self.host_at(locator)
        if host is None or host.qna != peer or sender not in host.up:
            return
        host.serve(PeerHeard(sender, source))
        if data is not None:
            message = decode_message_untrusted(Protocol.QARP, data)
            host.receive(message, Sender(sender, Seal.HOP, Arrival(host.segment, source), sender))

    def host_at(self, locator: Locator) -> Host | None:
        return next((host for host in self.hosts if host.locator == locator and host.alive), None)

    # Sessions

    def shake_hands(self, host: Host, peer: Qna, locator: Locator) -> None:
        """A handshake with `locator`: four one-way trips, twice as many for each that is lost."""
        key = (peer, locator)
        if key in host.attempts or host.up.get(peer) == locator:
            return
        host.attempts.add(key)
        trips = 4
        while self._random.random() < self.loss and trips < 2_000:
            trips *= 4
        self.after(trips * self.latency_ns, lambda: self._finish(host, peer, locator))

    def _finish(self, host: Host, peer: Qna, locator: Locator) -> None:
        there = self.host_at(locator)
        if there is None or there is host:
            self.after(self.refusal_ns, lambda: self._refute(host, peer, locator))
        elif there.qna != peer:
            self._refute(host, peer, locator)
        else:
            self._connect(host, there)

    def _refute(self, host: Host, peer: Qna, locator: Locator) -> None:
        host.attempts.discard((peer, locator))
        if host.up.get(peer) != locator:
            host.serve(ClaimRefuted(peer, locator, "not there"))

    def _connect(self, host: Host, there: Host) -> None:
        host.attempts.discard((there.qna, there.locator))
        if host.qna == there.qna:
            host.serve(ClaimProved(there.qna, there.locator))
            return
        known = there.qna in host.up and host.qna in there.up
        host.up[there.qna], there.up[host.qna] = there.locator, host.locator
        host.serve(ClaimProved(there.qna, there.locator))
        if not known:
            host.serve(PeerUp(there.qna, Seal.HOP, there.locator))
            there.serve(PeerUp(host.qna, Seal.HOP, host.locator))

    # Time

    def after(self, delay_ns: int, act: Callable[[], None]) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (self.now_ns + delay_ns, self._numbers, act))

    def run(self, duration_ns: int) -> None:
        """Let time pass."""
        end_ns = self.now_ns + duration_ns
        while (next_ns := self._next_ns()) is not None and next_ns <= end_ns:
            self.now_ns = max(self.now_ns, next_ns)
            while self._events and self._events[0][0] <= self.now_ns:
                heapq.heappop(self._events)[2]()
            self._deadlines()
        self.now_ns = end_ns

    def run_until(self, done: Callable[[], bool], limit_ns: int) -> int:
        """Let time pass, from event to event, until `done`; give how long it took."""
        began_ns = self.now_ns
        while not done():
            next_ns = self._next_ns()
            assert next_ns is not None and next_ns <= began_ns + limit_ns, "it did not come to that"
            self.run(max(0, next_ns - self.now_ns))
        return self.now_ns - began_ns

    def _next_ns(self) -> int | None:
        times = [host.machine.next_deadline() for host in self.hosts if host.alive]
        times += [self._events[0][0]] if self._events else []
        return min((time for time in times if time is not None), default=None)

    def _deadlines(self) -> None:
        for host in self.hosts:
            deadline_ns = host.machine.next_deadline()
            if host.alive and deadline_ns is not None and deadline_ns <= self.now_ns:
                host.machine.handle_deadline(self.now_ns)
                host.drain()

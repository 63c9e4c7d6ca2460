"""Session machines on a bad network under a virtual clock: every octet that crosses is a real datagram.

END is played without hops: what hop seals would carry travels in header and payload alone.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Count, Log, Seal, SendDatagram, Sender, SendMessage, SendUnsealed
from qstack.base.errors import WireError
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Epoch, Qna, make_qna
from qstack.base.locator import Arrival, Locator
from qstack.base.services import ClaimProved, ClaimRefuted, EnsurePeer, PeerDown, PeerResolved, PeerUp, ProveClaim
from qstack.base.time import Instant
from qstack.proto.session.carrier import HandshakeMessage
from qstack.proto.session.machine import SessionMachine
from qstack.proto.session.params import SessionParameters
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.wire.header import HEADER_SIZE, EndHeader, Header, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, decode_message_untrusted, decode_record_untrusted

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


@dataclass
class Weather:
    """What the network does to a datagram. `delay_ns` one way, plus up to `jitter_ns`."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay_ns: int = 5 * MILLISECOND
    jitter_ns: int = 0


def at(number: int) -> Qna:
    return make_qna(64512, number)


def home(qna: Qna) -> Locator:
    return Locator(bytes((127, 0, 0, qna & 255)), 4560)


class Station:
    """A node that has nothing but a session machine. `services` is what it has told the others of the node."""

    def __init__(
        self, network: "Network", qna: Qna, handshakes: HandshakeFactory, seed: bytes, parameters: SessionParameters
    ) -> None:
        self.network = network
        self.qna = qna
        self.locator = home(qna)
        self.key_log: list[str] = []
        self.machine = SessionMachine(
            qna, network.scope, parameters, Chance(seed), handshakes, key_log=self.key_log.append
        )
        self.services: list[Any] = []
        self.counts: dict[str, int] = {}
        self.logs: list[Log] = []
        self.received: list[tuple[Qna, bytes]] = []

    # --- what tests do with it

    def connect(self, peer: "Station | Qna", locator: Locator | None = None) -> None:
        qna = peer.qna if isinstance(peer, Station) else peer
        if self.network.scope is Seal.HOP:
            self.machine.on_service(PeerResolved(qna, locator or home(qna)), self.network.now_ns)
        else:
            self.machine.on_service(EnsurePeer(qna, Seal.END), self.network.now_ns)
        self.settle()

    def prove(self, peer: Qna, locator: Locator) -> None:
        self.machine.on_service(ProveClaim(peer, locator), self.network.now_ns)
        self.settle()

    def say(self, peer: "Station", payload: bytes, *, encrypt: bool = False) -> bytes:
        """Send sealed octets; give the datagram."""
        datagram = self.make_datagram(peer.qna, Protocol.PAYLOAD, payload, encrypt=encrypt)
        self.network.send(self, self.machine.locator_of(peer.qna) or peer.locator, datagram)
        return datagram

    def of(self, kind: type) -> list[Any]:
        """The services of a kind that were yielded so far."""
        return [service for service in self.services if isinstance(service, kind)]

    # --- what a node would do

    def settle(self) -> None:
        while effects := self.machine.take_effects():
            for effect in effects:
                self._carry_out(effect)

    def deadline(self) -> None:
        self.machine.handle_deadline(self.network.now_ns)
        self.settle()

    def receive(self, datagram: bytes, source: Locator) -> None:
        try:
            header, offset = decode_header_untrusted(datagram)
            if header.destination == self.qna:
                self._receive(datagram, header, offset, Arrival("lab", source))
        except WireError:
            self.counts["malformed"] = self.counts.get("malformed", 0) + 1
        self.settle()

    def make_datagram(self, peer: Qna, protocol: int, payload: bytes, *, encrypt: bool = False) -> bytes:
        now_ns = self.network.now_ns
        header = Header(next_protocol=protocol, source=self.qna, destination=peer)
        if self.network.scope is Seal.HOP:
            return self.machine.seal_hop(peer, header, payload, encrypt, now_ns)
        header = header.replace(next_protocol=Protocol.END)
        end = EndHeader(next_protocol=protocol, epoch=Epoch(0), packet_number=0)
        return whole(header, self.machine.seal_end(peer, header, end, payload, encrypt, now_ns))

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case SendUnsealed():
                self._send_open(effect.message, effect.destination, effect.locator)
            case SendMessage() if isinstance(effect.message, HandshakeMessage):
                self._send_open(effect.message, effect.destination, None)
            case SendMessage():
                datagram = self.make_datagram(effect.destination, Protocol.SESSION, effect.message.encode())
                where = self.machine.locator_of(effect.destination) or home(effect.destination)
                self.network.send(self, where, datagram)
            case SendDatagram():
                self.network.send(self, effect.locator, effect.datagram)
            case Count():
                self.counts[effect.name] = self.counts.get(effect.name, 0) + effect.amount
            case Log():
                self.logs.append(effect)
            case PeerUp() | PeerDown() | ClaimProved() | ClaimRefuted():
                self.services.append(effect)
            case _:
                raise AssertionError(effect)

    def _send_open(self, message: Any, destination: Qna, locator: Locator | None) -> None:
        header = Header(next_protocol=Protocol.SESSION, source=self.qna, destination=destination)
        self.network.send(self, locator or home(destination), whole(header, message.encode()))

    def _receive(self, datagram: bytes, header: Header, offset: int, arrival: Arrival) -> None:
        now_ns = self.network.now_ns
        if self.network.scope is Seal.HOP and header.epoch:
            opened = self.machine.open_hop_untrusted(datagram, header, offset, arrival.source, now_ns)
            self._receive_opened(header.next_protocol, opened, Seal.HOP, arrival)
        elif self.network.scope is Seal.END and header.next_protocol == Protocol.END:
            payload = datagram[offset:]
            end, inner = decode_record_untrusted(EndHeader, payload, 0, len(payload))
            opened = self.machine.open_end_untrusted(header, end, payload, inner, now_ns)
            self._receive_opened(end.next_protocol, opened, Seal.END, arrival)
        else:
            seal = None if self.network.scope is Seal.HOP else Seal.HOP
            self._dispatch(datagram[offset:], Sender(header.source, seal, arrival, header.source))

    def _receive_opened(self, protocol: int, opened: tuple[Qna, bytes] | None, seal: Seal, arrival: Arrival) -> None:
        if opened is None:
            return
        peer, payload = opened
        if protocol == Protocol.SESSION:
            self._dispatch(payload, Sender(peer, seal, arrival, peer))
        else:
            self.received.append((peer, payload))

    def _dispatch(self, payload: bytes, sender: Sender) -> None:
        message: Message = decode_message_untrusted(Protocol.SESSION, payload)
        self.machine.receive(message, sender, self.network.now_ns)


@dataclass
class Crossing:
    """A datagram that was sent, whether it arrived or not."""

    at_ns: int
    source: Locator
    destination: Locator
    datagram: bytes


@dataclass
class Network:
    """Stations, a clock and the weather. The same seed is the same run."""

    scope: Seal = Seal.HOP
    seed: int = 0
    weather: Weather = field(default_factory=Weather)
    parameters: SessionParameters = field(default_factory=SessionParameters)
    now_ns: Instant = Instant(1_000 * SECOND)
    stations: dict[Locator, Station] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)
    judge: Callable[[Any], str] = lambda identity: ""
    tap: Callable[[Crossing], bool] = lambda crossing: True
    _queue: list[tuple[int, int, Locator, Locator, bytes]] = field(default_factory=list)
    _order: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def station(
        self, number: int, handshakes: HandshakeFactory | None = None, *, life: int = 1, shown: int | None = None
    ) -> Station:
        """A new node (again, for another `life`: a restart). `shown`: whose certificate it has."""
        qna = at(number)
        seed = b"%d:%d:%d" % (self.seed, number, life)
        factory = handshakes or FakeHandshakeFactory(
            fake_identity(at(shown or number), (f"urn:qkd:node{number}",)), Chance(b"tls" + seed), self.judge
        )
        station = Station(self, qna, factory, seed, self.parameters)
        self.stations[station.locator] = station
        return station

    def pair(self, first: int = 1, second: int = 2) -> tuple[Station, Station]:
        """Two nodes with an epoch between them."""
        one, two = self.station(first), self.station(second)
        one.connect(two)
        self.run(2 * SECOND)
        assert one.machine.is_up(two.qna) and two.machine.is_up(one.qna)
        return one, two

    def send(self, source: Station, destination: Locator, datagram: bytes) -> None:
        assert len(datagram) <= 1_232
        crossing = Crossing(self.now_ns, source.locator, destination, datagram)
        self.crossings.append(crossing)
        if self.tap(crossing):
            self.inject(source.locator, destination, datagram)

    def inject(self, source: Locator, destination: Locator, datagram: bytes) -> None:
        """Bring a datagram to the network, from whomever."""
        weather = self.weather
        for _ in range(1 + (self.random.random() < weather.duplication)):
            if self.random.random() < weather.loss:
                continue
            octets = datagram
            if self.random.random() < weather.corruption:
                octets = flipped(datagram, self.random.randrange(8 * len(datagram)))
            self._order += 1
            due = self.now_ns + weather.delay_ns + round(self.random.random() * weather.jitter_ns)
            heapq.heappush(self._queue, (due, self._order, source, destination, octets))

    def run(self, for_ns: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass. True, and early, when `until` holds."""
        end_ns = self.now_ns + for_ns
        while not until():
            deadlines = [at for each in self.stations.values() if (at := each.machine.next_deadline()) is not None]
            next_ns = min([*deadlines, *(entry[0] for entry in self._queue[:1])], default=end_ns + 1)
            if next_ns > end_ns:
                self.now_ns = Instant(end_ns)
                return until()
            self.now_ns = Instant(max(self.now_ns, next_ns))
            self._step()
        return True

    def _step(self) -> None:
        while self._queue and self._queue[0][0] <= self.now_ns:
            _, _, source, destination, octets = heapq.heappop(self._queue)
            if destination in self.stations:
                self.stations[destination].receive(octets, source)
        for station in list(self.stations.values()):
            deadline = station.machine.next_deadline()
            if deadline is not None and deadline <= self.now_ns:
                station.deadline()


def whole(header: Header, payload: bytes) -> bytes:
    return header.replace(length=HEADER_SIZE + len(payload)).encode() + payload


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

"""From a message to datagrams: which neighbour, which seals, which place in the reliable flow.

A message waits, bounded, while the session that it needs is being made. Everything that is sealed here passes
`_transmit`, so there is one place where a datagram gets its hop seal; what `session` tries a locator with has it
already.
"""

from collections import deque
from dataclasses import dataclass

from qstack.base.effects import NO_LABEL, Seal, SendDatagram, SendMessage, SendUnsealed
from qstack.base.errors import QstackError
from qstack.base.ids import Epoch, Label, Qna
from qstack.base.locator import Locator
from qstack.base.services import EnsurePeer, Routes
from qstack.base.time import Instant
from qstack.node.counters import Counters
from qstack.node.flows import Envelope, Flows
from qstack.proto.session.machine import SessionMachine
from qstack.wire.header import HEADER_SIZE, EndHeader, Header, TrafficClass
from qstack.wire.protocols import Protocol
from qstack.wire.value import Tlv

__all__ = ["Egress", "Outbound"]

_WAITING_LIMIT = 256  # messages that wait for one session
_CLASSES = {
    Protocol.LINK: TrafficClass.HERALD, Protocol.CIRCUIT: TrafficClass.SIGNALLING,
    Protocol.UNIT: TrafficClass.SIGNALLING, Protocol.SESSION: TrafficClass.SIGNALLING,
    Protocol.QARP: TrafficClass.SIGNALLING, Protocol.ROUTE: TrafficClass.SIGNALLING,
    Protocol.EPR: TrafficClass.SIGNALLING, Protocol.HEADER: TrafficClass.MANAGEMENT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outbound:
    """A datagram to be sent: to `locator`, or, when it is None, to everybody on `segment`."""

    datagram: bytes
    locator: Locator | None
    segment: str | None = None


class Egress:
    """What leaves the node `own`."""

    def __init__(
        self, own: Qna, routes: Routes, hop: SessionMachine, end: SessionMachine, flows: Flows, counters: Counters
    ) -> None:
        self.own = own
        self.routes = routes
        self.wanted: list[EnsurePeer] = []  # sessions that messages wait for; the node asks for them
        self._hop = hop
        self._end = end
        self._flows = flows
        self._counters = counters
        self._outbox: list[Outbound] = []
        self._waiting: dict[tuple[Qna, Seal], deque[SendMessage]] = {}

    def take(self) -> list[Outbound]:
        """The datagrams to be sent, in order."""
        taken, self._outbox = self._outbox, []
        return taken

    def send_unsealed(self, effect: SendUnsealed) -> None:
        """Before there is a session: flights of a handshake between neighbours, and address resolution."""
        header = self._header(effect.destination, effect.message.PROTOCOL)
        payload = effect.message.encode()
        header = header.replace(length=HEADER_SIZE + len(payload))
        self._outbox.append(Outbound(header.encode() + payload, effect.locator, effect.segment))

    def send_datagram(self, effect: SendDatagram) -> None:
        """What `session` has sealed itself, to try a locator."""
        self._outbox.append(Outbound(effect.datagram, effect.locator))

    def send(self, effect: SendMessage, now_ns: Instant) -> None:
        """Send a message, or let it wait for its session."""
        party = (effect.destination if effect.seal is Seal.END else self._next_hop(effect.destination), effect.seal)
        if party[0] is None:
            self._counters.add("egress.no_route")
        elif not self._machine(effect.seal).is_up(party[0]):
            self._wait(party[0], effect)
        elif effect.message.RELIABLE and party[0] == effect.destination:
            self._send_reliably((party[0], effect.seal), effect, now_ns)
        else:
            envelope = Envelope(effect.message.PROTOCOL, effect.message.CONFIDENTIAL, effect.label)
            self._emit(effect.destination, effect.seal, effect.message.encode(), envelope, 0, now_ns)

    def session_up(self, peer: Qna, seal: Seal, now_ns: Instant) -> None:
        """Send what has waited for this session."""
        for effect in self._waiting.pop((peer, seal), ()):
            self.send(effect, now_ns)

    def give_up(self, peer: Qna, seal: Seal) -> int:
        """Drop what waits for a session that will not come; tell how many messages that were."""
        dropped = len(self._waiting.pop((peer, seal), ()))
        self._counters.add("egress.unreachable", dropped)
        return dropped

    def pump(self, now_ns: Instant) -> None:
        """Transmit what the reliable flows have due, and acknowledgements that nothing else has carried."""
        for (peer, seal), message in self._flows.due(now_ns):
            if not self._machine(seal).is_up(peer):
                continue
            if message is None:
                self._emit(peer, seal, b"", Envelope(Protocol.NONE, False, NO_LABEL), 0, now_ns)
            else:
                self._emit(peer, seal, message.payload, message.context, message.sequence, now_ns)

    def forward(self, header: Header, payload: bytes, next_hop: Qna, now_ns: Instant) -> None:
        """Seal for the next hop what another node has sent."""
        if not self._hop.is_up(next_hop):
            self._counters.add("forward.no_session")
            self.wanted.append(EnsurePeer(next_hop, Seal.HOP))
            return
        self._transmit(next_hop, header, payload, False, now_ns)

    def _send_reliably(self, party: tuple[Qna, Seal], effect: SendMessage, now_ns: Instant) -> None:
        envelope = Envelope(effect.message.PROTOCOL, effect.message.CONFIDENTIAL, effect.label)
        try:
            self._flows.send(party, effect.message.encode(), envelope, now_ns)
        except QstackError:
            self._counters.add("egress.flow_full")

    def _wait(self, peer: Qna, effect: SendMessage) -> None:
        waiting = self._waiting.setdefault((peer, effect.seal), deque())
        if len(waiting) >= _WAITING_LIMIT:
            self._counters.add("egress.waiting_full")
            return
        waiting.append(effect)
        self.wanted.append(EnsurePeer(peer, effect.seal))

    def _emit(
        self, destination: Qna, seal: Seal, payload: bytes, envelope: Envelope, sequence: int, now_ns: Instant
    ) -> None:
        """Put the seals around one payload."""
        position = self._flows.position((destination, seal), sequence)
        options: tuple[Tlv, ...] = () if position is None else (position,)
        header = self._header(destination, envelope.protocol if seal is Seal.HOP else Protocol.END, envelope.label)
        confidential = envelope.confidential
        if seal is Seal.END:
            inner = EndHeader(next_protocol=envelope.protocol, epoch=Epoch(0), packet_number=0, options=options)
            payload = self._end.seal_end(destination, header, inner, payload, confidential, now_ns)
            confidential, options = False, ()
        hop = self._next_hop(destination)
        if hop is None or not self._hop.is_up(hop):
            self._counters.add("egress.no_session")
            if hop is not None:
                self.wanted.append(EnsurePeer(hop, Seal.HOP))
            return
        self._transmit(hop, header.replace(options=options) if options else header, payload, confidential, now_ns)

    def _transmit(self, hop: Qna, header: Header, payload: bytes, confidential: bool, now_ns: Instant) -> None:
        datagram = self._hop.seal_hop(hop, header, payload, confidential, now_ns)
        self._outbox.append(Outbound(datagram, self._hop.locator_of(hop)))

    def _header(self, destination: Qna, protocol: int, label: Label = NO_LABEL) -> Header:
        traffic_class = _CLASSES.get(Protocol(protocol), TrafficClass.BEST_EFFORT)
        return Header(next_protocol=protocol, source=self.own, destination=destination, label=label,
                      traffic_class=traffic_class)  # fmt: skip

    def _next_hop(self, destination: Qna) -> Qna | None:
        return self.routes.next_hop(destination)

    def _machine(self, seal: Seal) -> SessionMachine:
        return self._hop if seal is Seal.HOP else self._end



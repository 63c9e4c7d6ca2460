"""From a datagram to messages: header, hop seal, forwarding, end seal, reliable flow, codec.

Laws: any octets may come in, and the worst that they do is to add one to a counter. Nothing is looked at behind a seal
that did not open. Between neighbours only the neighbour speaks: what arrives in another node's name is forwarded
traffic, and of that only what is protected by itself counts (the end seal, handshakes of the end session) or is advice
(errors).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation, WireError
from qstack.base.ids import Qna
from qstack.base.locator import Arrival
from qstack.base.services import Routes
from qstack.base.time import Instant
from qstack.machine.exchange import Delivery
from qstack.node.counters import Counters
from qstack.node.flows import Envelope, Flows
from qstack.proto.session.machine import SessionMachine
from qstack.wire.header import EndHeader, ExchangeTlv, Header, HeaderFlag, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, UnknownTlv, decode_message_untrusted, decode_record_untrusted

__all__ = ["Forgotten", "Forwardable", "Ingress", "Received", "Undecodable"]

_UNSEALED = frozenset({Protocol.SESSION, Protocol.QARP})
_FROM_AFAR = frozenset({Protocol.END, Protocol.SESSION, Protocol.HEADER})
_OVER_END = frozenset({Protocol.UNIT, Protocol.HEADER, Protocol.SESSION, Protocol.PAYLOAD, Protocol.NONE})


@dataclass(frozen=True, slots=True)
class Received:
    """A message for this node."""

    message: Message
    sender: Sender


@dataclass(frozen=True, slots=True)
class Forwardable:
    """A datagram for another node, its hop seal opened."""

    header: Header
    payload: bytes
    neighbour: Qna


@dataclass(frozen=True, slots=True)
class Forgotten:
    """For this node, under the end seal of an epoch that it does not know (any more): worth an error report."""

    header: Header


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Something sealed that did not decode: worth an error report. `protocol` is what it said to be."""

    header: Header
    neighbour: Qna
    protocol: int
    error: WireError


class UnknownCriticalTlv(WireError):
    """It decodes, and asks not to be understood in part."""

    code = ErrorCode.UNKNOWN_CRITICAL_TLV


class Ingress:
    """What enters the node `own`."""

    def __init__(
        self, own: Qna, routes: Routes, hop: SessionMachine, end: SessionMachine, flows: Flows, counters: Counters
    ) -> None:
        self.own = own
        self._routes = routes
        self._hop = hop
        self._end = end
        self._flows = flows
        self._counters = counters

    def take_untrusted(
        self, datagram: bytes, arrival: Arrival, now_ns: Instant
    ) -> Iterator[Received | Forgotten | Forwardable | Undecodable]:
        """Everything that a datagram turns out to hold. Raises nothing for what is in it."""
        self._counters.add("datagrams.received")
        try:
            header, offset = decode_header_untrusted(datagram)
        except WireError:
            self._counters.add("header.malformed")
            return
        if header.epoch:
            yield from self._sealed_untrusted(datagram, header, offset, arrival, now_ns)
        else:
            yield from self._unsealed_untrusted(datagram, header, offset, arrival)

    def _unsealed_untrusted(
        self, datagram: bytes, header: Header, offset: int, arrival: Arrival
    ) -> Iterator[Received]:
        if header.next_protocol not in _UNSEALED:  # our own QNA as source may be a rival's (QARP-6-3, SESSION-6.6)
            self._counters.add("header.unsealed_refused")
            return
        if header.destination not in (self.own, 0) and header.next_protocol == Protocol.SESSION:
            self._counters.add("header.not_for_us")
            return
        if header.next_protocol == Protocol.SESSION and not self._may_call(header.source):
            self._counters.add("header.strangers")
            return
        sender = Sender(header.source, None, arrival, header.source)
        try:
            yield Received(_decode_untrusted(header.next_protocol, datagram[offset:]), sender)
        except WireError:
            self._counters.add(f"{_name(header.next_protocol)}.malformed")

    def _may_call(self, source: Qna) -> bool:
        """HEADER-8-7: a hop session with anybody else would be a door for what it forwards, and of use to nobody."""
        return source == self.own or self._routes.next_hop(source) == source

    def _sealed_untrusted(
        self, datagram: bytes, header: Header, offset: int, arrival: Arrival, now_ns: Instant
    ) -> Iterator[Received | Forgotten | Forwardable | Undecodable]:
        opened = self._hop.open_hop_untrusted(datagram, header, offset, arrival.source, now_ns)
        if opened is None:
            return
        neighbour, payload = opened
        if header.source == self.own:  # forwarded, it would carry our own seal to the next neighbour
            self._counters.add("header.own_source")
            return
        if header.destination != self.own:
            yield Forwardable(header, payload, neighbour)
            return
        if header.source != neighbour and header.next_protocol not in _FROM_AFAR:
            self._counters.add("header.source_refused")
            return
        try:
            yield from self._hop_opened(header, payload, neighbour, arrival, now_ns)
        except WireError as error:
            yield self._undecodable(header, neighbour, header.next_protocol, error)
        except PeerViolation:
            self._counters.add("flow.violations")

    def _hop_opened(
        self, header: Header, payload: bytes, neighbour: Qna, arrival: Arrival, now_ns: Instant
    ) -> Iterator[Received | Forgotten | Undecodable]:
        _refuse_unknown_critical(header.options)
        envelope = Envelope(header.next_protocol, bool(header.flags & HeaderFlag.ENCRYPTED), header.label)
        party = (neighbour, Seal.HOP)
        position = _position(header.options) if header.source == neighbour else None
        for delivery in self._flows.receive(party, position, payload, envelope, now_ns):
            protocol = delivery.context.protocol
            if protocol == Protocol.END:
                yield from self._end_untrusted(header, delivery.payload, neighbour, arrival, now_ns)
            elif protocol != Protocol.NONE:
                sender = Sender(header.source, Seal.HOP, arrival, neighbour, delivery.context.label)
                yield from self._checked(header, delivery, sender)

    def _end_untrusted(
        self, header: Header, payload: bytes, neighbour: Qna, arrival: Arrival, now_ns: Instant
    ) -> Iterator[Received | Forgotten | Undecodable]:
        inner, offset = decode_record_untrusted(EndHeader, payload, 0, len(payload))
        opened = self._end.open_end_untrusted(header, inner, payload, offset, now_ns)
        if opened is None:
            if not self._end.knows(inner.epoch):
                yield Forgotten(header)
            return
        peer, body = opened
        if peer != header.source or inner.next_protocol not in _OVER_END:
            self._counters.add("end.refused")
            return
        _refuse_unknown_critical(inner.options)
        envelope = Envelope(inner.next_protocol, bool(inner.flags & HeaderFlag.ENCRYPTED), header.label)
        position = _position(inner.options)
        for delivery in self._flows.receive((peer, Seal.END), position, body, envelope, now_ns):
            if delivery.context.protocol != Protocol.NONE:
                yield from self._checked(header, delivery, Sender(peer, Seal.END, arrival, neighbour))

    def _checked(self, header: Header, delivery: Delivery, sender: Sender) -> Iterator[Received | Undecodable]:
        """One message of a row: what is wrong with it is no reason to lose those behind it."""
        protocol = delivery.context.protocol
        try:
            message = _decode_untrusted(protocol, delivery.payload)
        except WireError as error:
            yield self._undecodable(header, sender.neighbour, protocol, error)
            return
        if message.CONFIDENTIAL and not delivery.context.confidential:
            self._counters.add(f"{_name(protocol)}.not_encrypted")
            return
        yield Received(message, sender)

    def _undecodable(self, header: Header, neighbour: Qna, protocol: int, error: WireError) -> Undecodable:
        self._counters.add(f"{_name(protocol)}.malformed")
        return Undecodable(header, neighbour, protocol, error)


def _decode_untrusted(protocol: int, payload: bytes) -> Message:
    message: Message = decode_message_untrusted(protocol, payload)
    _refuse_unknown_critical(getattr(message, "options", ()))
    return message


def _position(options: tuple[object, ...]) -> ExchangeTlv | None:
    return next((tlv for tlv in options if type(tlv) is ExchangeTlv), None)


def _refuse_unknown_critical(options: tuple[object, ...]) -> None:
    for tlv in options:
        if isinstance(tlv, UnknownTlv) and tlv.critical:
            raise UnknownCriticalTlv(0, "options", f"critical TLV 0x{tlv.code:04x} is not known here")


def _name(protocol: int) -> str:
    return Protocol(protocol).name.lower() if protocol in Protocol.__members__.values() else "unknown"

"""The reliable exchanges of a node: one for each party, seal and epoch (HEADER-4.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

from qstack.base.effects import Seal
from qstack.base.errors import QstackError
from qstack.base.ids import Label, Qna
from qstack.base.time import Instant
from qstack.machine.exchange import Delivery, Exchange, ExchangeParameters, Outgoing
from qstack.wire.header import ExchangeTlv

__all__ = ["Envelope", "Flows"]

Party = tuple[Qna, Seal]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What has to be known of a message besides its octets, to send it (again) or to hand it over."""

    protocol: int
    confidential: bool
    label: Label


class Flows:
    """Exchanges by party. One begins with the party's epoch and ends with it."""

    def __init__(self, parameters: ExchangeParameters) -> None:
        self.parameters = parameters
        self._exchanges: dict[Party, Exchange] = {}
        self._overflowed: set[Party] = set()

    def begin(self, party: Party) -> None:
        """A new epoch: a new exchange."""
        self._exchanges[party] = Exchange(self.parameters)
        self._overflowed.discard(party)

    def end(self, party: Party) -> None:
        """The epoch is over, and with it whatever was not acknowledged."""
        self._exchanges.pop(party, None)
        self._overflowed.discard(party)

    def send(self, party: Party, payload: bytes, envelope: Envelope, now_ns: Instant) -> None:
        """Take a message for `party`; `due` will bring it. Raises `ResourceLimit`, `LocalMisuse`.

        A flow that had to refuse a message has failed: what comes after it must not arrive without it.
        """
        try:
            self._exchanges[party].send(payload, now_ns, envelope)
        except QstackError:
            self._overflowed.add(party)
            raise

    def receive(
        self, party: Party, tlv: ExchangeTlv | None, payload: bytes, envelope: Envelope, now_ns: Instant
    ) -> list[Delivery]:
        """Take in a datagram's position; return what can be handed over now. Raises `PeerViolation`."""
        exchange = self._exchanges.get(party)
        if tlv is None or exchange is None:
            return [Delivery(payload, envelope)]
        exchange.acknowledge(tlv.acknowledged, now_ns)
        if not tlv.sequence:
            return [Delivery(payload, envelope)]
        return exchange.receive(tlv.sequence, payload, envelope, now_ns)

    def due(self, now_ns: Instant) -> Iterator[tuple[Party, Outgoing | None]]:
        """What is to be transmitted: messages, and None for an acknowledgement alone."""
        for party, exchange in list(self._exchanges.items()):
            messages = exchange.outgoing(now_ns)
            for message in messages:
                yield party, message
            if not messages and exchange.ack_due(now_ns):
                yield party, None

    def position(self, party: Party, sequence: int = 0) -> ExchangeTlv | None:
        """The TLV for a datagram to `party`; None where there is no exchange."""
        exchange = self._exchanges.get(party)
        return None if exchange is None else ExchangeTlv(sequence=sequence, acknowledged=exchange.acknowledgement())

    def failed(self) -> list[Party]:
        """Parties that do not acknowledge any more, or not as fast as they are sent to."""
        return [party for party, exchange in self._exchanges.items() if exchange.failed or party in self._overflowed]

    def next_deadline(self) -> Instant | None:
        """When `due` next has something."""
        deadlines = [at for e in self._exchanges.values() if (at := e.next_deadline()) is not None]
        return Instant(min(deadlines)) if deadlines else None

    def unacknowledged(self, party: Party) -> int:
        """Messages that wait for an acknowledgement."""
        exchange = self._exchanges.get(party)
        return 0 if exchange is None else exchange.unacknowledged

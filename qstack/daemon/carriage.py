"""Primitives over MQTT, each once and in order, whatever the broker loses or repeats (TWIN-9.2). Sans-IO.

One `Carriage` is one end of one epoch: `machine.exchange` numbers, acknowledges and repeats, `Envelope` is the
datagram.
"""

from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS
from qstack.machine.exchange import Exchange, ExchangeParameters
from qstack.wire.broker import Envelope

__all__ = ["Carriage"]

# TWIN-9.2-3 and TWIN-9.2-4: the timeouts add up to a minute, in which a broker can be started anew.
_PARAMETERS = ExchangeParameters(
    initial_rto_ns=200 * MILLISECOND_NS, minimum_rto_ns=100 * MILLISECOND_NS, maximum_rto_ns=500 * MILLISECOND_NS,
    attempts=120, ack_delay_ns=5 * MILLISECOND_NS, send_limit=4_096, reorder_limit=256, burst=32,
)  # fmt: skip


class Carriage:
    """One end of the epoch `epoch`."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._exchange = Exchange(_PARAMETERS)

    @property
    def failed(self) -> bool:
        """The other end has acknowledged nothing for too long: it is dead, or there is no way to it."""
        return self._exchange.failed

    def send(self, octets: bytes, now_ns: Instant) -> bool:
        """Take a primitive; False when too many are on the way, or it has failed."""
        try:
            self._exchange.send(octets, now_ns)
        except (LocalMisuse, ResourceLimit):
            return False
        return True

    def receive(self, envelope: Envelope, now_ns: Instant) -> list[bytes]:
        """Take in what came; give the primitives that are to be acted upon now, in order.

        Raises `PeerViolation` for an acknowledgement of what was never sent.
        """
        if not self._exchange.failed:
            self._exchange.acknowledge(envelope.acknowledged, now_ns)
        if not envelope.number:
            return []
        return [each.payload for each in self._exchange.receive(envelope.number, envelope.primitive, None, now_ns)]

    def outgoing(self, now_ns: Instant) -> list[bytes]:
        """What is to be published now."""
        due = self._exchange.outgoing(now_ns)
        if not due and self._exchange.ack_due(now_ns):
            return [self._envelope(0, b"")]
        return [self._envelope(each.sequence, each.payload) for each in due]

    def next_deadline(self) -> Instant | None:
        """When `outgoing` next has something."""
        deadline = self._exchange.next_deadline()
        return None if deadline is None else Instant(deadline)

    def _envelope(self, number: int, primitive: bytes) -> bytes:
        acknowledged = self._exchange.acknowledgement()
        return Envelope(epoch=self.epoch, number=number, acknowledged=acknowledged, primitive=primitive).encode()

"""One reliable flow of messages: between two parties, inside one epoch, both ways, in order, exactly once.

Laws
----
1. Messages are numbered 1, 2, ... 2^32 - 1, and then from 1 again: 0 is no number, and as an acknowledgement says that
   nothing has arrived yet. Numbers compare by serial arithmetic (RFC 1982, with one number fewer in the circle).
   A new epoch is a new `Exchange`.
2. An acknowledgement is cumulative and rides in every datagram: "all up to here have arrived". It is owed `ack_delay`
   after a message. After a duplicate, which shows that the last one was lost, it is owed at once, and once more
   `ack_delay` later: where acknowledgements get lost, one alone is too few.
3. What is handed over is handed over once, in order. What comes early waits, at most `reorder_limit` numbers ahead;
   what comes even earlier is dropped, and will come again. So at most that many are on the way at a time.
4. Room is bounded on both sides: `send_limit` messages unacknowledged here, `reorder_limit` waiting there.
5. A message that stays unacknowledged after `attempts` transmissions fails the exchange, for good.

Theory
------
This is RFC 2961's MESSAGE_ID with its rapid retransmission, made ordered and given cumulative acknowledgements, and
with timeouts much as TCP has them (RFC 6298; where not, `retransmission` says why): each message waits for the present
timeout since *its own* last transmission, doubled for each time it was sent again. Only the oldest `burst` messages
are sent again: those behind them most likely arrived and are unacknowledged merely because the gap is. When the gap
closes the next one is due at once, since its own timeout went by long ago (what TCP calls a partial acknowledgement,
RFC 6582).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation, ResourceLimit
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.machine.retransmission import RttEstimator

__all__ = ["Delivery", "Exchange", "ExchangeParameters", "Outgoing"]

_CIRCLE: Final = (1 << 32) - 1  # how many numbers there are, and the largest of them
_LONG_AGO_NS: Final = -(1 << 63)
_HALF: Final = 1 << 31  # a number at least this far ahead lies behind


class Outgoing(NamedTuple):
    """A message to put into a datagram now, with its number and what `send` was given beside it."""

    sequence: int
    payload: bytes
    context: Any


class Delivery(NamedTuple):
    """A message that arrived, in order, with what `receive` was given beside it."""

    payload: bytes
    context: Any


@dataclass(frozen=True, slots=True)
class ExchangeParameters:
    """Timeouts and bounds. Both parties must agree on none of them, but `reorder_limit` should be the same."""

    initial_rto_ns: int = 50 * MILLISECOND_NS
    minimum_rto_ns: int = 3 * MILLISECOND_NS
    maximum_rto_ns: int = 2 * SECOND_NS
    attempts: int = 13
    ack_delay_ns: int = 1 * MILLISECOND_NS
    send_limit: int = 256  # messages unacknowledged, those not yet sent included
    reorder_limit: int = 64  # numbers ahead of the next in order that are kept
    burst: int = 8  # oldest messages that are sent again together

    def __post_init__(self) -> None:
        counts = (self.attempts, self.send_limit, self.reorder_limit, self.burst)
        if min(counts) < 1 or self.reorder_limit > _HALF or self.ack_delay_ns < 0:
            raise LocalMisuse(f"{self}: every count must be at least 1")


class _Pending:
    """A message not yet acknowledged. `sent_ns`: when last, or, with `attempts` 0, since when it waits to be."""

    __slots__ = ("attempts", "context", "first_sent_ns", "payload", "sent_ns", "sequence")

    def __init__(self, sequence: int, payload: bytes, context: Any, now_ns: int) -> None:
        self.sequence = sequence
        self.payload = payload
        self.context = context
        self.attempts = 0
        self.sent_ns = self.first_sent_ns = now_ns

    def transmit(self, now_ns: int) -> None:
        if not self.attempts:
            self.first_sent_ns = now_ns
        self.attempts += 1
        self.sent_ns = now_ns


class Exchange:
    """One end of the flow. `first`: the number of the first message each way."""

    def __init__(self, parameters: ExchangeParameters | None = None, *, first: int = 1) -> None:
        self.parameters = parameters = parameters or ExchangeParameters()
        self.failed = False
        self._rtt = RttEstimator(parameters.initial_rto_ns, parameters.minimum_rto_ns, parameters.maximum_rto_ns)
        self._pending: deque[_Pending] = deque()  # consecutive; those sent stand before those not yet sent
        self._in_flight = 0  # how many of them were sent
        self._next_send = first
        self._progress_ns = _LONG_AGO_NS  # when an acknowledgement last told something new
        self._next_receive = first
        self._received = 0  # the last one in order
        self._early: dict[int, Delivery] = {}
        self._ack_due_ns: int | None = None
        self._ack_again_ns: int | None = None

    @property
    def unacknowledged(self) -> int:
        """How many messages wait here for an acknowledgement, those not yet sent included."""
        return len(self._pending)

    @property
    def rto_ns(self) -> int:
        """The present retransmission timeout."""
        return self._rtt.rto_ns

    @property
    def srtt_ns(self) -> int | None:
        """The smoothed round trip, None before the first sample. It contains the peer's delay of acknowledgements."""
        return self._rtt.srtt_ns

    # Sending

    def send(self, payload: bytes, now_ns: int, context: Any = None) -> int:
        """Take a message; `outgoing` will name it. Return its number. Raises `ResourceLimit`, `LocalMisuse`."""
        if self.failed:
            raise LocalMisuse("the exchange with this peer has failed", ErrorCode.SESSION_LOST)
        if len(self._pending) >= self.parameters.send_limit:
            raise ResourceLimit(f"{len(self._pending)} messages are unacknowledged")
        sequence = self._next_send
        self._next_send = _after(sequence)
        self._pending.append(_Pending(sequence, payload, context, now_ns))
        return sequence

    def outgoing(self, now_ns: int) -> list[Outgoing]:
        """The messages to transmit now, oldest first: those due again, and new ones as far as the peer has room.

        Sets `failed`, and returns none, when one is due again that was sent for the last time.
        """
        if self.failed:
            return []
        due = [pending for pending in self._again() if self._due_ns(pending) <= now_ns]
        if any(pending.attempts >= self.parameters.attempts for pending in due):
            self._fail()
            return []
        due += self._new()
        for pending in due:
            self._in_flight += pending.attempts == 0
            pending.transmit(now_ns)
        return [Outgoing(pending.sequence, pending.payload, pending.context) for pending in due]

    def acknowledge(self, cumulative: int, now_ns: int) -> None:
        """Take in the peer's acknowledgement. Raises `PeerViolation` for what was never sent."""
        count = (cumulative - self._oldest() + 1) % _CIRCLE
        if cumulative == 0 or count == 0 or count >= _HALF:
            return  # tells nothing new: repeated, or overtaken by a later one
        if count > self._in_flight:
            raise PeerViolation(f"message {cumulative} is acknowledged but was never sent")
        gone = [self._pending.popleft() for _ in range(count)]
        self._in_flight -= count
        self._measure(gone, now_ns)

    # Receiving

    def receive(self, sequence: int, payload: bytes, context: Any, now_ns: int) -> list[Delivery]:
        """Take in a message of the peer; return what can be handed over, in order: none, one, or a row of them.

        Raises `PeerViolation` for a number that is none.
        """
        if not 1 <= sequence <= _CIRCLE:
            raise PeerViolation(f"{sequence} is no number of a message")
        ahead = (sequence - self._next_receive) % _CIRCLE
        later_ns = now_ns + self.parameters.ack_delay_ns
        if ahead >= _HALF or sequence in self._early:
            self._owe_ack(now_ns)
            self._ack_again_ns = later_ns
            return []
        self._owe_ack(later_ns)
        if ahead <= self.parameters.reorder_limit:
            self._early[sequence] = Delivery(payload, context)
        return self._in_order()

    def acknowledgement(self) -> int:
        """The cumulative number to put into the datagram being made, which it counts as sent."""
        self._ack_due_ns, self._ack_again_ns = self._ack_again_ns, None
        return self._received

    def ack_due(self, now_ns: int) -> bool:
        """Tell whether a datagram must go out for the acknowledgement alone, if none goes out anyhow."""
        return self._ack_due_ns is not None and self._ack_due_ns <= now_ns

    # Time

    def next_deadline(self) -> int | None:
        """When `outgoing` or `ack_due` next has something to say; None when nothing is awaited.

        In the past, hence at once, for a message that was never sent and for which the peer has room.
        """
        deadlines = [] if self._ack_due_ns is None else [self._ack_due_ns]
        if not self.failed:
            deadlines += [self._due_ns(pending) for pending in self._again()]
            deadlines += [pending.sent_ns for pending in self._new(1)]
        return min(deadlines, default=None)

    def _again(self) -> Iterator[_Pending]:
        """The messages that may be sent again."""
        return islice(self._pending, min(self._in_flight, self.parameters.burst))

    def _new(self, most: int = _HALF) -> Iterator[_Pending]:
        """The messages that were never sent and for which the peer has room, at most `most`."""
        return islice(self._pending, self._in_flight, min(self._in_flight + most, self.parameters.reorder_limit))

    def _due_ns(self, pending: _Pending) -> int:
        return pending.sent_ns + self._rtt.timeout_ns(pending.attempts)

    def _measure(self, gone: list[_Pending], now_ns: int) -> None:
        """Learn from an acknowledgement how long the round trip is, or may be at most.

        The newest message gives a sample when it was sent once and nothing it had to wait for was sent after it. The
        oldest one gives a bound when it never had to wait for another.
        """
        oldest, newest = gone[0], gone[-1]
        if newest.attempts == 1 and all(pending.sent_ns <= newest.sent_ns for pending in gone):
            self._rtt.sample(now_ns - newest.sent_ns)
        elif oldest.first_sent_ns >= self._progress_ns:
            self._rtt.miss(now_ns - oldest.first_sent_ns)
        self._progress_ns = now_ns

    def _oldest(self) -> int:
        """The number of the oldest message not acknowledged, or else of the next one to be sent."""
        return self._pending[0].sequence if self._pending else self._next_send

    def _owe_ack(self, when_ns: int) -> None:
        self._ack_due_ns = when_ns if self._ack_due_ns is None else min(self._ack_due_ns, when_ns)

    def _in_order(self) -> list[Delivery]:
        delivered = []
        while (delivery := self._early.pop(self._next_receive, None)) is not None:
            self._received, self._next_receive = self._next_receive, _after(self._next_receive)
            delivered.append(delivery)
        return delivered

    def _fail(self) -> None:
        self.failed = True
        self._pending.clear()
        self._in_flight = 0


def _after(sequence: int) -> int:
    return sequence % _CIRCLE + 1

"""When to send again: exponential backoff, and the estimate of the round trip it starts from.

All integers, all nanoseconds, no jitter: a run is reproducible, and two nodes that lose one datagram do not share
the path to anything worth desynchronising.
"""

from dataclasses import dataclass
from typing import Final

from qstack.base.errors import LocalMisuse

__all__ = ["Backoff", "RttEstimator"]

PATIENCE: Final = 3  # with 40 % lost each way a quarter of all messages has three such before it, with 20 % one in 20

GRANULARITY_NS: Final = 1_000_000
"""G of RFC 6298: what a timer of the operating system can be late without anything being wrong."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after each transmission."""

    initial_ns: int
    maximum_ns: int
    factor: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.initial_ns <= self.maximum_ns or self.factor < 1:
            raise LocalMisuse(f"{self}: 0 < initial_ns <= maximum_ns and factor >= 1 are needed")

    def delay_ns(self, attempt: int) -> int:
        """How long to wait for an answer after transmission number `attempt` (from 1)."""
        delay_ns = self.initial_ns
        for _ in range(attempt - 1):
            if delay_ns >= self.maximum_ns or self.factor == 1:
                break
            delay_ns *= self.factor
        return min(delay_ns, self.maximum_ns)


class RttEstimator:
    """Smoothed round trip, its variation, and the retransmission timeout (RFC 6298 section 2, alpha 1/8, beta 1/4).

    Samples come from messages that were sent once (Karn), for of the others nobody knows which transmission was
    answered. So a round trip longer than the timeout gives no samples at all, and must be found out otherwise: RFC
    6298 keeps the doubled timeout until the next sample. Where a third of all datagrams is lost, most messages give
    no sample either, and that rule drives the timeout to its maximum and keeps it there. We double for one message
    alone, and for all only after `PATIENCE` messages in a row that gave no sample (rare by loss, certain by delay), and
    then not much beyond what that message's round trip can have been at most: the time since it was first sent.
    """

    __slots__ = ("_maximum_ns", "_minimum_ns", "_without_sample", "rto_ns", "rttvar_ns", "srtt_ns")

    def __init__(self, initial_ns: int, minimum_ns: int, maximum_ns: int) -> None:
        if not 0 < minimum_ns <= initial_ns <= maximum_ns:
            raise LocalMisuse("timeouts: 0 < minimum_ns <= initial_ns <= maximum_ns is needed")
        self._minimum_ns = minimum_ns
        self._maximum_ns = maximum_ns
        self.rto_ns = initial_ns
        self.srtt_ns: int | None = None
        self.rttvar_ns = 0
        self._without_sample = 0

    def sample(self, rtt_ns: int) -> None:
        """Take in one measured round trip (>= 0)."""
        if self.srtt_ns is None:
            self.srtt_ns, self.rttvar_ns = rtt_ns, rtt_ns // 2
        else:
            self.rttvar_ns += (abs(self.srtt_ns - rtt_ns) - self.rttvar_ns) // 4
            self.srtt_ns += (rtt_ns - self.srtt_ns) // 8
        timeout_ns = self.srtt_ns + max(GRANULARITY_NS, 4 * self.rttvar_ns)
        self.rto_ns = min(max(timeout_ns, self._minimum_ns), self._maximum_ns)
        self._without_sample = 0

    def miss(self, longest_ns: int) -> None:
        """Take in that a message was answered which gives no sample; the round trip took at most `longest_ns`."""
        self._without_sample += 1
        if self._without_sample > PATIENCE:
            enough_ns = max(self.rto_ns, longest_ns + longest_ns // 4)
            self.rto_ns = min(2 * self.rto_ns, enough_ns, self._maximum_ns)

    def timeout_ns(self, attempt: int) -> int:
        """How long to wait after transmission number `attempt` (from 1) of one message: doubled each time."""
        return min(self.rto_ns << min(attempt - 1, 63), self._maximum_ns)

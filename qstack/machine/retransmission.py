"""When to send again: exponential backoff, and the estimate of the round trip it starts from.

All integers, all nanoseconds, no jitter: a run is reproducible, and two nodes that lose one datagram do not share
the path to anything worth desynchronising.
"""

from dataclasses import dataclass
from typing import Final

from qstack.base.errors import LocalMisuse

__all__ = ["Backoff", "RttEstimator"]

GRANULARITY_NS: Final = 1_000_000
"""G of RFC 6298: what a timer of the operating system can be late without anything being wrong."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after each transmission, and how many there may be.

    `attempts` counts transmissions, the first included.
    """

    initial_ns: int
    maximum_ns: int
    attempts: int
    factor: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.initial_ns <= self.maximum_ns or self.attempts < 1 or self.factor < 1:
            raise LocalMisuse(f"{self}: 0 < initial_ns <= maximum_ns, attempts >= 1 and factor >= 1 are needed")

    def delay_ns(self, attempt: int) -> int:
        """How long to wait for an answer after transmission number `attempt` (from 1)."""
        delay_ns = self.initial_ns
        for _ in range(attempt - 1):
            if delay_ns >= self.maximum_ns or self.factor == 1:
                break
            delay_ns *= self.factor
        return min(delay_ns, self.maximum_ns)

    def exhausted(self, attempt: int) -> bool:
        """Tell whether transmission number `attempt` was the last."""
        return attempt >= self.attempts


class RttEstimator:
    """Smoothed round trip, its variation, and the retransmission timeout (RFC 6298 section 2, alpha 1/8, beta 1/4).

    Samples come from messages that were sent once (Karn); after a timeout the doubled timeout stays until such a
    sample, so a round trip longer than the timeout is found out in the end.
    """

    __slots__ = ("_maximum_ns", "_minimum_ns", "rto_ns", "rttvar_ns", "srtt_ns")

    def __init__(self, initial_ns: int, minimum_ns: int, maximum_ns: int) -> None:
        if not 0 < minimum_ns <= initial_ns <= maximum_ns:
            raise LocalMisuse("timeouts: 0 < minimum_ns <= initial_ns <= maximum_ns is needed")
        self._minimum_ns = minimum_ns
        self._maximum_ns = maximum_ns
        self.rto_ns = initial_ns
        self.srtt_ns: int | None = None
        self.rttvar_ns = 0

    def sample(self, rtt_ns: int) -> None:
        """Take in one measured round trip (>= 0)."""
        if self.srtt_ns is None:
            self.srtt_ns, self.rttvar_ns = rtt_ns, rtt_ns // 2
        else:
            self.rttvar_ns += (abs(self.srtt_ns - rtt_ns) - self.rttvar_ns) // 4
            self.srtt_ns += (rtt_ns - self.srtt_ns) // 8
        timeout_ns = self.srtt_ns + max(GRANULARITY_NS, 4 * self.rttvar_ns)
        self.rto_ns = min(max(timeout_ns, self._minimum_ns), self._maximum_ns)

    def back_off(self) -> None:
        """Double the timeout, because one went by (RFC 6298 section 5.5)."""
        self.rto_ns = min(2 * self.rto_ns, self._maximum_ns)

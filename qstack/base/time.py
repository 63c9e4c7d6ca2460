"""Time as values.

`Instant` is the node's local monotonic clock in nanoseconds: deadlines never jump. `DomainTime` is TAI nanoseconds, the
only time that travels. A `Timescale` turns one into the other; it is fed by the clock protocol, or sampled by `io`
with a configured bound until there is one.
"""

from dataclasses import dataclass
from typing import NewType

__all__ = ["DomainTime", "Instant", "Timescale"]

Instant = NewType("Instant", int)  # local monotonic nanoseconds
DomainTime = NewType("DomainTime", int)  # TAI nanoseconds


@dataclass(frozen=True, slots=True)
class Timescale:
    """Linear map from the local monotonic clock to domain time.

    domain = reference_domain_ns + (local - reference_local_ns) * (1 + rate_ppb / 1e9), true within `max_error_ns`.
    """

    reference_local_ns: int = 0
    reference_domain_ns: int = 0
    rate_ppb: int = 0
    max_error_ns: int = 0

    def domain(self, now_ns: int) -> DomainTime:
        """Local instant to domain time."""
        elapsed = now_ns - self.reference_local_ns
        return DomainTime(self.reference_domain_ns + elapsed + elapsed * self.rate_ppb // 1_000_000_000)

    def local(self, domain_ns: int) -> Instant:
        """Domain time to local instant (inverse of `domain` within 1 ns)."""
        elapsed = domain_ns - self.reference_domain_ns
        return Instant(self.reference_local_ns + elapsed * 1_000_000_000 // (1_000_000_000 + self.rate_ppb))

"""Single-photon detectors: what they miss and make up, and how long a click blinds them (HARDWARE-4)."""

from dataclasses import dataclass
from math import ceil, expm1

from qstack.base.errors import LocalMisuse
from qstack.quantum.heralding import check_probabilities

__all__ = ["Detector"]

_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector that clicks or does not.

    `efficiency`: probability that it clicks for a photon that has arrived; `dark_count_hz`: clicks a second without
    light; `window_ns`: how long it listens in an attempt; `dead_ns`: how long it is blind after a click;
    `dark_count_probability`: of a click without light in an attempt, besides what `dark_count_hz` gives.
    """

    efficiency: float = 1.0
    dark_count_hz: float = 0.0
    window_ns: float = 0.0
    dead_ns: int = 0
    dark_count_probability: float = 0.0

    def __post_init__(self) -> None:
        check_probabilities(self.efficiency, self.dark_count_probability)
        if min(self.dark_count_hz, self.window_ns, self.dead_ns) < 0.0:
            raise LocalMisuse(f"{self}: rates and times are not negative")
        if self.dark_count_hz and not self.window_ns:
            raise LocalMisuse("a detector with dark counts listens for a window: set window_ns")

    @property
    def dark(self) -> float:
        """Probability of a click without light in an attempt: dark counts come as a Poisson process."""
        return 1.0 - (1.0 - self.dark_count_probability) * (1.0 + expm1(-self.dark_count_hz * self.window_ns * _NS))

    def dead_cycles(self, cycle_ns: int) -> int:
        """Attempts after a click that it misses: those whose window opens before it sees again.

        Windows are as far apart as cycles. When in its window a click came is not known; its end is taken.
        """
        return max(0, ceil((self.dead_ns + self.window_ns) / cycle_ns) - 1) if self.dead_ns else 0

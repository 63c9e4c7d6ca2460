"""What light meets on its way: how much of it arrives, and when.

A channel is a value. Where it changes with time it changes in steps, so that what is sampled over a window and what is
computed for an instant are the same to the last bit (HARDWARE-3).
"""

from dataclasses import dataclass
from math import exp
from typing import Protocol

from qstack.base.errors import LocalMisuse

__all__ = ["SPEED_OF_LIGHT_M_S", "Channel", "Fibre", "Lossless", "decibels"]

SPEED_OF_LIGHT_M_S = 299_792_458.0
_LN10_TENTH = 0.23025850929940458  # ln(10) / 10


def decibels(loss_db: float) -> float:
    """The share that a loss of so many dB leaves."""
    return exp(-_LN10_TENTH * loss_db)


class Channel(Protocol):
    """What every channel can tell. Instants are domain time in nanoseconds."""

    @property
    def best_ns(self) -> int:
        """An instant at which most arrives."""

    def transmissivity(self, instant_ns: int) -> float:
        """Probability that a photon which leaves then arrives, 0..1."""

    def delay_ns(self, instant_ns: int) -> int:
        """Time of flight of light which leaves then."""

    def constant_until(self, instant_ns: int) -> int | None:
        """First instant after this one at which it may be another; None when it never changes."""


@dataclass(frozen=True, slots=True)
class Lossless:
    """Light that all arrives, after `flight_ns`."""

    flight_ns: int = 0

    def __post_init__(self) -> None:
        if self.flight_ns < 0:
            raise LocalMisuse(f"a time of flight of {self.flight_ns} ns is negative")

    @property
    def best_ns(self) -> int:
        """Any instant."""
        return 0

    def transmissivity(self, instant_ns: int) -> float:
        """1."""
        return 1.0

    def delay_ns(self, instant_ns: int) -> int:
        """`flight_ns`."""
        return self.flight_ns

    def constant_until(self, instant_ns: int) -> int | None:
        """Never changes."""
        return None


@dataclass(frozen=True, slots=True)
class Fibre:
    """An optical fibre: 10^(-attenuation length / 10), and what its connectors and splices take.

    Defaults are those of single-mode fibre at 1550 nm (ITU-T G.652: about 0.2 dB/km; group index 1.468).
    """

    length_km: float
    attenuation_db_km: float = 0.2
    connectors_db: float = 0.0
    group_index: float = 1.468

    def __post_init__(self) -> None:
        if min(self.length_km, self.attenuation_db_km, self.connectors_db) < 0.0 or self.group_index < 1.0:
            raise LocalMisuse(f"{self}: lengths and losses are not negative, and no light is faster than in vacuum")

    @property
    def best_ns(self) -> int:
        """Any instant."""
        return 0

    def transmissivity(self, instant_ns: int) -> float:
        """Probability that a photon arrives."""
        return decibels(self.length_km * self.attenuation_db_km + self.connectors_db)

    def delay_ns(self, instant_ns: int) -> int:
        """Time of flight."""
        return round(self.length_km * 1e12 * self.group_index / SPEED_OF_LIGHT_M_S)

    def constant_until(self, instant_ns: int) -> int | None:
        """Never changes."""
        return None

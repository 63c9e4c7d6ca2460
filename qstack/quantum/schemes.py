"""How a link makes pairs: each scheme turns what light arrives into the probability and state of a success."""

from dataclasses import dataclass
from typing import Protocol

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import heralding
from qstack.quantum.heralding import Heralding, Light

__all__ = ["BRIGHTEST", "DoubleClick", "Given", "Scheme", "SingleClick", "Werner"]

BRIGHTEST = 0.5
"""Above it more light gives no more pairs that are worth having."""


class Scheme(Protocol):
    """What every scheme can tell."""

    @property
    def bright(self) -> tuple[float, float] | None:
        """The configured populations of the bright state by end; None where there is nothing to choose."""

    @property
    def bright_range(self) -> tuple[float, float]:
        """Least and greatest population that may be chosen."""

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """From the beginning of an attempt to the qubits' being in the ends' memories."""


class _Plain:
    """A scheme without a choice, whose qubits are in their memories from the beginning of an attempt."""

    __slots__ = ()

    @property
    def bright(self) -> tuple[float, float] | None:
        """Nothing to choose."""
        return None

    @property
    def bright_range(self) -> tuple[float, float]:
        """Nothing to choose."""
        return 0.0, 0.0

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """At once."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class Given(_Plain):
    """Whatever the light, this."""

    yielded: Heralding
    births_ns: tuple[int, int] = (0, 0)

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        return self.yielded

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """As given."""
        return self.births_ns


@dataclass(frozen=True, slots=True)
class Werner(_Plain):
    """Werner states; an attempt succeeds with `success_probability` when the photons of both ends arrive."""

    success_probability: float = 1.0
    fidelity: float = 1.0
    bells: tuple[BellIndex, ...] = (BellIndex.PSI_PLUS, BellIndex.PSI_MINUS)

    def __post_init__(self) -> None:
        heralding.check_probabilities(self.success_probability, self.fidelity)

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt. Dark counts are no part of this model."""
        probability = self.success_probability * light.detection[0] * light.detection[1]
        return Heralding(probability, heralding.werner_states(self.fidelity, self.bells))


@dataclass(frozen=True, slots=True)
class SingleClick:
    """One photon at the midpoint heralds; how bright the ends are trades rate for fidelity.

    `detection`: by end, probability that it emits into the channel and, all having arrived, is detected.
    """

    bright: tuple[float, float]
    detection: tuple[float, float] = (1.0, 1.0)
    visibility: float = 1.0
    bright_range: tuple[float, float] = (0.001, BRIGHTEST)

    def __post_init__(self) -> None:
        heralding.check_probabilities(*self.bright, *self.detection, self.visibility)
        if not 0.0 < self.bright_range[0] <= self.bright_range[1] <= BRIGHTEST:
            raise LocalMisuse(f"bright-state populations of {self.bright_range} are not in ]0, {BRIGHTEST}], rising")

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        return heralding.single_click(bright, _seen(self.detection, light), light.clicks, self.visibility)

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """At once."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class DoubleClick(_Plain):
    """Two photons at the midpoint herald. `detection` is as for single click."""

    detection: tuple[float, float] = (1.0, 1.0)
    visibility: float = 1.0

    def __post_init__(self) -> None:
        heralding.check_probabilities(*self.detection, self.visibility)

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        return heralding.double_click(_seen(self.detection, light), light.clicks, self.visibility)


def _seen(detection: tuple[float, float], light: Light) -> tuple[float, float]:
    return detection[0] * light.detection[0], detection[1] * light.detection[1]

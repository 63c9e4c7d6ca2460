"""How a link makes pairs: each scheme turns what light arrives into the probability and state of a success."""

from dataclasses import dataclass
from typing import Protocol

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import heralding
from qstack.quantum.codes import BlockCode, ParityCode
from qstack.quantum.heralding import Heralding, Light

__all__ = ["BRIGHTEST", "DoubleClick", "Encoded", "Given", "OneWay", "Scheme", "SingleClick", "Untuned", "Werner"]

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

    @property
    def qubits_per_pair(self) -> int:
        """Physical memories that one pair takes at each end."""

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """From the beginning of an attempt to the qubits' being in the ends' memories."""


class Untuned:
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

    @property
    def qubits_per_pair(self) -> int:
        """One."""
        return 1

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """At once."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class Given(Untuned):
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
class Werner(Untuned):
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

    @property
    def qubits_per_pair(self) -> int:
        """One."""
        return 1

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        return heralding.single_click(bright, _seen(self.detection, light), light.clicks, self.visibility)

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """At once."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class DoubleClick(Untuned):
    """Two photons at the midpoint herald. `detection` is as for single click."""

    detection: tuple[float, float] = (1.0, 1.0)
    visibility: float = 1.0

    def __post_init__(self) -> None:
        heralding.check_probabilities(*self.detection, self.visibility)

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        return heralding.double_click(_seen(self.detection, light), light.clicks, self.visibility)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A link of generation 2: an attempt is a block of `tries` tries of as many parallel links as the code has qubits.

    The two errors are those of the operations that a physical pair goes through (`codes.BlockCode.encoded`).
    """

    scheme: Scheme
    code: BlockCode
    tries: int
    gate_error: float = 0.0
    readout_error: float = 0.0

    def __post_init__(self) -> None:
        heralding.check_probabilities(self.gate_error, self.readout_error)
        if self.tries <= 0:
            raise LocalMisuse(f"a block of {self.tries} tries makes no pair")

    @property
    def bright(self) -> tuple[float, float] | None:
        """Of the physical links."""
        return self.scheme.bright

    @property
    def bright_range(self) -> tuple[float, float]:
        """Of the physical links."""
        return self.scheme.bright_range

    @property
    def qubits_per_pair(self) -> int:
        """As many as the code has."""
        return self.code.qubits * self.scheme.qubits_per_pair

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One block."""
        pairs = self.scheme.heralding(bright, light)
        return self.code.encoded(pairs, self.tries, self.gate_error, self.readout_error)

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """As of the physical links; what a block waits for its last pair is not in it."""
        return self.scheme.born_delays_ns(flights_ns)


@dataclass(frozen=True, slots=True)
class OneWay(Untuned):
    """A link of generation 3: one end makes a logical pair and sends its half, of which enough photons arrive or not.

    One arm leads from the sender to the station, the other from there to the receiver; usually the station is the
    receiver and has an arm of no length. `detection`: share of photons that gets into the channel and, all having
    arrived, out of it; `fidelity`: of a logical pair that arrived; `backward`: whether the second end is the sender.
    """

    code: ParityCode
    detection: float = 1.0
    fidelity: float = 1.0
    backward: bool = False

    def __post_init__(self) -> None:
        heralding.check_probabilities(self.detection, self.fidelity)

    @property
    def qubits_per_pair(self) -> int:
        """As many as the code has photons."""
        return self.code.qubits

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One logical qubit. Dark counts are no part of this model."""
        arrived = self.code.arrival(self.detection * light.detection[0] * light.detection[1])
        return Heralding(arrived, heralding.werner_states(self.fidelity, (BellIndex.PHI_PLUS,)))

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """The sender's half is there at once, the other after its flight."""
        return (sum(flights_ns), 0) if self.backward else (0, sum(flights_ns))


def _seen(detection: tuple[float, float], light: Light) -> tuple[float, float]:
    return detection[0] * light.detection[0], detection[1] * light.detection[1]

"""Hardware models: what a link attempt yields and how a memory forgets.

Success is sampled by geometric skips: one draw gives the number of failures before the next success, so a window of a
million cycles with two successes costs four draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, log1p, sqrt
from typing import NamedTuple, Self

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum.formulas import Correlations, check_lifetimes, werner

__all__ = ["HeraldedState", "LinkModel", "MemoryModel", "Success", "sample_successes"]


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """How the memories of a node forget. T1, T2 in nanoseconds, 0 for infinite; T2 > 2 T1 is refused.

    `readout_error`: probability that a measured bit is told wrongly, 0..0.5.
    """

    t1_ns: int = 0
    t2_ns: int = 0
    readout_error: float = 0.0

    def __post_init__(self) -> None:
        check_lifetimes(self.t1_ns, self.t2_ns)
        if not 0.0 <= self.readout_error <= 0.5:
            raise LocalMisuse(f"readout error {self.readout_error} is not in 0..0.5")


@dataclass(frozen=True, slots=True)
class HeraldedState:
    """One thing that a successful attempt may be: the herald's Bell index, its share of all successes, the state."""

    bell_index: BellIndex
    share: float
    correlations: Correlations


class Success(NamedTuple):
    """A success of a window: in which of its cycles, and as which of the model's heralded states."""

    offset: int
    state: HeraldedState


@dataclass(frozen=True, slots=True)
class LinkModel:
    """A link between two ends with a heralding station.

    `cycle_ns`: length of an attempt cycle; `success_probability`: of one attempt; `arm_delays_ns`: time of flight
    between each end, in the order of the link's ends, and the station.
    """

    cycle_ns: int
    success_probability: float
    heralds: tuple[HeraldedState, ...]
    arm_delays_ns: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.cycle_ns <= 0 or min(self.arm_delays_ns) < 0:
            raise LocalMisuse("a link's cycle is longer than 0 ns, and its arm delays are not negative")
        if not 0.0 <= self.success_probability <= 1.0:
            raise LocalMisuse(f"success probability {self.success_probability} is not in 0..1")
        if not self.heralds or abs(sum(herald.share for herald in self.heralds) - 1.0) > 1e-9:
            raise LocalMisuse("the shares of a link's heralds do not sum to 1")

    @classmethod
    def werner(
        cls, *, cycle_ns: int, success_probability: float = 1.0, fidelity: float = 1.0,
        arm_delays_ns: tuple[int, int] = (0, 0),
        bells: tuple[BellIndex, ...] = (BellIndex.PSI_PLUS, BellIndex.PSI_MINUS),
    ) -> Self:  # fmt: skip
        """Werner states around each of `bells`, all equally likely; linear optics tells the default two apart."""
        heralds = tuple(HeraldedState(bell, 1.0 / len(bells), werner(fidelity, bell)) for bell in bells)
        return cls(cycle_ns, success_probability, heralds, arm_delays_ns)

    @classmethod
    def single_click(
        cls, *, cycle_ns: int, bright: tuple[float, float], detection: tuple[float, float],
        dark_count_probability: float = 0.0, visibility: float = 1.0, arm_delays_ns: tuple[int, int] = (0, 0),
    ) -> Self:  # fmt: skip
        """One photon heralds. `bright`: population alpha of the bright state at each end; `detection`: probability
        that an emitted photon of that end is detected; `visibility` of the interference. After Humphreys 2018
        (arXiv:1712.07567), supplement eq. 8 and 10. Success is about 2 alpha eta, fidelity (1 - alpha)(1 + sqrt V) / 2.
        """
        _check_probabilities(visibility)
        populations = _single_click_populations(bright, detection, dark_count_probability)
        total = sum(populations)
        if total <= 0.0:
            raise LocalMisuse("a single-click link that can never succeed")
        p00, p01, p10, p11 = (share / total for share in populations)
        coherence = 2.0 * sqrt(visibility * p01 * p10)
        return cls(cycle_ns, total, _psi_heralds(p00, p01, p10, p11, coherence), arm_delays_ns)

    @classmethod
    def double_click(
        cls, *, cycle_ns: int, detection: tuple[float, float], visibility: float = 1.0,
        arm_delays_ns: tuple[int, int] = (0, 0),
    ) -> Self:  # fmt: skip
        """Two photons herald (Barrett-Kok 2005): success eta_A eta_B / 2, fidelity (1 + V) / 2."""
        _check_probabilities(visibility, *detection)
        heralds = _psi_heralds(0.0, 0.5, 0.5, 0.0, visibility)
        return cls(cycle_ns, detection[0] * detection[1] / 2.0, heralds, arm_delays_ns)

    @property
    def herald_delay_ns(self) -> int:
        """From the end of a cycle to the station's knowing: the longer arm."""
        return max(self.arm_delays_ns)

    def state(self, bell_index: int) -> Correlations:
        """The state behind a herald. Raises `LocalMisuse` for a Bell index that this link never heralds."""
        for herald in self.heralds:
            if herald.bell_index == bell_index:
                return herald.correlations
        raise LocalMisuse(f"this link never heralds Bell index {bell_index}")


def _check_probabilities(*values: float) -> None:
    for value in values:
        if not 0.0 <= value <= 1.0:
            raise LocalMisuse(f"{value} is not in 0..1")


def _single_click_populations(
    bright: tuple[float, float], detection: tuple[float, float], dark: float
) -> tuple[float, float, float, float]:
    """Unnormalised populations of |00>, |01>, |10>, |11> (1 = bright) given a click."""
    _check_probabilities(*bright, *detection, dark)
    (bright_a, bright_b), (seen_a, seen_b) = bright, detection
    silent = (1.0 - dark) ** 2
    noisy = 1.0 - silent
    both_lost = (1.0 - seen_a) * (1.0 - seen_b)
    return (
        (1.0 - bright_a) * (1.0 - bright_b) * noisy,
        (1.0 - bright_a) * bright_b * (silent * seen_b + noisy * (1.0 - seen_b)),
        bright_a * (1.0 - bright_b) * (silent * seen_a + noisy * (1.0 - seen_a)),
        bright_a * bright_b * (silent * (1.0 - both_lost) + noisy * both_lost),
    )


def _psi_heralds(p00: float, p01: float, p10: float, p11: float, coherence: float) -> tuple[HeraldedState, ...]:
    """Populations and the coherence between |01> and |10>, whose sign is what the herald tells."""
    iz, zi, zz = p00 - p01 + p10 - p11, p00 + p01 - p10 - p11, p00 - p01 - p10 + p11
    return tuple(
        HeraldedState(bell, 0.5, (1.0, 0.0, 0.0, iz, 0.0, c, 0.0, 0.0, 0.0, 0.0, c, 0.0, zi, 0.0, 0.0, zz))
        for bell, c in ((BellIndex.PSI_PLUS, coherence), (BellIndex.PSI_MINUS, -coherence))
    )


def sample_successes(model: LinkModel, cycles: int, most: int, draw: Callable[[int], float]) -> list[Success]:
    """Successes of `cycles` attempts in a row, in order, ending after `most`.

    `draw(n)` gives the n-th uniform in [0, 1) of this window; two are used for each success.
    """
    found: list[Success] = []
    offset = 0
    while len(found) < most:
        offset += _failures(model.success_probability, draw(2 * len(found)), cycles)
        if offset >= cycles:
            break
        found.append(Success(offset, _choose(model.heralds, draw(2 * len(found) + 1))))
        offset += 1
    return found


def _failures(probability: float, uniform: float, bound: int) -> int:
    """Failures before the next success (geometric), at most `bound`."""
    if probability >= 1.0:
        return 0
    if probability <= 0.0:
        return bound
    skipped = log(1.0 - uniform) / log1p(-probability)
    return bound if skipped >= bound else int(skipped)


def _choose(heralds: tuple[HeraldedState, ...], uniform: float) -> HeraldedState:
    for herald in heralds:
        uniform -= herald.share
        if uniform < 0.0:
            return herald
    return heralds[-1]

"""A source of photon pairs, in the middle of a link or at one end, and memories that absorb and say so (HARDWARE-6).

An attempt succeeds when both memories say that they hold a photon. A memory that holds none and says so all the same
(a dark count, light that is not the source's) is in no definite state, and what it is paired with is worth nothing.
Of several photons that arrive a memory keeps one by chance, or, when it can count, refuses them.

The sum over the number of pairs is exact: it ends where less than 1e-16 is left. A success is sampled with the number
of pairs that made it, as one of `HeraldedState`, so every sampled pair is a definite case of the mixture.
"""

from dataclasses import dataclass, field
from math import exp

from qstack.base.bell import BellIndex
from qstack.quantum.formulas import werner
from qstack.quantum.heralding import HeraldedState, Heralding, Light, check_probabilities
from qstack.quantum.photons import OnePair, PairNumbers
from qstack.quantum.schemes import Untuned

__all__ = ["PairSource"]

_LEFT = 1e-16
_MOST_PAIRS = 400  # of a mean of 10 pairs in one mode, 1e-16 is left at about 240
_TOLD_APART = 8  # cases with more pairs than this become one


@dataclass(frozen=True, slots=True)
class PairSource(Untuned):
    """Arms lead from the source to the memories; the station sits at the source.

    A source at one end has an arm of no length there. `absorption`: by end, probability that a photon which arrives is
    held and told; `fidelity`: of a single pair as it leaves the source; `counting`: whether memories refuse more than
    one photon.
    """

    numbers: PairNumbers = field(default_factory=OnePair)
    absorption: tuple[float, float] = (1.0, 1.0)
    fidelity: float = 1.0
    bell: BellIndex = BellIndex.PSI_MINUS
    counting: bool = False

    def __post_init__(self) -> None:
        check_probabilities(*self.absorption, self.fidelity)

    def born_delays_ns(self, flights_ns: tuple[int, int]) -> tuple[int, int]:
        """When the photons arrive."""
        return flights_ns

    def heralding(self, bright: tuple[float, float], light: Light) -> Heralding:
        """One attempt."""
        memories = [
            _Memory(absorbs * arrives, 1.0 - (1.0 - light.dark) * exp(-noise), self.counting)
            for absorbs, arrives, noise in zip(self.absorption, light.detection, light.noise, strict=True)
        ]
        own = (4.0 * self.fidelity - 1.0) / 3.0
        cases: list[tuple[int, float, float]] = []
        left, pairs = 1.0, 0
        while left > _LEFT and pairs <= _MOST_PAIRS:
            likely = self.numbers.probability(pairs)
            told = [memory.tells(pairs) for memory in memories]
            held = [memory.holds(pairs) for memory in memories]
            weight = own * self.numbers.weight(pairs) * held[0] * held[1] if pairs else 0.0
            cases.append((pairs, likely * told[0] * told[1], likely * weight))
            left -= likely
            pairs += 1
        return self._mixture(cases)

    def _mixture(self, cases: list[tuple[int, float, float]]) -> Heralding:
        """`cases`: number of pairs, probability of a success with it, and that times the Werner weight."""
        total = sum(probability for _, probability, _ in cases)
        if total <= 0.0:
            return Heralding(0.0, (HeraldedState(self.bell, 1.0, werner(self.fidelity, self.bell)),))
        kept = cases[: _TOLD_APART + 1]
        rest = cases[_TOLD_APART + 1 :]
        if rest:
            kept.append((_TOLD_APART + 1, sum(case[1] for case in rest), sum(case[2] for case in rest)))
        return Heralding(
            min(1.0, total),
            tuple(
                HeraldedState(self.bell, likely / total, _around(self.bell, weighed / likely), pairs)
                for pairs, likely, weighed in kept if likely > 0.0
            ),
        )  # fmt: skip


def _around(bell: BellIndex, weight: float) -> tuple[float, ...]:
    return werner(min(1.0, (1.0 + 3.0 * weight) / 4.0), bell)  # rounding may have put it just above


class _Memory:
    """What a memory does with n photons on their way to it, of which each arrives with `seen`."""

    def __init__(self, seen: float, false: float, counting: bool) -> None:
        self._seen, self._false, self._counting = seen, false, counting

    def holds(self, photons: int) -> float:
        """Probability that it holds one of them and says so."""
        if self._counting:
            one = photons * self._seen * (1.0 - self._seen) ** (photons - 1) if photons else 0.0
            return one * (1.0 - self._false)
        return 1.0 - (1.0 - self._seen) ** photons

    def tells(self, photons: int) -> float:
        """Probability that it says that it holds one."""
        return self.holds(photons) + (1.0 - self._seen) ** photons * self._false

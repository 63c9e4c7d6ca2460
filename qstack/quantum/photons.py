"""How many photon pairs a source emits at once, and what a pair of photons is worth when there were more.

When both sides keep one photon of each side, chosen at random of those that came, the two are in a Werner state: the
source favours no direction, so nothing else can be. Its weight w follows from how the pairs belong together:

* one mode of down-conversion: n pairs are two spins of n/2 in a singlet; <s_A . s_B> = -4 (n/2)(n/2 + 1) / n^2 gives
  w = (n + 2) / 3n: 1, 2/3, 5/9, ... (Kok and Braunstein, Phys. Rev. A 61 (2000) 042304 give the source's state)
* many modes: n pairs that know nothing of each other; two photons belong together by chance, w = 1/n
"""

from dataclasses import dataclass
from math import exp, lgamma, log
from typing import Protocol

from qstack.base.errors import LocalMisuse
from qstack.quantum.heralding import check_probabilities

__all__ = ["DownConversion", "ManyModes", "OnePair", "PairNumbers"]


class PairNumbers(Protocol):
    """A law of how many pairs there are."""

    def probability(self, pairs: int) -> float:
        """Of just so many pairs."""

    def weight(self, pairs: int) -> float:
        """Werner weight of one photon of each side, of at least one pair."""


@dataclass(frozen=True, slots=True)
class OnePair:
    """A source that emits one pair or none, as one atom or quantum dot does."""

    emission: float = 1.0

    def __post_init__(self) -> None:
        check_probabilities(self.emission)

    def probability(self, pairs: int) -> float:
        """Emission, or not."""
        return (1.0 - self.emission, self.emission)[pairs] if pairs <= 1 else 0.0

    def weight(self, pairs: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True, slots=True)
class DownConversion:
    """One mode of entangling down-conversion: P(n) = (n + 1) l^n (1 - l)^2, of mean `mean_pairs` = 2 l / (1 - l)."""

    mean_pairs: float

    def __post_init__(self) -> None:
        _check_mean(self.mean_pairs)

    def probability(self, pairs: int) -> float:
        """P(n)."""
        ratio = self.mean_pairs / (2.0 + self.mean_pairs)
        return (pairs + 1) * ratio**pairs * (1.0 - ratio) ** 2

    def weight(self, pairs: int) -> float:
        """(n + 2) / 3n."""
        return (pairs + 2) / (3.0 * pairs)


@dataclass(frozen=True, slots=True)
class ManyModes:
    """Down-conversion into many modes: as many pairs as a Poisson law of mean `mean_pairs` says."""

    mean_pairs: float

    def __post_init__(self) -> None:
        _check_mean(self.mean_pairs)

    def probability(self, pairs: int) -> float:
        """P(n) = e^-m m^n / n!."""
        if self.mean_pairs == 0.0:
            return float(pairs == 0)
        return exp(pairs * log(self.mean_pairs) - self.mean_pairs - lgamma(pairs + 1))

    def weight(self, pairs: int) -> float:
        """1 / n."""
        return 1.0 / pairs


def _check_mean(pairs: float) -> None:
    if not 0.0 <= pairs <= 10.0:
        raise LocalMisuse(f"a mean of {pairs} pairs at once is not in 0..10")

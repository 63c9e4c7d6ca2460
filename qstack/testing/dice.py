"""Draws for scenarios: a chance source with a memory of how often it was asked."""

from collections.abc import Sequence
from math import exp, log
from typing import TypeVar

from qstack.base.chance import Chance

__all__ = ["Dice"]

T = TypeVar("T")


class Dice:
    """One draw after another from `chance`; the same chance gives the same draws."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._drawn = 0

    def part(self) -> float:
        """Uniform in [0, 1)."""
        self._drawn += 1
        return self._chance.uniform(b"dice %d" % self._drawn)

    def whole(self, least: int, most: int) -> int:
        """Uniform in least..most."""
        return least + int(self.part() * (most - least + 1))

    def between(self, least: float, most: float) -> float:
        """Uniform in [least, most)."""
        return least + self.part() * (most - least)

    def scale(self, least: float, most: float) -> float:
        """Uniform in the logarithm: each order of magnitude is as likely as the next."""
        return exp(self.between(log(least), log(most)))

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self.part() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of them, all equally likely."""
        return choices[int(self.part() * len(choices))]

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` different ones, in the order drawn."""
        left = list(choices)
        return [left.pop(int(self.part() * len(left))) for _ in range(min(count, len(left)))]

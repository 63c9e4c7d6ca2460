"""Successes of a window, drawn without a step for each attempt (HARDWARE-10).

One uniform u gives a target -ln(1 - u) of exponential size; attempts that succeed with p use up -ln(1 - p) of it each,
and the attempt that exhausts it is the one that succeeds. Where p is constant that is the geometric law in one
division; where p changes, what is left of the target is carried over the change, which is exact as well.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf, log1p
from typing import NamedTuple

from qstack.quantum.heralding import HeraldedState, Heralding

__all__ = ["Draw", "Stretch", "Success", "sample_stretches"]

Draw = Callable[[int], float]
"""draw(n): the n-th uniform in [0, 1) of a window; the same n gives the same number, whatever the order."""


class Success(NamedTuple):
    """A success of a window: in which of its cycles, and as which of the model's heralded states."""

    offset: int
    state: HeraldedState


class Stretch(NamedTuple):
    """`attempts` attempts in a row, all alike, numbered from `first`."""

    first: int
    attempts: int
    heralding: Heralding


def sample_stretches(stretches: Iterable[Stretch], draw: Draw) -> Iterator[Success]:
    """Successes in order, their offsets being numbers of attempts. Uniforms 2 k and 2 k + 1 are of the k-th."""
    number = 0
    target = -log1p(-draw(0))
    for first, attempts, (probability, heralds) in stretches:
        cost = inf if probability >= 1.0 else -log1p(-probability)
        done = 0
        while done < attempts:
            if cost * (attempts - done) <= target:
                target -= cost * (attempts - done)
                break
            done += int(target / cost) if target else 0
            if done >= attempts:  # rounding put it just behind
                target = 0.0
                break
            yield Success(first + done, _choose(heralds, draw(2 * number + 1)))
            done += 1
            number += 1
            target = -log1p(-draw(2 * number))


def _choose(heralds: tuple[HeraldedState, ...], uniform: float) -> HeraldedState:
    for herald in heralds:
        uniform -= herald.share
        if uniform < 0.0:
            return herald
    return heralds[-1]

"""Plans: runs of windows that are announced at once, and how large a window is best (LINK-5.2).

A plan names its windows by arithmetic alone, so that both ends and the station mean the same ones. It takes no
memory: each end offers what it has when a window is about to begin. So a plan may reach far ahead, and what is lost of
its announcement is sent again in time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, sqrt
from typing import NamedTuple

from qstack.base.ids import Cycle

__all__ = ["Plan", "Shape", "expected_successes", "measuring_cycles", "shape_of_windows"]

_CYCLES = 1 << 64  # that the wire has numbers for


@dataclass(frozen=True, slots=True)
class Plan:
    """`windows` windows of `cycles` cycles, one every `stride` cycles, the first at `first_cycle`.

    `memories`: most that an end offers to each. `allowance`: pairs that the station may grant to the request in all.
    `bright`, `terms`: how both ends attempt, and by which terms samples are drawn (ESTIMATION-8-3).
    """

    first_cycle: Cycle
    cycles: int
    stride: int
    windows: int
    memories: int = 0
    allowance: int = 0
    bright: int = 0
    terms: int = 0

    def __iter__(self) -> Iterator[Cycle]:
        """The first cycle of each window."""
        return (Cycle(self.first_cycle + n * self.stride) for n in range(self.windows))

    @property
    def end_cycle(self) -> int:
        """The cycle behind the last window."""
        return self.first_cycle + (self.windows - 1) * self.stride + self.cycles

    @property
    def sound(self) -> bool:
        """Whether it names windows at all, none of them over another, in cycles that have a number."""
        apart = self.windows == 1 or self.stride >= self.cycles
        return min(self.cycles, self.windows) > 0 and apart and self.end_cycle <= _CYCLES


class Shape(NamedTuple):
    """Windows of one kind: memories that each is to fill, its length, and how many slots lie between two of them."""

    memories: int
    cycles: int
    slots: int


@lru_cache(maxsize=1_024)
def expected_successes(probability: float, cycles: int, memories: int) -> float:
    """Mean number of pairs of a window that ends when `memories` are filled (successes taken as a Poisson process)."""
    mean = probability * cycles
    if probability >= 1.0 or mean - 6.0 * sqrt(mean) >= memories:
        return float(min(memories, cycles))
    term, below, total = exp(-mean), 0.0, 0.0
    for k in range(memories):
        below += term
        total += k * term
        term *= mean / (k + 1)
    return total + memories * max(0.0, 1.0 - below)


@lru_cache(maxsize=256)
def shape_of_windows(
    probability: float, slot_cycles: int, memories: int, turnaround_cycles: int, delayed_cycles: int
) -> Shape:
    """The shape that brings most pairs for `memories` in all.

    Between a window's end and the moment at which its memories can be offered again lie `turnaround_cycles`, and
    `delayed_cycles` where a word was lost once. Memories are divided so that, even then, windows can follow one another
    as far as they go; of shapes that are as good the one with the fewest windows is taken.
    """
    mean = probability * slot_cycles
    most = min(memories, slot_cycles, ceil(mean + 3.0 * sqrt(mean)))
    best, best_rate = Shape(1, 1, 1), -1.0
    for each in _candidates(max(1, most)):
        shapes = _shapes(probability, slot_cycles, memories, each, turnaround_cycles)
        shape = max(shapes, key=lambda one: _rate(one, probability, slot_cycles, memories, turnaround_cycles))
        rate = _rate(shape, probability, slot_cycles, memories, delayed_cycles)
        if rate >= best_rate * (1.0 - 1e-9):
            best, best_rate = shape, rate
    return best


def measuring_cycles(probability: float, slot_cycles: int, most: int) -> int:
    """The longest window whose successes, measured at once, are hardly ever more than `most`."""
    mean = (sqrt(most + 2.25) - 1.5) ** 2  # mean + 3 sqrt(mean) = most
    return max(1, min(slot_cycles, int(mean / probability)))


def _candidates(most: int) -> Iterator[int]:
    """Numbers of memories worth a look: all small ones, then some."""
    each = 1
    while each < most:
        yield each
        each = max(each + 1, each * 5 // 4)
    yield most


def _shapes(probability: float, slot_cycles: int, memories: int, each: int, turnaround_cycles: int) -> Iterator[Shape]:
    """A window that leaves room for its own answer in the slot, and one that does not and skips slots if it has to."""
    whole = _length(probability, each, slot_cycles)
    trimmed = min(whole, slot_cycles - turnaround_cycles)
    if trimmed > 0:
        yield Shape(each, trimmed, 1)
    if trimmed < whole:
        in_flight = max(1, memories // each)
        yield Shape(each, whole, max(1, ceil(_slots(whole, turnaround_cycles, slot_cycles) / in_flight)))


def _rate(shape: Shape, probability: float, slot_cycles: int, memories: int, later_cycles: int) -> float:
    """Pairs a slot, when answers are as late as that."""
    in_flight = max(1, memories // shape.memories)
    busy_slots = max(shape.slots, _slots(shape.cycles, later_cycles, slot_cycles) / in_flight)
    return expected_successes(probability, shape.cycles, shape.memories) / busy_slots


def _slots(cycles: int, later_cycles: int, slot_cycles: int) -> int:
    """For how many slots a window keeps its memories."""
    return max(1, ceil((cycles + later_cycles) / slot_cycles))


def _length(probability: float, memories: int, slot_cycles: int) -> int:
    """How long a window must be to fill `memories` with three standard deviations to spare, at most a slot."""
    wanted = memories if probability >= 1.0 else memories + 3.0 * sqrt(memories)
    return min(slot_cycles, ceil(wanted / probability))

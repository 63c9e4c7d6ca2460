"""What an entry of the benchmarks is, and how two things are timed side by side.

A figure alone says as much about the machine as about the program, so both sides are always measured in one run, in
turns, and what counts is the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Comparison", "best_us", "side_by_side_us"]


@dataclass(frozen=True)
class Comparison:
    """One line of the results.

    `theirs` None: the peer is absent, and `peer` says why. `larger_is_better`: of the unit.
    """

    name: str
    ours: float
    theirs: float | None
    peer: str
    unit: str
    larger_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better ours is."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.larger_is_better else self.theirs / self.ours

    @property
    def command(self) -> str:
        """What measures it again."""
        return f"./tools/bench {self.name}"


def best_us(act: Callable[[], object], seconds: float) -> float:
    """Microseconds of one call: the quickest of many short rounds, since all that disturbs makes it slower."""
    calls, took = 1, 0.0
    while took < seconds / 20:  # how many calls make a round
        calls *= 2
        took = _round(act, calls)
    until, best = time.perf_counter() + seconds, took
    while time.perf_counter() < until:
        best = min(best, _round(act, calls))
    return best / calls * 1e6


def side_by_side_us(ours: Callable[[], object], theirs: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Microseconds of one call of each, measured in five turns."""
    turns = [(best_us(ours, seconds / 10), best_us(theirs, seconds / 10)) for _ in range(5)]
    return min(turn[0] for turn in turns), min(turn[1] for turn in turns)


def _round(act: Callable[[], object], calls: int) -> float:
    repeat = range(calls)
    start = time.perf_counter()
    for _ in repeat:
        act()
    return time.perf_counter() - start

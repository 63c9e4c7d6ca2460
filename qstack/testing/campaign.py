"""Many trials at once, and what came of them."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from qstack.testing.trial import Prepare, Result, try_seed

__all__ = ["Summary", "each_result", "summarize"]

_CHUNK = 4  # seeds handed to a process at a time
_BLOCK = 50  # seeds a process between two looks at the clock


@dataclass(slots=True)
class Summary:
    """What many trials add up to. `spent_s`: processor time; `wall_s`: from the first to the last result."""

    trials: int = 0
    failed: list[Result] = field(default_factory=list)
    moods: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    simulated_s: float = 0.0
    spent_s: float = 0.0
    wall_s: float = 0.0
    events: int = 0
    datagrams: int = 0
    slowest: tuple[float, int] = (0.0, -1)  # processor seconds, seed

    def add(self, result: Result) -> None:
        """Take one more trial in."""
        self.trials += 1
        if result.faults:
            self.failed.append(result)
        self.moods[result.mood] += 1
        self.outcomes.update(result.outcomes)
        self.points.update(result.points)
        self.simulated_s += result.simulated_s
        self.spent_s += result.spent_s
        self.events += result.events
        self.datagrams += result.datagrams
        self.slowest = max(self.slowest, (result.spent_s, result.seed))

    @property
    def rate(self) -> float:
        """Trials a second."""
        return self.trials / self.wall_s if self.wall_s else 0.0

    def text(self) -> str:
        """For people."""
        def listed(counted: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in counted.most_common()) or "none"

        return "\n".join((
            f"{self.trials} seeds, {len(self.failed)} failed; {self.wall_s:.1f} s, {self.rate:.1f} seeds/s, "
            f"slowest {self.slowest[0]:.2f} s (seed {self.slowest[1]})",
            f"simulated {self.simulated_s / 3600:.2f} h, {self.events} events, {self.datagrams} datagrams",
            f"moods: {listed(self.moods)}",
            f"units: {listed(self.outcomes)}",
            f"crash points: {listed(self.points)}",
            *(f"FAILED seed {result.seed} ({result.mood}): {result.faults[0].splitlines()[-1]}"
              for result in self.failed),
        ))  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "trials": self.trials, "wall_s": round(self.wall_s, 3), "spent_s": round(self.spent_s, 3),
            "rate": round(self.rate, 3), "simulated_s": round(self.simulated_s, 3), "events": self.events,
            "datagrams": self.datagrams, "moods": dict(self.moods), "outcomes": dict(self.outcomes),
            "points": dict(self.points), "failed": [asdict(result) for result in self.failed],
        }  # fmt: skip


def each_result(seeds: Iterable[int], jobs: int = 1, prepare: Prepare | None = None) -> Iterator[Result]:
    """Results as they come; with one job, in the order of the seeds. `prepare` must be a module's function."""
    if jobs <= 1:
        for seed in seeds:
            yield try_seed(seed, prepare)
        return
    with _pool(jobs) as pool:
        yield from pool.imap_unordered(_Task(prepare), seeds, chunksize=_CHUNK)


def summarize(jobs: int = 1, *, first: int = 0, least: int = 1, budget_s: float = 0.0) -> Summary:
    """Try the seeds from `first` on: at least `least` of them, and more while less than `budget_s` has passed."""
    summary = Summary()
    began = time.monotonic()
    with _pool(jobs) as pool:
        while summary.trials < least or summary.wall_s < budget_s:
            block = range(first, first + _BLOCK * jobs)
            for result in pool.imap_unordered(_Task(None), block, chunksize=_CHUNK):
                summary.add(result)
                summary.wall_s = time.monotonic() - began
            first = block.stop
    return summary


@dataclass(frozen=True, slots=True)
class _Task:
    prepare: Prepare | None

    def __call__(self, seed: int) -> Result:
        return try_seed(seed, self.prepare)


@contextmanager
def _pool(jobs: int) -> Iterator[Any]:
    """Processes that begin with nothing but this program's modules, and end with the block."""
    context = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods()
                                          else "spawn")  # fmt: skip
    pool = context.Pool(jobs)
    try:
        yield pool
    finally:
        pool.terminate()
        pool.join()

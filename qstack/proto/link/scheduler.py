"""Who is next: first come, first served, or weighted fair queueing with priorities (LINK-5.6).

Laws
----
1. A class of priority is a queue; queue 0 is the most urgent. A queue of weight 0 has infinite weight: its requests
   come before those of later queues, by place.
2. Virtual time is the link's cycles. A turn begins virtually at max(now, end of the queue's last turn), and ends its
   cost / the queue's weight later. Whoever's turn ends first is next; of equals the lower queue, then the lower place.
3. A queue's turns follow one another, whoever has them: so queues share the link by weight, however many requests each
   has, and the requests of one queue take turns.
4. A consecutive request that has had a window is alone until it is through, or has had its time.

Theory: Dahlberg et al. 2019, after Demers, Keshav, Shenker 1989 (weighted fair queueing).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from math import inf

from qstack.base.errors import LocalMisuse

__all__ = ["Claim", "Discipline", "Scheduler"]


@unique
class Discipline(StrEnum):
    """How requests share a link."""

    FCFS = "fcfs"
    WFQ = "wfq"


@dataclass(frozen=True, slots=True)
class Claim:
    """A request as the scheduler sees it. `cost`: cycles of its first turn (of all of them when it is atomic)."""

    place: int
    priority: int
    cost: float
    consecutive: bool = False


@dataclass(slots=True)
class _Entry:
    claim: Claim
    queue: int
    finish: float
    alone_until: float = 0.0


class Scheduler:
    """The order of requests.

    `weights`: of the queues, the most urgent first. `alone_cycles`: for how long a consecutive request has the link to
    itself at most. Raises `LocalMisuse`.
    """

    def __init__(self, discipline: Discipline, weights: tuple[float, ...], alone_cycles: float = inf) -> None:
        if not weights or min(weights) < 0.0:
            raise LocalMisuse("weights of the link's queues: at least one, none negative; 0 stands for strict priority")
        self._discipline = discipline
        self._alone_cycles = alone_cycles
        self._weights = weights
        self._last_finish = [0.0] * len(weights)
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def queue_of(self, priority: int) -> int:
        """The queue of a priority: the largest ones go to queue 0, priority 0 to the last queue."""
        return max(0, len(self._weights) - 1 - priority)

    def admit(self, claim: Claim, now_cycle: int) -> None:
        """A request has its place."""
        queue = self.queue_of(claim.priority)
        self._entries[claim.place] = _Entry(claim, queue, self._finish(queue, claim.cost, now_cycle))

    def forget(self, place: int) -> None:
        """A request is over."""
        self._entries.pop(place, None)

    def served(self, place: int, cycles: int, now_cycle: int) -> None:
        """A request was given a window."""
        entry = self._entries.get(place)
        if entry is not None:
            if entry.claim.consecutive and not entry.alone_until:
                entry.alone_until = now_cycle + self._alone_cycles
            entry.finish = self._finish(entry.queue, cycles, now_cycle)

    def order(self, places: Iterable[int], now_cycle: int) -> list[int]:
        """Those of these requests that may have windows now, the next one first."""
        entries = [self._entries[place] for place in places if place in self._entries]
        alone = [place for place, entry in self._entries.items() if now_cycle < entry.alone_until]
        if alone:
            entries = [entry for entry in entries if entry.claim.place == min(alone)]
        return [entry.claim.place for entry in sorted(entries, key=self._key)]

    def _key(self, entry: _Entry) -> tuple[float, ...]:
        place = entry.claim.place
        if self._discipline is Discipline.FCFS:
            return (place,)
        if self._weights[entry.queue] == 0.0:
            return (0, entry.queue, place)
        return (1, entry.finish, entry.queue, place)

    def _finish(self, queue: int, cost: float, now_cycle: int) -> float:
        weight = self._weights[queue]
        if weight == 0.0:
            return 0.0
        finish = max(float(now_cycle), self._last_finish[queue]) + cost / weight
        self._last_finish[queue] = finish
        return finish

"""Halves: what a node knows of its qubits in a circuit."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

from qstack.base.bell import BellIndex
from qstack.base.ids import QubitId
from qstack.base.services import PairReady
from qstack.base.time import DomainTime
from qstack.quantum.formulas import Correlations

__all__ = ["Half", "HalfState", "Halves", "Side", "Tracked"]


@unique
class Side(Enum):
    """Where the other half is: towards the head, or towards the tail."""

    ABOVE = "above"
    BELOW = "below"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.BELOW if self is Side.ABOVE else Side.ABOVE


@unique
class HalfState(Enum):
    """What has become of a half at a repeater."""

    WAITING = "waiting"  # for a partner
    SWAPPING = "swapping"  # the device is at it
    JOINED = "joined"
    GONE = "gone"


class Tracked(NamedTuple):
    """A pair on its way through a Track: see `qstack.wire.circuit.TrackedPair`."""

    pair: int
    sequence: int
    frame: int
    state: Correlations
    created: DomainTime


@dataclass(slots=True, eq=False)
class Half:
    """This node's half of a link's pair.

    `qubit` None: not this circuit's any more. `passed`: the Track that came over this pair has gone on.
    """

    side: Side
    sequence: int
    qubit: QubitId | None
    bell_index: BellIndex
    created: DomainTime
    correlation: Correlations
    state: HalfState = HalfState.WAITING
    joined: "Half | None" = None
    outcome: int = 0
    age_ns: int = 0  # at the swap
    track: Tracked | None = None
    passed: bool = False
    number: int = 0  # at the head: the pair's number at both ends


class Halves:
    """The live halves of one side, and what came for halves that are not here yet: tracks, and word that their chain is
    broken. `limit`: most of each."""

    def __init__(self, side: Side, limit: int) -> None:
        self.side = side
        self.waiting: deque[Half] = deque()  # oldest first; those that are not WAITING any more are skipped
        self._halves: dict[int, Half] = {}
        self._early: dict[int, Tracked] = {}
        self._doomed: set[int] = set()
        self._limit = limit
        self._last: int | None = None

    def __len__(self) -> int:
        return len(self._halves)

    def __iter__(self) -> Iterator[Half]:
        return iter(list(self._halves.values()))

    def add(self, ready: PairReady) -> tuple[Half, bool]:
        """The link has made a pair. Gives its half, with the track if that came first; and whether it was doomed."""
        half = Half(self.side, ready.sequence, ready.qubit, BellIndex(ready.bell_index), ready.created,
                    ready.correlation)  # fmt: skip
        half.track = self._early.pop(ready.sequence, None)
        self._halves[ready.sequence] = half
        self._last = ready.sequence
        doomed = ready.sequence in self._doomed
        self._doomed.discard(ready.sequence)
        return half, doomed

    def find(self, sequence: int) -> Half | None:
        """The live half of a pair."""
        return self._halves.get(sequence)

    def park(self, tracked: Tracked) -> bool:
        """Keep a track until its half comes; False when that cannot be any more, or too many wait."""
        if not self._may_come(tracked.sequence) or len(self._early) >= self._limit:
            return False
        self._early[tracked.sequence] = tracked
        return True

    def doom(self, sequence: int) -> None:
        """The chain of a pair is broken, and its half is not live: forget its track, and give it up when it comes."""
        self._early.pop(sequence, None)
        if self._may_come(sequence) and len(self._doomed) < self._limit:
            self._doomed.add(sequence)

    def forget(self, half: Half) -> None:
        """A half is not live any more."""
        half.state = HalfState.GONE
        self._halves.pop(half.sequence, None)

    def oldest_waiting(self) -> Half | None:
        """The half that has waited longest for a partner."""
        while self.waiting and self.waiting[0].state is not HalfState.WAITING:
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None

    def _may_come(self, sequence: int) -> bool:
        """Whether a pair that is not here may still be told of: the link tells of its pairs in order."""
        return self._last is None or 0 < (sequence - self._last) & 0xFFFF_FFFF < 1 << 31

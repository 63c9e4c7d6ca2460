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
    """The live halves of one side, and the tracks that came before theirs did. `limit`: most such tracks."""

    def __init__(self, side: Side, limit: int) -> None:
        self.side = side
        self.waiting: deque[Half] = deque()  # oldest first; those that are not WAITING any more are skipped
        self._halves: dict[int, Half] = {}
        self._early: dict[int, Tracked] = {}
        self._limit = limit
        self._last: int | None = None

    def __len__(self) -> int:
        return len(self._halves)

    def __iter__(self) -> Iterator[Half]:
        return iter(list(self._halves.values()))

    @property
    def early(self) -> int:
        """Tracks whose half is not here yet."""
        return len(self._early)

    def add(self, ready: PairReady) -> Half:
        """The link has made a pair; with the track, if that came first."""
        half = Half(self.side, ready.sequence, ready.qubit, BellIndex(ready.bell_index), ready.created,
                    ready.correlation)  # fmt: skip
        half.track = self._early.pop(ready.sequence, None)
        self._halves[ready.sequence] = half
        self._last = ready.sequence
        return half

    def find(self, sequence: int) -> Half | None:
        """The live half of a pair."""
        return self._halves.get(sequence)

    def park(self, tracked: Tracked) -> bool:
        """Keep a track until its half comes; False when that cannot be any more, or too many wait."""
        late = self._last is not None and (tracked.sequence - self._last) & 0xFFFF_FFFF >= 1 << 31
        if late or tracked.sequence == self._last or len(self._early) >= self._limit:
            return False
        self._early[tracked.sequence] = tracked
        return True

    def forget(self, half: Half) -> None:
        """A half is not live any more."""
        half.state = HalfState.GONE
        self._halves.pop(half.sequence, None)

    def unpark(self, sequence: int) -> None:
        """The half of this track will never come."""
        self._early.pop(sequence, None)

    def oldest_waiting(self) -> Half | None:
        """The half that has waited longest for a partner."""
        while self.waiting and self.waiting[0].state is not HalfState.WAITING:
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None

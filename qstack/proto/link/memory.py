"""The memories of one link: which are free, offered to a window, hold a pair, or are being emptied (LINK-5.5).

Laws
----
1. A memory is in one place at a time: FREE, OFFERED, HELD or EMPTYING. Only a HELD one can be given back by its
   user.
2. A memory that may hold something the stack does not want is EMPTYING until the device says that it is empty; so a
   late word about its former life cannot touch the next one.
3. A label may always have as many memories as are kept for it, as they become free; what others do not need at the
   moment it may borrow.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique

from qstack.base.ids import Label, QubitId
from qstack.base.time import DomainTime

__all__ = ["Memory", "MemoryPool", "Place"]


@unique
class Place(Enum):
    """What a memory is used for."""

    FREE = "free"
    OFFERED = "offered"
    HELD = "held"
    EMPTYING = "emptying"


@dataclass(slots=True)
class Memory:
    """One memory. `busy_until`: end of the window that it was last offered to, before which it cannot be emptied."""

    qubit: QubitId
    place: Place = Place.FREE
    label: Label = Label(0)
    sequence: int = 0
    busy_until: DomainTime = DomainTime(0)


class MemoryPool:
    """The memories of one end of one link."""

    def __init__(self, qubits: Iterable[QubitId]) -> None:
        self._memories = {qubit: Memory(qubit) for qubit in qubits}
        self._free = deque(self._memories.values())
        self._kept: dict[Label, int] = {}
        self._used: dict[Label, int] = {}

    def __len__(self) -> int:
        return len(self._memories)

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._memories.values())

    def __contains__(self, qubit: object) -> bool:
        return qubit in self._memories

    @property
    def free(self) -> int:
        """Memories that can be offered at once."""
        return len(self._free)

    @property
    def not_held(self) -> int:
        """Memories that hold no pair, those included that wait for one."""
        return sum(1 for memory in self._memories.values() if memory.place in (Place.FREE, Place.OFFERED))

    @property
    def kept(self) -> dict[Label, int]:
        """Memories kept, by label. Read only."""
        return self._kept

    def census(self) -> dict[Place, int]:
        """How many memories are in each place."""
        counts = dict.fromkeys(Place, 0)
        for memory in self._memories.values():
            counts[memory.place] += 1
        return counts

    def keep(self, label: Label, memories: int) -> bool:
        """Keep `memories` for `label`; False, and nothing is kept, when so many are not left."""
        if label in self._kept or sum(self._kept.values()) + memories > len(self._memories):
            return False
        self._kept[label] = memories
        self._used[label] = 0
        return True

    def unkeep(self, label: Label) -> list[QubitId]:
        """Forget a label. Gives its memories, which are now EMPTYING."""
        self._kept.pop(label, None)
        qubits = [m.qubit for m in self._memories.values() if m.label == label and m.place in _IN_USE]
        self.empty(qubits)
        self._used.pop(label, None)
        return qubits

    def room(self, label: Label) -> int:
        """How many free memories `label` may have, those left that other labels are owed."""
        owed = sum(max(0, kept - self._used[other]) for other, kept in self._kept.items() if other != label)
        return max(0, len(self._free) - owed)

    def prospect(self, label: Label) -> int:
        """As `room`, with what is offered to windows for `label` now and may come back empty."""
        offered = sum(1 for m in self._memories.values() if m.place is Place.OFFERED and m.label == label)
        return self.room(label) + offered

    def potential(self, label: Label, active: int) -> int:
        """How many memories `label` may have at best, when `active` labels want some: what is kept for it, or a fair
        share of what is kept for nobody else; at least one."""
        others = sum(kept for other, kept in self._kept.items() if other != label)
        fair = -(-max(0, len(self._memories) - others) // max(1, active))
        return max(1, min(len(self._memories), max(self._kept.get(label, 0), fair)))

    def offer(self, label: Label, count: int, busy_until: DomainTime) -> tuple[QubitId, ...]:
        """Take up to `count` free memories for a window that ends at `busy_until`, none that others are owed."""
        taken = [self._free.popleft() for _ in range(min(count, self.room(label)))]
        for memory in taken:
            memory.place, memory.label, memory.busy_until = Place.OFFERED, label, busy_until
        self._used[label] = self._used.get(label, 0) + len(taken)
        return tuple(memory.qubit for memory in taken)

    def fill(self, qubit: QubitId, sequence: int) -> None:
        """An offered memory holds its half of pair `sequence` now."""
        memory = self._memories[qubit]
        assert memory.place is Place.OFFERED
        memory.place, memory.sequence = Place.HELD, sequence

    def hand_over(self, qubit: QubitId, label: Label) -> None:
        """A HELD memory, with its pair, is another one's from now on."""
        memory = self._memories[qubit]
        self._leave(memory)
        memory.label = label
        self._used[label] = self._used.get(label, 0) + 1

    def holds(self, qubit: QubitId, label: Label, sequence: int) -> bool:
        """Tell whether a memory holds this pair, still."""
        memory = self._memories[qubit]
        return memory.place is Place.HELD and memory.label == label and memory.sequence == sequence

    def give_back(self, qubit: QubitId) -> bool:
        """The user of a HELD memory says that it is empty; False when it is not HELD."""
        memory = self._memories[qubit]
        if memory.place is not Place.HELD:
            return False
        self._leave(memory)
        self._free_one(memory)
        return True

    def withdraw(self, qubits: Iterable[QubitId]) -> None:
        """Offered memories that the device left empty are free again."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place is Place.OFFERED:
                self._leave(memory)
                self._free_one(memory)

    def empty(self, qubits: Iterable[QubitId]) -> None:
        """The device is told to empty these, OFFERED or HELD; they wait for it as EMPTYING."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place in _IN_USE:
                self._leave(memory)
                memory.place = Place.EMPTYING

    def is_held(self, qubit: QubitId) -> bool:
        """Tell whether a memory is HELD."""
        return self._memories[qubit].place is Place.HELD

    def emptied(self, qubits: Iterable[QubitId]) -> None:
        """The device says that these are empty."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place is Place.EMPTYING:
                self._free_one(memory)

    def emptying(self) -> list[QubitId]:
        """Memories that wait for the device."""
        return [memory.qubit for memory in self._memories.values() if memory.place is Place.EMPTYING]

    def busy_until(self, qubits: Iterable[QubitId]) -> DomainTime:
        """When the last window is over that one of these was offered to."""
        return max((self._memories[qubit].busy_until for qubit in qubits), default=DomainTime(0))

    def _leave(self, memory: Memory) -> None:
        if memory.label in self._used:
            self._used[memory.label] -= 1
            if not self._used[memory.label] and memory.label not in self._kept:
                del self._used[memory.label]
        memory.label = Label(0)

    def _free_one(self, memory: Memory) -> None:
        memory.place = Place.FREE
        self._free.append(memory)


_IN_USE = (Place.OFFERED, Place.HELD)

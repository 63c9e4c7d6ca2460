"""The memories of a node's links: which are free, offered to a window, hold a pair, or are being emptied (LINK-5.5).

Laws
----
1. A memory is in one place at a time: FREE, OFFERED, HELD or EMPTYING. Only a HELD one can be given back by its
   user.
2. A memory that may hold something the stack does not want is EMPTYING until the device says that it is empty; so a
   late word about its former life cannot touch the next one.
3. A label may always have as many memories as are kept for it, as they become free; what others do not need at the
   moment it may borrow.
4. Where links share memories, each has a floor, its fair part of them: what it lacks of that the others leave free for
   it. So no neighbour can fill a node's memories for the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, unique
from functools import cached_property

from qstack.base.ids import Label, QubitId
from qstack.base.time import DomainTime

__all__ = ["Memory", "MemoryBank", "MemoryPool", "Place"]


@unique
class Place(Enum):
    """What a memory is used for."""

    FREE = "free"
    OFFERED = "offered"
    HELD = "held"
    EMPTYING = "emptying"


@dataclass(slots=True)
class Memory:
    """One memory. `busy_until`: end of the window that it was last offered to, before which it cannot be emptied.
    `pools`: those of the links that may use it; `user`: the one that does, None while it is free.
    """

    qubit: QubitId
    pools: list["MemoryPool"] = field(default_factory=list)
    user: "MemoryPool | None" = None
    place: Place = Place.FREE
    label: Label = Label(0)
    sequence: int = 0
    busy_until: DomainTime = DomainTime(0)


class MemoryBank:
    """The memories of a node, which several links may share."""

    def __init__(self) -> None:
        self._memories: dict[QubitId, Memory] = {}

    def pool(self, qubits: Iterable[QubitId]) -> "MemoryPool":
        """The memories of one more link. All of them are to be made before any is used."""
        return MemoryPool(self._memories.setdefault(qubit, Memory(qubit)) for qubit in qubits)

    def user(self, qubit: QubitId) -> "MemoryPool | None":
        """Whose a memory is now."""
        memory = self._memories.get(qubit)
        return None if memory is None else memory.user


class MemoryPool:
    """The memories of one end of one link."""

    def __init__(self, memories: Iterable[Memory]) -> None:
        self._memories = {memory.qubit: memory for memory in memories}
        for memory in self._memories.values():
            memory.pools.append(self)
        self._free = dict(self._memories)  # in the order in which they became free
        self._in_use = 0
        self._kept: dict[Label, int] = {}
        self._used: dict[Label, int] = {}

    def __len__(self) -> int:
        return len(self._memories)

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._memories.values())

    def __contains__(self, qubit: object) -> bool:
        return qubit in self._memories

    @cached_property
    def sharers(self) -> "list[MemoryPool]":
        """The other links' pools that have memories in common with this one."""
        found = {id(pool): pool for memory in self._memories.values() for pool in memory.pools}
        found.pop(id(self), None)
        return list(found.values())

    @cached_property
    def floor(self) -> int:
        """How many memories nobody can keep from this link: its own, and its part of those that it shares."""
        parts: dict[int, int] = {}
        for memory in self._memories.values():
            parts[len(memory.pools)] = parts.get(len(memory.pools), 0) + 1
        return sum(count // sharers for sharers, count in parts.items())

    @property
    def free(self) -> int:
        """Memories that can be offered at once, those left that other links lack."""
        return max(0, len(self._free) - sum(pool.lacks(self) for pool in self.sharers))

    def lacks(self, other: "MemoryPool") -> int:
        """How many memories `other` is to leave free for this link, so that it can have its floor."""
        alone = sum(1 for memory in self._free.values() if other not in memory.pools)
        return max(0, self.floor - self._in_use - alone)

    @property
    def not_held(self) -> int:
        """Memories that hold no pair, those included that wait for one."""
        return self.free + sum(1 for memory in self._mine() if memory.place is Place.OFFERED)

    @property
    def kept(self) -> dict[Label, int]:
        """Memories kept, by label. Read only."""
        return self._kept

    def census(self) -> dict[Place, int]:
        """How many memories are in each place, as far as this link uses them or could."""
        counts = dict.fromkeys(Place, 0)
        for memory in self._mine():
            counts[memory.place] += 1
        counts[Place.FREE] = len(self._free)
        return counts

    def keep(self, label: Label, memories: int) -> bool:
        """Keep `memories` for `label`; False, and nothing is kept, when so many are not left."""
        if label in self._kept or sum(self._kept.values()) + memories > self.floor:
            return False
        self._kept[label] = memories
        self._used[label] = 0
        return True

    def unkeep(self, label: Label) -> list[QubitId]:
        """Forget a label. Gives its memories, which are now EMPTYING."""
        self._kept.pop(label, None)
        qubits = [m.qubit for m in self._mine() if m.label == label and m.place in _IN_USE]
        self.empty(qubits)
        self._used.pop(label, None)
        return qubits

    def room(self, label: Label) -> int:
        """How many free memories `label` may have, those left that other labels are owed."""
        owed = sum(max(0, kept - self._used[other]) for other, kept in self._kept.items() if other != label)
        return max(0, self.free - owed)

    def prospect(self, label: Label) -> int:
        """As `room`, with what is offered to windows for `label` now and may come back empty."""
        offered = sum(1 for m in self._mine() if m.place is Place.OFFERED and m.label == label)
        return self.room(label) + offered

    def potential(self, label: Label, active: int) -> int:
        """How many memories `label` may have at best, when `active` labels want some: what is kept for it, or a fair
        share of what is kept for nobody else; at least one."""
        others = sum(kept for other, kept in self._kept.items() if other != label)
        fair = -(-max(0, len(self._memories) - others) // max(1, active))
        return max(1, min(len(self._memories), max(self._kept.get(label, 0), fair)))

    def offer(self, label: Label, count: int, busy_until: DomainTime) -> tuple[QubitId, ...]:
        """Take up to `count` free memories for a window that ends at `busy_until`, none that others are owed."""
        free = sorted(self._free, key=lambda qubit: len(self._memories[qubit].pools))  # its own before shared ones
        taken = [self._take(qubit) for qubit in free[: max(0, min(count, self.room(label)))]]
        for memory in taken:
            memory.place, memory.label, memory.busy_until = Place.OFFERED, label, busy_until
        self._used[label] = self._used.get(label, 0) + len(taken)
        return tuple(memory.qubit for memory in taken)

    def fill(self, qubit: QubitId, sequence: int) -> None:
        """An offered memory holds its half of pair `sequence` now."""
        memory = self._memories[qubit]
        assert memory.place is Place.OFFERED and memory.user is self
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
        return self.is_held(qubit) and memory.label == label and memory.sequence == sequence

    def give_back(self, qubit: QubitId) -> bool:
        """The user of a HELD memory says that it is empty; False when it is not HELD."""
        memory = self._memories[qubit]
        if not self.is_held(qubit):
            return False
        self._leave(memory)
        self._free_one(memory)
        return True

    def withdraw(self, qubits: Iterable[QubitId]) -> None:
        """Offered memories that the device left empty are free again."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place is Place.OFFERED and memory.user is self:
                self._leave(memory)
                self._free_one(memory)

    def empty(self, qubits: Iterable[QubitId]) -> None:
        """The device is told to empty these, OFFERED or HELD; they wait for it as EMPTYING."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place in _IN_USE and memory.user is self:
                self._leave(memory)
                memory.place = Place.EMPTYING

    def is_held(self, qubit: QubitId) -> bool:
        """Tell whether a memory is HELD."""
        memory = self._memories[qubit]
        return memory.place is Place.HELD and memory.user is self

    def emptied(self, qubits: Iterable[QubitId]) -> None:
        """The device says that these are empty."""
        for memory in (self._memories[qubit] for qubit in qubits):
            if memory.place is Place.EMPTYING and memory.user is self:
                self._free_one(memory)

    def emptying(self) -> list[QubitId]:
        """Memories that wait for the device."""
        return [memory.qubit for memory in self._mine() if memory.place is Place.EMPTYING]

    def busy_until(self, qubits: Iterable[QubitId]) -> DomainTime:
        """When the last window is over that one of these was offered to."""
        return max((self._memories[qubit].busy_until for qubit in qubits), default=DomainTime(0))

    def _leave(self, memory: Memory) -> None:
        if memory.label in self._used:
            self._used[memory.label] -= 1
            if not self._used[memory.label] and memory.label not in self._kept:
                del self._used[memory.label]
        memory.label = Label(0)

    def _mine(self) -> Iterator[Memory]:
        return (memory for memory in self._memories.values() if memory.user is self)

    def _take(self, qubit: QubitId) -> Memory:
        memory = self._memories[qubit]
        for pool in memory.pools:
            del pool._free[qubit]
        memory.user = self
        self._in_use += 1
        return memory

    def _free_one(self, memory: Memory) -> None:
        memory.place, memory.user = Place.FREE, None
        self._in_use -= 1
        for pool in memory.pools:
            pool._free[memory.qubit] = memory


_IN_USE = (Place.OFFERED, Place.HELD)

"""The memories of a node's links: which are free, offered to a window, hold a pair, or are being emptied (LINK-5.5).

Laws
----
1. A memory is in one place at a time: FREE, OFFERED, HELD or EMPTYING. Only a HELD one can be given back by its
   user.
2. A memory that may hold something the stack does not want is EMPTYING until the device says that it is empty; so a
   late word about its former life cannot touch the next one.
3. A label may always have as many memories as are kept for it, as they become free; what others do not need at the
   moment it may borrow.
4. Communication memories wait for pairs; storage memories take what is moved into them, and are offered to no window.
5. Where links share memories, each has a floor, its fair part of them: what it lacks of that the others leave free for
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
    `sections`: those of the links that may use it; `user`: the link that does, None while it is free.
    """

    qubit: QubitId
    sections: list["_Section"] = field(default_factory=list)
    user: "MemoryPool | None" = None
    place: Place = Place.FREE
    label: Label = Label(0)
    sequence: int = 0
    busy_until: DomainTime = DomainTime(0)


class MemoryBank:
    """The memories of a node, which several links may share."""

    def __init__(self) -> None:
        self._memories: dict[QubitId, Memory] = {}

    def pool(self, communication: Iterable[QubitId], storage: Iterable[QubitId] = ()) -> "MemoryPool":
        """The memories of one more link. All of them are to be made before any is used."""
        return MemoryPool(_Section(map(self._memory, communication)), _Section(map(self._memory, storage)))

    def _memory(self, qubit: QubitId) -> Memory:
        return self._memories.setdefault(qubit, Memory(qubit))

    def user(self, qubit: QubitId) -> "MemoryPool | None":
        """Whose a memory is now."""
        memory = self._memories.get(qubit)
        return None if memory is None else memory.user


class _Section:
    """The memories of one kind that a link may use. `free`: in the order in which they became so."""

    def __init__(self, memories: Iterable[Memory]) -> None:
        self.memories = {memory.qubit: memory for memory in memories}
        for memory in self.memories.values():
            memory.sections.append(self)
        self.free = dict(self.memories)
        self.in_use = 0

    @cached_property
    def sharers(self) -> "list[_Section]":
        """Other links' sections that have memories in common with this one."""
        found = {id(each): each for memory in self.memories.values() for each in memory.sections}
        found.pop(id(self), None)
        return list(found.values())

    @cached_property
    def floor(self) -> int:
        """How many memories nobody can keep from this link: its own, and its part of those that it shares."""
        parts: dict[int, int] = {}
        for memory in self.memories.values():
            parts[len(memory.sections)] = parts.get(len(memory.sections), 0) + 1
        return sum(count // sharers for sharers, count in parts.items())

    @property
    def available(self) -> int:
        """Memories that are free, those left that other links lack."""
        return max(0, len(self.free) - sum(each.lacks(self) for each in self.sharers))

    def lacks(self, other: "_Section") -> int:
        """How many memories `other` is to leave free for this link, so that it can have its floor."""
        alone = sum(1 for memory in self.free.values() if other not in memory.sections)
        return max(0, self.floor - self.in_use - alone)

    def take(self, count: int, user: "MemoryPool") -> list[Memory]:
        """So many free memories, the link's own before shared ones."""
        chosen = sorted(self.free.values(), key=lambda memory: len(memory.sections))[: max(0, count)]
        for memory in chosen:
            for section in memory.sections:
                del section.free[memory.qubit]
            memory.user = user
        self.in_use += len(chosen)
        return chosen

    def give_back(self, memory: Memory) -> None:
        """A memory that this link has used is free."""
        memory.place, memory.user = Place.FREE, None
        self.in_use -= 1
        for section in memory.sections:
            section.free[memory.qubit] = memory


class MemoryPool:
    """The memories of one end of one link."""

    def __init__(self, communication: _Section, storage: _Section) -> None:
        self._communication = communication
        self._storage = storage
        self._memories = communication.memories | storage.memories
        self._kept: dict[Label, int] = {}
        self._used: dict[Label, int] = {}

    def __len__(self) -> int:
        return len(self._memories)

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._memories.values())

    def __contains__(self, qubit: object) -> bool:
        return qubit in self._memories

    @property
    def floor(self) -> int:
        """How many communication memories nobody can keep from this link."""
        return self._communication.floor

    @property
    def communication(self) -> int:
        """How many memories there are that wait for pairs."""
        return len(self._communication.memories)

    @property
    def storage_free(self) -> int:
        """Storage memories that can be moved into."""
        return self._storage.available

    @property
    def free(self) -> int:
        """Communication memories that can be offered at once, those left that other links lack."""
        return self._communication.available

    def shares_with(self, other: "MemoryPool") -> bool:
        """Whether the two links have memories in common."""
        return not self._memories.keys().isdisjoint(other._memories)

    @property
    def not_held(self) -> int:
        """Communication memories that hold no pair, those included that wait for one."""
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
        counts[Place.FREE] = len(self._communication.free) + len(self._storage.free)
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
        fair = -(-max(0, self.communication - others) // max(1, active))
        return max(1, min(self.communication, max(self._kept.get(label, 0), fair)))

    def offer(self, label: Label, count: int, busy_until: DomainTime) -> tuple[QubitId, ...]:
        """Take up to `count` free memories for a window that ends at `busy_until`, none that others are owed."""
        taken = self._communication.take(min(count, self.room(label)), self)
        for memory in taken:
            memory.place, memory.label, memory.busy_until = Place.OFFERED, label, busy_until
        self._used[label] = self._used.get(label, 0) + len(taken)
        return tuple(memory.qubit for memory in taken)

    def take_storage(self, label: Label, count: int) -> tuple[QubitId, ...]:
        """Up to `count` storage memories, OFFERED to what is about to be moved into them."""
        taken = self._storage.take(min(count, self._storage.available), self)
        for memory in taken:
            memory.place, memory.label = Place.OFFERED, label
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

    def holding(self, label: Label, sequence: int) -> QubitId | None:
        """The memory that holds this pair, wherever it was moved to."""
        held = (m for m in self._mine() if m.place is Place.HELD and m.label == label and m.sequence == sequence)
        return next((memory.qubit for memory in held), None)

    def holds_half(self, qubit: QubitId, sequence: int) -> bool:
        """Tell whether a memory holds its half of this pair, still."""
        return self.is_held(qubit) and self._memories[qubit].sequence == sequence

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

    def _free_one(self, memory: Memory) -> None:
        section = self._storage if memory.qubit in self._storage.memories else self._communication
        section.give_back(memory)


_IN_USE = (Place.OFFERED, Place.HELD)

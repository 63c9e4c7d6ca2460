"""Labels: what this node calls a circuit, on each side of it.

Every label that this node gives is unique in the node. A label given downstream also names the circuit to the link
layer of both ends of that link, so the two ends must never give the same one: the end with the lower address gives
even labels, the other odd ones. Labels are not used again until 2^31 others have been, so what comes late for one that
is free is known for what it is.
"""

from typing import Generic, TypeVar

from qstack.base.errors import ResourceLimit
from qstack.base.ids import Label, Qna

__all__ = ["LabelTable", "is_of"]

T = TypeVar("T")

_MASK32 = 0xFFFF_FFFF


def is_of(label: Label, giver: Qna, neighbour: Qna) -> bool:
    """Tell whether `giver` may give this label on its link to `neighbour` (CIRCUIT-4.1-1)."""
    return label != 0 and label & 1 == (0 if giver < neighbour else 1)


class LabelTable(Generic[T]):
    """The labels in use, and what each stands for. `first`: where to begin."""

    def __init__(self, own: Qna, limit: int, first: int) -> None:
        self._own = own
        self._limit = limit
        self._next = first & _MASK32
        self._owners: dict[Label, T] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def give(self, neighbour: Qna, owner: T) -> Label:
        """A label for `owner`, towards `neighbour`. Raises `ResourceLimit`."""
        if len(self._owners) >= self._limit:
            raise ResourceLimit(f"{self._limit} labels are in use, which is the limit")
        while not is_of(Label(self._next), self._own, neighbour) or Label(self._next) in self._owners:
            self._next = (self._next + 1) & _MASK32
        label = Label(self._next)
        self._next = (self._next + 1) & _MASK32
        self._owners[label] = owner
        return label

    def find(self, label: Label) -> T | None:
        """What a label stands for."""
        return self._owners.get(label)

    def take_back(self, label: Label) -> None:
        """A label is free."""
        self._owners.pop(label, None)

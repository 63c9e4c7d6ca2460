"""The neighbours that are remembered: a bounded cache (QARP-7-1, QARP-7-3).

Law: nothing that an unproved party does fills it. Entries come from wishes of this node, from its configuration and
from sessions; of these the static, the connected and the wanted ones never give way to others.
"""

from collections import OrderedDict
from collections.abc import Iterator

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.proto.qarp.neighbour import Neighbour
from qstack.proto.qarp.states import NeighbourState

__all__ = ["NeighbourCache"]


class NeighbourCache:
    """Neighbours by QNA, the one used least recently first."""

    def __init__(self, capacity: int, per_locator: int) -> None:
        self._capacity = capacity
        self._per_locator = per_locator
        self._neighbours: OrderedDict[Qna, Neighbour] = OrderedDict()

    def __len__(self) -> int:
        return len(self._neighbours)

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(list(self._neighbours.values()))

    def get(self, peer: Qna) -> Neighbour | None:
        """The entry of `peer`."""
        return self._neighbours.get(peer)

    def use(self, neighbour: Neighbour) -> None:
        """Note that a neighbour was of use just now."""
        self._neighbours.move_to_end(neighbour.peer)

    def add(self, neighbour: Neighbour) -> None:
        """Take in a neighbour; room has been made, or it is static."""
        assert neighbour.peer not in self._neighbours
        self._neighbours[neighbour.peer] = neighbour

    def remove(self, neighbour: Neighbour) -> None:
        """Forget a neighbour."""
        del self._neighbours[neighbour.peer]

    def victim(self) -> Neighbour | None:
        """Who has to go before another can be added; None when there is room. Raises `LookupError` when nobody may."""
        if len(self._neighbours) < self._capacity:
            return None
        stale: Neighbour | None = None
        for neighbour in self._neighbours.values():
            if _dispensable(neighbour) and neighbour.state is NeighbourState.UNREACHABLE:
                return neighbour
            if stale is None and _dispensable(neighbour):
                stale = neighbour
        if stale is None:
            raise LookupError(f"all {self._capacity} neighbours are static, connected or wanted")
        return stale

    def crowded_out(self, newcomer: Neighbour) -> list[Neighbour]:
        """Who loses the locator that `newcomer` has taken, because too many have it (QARP-7-3)."""
        there = [other for other in self._at(newcomer.locator) if other is not newcomer]
        surplus = max(0, len(there) + 1 - self._per_locator)
        return [other for other in there if _dispensable(other)][:surplus]

    def searching(self) -> int:
        """How many are being searched for."""
        return sum(neighbour.state is NeighbourState.INCOMPLETE for neighbour in self._neighbours.values())

    def _at(self, locator: Locator | None) -> list[Neighbour]:
        return [neighbour for neighbour in self._neighbours.values() if neighbour.locator == locator]


def _dispensable(neighbour: Neighbour) -> bool:
    idle = neighbour.state in (NeighbourState.UNREACHABLE, NeighbourState.STALE)
    return idle and not neighbour.connected and not neighbour.configured

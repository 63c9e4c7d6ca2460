"""The qubits that applications hold: whose they are, which pair each is half of, and who has given what up."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from qstack.base.ids import PurposeId, Qna, QubitId
from qstack.base.time import DomainTime, Instant
from qstack.proto.epr.request import EprRequest
from qstack.proto.epr.socket import EprSocket

__all__ = ["HeldQubit", "PairName", "Qubits"]

_MASK32 = 0xFFFF_FFFF


class PairName(NamedTuple):
    """A pair of a link at this end. `mine`: it was asked for here."""

    neighbour: Qna
    mine: bool
    create_id: int
    sequence: int


@dataclass(slots=True, eq=False)
class HeldQubit:
    """A qubit in an application's hands.

    `until`: when the device has completed its last act; `acts`: works that are not done yet; `is_gone`: there is
    nothing in its memory any more; `is_freed`: its application has given it up, or was made to.
    """

    number: int
    qubit: QubitId
    name: PairName
    socket: EprSocket
    request: EprRequest | None  # that waits for it
    bell_index: int
    goodness: float
    created: DomainTime
    since_ns: Instant
    until: DomainTime = DomainTime(0)
    acts: int = 0
    is_gone: bool = False
    is_freed: bool = False

    @property
    def client(self) -> int:
        """Whose it is."""
        return self.socket.client

    @property
    def purpose(self) -> PurposeId:
        """Of its socket."""
        return self.socket.purpose


class Qubits:
    """All of them, and the pairs that are void before they have come (at most `remembered` of a neighbour)."""

    def __init__(self, remembered: int) -> None:
        self._by_number: dict[int, HeldQubit] = {}
        self._by_name: dict[PairName, HeldQubit] = {}
        self._of_user: dict[int, int] = {}
        self._void: dict[Qna, OrderedDict[PairName, None]] = {}
        self._remembered = remembered
        self._count = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[HeldQubit]:
        return iter(list(self._by_number.values()))

    def next_number(self) -> int:
        """A number that no qubit of this node has; 0 names none."""
        while True:
            self._count = self._count % _MASK32 + 1
            if self._count not in self._by_number:
                return self._count

    def enter(self, held: HeldQubit) -> None:
        """An application holds it. A neighbour that has restarted counts anew: the name is the newer pair's."""
        self._by_number[held.number] = held
        self._by_name[held.name] = held
        self._of_user[held.socket.user] = self.of_user(held.socket.user) + 1

    def leave(self, held: HeldQubit) -> None:
        """It does no more. Twice does no harm."""
        if self._by_number.pop(held.number, None) is None:
            return
        if self._by_name.get(held.name) is held:
            del self._by_name[held.name]
        self._of_user[held.socket.user] -= 1
        if not self._of_user[held.socket.user]:
            del self._of_user[held.socket.user]

    def of_client(self, client: int, number: int) -> HeldQubit | None:
        """An application's qubit by number (EPR-5-2)."""
        held = self._by_number.get(number)
        return held if held is not None and held.client == client else None

    def half_of(self, name: PairName) -> HeldQubit | None:
        """This end's half of a pair."""
        return self._by_name.get(name)

    def of_socket(self, socket: EprSocket) -> list[HeldQubit]:
        """What was got over one socket."""
        return [held for held in self if held.socket is socket]

    def of_user(self, user: int) -> int:
        """How many a user holds."""
        return self._of_user.get(user, 0)

    def void(self, name: PairName) -> None:
        """The other half is no more; this one may still come."""
        of_neighbour = self._void.setdefault(name.neighbour, OrderedDict())
        of_neighbour[name] = None
        if len(of_neighbour) > self._remembered:
            of_neighbour.popitem(last=False)

    def forget_void(self, neighbour: Qna) -> None:
        """Nothing of what was asked before comes from this neighbour any more."""
        self._void.pop(neighbour, None)

    def take_void(self, name: PairName) -> bool:
        """Whether a pair that has come is void; it is remembered no longer."""
        of_neighbour = self._void.get(name.neighbour)
        return of_neighbour is not None and of_neighbour.pop(name, self) is None

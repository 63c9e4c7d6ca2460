"""Qubits that fly over a link from a memory of one end to a memory of the other (TWIN-5.12).

A flight is named by link, first cycle and sender; the two ends announce it in any order. It is settled when both have,
and forgotten a grace after its cycles: what nobody takes up is lost. The cycles belong to each end's own use of the
link, as those of attempts do.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from qstack.base.ids import Cycle, LinkId, Qna, QubitId
from qstack.quantum.engine import QubitHandle
from qstack.quantum.memories import MemoryModel
from qstack.twin.bank import Bank
from qstack.twin.configuration import TwinLink
from qstack.twin.statistics import TwinStatistics
from qstack.twin.store import Purpose, Store
from qstack.twin.window import Ask, WindowName
from qstack.wire.twin import Status

__all__ = ["Flight", "FlightBook", "FlightName", "Flights", "arrival_ns"]

_IN_FLIGHT = MemoryModel()  # light forgets nothing on its way: what a channel does is to lose it
_STREAM = 1 << 63  # of a link's draws; windows begin below


class FlightName(NamedTuple):
    """Which cycle the first qubit leaves in, and from where."""

    link: LinkId
    first_cycle: Cycle
    sender: Qna


@dataclass(slots=True)
class Flight:
    """`sent`: by cycle, None for one in which nothing left; `memories`: where they are awaited, None where no more.

    Both are None until the end in question has spoken. `offered` is how the awaiting memories call it.
    """

    name: FlightName
    link: TwinLink
    forget_ns: int
    sent: list[QubitHandle | None] | None = None
    memories: list[QubitId | None] | None = None
    ask: Ask | None = None
    offered: WindowName | None = None

    @property
    def receiver(self) -> Qna:
        """The other end."""
        left, right = self.link.ends
        return right if self.name.sender == left else left


class FlightBook:
    """All flights that are not settled."""

    def __init__(self) -> None:
        self._flights: dict[FlightName, Flight] = {}
        self._deadlines: list[tuple[int, FlightName]] = []

    def __len__(self) -> int:
        return len(self._flights)

    def open(self, name: FlightName, link: TwinLink, forget_ns: int) -> Flight:
        """The flight of this name, made when there is none."""
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = Flight(name, link, forget_ns)
            heappush(self._deadlines, (forget_ns, name))
        elif forget_ns > flight.forget_ns:
            flight.forget_ns = forget_ns
            heappush(self._deadlines, (forget_ns, name))
        return flight

    def close(self, flight: Flight) -> None:
        """It is settled."""
        self._flights.pop(flight.name, None)

    def awaiting(self, node: Qna) -> Iterator[Flight]:
        """Flights that a node waits for."""
        return (each for each in list(self._flights.values()) if each.receiver == node and each.memories is not None)

    def waiting_as(self, node: Qna, offered: WindowName) -> Flight | None:
        """The flight for which a memory of a node is offered."""
        return next((each for each in self.awaiting(node) if each.offered == offered), None)

    def count(self, link: LinkId) -> int:
        """How many there are of a link."""
        return sum(each.name.link == link for each in self._flights.values())

    def next_deadline(self) -> int | None:
        """When the next one is to be forgotten."""
        while self._deadlines:
            forget_ns, name = self._deadlines[0]
            flight = self._flights.get(name)
            if flight is not None and flight.forget_ns == forget_ns:
                return forget_ns
            heappop(self._deadlines)
        return None

    def forget(self, now_ns: int) -> list[Flight]:
        """Take out those whose time has come."""
        forgotten = []
        while (deadline := self.next_deadline()) is not None and deadline <= now_ns:
            forgotten.append(self._flights.pop(heappop(self._deadlines)[1]))
        return forgotten


class Flights:
    """What becomes of qubits that fly."""

    def __init__(self, store: Store, statistics: TwinStatistics) -> None:
        self._store = store
        self._statistics = statistics
        self._flying: Counter[Qna] = Counter()  # qubits in the air, by sender

    def leave(self, bank: Bank, flight: Flight, qubits: Sequence[QubitId]) -> list[Status]:
        """The k-th qubit leaves its memory k cycles after the first."""
        statuses = [
            self._leave_one(bank, flight, qubit, flight.link.start_ns(flight.name.first_cycle + k))
            for k, qubit in enumerate(qubits)
        ]
        self._statistics.transmitted += statuses.count(Status.OK)
        return statuses

    def _leave_one(self, bank: Bank, flight: Flight, qubit: QubitId, instant_ns: int) -> Status:
        assert flight.sent is not None
        handle, memory = bank.filled(qubit), bank.memory(qubit)
        status = Status.OK
        if isinstance(handle, Status) or memory is None:
            status = handle if isinstance(handle, Status) else Status.NO_SUCH_QUBIT
        elif bank.device.is_storage(qubit):
            status = Status.WRONG_ROLE
        elif memory.ready_ns > instant_ns:
            status = Status.EARLY
        elif self._flying[bank.node] >= len(bank):  # as many as there are memories: the engine has room for no more
            status = Status.NO_ROOM
        if status is not Status.OK or isinstance(handle, Status):
            flight.sent.append(None)
            return status
        self._store.take(bank, qubit, instant_ns)
        self._store.engine.relocate([handle], [_IN_FLIGHT], [instant_ns])
        flight.sent.append(handle)
        self._flying[bank.node] += 1
        return Status.OK

    def settle(self, flight: Flight) -> list[Status]:
        """Both ends have spoken, or nobody will any more: what arrives is put into its memory, the rest is lost."""
        sent, memories = flight.sent or [], flight.memories or []
        self._flying[flight.name.sender] -= sum(handle is not None for handle in sent)
        statuses = [
            self._arrive(flight, k, sent[k] if k < len(sent) else None, memory) for k, memory in enumerate(memories)
        ]
        self._store.release(handle for handle in sent[len(memories) :] if handle is not None)
        self._statistics.lost += sum(handle is not None for handle in sent[len(memories) :])
        return statuses

    def _arrive(self, flight: Flight, k: int, handle: QubitHandle | None, memory: QubitId | None) -> Status:
        bank, cycle = self._store.banks[flight.receiver], flight.name.first_cycle + k
        there_ns = arrival_ns(flight.link, cycle)
        lost = handle is not None and (memory is None or self._lost(flight, cycle))
        if handle is None or lost:
            if memory is not None:
                bank.vacate(memory, there_ns)
            if handle is not None:
                self._store.release([handle])
                self._statistics.lost += 1
            return Status.LOST if lost else Status.NO_PARTNER
        assert memory is not None
        self._store.engine.relocate([handle], [bank.model(memory)], [there_ns])
        self._store.fill(bank, memory, handle, there_ns)
        return Status.OK

    def _lost(self, flight: Flight, cycle: int) -> bool:
        start_ns, arms = flight.link.start_ns(cycle), flight.link.hardware.arms
        arrives = arms[0].transmissivity(start_ns) * arms[1].transmissivity(start_ns)
        side = flight.link.ends.index(flight.name.sender)
        draws = self._store.link_draws(flight.name.link)
        return draws.uniform(_STREAM, 16 * cycle % (1 << 63) + 8 * side + Purpose.ARRIVAL) >= arrives


def arrival_ns(link: TwinLink, cycle: int) -> int:
    """When what leaves one end at the start of a cycle is at the other."""
    start_ns = link.start_ns(cycle)
    arms = link.hardware.arms
    return start_ns + arms[0].delay_ns(start_ns) + arms[1].delay_ns(start_ns)

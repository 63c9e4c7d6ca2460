"""Gates and measurements that applications ask for, as primitives of the device.

Laws:

* On one qubit, acts happen in the order asked (EPR-5-3): a work begins when it is the first in the queue of each of its
  qubits.
* A work goes to the device in rounds. In one round no qubit is named twice; the next one begins when the device has
  answered, at an instant not before the completion that it told.
* A qubit is free again when the device has said so. What was freed or revoked in the meantime is emptied afterwards.
"""

from collections import deque
from dataclasses import dataclass, field

from qstack.base.bell import is_two_qubit
from qstack.base.effects import CallDevice, Count
from qstack.base.errors import ResourceLimit
from qstack.base.services import QubitsFreed
from qstack.base.time import DomainTime
from qstack.proto.epr.ledger import Ledger
from qstack.proto.epr.qubits import HeldQubit, Qubits
from qstack.proto.epr.states import RequestEvent
from qstack.proto.epr.telling import Telling
from qstack.wire.control import Fate, QubitBasis, QubitGate, QubitOutcome, QubitsActed, QubitsMeasured
from qstack.wire.protocols import Protocol
from qstack.wire.twin import (
    NO_QUBIT,
    ApplyGates,
    GateItem,
    GatesApplied,
    Measure,
    Measured,
    MeasureItem,
    Status,
    request_id,
)
from qstack.wire.value import Message

__all__ = ["Acting", "Step"]

_NOTHING_THERE = frozenset({Status.EMPTY, Status.NO_SUCH_QUBIT, Status.NOT_ATTACHED, Status.LOST})


@dataclass(frozen=True, slots=True)
class Step:
    """One gate or measurement and the qubits that it acts on."""

    item: QubitGate | QubitBasis
    qubits: tuple[HeldQubit, ...]


@dataclass(slots=True, eq=False)
class _Work:
    """What one message of an application asks for. `results`: fate and bit of each step, in order."""

    client: int
    request: int
    steps: list[Step]
    measures: bool
    results: list[tuple[Fate, int]] = field(default_factory=list)
    asked: list[tuple[int, Step]] = field(default_factory=list)  # this round's, by place

    @property
    def qubits(self) -> set[HeldQubit]:
        return {held for step in self.steps for held in step.qubits}


class Acting:
    """All acts of a node's applications."""

    def __init__(self, ledger: Ledger, qubits: Qubits, telling: Telling) -> None:
        self._ledger = ledger
        self._qubits = qubits
        self._telling = telling
        self._queues: dict[HeldQubit, deque[_Work]] = {}
        self._asked: dict[int, _Work] = {}
        self._waiting: dict[int, int] = {}  # steps by client
        self._calls = 0

    @property
    def open(self) -> int:
        """Steps that are not done."""
        return sum(self._waiting.values())

    def ask(self, client: int, request: int, steps: list[Step], *, measures: bool) -> None:
        """Do `steps` in order. Raises `ResourceLimit` when too much waits already."""
        limit = self._ledger.parameters.waiting_acts
        if self._waiting.get(client, 0) + len(steps) > limit:
            raise ResourceLimit(f"{limit} acts on qubits wait for the device already: take the answers first")
        work = _Work(client, request, steps, measures)
        self._waiting[client] = self._waiting.get(client, 0) + len(steps)
        for held in work.qubits:
            held.acts += 1
            self._queues.setdefault(held, deque()).append(work)
        if self._is_first(work):
            self._next_round(work)

    def take_result(self, result: Message) -> None:
        """The device's answer to a round."""
        work = self._asked.pop(getattr(result, "request_id", 0), None)
        if work is None:
            self._ledger.effects.append(Count("epr.late_results"))
            return
        seen = _seen(result, len(work.asked))
        completed = DomainTime(getattr(result, "completed_at", 0))
        for (place, step), (status, bit) in zip(work.asked, seen, strict=True):
            fate = _fate(status)
            work.results[place] = (fate, bit if fate is Fate.DONE else 0)
            for held in step.qubits:
                held.until = max(held.until, completed)
            self._settle(step, fate, measures=work.measures)
        self._next_round(work)

    def empty(self, held: HeldQubit) -> None:
        """Nobody wants this qubit any more: empty it, as soon as nothing is being done to it."""
        held.is_freed = True
        self._leave(held)
        if not held.acts:
            self._ledger.effects.append(QubitsFreed((held.qubit,), discard=True))

    def lose(self, held: HeldQubit) -> None:
        """There is nothing in its memory any more, which the link knows."""
        held.is_gone = True
        self._leave(held)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _is_first(self, work: _Work) -> bool:
        return all(self._queues[held][0] is work for held in work.qubits)

    def _next_round(self, work: _Work) -> None:
        """Ask the device for as many of the next steps as name no qubit twice; tell the application at the end."""
        work.asked, named = [], set[HeldQubit]()
        while len(work.results) < len(work.steps):
            step = work.steps[len(work.results)]
            if named & set(step.qubits):
                break
            if any(held.is_gone for held in step.qubits):
                work.results.append((Fate.GONE, 0))
                continue
            named |= set(step.qubits)
            work.asked.append((len(work.results), step))
            work.results.append((Fate.GONE, 0))
        if work.asked:
            self._call(work, named)
        else:
            self._finish(work)

    def _call(self, work: _Work, named: set[HeldQubit]) -> None:
        ledger = self._ledger
        self._calls += 1
        identifier = request_id(Protocol.EPR, self._calls)
        self._asked[identifier] = work
        soonest = ledger.domain(ledger.now_ns + ledger.parameters.device_lead_ns)
        instant = DomainTime(max(soonest, *(held.until for held in named)))
        steps = [step for _, step in work.asked]
        call = _measure(identifier, instant, steps) if work.measures else _gates(identifier, instant, steps)
        ledger.effects.append(CallDevice(call))

    def _settle(self, step: Step, fate: Fate, *, measures: bool) -> None:
        """What a result means for the qubits of its step."""
        for held in step.qubits:
            if held.is_gone:
                continue
            if measures and fate is Fate.DONE:
                held.is_gone = True
                self._leave(held)
                self._ledger.effects.append(QubitsFreed((held.qubit,)))
            elif fate is Fate.GONE and len(step.qubits) == 1:  # of two, it is not known which
                held.is_gone = True
                self._leave(held)
                self._ledger.effects += [Count("epr.qubits_lost"), QubitsFreed((held.qubit,), discard=True)]

    def _finish(self, work: _Work) -> None:
        results = work.results
        if work.measures:
            outcomes = tuple(QubitOutcome(fate=fate, outcome=bit) for fate, bit in results)
            self._telling.tell(work.client, QubitsMeasured(request=work.request, outcomes=outcomes))
        else:
            self._telling.tell(work.client, QubitsActed(request=work.request, fates=tuple(fate for fate, _ in results)))
        self._waiting[work.client] -= len(work.steps)
        if not self._waiting[work.client]:
            del self._waiting[work.client]
        following = [waits for held in work.qubits if (waits := self._pop(held)) is not None]
        for waits in dict.fromkeys(following):
            if self._is_first(waits):
                self._next_round(waits)

    def _pop(self, held: HeldQubit) -> _Work | None:
        """A work is done with a qubit: what comes next for it."""
        queue = self._queues[held]
        queue.popleft()
        held.acts -= 1
        if queue:
            return queue[0]
        del self._queues[held]
        if held.is_freed and not held.is_gone:
            held.is_gone = True
            self._ledger.effects.append(QubitsFreed((held.qubit,), discard=True))
        return None

    def _leave(self, held: HeldQubit) -> None:
        self._qubits.leave(held)
        request = held.request
        if request is not None:
            held.request = None
            request.in_use = False
            self._ledger.fire_request(request, RequestEvent.FREED)


def _gates(identifier: int, instant: DomainTime, steps: list[Step]) -> ApplyGates:
    return ApplyGates(request_id=identifier, instant=instant, gates=tuple(
        GateItem(
            qubit=step.qubits[0].qubit, gate=step.item.gate, angle=step.item.angle,
            second=step.qubits[1].qubit if is_two_qubit(step.item.gate) else NO_QUBIT,
        )
        for step in steps if isinstance(step.item, QubitGate)
    ))  # fmt: skip


def _measure(identifier: int, instant: DomainTime, steps: list[Step]) -> Measure:
    return Measure(request_id=identifier, instant=instant, measurements=tuple(
        MeasureItem(qubit=step.qubits[0].qubit, basis=step.item.basis)
        for step in steps if isinstance(step.item, QubitBasis)
    ))  # fmt: skip


def _seen(result: Message, number: int) -> list[tuple[int, int]]:
    """Status and bit of each step; a device that refuses the whole, or tells too little, has done nothing."""
    match result:
        case Measured():
            told = [(outcome.status, outcome.bit) for outcome in result.outcomes]
        case GatesApplied():
            told = [(status, 0) for status in result.statuses]
        case _:
            told = [(getattr(result, "status", Status.UNSUPPORTED), 0)] * number
    return [*told, *[(int(Status.UNSUPPORTED), 0)] * number][:number]


def _fate(status: int) -> Fate:
    if status == Status.OK:
        return Fate.DONE
    return Fate.GONE if status in _NOTHING_THERE else Fate.UNSUPPORTED

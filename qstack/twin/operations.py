"""What a device does to the qubits in its memories: initialise, gates, moves, Bell and other measurements, release.

Each function takes the items of a request and gives one result for each, and when the last was complete. An item sees
what those before it did; where items share a memory, one begins when the one before is complete (TWIN-3-4, TWIN-4-6).
All that can be is done in one call of the engine. Nothing corrects a Pauli frame, readout errors turn what is told
(TWIN-6-2), and operations leave their errors where TWIN-6-3 says.
"""

from collections.abc import Iterable, Sequence
from math import tau
from typing import Any, NamedTuple

from qstack.base.bell import Basis, Gate, has_angle, is_two_qubit
from qstack.base.ids import QubitId
from qstack.quantum import engine as door
from qstack.quantum.engine import Axis, GateCall, QubitHandle
from qstack.twin.bank import Bank
from qstack.twin.statistics import TwinStatistics
from qstack.twin.store import STATUS, Purpose, Store
from qstack.wire.twin import (
    ANGLE_UNIT,
    NO_QUBIT,
    Couple,
    GateItem,
    MeasureItem,
    MoveItem,
    Outcome,
    Status,
    SwapOutcome,
)

__all__ = ["Done", "Operations"]

_CLIFFORDS = 24
_BASES, _GATES = frozenset(Basis), frozenset(Gate)


class Done(NamedTuple):
    """Results, one an item, and when the last was complete."""

    results: Sequence[Any]
    completed_ns: int


class _Turns:
    """When the items of one request act."""

    def __init__(self, bank: Bank, instant_ns: int) -> None:
        self.completed_ns = instant_ns
        self._bank = bank
        self._instant_ns = instant_ns
        self._until: dict[int, int] = {}

    def begin(self, *qubits: int) -> int | None:
        """When an item on these memories, which exist, can begin; None when it is EARLY."""
        start_ns = self._instant_ns
        for qubit in qubits:
            until_ns = self._until.get(qubit)
            if until_ns is None:
                memory = self._bank.memory(qubit)
                if memory is not None and memory.ready_ns > self._instant_ns:
                    return None
            elif until_ns > start_ns:
                start_ns = until_ns
        return start_ns

    def end(self, instant_ns: int, *qubits: int) -> None:
        """An item on these memories is complete at an instant."""
        for qubit in qubits:
            self._until[qubit] = instant_ns
            memory = self._bank.memory(qubit)
            if memory is not None:
                memory.ready_ns = instant_ns
        self.completed_ns = max(self.completed_ns, instant_ns)


class Operations:
    """The operations of all devices."""

    def __init__(self, store: Store, statistics: TwinStatistics) -> None:
        self._store = store
        self._engine = store.engine
        self._statistics = statistics

    # ---- making and moving ----

    def initialise(self, bank: Bank, qubits: Sequence[QubitId], instant_ns: int) -> Done:
        """|0> in empty memories."""
        turns, statuses = _Turns(bank, instant_ns), []
        for qubit in qubits:
            memory = bank.memory(qubit)
            if memory is None:
                statuses.append(Status.NO_SUCH_QUBIT)
            elif memory.handle is not None or memory.offered is not None:
                statuses.append(Status.BUSY)
            elif turns.begin(qubit) is None:
                statuses.append(Status.EARLY)
            else:
                cost = bank.device.gates.initialising(storage=bank.device.is_storage(qubit))
                ready_ns = instant_ns + cost.duration_ns
                state = Axis(0.0, 0.0, 1.0 - cost.error)
                [handle] = self._engine.prepare([state], [ready_ns], [bank.model(qubit)])
                self._store.fill(bank, qubit, handle, ready_ns)
                turns.end(ready_ns, qubit)
                statuses.append(Status.OK)
        self._statistics.initialised += statuses.count(Status.OK)
        return Done(statuses, turns.completed_ns)

    def move(self, bank: Bank, moves: Sequence[MoveItem], instant_ns: int) -> Done:
        """Qubits into other memories of the node."""
        turns = _Turns(bank, instant_ns)
        statuses = [self._move_one(bank, item.source, item.target, turns) for item in moves]
        self._statistics.moved += statuses.count(Status.OK)
        return Done(statuses, turns.completed_ns)

    def _move_one(self, bank: Bank, source: QubitId, target: QubitId, turns: _Turns) -> Status:
        handle, there = bank.filled(source), bank.memory(target)
        if isinstance(handle, Status):
            return handle
        if there is None:
            return Status.NO_SUCH_QUBIT
        if there.handle is not None or there.offered is not None:
            return Status.BUSY
        start_ns = turns.begin(source, target)
        if start_ns is None:
            return Status.EARLY
        cost = bank.device.gates.move
        ready_ns = start_ns + cost.duration_ns
        self._engine.relocate([handle], [bank.model(target)], [ready_ns])
        self._blur([handle], [cost.error], [ready_ns])
        self._store.take(bank, source, ready_ns)
        self._store.fill(bank, target, handle, ready_ns)
        turns.end(ready_ns, source, target)
        return Status.OK

    # ---- gates ----

    def apply(self, bank: Bank, items: Sequence[GateItem], instant_ns: int) -> Done:
        """Gates; the qubits stay in their memories."""
        turns = _Turns(bank, instant_ns)
        planned = [self._plan(bank, item, turns) for item in items]
        calls = [each for each in planned if not isinstance(each, Status)]
        done = iter(self._engine.apply([call for call, _ in calls], [start for _, start in calls]))
        statuses = [each if isinstance(each, Status) else STATUS[next(done)] for each in planned]
        self._statistics.turned += statuses.count(Status.OK)
        return Done(statuses, turns.completed_ns)

    def _plan(self, bank: Bank, item: GateItem, turns: _Turns) -> tuple[GateCall, int] | Status:
        """The engine's call for a gate, and when."""
        handle = bank.filled(item.qubit)
        if isinstance(handle, Status):
            return handle
        angle = _angle(item)
        if angle is None or is_two_qubit(item.gate) != (item.second != NO_QUBIT):
            return Status.UNSUPPORTED
        qubits, handles = (item.qubit,), (handle,)
        cost = bank.device.gates.turning(storage=bank.device.is_storage(item.qubit))
        if is_two_qubit(item.gate):
            second = bank.filled(item.second)
            if isinstance(second, Status):
                return second
            if item.second == item.qubit:
                return Status.BUSY
            qubits, handles = (item.qubit, item.second), (handle, second)  # type: ignore[assignment]
            cost = bank.device.gates.two_qubit
        start_ns = turns.begin(*qubits)
        if start_ns is None:
            return Status.EARLY
        turns.end(start_ns + cost.duration_ns, *qubits)
        return GateCall(item.gate, handles, angle, cost.error), start_ns

    # ---- measurements ----

    def swap(self, bank: Bank, couples: Sequence[Couple], instant_ns: int) -> Done:
        """Bell measurements; both memories of a couple are empty afterwards."""
        number, turns, cost = _next(bank), _Turns(bank, instant_ns), bank.device.gates.bell_measure
        results, chosen, taken = [SwapOutcome(status=Status.OK)] * len(couples), list[int](), set[int]()
        for n, couple in enumerate(couples):
            why = _measurable(bank, (couple.first, couple.second), taken, turns)
            if why is Status.OK:
                chosen.append(n)
                taken.update((couple.first, couple.second))
            else:
                results[n] = SwapOutcome(status=why)
        pairs = [(couples[n].first, couples[n].second) for n in chosen]
        handles = [(_held(bank, first), _held(bank, second)) for first, second in pairs]
        instants = [instant_ns] * len(chosen)
        # Depolarising one qubit of a couple does to the outcome, and to all others, what doing it to both does.
        self._blur([first for first, _ in handles], [cost.error] * len(chosen), instants)
        done = self._engine.bell_measure(
            handles, instants, self._store.uniforms(bank, number, chosen, Purpose.OUTCOME),
            list(zip(
                self._store.readouts(bank, number, chosen, [bank.model(q) for q, _ in pairs], Purpose.READOUT),
                self._store.readouts(bank, number, chosen, [bank.model(q) for _, q in pairs], Purpose.SECOND_READOUT),
                strict=True,
            )),
        )  # fmt: skip
        for n, both, found in zip(chosen, pairs, done, strict=True):
            status = STATUS[found.status]
            if status is not Status.OK:
                results[n] = SwapOutcome(status=status)
                continue
            results[n] = SwapOutcome(status=status, bell_index=found.told)
            for qubit in both:
                self._store.take(bank, qubit, instant_ns)
            turns.end(instant_ns + cost.duration_ns, *both)
            self._statistics.swapped += 1
        return Done(results, turns.completed_ns)

    def measure(self, bank: Bank, items: Sequence[MeasureItem], instant_ns: int) -> Done:
        """Measurements; the memory is empty afterwards."""
        number, turns, cost = _next(bank), _Turns(bank, instant_ns), bank.device.gates.measure
        results, chosen, taken = [Outcome(status=Status.OK)] * len(items), list[int](), set[int]()
        for n, item in enumerate(items):
            why = _measurable(bank, (item.qubit,), taken, turns)
            if why is Status.OK and item.basis not in _BASES:
                why = Status.UNSUPPORTED
            if why is Status.OK:
                chosen.append(n)
                taken.add(item.qubit)
            else:
                results[n] = Outcome(status=why)
        qubits = [items[n].qubit for n in chosen]
        handles, instants = [_held(bank, qubit) for qubit in qubits], [instant_ns] * len(chosen)
        self._blur(handles, [cost.error] * len(chosen), instants)
        done = self._engine.measure(
            handles, [items[n].basis for n in chosen], instants,
            self._store.uniforms(bank, number, chosen, Purpose.OUTCOME),
            self._store.readouts(bank, number, chosen, [bank.model(q) for q in qubits], Purpose.READOUT),
        )  # fmt: skip
        for n, qubit, found in zip(chosen, qubits, done, strict=True):
            assert found.status is door.Status.OK, "every basis is the engine's, and every instant was looked at"
            results[n] = Outcome(status=Status.OK, bit=found.told)
            self._store.take(bank, qubit, instant_ns)
            turns.end(instant_ns + cost.duration_ns, qubit)
        self._store.release(handles)
        self._statistics.measured += len(chosen)
        return Done(results, turns.completed_ns)

    # ---- the end ----

    def release(self, bank: Bank, qubit: QubitId, instant_ns: int) -> Status:
        """Empty a filled memory."""
        found, memory = bank.filled(qubit), bank.memory(qubit)
        if isinstance(found, Status) or memory is None:
            return found if isinstance(found, Status) else Status.NO_SUCH_QUBIT
        if instant_ns < memory.ready_ns:
            return Status.EARLY
        self._store.release([self._store.take(bank, qubit, instant_ns)])
        self._statistics.released += 1
        return Status.OK

    def _blur(self, handles: Sequence[QubitHandle], errors: Sequence[float], instants_ns: Sequence[int]) -> None:
        """Depolarise qubits."""
        if any(errors):
            calls = [GateCall(Gate.I, (each,), 0.0, error) for each, error in zip(handles, errors, strict=True)]
            self._engine.apply(calls, instants_ns)


def _next(bank: Bank) -> int:
    """The number of a node's next primitive."""
    bank.primitives += 1
    return bank.primitives


def _held(bank: Bank, qubit: int) -> QubitHandle:
    handle = bank.filled(qubit)
    assert not isinstance(handle, Status), "it was filled a moment ago"
    return handle


def _measurable(bank: Bank, qubits: Iterable[int], taken: set[int], turns: _Turns) -> Status:
    """Whether all of these hold a qubit that can be measured now; `taken` are empty by then."""
    seen: set[int] = set()
    for qubit in qubits:
        handle = bank.filled(qubit)
        if isinstance(handle, Status):
            return handle
        if qubit in taken:
            return Status.EMPTY
        if qubit in seen:
            return Status.BUSY
        seen.add(qubit)
    return Status.EARLY if turns.begin(*seen) is None else Status.OK


def _angle(item: GateItem) -> float | None:
    """The engine's operand; None for what is no gate, or not of this gate."""
    if item.gate not in _GATES:
        return None
    if has_angle(item.gate):
        signed = item.angle - ANGLE_UNIT if item.angle >= ANGLE_UNIT // 2 else item.angle
        return signed * tau / ANGLE_UNIT
    if item.gate is Gate.CLIFFORD:
        return float(item.angle) if item.angle < _CLIFFORDS else None
    return None if item.angle else 0.0

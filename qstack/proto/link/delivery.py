"""From a heralded window to the users of its pairs (LINK-5.7): kept, measured at both ends, or at the asker's alone.

Laws
----
1. The k-th success of a window is in the k-th memory that was offered; of type measure, what the device measured in
   that cycle. So both ends speak of the same pair by the station's number, whatever else was lost.
2. A pair is told once, when all that is to be told of it is known; those of an atomic request together, or not at all.
3. A pair that was not told and is not wanted any more leaves its memory empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol as Interface

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.ids import Cycle, QubitId
from qstack.base.pairs import PairKind, Rotation, basis_before
from qstack.base.time import DomainTime
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.handling import moved
from qstack.proto.link.memory import MemoryPool
from qstack.proto.link.params import LinkConfiguration, MovePolicy
from qstack.proto.link.queue import Request
from qstack.proto.link.rounds import PairName
from qstack.proto.link.samples import Sample, Samples
from qstack.proto.link.states import RequestState
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.telling import Half
from qstack.quantum.formulas import transpose
from qstack.wire.link import HalfReading, Reply
from qstack.wire.twin import (
    NO_QUBIT,
    ApplyGates,
    FetchOutcomes,
    GateItem,
    GatesApplied,
    Measure,
    Measured,
    MeasureItem,
    Move,
    Moved,
    MoveItem,
    OutcomesFetched,
    Status,
)
from qstack.wire.value import Message

__all__ = ["Delivery"]

_ANGLE_SHIFT = 16  # from parts of 2^16 of a full turn to parts of 2^32


@dataclass(frozen=True, slots=True)
class _Unready:
    """A half that the device is asked about. `memories`: where it was when it was asked to be measured or moved, and
    where it is moved to."""

    request: Request
    half: Half
    first_cycle: Cycle
    memories: tuple[QubitId, ...] = ()


class Heralded(Interface):
    """A window that was heralded, with what was agreed for it."""

    @property
    def request(self) -> Request: ...
    @property
    def first_cycle(self) -> Cycle: ...
    @property
    def qubits(self) -> tuple[QubitId, ...]: ...
    @property
    def bright(self) -> int: ...
    @property
    def terms(self) -> int: ...


class Delivery:
    """Of one end of one link. `empty` has memories emptied, `void` takes a window back at both ends, `finish` is told
    of a request that has all its pairs."""

    def __init__(
        self, configuration: LinkConfiguration, pool: MemoryPool, around: Surroundings, unit: EstimationUnit,
        samples: Samples, *,
        empty: Callable[[tuple[QubitId, ...]], None], void: Callable[[Cycle], None],
        finish: Callable[[Request], None],
    ) -> None:  # fmt: skip
        self._configuration = configuration
        self._pool = pool
        self._around = around
        self._unit = unit
        self._samples = samples
        self._empty = empty
        self._void = void
        self._finish = finish
        self._unready: dict[int, _Unready] = {}  # by the pair's number
        self._is_lower = around.own < configuration.neighbour

    def receive(self, window: Heralded, reply: Reply) -> list[Half]:
        """The halves that a window brought to its request; those that are samples are measured at once."""
        request, measures = window.request, window.request.kind is PairKind.MEASURE
        samples: list[Sample] = []
        halves: list[Half] = []
        for k, pair in enumerate(reply.pairs):
            number, cycle = (reply.first_sequence + k) & 0xFFFF_FFFF, Cycle(window.first_cycle + pair.offset)
            born, qubit = DomainTime(cycle * self._configuration.cycle_ns), None if measures else window.qubits[k]
            if qubit is not None:
                self._pool.fill(qubit, number)
            name = PairName(request.station, number, cycle)
            basis = self._samples.basis_of(window.terms, name)
            if basis is not None:
                samples.append(Sample(name, basis, qubit, pair.bell_index, window.bright, born))
                continue
            state = self._unit.state(window.bright, pair.bell_index, born)
            state = state if request.mine == self._is_lower else transpose(state)
            halves.append(Half(number, qubit, BellIndex(pair.bell_index), born, state))
        if measures:
            self._samples.fetch(samples, window.first_cycle)
        else:
            self._samples.measure(samples)
        return halves

    def deliver(self, window: Heralded, halves: list[Half]) -> None:
        """Tell the user, or first ask the device for what is still to be known."""
        request = window.request
        if request.kind is PairKind.MEASURE:
            self._fetch(request, window.first_cycle, halves)
        elif request.kind is PairKind.PREPARE and request.mine:
            self._measure(request, window.first_cycle, halves)
        else:
            moving = self._move(request, window.first_cycle, halves)
            for half in halves[moving:]:
                self.hand(request, half)

    def answered(self, sequences: tuple[int, ...], result: Message) -> None:
        """The device tells what it measured or moved, or that it will not."""
        match result:
            case OutcomesFetched():
                self._fetched(sequences, result)
            case Measured():
                self._measured(sequences, result)
            case Moved():
                self._moved(sequences, result)
            case GatesApplied():  # the measurement that follows tells of those that were turned
                for sequence, status in zip(sequences, result.statuses, strict=False):
                    if status != Status.OK:
                        self._outcome(sequence, status, 0, Basis.Z)
            case _:
                for sequence in sequences:
                    self._outcome(sequence, Status.UNSUPPORTED, 0, Basis.Z)

    def _fetched(self, sequences: tuple[int, ...], result: OutcomesFetched) -> None:
        """The device tells what it measured."""
        for sequence, item in zip(sequences, result.outcomes, strict=False):
            self._outcome(sequence, item.status, item.bit, Basis(item.basis))

    def _measured(self, sequences: tuple[int, ...], result: Measured) -> None:
        """The device has measured."""
        for sequence, item in zip(sequences, result.outcomes, strict=False):
            unready = self._unready.get(sequence)
            if unready is not None:
                assert unready.half.basis is not None
                self._outcome(sequence, item.status, item.bit, unready.half.basis)

    def _moved(self, sequences: tuple[int, ...], result: Moved) -> None:
        """The device has moved halves into storage: where they were is free again."""
        for sequence, status in zip(sequences, result.statuses, strict=False):
            unready = self._unready.get(sequence)
            if unready is None:
                continue
            if status != Status.OK:
                self._useless(sequence, unready)
                continue
            del self._unready[sequence]
            source, target = unready.memories
            self._pool.fill(target, sequence)
            self._pool.give_back(source)
            self.hand(unready.request, unready.half)

    def revoke(self, request: Request, pairs: list[tuple[int, QubitId | None]]) -> None:
        """Pairs are void: their memories are emptied, their user is told of those that it was told of."""
        numbers = {sequence for sequence, _ in pairs}
        unheard = {half.sequence for half in request.waiting if half.sequence in numbers}
        under_way = {number: self._unready.pop(number) for number in numbers if number in self._unready}
        unheard |= set(under_way)
        self._empty(tuple(qubit for each in under_way.values() for qubit in each.memories))
        request.waiting[:] = [half for half in request.waiting if half.sequence not in numbers]
        held = (self._pool.holding(request.owner, sequence) for sequence, qubit in pairs if qubit is not None)
        self._empty(tuple(qubit for qubit in held if qubit is not None))
        told = [sequence for sequence, _ in pairs if sequence not in unheard]
        if told and request.told:
            request.told -= len(told)
            request.audience.revoked(told)

    def drop(self, request: Request) -> None:
        """A request is over: what its user was not told of is emptied."""
        held = [half.qubit for half in request.waiting if half.qubit is not None]
        request.waiting.clear()
        for sequence, unready in list(self._unready.items()):
            if unready.request is request:
                del self._unready[sequence]
                held += unready.memories
        self._empty(tuple(held))

    # --- small print -------------------------------------------------------------------------------------------------

    def _fetch(self, request: Request, first_cycle: Cycle, halves: list[Half]) -> None:
        offsets = tuple(half.created // self._configuration.cycle_ns - first_cycle for half in halves)
        for half in halves:
            self._unready[half.sequence] = _Unready(request, half, first_cycle)
        link = self._configuration.link
        self._around.call(FetchOutcomes, ("fetch", link, tuple(half.sequence for half in halves)), link=link,
                          first_cycle=first_cycle, offsets=offsets)  # fmt: skip

    def _measure(self, request: Request, first_cycle: Cycle, halves: list[Half]) -> None:
        """Remote state preparation: turn and measure this end's halves, now that they are known."""
        reading, link = request.create.local, self._configuration.link
        instant = self._around.domain_now()
        qubits = [half.qubit for half in halves if half.qubit is not None]
        turns = [(half.sequence, item) for half, qubit in zip(halves, qubits, strict=True)
                 for item in _rotations(qubit, reading)]  # fmt: skip
        if turns:
            owner = ("turn", link, tuple(sequence for sequence, _ in turns))
            self._around.call(ApplyGates, owner, instant=instant, gates=tuple(item for _, item in turns))
        items = []
        for half, qubit in zip(halves, qubits, strict=True):
            basis = self._draw(reading, half)
            measured = replace(half, qubit=None, basis=basis)
            self._unready[half.sequence] = _Unready(request, measured, first_cycle, (qubit,))
            items.append(MeasureItem(qubit=qubit, basis=basis))
        owner = ("measure", link, tuple(half.sequence for half in halves))
        self._around.call(Measure, owner, instant=instant, measurements=tuple(items))

    def _move(self, request: Request, first_cycle: Cycle, halves: list[Half]) -> int:
        """Begin to move an application's halves into storage, the first ones first; gives how many."""
        policy = self._around.parameters.move
        wanted = policy is MovePolicy.ALWAYS or (policy is MovePolicy.NEEDED and not self._pool.free)
        if request.label or not request.sequence or not wanted or not self._pool.storage_free:
            return 0
        targets = self._pool.take_storage(request.owner, len(halves))
        moves, link = [], self._configuration.link
        for half, target in zip(halves, targets, strict=False):
            assert half.qubit is not None
            state = moved(half.correlation, 0 if request.mine else 1, self._configuration.handling)
            there = replace(half, qubit=target, correlation=state)
            self._unready[half.sequence] = _Unready(request, there, first_cycle, (half.qubit, target))
            moves.append(MoveItem(source=half.qubit, target=target))
        owner = ("move", link, tuple(half.sequence for half in halves[: len(targets)]))
        self._around.call(Move, owner, instant=self._around.domain_now(), moves=tuple(moves))
        return len(targets)

    def _useless(self, sequence: int, unready: _Unready) -> None:
        """The device could not do what is needed with a pair: it is taken back at both ends."""
        self._around.count("pairs_useless")
        self._void(unready.first_cycle)

    def _draw(self, reading: HalfReading, half: Half) -> Basis:
        event = b"basis" + self._configuration.link.to_bytes(4, "big") + half.created.to_bytes(8, "big")
        return reading.reading.basis(self._around.chance.uniform(event + half.sequence.to_bytes(4, "big")))

    def _outcome(self, sequence: int, status: int, bit: int, basis: Basis) -> None:
        unready = self._unready.pop(sequence, None)
        if unready is None:
            return
        if status != Status.OK:
            self._unready[sequence] = unready  # so that taking the window back finds it
            self._useless(sequence, unready)
            return
        for memory in unready.memories:
            self._pool.give_back(memory)
        create = unready.request.create
        reading = create.local if unready.request.mine else create.remote
        turned = basis_before(Rotation(reading.x1, reading.y, reading.x2), basis)
        self.hand(unready.request, replace(unready.half, outcome=bit, basis=turned))

    def hand(self, request: Request, half: Half) -> None:
        """All is known of a pair: its user has it, or it waits for the others of an atomic request."""
        request.waiting.append(half)
        if request.create.atomic and request.told + len(request.waiting) < request.create.number:
            return
        ready, request.waiting[:] = list(request.waiting), []
        request.told += len(ready)
        for each in ready:
            request.audience.pair(each)
        if request.told >= request.create.number and request.state is RequestState.QUEUED:
            request.audience.done()
            self._finish(request)


def _rotations(qubit: QubitId, reading: HalfReading) -> list[GateItem]:
    turns = ((Gate.RX, reading.x1), (Gate.RY, reading.y), (Gate.RX, reading.x2))
    return [
        GateItem(qubit=qubit, gate=gate, second=NO_QUBIT, angle=angle << _ANGLE_SHIFT)
        for gate, angle in turns if angle
    ]  # fmt: skip



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
from qstack.base.pairs import BasisChoice, PairKind, Rotation, basis_before
from qstack.base.time import DomainTime
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.memory import MemoryPool
from qstack.proto.link.params import LinkConfiguration
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
    Measure,
    Measured,
    MeasureItem,
    OutcomesFetched,
    Status,
)

__all__ = ["Delivery"]

_DRAWN_FROM = {
    BasisChoice.NONE: (Basis.Z,),
    BasisChoice.XZ: (Basis.X, Basis.Z),
    BasisChoice.XYZ: (Basis.X, Basis.Y, Basis.Z),
    BasisChoice.CHSH: (Basis.Z_PLUS_X, Basis.Z_MINUS_X),
}
_ANGLE_SHIFT = 16  # from parts of 2^16 of a full turn to parts of 2^32


@dataclass(frozen=True, slots=True)
class _Unready:
    """A half that the device is asked about. `memory`: where it was when it was asked to be measured."""

    request: Request
    half: Half
    first_cycle: Cycle
    memory: QubitId | None


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
            for half in halves:
                self.hand(request, half)

    def fetched(self, sequences: tuple[int, ...], result: OutcomesFetched) -> None:
        """The device tells what it measured."""
        for sequence, item in zip(sequences, result.outcomes, strict=False):
            self._outcome(sequence, item.status, item.bit, Basis(item.basis))

    def measured(self, sequences: tuple[int, ...], result: Measured) -> None:
        """The device has measured."""
        for sequence, item in zip(sequences, result.outcomes, strict=False):
            unready = self._unready.get(sequence)
            if unready is not None:
                assert unready.half.basis is not None
                self._outcome(sequence, item.status, item.bit, unready.half.basis)

    def refused(self, sequences: tuple[int, ...]) -> None:
        """The device will not tell: these pairs are of no use."""
        for sequence in sequences:
            self._outcome(sequence, Status.UNSUPPORTED, 0, Basis.Z)

    def revoke(self, request: Request, pairs: list[tuple[int, QubitId | None]]) -> None:
        """Pairs are void: their memories are emptied, their user is told of those that it was told of."""
        numbers = {sequence for sequence, _ in pairs}
        unheard = {half.sequence for half in request.waiting if half.sequence in numbers}
        unheard |= {sequence for sequence in numbers if self._unready.pop(sequence, None) is not None}
        request.waiting[:] = [half for half in request.waiting if half.sequence not in numbers]
        held = [q for sequence, q in pairs if q is not None and self._pool.holds(q, request.owner, sequence)]
        self._empty(tuple(held))
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
                if unready.memory is not None and self._pool.holds(unready.memory, request.owner, sequence):
                    held.append(unready.memory)
        self._empty(tuple(held))

    # --- small print -------------------------------------------------------------------------------------------------

    def _fetch(self, request: Request, first_cycle: Cycle, halves: list[Half]) -> None:
        offsets = tuple(half.created // self._configuration.cycle_ns - first_cycle for half in halves)
        for half in halves:
            self._unready[half.sequence] = _Unready(request, half, first_cycle, None)
        link = self._configuration.link
        self._around.call(FetchOutcomes, ("fetch", link, tuple(half.sequence for half in halves)), link=link,
                          first_cycle=first_cycle, offsets=offsets)  # fmt: skip

    def _measure(self, request: Request, first_cycle: Cycle, halves: list[Half]) -> None:
        """Remote state preparation: turn and measure this end's halves, now that they are known."""
        reading, link = request.create.local, self._configuration.link
        instant = self._around.domain_now()
        qubits = [half.qubit for half in halves if half.qubit is not None]
        gates = [item for qubit in qubits for item in _rotations(qubit, reading)]
        if gates:
            self._around.call(ApplyGates, ("gates", link, 0), instant=instant, gates=tuple(gates))
        items = []
        for half, qubit in zip(halves, qubits, strict=True):
            basis = self._draw(reading, half)
            measured = replace(half, qubit=None, basis=basis)
            self._unready[half.sequence] = _Unready(request, measured, first_cycle, qubit)
            items.append(MeasureItem(qubit=qubit, basis=basis))
        owner = ("measure", link, tuple(half.sequence for half in halves))
        self._around.call(Measure, owner, instant=instant, measurements=tuple(items))

    def _draw(self, reading: HalfReading, half: Half) -> Basis:
        bases = _DRAWN_FROM[BasisChoice(reading.choice)]
        event = b"basis" + self._configuration.link.to_bytes(4, "big") + half.created.to_bytes(8, "big")
        return bases[int(self._around.chance.uniform(event + half.sequence.to_bytes(4, "big")) * len(bases))]

    def _outcome(self, sequence: int, status: int, bit: int, basis: Basis) -> None:
        unready = self._unready.pop(sequence, None)
        if unready is None:
            return
        if status != Status.OK:
            self._around.count("outcomes_missing")
            self._unready[sequence] = unready  # so that taking the window back finds it
            self._void(unready.first_cycle)
            return
        if unready.memory is not None:
            self._pool.give_back(unready.memory)
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



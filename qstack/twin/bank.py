"""The memories of one node: what is empty, offered, or filled, and from when on each may be used.

A memory is never two of these. Its qubit's state lives in the engine; here is only who holds which handle, and until
when the memory is in use, so that nothing acts on a qubit, or is born into a memory, before the last thing is complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qstack.base.ids import Qna, QubitId
from qstack.quantum.draws import Draws
from qstack.quantum.engine import QubitHandle
from qstack.quantum.memories import DeviceModel, MemoryBank, MemoryModel
from qstack.quantum.memories import Operation as Cost
from qstack.twin.window import WindowName
from qstack.wire.twin import PROBABILITY_UNIT, MemoryKind, MemoryRole, Operation, OperationKind, Status

__all__ = ["Bank", "Memory"]


@dataclass(slots=True)
class Memory:
    """A place for one qubit. `ready_ns`: until then it is in use; `offered` names the window it waits for."""

    ready_ns: int = 0
    offered: WindowName | None = None
    handle: QubitHandle | None = None


class Bank:
    """All memories of a node, and who speaks for it. `draws`: the chance of its attachment."""

    def __init__(self, node: Qna, device: DeviceModel) -> None:
        self.node = node
        self.device = device
        self.session: int | None = None
        self.attachments = 0
        self.primitives = 0  # since the last attachment
        self.draws: Draws | None = None
        self._memories = [Memory() for _ in range(device.qubits)]

    def __len__(self) -> int:
        return len(self._memories)

    def memory(self, qubit: int) -> Memory | None:
        """A memory by its number; None when there is none."""
        return self._memories[qubit] if qubit < len(self._memories) else None

    def model(self, qubit: int) -> MemoryModel:
        """How a memory forgets and is read. There is such a memory."""
        return self.device.memory(qubit)

    def may_offer(self, qubits: Sequence[QubitId], start_ns: int) -> Status:
        """Whether all of these can wait for what comes over a link from `start_ns` on."""
        if len(set(qubits)) != len(qubits):
            return Status.BUSY
        for qubit in qubits:
            memory = self.memory(qubit)
            if memory is None:
                return Status.NO_SUCH_QUBIT
            if self.device.is_storage(qubit):
                return Status.WRONG_ROLE
            if memory.offered is not None or memory.handle is not None:
                return Status.BUSY
            if memory.ready_ns > start_ns:
                return Status.EARLY
        return Status.OK

    def offer(self, qubits: Sequence[QubitId], window: WindowName) -> None:
        """Let these wait for a window; `may_offer` said OK."""
        for qubit in qubits:
            self._memories[qubit].offered = window

    def fill(self, qubit: QubitId, handle: QubitHandle, instant_ns: int) -> None:
        """A qubit comes into a memory, where it is ready at an instant."""
        memory = self._memories[qubit]
        memory.offered, memory.handle, memory.ready_ns = None, handle, instant_ns

    def vacate(self, qubit: QubitId, instant_ns: int) -> QubitHandle | None:
        """Empty a memory as of an instant; give the handle that was in it."""
        memory = self._memories[qubit]
        handle, memory.handle, memory.offered = memory.handle, None, None
        memory.ready_ns = max(memory.ready_ns, instant_ns)
        return handle

    def vacate_all(self, instant_ns: int) -> list[QubitHandle]:
        """Empty every memory; give the handles that were in them."""
        handles = [self.vacate(QubitId(qubit), instant_ns) for qubit in range(len(self._memories))]
        return [handle for handle in handles if handle is not None]

    def filled(self, qubit: int) -> QubitHandle | Status:
        """The handle in a memory, or why there is none."""
        memory = self.memory(qubit)
        if memory is None:
            return Status.NO_SUCH_QUBIT
        return Status.EMPTY if memory.handle is None else memory.handle

    # ---- what Attached tells ----

    def kinds(self) -> tuple[MemoryKind, ...]:
        """The memories by runs."""
        communication, storage = self.device.communication, self.device.storage
        runs = ((0, communication, MemoryRole.COMMUNICATION), (communication.count, storage, MemoryRole.STORAGE))
        return tuple(_kind(first, bank, role) for first, bank, role in runs if bank.count)

    def operations(self) -> tuple[OperationKind, ...]:
        """Durations and errors."""
        gates = self.device.gates
        costs = {
            Operation.INITIALISE: gates.initialise, Operation.ONE_QUBIT: gates.one_qubit,
            Operation.TWO_QUBIT: gates.two_qubit, Operation.MEASURE: gates.measure,
            Operation.BELL_MEASURE: gates.bell_measure, Operation.MOVE: gates.move,
            Operation.STORAGE_INITIALISE: gates.initialising(storage=True),
            Operation.STORAGE_ONE_QUBIT: gates.turning(storage=True),
        }  # fmt: skip
        return tuple(
            OperationKind(operation=each, duration_ns=cost.duration_ns, error=_parts(cost.error))
            for each, cost in costs.items() if cost != Cost()
        )  # fmt: skip


def _kind(first: int, bank: MemoryBank, role: MemoryRole) -> MemoryKind:
    model = bank.model
    return MemoryKind(
        first=QubitId(first), count=bank.count, role=role, t1_ns=model.t1_ns, t2_ns=model.t2_ns,
        depolarising_ns=model.depolarising_ns, p0=_parts(model.readout[0]), p1=_parts(model.readout[1]),
    )  # fmt: skip


def _parts(probability: float) -> int:
    return min(PROBABILITY_UNIT - 1, round(probability * PROBABILITY_UNIT))

"""The memories of one node: what is empty, offered to a window, or filled.

A memory is never two of these. Its qubit's state lives in the engine; here is only who holds which handle, and since
when an empty memory is free, so that no qubit is born into a memory that was still in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qstack.base.ids import Qna, QubitId
from qstack.quantum.engine import QubitHandle
from qstack.twin.configuration import TwinNode
from qstack.twin.window import WindowName
from qstack.wire.twin import PROBABILITY_UNIT, MemoryKind, MemoryRole, Status

__all__ = ["Bank", "Memory"]


@dataclass(slots=True)
class Memory:
    """A place for one qubit. `free_since_ns` counts while it is empty; `offered` names the window it waits for."""

    free_since_ns: int = 0
    offered: WindowName | None = None
    handle: QubitHandle | None = None


class Bank:
    """All memories of a node, and who speaks for it."""

    def __init__(self, node: Qna, kind: TwinNode) -> None:
        self.node = node
        self.model = kind.memory
        self.session: int | None = None
        self.attachments = 0
        self.primitives = 0  # since the last attachment
        self._memories = [Memory() for _ in range(kind.qubits)]

    def __len__(self) -> int:
        return len(self._memories)

    def kinds(self) -> tuple[MemoryKind, ...]:
        """What Attached tells of the memories."""
        if not self._memories:
            return ()
        model = self.model
        p0, p1 = (min(PROBABILITY_UNIT - 1, round(error * PROBABILITY_UNIT)) for error in model.readout)
        kind = MemoryKind(
            first=QubitId(0), count=len(self), role=MemoryRole.COMMUNICATION, t1_ns=model.t1_ns, t2_ns=model.t2_ns,
            p0=p0, p1=p1,
        )  # fmt: skip
        return (kind,)

    def memory(self, qubit: int) -> Memory | None:
        """A memory by its number; None when there is none."""
        return self._memories[qubit] if qubit < len(self._memories) else None

    def may_offer(self, qubits: Sequence[QubitId], start_ns: int) -> Status:
        """Whether all of these can wait for successes from `start_ns` on."""
        if len(set(qubits)) != len(qubits):
            return Status.BUSY
        for qubit in qubits:
            memory = self.memory(qubit)
            if memory is None:
                return Status.NO_SUCH_QUBIT
            if memory.offered is not None or memory.handle is not None:
                return Status.BUSY
            if memory.free_since_ns > start_ns:
                return Status.EARLY
        return Status.OK

    def offer(self, qubits: Sequence[QubitId], window: WindowName) -> None:
        """Let these wait for successes of a window; `may_offer` said OK."""
        for qubit in qubits:
            self._memories[qubit].offered = window

    def fill(self, qubit: QubitId, handle: QubitHandle) -> None:
        """A success lands in an offered memory."""
        memory = self._memories[qubit]
        memory.offered, memory.handle = None, handle

    def vacate(self, qubit: QubitId, instant_ns: int) -> QubitHandle | None:
        """Empty a memory as of an instant; give the handle that was in it."""
        memory = self._memories[qubit]
        handle, memory.handle, memory.offered = memory.handle, None, None
        memory.free_since_ns = max(memory.free_since_ns, instant_ns)
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

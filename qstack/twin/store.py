"""All qubits of the network: the engine that holds their states, the memories they are in, and the chance of it all.

Chance is drawn by event (TWIN-6-1). Each attachment of a node, and each link, has draws of its own; within them an
event is the number of the primitive, or the first cycle of the window, and in it the item and what is drawn for it.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from qstack.base.chance import Chance
from qstack.base.ids import LinkId, Qna, QubitId
from qstack.quantum import engine as door
from qstack.quantum.draws import Draws
from qstack.quantum.engine import QubitHandle, Readout, StateEngine
from qstack.quantum.memories import MemoryModel
from qstack.twin.bank import Bank
from qstack.wire.twin import MAXIMUM_ITEMS, Status

__all__ = ["STATUS", "Purpose", "Store"]

STATUS = {
    door.Status.OK: Status.OK,
    door.Status.STALE: Status.EMPTY,
    door.Status.EARLY: Status.EARLY,
    door.Status.SAME_PAIR: Status.UNSUPPORTED,
    door.Status.UNKNOWN_OPERAND: Status.UNSUPPORTED,
    door.Status.SAME_QUBIT: Status.BUSY,
    door.Status.NO_ROOM: Status.NO_ROOM,
}
"""What the engine says of an item, in a device's words."""

_ITEM = 8  # draws of one item, which cost as much as one


class Purpose(IntEnum):
    """What is drawn for an item."""

    OUTCOME = 0
    READOUT = 1
    SECOND_READOUT = 2
    BASIS = 3
    ARRIVAL = 4


class Store:
    """What attempts, flights and operations share."""

    def __init__(self, banks: dict[Qna, Bank], chance: Chance) -> None:
        self.banks = banks
        # Each live state has a qubit in some memory or on its way to one, but for those of a window being resolved.
        self.engine = StateEngine(2 * sum(map(len, banks.values())) + MAXIMUM_ITEMS)
        self._where: dict[QubitHandle, tuple[Qna, QubitId]] = {}
        self._chance = chance
        self._links: dict[LinkId, Draws] = {}

    def attach(self, bank: Bank) -> None:
        """A host has attached: its primitives are numbered anew, with chance of their own."""
        bank.attachments += 1
        bank.primitives = 0
        bank.draws = Draws(self._chance.derive(
            b"attachment" + bank.node.to_bytes(8, "big") + bank.attachments.to_bytes(4, "big")
        ))  # fmt: skip

    def fill(self, bank: Bank, qubit: QubitId, handle: QubitHandle, instant_ns: int) -> None:
        """A qubit comes into a memory."""
        bank.fill(qubit, handle, instant_ns)
        self._where[handle] = (bank.node, qubit)

    def take(self, bank: Bank, qubit: QubitId, instant_ns: int) -> QubitHandle:
        """A qubit leaves a memory, which is free at an instant. There is one in it."""
        handle = bank.vacate(qubit, instant_ns)
        assert handle is not None, "an empty memory was acted on"
        del self._where[handle]
        return handle

    def release(self, handles: Iterable[QubitHandle]) -> None:
        """Let go of qubits that are in no memory any more."""
        self.engine.release(list(handles))

    def release_all(self, bank: Bank, instant_ns: int) -> int:
        """Empty every memory of a node; how many qubits there were."""
        handles = bank.vacate_all(instant_ns)
        for handle in handles:
            del self._where[handle]
        self.release(handles)
        return len(handles)

    def where(self, handle: QubitHandle | None) -> tuple[Qna, QubitId] | None:
        """The memory in which a qubit is."""
        return None if handle is None else self._where.get(handle)

    # ---- chance ----

    def link_draws(self, link: LinkId) -> Draws:
        """The chance of a link's windows."""
        if link not in self._links:
            self._links[link] = Draws(self._chance.derive(b"link" + link.to_bytes(4, "big")))
        return self._links[link]

    def uniforms(self, bank: Bank, number: int, items: Sequence[int], purpose: Purpose) -> Sequence[float]:
        """Draws for items of a node's primitive."""
        assert bank.draws is not None, "a node that is not attached"
        return bank.draws.uniforms([(number, _ITEM * item + purpose) for item in items])

    def readouts(
        self, bank: Bank, number: int, items: Sequence[int], models: Sequence[MemoryModel], purpose: Purpose
    ) -> list[Readout]:
        """How the bits of items will be told."""
        if not any(any(model.readout) for model in models):
            return [Readout(0.0, 0.0, 0.0)] * len(items)
        drawn = self.uniforms(bank, number, items, purpose)
        return [Readout(*model.readout, uniform) for model, uniform in zip(models, drawn, strict=True)]

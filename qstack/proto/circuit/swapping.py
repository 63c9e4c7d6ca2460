"""Swaps as the device sees them: one batch a turn for all circuits of the node."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qstack.base.effects import CallDevice
from qstack.base.ids import QubitId
from qstack.base.time import DomainTime
from qstack.proto.circuit.halves import Half
from qstack.proto.circuit.reservation import Circuit
from qstack.proto.circuit.tracking import RepeaterTracker
from qstack.wire.protocols import Protocol
from qstack.wire.twin import MAXIMUM_ITEMS, Couple, Status, Swap, SwapOutcome, Swapped, request_id
from qstack.wire.value import Message

__all__ = ["Swapper"]

_REMEMBERED = 4_096  # batches without an answer


@dataclass(frozen=True, slots=True)
class _Asked:
    """A swap that the device is at."""

    circuit: Circuit
    above: Half
    below: Half


@dataclass(frozen=True, slots=True)
class _Batch:
    instant: DomainTime
    asked: tuple[_Asked, ...]


class Swapper:
    """Batches of swaps that are under way."""

    def __init__(self) -> None:
        self._batches: dict[int, _Batch] = {}
        self._calls = 0

    def __len__(self) -> int:
        return sum(len(batch.asked) for batch in self._batches.values())

    def ask(self, circuits: Iterable[Circuit], now: DomainTime) -> list[CallDevice]:
        """Swap all that these circuits have for swapping."""
        asked: list[_Asked] = []
        for circuit in circuits:
            if isinstance(circuit.tracker, RepeaterTracker):
                asked += [_Asked(circuit, *couple) for couple in circuit.tracker.couples()]
        starts = range(0, len(asked), MAXIMUM_ITEMS)
        return [self._call(tuple(asked[start : start + MAXIMUM_ITEMS]), now) for start in starts]

    def result(self, message: Message, changed: Callable[[Circuit], None]) -> bool:
        """Take in what the device answers; `changed` is told each circuit. False when nothing was asked."""
        batch = self._batches.pop(getattr(message, "request_id", 0), None)
        if batch is None:
            return False
        outcomes: tuple[SwapOutcome | None, ...] = message.outcomes if isinstance(message, Swapped) else ()
        outcomes += (None,) * (len(batch.asked) - len(outcomes))
        for asked, outcome in zip(batch.asked, outcomes, strict=False):
            if asked.circuit.is_open:  # else its memories were given back when it ended
                self._settle(asked, outcome, batch.instant)
                changed(asked.circuit)
        return True

    def _call(self, asked: tuple[_Asked, ...], now: DomainTime) -> CallDevice:
        # Clocks differ a little: no swap may be earlier than the birth of what it swaps.
        instant = DomainTime(max(now, *(max(each.above.created, each.below.created) for each in asked)))
        couples = tuple(Couple(first=_qubit(each.above), second=_qubit(each.below)) for each in asked)
        self._calls += 1
        number = request_id(Protocol.CIRCUIT, self._calls)
        self._batches[number] = _Batch(instant, asked)
        if len(self._batches) > _REMEMBERED:  # a device that was exchanged never answers the old ones
            del self._batches[next(iter(self._batches))]
        return CallDevice(Swap(request_id=number, instant=instant, couples=couples))

    def _settle(self, asked: _Asked, outcome: SwapOutcome | None, instant: DomainTime) -> None:
        tracker = asked.circuit.tracker
        assert isinstance(tracker, RepeaterTracker)
        if outcome is None or outcome.status != Status.OK or outcome.bell_index > 3:
            tracker.swap_failed(asked.above, asked.below)
        else:
            tracker.swapped(asked.above, asked.below, outcome.bell_index, instant)


def _qubit(half: Half) -> QubitId:
    assert half.qubit is not None
    return half.qubit

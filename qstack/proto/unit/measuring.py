"""Measurements asked of the device: gathered in a turn, one call a unit, and taken back when the device answers.

A qubit is free again when the device has said so. One that it would not measure is discarded, so no answer of a device
leaves a memory held.
"""

from dataclasses import dataclass
from typing import Any

from qstack.base.bell import Basis
from qstack.base.effects import CallDevice, Count
from qstack.base.services import QubitsFreed
from qstack.base.time import Instant
from qstack.proto.unit.end import Asked, HeldPair, Outcome, UnitEnd
from qstack.proto.unit.ledger import Ledger
from qstack.proto.unit.states import HeadEvent, TailEvent
from qstack.wire.protocols import Protocol
from qstack.wire.twin import MAXIMUM_ITEMS, Measure, Measured, MeasureItem, Status, request_id
from qstack.wire.value import Message

__all__ = ["Measuring"]


@dataclass(slots=True)
class _Batch:
    """Measurements asked in one call; `application_request`: in answer to what, None for a key's rounds."""

    unit: UnitEnd
    asked: list[Asked]
    application_request: int | None


class Measuring:
    """All measurements of a node's units."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[UnitEnd, HeldPair, Basis]] = []  # for this turn's calls
        self._asked: dict[int, _Batch] = {}
        ledger.on_leave = self._forget

    @property
    def open(self) -> int:
        """Measurements that wait for the device, or to be asked."""
        return len(self._waiting) + len(self._asked)

    def queue(self, unit: UnitEnd, held: HeldPair, basis: Basis) -> None:
        """Measure with the others of this turn."""
        self._waiting.append((unit, held, basis))

    def flush(self) -> None:
        """The end of the turn: one call a unit, or as few as its measurements fit."""
        waiting, self._waiting = self._waiting, []
        batches: dict[int, _Batch] = {}
        for unit, held, basis in waiting:
            batches.setdefault(unit.handle, _Batch(unit, [], None)).asked.append(Asked(held, basis))
        for batch in batches.values():
            for start in range(0, len(batch.asked), MAXIMUM_ITEMS):
                self._ask(_Batch(batch.unit, batch.asked[start : start + MAXIMUM_ITEMS], None))

    def for_application(self, unit: UnitEnd, asked: list[Asked], request: int) -> None:
        """Measure what an application asks for, at once."""
        self._ask(_Batch(unit, asked, request))

    def take_result(self, result: Message) -> None:
        """The device's answer to a call."""
        batch = self._asked.pop(getattr(result, "request_id", 0), None)
        if batch is None:
            self._ledger.effects.append(Count("unit.late_results"))
            return
        seen: list[Any] = list(result.outcomes) if isinstance(result, Measured) else []
        seen += [None] * (len(batch.asked) - len(seen))
        done = [
            Outcome(asked.held, asked.basis, None if bit is None or bit.status != Status.OK else bit.bit)
            for asked, bit in zip(batch.asked, seen, strict=False)
        ]
        self._free(done)
        self._ledger.fire(batch.unit, HeadEvent.MEASURED, TailEvent.MEASURED, done, batch.application_request)

    def _free(self, done: list[Outcome]) -> None:
        measured = tuple(each.held.qubit for each in done if each.outcome is not None)
        refused = tuple(each.held.qubit for each in done if each.outcome is None)
        if measured:
            self._ledger.effects.append(QubitsFreed(measured))
        if refused:
            self._ledger.effects += [Count("unit.not_measured", len(refused)), QubitsFreed(refused, discard=True)]

    def _ask(self, batch: _Batch) -> None:
        ledger = self._ledger
        identifier = request_id(Protocol.UNIT, ledger.count())
        self._asked[identifier] = batch
        ledger.effects.append(CallDevice(Measure(
            request_id=identifier,
            instant=ledger.domain(Instant(ledger.now_ns + ledger.parameters.device_lead_ns)),
            measurements=tuple(MeasureItem(qubit=asked.held.qubit, basis=asked.basis) for asked in batch.asked),
        )))  # fmt: skip

    def _forget(self, unit: UnitEnd) -> None:
        """The unit is over: what was not asked yet is not measured. What was asked is freed with the circuit, whether
        the device answers or has gone."""
        self._asked = {number: batch for number, batch in self._asked.items() if batch.unit is not unit}
        for _, held, _ in (each for each in self._waiting if each[0] is unit):
            unit.discard(held)
        self._waiting = [each for each in self._waiting if each[0] is not unit]

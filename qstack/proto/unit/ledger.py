"""The live units of a node: entered when they begin, fired through their table, left when they are over.

A unit is in the ledger from its request until it is over, and nothing it holds outlives that: what a table's last
action does not give back is given back by `_leave`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Count
from qstack.base.ids import Qna
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.base.units import SECOND_NS
from qstack.machine.timers import Timers
from qstack.proto.unit.end import UnitEnd
from qstack.proto.unit.head import HeadUnit
from qstack.proto.unit.params import NONCE_OCTETS, UnitParameters
from qstack.proto.unit.states import HEAD, TAIL, HeadEvent, TailEvent
from qstack.wire.urn import UnitIdentifier

__all__ = ["Ledger", "UnitKey"]

UnitKey = tuple[Qna, int]  # (head's QNA, its request number)


class Ledger:
    """Units by key, their timers, and what all parts of the protocol share: the instant, chance, effects."""

    def __init__(
        self, own: Qna, parameters: UnitParameters, chance: Chance, timescale: Callable[[], Timescale],
        effects: list[Any],
    ) -> None:  # fmt: skip
        self.own = own
        self.parameters = parameters
        self.effects = effects
        self.now_ns = Instant(0)
        self.on_leave: Callable[[UnitEnd], None] = lambda unit: None
        self._chance = chance
        self._timescale = timescale
        self._units: dict[UnitKey, UnitEnd] = {}
        self._timers: Timers[tuple[str, UnitKey]] = Timers()
        self._counter = 0

    def __len__(self) -> int:
        return len(self._units)

    def __iter__(self) -> Iterator[UnitEnd]:
        return iter(list(self._units.values()))

    def get(self, key: UnitKey) -> UnitEnd | None:
        """The unit of a head and its request number."""
        return self._units.get(key)

    def with_context(self, context: bytes) -> list[UnitEnd]:
        """The units that a circuit with this context is for."""
        return [unit for unit in self if unit.context and unit.context == context]

    def has(self, identifier: UnitIdentifier, remote: Qna) -> bool:
        """Whether this very unit is live with `remote`."""
        return any(unit.remote == remote and unit.identifier == identifier for unit in self)

    # --- life ----------------------------------------------------------------------------------------------------

    def enter(self, unit: UnitEnd) -> None:
        """Begin, until `until`."""
        key = _key(unit)
        unit.deadline_ns = self.local(self.until(unit.request.deadline, unit.identifier))
        self._units[key] = unit
        self._timers.set(("deadline", key), unit.deadline_ns)
        self.effects.append(Count("unit.started"))

    def fire(self, unit: UnitEnd, head: HeadEvent | None, tail: TailEvent | None, *arguments: Any) -> bool:
        """Fire the event that this end has for what has happened; tell whether a row was taken.

        Raises what the table raises for an event that somebody is to blame for.
        """
        if unit.ended():
            return False
        if isinstance(unit, HeadUnit):
            taken = head is not None and HEAD.fire(unit, head, *arguments)
        else:
            taken = tail is not None and TAIL.fire(unit, tail, *arguments)
        if unit.ended():
            self._leave(unit)
        return taken

    def wait_for_rounds(self, unit: UnitEnd, missing: int) -> None:
        """A tail lacks `missing` rounds that the head has: give it a while."""
        del missing
        self._timers.set(("rounds", _key(unit)), self.now_ns + self.parameters.rounds_timeout_ns)

    def due(self) -> Iterator[tuple[str, UnitEnd]]:
        """The timers that are due, as (`deadline` or `rounds`, unit)."""
        for kind, key in self._timers.pop_due(self.now_ns):
            unit = self._units.get(key)
            if unit is not None:
                yield kind, unit

    def next_deadline(self) -> Instant | None:
        """When the next timer is due."""
        deadline = self._timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def _leave(self, unit: UnitEnd) -> None:
        key = _key(unit)
        self._units.pop(key, None)
        self._timers.cancel(("deadline", key))
        self._timers.cancel(("rounds", key))
        self.on_leave(unit)
        self.effects.append(Count("unit.ended"))

    # --- time and chance --------------------------------------------------------------------------------------------

    def domain(self, now_ns: int) -> DomainTime:
        """Local instant to domain time."""
        return self._timescale().domain(now_ns)

    def until(self, deadline: DomainTime, identifier: UnitIdentifier) -> DomainTime:
        """When a unit is over at the latest: by deadline, by valid-until, and by what this node lets any unit last."""
        last = min(deadline, self.domain(self.now_ns + self.parameters.lifetime_ns))
        valid_until_s = identifier.lifecycle.valid_until_s
        if valid_until_s is None:
            return last
        return min(last, DomainTime((valid_until_s + self.parameters.tai_minus_utc_s) * SECOND_NS))

    def local(self, domain_ns: int) -> Instant:
        """Domain time to local instant."""
        return self._timescale().local(domain_ns)

    def count(self) -> int:
        """The next number of this node's own."""
        self._counter += 1
        return self._counter

    def nonce(self) -> bytes:
        """16 octets that no other establishment has."""
        return self._chance.octets(b"nonce" + self.count().to_bytes(8, "big"), NONCE_OCTETS)

    def handle(self) -> int:
        """A handle for applications that cannot be guessed."""
        return self._chance.integer(b"handle" + self.count().to_bytes(8, "big"))


def _key(unit: UnitEnd) -> UnitKey:
    return unit.head, unit.request.request

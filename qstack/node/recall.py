"""Calling configured neighbours again: a neighbour that is down is asked for until it is up."""

from collections.abc import Collection

from qstack.base.ids import Qna
from qstack.base.time import Instant
from qstack.base.units import SECOND_NS
from qstack.machine.timers import Timers

__all__ = ["RECALL_NS", "Recall"]

RECALL_NS = 5 * SECOND_NS
"""Between two calls. `qarp` holds back on its own what would be too often."""


class Recall:
    """Which configured neighbours are down, and when each is called next."""

    def __init__(self) -> None:
        self._timers: Timers[Qna] = Timers()

    def down(self, peer: Qna, now_ns: Instant) -> None:
        """A configured neighbour has no session: call it after a while."""
        if peer not in self._timers:
            self._timers.set(peer, now_ns + RECALL_NS)

    def up(self, peer: Qna) -> None:
        """It has one."""
        self._timers.cancel(peer)

    def keep(self, configured: Collection[Qna]) -> None:
        """Forget neighbours that are configured no more."""
        for peer in [peer for peer in self._timers if peer not in configured]:
            self._timers.cancel(peer)

    def due(self, now_ns: Instant) -> list[Qna]:
        """Whom to call now; each is called again later, until it is up."""
        called = self._timers.pop_due(now_ns)
        for peer in called:
            self._timers.set(peer, now_ns + RECALL_NS)
        return called

    def next_deadline(self) -> Instant | None:
        """When `due` next has somebody."""
        deadline = self._timers.next_deadline()
        return None if deadline is None else Instant(deadline)

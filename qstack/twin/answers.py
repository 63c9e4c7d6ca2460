"""What a twin answers, and when its asker may know (TWIN-4-3 to TWIN-4-5)."""

from collections.abc import Iterable
from typing import Any

from qstack.base.time import DomainTime
from qstack.twin.statistics import TwinStatistics
from qstack.wire.twin import Refused, Status
from qstack.wire.value import Message

__all__ = ["Answers"]


class Answers:
    """Results by session, in the order in which they were made. `pace`: seconds that a simulated second takes."""

    def __init__(self, pace: float, statistics: TwinStatistics) -> None:
        self._pace = pace
        self._statistics = statistics
        self._made: list[tuple[int, Message]] = []

    def take(self) -> list[tuple[int, Message]]:
        """All that were made since the last call."""
        made, self._made = self._made, []
        return made

    def put(self, session: int, message: Message) -> None:
        """A result that may be known now."""
        self._made.append((session, message))

    def give(
        self, session: int, kind: Any, request_id: int, *, completed_ns: int, ideal_ns: int, now_ns: int, **values: Any
    ) -> None:
        """A result that is complete at one instant, and that its asker could know from another on."""
        made = kind(
            request_id=request_id, completed_at=DomainTime(completed_ns), deliver_at=self._deliver_at(ideal_ns, now_ns),
            **values,
        )  # fmt: skip
        self._made.append((session, made))

    def refuse(self, session: int, message: Any, status: Status, now_ns: int) -> None:
        """The request as a whole failed."""
        self._statistics.refused += 1
        now = DomainTime(now_ns)
        refused = Refused(request_id=message.request_id, status=status, completed_at=now, deliver_at=now)
        self._made.append((session, refused))

    def count_refused(self, statuses: Iterable[int]) -> None:
        """Items that failed. Of an empty memory nobody can complain who wants it empty."""
        self._statistics.refused += sum(status not in (Status.OK, Status.EMPTY) for status in statuses)

    def _deliver_at(self, ideal_ns: int, now_ns: int) -> DomainTime:
        """When a result may be known, at the twin's pace (TWIN-4-5)."""
        self._statistics.note_delivery(ideal_ns, now_ns)
        ahead_ns = ideal_ns - now_ns
        if ahead_ns <= 0 or self._pace == 1.0:
            return DomainTime(ideal_ns)
        return DomainTime(now_ns + round(ahead_ns * self._pace))

"""Pairs of a link for the applications of one node: dispatch."""

from typing import Any

from qstack.base.effects import Count
from qstack.base.ids import Qna
from qstack.base.services import PairOk, QubitsFreed
from qstack.base.time import Instant
from qstack.wire.value import Message

__all__ = ["EprMachine"]


class EprMachine:
    """Gives the pairs that the link delivers to those who asked for them; what nobody asked for is discarded."""

    def __init__(self, own: Qna) -> None:
        self.own = own
        self._effects: list[Any] = []

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """CreateAccepted, PairOk, CreateFailed, CreateDone, PairsRevoked."""
        if isinstance(service, PairOk):
            self._effects.append(Count("epr.stray_pairs"))
            if service.qubit is not None:
                self._effects.append(QubitsFreed((service.qubit,), discard=True))

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """Nothing was asked of the device."""
        self._effects.append(Count("epr.late_results"))

    def handle_deadline(self, now_ns: Instant) -> None:
        """Nothing waits for an instant."""

    def next_deadline(self) -> Instant | None:
        """None: nothing waits."""
        return None

    def take_effects(self) -> list[Any]:
        """What is to be done, in order."""
        taken, self._effects = self._effects, []
        return taken

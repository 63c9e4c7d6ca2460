"""What the parts of a node's address resolution share."""

from dataclasses import dataclass
from typing import Any

from qstack.base.effects import Count
from qstack.base.ids import Qna
from qstack.machine.timers import Timers
from qstack.proto.qarp.draws import Draws
from qstack.proto.qarp.hints import HintStore
from qstack.proto.qarp.limits import AnswerLimit
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.proofs import Proofs, Timer
from qstack.proto.qarp.questions import Questions

__all__ = ["Surroundings", "Timer"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One of each for a node. Whatever is to be done is appended to `effects`."""

    own: Qna
    parameters: QarpParameters
    effects: list[Any]
    timers: Timers[tuple[Timer, Qna]]
    draws: Draws
    hints: HintStore
    proofs: Proofs
    questions: Questions
    limit: AnswerLimit

    def count(self, what: str) -> None:
        """Add one to a counter of this protocol."""
        self.effects.append(Count(f"qarp.{what}"))

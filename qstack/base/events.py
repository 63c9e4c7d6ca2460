"""What a node tells its daemon that is not for an application: answers to an operator's commands."""

from dataclasses import dataclass

from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna

__all__ = ["EchoAnswered", "EchoFailed"]


@dataclass(frozen=True, slots=True)
class EchoAnswered:
    """A node answered an echo request. `identifier` is the operator's."""

    identifier: int
    sequence: int
    node: Qna
    round_trip_ns: int


@dataclass(frozen=True, slots=True)
class EchoFailed:
    """No answer in time, or an error came instead of it from `reporter` (0: nobody)."""

    identifier: int
    sequence: int
    node: Qna
    reason: ErrorCode
    reporter: Qna
    text: str

"""A CreateEpr of an application of this node, from asking to its last pair."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qstack.base.errors import ErrorCode
from qstack.base.pairs import BasisChoice, PairKind, Reading, Rotation
from qstack.base.services import CancelCreate, CreatePairs, PairOk
from qstack.base.time import Instant
from qstack.base.units import fidelity_from_wire
from qstack.proto.epr.states import REQUEST, RequestState
from qstack.wire.control import CreateEpr, EprDone, EprFailed, EprQueued, Half

if TYPE_CHECKING:
    from qstack.proto.epr.socket import EprSocket

__all__ = ["EprRequest", "Failure", "reading_of"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request ends, for people too."""

    reason: ErrorCode
    text: str = ""


@REQUEST.drives
@dataclass(slots=True, eq=False)
class EprRequest:
    """One request. `create_id` names it to the link while it is asked there; a sequential one has several in turn.

    `name` gives the next create_id and makes the request known under it.
    """

    asked: CreateEpr
    socket: "EprSocket"
    deadline_ns: Instant
    began_ns: Instant
    name: Callable[["EprRequest"], int]
    state: RequestState = RequestState.PENDING
    create_id: int = 0
    told: int = 0  # pairs
    in_use: bool = False  # the qubit after which the next pair is asked for, if it is sequential

    @property
    def kind(self) -> PairKind:
        """What is done with its pairs."""
        return PairKind(self.asked.kind)

    @property
    def is_sequential(self) -> bool:
        """Whether each pair waits for the qubit before it (EPR-5-6)."""
        return bool(self.asked.sequential) and self.kind is PairKind.KEEP

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state is RequestState.OVER

    @property
    def is_on_link(self) -> bool:
        """Whether the link knows it."""
        return self.state in (RequestState.ASKED, RequestState.QUEUED)

    @property
    def is_served(self) -> bool:
        """Whether all its pairs were told."""
        return self.told >= self.asked.number

    def _may_go_on_later(self) -> bool:
        return self._has_more() and self.in_use

    def _may_go_on_now(self) -> bool:
        return self._has_more()

    def _may_be_short(self) -> bool:
        return not self.is_served

    def _has_more(self) -> bool:
        """Whether the next pair may be asked for; a socket that drains asks nobody."""
        return self.is_sequential and not self.is_served and self.socket.is_connected

    def _act_ask(self) -> None:
        self.create_id = self.name(self)
        asked, socket = self.asked, self.socket
        socket.around.effects.append(CreatePairs(
            socket.remote, socket.purpose, self.create_id, self.kind, 1 if self.is_sequential else asked.number,
            fidelity_from_wire(asked.min_fidelity), asked.priority, self.deadline_ns, bool(asked.atomic),
            bool(asked.consecutive), reading_of(asked.local), reading_of(asked.remote),
        ))  # fmt: skip

    def _act_tell_queued(self) -> None:
        if not self.told:
            self.socket.tell(EprQueued(request=self.asked.request))

    def _act_take(self, ok: PairOk) -> None:
        if not self.told:
            self.socket.around.note_first_pair(self)
        self.told += 1
        self.in_use = self.is_sequential
        self.socket.hand_over(ok, self)

    def _act_note_finished(self) -> None:
        self.socket.finished.append(self.create_id)

    def _act_tell_done(self) -> None:
        self.socket.tell(EprDone(request=self.asked.request))

    def _act_fail_short(self) -> None:
        reason = ErrorCode.EXPIRED if self.socket.is_connected else ErrorCode.NO_ENDPOINT
        self._act_fail(Failure(reason, f"{self.told} of {self.asked.number} pairs came: others were given up there"))

    def _act_withdraw(self, failure: Failure) -> None:
        self.socket.around.effects.append(CancelCreate(self.socket.remote, self.create_id))

    def _act_fail(self, failure: Failure) -> None:
        self.socket.tell(EprFailed(request=self.asked.request, reason=failure.reason, text=failure.text))


def reading_of(half: Half) -> Reading:
    """How an application wants one half measured. Raises ValueError for a choice that there is not."""
    return Reading(BasisChoice(half.choice), Rotation(half.x1, half.y, half.x2), half.first, half.second)

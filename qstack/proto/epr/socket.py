"""A purpose in the hands of an application, and its connections with the other end's.

A socket is driven by its table alone (`states`); the methods named `_may_` and `_act_` are the table's guards and
actions.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from qstack.base.bell import Basis
from qstack.base.effects import SendMessage
from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId, Qna
from qstack.base.services import CreateFailed, ListenData, ListenPairs, PairOk, UnlistenData, UnlistenPairs
from qstack.base.units import fidelity_to_wire
from qstack.proto.epr.data import DataFlow
from qstack.proto.epr.request import EprRequest, Failure
from qstack.proto.epr.states import REQUEST, SOCKET, RequestEvent, SocketState
from qstack.wire.control import EprConnected, EprDisconnected, EprIncomplete, EprOutcome
from qstack.wire.epr import MAXIMUM_FINISHED, SocketClose, SocketOpen

__all__ = ["EprSocket", "Surroundings"]

_REMEMBERED = 256  # requests of the other end that are finished here


class Surroundings(Protocol):
    """What a socket needs of its machine."""

    effects: list[Any]

    def tell(self, client: int, message: Any) -> None:
        """Tell an application."""

    def keep(self, socket: "EprSocket", ok: PairOk, request: EprRequest | None) -> None:
        """A half that stays in a memory is the application's now."""

    def tell_outcome(self, socket: "EprSocket", request: int, kind: int, outcome: EprOutcome) -> None:
        """A half that was measured."""

    def free_all(self, socket: "EprSocket") -> None:
        """Empty what the socket's application holds, and tell the other end."""

    def end_data(self, socket: "EprSocket", reason: ErrorCode) -> None:
        """Messages of a data socket that are not sent have failed."""

    def await_drain(self, socket: "EprSocket") -> None:
        """Begin drain_timeout."""

    def note_first_pair(self, request: EprRequest) -> None:
        """A request has its first pair."""


@SOCKET.drives
@dataclass(slots=True, eq=False)
class EprSocket:
    """One socket. `life` names it to its application and to the other end; `other` is the life there, 0 for none.
    `data` is there when it carries octets, and then it carries no pairs."""

    client: int
    user: int
    remote: Qna
    purpose: PurposeId
    life: int
    around: Surroundings = field(repr=False)
    on_fired: Callable[[EprRequest], None] = field(repr=False)
    data: DataFlow | None = None
    state: SocketState = SocketState.WAITING
    other: int = 0
    connection: int = 0
    listening: bool = False
    requests: dict[int, EprRequest] = field(default_factory=dict)  # by the application's number
    finished: deque[int] = field(default_factory=lambda: deque(maxlen=MAXIMUM_FINISHED))
    incoming: dict[int, int] = field(default_factory=dict)  # pairs told, by the other end's create_id
    finished_there: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    served: deque[int] = field(default_factory=lambda: deque(maxlen=MAXIMUM_FINISHED))  # of these, those with all pairs
    unfinished: set[int] = field(default_factory=set)  # what a drain waits for, of the other end's
    awaited: set[int] = field(default_factory=set)  # and of this end's
    successor: SocketOpen | None = None

    @property
    def is_connected(self) -> bool:
        """Whether an application is at the other end; no longer while it drains."""
        return self.state is SocketState.CONNECTED

    @property
    def takes_pairs(self) -> bool:
        """Whether pairs that the other end asked for are this application's."""
        return self.state in (SocketState.CONNECTED, SocketState.DRAINING)

    def tell(self, message: Any) -> None:
        """To the application."""
        self.around.tell(self.client, message)

    def send(self, message: Any) -> None:
        """To the other node."""
        self.around.effects.append(SendMessage(self.remote, message))

    # --- pairs ---------------------------------------------------------------------------------------------------

    def take_incoming(self, ok: PairOk) -> None:
        """A pair that the other end asked for. Its frame is told and never corrected here (EPR-5-4)."""
        self.incoming[ok.create_id] = self.incoming.get(ok.create_id, 0) + 1
        self.hand_over(ok, None)

    def hand_over(self, ok: PairOk, request: EprRequest | None) -> None:
        """Give one half to the application: its outcome, or its qubit."""
        if ok.qubit is not None:
            self.around.keep(self, ok, request)
            return
        self.around.tell_outcome(self, 0 if request is None else request.asked.request, ok.kind, EprOutcome(
            create_id=ok.create_id, sequence=ok.sequence, bell_index=ok.bell_index,
            goodness=fidelity_to_wire(min(1.0, max(0.0, ok.goodness))), basis=Basis.Z if ok.basis is None else ok.basis,
            outcome=ok.outcome or 0,
        ))  # fmt: skip

    def finish_incoming(self, create_id: int, failed: CreateFailed | None) -> bool:
        """The other end's request is over here; tell whether that ends a drain."""
        told = self.incoming.pop(create_id, 0)
        self.finished_there.append(create_id)
        if failed is None:
            self.served.append(create_id)
        if failed is not None and told:
            self.tell(EprIncomplete(socket=self.life, connection=self.connection, create_id=create_id,
                                    reason=failed.reason))  # fmt: skip
        self.unfinished.discard(create_id)
        return self._is_drained()

    def finish_own(self, create_id: int) -> bool:
        """This end's request is over; tell whether that ends a drain."""
        if create_id not in self.awaited:
            return False
        self.awaited.discard(create_id)
        return self._is_drained()

    def _is_drained(self) -> bool:
        return self.state is SocketState.DRAINING and not self.unfinished and not self.awaited

    def fire_requests(self, event: RequestEvent, *arguments: Any) -> None:
        """The same event for all requests but those of which the other end has all pairs."""
        for request in [each for each in self.requests.values() if each.create_id not in self.awaited]:
            REQUEST.fire(request, event, *arguments)
            self.on_fired(request)

    # --- guards and actions ----------------------------------------------------------------------------------------

    def _may_be_known(self, message: SocketOpen) -> bool:
        return message.known == self.life

    def _may_be_unknown(self, message: SocketOpen) -> bool:
        return not message.known

    def _may_meet_successor(self, message: SocketOpen) -> bool:
        return message.life != self.other

    def _act_connect(self, message: SocketOpen) -> None:
        self.other = message.life
        self.connection += 1
        if not self.listening:
            self.listening = True
            listen = ListenPairs if self.data is None else ListenData
            self.around.effects.append(listen(self.remote, self.purpose))
        self.tell(EprConnected(socket=self.life, connection=self.connection))

    def _act_answer(self, message: SocketOpen) -> None:
        self.send(SocketOpen(purpose=self.purpose, life=self.life, known=message.life))

    def _act_announce(self) -> None:
        self.send(SocketOpen(purpose=self.purpose, life=self.life))

    def _act_abandon(self, message: Any = None) -> None:
        """This end's own requests have nobody at the other end any more; pairs that exist already still come."""
        self.awaited = self._awaited_after(message) if isinstance(message, SocketClose) else set()
        reason = message if isinstance(message, ErrorCode) else ErrorCode.NO_ENDPOINT
        text = "the other application has gone" if reason is ErrorCode.NO_ENDPOINT else "the other node has gone"
        self.fire_requests(RequestEvent.LEFT, Failure(reason, text))

    def _act_disconnect(self, message: Any = None) -> None:
        reason = message if isinstance(message, ErrorCode) else ErrorCode.CANCELLED
        self.other = 0
        self.incoming.clear()
        self.finished_there.clear()
        self.served.clear()
        self.finished.clear()
        self.unfinished.clear()
        self.around.end_data(self, reason)
        self.tell(EprDisconnected(socket=self.life, connection=self.connection, reason=reason))

    def _may_mean_it(self, message: SocketClose) -> bool:
        return message.life == self.other

    def _may_await_pairs(self, message: SocketClose) -> bool:
        awaited = bool(self._awaited_after(message)) or not set(message.finished) <= set(self.finished_there)
        return message.life == self.other and awaited

    def _awaited_after(self, message: SocketClose) -> set[int]:
        """Requests of this end that are complete at the other one and not here."""
        return {each.create_id for each in self.requests.values() if each.is_on_link} & set(message.served)

    def _act_drain(self, message: SocketClose) -> None:
        self.successor = None
        self.unfinished = set(message.finished) - set(self.finished_there)
        self.around.await_drain(self)

    def _act_note_successor(self, message: SocketOpen) -> None:
        self.successor = message

    def _act_forget_successor(self, message: SocketClose) -> None:
        if self.successor is not None and self.successor.life == message.life:
            self.successor = None

    def _may_know_successor(self) -> bool:
        return self.successor is not None

    def _act_answer_successor(self) -> None:
        assert self.successor is not None
        self._act_answer(self.successor)
        self.successor = None

    def _act_leave(self, reason: ErrorCode) -> None:
        self.awaited.clear()
        self.fire_requests(RequestEvent.CANCELLED, Failure(reason))
        if self.listening:
            unlisten = UnlistenPairs if self.data is None else UnlistenData
            self.around.effects.append(unlisten(self.remote, self.purpose))
        self.around.end_data(self, reason)
        self.around.free_all(self)
        self.send(SocketClose(purpose=self.purpose, life=self.life, reason=reason, finished=tuple(self.finished),
                              served=tuple(self.served)))  # fmt: skip

"""The distributed queue: the requests of one link, at one of its ends.

The end with the lower address is the master and alone gives out places. Messages between the ends are reliable and in
order, so the other end's queue is the master's as it was a moment ago: one total order, no windows to resend.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, Qna
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime
from qstack.proto.link.states import REQUEST, RequestEvent, RequestState
from qstack.proto.link.telling import Audience, Half
from qstack.wire.link import CreateRequest

__all__ = ["Request", "RequestQueue"]

_STOCK = 1 << 32  # above every place


@REQUEST.drives
@dataclass(slots=True, eq=False)
class Request:
    """A request for pairs, whose user is the `audience`. `mine`: asked by this end.

    `delivered`: pairs that it has, those `assigned` from stock among them. `granted`: pairs that the station says to
    have granted it, some of which may have been revoked, or have never been heard of. `told`: pairs of which the user
    knows. `waiting`: of an atomic request, what it does not know yet. `next_slot`: before it the master plans no
    window, since it would find no memory.
    """

    create: CreateRequest
    mine: bool
    audience: Audience
    state: RequestState = RequestState.ASKED
    sequence: int = 0
    station: Qna = Qna(0)
    delivered: int = 0
    assigned: int = 0
    granted: int = 0
    told: int = 0
    next_slot: int = 0
    waiting: list[Half] = field(default_factory=list)

    @property
    def label(self) -> Label:
        """Circuit that the pairs are for, 0 for an application's."""
        return self.create.label

    @property
    def owner(self) -> Label:
        """Whose its memories are: the circuit's label; of an application's request, and the stock's, below 0."""
        return self.create.label or Label(-(self.sequence or _STOCK))

    @property
    def kind(self) -> PairKind:
        """What is done with its pairs."""
        return PairKind(self.create.kind)

    @property
    def can_be_tested(self) -> bool:
        """Whether its pairs may be samples: outcomes of halves that are turned first cannot be compared
        (ESTIMATION-3.1-4)."""
        turns = [(each.x1, each.y, each.x2) for each in (self.create.local, self.create.remote)]
        return self.kind is not PairKind.MEASURE or turns == [(0, 0, 0)] * 2

    @property
    def remaining(self) -> int:
        """Pairs that are still to be made."""
        return max(0, self.create.number - self.delivered)

    @property
    def wanting(self) -> int:
        """Pairs for which windows may be planned: 0 unless the request is in both queues."""
        return self.remaining if self.state is RequestState.QUEUED else 0

    @property
    def allowance(self) -> int:
        """Pairs that the station may grant in all: those that are of no use are made good (LINK-4.5-5)."""
        of_no_use = max(0, self.granted - (self.delivered - self.assigned))
        return min(0xFFFF_FFFF, max(0, self.create.number - self.assigned) + of_no_use)

    @property
    def deadline(self) -> DomainTime:
        """After it the request is void."""
        return self.create.deadline

    def _act_enqueue(self, sequence: int, station: Qna) -> None:
        self.sequence, self.station = sequence, station
        self.audience.accepted()

    def _act_fail(self, reason: ErrorCode) -> None:
        if self.state is RequestState.QUEUED or self.mine:
            self.audience.failed(reason, self.remaining)

    def _act_count(self, pairs: int) -> None:
        self.delivered += pairs

    def _act_uncount(self, pairs: int) -> None:
        self.delivered -= pairs


class RequestQueue:
    """Requests in the order of their places, and those that have no place yet."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._asked: dict[int, Request] = {}  # by create_id: mine, without an answer
        self._queued: dict[int, Request] = {}  # by place
        self.places = 0  # given out, or seen given out

    def __len__(self) -> int:
        return len(self._asked) + len(self._queued)

    def __iter__(self) -> Iterator[Request]:
        return iter([*self._queued.values(), *self._asked.values()])

    @property
    def unfinished(self) -> int:
        """Requests that still want pairs."""
        return sum(1 for request in self if request.remaining)

    @property
    def unanswered(self) -> int:
        """Requests of this end that have no place yet."""
        return len(self._asked)

    def has_room(self) -> bool:
        """Tell whether one more fits."""
        return len(self) < self._limit

    def make_room(self) -> list[Request]:
        """When none more fits, forget some that have all their pairs. Gives those."""
        if self.has_room():
            return []
        done = [request for request in self._queued.values() if not request.remaining]
        forgotten = done[: max(1, self._limit // 2)]
        for request in forgotten:
            del self._queued[request.sequence]
        return forgotten

    def asked(self, create_id: int) -> Request | None:
        """A request of this end that was not answered yet."""
        return self._asked.get(create_id)

    def at(self, place: int) -> Request | None:
        """The request at a place."""
        return self._queued.get(place)

    def of_label(self, label: Label) -> list[Request]:
        """The requests for a circuit."""
        return [request for request in self if label and request.label == label]

    def named(self, create_id: int, mine: bool) -> Request | None:
        """The request of this number, of one of the ends."""
        return next((r for r in self if r.create.create_id == create_id and r.mine == mine), None)

    def ask(self, request: Request) -> None:
        """Remember a request of this end until it is answered."""
        self._asked[request.create.create_id] = request

    def enqueue(self, request: Request, place: int, station: Qna) -> None:
        """Both ends have it."""
        if request.mine:
            self._asked.pop(request.create.create_id, None)
        self._queued[place] = request
        self.places = max(self.places, place)
        REQUEST.fire(request, RequestEvent.ACKNOWLEDGED, place, station)

    def drop(self, request: Request) -> None:
        """Forget a request that is over."""
        if request.mine and self._asked.get(request.create.create_id) is request:
            del self._asked[request.create.create_id]
        if self._queued.get(request.sequence) is request:
            del self._queued[request.sequence]

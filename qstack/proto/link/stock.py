"""Generate when idle: pairs in stock, made while nobody asks and handed out at once (6GQ 3.2.1; LINK-5.8).

Laws
----
1. The master alone decides what becomes of a stocked pair: for which request it is, or that it is thrown away. It says
   so by Assign, once for each pair; so none is ever handed to two requests, nor to one at one end and to another at
   the other.
2. What the other end hears of a pair whose Reply it has not got yet waits for that Reply.
3. A stocked pair is worth no more than its memory: it leaves when it is too old, when its estimate is too low, and when
   a request needs the memory.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

from qstack.base.bell import BellIndex
from qstack.base.errors import PeerViolation
from qstack.base.ids import Label, LinkId, PurposeId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime
from qstack.base.units import fidelity_from_wire, fidelity_to_wire
from qstack.proto.link.delivery import Delivery
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.memory import MemoryPool
from qstack.proto.link.params import LinkConfiguration, LinkParameters
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.states import REQUEST, RequestEvent, RequestState
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.telling import Half
from qstack.quantum.formulas import fidelity, transpose
from qstack.wire.link import MAXIMUM_ASSIGNED, Assign, CreateRequest, HalfReading, Room

__all__ = ["Stock"]

T = TypeVar("T")

_REMEMBERED = 1_024  # pairs that were handed out and can still be revoked; pairs that are still to come
_LOOKS = 8  # a pair's age is looked at as often before it is too old


class _StockAudience:
    """Takes the pairs that idle windows bring."""

    def __init__(self, take: Callable[[Half], None]) -> None:
        self._take = take

    def accepted(self) -> None:
        """Nobody waits for it."""

    def pair(self, half: Half) -> None:
        """One pair more."""
        self._take(half)

    def failed(self, reason: object, missing: int) -> None:
        """Nobody waits for it."""

    def revoked(self, sequences: Iterable[int]) -> None:
        """The stock is asked itself."""

    def done(self) -> None:
        """It never is."""


class Stock:
    """The stocked pairs of one end of one link. `send` tells the other end; `empty` has memories emptied.

    `request` stands for the stock where windows are planned: its place in the queue is 0.
    """

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, pool: MemoryPool, unit: EstimationUnit,
        delivery: Delivery, queue: RequestQueue, *, send: Callable[[Assign], None],
        empty: Callable[[tuple[QubitId, ...]], None], is_open: Callable[[Request], bool],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.is_master = around.own < configuration.neighbour
        self._around = around
        self._pool = pool
        self._unit = unit
        self._delivery = delivery
        self._queue = queue
        self._send = send
        self._empty = empty
        self._is_open = is_open
        self._halves: OrderedDict[int, Half] = OrderedDict()  # by number, the oldest first
        self._expected: OrderedDict[int, int] = OrderedDict()  # by number, the place it is for, 0 for none
        self._handed: OrderedDict[int, Request] = OrderedDict()
        self._labels: set[Label] = set()  # circuits that were told of pairs already: theirs must have rising numbers
        self.request = _request_of(configuration, around.parameters, self.is_master, self._take)

    def __len__(self) -> int:
        return len(self._halves)

    @property
    def capacity(self) -> int:
        """Pairs that this end would keep."""
        return min(self._around.parameters.stock_pairs, self._pool.communication) if self._around.has_device else 0

    def aim(self, room: Room) -> None:
        """How many pairs both ends would keep; the master plans for as many."""
        number = min(self.capacity, room.stock)
        if number != self.request.create.number:
            self.request.create = self.request.create.replace(number=number)

    # --- master ------------------------------------------------------------------------------------------------------

    def hand_out(self, request: Request) -> None:
        """Give a request what it wants of the stock. Not while it has windows under way: they may bring the same."""
        if not self.is_master or not self._halves or not self._may_have(request):
            return
        now, least = self._around.domain_now(), fidelity_from_wire(request.create.min_fidelity)
        good = [number for number, half in self._halves.items() if self._worth(half, now) >= least]
        chosen = good[: request.wanting]
        if chosen:
            self._assign(request, chosen)

    def give_way(self, memories: int) -> None:
        """Requests need memories: the oldest pairs go."""
        self._throw_away(list(self._halves)[:memories])

    def look(self) -> None:
        """Throw away what is too old, or worth too little."""
        now, parameters = self._around.domain_now(), self._around.parameters
        self._throw_away([
            number for number, half in self._halves.items()
            if now - half.created >= parameters.stock_age_ns or self._worth(half, now) < parameters.stock_fidelity
        ])  # fmt: skip
        self._look_later()

    # --- the other end -----------------------------------------------------------------------------------------------

    def assigned(self, message: Assign) -> None:
        """The master has decided; or the other end has lost its stock. Raises `PeerViolation`."""
        if self.is_master:
            if message.queue_sequence or message.sequences:
                raise PeerViolation("an Assign of pairs by the end that is not master")
            self.request.granted = 0
            self._throw_away(list(self._halves))
            return
        for number in message.sequences:
            half = self._halves.pop(number, None)
            if half is not None:
                self.request.delivered -= 1
                self._pass_to(message.queue_sequence, half)
            else:
                _remember(self._expected, number, message.queue_sequence)

    def lose(self) -> None:
        """The device, or the station, is gone: what is in stock is of no use. The master throws it away."""
        self.request.granted = 0
        if self.is_master:
            self._throw_away(list(self._halves))
        elif self._halves or self.capacity:
            self._send(Assign(link=self.configuration.link, queue_sequence=0, sequences=()))

    def restart(self) -> None:
        """The epoch with the other end is over."""
        self._empty(tuple(half.qubit for half in self._halves.values() if half.qubit is not None))
        self._halves.clear()
        self._expected.clear()
        self._handed.clear()
        self.request.delivered = self.request.granted = 0
        self.request.create = self.request.create.replace(number=0)
        self._around.timers.cancel(("stock", self.configuration.link, 0))

    def revoke(self, pairs: Iterable[tuple[int, QubitId | None]]) -> None:
        """A window that had brought these is void, whatever became of them."""
        for number, qubit in pairs:
            half, request = self._halves.pop(number, None), self._handed.pop(number, None)
            if half is not None and qubit is not None:
                self.request.delivered -= 1
                self._empty((qubit,))
            elif request is not None:
                request.assigned -= 1
                REQUEST.fire(request, RequestEvent.REVOKED, 1)
                self._delivery.revoke(request, [(number, qubit)])

    def note_label(self, label: Label) -> None:
        """A circuit is being served by windows."""
        self._labels.add(label)

    def forget_label(self, label: Label) -> None:
        """A circuit is no more."""
        self._labels.discard(label)

    # --- small print -------------------------------------------------------------------------------------------------

    def _may_have(self, request: Request) -> bool:
        told = request.label and request.label in self._labels
        wants = request.kind is PairKind.KEEP and request.wanting > 0
        return wants and not told and request.station == self.request.station and not self._is_open(request)

    def _take(self, half: Half) -> None:
        """A pair that an idle window has brought."""
        place = self._expected.pop(half.sequence, None)
        self._halves[half.sequence] = half
        if place is not None:
            del self._halves[half.sequence]
            self.request.delivered -= 1
            self._pass_to(place, half)
            return
        if self.is_master:
            for request in self._queue:
                self.hand_out(request)
            self._look_later()

    def _assign(self, request: Request, numbers: list[int]) -> None:
        self._tell(request.sequence, numbers)
        for number in numbers:
            half = self._halves.pop(number)
            self.request.delivered -= 1
            self._pass_to(request.sequence, half)

    def _throw_away(self, numbers: list[int]) -> None:
        if numbers:
            self._around.count("stock_thrown_away", len(numbers))
            self._tell(0, numbers)
        for number in numbers:
            half = self._halves.pop(number)
            self.request.delivered -= 1
            self._pass_to(0, half)

    def _tell(self, place: int, numbers: list[int]) -> None:
        for start in range(0, len(numbers), MAXIMUM_ASSIGNED):
            self._send(Assign(link=self.configuration.link, queue_sequence=place,
                              sequences=tuple(numbers[start : start + MAXIMUM_ASSIGNED])))  # fmt: skip

    def _pass_to(self, place: int, half: Half) -> None:
        """Hand a half over to the request at a place; to nobody at 0, or when the request is over."""
        assert half.qubit is not None
        request = self._queue.at(place) if place else None
        if request is None:
            self._empty((half.qubit,))
            return
        self._around.count("pairs_from_stock")
        self._pool.hand_over(half.qubit, request.owner)
        _remember(self._handed, half.sequence, request)
        request.assigned += 1
        if request.label:
            self._labels.add(request.label)
        REQUEST.fire(request, RequestEvent.HERALDED, 1)
        lower = half.correlation if self.request.mine == self.is_master else transpose(half.correlation)
        state = lower if request.mine == self.is_master else transpose(lower)
        self._delivery.hand(request, Half(half.sequence, half.qubit, half.bell_index, half.created, state))

    def _worth(self, half: Half, now: DomainTime) -> float:
        lower = half.correlation if self.request.mine == self.is_master else transpose(half.correlation)
        return fidelity(self._unit.kept(lower, max(0, now - half.created)), BellIndex(half.bell_index))

    def _look_later(self) -> None:
        timer = ("stock", self.configuration.link, 0)
        if self._halves and timer not in self._around.timers:
            self._around.timers.set(timer, self._around.now_ns + self._around.parameters.stock_age_ns // _LOOKS)


def _request_of(
    configuration: LinkConfiguration, parameters: LinkParameters, mine: bool, take: Callable[[Half], None]
) -> Request:
    """The stock as a request of the master, in both queues from the beginning, at place 0."""
    create = CreateRequest(
        create_id=0, link=LinkId(configuration.link), purpose=PurposeId(0), number=0,
        min_fidelity=fidelity_to_wire(parameters.stock_fidelity), deadline=DomainTime((1 << 64) - 1),
        room=Room(free=0, memories=0, stock=0), local=HalfReading(), remote=HalfReading(),
        stations=configuration.stations,
    )  # fmt: skip
    return Request(create, mine, _StockAudience(take), RequestState.QUEUED, 0, Qna(configuration.stations[0]))


def _remember(where: OrderedDict[int, T], number: int, what: T) -> None:
    where[number] = what
    if len(where) > _REMEMBERED:
        where.popitem(last=False)

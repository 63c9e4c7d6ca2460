"""Requests come and go: asked here or by the other end, answered, cancelled, out of time (LINK-4.1 to 4.3, LINK-5.1).

Circuits ask for labels that memories are kept for; applications ask under a purpose that the other end listens to. For
either the same request stands in the queues of both ends, at one place, until it has its pairs or fails.
"""

from collections import deque
from collections.abc import Callable

from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Label, PurposeId, Qna
from qstack.base.pairs import BasisChoice, PairKind, Reading
from qstack.base.services import CreatePairs, RequestPairs
from qstack.base.time import DomainTime
from qstack.base.units import fidelity_to_wire
from qstack.proto.link.params import LinkConfiguration, MovePolicy
from qstack.proto.link.planner import Planner
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.settings import Setting, attainable, time_refusal
from qstack.proto.link.states import REQUEST, RequestEvent, RequestState
from qstack.proto.link.surroundings import Surroundings, TimerKey
from qstack.proto.link.telling import ApplicationAudience, Audience, CircuitAudience
from qstack.proto.link.window import Windows
from qstack.wire.link import Cancel, CreateAck, CreateReject, CreateRequest, HalfReading, Room
from qstack.wire.value import Message

__all__ = ["Asking"]

_CIRCUITS = 1 << 31  # create_ids of circuits' requests are the link's own, above those of applications


class Asking:
    """The requests of one end of one link. `send` speaks to the other end; `room` tells it of memories."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, windows: Windows, queue: RequestQueue,
        planner: Planner, *, send: Callable[[Message], None], room: Callable[[], Room],
    ) -> None:  # fmt: skip
        self._configuration = configuration
        self._around = around
        self._windows = windows
        self._queue = queue
        self._planner = planner
        self._send = send
        self._room = room
        self._is_master = around.own < configuration.neighbour
        self._creates = 0
        self._listening: set[PurposeId] = set()
        self._unsent: deque[Request] = deque()  # asked while too many others wait for their answers
        self.data_audience: Callable[[int, bool], Audience]  # for requests of the link's own data, purpose 0
        self.orphans: set[Label] = set()  # labels whose station is gone, and with it its numbering of their pairs

    # --- users of this end -------------------------------------------------------------------------------------------

    def request(self, asked: RequestPairs) -> ErrorCode | None:
        """A circuit wants pairs; the reason when that cannot be."""
        if asked.label not in self._windows.pool.kept:
            return ErrorCode.NOT_ALLOWED
        if asked.label in self.orphans:
            return ErrorCode.SESSION_LOST
        if not self._has_room() or not self._around.has_device:
            return ErrorCode.NO_RESOURCES
        self._creates = (self._creates + 1) % _CIRCUITS
        audience = CircuitAudience(self._around.emit, asked.neighbour, asked.label, True)
        self._ask(audience, CreateRequest(
            create_id=_CIRCUITS | self._creates, link=self._configuration.link, label=asked.label,
            purpose=asked.purpose, number=asked.number, min_fidelity=fidelity_to_wire(asked.min_fidelity),
            deadline=self._around.timescale().domain(asked.deadline_ns), room=self._room(), local=HalfReading(),
            remote=HalfReading(), stations=self._configuration.stations,
        ))  # fmt: skip
        return None

    def create(self, asked: CreatePairs) -> ErrorCode | None:
        """An application wants pairs (EGP CREATE); the reason when that cannot be."""
        if not 0 < asked.purpose <= 0xFFFF or not 0 <= asked.create_id < _CIRCUITS or not asked.number:
            return ErrorCode.POLICY
        if self._queue.named(asked.create_id, mine=True) is not None:
            return ErrorCode.POLICY
        if not self._has_room() or not self._around.has_device:
            return ErrorCode.NO_RESOURCES
        if not (asked.local.is_possible and asked.remote.is_possible):
            return ErrorCode.POLICY
        create = CreateRequest(
            create_id=asked.create_id, link=self._configuration.link, kind=asked.kind, atomic=int(asked.atomic),
            consecutive=int(asked.consecutive), priority=min(0xFF, max(0, asked.priority)), purpose=asked.purpose,
            number=asked.number, min_fidelity=fidelity_to_wire(asked.min_fidelity),
            deadline=self._around.timescale().domain(asked.deadline_ns), room=self._room(),
            local=_told(asked.local), remote=_told(asked.remote),
            stations=self._configuration.stations,
        )  # fmt: skip
        reason = self._unattainable(create)
        if reason is None:
            self._ask(self._application(create, mine=True), create)
        return reason

    def claim(self, number: int) -> int | None:
        """Data in qubits wants pairs of the stock, all of them or none. Gives the number of the request."""
        if not self._has_room() or not self._around.has_device:
            return None
        self._creates = (self._creates + 1) % _CIRCUITS
        create_id = _CIRCUITS | self._creates
        deadline = DomainTime(self._around.domain_now() + self._around.parameters.dense_timeout_ns)
        self._ask(self.data_audience(create_id, True), CreateRequest(
            create_id=create_id, link=self._configuration.link, atomic=1, number=number, deadline=deadline,
            room=self._room(), local=HalfReading(), remote=HalfReading(), stations=self._configuration.stations,
        ))  # fmt: skip
        return create_id

    def listen(self, purpose: PurposeId) -> None:
        """Requests of the other end for `purpose` are welcome (EGP RECV)."""
        self._listening.add(purpose)

    def unlisten(self, purpose: PurposeId) -> None:
        """They are not any more (EGP STOP_RECV)."""
        self._listening.discard(purpose)
        for request in [r for r in self._queue if not r.mine and not r.label and r.create.purpose == purpose]:
            self._withdraw(request, ErrorCode.NO_ENDPOINT)

    def cancel_create(self, create_id: int) -> None:
        """The application wants no more pairs."""
        request = self._queue.named(create_id, mine=True)
        if request is not None and not request.label:
            self._withdraw(request, ErrorCode.CANCELLED)

    def cancel_label(self, label: Label, reason: ErrorCode = ErrorCode.CANCELLED) -> None:
        """No more pairs for a label, at either end."""
        if self._queue.of_label(label):
            self.end_label(label, RequestEvent.CANCELLED, reason)
            self._send(self._cancel_of(label, reason))

    # --- the other end's messages ------------------------------------------------------------------------------------

    def answer(self, create: CreateRequest) -> None:
        """A request of the other end."""
        if create.queue_sequence and (self._is_master or create.queue_sequence <= self._queue.places):
            raise PeerViolation("a place in the queue that is not the sender's to give")
        if not create.queue_sequence and not self._is_master:
            raise PeerViolation("the master leaves the choice of a place to the other end")
        if self._queue.named(create.create_id, mine=False) is not None:
            raise PeerViolation("a second CreateRequest of the same number")
        reason, station = self._judge(create)
        if reason is not None:
            self._send(CreateReject(create_id=create.create_id, link=self._configuration.link, reason=reason))
            return
        audience: Audience = CircuitAudience(self._around.emit, self._configuration.neighbour, create.label, False)
        if not create.label:
            audience = self._application(create, mine=False)
        place = create.queue_sequence or self._next_place()
        self._enqueue(Request(create, False, audience), place, station, create.room)
        self._send(CreateAck(create_id=create.create_id, link=self._configuration.link, queue_sequence=place,
                             station=station, room=self._room()))  # fmt: skip

    def acknowledged(self, ack: CreateAck) -> None:
        """The other end has put a request into its queue."""
        request = self._queue.asked(ack.create_id)
        if request is None:
            self._around.count("stray_answers")  # cancelled meanwhile: the Cancel is on its way
            if not self._is_master:  # the master alone gives out places, and remembers which
                self._queue.places = max(self._queue.places, ack.queue_sequence)
            self._send_more()
            return
        self._check_sent(request)
        expected = request.create.queue_sequence
        if ack.queue_sequence != expected if expected else ack.queue_sequence <= self._queue.places:
            raise PeerViolation("a CreateAck for another place in the queue")
        if ack.station not in self._configuration.stations:
            raise PeerViolation("a CreateAck that names a station nobody proposed")
        self._enqueue(request, ack.queue_sequence, ack.station, ack.room)
        self._send_more()

    def rejected(self, reject: CreateReject) -> None:
        """The other end will not have it."""
        request = self._queue.asked(reject.create_id)
        if request is None:
            self._around.count("stray_answers")
        else:
            self._check_sent(request)
            self._end(request, RequestEvent.REJECTED, _reason(reject.reason))
        self._send_more()

    def cancelled_by_peer(self, cancel: Cancel) -> None:
        """The other end wants no more pairs of a label, or of an application's request."""
        if cancel.label:
            self.end_label(cancel.label, RequestEvent.CANCELLED_BY_PEER, _reason(cancel.reason))
            return
        request = self._queue.named(cancel.create_id, mine=not cancel.senders)
        if request is not None and not request.label:
            self._end(request, RequestEvent.CANCELLED_BY_PEER, _reason(cancel.reason))

    # --- ends --------------------------------------------------------------------------------------------------------

    def expire(self, create_id: int, mine: bool) -> None:
        """The deadline of a request."""
        request = self._queue.named(create_id, mine)
        if request is not None:
            self._end(request, RequestEvent.EXPIRED, ErrorCode.TIMEOUT)

    def end_label(self, label: Label, event: RequestEvent, reason: ErrorCode) -> None:
        """All requests of a label are over."""
        for request in self._queue.of_label(label):
            self._end(request, event, reason)

    def end_all(self, reason: ErrorCode) -> None:
        """The other end is gone, and all that was agreed with it."""
        self._unsent.clear()
        for request in list(self._queue):
            self._end(request, RequestEvent.LOST, reason)

    def fail_applications(self, reason: ErrorCode) -> None:
        """There is no device: applications' requests have no future here."""
        for request in [request for request in self._queue if not request.label]:
            self._send(self._cancel_create(request, reason))
            self._end(request, RequestEvent.LOST, reason)

    def lose_station(self, station: Qna, reason: ErrorCode) -> None:
        """A station is gone, and what it would have said: requests that it heralds have failed."""
        for request in [request for request in self._queue if request.station == station]:
            if request.label:
                self.orphans.add(request.label)
            else:
                self._send(self._cancel_create(request, reason))
            self._end(request, RequestEvent.LOST, reason)
        for label in sorted(self.orphans):
            self._send(self._cancel_of(label, reason))

    def give_up_hopeless(self) -> None:
        """Master: requests for pairs that, as is known by now, the link cannot make (ESTIMATION-5.2-4)."""
        if self._windows.unit.changes(self._around.domain_now()):
            return
        reason = ErrorCode.FIDELITY_UNATTAINABLE
        for request in [each for each in self._queue if each.wanting and self._planner.setting(each) is None]:
            circuits = self._cancel_of(request.label, reason)
            self._send(circuits if request.label else self._cancel_create(request, reason))
            self._end(request, RequestEvent.LOST, reason)

    def finish(self, request: Request) -> None:
        """An application's request has all its pairs, and they were told. A circuit's, and the stock's, goes on."""
        if not request.label and request.sequence:
            self._end(request, RequestEvent.DONE)

    # --- small print -------------------------------------------------------------------------------------------------

    def _check_sent(self, request: Request) -> None:
        if request in self._unsent:
            raise PeerViolation("an answer to a CreateRequest that was not sent yet")

    def _ask(self, audience: Audience, create: CreateRequest) -> None:
        request = Request(create, True, audience)
        self._queue.ask(request)
        deadline = DomainTime(min(create.deadline, self._around.domain_now() + (1 << 62)))
        self._around.timers.set(self._timer(request), self._around.local(deadline))
        self._unsent.append(request)
        self._send_more()

    def _send_more(self) -> None:
        """Send what may be sent: so many wait for an answer at most (the window of the distributed queue)."""
        most = self._around.parameters.unanswered_requests
        while self._unsent and self._queue.unanswered - len(self._unsent) < most:
            request = self._unsent.popleft()
            place = self._next_place() if self._is_master else 0
            request.create = request.create.replace(queue_sequence=place, room=self._room())
            self._send(request.create.replace(local=HalfReading()))  # nobody else needs to know (LINK-4.1-12)

    def _enqueue(self, request: Request, place: int, station: Qna, room: Room) -> None:
        self._queue.enqueue(request, place, station)
        deadline = DomainTime(min(request.deadline, self._around.domain_now() + (1 << 62)))
        self._around.timers.set(self._timer(request), self._around.local(deadline))
        self._planner.room = room
        if self._is_master:
            self._planner.admit(request)

    def _judge(self, create: CreateRequest) -> tuple[ErrorCode | None, Qna]:
        """Why a request of the other end cannot be, or else its station."""
        station = next((station for station in create.stations if station in self._configuration.stations), Qna(0))
        if create.label and create.label not in self._windows.pool.kept:
            return ErrorCode.NOT_ALLOWED, station
        if create.label in self.orphans:
            return ErrorCode.SESSION_LOST, station
        if not create.label and create.purpose and create.purpose not in self._listening:
            return ErrorCode.NO_ENDPOINT, station
        if not create.number or not station or not _is_known(create) or not _suits_its_user(create):
            return ErrorCode.POLICY, station
        reason = self._unattainable(create)
        if reason is not None:
            return reason, station
        if create.deadline <= self._around.domain_now():
            return ErrorCode.EXPIRED, station
        has_room = self._has_room() and self._around.has_device
        return (None if has_room else ErrorCode.NO_RESOURCES), station

    def _unattainable(self, create: CreateRequest) -> ErrorCode | None:
        now, unit = self._around.domain_now(), self._windows.unit
        setting = unit.setting(PairKind(create.kind), attainable(create.min_fidelity), now)
        if setting is None and not unit.changes(now):
            return ErrorCode.FIDELITY_UNATTAINABLE
        stays = create.kind != PairKind.MEASURE
        pool, moves = self._windows.pool, self._around.parameters.move is not MovePolicy.NEVER
        if create.atomic and stays and create.number > (len(pool) if moves else pool.communication):
            return ErrorCode.NO_RESOURCES
        is_application = not create.label and create.purpose  # data takes what is in stock
        return self._out_of_time(create, setting) if is_application and setting is not None else None

    def _out_of_time(self, create: CreateRequest, setting: Setting) -> ErrorCode | None:
        """Whether an application's request cannot be met by its deadline (ESTIMATION-5.2-4)."""
        now, parameters = self._around.domain_now(), self._windows.unit.parameters.settings
        if create.deadline <= now:
            return ErrorCode.EXPIRED
        queued = 0.0
        for request in self._queue:
            found = self._planner.setting(request)
            if found is not None and request.create.priority >= create.priority:
                queued += request.wanting * found.cycles_per_pair
        cycles = (create.deadline - now) // self._configuration.cycle_ns
        return time_refusal(setting, create.number, cycles, round(queued), parameters.risk)

    def _application(self, create: CreateRequest, mine: bool) -> Audience:
        if not create.purpose:
            return self.data_audience(create.create_id, mine)
        return ApplicationAudience(self._around.emit, self._configuration.neighbour, create.purpose, create.create_id,
                                   mine, PairKind(create.kind))  # fmt: skip

    def _withdraw(self, request: Request, reason: ErrorCode) -> None:
        """This end's user wants nothing more of an application's request."""
        waits = request in self._unsent
        if waits:
            self._unsent.remove(request)
        self._end(request, RequestEvent.CANCELLED)
        if not waits:
            self._send(self._cancel_create(request, reason))

    def _cancel_create(self, request: Request, reason: ErrorCode) -> Cancel:
        return Cancel(link=self._configuration.link, create_id=request.create.create_id, senders=int(request.mine),
                      reason=reason)  # fmt: skip

    def _cancel_of(self, label: Label, reason: ErrorCode) -> Cancel:
        return Cancel(link=self._configuration.link, label=label, reason=reason)

    def _next_place(self) -> int:
        self._queue.places += 1
        return self._queue.places

    def _has_room(self) -> bool:
        for request in self._queue.make_room():
            self._around.timers.cancel(self._timer(request))
            self._planner.forget(request)
        return self._queue.has_room()

    def _timer(self, request: Request) -> TimerKey:
        return "mine" if request.mine else "theirs", self._configuration.link, request.create.create_id

    def _end(self, request: Request, event: RequestEvent, reason: ErrorCode = ErrorCode.UNSPECIFIED) -> None:
        self._around.timers.cancel(self._timer(request))
        self._queue.drop(request)
        self._planner.forget(request)
        if request in self._unsent:
            self._unsent.remove(request)
        queued = request.state is RequestState.QUEUED
        arguments = () if event in (RequestEvent.CANCELLED, RequestEvent.DONE) else (reason,)
        REQUEST.fire(request, event, *arguments)
        if queued and not request.label:
            self._windows.drop_request(request)


def _told(reading: Reading) -> HalfReading:
    turned = reading.rotation
    return HalfReading(choice=reading.choice, x1=turned.x1, y=turned.y, x2=turned.x2, first=reading.first,
                       second=reading.second)  # fmt: skip


def _is_known(create: CreateRequest) -> bool:
    """Whether this version knows what is to be done with the pairs."""
    halves = (create.local, create.remote)
    known = create.kind in set(PairKind) and {half.choice for half in halves} <= set(BasisChoice)
    return known and all(half.reading.is_possible for half in halves)


def _suits_its_user(create: CreateRequest) -> bool:
    """Circuits keep pairs and take them one by one (LINK-4.1-5), data keeps them and takes all at once (DATA-4-2)."""
    if create.purpose and not create.label:
        return True
    return create.kind == PairKind.KEEP and bool(create.atomic) is not bool(create.label)


def _reason(code: int) -> ErrorCode:
    return ErrorCode(code) if code in set(ErrorCode) else ErrorCode.UNSPECIFIED

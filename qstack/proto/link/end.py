"""One end of one link: reservations, requests, and what the other end says of them (LINK-5.1, LINK-6)."""

from collections.abc import Callable
from dataclasses import dataclass

from qstack.base.bell import PAULI_BASES
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Label, LinkId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import LinkRefused, LinkReserved, RequestPairs, ReserveLink
from qstack.base.time import DomainTime
from qstack.base.units import MINUTE_NS, fidelity_to_wire
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.handling import EndHandling, handling_from_wire, handling_to_wire
from qstack.proto.link.memory import MemoryPool, Place
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.plan import Plan
from qstack.proto.link.planner import Planner
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.settings import BRIGHT_UNIT, attainable, bright_to_wire
from qstack.proto.link.states import REQUEST, RequestEvent
from qstack.proto.link.surroundings import Surroundings, TimerKey
from qstack.proto.link.tally import Bounded
from qstack.proto.link.window import Windows
from qstack.wire.link import (
    MAXIMUM_HERALDS,
    MAXIMUM_WINDOWS,
    Cancel,
    CreateAck,
    CreateReject,
    CreateRequest,
    EndFacts,
    Expire,
    ExpireAck,
    Gen,
    HalfReading,
    MemoryAdvertisement,
    Pass,
    Room,
    SampleOutcomes,
    SampleTerms,
    Schedule,
    SettingTlv,
)  # fmt: skip
from qstack.wire.value import Message

__all__ = ["LinkDescription", "LinkEnd"]

_HORIZON_NS = MINUTE_NS  # LINK-4.5-3
_OPEN = 256  # LINK-7: windows that this end lets the master open


@dataclass(frozen=True, slots=True)
class LinkDescription:
    """A link, for operators. `rate_hz`: pairs a second, lately; `fidelity`: expected of a fresh pair at the setting
    that was last used, `bright` (0: the link's own), and what it lies between (95 %). `tests`: samples of which both
    ends have told; `samples`: pairs that this end has sacrificed; `error_rates`: of tests, in Z, X, Y.
    """

    link: LinkId
    neighbour: Qna
    stations: tuple[Qna, ...]
    master: bool
    labels: tuple[Label, ...]
    queued_requests: int
    open_windows: int
    memories: int
    free: int
    offered: int
    held: int
    emptying: int
    pairs: int
    cycles_attempted: int
    rate_hz: float
    fidelity: float
    fidelity_bounds: tuple[float, float]
    bright: float
    tests: int
    samples: int
    error_rates: tuple[Bounded, ...]


class LinkEnd:
    """One end of one link. `tell_station` brings a Gen or a Pass to its station, be it this node."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, tell_station: Callable[[Gen | Pass], None]
    ) -> None:
        self.configuration = configuration
        self.is_master = around.own < configuration.neighbour
        self.pool = MemoryPool(configuration.memories)
        self.unit = EstimationUnit(configuration.believed, configuration.handling, around.parameters.estimation,
                                   is_lower=self.is_master, slot_cycles=configuration.slot_cycles)  # fmt: skip
        self.windows = Windows(configuration, self.pool, around, self.unit, tell_station)
        self.samples = self.windows.samples
        self.queue = RequestQueue(around.parameters.queued_requests)
        self._around = around
        self._planner = Planner(configuration, around, queue=self.queue, windows=self.windows, send=self._send)
        self._creates = 0
        self._orphans: set[Label] = set()  # labels whose station is gone, and with it its numbering of their pairs
        self._schedule = 0  # the newest one received
        self._told_free = 0  # what the master knows of this end's free memories
        self._rate_pairs = 0
        self._rate_since_ns = 0
        self._rate_hz = 0.0

    # --- the circuit's requests ----------------------------------------------------------------------------------

    def reserve(self, asked: ReserveLink) -> LinkReserved | LinkRefused:
        """Keep memories for a label."""
        now = self._around.domain_now()
        setting = self.unit.setting(PairKind.KEEP, asked.min_fidelity, now)
        if setting is None and not self.unit.changes(now):
            return LinkRefused(asked.neighbour, asked.label, ErrorCode.FIDELITY_UNATTAINABLE)
        full = len(self.pool.kept) >= self._around.parameters.labels or not self._around.has_device
        if full or not self.pool.keep(asked.label, max(1, asked.memories)):
            return LinkRefused(asked.neighbour, asked.label, ErrorCode.NO_RESOURCES)
        fidelity = self.unit.fidelity(bright_to_wire(None if setting is None else setting.bright), now).value
        return LinkReserved(asked.neighbour, asked.label, self.configuration.link, fidelity)

    def release(self, label: Label) -> None:
        """Give back all that is kept, queued or held for a label."""
        self.windows.drop(label)
        self._end_requests(label, RequestEvent.CANCELLED, ErrorCode.CANCELLED)
        self.windows.release(tuple(self.pool.unkeep(label)))
        self._orphans.discard(label)

    def request(self, asked: RequestPairs) -> ErrorCode | None:
        """Ask for pairs; the reason when that cannot be."""
        if asked.label not in self.pool.kept:
            return ErrorCode.NOT_ALLOWED
        if asked.label in self._orphans:
            return ErrorCode.SESSION_LOST
        if not self._has_room() or not self._around.has_device:
            return ErrorCode.NO_RESOURCES
        self._creates = self._creates + 1 & 0xFFFF_FFFF
        create = CreateRequest(
            create_id=self._creates, link=self.configuration.link, label=asked.label,
            queue_sequence=self._next_place() if self.is_master else 0, purpose=asked.purpose, number=asked.number,
            min_fidelity=fidelity_to_wire(asked.min_fidelity),
            deadline=self._around.timescale().domain(asked.deadline_ns), room=self._tell_room(),
            local=HalfReading(), remote=HalfReading(), stations=self.configuration.stations,
        )  # fmt: skip
        request = Request(create, True, self.configuration.neighbour, self._around.emit)
        self.queue.ask(request)
        self._set_deadline(request)
        self._send(create)
        return None

    def cancel(self, label: Label, reason: ErrorCode = ErrorCode.CANCELLED) -> None:
        """No more pairs for a label, at either end."""
        if self.queue.of_label(label):
            self._end_requests(label, RequestEvent.CANCELLED, reason)
            self._send(Cancel(link=self.configuration.link, label=label, reason=reason))

    def give_back(self, qubits: list[QubitId], discard: bool) -> None:
        """Users of held memories are through with them. What is not held is counted and left alone."""
        held = [qubit for qubit in qubits if self.pool.is_held(qubit)]
        if len(held) < len(qubits):
            self._around.count("stray_frees", len(qubits) - len(held))
        if discard:
            self.windows.release(tuple(held))
        else:
            for qubit in held:
                self.pool.give_back(qubit)

    # --- the other end's messages --------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """A message of the other end. Raises `PeerViolation` before anything has changed."""
        match message:
            case CreateRequest():
                self._answer(message)
            case CreateAck():
                self._acknowledged(message)
            case CreateReject():
                self._rejected(message)
            case Cancel():
                self._end_requests(message.label, RequestEvent.CANCELLED_BY_PEER, _reason(message.reason))
            case MemoryAdvertisement():
                self._advertised(message)
            case Schedule():
                self._scheduled(message)
            case EndFacts():
                self.unit.meet(handling_from_wire(message))
            case SampleTerms():
                self.samples.hear_terms(message)
            case SampleOutcomes():
                self.samples.hear(message)
            case ExpireAck():
                self._around.count("pairs_never_known", len(message.revoked))
            case _:
                raise PeerViolation(f"{message.NAME} is not for an end of a link")

    def _answer(self, create: CreateRequest) -> None:
        if create.queue_sequence and (self.is_master or create.queue_sequence <= self.queue.places):
            raise PeerViolation("a place in the queue that is not the sender's to give")
        if not create.queue_sequence and not self.is_master:
            raise PeerViolation("the master leaves the choice of a place to the other end")
        reason, station = self._judge(create)
        if reason is not None:
            self._send(CreateReject(create_id=create.create_id, link=self.configuration.link, reason=reason))
            return
        request = Request(create, False, self.configuration.neighbour, self._around.emit)
        place = create.queue_sequence or self._next_place()
        self.queue.enqueue(request, place, station)
        self._set_deadline(request)
        self._planner.room = create.room
        self._send(CreateAck(create_id=create.create_id, link=self.configuration.link, queue_sequence=place,
                             station=station, room=self._tell_room()))  # fmt: skip

    def _judge(self, create: CreateRequest) -> tuple[ErrorCode | None, Qna]:
        """Why a request of the other end cannot be, or else its station."""
        station = next((station for station in create.stations if station in self.configuration.stations), Qna(0))
        if create.label not in self.pool.kept:
            return ErrorCode.NOT_ALLOWED, station
        if create.label in self._orphans:
            return ErrorCode.SESSION_LOST, station
        if create.kind != PairKind.KEEP or not create.number or not station:
            return ErrorCode.POLICY, station
        now = self._around.domain_now()
        found = self.unit.setting(PairKind(create.kind), attainable(create.min_fidelity), now)
        if found is None and not self.unit.changes(now):
            return ErrorCode.FIDELITY_UNATTAINABLE, station
        if create.deadline <= self._around.domain_now():
            return ErrorCode.EXPIRED, station
        return (None if self._has_room() else ErrorCode.NO_RESOURCES), station

    def _acknowledged(self, ack: CreateAck) -> None:
        request = self.queue.asked(ack.create_id)
        if request is None:
            self._around.count("stray_answers")  # cancelled meanwhile: the Cancel is on its way
            if not self.is_master:  # the master alone gives out places, and remembers which
                self.queue.places = max(self.queue.places, ack.queue_sequence)
            return
        expected = request.create.queue_sequence
        if ack.queue_sequence != expected if expected else ack.queue_sequence <= self.queue.places:
            raise PeerViolation("a CreateAck for another place in the queue")
        if ack.station not in self.configuration.stations:
            raise PeerViolation("a CreateAck that names a station nobody proposed")
        self.queue.enqueue(request, ack.queue_sequence, ack.station)
        self._planner.room = ack.room

    def _rejected(self, reject: CreateReject) -> None:
        request = self.queue.asked(reject.create_id)
        if request is None:
            self._around.count("stray_answers")
            return
        self._end(request, RequestEvent.REJECTED, _reason(reject.reason))

    def _advertised(self, advertisement: MemoryAdvertisement) -> None:
        if not self.is_master:
            raise PeerViolation("an advertisement to an end that does not schedule")
        self._planner.room = advertisement.room

    def _scheduled(self, schedule: Schedule) -> None:
        memories = self.configuration.window_memories(schedule.memories)  # more no Reply could tell of
        setting = schedule.option(SettingTlv) or SettingTlv()
        plan = Plan(schedule.first_cycle, schedule.cycles, schedule.stride, schedule.windows, memories,
                    schedule.allowance, setting.bright, setting.terms)  # fmt: skip
        self._check_schedule(schedule, plan)
        self._schedule = schedule.schedule
        request = self.queue.at(schedule.queue_sequence)
        if request is not None:
            self.windows.announce(request, plan)
        else:  # it was cancelled here; any station that the link has is right
            self.windows.decline(self.configuration.stations[0], schedule.queue_sequence, plan)

    def _check_schedule(self, schedule: Schedule, plan: Plan) -> None:
        if self.is_master or schedule.schedule <= self._schedule:
            raise PeerViolation("a Schedule from the end that is not master, or out of order")
        if not self.samples.knows(plan.terms):
            raise PeerViolation("a Schedule that names terms of samples which were not given")
        if not plan.sound or not plan.memories or plan.windows > MAXIMUM_WINDOWS:
            raise PeerViolation("a Schedule of nothing, or of windows that overlap")
        if any(first in self.windows.open for first in plan) or len(self.windows.open) + plan.windows > _OPEN:
            raise PeerViolation("a Schedule of a window that is open, or of too many")
        now = self._around.domain_now()
        ends = self.windows.end_of(plan.first_cycle, plan.cycles), plan.end_cycle * self.configuration.cycle_ns
        if max(abs(end - now) for end in ends) > _HORIZON_NS:
            raise PeerViolation("a Schedule of a window more than a minute away")

    def expired_by_peer(self, expire: Expire) -> None:
        """The other end never learned what became of windows. Tell it what was revoked with them."""
        revoked = self.windows.expired_by_peer(expire.windows)
        self._send(ExpireAck(
            link=self.configuration.link, expected_sequence=self.windows.expected_sequence,
            revoked=revoked[:MAXIMUM_HERALDS], windows=expire.windows,
        ))  # fmt: skip

    # --- time and turns --------------------------------------------------------------------------------------------

    def expire_request(self, create_id: int, mine: bool) -> None:
        """The deadline of a request."""
        for request in [r for r in self.queue if r.create.create_id == create_id and r.mine == mine]:
            self._end(request, RequestEvent.EXPIRED, ErrorCode.TIMEOUT)

    def plan(self) -> None:
        """The time has come to fill a slot."""
        self._planner.plan()

    def release_again(self) -> None:
        """The device did not say of some memories that they are empty."""
        self.windows.release_again()

    def finish_turn(self) -> None:
        """Plan, or let the master know that it can."""
        if not self.queue.unfinished:
            return
        if self.is_master:
            self._give_up_hopeless()
            self._planner.arm()
            return
        has_some, had_some = self.pool.not_held > 0, self._told_free > 0
        if has_some != had_some and (has_some or self.windows.passed):
            self._send(MemoryAdvertisement(link=self.configuration.link, room=self._tell_room()))

    def lose_station(self, station: Qna, reason: ErrorCode) -> None:
        """A station is gone, and what it would have said: its windows are void, its requests have failed."""
        self.windows.lose_station(station)
        for request in [request for request in self.queue if request.station == station]:
            self._orphans.add(request.label)
            self._end(request, RequestEvent.LOST, reason)
        for label in sorted(self._orphans):
            self._send(Cancel(link=self.configuration.link, label=label, reason=reason))

    def restart(self, reason: ErrorCode) -> None:
        """The epoch with the other end is over: labels are gone, numbers begin anew."""
        for request in list(self.queue):
            self._end(request, RequestEvent.LOST, reason)
        for label in list(self.pool.kept):
            self.release(label)
        if not self.is_master:  # the master's places go on, so that a station never takes one for another
            self.queue.places = 0
        self._planner.restart()
        self.samples.restart()
        self.unit.forget_peer()
        self._schedule = self._told_free = 0

    def begin(self) -> None:
        """An epoch with the other end begins."""
        handling = self.configuration.handling
        if handling != EndHandling():
            self._send(handling_to_wire(self.configuration.link, handling))
        if self.is_master:
            self.samples.give_terms()

    def describe(self) -> LinkDescription:
        """For operators."""
        census = self.pool.census()
        fidelity = self.unit.fidelity(self.windows.bright, self._around.domain_now())
        return LinkDescription(
            self.configuration.link, self.configuration.neighbour, self.configuration.stations, self.is_master,
            tuple(self.pool.kept), len(self.queue), len(self.windows.open), len(self.pool), census[Place.FREE],
            census[Place.OFFERED], census[Place.HELD], census[Place.EMPTYING], self.windows.pairs,
            self.windows.attempted, self._rate(), fidelity.value,
            (fidelity.low, fidelity.high), self.windows.bright / BRIGHT_UNIT, self.unit.tally.tests, self.samples.taken,
            tuple(self.unit.error_rate(basis) for basis in PAULI_BASES),
        )  # fmt: skip

    # --- small print -------------------------------------------------------------------------------------------------

    def _give_up_hopeless(self) -> None:
        """Requests for pairs that, as is known by now, the link cannot make (ESTIMATION-5.2-4)."""
        if self.unit.changes(self._around.domain_now()):
            return
        for request in [each for each in self.queue if each.wanting and self._planner.setting(each) is None]:
            self._end(request, RequestEvent.LOST, ErrorCode.FIDELITY_UNATTAINABLE)
            reason = ErrorCode.FIDELITY_UNATTAINABLE
            self._send(Cancel(link=self.configuration.link, label=request.label, reason=reason))

    def _rate(self) -> float:
        """Pairs a second since the last time that was at least `rate_time_ns` ago."""
        elapsed_ns = self._around.now_ns - self._rate_since_ns
        if elapsed_ns >= self._around.parameters.rate_time_ns:
            self._rate_hz = (self.windows.pairs - self._rate_pairs) * 1e9 / elapsed_ns
            self._rate_pairs, self._rate_since_ns = self.windows.pairs, self._around.now_ns
        return self._rate_hz

    def _tell_room(self) -> Room:
        self._told_free = self.pool.not_held
        self.windows.passed = False
        return Room(free=self._told_free, memories=len(self.pool))

    def _next_place(self) -> int:
        self.queue.places += 1
        return self.queue.places

    def _send(self, message: Message) -> None:
        self._around.send(self.configuration.neighbour, message)

    def _has_room(self) -> bool:
        for request in self.queue.make_room():
            self._around.timers.cancel(self._timer(request))
        return self.queue.has_room()

    def _timer(self, request: Request) -> TimerKey:
        return "mine" if request.mine else "theirs", self.configuration.link, request.create.create_id

    def _set_deadline(self, request: Request) -> None:
        deadline = DomainTime(min(request.deadline, self._around.domain_now() + (1 << 62)))
        self._around.timers.set(self._timer(request), self._around.local(deadline))

    def _end_requests(self, label: Label, event: RequestEvent, reason: ErrorCode) -> None:
        for request in self.queue.of_label(label):
            self._end(request, event, reason)

    def _end(self, request: Request, event: RequestEvent, reason: ErrorCode) -> None:
        self._around.timers.cancel(self._timer(request))
        self.queue.drop(request)
        REQUEST.fire(request, event, reason)


def _reason(code: int) -> ErrorCode:
    return ErrorCode(code) if code in set(ErrorCode) else ErrorCode.UNSPECIFIED

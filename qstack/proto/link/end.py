"""One end of one link: reservations, requests, and what the other end says of them (LINK-5.1, LINK-6)."""

from collections.abc import Callable
from dataclasses import dataclass

from qstack.base.bell import PAULI_BASES
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Label, LinkId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import LinkRefused, LinkReserved, ReserveLink
from qstack.base.units import MINUTE_NS
from qstack.proto.link.asking import Asking
from qstack.proto.link.calibrating import Calibrator
from qstack.proto.link.data import Block, DataLine
from qstack.proto.link.dense import DenseAudience, DenseCoder
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.handling import EndHandling, handling_from_wire, handling_to_wire
from qstack.proto.link.memory import MemoryBank, Place
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.plan import Plan
from qstack.proto.link.planner import Planner
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.settings import BRIGHT_UNIT, bright_to_wire
from qstack.proto.link.states import RequestEvent
from qstack.proto.link.stock import Stock
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.tally import Bounded
from qstack.proto.link.window import Windows
from qstack.wire.link import (
    MAXIMUM_HERALDS,
    MAXIMUM_WINDOWS,
    Assign,
    CalibrationPlan,
    Cancel,
    ClockProbe,
    CreateAck,
    CreateReject,
    CreateRequest,
    DataAck,
    DataBlock,
    DataRefuse,
    DenseBlock,
    DenseDone,
    DenseReady,
    EndFacts,
    Expire,
    ExpireAck,
    Gen,
    MemoryAdvertisement,
    Pass,
    Room,
    SampleOutcomes,
    SampleTerms,
    Schedule,
    SettingTlv,
)  # fmt: skip
from qstack.wire.value import Message

__all__ = ["LinkDescription", "LinkEnd", "ToStation"]

ToStation = Gen | Pass | CalibrationPlan | ClockProbe

_HORIZON_NS = MINUTE_NS  # LINK-4.5-3
_OPEN = 256  # LINK-7: windows that this end lets the master open


@dataclass(frozen=True, slots=True)
class LinkDescription:
    """A link, for operators. `rate_hz`: pairs a second, lately; `fidelity`: expected of a fresh pair at the setting
    that was last used, `bright` (0: the link's own), and what it lies between (95 %). `tests`: samples of which both
    ends have told; `samples`: pairs that this end has sacrificed; `stocked`: held ones that nobody has asked for yet;
    `error_rates`: of tests, in Z, X, Y. `calibrations`: rounds that were counted; `clock_offset_ns`: by how much the
    station's clock is ahead, None if it was not asked.
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
    stocked: int
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
    calibrations: int
    clock_offset_ns: int | None


class LinkEnd:
    """One end of one link. `tell_station` brings a message to its station, be it this node."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, bank: MemoryBank,
        tell_station: Callable[[ToStation], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.is_master = around.own < configuration.neighbour
        self.pool = bank.pool(configuration.memories, configuration.storage)
        self.queue = RequestQueue(around.parameters.queued_requests)
        self.unit = EstimationUnit(configuration.believed, configuration.handling, around.parameters.estimation,
                                   is_lower=self.is_master, slot_cycles=configuration.slot_cycles)  # fmt: skip
        self.windows = Windows(configuration, self.pool, around, self.unit, tell_station, self._finish)
        self.samples = self.windows.samples
        self._around = around
        self.stock = Stock(configuration, around, self.pool, self.unit, self.windows.delivery, self.queue,
                           send=self._send, empty=self.windows.release, is_open=self.windows.is_open)  # fmt: skip
        self.windows.revoke_stock = self.stock.revoke
        self._planner = Planner(configuration, around, queue=self.queue, windows=self.windows, stock=self.stock,
                                send=self._send)  # fmt: skip
        self.asking = Asking(configuration, around, self.windows, self.queue, self._planner, send=self._send,
                             room=self._tell_room)  # fmt: skip
        self.calibrator = Calibrator(configuration, around, self.windows, take_slot=self._planner.take_slot,
                                     send=tell_station)  # fmt: skip
        self.data = DataLine(configuration, around, self._send)
        self.dense = DenseCoder(
            configuration, around, self.windows, self.data, stocked=lambda: len(self.stock), claim=self.asking.claim,
            take_slot=self._planner.take_slot, send=self._send,
        )  # fmt: skip
        self.data.qubits = self.dense
        self.asking.data_audience = lambda create_id, mine: DenseAudience(self.dense, create_id, mine)
        self._schedule = 0  # the newest one received
        self._told_free = 0  # what the master knows of this end's free memories

    # --- memories for circuits, and memories that come back --------------------------------------------------------

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
        self.asking.end_label(label, RequestEvent.CANCELLED, ErrorCode.CANCELLED)
        self.windows.release(tuple(self.pool.unkeep(label)))
        self.asking.orphans.discard(label)
        self.stock.forget_label(label)

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
                self.asking.answer(message)
            case CreateAck():
                self.asking.acknowledged(message)
            case CreateReject():
                self.asking.rejected(message)
            case Cancel():
                self.asking.cancelled_by_peer(message)
            case MemoryAdvertisement():
                self._advertised(message)
            case Schedule():
                self._scheduled(message)
            case EndFacts() | SampleTerms() | SampleOutcomes():
                self._receive_estimation(message)
            case Assign():
                self.stock.assigned(message)
            case DataBlock() | DataAck() | DataRefuse() | DenseBlock() | DenseReady() | DenseDone():
                self._receive_data(message)
            case ExpireAck():
                self._around.count("pairs_never_known", len(message.revoked))
            case _:
                raise PeerViolation(f"{message.NAME} is not for an end of a link")

    def _receive_estimation(self, message: EndFacts | SampleTerms | SampleOutcomes) -> None:
        match message:
            case EndFacts():
                self.unit.meet(handling_from_wire(message))
            case SampleTerms():
                self.samples.hear_terms(message)
            case SampleOutcomes():
                self.samples.hear(message)

    def _receive_data(
        self, message: DataBlock | DataAck | DataRefuse | DenseBlock | DenseReady | DenseDone
    ) -> None:
        match message:
            case DataBlock():
                self.data.receive(Block(message.block, message.purpose, bool(message.last), message.data))
            case DataAck():
                self.data.acknowledged(message)
            case DataRefuse():
                self.data.refused(message)
            case DenseBlock():
                self.dense.announced(message)
            case DenseReady():
                self.dense.ready(message)
            case DenseDone():
                self.dense.done(message)

    def _advertised(self, advertisement: MemoryAdvertisement) -> None:
        if not self.is_master:
            raise PeerViolation("an advertisement to an end that does not schedule")
        self._planner.room = advertisement.room
        if not advertisement.room.free:
            self.stock.give_way(len(self.stock))

    def _scheduled(self, schedule: Schedule) -> None:
        memories = self.configuration.window_memories(schedule.memories)  # more no Reply could tell of
        setting = schedule.option(SettingTlv) or SettingTlv()
        plan = Plan(schedule.first_cycle, schedule.cycles, schedule.stride, schedule.windows, memories,
                    schedule.allowance, setting.bright, setting.terms)  # fmt: skip
        self._check_schedule(schedule, plan)
        self._schedule = schedule.schedule
        request = self.queue.at(schedule.queue_sequence)
        if not schedule.queue_sequence and self.stock.capacity:
            request = self.stock.request
            self.stock.aim(Room(free=0, memories=0, stock=self.stock.capacity))
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

    def plan(self) -> None:
        """The time has come to fill a slot."""
        self._planner.plan()

    def calibrate(self) -> None:
        """The time has come for a round of calibration."""
        self.calibrator.time_has_come(not self.queue.unfinished)

    def release_again(self) -> None:
        """The device did not say of some memories that they are empty."""
        self.windows.release_again()

    def finish_turn(self) -> None:
        """Plan, or let the master know that it can."""
        self.data.finish_turn()
        if self.is_master:
            self.asking.give_up_hopeless()
            self._make_way()
            self._planner.arm()
            return
        if not self.queue.unfinished and not self.stock.capacity:
            return
        has_some, had_some = self.pool.not_held > 0, self._told_free > 0
        if has_some != had_some and (has_some or self.windows.passed):
            self._send(MemoryAdvertisement(link=self.configuration.link, room=self._tell_room()))

    def lose_station(self, station: Qna, reason: ErrorCode) -> None:
        """A station is gone, and what it would have said: its windows are void, its requests have failed."""
        if station == self.stock.request.station:
            self.stock.lose()
        self.windows.lose_station(station)
        self.asking.lose_station(station, reason)

    def restart(self, reason: ErrorCode) -> None:
        """The epoch with the other end is over: labels are gone, numbers begin anew."""
        self.asking.end_all(reason)
        for label in list(self.pool.kept):
            self.release(label)
        if not self.is_master:  # the master's places go on, so that a station never takes one for another
            self.queue.places = 0
        self._planner.restart()
        self.calibrator.restart()
        self.data.restart()
        self.windows.drop_request(self.stock.request)
        self.stock.restart()
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
        elif self.stock.capacity:
            self._send(MemoryAdvertisement(link=self.configuration.link, room=self._tell_room()))
        self.calibrator.begin()

    def describe(self) -> LinkDescription:
        """For operators."""
        census = self.pool.census()
        fidelity = self.unit.fidelity(self.windows.bright, self._around.domain_now())
        return LinkDescription(
            self.configuration.link, self.configuration.neighbour, self.configuration.stations, self.is_master,
            tuple(self.pool.kept), len(self.queue), len(self.windows.open), len(self.pool), census[Place.FREE],
            census[Place.OFFERED], census[Place.HELD], len(self.stock), census[Place.EMPTYING], self.windows.pairs,
            self.windows.attempted, self.windows.rate.hz(self._around.now_ns), fidelity.value,
            (fidelity.low, fidelity.high), self.windows.bright / BRIGHT_UNIT, self.unit.tally.tests, self.samples.taken,
            tuple(self.unit.error_rate(basis) for basis in PAULI_BASES), self.unit.calibration.rounds,
            self.calibrator.clock_offset_ns,
        )  # fmt: skip

    # --- small print -------------------------------------------------------------------------------------------------

    def _tell_room(self) -> Room:
        self._told_free = self.pool.not_held
        self.windows.passed = False
        return Room(free=self._told_free, memories=self.pool.communication, stock=self.stock.capacity)

    def _make_way(self) -> None:
        """Stock goes to requests, or out of their way."""
        for request in [each for each in self.queue if each.wanting]:
            self.stock.hand_out(request)
            lacking = min(request.wanting, self.pool.potential(request.owner, 1)) - self.pool.prospect(request.owner)
            if lacking > 0:
                self.stock.give_way(lacking)

    def _finish(self, request: Request) -> None:
        self.asking.finish(request)

    def _send(self, message: Message) -> None:
        self._around.send(self.configuration.neighbour, message)

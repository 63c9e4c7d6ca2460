"""The master's planning: which request gets which windows (LINK-5.2).

Only the end with the lower address plans; the other is told by Schedule, so both attempt the same windows for the same
request, and need not agree on anything else in time. Time is divided into slots. While somebody wants pairs, what is
planned reaches `ahead` into the future: what is lost of its announcement is sent again before it begins. Windows take
memories only when they begin, and the station grants no request more than it wants, so that planning far ahead costs
neither memories nor pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, sqrt

from qstack.base.ids import Cycle
from qstack.base.pairs import PairKind
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.plan import Plan, Shape, expected_successes, measuring_cycles, shape_of_windows
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.scheduler import Claim, Scheduler
from qstack.proto.link.settings import Setting, attainable, bright_to_wire
from qstack.proto.link.stock import Stock
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.window import Windows
from qstack.wire.link import MAXIMUM_HERALDS, MAXIMUM_WINDOWS, Room, Schedule, SettingTlv

__all__ = ["Planner"]


@dataclass(slots=True)
class _Draft:
    """The windows of one request in the slots that are being planned. `wanted`: pairs they may still bring."""

    request: Request
    setting: Setting
    shape: Shape
    wanted: float
    plans: list[Plan]

    def add(self, first_cycle: Cycle, cycles: int, memories: int, terms: int) -> None:
        """One more window: lengthen the last plan by it, or begin another one."""
        bright = bright_to_wire(self.setting.bright)
        window = Plan(first_cycle, cycles, cycles, 1, memories, self.request.allowance, bright, terms)
        if self.plans:
            last = self.plans[-1]
            stride = first_cycle - last.first_cycle if last.windows == 1 else last.stride
            follows = first_cycle == last.first_cycle + last.windows * stride
            if follows and (last.cycles, last.memories) == (cycles, memories) and last.windows < MAXIMUM_WINDOWS:
                self.plans[-1] = replace(last, windows=last.windows + 1, stride=stride)
                return
        self.plans.append(window)


class Planner:
    """Planning of one link at its master. `room`: what the other end says of its memories."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, *, queue: RequestQueue, windows: Windows,
        stock: Stock, send: Callable[[Schedule], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.room = Room(free=0, memories=0, stock=0)
        self.schedules = 0
        self._queue = queue
        self._stock = stock
        self._unit = windows.unit
        parameters = around.parameters
        alone_cycles = parameters.alone_ns / configuration.cycle_ns
        self._scheduler = Scheduler(parameters.discipline, parameters.weights, alone_cycles)
        self._pool = windows.pool
        self._windows = windows
        self._around = around
        self._send = send
        self._slot = 0  # the first one that is not planned yet

    def admit(self, request: Request) -> None:
        """A request has its place."""
        create, setting = request.create, self.setting(request)
        turns = create.number if create.atomic else 1
        cost = 0.0 if setting is None else turns * setting.cycles_per_pair
        now_cycle = self._around.domain_now() // self.configuration.cycle_ns
        claim = Claim(request.sequence, create.priority, cost, bool(create.consecutive))
        self._scheduler.admit(claim, now_cycle)

    def forget(self, request: Request) -> None:
        """A request is over."""
        self._scheduler.forget(request.sequence)

    def take_slot(self) -> Cycle:
        """A slot for something else than windows, far enough ahead to tell others of it. Gives its first cycle."""
        earliest = -(-(self._around.domain_now() + self._windows.lead_ns) // self.configuration.slot_ns)
        slot = max(earliest, self._slot)
        self._slot = slot + 1
        return Cycle(slot * self.configuration.slot_cycles)

    def restart(self) -> None:
        """A new epoch with the other end. Slots stay used: the device attempts each cycle once."""
        self.room = Room(free=0, memories=0)
        self.schedules = 0

    def arm(self) -> None:
        """Set the timer for the next slots, if there is anything to be planned."""
        timer = ("plan", self.configuration.link, 0)
        if timer in self._around.timers or not self._is_worth_it():
            return
        lead_ns = self._windows.lead_ns
        earliest = -(-(self._around.domain_now() + lead_ns) // self.configuration.slot_ns)
        if self._slot > earliest:  # it follows what is planned already
            lead_ns = max(lead_ns, self._around.parameters.ahead_ns)
        self._slot = max(earliest, self._slot)
        when_ns = self._around.local(self._slot * self.configuration.slot_ns) - lead_ns
        self._around.timers.set(timer, max(when_ns, self._around.now_ns))

    def setting(self, request: Request) -> Setting | None:
        """How the link is to be set for a request; None when what it wants cannot be had, or not now."""
        now = self._around.domain_now()
        return self._unit.setting(request.kind, attainable(request.create.min_fidelity), now)

    def plan(self) -> None:
        """Fill slots with windows, request after request."""
        # Between setting the timer and now nothing moved the slot, but a busy node may be called late.
        self._slot = max(self._slot, -(-self._around.domain_now() // self.configuration.slot_ns))
        drafts = self._drafts()
        left = self._around.parameters.outstanding_windows - len(self._windows.open)
        slots = range(self._slot, self._slot + self._slots_ahead())
        for slot in slots:
            laid = self._fill(slot, drafts, left)
            if laid:
                self._slot = slot + 1
                left -= laid
        if self._slot == slots.start and drafts:
            self._slot = slots.stop  # nothing fits; later it may. Where memories lack, these slots wait for them
        for plan, request in sorted(
            ((plan, draft.request) for draft in drafts for plan in draft.plans), key=lambda each: each[0].first_cycle
        ):
            self._schedule(request, plan)
        self.arm()

    def _fill(self, slot: int, drafts: list[_Draft], left: int) -> int:
        """Windows for one slot, in turns. Gives how many there are."""
        first = Cycle(slot * self.configuration.slot_cycles)
        behind, laid = first + self.configuration.slot_cycles, 0
        for draft in self._in_turn(drafts, first):
            first = Cycle(self._unit.hardware.next_attempt(first))
            if laid >= left or first >= behind or draft.wanted <= 0.0 or slot < draft.request.next_slot:
                continue
            cycles = min(draft.shape.cycles, behind - first)
            memories = min(draft.shape.memories, cycles, max(1, draft.request.wanting))
            if self._windows.end_of(first, cycles) > draft.request.deadline:
                continue
            draft.add(first, cycles, memories, self._windows.samples.terms if draft.request.can_be_tested else 0)
            draft.wanted -= expected_successes(draft.setting.model.cycle_probability, cycles, memories) * self._kept
            draft.request.next_slot = slot + draft.shape.slots
            self._scheduler.served(draft.request.sequence, cycles, first)
            first, laid = Cycle(first + cycles), laid + 1
        return laid

    def _in_turn(self, drafts: list[_Draft], first_cycle: int) -> list[_Draft]:
        if len(drafts) == 1 and not drafts[0].request.sequence:
            return drafts  # the stock, which has no place
        by_place = {draft.request.sequence: draft for draft in drafts}
        return [by_place[place] for place in self._scheduler.order(by_place, first_cycle)]

    def _drafts(self) -> list[_Draft]:
        requests = [request for request in self._queue if self._can_be_planned(request)]
        if not requests and self._may_stock():
            requests = [self._stock.request]
        active = len({request.owner for request in requests})
        drafts = []
        for request in requests:
            setting = self.setting(request)
            if setting is not None:
                shape = self._shape(request, setting, active)
                drafts.append(_Draft(request, setting, shape, self._unplanned(request), []))
        return drafts

    def _shape(self, request: Request, setting: Setting, active: int) -> Shape:
        configuration, parameters = self.configuration, self._around.parameters
        if request.kind is PairKind.MEASURE:  # one memory, again and again
            cycles = measuring_cycles(setting.model.cycle_probability, setting.cycles, MAXIMUM_HERALDS)
            return Shape(MAXIMUM_HERALDS, cycles, 1)
        share = min(self._pool.potential(request.owner, active), max(1, self.room.memories))
        return shape_of_windows(
            setting.model.cycle_probability, setting.cycles, configuration.window_memories(share),
            ceil((parameters.turnaround_ns + parameters.offer_lead_ns) / configuration.cycle_ns),
            ceil(parameters.delayed_ns / configuration.cycle_ns),
        )  # fmt: skip

    def _unplanned(self, request: Request) -> float:
        """Pairs for which windows are to be planned. Where chance decides, more than are missing, by two standard
        deviations: what comes too many the station does not grant."""
        wanting, setting = request.wanting, self.setting(request)
        if not wanting or setting is None:
            return 0.0
        certain = setting.model.cycle_probability * self._kept >= 1.0
        return wanting + (0.0 if certain else 2.0 * sqrt(wanting)) - self._windows.expected_for(request) * self._kept

    @property
    def _kept(self) -> float:
        """Share of pairs that are no samples."""
        return 1.0 - self._unit.parameters.share if self._windows.samples.terms else 1.0

    def _slots_ahead(self) -> int:
        return min(MAXIMUM_WINDOWS, max(1, ceil(self._around.parameters.ahead_ns / self.configuration.slot_ns)))

    def _schedule(self, request: Request, plan: Plan) -> None:
        self.schedules += 1
        self._send(Schedule(
            link=self.configuration.link, schedule=self.schedules, queue_sequence=request.sequence,
            first_cycle=plan.first_cycle, cycles=plan.cycles, stride=plan.stride, windows=plan.windows,
            memories=plan.memories, allowance=plan.allowance,
            options=(SettingTlv(bright=plan.bright, terms=plan.terms),) if plan.bright or plan.terms else (),
        ))  # fmt: skip
        if request.label:
            self._stock.note_label(request.label)
        self._windows.announce(request, plan)

    def _can_be_planned(self, request: Request) -> bool:
        """Whether both ends have memories for it, as far as we know, and it wants more than is planned."""
        has_room = self.room.free > 0 and self._pool.prospect(request.owner) > 0
        return has_room and self._unplanned(request) > 0.0

    def _may_stock(self) -> bool:
        """Whether the link is idle, and both ends would keep more pairs in stock."""
        self._stock.aim(self.room)
        idle = not any(request.wanting for request in self._queue)
        return idle and self._can_be_planned(self._stock.request)

    def _is_worth_it(self) -> bool:
        if len(self._windows.open) >= self._around.parameters.outstanding_windows:
            return False
        return any(self._can_be_planned(request) for request in self._queue) or self._may_stock()

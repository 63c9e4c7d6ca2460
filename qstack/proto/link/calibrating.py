"""Rounds of calibration: planned by the master while nobody wants pairs, counted by the station (ESTIMATION-6)."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, Label, Qna
from qstack.base.time import DomainTime
from qstack.base.units import MINUTE_NS
from qstack.proto.link.calibration import Count, Round, can_be_calibrated
from qstack.proto.link.params import LinkConfiguration, StationConfiguration
from qstack.proto.link.settings import BRIGHT_UNIT, bright_to_wire
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.window import Windows
from qstack.wire.link import CalibrationPlan, CalibrationReport, ClickCount, ClockEcho, ClockProbe
from qstack.wire.twin import MAXIMUM_COUNTED_CYCLES, Attempt, ClicksCounted, CountClicks, LinkEnd, Refused

__all__ = ["Calibrator", "ClickCounter"]

_WINDOWS = 3
_PLACES = (LinkEnd.LOWER, LinkEnd.HIGHER, LinkEnd(0))  # who attempts in each window
_ROUNDS = 4  # ESTIMATION-7: that a station counts at a time
_PROBES = 8  # ESTIMATION-6-5
_HORIZON_NS = MINUTE_NS


class Calibrator:
    """Of one end of one link. `take_slot` gives a slot that nobody uses; `send` brings a message to the station."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, windows: Windows, *,
        take_slot: Callable[[], Cycle], send: Callable[[CalibrationPlan | ClockProbe], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self._around = around
        self._windows = windows
        self._unit = windows.unit
        self._take_slot = take_slot
        self._send = send
        self._pause_ns = 0
        self._number = 0  # of the newest round
        self._probe = 0
        self._probes: deque[tuple[int, int]] = deque(maxlen=_PROBES)  # (way there and back, offset)

    @property
    def clock_offset_ns(self) -> int | None:
        """By how much the station's clock is ahead of this end's, as far as is known."""
        return min(self._probes)[1] if self._probes else None

    def begin(self) -> None:
        """An epoch with the other end begins; the master plans the first round."""
        self._probes.clear()
        parameters = self._unit.parameters.calibration
        is_master = self._around.own < self.configuration.neighbour
        if is_master and parameters.interval_ns and can_be_calibrated(self.configuration.believed):
            self._pause_ns = parameters.first_ns
            self._wait()

    def restart(self) -> None:
        """The epoch is over."""
        self._around.timers.cancel(("calibrate", self.configuration.link, 0))
        self._number = 0

    def time_has_come(self, is_idle: bool) -> None:
        """Plan a round, if the link has nothing better to do."""
        interval_ns = self._unit.parameters.calibration.interval_ns
        if is_idle and self._around.has_device:
            self._plan()
            self._pause_ns = min(2 * self._pause_ns, interval_ns)
        self._wait()

    def hear_plan(self, plan: CalibrationPlan) -> None:
        """The master has planned a round. Raises `PeerViolation` before anything has changed."""
        if self._around.own < self.configuration.neighbour or plan.number <= self._number or not plan.cycles:
            raise PeerViolation("a CalibrationPlan from the end that is not master, out of order, or of nothing")
        if plan.station not in self.configuration.stations:
            raise PeerViolation("a CalibrationPlan for a node that is no station of the link")
        _check_horizon(plan, self.configuration.cycle_ns, self._around.domain_now())
        self._number = plan.number
        self._attempt(Cycle(plan.first_cycle + plan.cycles), plan)
        self._ask_clock(plan.station)

    def hear_report(self, report: CalibrationReport) -> None:
        """The station has counted."""
        if len(report.counts) != _WINDOWS or not 0 < report.bright < BRIGHT_UNIT:
            self._around.count("calibrations_failed")
            return
        counts = [
            Count(report.cycles, min(told.clicks, report.cycles), told.arrival_ns) if told.attempted == meant else None
            for told, meant in zip(report.counts, _PLACES, strict=True)
        ]
        bright = report.bright / BRIGHT_UNIT
        self._unit.note_round(Round(report.first_cycle, bright, counts[0], counts[1], counts[2]))
        self._around.count("calibrations")

    def hear_clock(self, echo: ClockEcho) -> None:
        """The station has told its time."""
        now = self._around.domain_now()
        if echo.number == self._probe and echo.sent <= now:
            self._probes.append((now - echo.sent, echo.received - (echo.sent + now) // 2))

    def _wait(self) -> None:
        self._around.timers.set(("calibrate", self.configuration.link, 0), self._around.now_ns + self._pause_ns)

    def _plan(self) -> None:
        self._number += 1
        plan = CalibrationPlan(
            link=self.configuration.link, station=self.configuration.stations[0], number=self._number,
            first_cycle=self._take_slot(),
            cycles=min(max(1, self.configuration.slot_cycles // _WINDOWS), MAXIMUM_COUNTED_CYCLES),
            bright=bright_to_wire(self._unit.parameters.calibration.bright),
        )  # fmt: skip
        if plan.station != self.configuration.neighbour:  # who is told once, in both parts
            self._around.send(self.configuration.neighbour, plan)
        self._send(plan)
        self._attempt(plan.first_cycle, plan)
        self._ask_clock(plan.station)

    def _attempt(self, first_cycle: Cycle, plan: CalibrationPlan) -> None:
        """Emit alone. The memory is emptied when the window is over: nothing is heralded into it."""
        end = self._windows.end_of(first_cycle, plan.cycles)
        qubits = self._windows.pool.offer(Label(0), 1, end)
        if qubits:
            call = self._around.call(
                Attempt, ("calibration", self.configuration.link, first_cycle), link=self.configuration.link,
                first_cycle=first_cycle, cycles=plan.cycles, bright=plan.bright, qubits=qubits,
            )  # fmt: skip
            del self._around.asked[call]  # the station's report says whether it was made
            self._windows.release(qubits)

    def _ask_clock(self, station: Qna) -> None:
        self._probe = self._probe + 1 & 0xFFFF_FFFF
        self._send(ClockProbe(
            link=self.configuration.link, station=station, number=self._probe, sent=self._around.domain_now(),
        ))  # fmt: skip


@dataclass(slots=True)
class _Counting:
    """A round at the station."""

    plan: CalibrationPlan
    counts: dict[int, ClickCount] = field(default_factory=dict)


class ClickCounter:
    """The station's part for one link. `send` brings a message to an end, be it this node."""

    def __init__(
        self, configuration: StationConfiguration, around: Surroundings,
        send: Callable[[Qna, CalibrationReport | ClockEcho], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self._around = around
        self._send = send
        self._rounds: OrderedDict[int, _Counting] = OrderedDict()  # by first cycle

    def hear_plan(self, plan: CalibrationPlan, end: Qna) -> None:
        """The master plans a round. Raises `PeerViolation` before anything has changed."""
        if end != min(self.configuration.ends) or not plan.cycles:
            raise PeerViolation("a CalibrationPlan from a node that is not master of the link, or of nothing")
        _check_horizon(plan, self.configuration.cycle_ns, self._around.domain_now())
        self._rounds[plan.first_cycle] = _Counting(plan)
        if len(self._rounds) > _ROUNDS:
            self._rounds.popitem(last=False)
        for window in range(_WINDOWS):
            self._around.call(
                CountClicks, ("count", plan.link, (plan.first_cycle, window)), link=plan.link,
                first_cycle=Cycle(plan.first_cycle + window * plan.cycles), cycles=plan.cycles,
            )  # fmt: skip

    def result(self, which: tuple[int, int], result: ClicksCounted | Refused) -> None:
        """The device has counted a window, or does not count."""
        first_cycle, window = which
        counting = self._rounds.get(first_cycle)
        if counting is None:
            return
        if isinstance(result, Refused):
            self._report(first_cycle, ())
            return
        counting.counts[window] = ClickCount(attempted=result.attempted, clicks=result.clicks,
                                             arrival_ns=result.arrival_ns)  # fmt: skip
        if len(counting.counts) == _WINDOWS:
            self._report(first_cycle, tuple(counting.counts[n] for n in range(_WINDOWS)))

    def tell_clock(self, probe: ClockProbe, end: Qna) -> None:
        """What time it is. Raises `PeerViolation` for a node that is no end."""
        if end not in self.configuration.ends:
            raise PeerViolation("a ClockProbe from a node that is no end of the link")
        now = DomainTime(self._around.domain_now())
        self._send(end, ClockEcho(link=probe.link, station=self._around.own, number=probe.number, sent=probe.sent,
                                  received=now))  # fmt: skip

    def _report(self, first_cycle: int, counts: tuple[ClickCount, ...]) -> None:
        plan = self._rounds.pop(first_cycle).plan
        for end in self.configuration.ends:
            self._send(end, CalibrationReport(
                link=plan.link, station=self._around.own, number=plan.number, first_cycle=plan.first_cycle,
                cycles=plan.cycles, bright=plan.bright, counts=counts,
            ))  # fmt: skip


def _check_horizon(plan: CalibrationPlan, cycle_ns: int, now: DomainTime) -> None:
    """Both of its ends: a device goes through all the cycles between them."""
    ends = plan.first_cycle, plan.first_cycle + _WINDOWS * plan.cycles
    if any(abs(cycle * cycle_ns - now) > _HORIZON_NS for cycle in ends):
        raise PeerViolation("a CalibrationPlan more than a minute away")

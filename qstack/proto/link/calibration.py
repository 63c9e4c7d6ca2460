"""What a station counts while one end, or none, emits: how much light arrives, how much is dark (ESTIMATION-6).

A round has three windows: the end with the lower address emits alone, then the other one, then none. Clicks of one
end's light tell how much of it is detected, clicks without light the dark counts. Counts are held against what the
configured hardware would give, as a quotient that begins at 1 with the weight of some clicks: so few clicks change
little, and a link whose loss changes with time is measured as well.
"""

from dataclasses import dataclass, field, replace
from math import sqrt

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Cycle
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.schemes import SingleClick

__all__ = ["Calibration", "CalibrationParameters", "Count", "Round", "can_be_calibrated"]


@dataclass(frozen=True, slots=True)
class CalibrationParameters:
    """`first_ns`: from the beginning of a session to the first round; the pause doubles up to `interval_ns`, 0 for no
    calibration at all. `bright`: how bright an end is that emits alone. `prior_clicks`, `prior_cycles`: weight of the
    configured numbers. `remembered_rounds`: an older one counts less than 1/e.
    """

    interval_ns: int = 30 * SECOND_NS
    first_ns: int = 100 * MILLISECOND_NS
    bright: float = 0.5
    prior_clicks: float = 50.0
    prior_cycles: float = 10_000.0
    remembered_rounds: int = 500

    def __post_init__(self) -> None:
        if self.interval_ns < 0 or self.first_ns <= 0 or min(self.prior_clicks, self.prior_cycles) <= 0.0:
            raise LocalMisuse("a calibration's interval is not negative; its first pause and its priors are positive")
        if not 0.0 < self.bright <= 1.0 or self.remembered_rounds < 1:
            raise LocalMisuse("an end that emits alone has a brightness in ]0, 1]; at least one round is remembered")


@dataclass(frozen=True, slots=True)
class Count:
    """One window: clicks (of one detector and not the other) in so many cycles, and when they came on average, from the
    beginning of a cycle."""

    cycles: int
    clicks: int
    arrival_ns: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """Counts of the lower end's light, the higher end's, and of none. A window that was spoilt has no count."""

    first_cycle: Cycle
    bright: float
    lower: Count | None
    higher: Count | None
    dark: Count | None


@dataclass(slots=True)
class _Seen:
    """Of one end's light: clicks, less those that are dark, and those that were expected."""

    clicks: float = 0.0
    expected: float = 0.0
    arrival_ns: float | None = None


@dataclass(slots=True)
class Calibration:
    """The calibration of one link. `configured` is what it begins with, the lower end's arm first."""

    configured: LinkHardware
    parameters: CalibrationParameters
    rounds: int = 0
    _arms: tuple[_Seen, _Seen] = field(default_factory=lambda: (_Seen(), _Seen()))
    _dark_clicks: float = 0.0
    _dark_cycles: float = 0.0

    def note(self, seen: Round) -> None:
        """A round is over."""
        self.rounds += 1
        self._fade(1.0 - 1.0 / self.parameters.remembered_rounds)
        if seen.dark is not None:
            self._dark_clicks += seen.dark.clicks
            self._dark_cycles += self._attempted(seen.dark)
        for end, count in enumerate((seen.lower, seen.higher)):
            if count is not None:
                self._note_arm(end, count, seen)

    @property
    def hardware(self) -> LinkHardware:
        """The link as it is by now believed to be."""
        scheme = self.configured.scheme
        if not self.rounds or not isinstance(scheme, SingleClick):
            return self.configured
        # The factor also stands for what the channels and the detectors lose more, or less, than is configured.
        detection = (min(1.0, scheme.detection[0] * self.factor(0)), min(1.0, scheme.detection[1] * self.factor(1)))
        detector = replace(self.configured.detector, dark_count_hz=0.0, dark_count_probability=self.dark)
        # Scattered light is among the dark clicks that were counted, unless it comes in bursts alone.
        classical = (None, None) if self.configured.turns is None else self.configured.classical
        return replace(
            self.configured, scheme=replace(scheme, detection=detection), detector=detector, classical=classical
        )

    @property
    def dark(self) -> float:
        """Probability that a detector clicks in a cycle without light."""
        prior = self.parameters.prior_cycles
        alone = (self._dark_clicks + prior * _alone(self.configured.dark)) / (self._dark_cycles + prior)
        return (1.0 - sqrt(max(0.0, 1.0 - 2.0 * alone))) / 2.0

    def factor(self, end: int) -> float:
        """How much more of an end's light is detected than configured."""
        prior, seen = self.parameters.prior_clicks, self._arms[end]
        return max(0.0, seen.clicks + prior) / (seen.expected + prior)

    def arrival_ns(self, end: int) -> float | None:
        """From the beginning of an end's cycle to its light at the station: its arm, and its clock's error."""
        return self._arms[end].arrival_ns

    def _note_arm(self, end: int, count: Count, seen: Round) -> None:
        arm = self._arms[end]
        quiet, expected = _alone(self.dark), self._expected(end, seen)
        cycles = self._attempted(count)
        arm.clicks += count.clicks - cycles * quiet
        arm.expected += cycles * (expected - _alone(self.configured.dark))
        if count.clicks > 2.0 * cycles * quiet:  # mostly light
            weight = 1.0 if arm.arrival_ns is None else 0.1
            arm.arrival_ns = (arm.arrival_ns or 0.0) * (1.0 - weight) + count.arrival_ns * weight

    def _expected(self, end: int, seen: Round) -> float:
        """Probability of a click while an end emits alone, as configured."""
        hardware, scheme = self.configured, self.configured.scheme
        assert isinstance(scheme, SingleClick), "only single-click links are calibrated"
        instant_ns = seen.first_cycle * hardware.cycle_ns
        arrives = scheme.detection[end] * hardware.arms[end].transmissivity(instant_ns) * hardware.detector.efficiency
        dark = hardware.dark
        return seen.bright * _alone(dark, arrives) + (1.0 - seen.bright) * _alone(dark)

    def _attempted(self, count: Count) -> float:
        """Cycles of a count in which the link attempts: on a shared fibre not all."""
        return count.cycles * self.configured.share

    def _fade(self, factor: float) -> None:
        self._dark_clicks *= factor
        self._dark_cycles *= factor
        for arm in self._arms:
            arm.clicks *= factor
            arm.expected *= factor


def can_be_calibrated(hardware: LinkHardware) -> bool:
    """Whether clicks of one end alone say something of the link."""
    return isinstance(hardware.scheme, SingleClick)


def _alone(dark: float, arrives: float = 0.0) -> float:
    """Probability that exactly one detector clicks when a photon arrives with probability `arrives`."""
    none = 2.0 * dark * (1.0 - dark)
    return (1.0 - dark) * arrives + (1.0 - arrives) * none

"""The fidelity estimation unit of one end of a link (ESTIMATION-5): one answer from model, calibration and tests.

It is asked how the link is to be set for a request, and what a pair of some setting is worth; it is told what
calibration counted, how late the station's word comes, what the other end's memories are like, and what both ends saw
of a test. Both ends hold one; they may differ a little, so a setting is chosen by the master and told.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from qstack.base.bell import PAULI_BASES, Basis
from qstack.base.errors import LocalMisuse
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime, Instant
from qstack.proto.link.calibration import Calibration, CalibrationParameters, Round
from qstack.proto.link.handling import EndHandling, expected_agreement, kept
from qstack.proto.link.rounds import OwnSample, Seen, agrees
from qstack.proto.link.settings import BRIGHT_UNIT, Setting, SettingParameters, Terms, choose_setting
from qstack.proto.link.tally import Bounded, ErrorTally, TallyParameters
from qstack.quantum.formulas import Correlations, fidelity
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel

__all__ = ["EstimationParameters", "EstimationUnit"]

_Question = tuple[PairKind, float]
_RECONSIDERED = 32  # tests after which settings are chosen anew
_ANSWERS_KEPT = 64
_STATES_KEPT = 256
_LATENESS_GAIN = 8  # after RFC 6298: the mean follows by an eighth, the deviation by a quarter
_LATENESS_STEPS = 16  # lateness counts in sixteenths of its power of two, so that small changes choose nothing anew


@dataclass(frozen=True, slots=True)
class EstimationParameters:
    """`share`: of pairs that are tested, 0..0.9 (ESTIMATION-3.1-5). `late_ns`: how late the station's word is behind
    the end of a window, at first.
    """

    share: float = 0.0
    late_ns: int = 1_000_000
    settings: SettingParameters = field(default_factory=SettingParameters)
    tally: TallyParameters = field(default_factory=TallyParameters)
    calibration: CalibrationParameters = field(default_factory=CalibrationParameters)

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 0.9 or self.late_ns < 0:
            raise LocalMisuse(f"test rounds take a share of 0..0.9 of all pairs, not {self.share}; nobody is early")


class EstimationUnit:
    """Of one link. `own`: what this end does to its halves; `is_lower`: this end's address is the lower one."""

    def __init__(
        self, configured: LinkHardware, own: EndHandling, parameters: EstimationParameters, *, is_lower: bool,
        slot_cycles: int,
    ) -> None:  # fmt: skip
        self.parameters = parameters
        self.calibration = Calibration(configured, parameters.calibration)
        self.tally = ErrorTally(parameters.tally)
        self.hardware = configured
        self.contradicted = 0  # tests that contradicted the heralded state
        self._is_lower = is_lower
        self._slot_cycles = slot_cycles
        self._own, self._other = own, EndHandling()  # until it says something else
        self._mean_late_ns = float(parameters.late_ns)
        self._late_deviation_ns = 0.0
        self._since = 0  # tests since settings were chosen anew
        self._states: dict[tuple[int, int], tuple[LinkModel, int, Correlations]] = {}  # asked for every pair
        self._answers: OrderedDict[_Question, tuple[LinkModel, int, Setting | None]] = OrderedDict()

    # --- what it is told -----------------------------------------------------------------------------------------

    def forget_peer(self) -> None:
        """The epoch with the other end is over; it may come back with another device."""
        self.meet(EndHandling())

    def meet(self, other: EndHandling) -> None:
        """The other end says what its memories are like."""
        self._other = other
        self._answers.clear()

    def note_late(self, late_ns: int) -> None:
        """The station's word came so long behind the end of its window."""
        self._late_deviation_ns += (abs(late_ns - self._mean_late_ns) - self._late_deviation_ns) * 2 / _LATENESS_GAIN
        self._mean_late_ns += (late_ns - self._mean_late_ns) / _LATENESS_GAIN

    def note_round(self, seen: Round) -> None:
        """A calibration is over."""
        self.calibration.note(seen)
        self.hardware = self.calibration.hardware
        self._answers.clear()

    def note_sample(self, sample: OwnSample, seen: Seen, now_ns: Instant) -> None:
        """Both ends have told of a test. One that they did not measure in one basis says nothing."""
        if sample.seen.basis != seen.basis or seen.basis not in PAULI_BASES:
            return
        agreement = agrees(sample.bell_index, seen.basis, sample.seen.bit, seen.bit)
        sign = 1.0 if agrees(sample.bell_index, seen.basis, 0, 0) else -1.0
        waits = (max(0, sample.seen.measured - sample.born), max(0, seen.measured - sample.born))
        told = expected_agreement(
            self.model(sample.bright, sample.born).state(sample.bell_index), self._ends,
            waits if self._is_lower else waits[::-1], seen.basis,
        )  # fmt: skip
        self.tally.note(seen.basis, agreement, sign * told, now_ns)
        self.contradicted += not agreement
        self._since += 1
        if self._since >= _RECONSIDERED:
            self._since = 0
            self._answers.clear()

    # --- what it answers -----------------------------------------------------------------------------------------

    @property
    def late_ns(self) -> int:
        """From the end of a window to this end's knowing, but for rare cases."""
        late_ns = max(1.0, self._mean_late_ns + 4.0 * self._late_deviation_ns)
        step = max(1, (1 << int(late_ns).bit_length()) // _LATENESS_STEPS)
        return -(-int(late_ns) // step) * step

    def model(self, bright: int, instant: DomainTime) -> LinkModel:
        """The link at a setting as it travels (parts of 2^32, 0 for its own), uncorrected."""
        return self.hardware.at(bright / BRIGHT_UNIT if bright else None, instant)

    def state(self, bright: int, bell_index: int, born: DomainTime) -> Correlations:
        """What a pair is believed to be at its birth, the lower end's qubit first."""
        model = self.model(bright, born)
        known = self._states.get((bright, bell_index))
        if known is not None and known[0] is model and known[1] == self.tally.tests:
            return known[2]
        state = self.tally.corrected(model.expected_states()[bell_index])
        if len(self._states) >= _STATES_KEPT:
            self._states.clear()
        self._states[bright, bell_index] = model, self.tally.tests, state
        return state

    def kept(self, state: Correlations, wait_ns: int) -> Correlations:
        """A state, the lower end's qubit first, after both halves have waited in their memories."""
        for half, end in enumerate(self._ends):
            state = kept(state, half, end, wait_ns)
        return state

    def fidelity(self, bright: int, instant: DomainTime) -> Bounded:
        """Of a fresh pair at a setting to the Bell state that is heralded, the worse of them."""
        model = self.model(bright, instant)
        bells = {herald.bell_index for herald in model.heralds if herald.share > 0.0}
        return min((self.tally.fidelity(model.state(bell), bell) for bell in bells), key=lambda found: found.value)

    def setting(self, kind: PairKind, min_fidelity: float, now: DomainTime) -> Setting | None:
        """How to set the link for pairs of this kind and fidelity; None when they cannot be had."""
        present, late_ns = self.hardware.at(None, now), self.late_ns
        known = self._answers.get((kind, min_fidelity))
        if known is not None and known[:2] == (present, late_ns):
            return known[2]
        found = self._choose(kind, min_fidelity, now, self._worth)
        if found is None:
            found = self._choose(kind, min_fidelity, now, self._lenient)
        self._answers[kind, min_fidelity] = present, late_ns, found
        if len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return found

    def changes(self, now: DomainTime) -> bool:
        """Whether the link is another one at another time, so that what cannot be had now may be had later."""
        return any(arm.constant_until(now) is not None for arm in self.hardware.arms)

    def error_rate(self, basis: Basis) -> Bounded:
        """Quantum bit error rate of tests in a basis."""
        return self.tally.error_rate(basis)

    # --- small print ---------------------------------------------------------------------------------------------

    @property
    def _ends(self) -> tuple[EndHandling, EndHandling]:
        return (self._own, self._other) if self._is_lower else (self._other, self._own)

    def _choose(
        self, kind: PairKind, min_fidelity: float, now: DomainTime, worth: Callable[[Correlations, int], float]
    ) -> Setting | None:
        terms = Terms(self.hardware, self._ends, self.late_ns, kind, worth, now)
        return choose_setting(terms, min_fidelity, self._slot_cycles, self.parameters.settings)

    def _worth(self, state: Correlations, bell: int) -> float:
        return fidelity(self.tally.corrected(state), bell)

    def _lenient(self, state: Correlations, bell: int) -> float:
        """A link is given up when its tests leave no doubt, not for a few unlucky ones."""
        return min(fidelity(state, bell), self.tally.fidelity(state, bell).high)

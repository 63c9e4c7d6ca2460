"""Choosing how a link is set, so that its pairs are good enough and as many as can be (ESTIMATION-5).

A brighter link succeeds more often and makes worse pairs; a longer window costs fewer messages and lets its first pair
wait longer. Both ends know of a pair when its window is over, its light has reached the station and the station's word
has come back: until then its halves forget. So window and brightness are chosen together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.base.pairs import PairKind
from qstack.base.units import MILLISECOND_NS, fidelity_from_wire
from qstack.proto.link.flow import attempts_in_flight
from qstack.proto.link.handling import EndHandling, kept, moved, read
from qstack.quantum.formulas import Correlations
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel

__all__ = ["BRIGHT_UNIT", "Setting", "SettingParameters", "Terms", "Worth", "attainable",
           "bright_to_wire", "choose_setting", "delivered", "time_refusal"]  # fmt: skip

BRIGHT_UNIT = 1 << 32
"""Bright-state populations travel in parts of 2^32; 0 stands for the link's own setting."""

Worth = Callable[[Correlations, int], float]
"""worth(state, bell): what a state is worth to whoever wants this Bell state."""

_MEASURED = {
    PairKind.KEEP: ((False, False),),
    PairKind.MEASURE: ((True, True),),
    PairKind.PREPARE: ((True, False), (False, True)),  # whichever end has asked
}
_STEPS_OF_SCAN = 24  # brightnesses looked at, by equal ratios, before the interval is halved
_STEPS_OF_SEARCH = 20
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class SettingParameters:
    """Our choices. `shortest_window_ns`: shorter ones cost more messages than pairs are worth. `risk`: a request is
    refused when it would be done in time with less.
    """

    shortest_window_ns: int = MILLISECOND_NS
    risk: float = 1e-3

    def __post_init__(self) -> None:
        if self.shortest_window_ns < 0 or not 0.0 < self.risk < 1.0:
            raise LocalMisuse("windows have no negative length, and a risk is in ]0, 1[")


@dataclass(frozen=True, slots=True)
class Setting:
    """`bright`: population of the bright state at both ends, None for the link's own. `cycles`: the longest window.
    `fidelity`: of the pair that waits longest, when it is delivered."""

    bright: float | None
    model: LinkModel
    cycles: int
    fidelity: float

    @property
    def cycles_per_pair(self) -> float:
        """Cycles that a pair costs on average: what scheduling reckons with."""
        return 1.0 / self.model.cycle_probability + self.model.dead_cycles


@dataclass(frozen=True, slots=True)
class Terms:
    """What a setting is chosen for. `late_ns`: from the end of a window to the ends' knowing what came of it."""

    hardware: LinkHardware
    ends: tuple[EndHandling, EndHandling]
    late_ns: int
    kind: PairKind
    worth: Worth
    instant_ns: int = 0

    def value(self, model: LinkModel, cycles: int) -> float:
        """What the pair is worth that waits longest in a window of `cycles`, by its worst herald."""
        wait_ns = cycles * model.cycle_ns + self.late_ns
        bells = {herald.bell_index for herald in model.heralds if herald.share > 0.0}
        return min(
            self.worth(delivered(model.state(bell), measured, self.ends, wait_ns), bell)
            for bell in bells for measured in _MEASURED[self.kind]
        )  # fmt: skip


def attainable(min_fidelity: int) -> float:
    """What a fidelity that has travelled in 16 bits asks for: at most what was meant."""
    return max(0.0, fidelity_from_wire(min_fidelity) - _ROUNDING)


def bright_to_wire(bright: float | None) -> int:
    """A setting in parts of 2^32, never 0 but for the link's own."""
    return 0 if bright is None else min(BRIGHT_UNIT - 1, max(1, round(bright * BRIGHT_UNIT)))


def delivered(
    state: Correlations, measured: tuple[bool, bool], ends: tuple[EndHandling, EndHandling], wait_ns: int
) -> Correlations:
    """What a pair is to its user. A half that is measured is so at its birth, before anybody knows of it, and is what
    its outcomes tell; one that is not waits until it is known, and is moved."""
    for half, at_once in enumerate(measured):
        end = ends[half]
        state = read(state, half, end) if at_once else moved(kept(state, half, end, wait_ns), half, end)
    return state


def choose_setting(
    terms: Terms, min_fidelity: float, slot_cycles: int, parameters: SettingParameters
) -> Setting | None:
    """The setting that brings most pairs of at least `min_fidelity`; None when there is none.

    Of windows of a slot, half a slot, and so on, each with the greatest brightness that it allows. A request has one
    window a slot.
    """
    shortest = max(1, parameters.shortest_window_ns // terms.hardware.cycle_ns)
    best: tuple[float, Setting] | None = None
    cycles = slot_cycles
    while True:
        found = _brightest(terms, min_fidelity, cycles)
        if found is not None:
            rate = found.model.rate_hz * cycles
            if best is None or rate > best[0]:
                best = (rate, found)
        if cycles <= shortest or (best is not None and best[1].cycles > 2 * cycles):  # shorter ones have not helped
            return None if best is None else best[1]
        cycles = max(shortest, cycles // 2)


def _attainable(setting: Setting, pairs: int, cycles: int, risk: float) -> bool:
    """Whether so many pairs can be made in so many cycles: unless they come with a probability below `risk`."""
    return cycles > attempts_in_flight(pairs - 1, setting.model.cycle_probability, risk)


def time_refusal(setting: Setting, pairs: int, cycles: int, queued: int, risk: float) -> ErrorCode | None:
    """Why `pairs` cannot be made in the `cycles` that are left, of which requests before it need `queued`.

    FIDELITY_UNATTAINABLE (UNSUPP): not even on an idle link. NO_TIME: not with this load.
    """
    if not _attainable(setting, pairs, cycles, risk):
        return ErrorCode.FIDELITY_UNATTAINABLE
    return None if _attainable(setting, pairs, cycles - queued, risk) else ErrorCode.NO_TIME


def _brightest(terms: Terms, min_fidelity: float, cycles: int) -> Setting | None:
    """The greatest brightness whose pairs are good enough. Below it they get better, then worse: dark counts."""
    hardware = terms.hardware
    if not hardware.tunable:
        return _reaching(terms, None, min_fidelity, cycles)
    low, high = hardware.bright_range
    ratio = (low / high) ** (1.0 / _STEPS_OF_SCAN)
    above = high
    for step in range(_STEPS_OF_SCAN + 1):
        found = _reaching(terms, high * ratio**step, min_fidelity, cycles)
        if found is not None:
            return found if not step else _between(terms, found, above, min_fidelity, cycles)
        above = high * ratio**step
    return None


def _between(terms: Terms, found: Setting, above: float, min_fidelity: float, cycles: int) -> Setting:
    for _ in range(_STEPS_OF_SEARCH):
        assert found.bright is not None
        middle = (found.bright + above) / 2.0
        better = _reaching(terms, middle, min_fidelity, cycles)
        if better is None:
            above = middle
        else:
            found = better
    return found


def _reaching(terms: Terms, bright: float | None, min_fidelity: float, cycles: int) -> Setting | None:
    model = terms.hardware.at(bright, terms.instant_ns)
    if model.success_probability <= 0.0:
        return None
    value = terms.value(model, cycles)
    return Setting(bright, model, cycles, value) if value >= min_fidelity else None

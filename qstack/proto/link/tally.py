"""What test rounds have shown: how much the pairs of a link differ from their model (ESTIMATION-3).

In each basis the ends' outcomes agree or not; the model says how often they should. The ratio of what is seen to what
is expected is the link's *correction* in that basis: 1 where the model is right. It is kept instead of the error rate
itself, since tests are made of pairs of different settings and ages, whose errors may differ while the correction does
not.

Old tests are forgotten: each counts less with every later one and with time, so that a drift is followed. The
correction begins at 1, with the weight of a few tests (`prior_tests`), so that a link is not judged by its first one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import NamedTuple

from qstack.base.bell import Basis
from qstack.base.errors import LocalMisuse
from qstack.base.time import Instant
from qstack.base.units import MINUTE_NS
from qstack.quantum.formulas import BELL_SIGNS, Correlations

__all__ = ["TESTED_BASES", "Bounded", "ErrorTally", "TallyParameters"]

TESTED_BASES = (Basis.X, Basis.Y, Basis.Z)
_PAULI = {Basis.X: 1, Basis.Y: 2, Basis.Z: 3}  # the basis as index of a correlation matrix


@dataclass(frozen=True, slots=True)
class TallyParameters:
    """`remembered_tests`: of each basis, an older one counts less than 1/e. `memory_ns`: the same in time, 0 for never.

    `prior_tests`: weight of the model against tests, in tests. `deviations`: width of the confidence interval, in
    standard deviations (1.96: 95 %).
    """

    remembered_tests: int = 1_000
    memory_ns: int = 60 * MINUTE_NS
    prior_tests: float = 10.0
    deviations: float = 1.96

    def __post_init__(self) -> None:
        if self.remembered_tests < 1 or min(self.memory_ns, self.prior_tests, self.deviations) < 0:
            raise LocalMisuse("a tally remembers at least one test, and its other parameters are not negative")


class Bounded(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    low: float
    value: float
    high: float


@dataclass(slots=True)
class _Seen:
    """Tests of one basis: sums of weights, of agreements (+1, -1) and of what was expected, each weighted.

    The sum of weights is taken for the number of tests in every bound; that is cautious (tests that fade evenly are
    worth twice as many) and makes what is old uncertain.
    """

    weight: float = 0.0
    agreements: float = 0.0
    expected: float = 0.0
    since_ns: int = 0

    def fade(self, factor: float) -> None:
        """Older tests count less from now on."""
        self.weight *= factor
        self.agreements *= factor
        self.expected *= factor

    def interval(self, deviations: float) -> Bounded:
        """Wilson's interval of the error rate."""
        if not self.weight:
            return Bounded(0.0, 0.5, 1.0)
        tests, rate = self.weight, min(1.0, max(0.0, (1.0 - self.agreements / self.weight) / 2.0))
        square = deviations * deviations
        centre = (rate + square / (2.0 * tests)) / (1.0 + square / tests)
        width = deviations / (1.0 + square / tests) * sqrt(rate * (1 - rate) / tests + square / (4.0 * tests * tests))
        return Bounded(max(0.0, centre - width), rate, min(1.0, centre + width))


class ErrorTally:
    """The test rounds of one link."""

    def __init__(self, parameters: TallyParameters) -> None:
        self.parameters = parameters
        self.tests = 0  # ever
        self._seen = {basis: _Seen() for basis in TESTED_BASES}

    def note(self, basis: Basis, agreement: bool, expected: float, now_ns: Instant) -> None:
        """A test. `agreement`: the outcomes were as the heralded Bell state would have them. `expected`: the model's
        average, with agreement counted as +1 and contradiction as -1, readout errors included."""
        seen = self._seen[basis]
        self._age(seen, now_ns)
        seen.fade(1.0 - 1.0 / self.parameters.remembered_tests)
        seen.weight += 1.0
        seen.agreements += 1.0 if agreement else -1.0
        seen.expected += expected
        self.tests += 1

    def age(self, now_ns: Instant) -> None:
        """Let time pass: what was seen long ago counts less."""
        for seen in self._seen.values():
            self._age(seen, now_ns)

    def error_rate(self, basis: Basis) -> Bounded:
        """Quantum bit error rate in a basis, as seen: readout errors and memory are in it."""
        return self._seen[basis].interval(self.parameters.deviations)

    def correction(self, basis: Basis) -> float:
        """What the model's correlation in a basis is to be multiplied by."""
        seen, prior = self._seen[basis], self.parameters.prior_tests
        whole = seen.expected + prior
        return max(0.0, (seen.agreements + prior) / whole) if whole > 0.0 else 1.0

    def corrected(self, state: Correlations) -> Correlations:
        """A model's state with the correction of each basis. Its mixture of Bell states stays one."""
        factors = (1.0, *(self.correction(basis) for basis in TESTED_BASES))
        corrected = list(state)
        corrected[0], corrected[5], corrected[10], corrected[15] = _physical([
            factor * state[5 * n] for n, factor in enumerate(factors)
        ])  # fmt: skip
        return tuple(corrected)

    def fidelity(self, state: Correlations, bell: int) -> Bounded:
        """Fidelity of a model's state to a Bell state, corrected. The bounds take the three bases for independent."""
        centre = sum(sign * self.corrected(state)[5 * n] for n, sign in enumerate(BELL_SIGNS[bell])) / 4.0
        variance = 0.0
        for basis, seen in self._seen.items():
            interval = seen.interval(self.parameters.deviations)
            scale = (seen.expected / seen.weight if seen.weight else 1.0) or 1.0
            variance += ((interval.high - interval.low) * state[5 * _PAULI[basis]] / scale) ** 2
        width = sqrt(variance) / 4.0  # half a correlation's interval is the whole one of its error rate
        return Bounded(max(0.0, centre - width), centre, min(1.0, centre + width))

    def _age(self, seen: _Seen, now_ns: Instant) -> None:
        if self.parameters.memory_ns and now_ns > seen.since_ns:
            seen.fade(exp((seen.since_ns - now_ns) / self.parameters.memory_ns))
        seen.since_ns = max(seen.since_ns, now_ns)


def _physical(diagonal: Sequence[float]) -> tuple[float, float, float, float]:
    """The Bell-diagonal state nearest in this sense: weights that are negative become none, the others keep their
    ratio."""
    weights = [max(0.0, sum(sign * value for sign, value in zip(signs, diagonal, strict=True))) for signs in BELL_SIGNS]
    total = sum(weights)
    xx, yy, zz = (sum(w * signs[n] for w, signs in zip(weights, BELL_SIGNS, strict=True)) / total for n in (1, 2, 3))
    return 1.0, xx, yy, zz

"""A physical link before a setting of its parameters is chosen: scheme, channels, detectors (HARDWARE-1).

Laws:

1. A link is a value: the same link, setting and instant give the same model, at whichever end.
2. What is sampled over a window is what `at` says for the instants of its cycles, each taken at its beginning.
3. Both ends come in the order of the link's ends; a node that holds only its own link counts the lower address first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import merge
from typing import Any, Self

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import Channel, Fibre, Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.heralding import Light
from qstack.quantum.links import LinkModel
from qstack.quantum.raman import ClassicalLight
from qstack.quantum.sampling import Draw, Stretch, Success, sample_stretches
from qstack.quantum.schemes import Given, Scheme
from qstack.quantum.turns import Turns

__all__ = ["Bright", "LinkHardware"]

Bright = float | tuple[float | None, float | None] | None
"""A setting: the bright-state population of both ends, or of each; None for what the link is configured for."""

_MODELS_KEPT = 256
_STEPS = 60  # of each search: the interval shrinks below 1e-12 of what it was


@dataclass(frozen=True, slots=True)
class LinkHardware:
    """A link between two ends.

    `arms`: the channel between each end and the station, or the source; `classical`: other light in each arm, which
    must be a fibre. `turns`: when classical bursts have the fibre; None where they always do, or never. `blanks`:
    whether cycles that are not quantum are not attempted; otherwise they are, in the light of the burst.
    """

    cycle_ns: int
    scheme: Scheme
    arms: tuple[Channel, Channel] = (Lossless(), Lossless())
    detector: Detector = field(default_factory=Detector)
    classical: tuple[ClassicalLight | None, ClassicalLight | None] = (None, None)
    turns: Turns | None = None
    blanks: bool = True
    _models: Any = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.cycle_ns <= 0:
            raise LocalMisuse(f"a cycle of {self.cycle_ns} ns is not longer than 0 ns")
        for light, arm in zip(self.classical, self.arms, strict=True):
            if light is not None and not isinstance(arm, Fibre):
                raise LocalMisuse("classical light is in fibres: make the arm one")
        if any(self.classical) and not self.detector.window_ns:
            raise LocalMisuse("a detector sees scattered light for a window: set window_ns")
        object.__setattr__(self, "_models", lru_cache(_MODELS_KEPT)(self._model))
        self.at()

    @classmethod
    def fixed(cls, model: LinkModel) -> Self:
        """A link of which nothing is known but its one model."""
        arms = (Lossless(model.arm_delays_ns[0]), Lossless(model.arm_delays_ns[1]))
        detector = Detector(dead_ns=model.dead_cycles * model.cycle_ns + min(1, model.dead_cycles))
        return cls(model.cycle_ns, Given(model.heralding, model.born_delays_ns), arms, detector)

    @property
    def tunable(self) -> bool:
        """Whether rate can be traded for fidelity."""
        return self.scheme.bright is not None

    @property
    def bright_range(self) -> tuple[float, float]:
        """Least and greatest bright-state population that may be chosen; (0, 0) where not tunable."""
        return self.scheme.bright_range

    def at(self, bright: Bright = None, instant_ns: int = 0) -> LinkModel:
        """The link at one setting and instant, in a quantum window where turns are taken.

        Where nothing is tunable the setting does not count; where nothing changes the instant does not. Raises
        `LocalMisuse` for a setting outside 0..1.
        """
        return self._lit(bright, instant_ns, self.turns is None)

    def during_burst(self, bright: Bright = None, instant_ns: int = 0) -> LinkModel:
        """The same while classical light is in the fibre."""
        return self._lit(bright, instant_ns, True)

    def best(self) -> LinkModel:
        """The link as configured, at the instant at which it succeeds most often."""
        return max((self.at(None, arm.best_ns) for arm in self.arms), key=lambda model: model.success_probability)

    @property
    def share(self) -> float:
        """The share of cycles that are for attempts, when classical traffic has no backlog."""
        return 1.0 if self.turns is None else self.turns.share

    @property
    def dark(self) -> float:
        """Probability that a detector of the midpoint clicks in an attempt without light of the ends."""
        noise = self._noise if self.turns is None else (0.0, 0.0)
        return Light((0.0, 0.0), noise, self.detector.dark).clicks

    def next_attempt(self, cycle: int) -> int:
        """The first cycle, not before this one, in which it is worth attempting."""
        return cycle if self.turns is None else self.turns.next_quantum(cycle)

    def choose(self, min_fidelity: float, instant_ns: int = 0) -> float | None:
        """The brightest setting, for both ends, whose fresh pairs reach `min_fidelity`; None when none does.

        Fidelity rises with brightness while dark counts prevail, and falls from there on. Where nothing is tunable the
        answer is 0, the configured setting, or None.
        """
        if not self.tunable:
            return 0.0 if self.at(None, instant_ns).fidelity >= min_fidelity else None
        low, high = self.bright_range
        if self._fidelity(high, instant_ns) >= min_fidelity:
            return high
        low = self._best(instant_ns)
        if self._fidelity(low, instant_ns) < min_fidelity:
            return None
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            if self._fidelity(middle, instant_ns) >= min_fidelity:
                low = middle
            else:
                high = middle
        return low

    def sample(self, first_cycle: int, cycles: int, bright: Bright, most: int, draw: Draw) -> list[Success]:
        """Successes of `cycles` cycles in a row, in order, ending after `most`; offsets count from the first.

        `draw(n)` gives the n-th uniform of this window. A detector starts a window seeing.
        """
        found: list[Success] = []
        blind, free = self.detector.dead_cycles(self.cycle_ns), first_cycle
        for cycle, state in self._successes(first_cycle, first_cycle + cycles, bright, draw):
            if len(found) >= most:
                break
            if cycle >= free:
                found.append(Success(cycle - first_cycle, state))
                free = cycle + 1 + blind
        return found

    def _successes(self, first: int, end: int, bright: Bright, draw: Draw) -> Iterator[Success]:
        """By cycle; those of a blind detector are among them."""
        if self.turns is None:
            return sample_stretches(self._stretches(first, end, bright), draw)
        quiet = self._counted(first, end, bright, lambda n: draw(2 * n), self.turns, burst=False)
        if self.blanks:
            return quiet
        spoilt = self._counted(first, end, bright, lambda n: draw(2 * n + 1), self.turns, burst=True)
        return merge(quiet, spoilt, key=lambda success: success.offset)

    def _stretches(self, first: int, end: int, bright: Bright) -> Iterator[Stretch]:
        """The window cut where the link changes."""
        for cycle, until in self._pieces(first, end):
            yield Stretch(cycle, until - cycle, self.at(bright, cycle * self.cycle_ns).heralding)

    def _counted(
        self, first: int, end: int, bright: Bright, draw: Draw, turns: Turns, *, burst: bool
    ) -> Iterator[Success]:
        """Successes of the cycles of one kind alone, quantum ones or those of bursts."""
        before = turns.classical_before if burst else turns.quantum_before
        nth = turns.nth_classical if burst else turns.nth_quantum
        model = self.during_burst if burst else self.at
        near: list[tuple[int, int, int]] = []  # a stretch's first number, where it counts from, and a cycle of it

        def stretches() -> Iterator[Stretch]:
            number = 0
            for cycle, until in self._pieces(first, end):
                start = before(cycle)
                attempts = before(until - 1) + (turns.is_quantum(until - 1) != burst) - start
                near.append((number, start, cycle))
                yield Stretch(number, attempts, model(bright, cycle * self.cycle_ns).heralding)
                number += attempts

        for number, state in sample_stretches(stretches(), draw):
            origin, start, cycle = near[-1]
            yield Success(nth(start + number - origin, cycle), state)

    def _pieces(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """First cycles, and ends, of stretches in which nothing changes but whose turn it is."""
        cycle = first
        while cycle < end:
            instant_ns = cycle * self.cycle_ns
            changes = [each for arm in self.arms if (each := arm.constant_until(instant_ns)) is not None]
            ends = [-(-change // self.cycle_ns) for change in changes]
            if self.turns is not None and (change := self.turns.changes_at(cycle)) is not None:
                ends.append(change)
            until = min([end, *ends])
            yield cycle, until
            cycle = until

    def _model(
        self, bright: tuple[float, float], arrives: tuple[float, float], flights: tuple[int, int], lit: bool
    ) -> LinkModel:
        efficiency = self.detector.efficiency
        noise = self._noise if lit else (0.0, 0.0)
        light = Light((arrives[0] * efficiency, arrives[1] * efficiency), noise, self.detector.dark)
        yielded = self.scheme.heralding(bright, light)
        births, blind = self.scheme.born_delays_ns(flights), self.detector.dead_cycles(self.cycle_ns)
        return LinkModel(self.cycle_ns, *yielded, flights, births, blind, self.share)

    @property
    def _noise(self) -> tuple[float, float]:
        """Mean detections, by arm and attempt, of what classical light scatters."""
        window_s = self.detector.window_ns * 1e-9 * self.detector.efficiency
        found = [
            each.photons_hz(arm) * window_s if each is not None and isinstance(arm, Fibre) else 0.0
            for each, arm in zip(self.classical, self.arms, strict=True)
        ]
        return found[0], found[1]

    def _lit(self, bright: Bright, instant_ns: int, lit: bool) -> LinkModel:
        arrives = (self.arms[0].transmissivity(instant_ns), self.arms[1].transmissivity(instant_ns))
        flights = (self.arms[0].delay_ns(instant_ns), self.arms[1].delay_ns(instant_ns))
        found: LinkModel = self._models(self._setting(bright), arrives, flights, lit)
        return found

    def _setting(self, bright: Bright) -> tuple[float, float]:
        own = self.scheme.bright
        if own is None:
            return 0.0, 0.0
        if bright is None:
            return own
        asked = bright if isinstance(bright, tuple) else (bright, bright)
        return own[0] if asked[0] is None else asked[0], own[1] if asked[1] is None else asked[1]

    def _fidelity(self, bright: float, instant_ns: int) -> float:
        arrives = (self.arms[0].transmissivity(instant_ns), self.arms[1].transmissivity(instant_ns))
        return self._model((bright, bright), arrives, (0, 0), self.turns is None).fidelity

    def _best(self, instant_ns: int) -> float:
        """The setting of the highest fidelity."""
        low, high = self.bright_range
        for _ in range(_STEPS):
            third = (high - low) / 3.0
            if self._fidelity(low + third, instant_ns) < self._fidelity(high - third, instant_ns):
                low += third
            else:
                high -= third
        return low

"""A physical link before a setting of its parameters is chosen: scheme, channels, detectors.

Laws:

1. A link is a value: the same link, setting and instant give the same model, at whichever end.
2. What is sampled over a window is what `at` says for the instants of its cycles, each taken at its beginning.
3. Both ends come in the order of the link's ends; a node that holds only its own link counts the lower address first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import Channel, Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.heralding import Light
from qstack.quantum.links import LinkModel
from qstack.quantum.sampling import Draw, Stretch, Success, sample_stretches
from qstack.quantum.schemes import Given, Scheme

__all__ = ["Bright", "LinkHardware"]

Bright = float | tuple[float | None, float | None] | None
"""A setting: the bright-state population of both ends, or of each; None for what the link is configured for."""

_MODELS_KEPT = 256
_STEPS = 60  # of each search: the interval shrinks below 1e-12 of what it was


@dataclass(frozen=True, slots=True)
class LinkHardware:
    """A link between two ends. `arms`: the channel between each end and the station, or the source."""

    cycle_ns: int
    scheme: Scheme
    arms: tuple[Channel, Channel] = (Lossless(), Lossless())
    detector: Detector = field(default_factory=Detector)
    _models: Any = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.cycle_ns <= 0:
            raise LocalMisuse(f"a cycle of {self.cycle_ns} ns is not longer than 0 ns")
        object.__setattr__(self, "_models", lru_cache(_MODELS_KEPT)(self._model))
        self.at()

    @classmethod
    def fixed(cls, model: LinkModel) -> Self:
        """A link of which nothing is known but its one model."""
        arms = (Lossless(model.arm_delays_ns[0]), Lossless(model.arm_delays_ns[1]))
        return cls(model.cycle_ns, Given(model.heralding, model.born_delays_ns), arms)

    @property
    def tunable(self) -> bool:
        """Whether rate can be traded for fidelity."""
        return self.scheme.bright is not None

    @property
    def bright_range(self) -> tuple[float, float]:
        """Least and greatest bright-state population that may be chosen; (0, 0) where not tunable."""
        return self.scheme.bright_range

    def at(self, bright: Bright = None, instant_ns: int = 0) -> LinkModel:
        """The link at one setting and instant. Raises `LocalMisuse` for a setting outside 0..1.

        Where nothing is tunable the setting does not count; where nothing changes the instant does not.
        """
        arrives = (self.arms[0].transmissivity(instant_ns), self.arms[1].transmissivity(instant_ns))
        flights = (self.arms[0].delay_ns(instant_ns), self.arms[1].delay_ns(instant_ns))
        found: LinkModel = self._models(self._setting(bright), arrives, flights)
        return found

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
        """Successes of `cycles` cycles in a row, in order, ending after `most`; offsets count from the first."""
        found: list[Success] = []
        blind, free = self.detector.dead_cycles(self.cycle_ns), first_cycle
        for cycle, state in sample_stretches(self._stretches(first_cycle, cycles, bright), draw):
            if len(found) >= most:
                break
            if cycle >= free:
                found.append(Success(cycle - first_cycle, state))
                free = cycle + 1 + blind
        return found

    def _model(self, bright: tuple[float, float], arrives: tuple[float, float], flights: tuple[int, int]) -> LinkModel:
        efficiency = self.detector.efficiency
        light = Light((arrives[0] * efficiency, arrives[1] * efficiency), dark=self.detector.dark)
        yielded = self.scheme.heralding(bright, light)
        births, blind = self.scheme.born_delays_ns(flights), self.detector.dead_cycles(self.cycle_ns)
        return LinkModel(self.cycle_ns, *yielded, flights, births, blind)

    def _setting(self, bright: Bright) -> tuple[float, float]:
        own = self.scheme.bright
        if own is None:
            return 0.0, 0.0
        if bright is None:
            return own
        asked = bright if isinstance(bright, tuple) else (bright, bright)
        return own[0] if asked[0] is None else asked[0], own[1] if asked[1] is None else asked[1]

    def _stretches(self, first_cycle: int, cycles: int, bright: Bright) -> Iterator[Stretch]:
        """The window cut where the link changes."""
        cycle, end = first_cycle, first_cycle + cycles
        while cycle < end:
            instant_ns = cycle * self.cycle_ns
            changes = [each for arm in self.arms if (each := arm.constant_until(instant_ns)) is not None]
            until = min([end, *(-(-change // self.cycle_ns) for change in changes)])
            yield Stretch(cycle, until - cycle, self.at(bright, instant_ns).heralding)
            cycle = until

    def _fidelity(self, bright: float, instant_ns: int) -> float:
        arrives = (self.arms[0].transmissivity(instant_ns), self.arms[1].transmissivity(instant_ns))
        return self._model((bright, bright), arrives, (0, 0)).fidelity

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

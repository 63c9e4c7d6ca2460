"""A link at one setting of its parameters: what an attempt yields, and when who knows of it."""

from dataclasses import dataclass
from typing import Self

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import heralding
from qstack.quantum.formulas import Correlations, apply_pauli, fidelity
from qstack.quantum.heralding import HeraldedState, Heralding

__all__ = ["LinkModel"]

_SHARES_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class LinkModel:
    """A link between two ends with a heralding station.

    `cycle_ns`: length of an attempt cycle; `success_probability`: of one attempt; `arm_delays_ns`: time of flight
    between each end, in the order of the link's ends, and the station; `born_delays_ns`: from a cycle's beginning to
    the qubit's being in each end's memory; `dead_cycles`: cycles after a success in which the station sees nothing;
    `share`: of the cycles, those in which the link attempts.
    """

    cycle_ns: int
    success_probability: float
    heralds: tuple[HeraldedState, ...]
    arm_delays_ns: tuple[int, int] = (0, 0)
    born_delays_ns: tuple[int, int] = (0, 0)
    dead_cycles: int = 0
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.cycle_ns <= 0 or min(*self.arm_delays_ns, *self.born_delays_ns, self.dead_cycles) < 0:
            raise LocalMisuse("a link's cycle is longer than 0 ns, and its delays are not negative")
        if not 0.0 <= self.success_probability <= 1.0 or not 0.0 < self.share <= 1.0:
            raise LocalMisuse(f"success probability {self.success_probability} or share {self.share} is not in 0..1")
        if not self.heralds or abs(sum(herald.share for herald in self.heralds) - 1.0) > _SHARES_TOLERANCE:
            raise LocalMisuse("the shares of a link's heralds do not sum to 1")

    @classmethod
    def werner(
        cls, *, cycle_ns: int, success_probability: float = 1.0, fidelity: float = 1.0,
        arm_delays_ns: tuple[int, int] = (0, 0),
        bells: tuple[BellIndex, ...] = (BellIndex.PSI_PLUS, BellIndex.PSI_MINUS),
    ) -> Self:  # fmt: skip
        """Werner states around each of `bells`, all equally likely; linear optics tells the default two apart."""
        return cls(cycle_ns, success_probability, heralding.werner_states(fidelity, bells), arm_delays_ns)

    @classmethod
    def single_click(
        cls, *, cycle_ns: int, bright: tuple[float, float], detection: tuple[float, float],
        dark_count_probability: float = 0.0, visibility: float = 1.0, arm_delays_ns: tuple[int, int] = (0, 0),
    ) -> Self:  # fmt: skip
        """One photon heralds; see `heralding.single_click`. The dark counts are of one detector in one cycle."""
        found = heralding.single_click(bright, detection, dark_count_probability, visibility)
        return cls(cycle_ns, *found, arm_delays_ns)

    @classmethod
    def double_click(
        cls, *, cycle_ns: int, detection: tuple[float, float], dark_count_probability: float = 0.0,
        visibility: float = 1.0, arm_delays_ns: tuple[int, int] = (0, 0),
    ) -> Self:  # fmt: skip
        """Two photons herald; see `heralding.double_click`. The dark counts are of one detector in one round."""
        found = heralding.double_click(detection, dark_count_probability, visibility)
        return cls(cycle_ns, *found, arm_delays_ns)

    @property
    def heralding(self) -> Heralding:
        """What one attempt yields."""
        return Heralding(self.success_probability, self.heralds)

    @property
    def cycle_probability(self) -> float:
        """Of a success in a cycle of which it is not known whether the link attempts in it."""
        return self.success_probability * self.share

    @property
    def herald_delay_ns(self) -> int:
        """From the end of a cycle to the station's knowing: birth and flight, by the longer arm."""
        return max(born + arm for born, arm in zip(self.born_delays_ns, self.arm_delays_ns, strict=True))

    @property
    def fidelity(self) -> float:
        """Expected, of a fresh pair to the Bell state that was heralded; the worst of all heralds."""
        return min(fidelity(self.state(bell), bell) for bell in {herald.bell_index for herald in self.heralds})

    @property
    def rate_hz(self) -> float:
        """Pairs a second when it attempts whenever it may and has memories without end. Dead cycles count."""
        busy = self.dead_cycles * self.success_probability
        return self.cycle_probability / (1.0 + busy) / (self.cycle_ns * 1e-9)

    def state(self, bell_index: int) -> Correlations:
        """The expected state behind a herald. Raises `LocalMisuse` for a Bell index that this link never heralds."""
        meant = [herald for herald in self.heralds if herald.bell_index == bell_index]
        share = sum(herald.share for herald in meant)
        if share <= 0.0:
            raise LocalMisuse(f"this link never heralds Bell index {bell_index}")
        if len(meant) == 1:
            return meant[0].correlations
        return tuple(sum(herald.share * herald.correlations[n] for herald in meant) / share for n in range(16))

    def expected_states(self) -> tuple[Correlations, Correlations, Correlations, Correlations]:
        """The expected state behind each Bell index, the link's first end first.

        An index that the link never heralds gets the state of the first one that it does, turned on its first half:
        whoever takes the worst of all finds none that is worse than what there is.
        """
        known = {herald.bell_index for herald in self.heralds if herald.share > 0.0}
        first = min(known)
        states = [
            self.state(bell) if bell in known else apply_pauli(self.state(first), 0, first ^ bell) for bell in BellIndex
        ]
        return states[0], states[1], states[2], states[3]

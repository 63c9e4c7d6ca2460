"""Links that are encoded: several physical pairs or photons make one logical pair with fewer errors (HARDWARE-8).

`BlockCode` corrects errors, as repeaters of the second generation need it; `ParityCode` outlives the loss of photons,
as those of the third do. Both say what a logical pair costs in qubits. The arithmetic is pessimistic for codes that
often correct more than they must, and optimistic for the gates inside of correction, which are counted once.
"""

from dataclasses import dataclass
from math import comb

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum.formulas import bell_diagonal, fidelities
from qstack.quantum.heralding import HeraldedState, Heralding, check_probabilities

__all__ = ["CODES", "BlockCode", "ParityCode"]


@dataclass(frozen=True, slots=True)
class BlockCode:
    """A CSS code [[n, 1, d]] whose bit and phase errors are corrected apart, up to (d - 1) / 2 of each."""

    qubits: int
    distance: int

    def __post_init__(self) -> None:
        if not 1 <= self.distance <= self.qubits or self.distance % 2 == 0:
            raise LocalMisuse(f"{self}: a distance is odd and at most the number of qubits")

    def failure(self, error: float) -> float:
        """Probability that more qubits of a block are in error than are corrected; each is with `error`."""
        check_probabilities(error)
        corrected = (self.distance - 1) // 2
        return sum(
            comb(self.qubits, wrong) * error**wrong * (1.0 - error) ** (self.qubits - wrong)
            for wrong in range(corrected + 1, self.qubits + 1)
        )

    def encoded(self, pairs: Heralding, tries: int, gate_error: float = 0.0, readout_error: float = 0.0) -> Heralding:
        """Logical pairs: n links in parallel, each trying `tries` times, all of which must succeed (after Jiang et al.,
        Phys. Rev. A 79 (2009) 032325).

        Physical pairs are turned to one Bell state first; a logical pair is in error where its blocks are. Bit and
        phase errors count as independent. `gate_error`, depolarising, and `readout_error` are of the one transversal
        gate and measurement that a pair takes part in.
        """
        if tries <= 0:
            raise LocalMisuse(f"a block of {tries} tries makes no pair")
        check_probabilities(gate_error, readout_error)
        flip, phase = self._errors(pairs.heralds)
        bit, sign = (self.failure(_odd(error, gate_error / 2.0, readout_error)) for error in (flip, phase))
        weights = ((1.0 - bit) * (1.0 - sign), (1.0 - bit) * sign, bit * (1.0 - sign), bit * sign)
        one = 1.0 - (1.0 - pairs.success_probability) ** tries
        return Heralding(one**self.qubits, (HeraldedState(BellIndex.PHI_PLUS, 1.0, bell_diagonal(weights)),))

    @staticmethod
    def _errors(heralds: tuple[HeraldedState, ...]) -> tuple[float, float]:
        """Bit and phase errors of one physical pair."""
        flip = phase = 0.0
        for herald in heralds:
            found, bell = fidelities(herald.correlations), herald.bell_index
            flip += herald.share * (found[bell ^ 2] + found[bell ^ 3])
            phase += herald.share * (found[bell ^ 1] + found[bell ^ 3])
        return min(1.0, max(0.0, flip)), min(1.0, max(0.0, phase))


@dataclass(frozen=True, slots=True)
class ParityCode:
    """The quantum parity code of `blocks` blocks of `photons` photons: a logical qubit arrives when of each block at
    least one photon does and of one block all do (Muralidharan et al., Phys. Rev. Lett. 112 (2014) 250501)."""

    blocks: int
    photons: int

    def __post_init__(self) -> None:
        if min(self.blocks, self.photons) < 1:
            raise LocalMisuse(f"{self}: there is at least one block of one photon")

    @property
    def qubits(self) -> int:
        """Photons of a logical qubit."""
        return self.blocks * self.photons

    def arrival(self, transmissivity: float) -> float:
        """Probability that a logical qubit arrives: [1 - (1-t)^m]^n - [1 - (1-t)^m - t^m]^n."""
        check_probabilities(transmissivity)
        some = 1.0 - (1.0 - transmissivity) ** self.photons
        return some**self.blocks - (some - transmissivity**self.photons) ** self.blocks


CODES = {"steane": BlockCode(7, 3), "golay": BlockCode(23, 7)}
"""The Steane code [[7, 1, 3]] and the Golay code [[23, 1, 7]]."""


def _odd(*errors: float) -> float:
    """Probability that an odd number of independent errors happens."""
    even = 1.0
    for error in errors:
        even *= 1.0 - 2.0 * error
    return (1.0 - even) / 2.0

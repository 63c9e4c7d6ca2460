"""What a herald means: probability and exact two-qubit state of single-click and double-click heralding (HARDWARE-5).

A midpoint has a balanced beam splitter and two detectors that click or do not. An attempt succeeds when exactly one of
them clicks in its window (each window, for double click); which one it was is the herald. `detection`: probability, by
end, that an emitted photon makes its detector click; `dark`: probability of a click of one detector without a photon;
`visibility` V of the two-photon (Hong-Ou-Mandel) interference: photons of both ends overlap by sqrt(V) in amplitude.
0 is the dark state of an end's qubit, 1 its bright state, which emits.

The formulas are exact for this model: tests hold them to a simulation in Fock space. They agree with Humphreys 2018
(arXiv:1712.07567, supplement) where dark counts and two photons at once are rare; there the coherence of the heralded
state also counts clicks that came from the dark, which carry none, and two photons always leave by one side.
"""

from dataclasses import dataclass
from math import exp, sqrt
from typing import NamedTuple

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum.formulas import Correlations, werner

__all__ = ["HeraldedState", "Heralding", "Light", "check_probabilities", "double_click", "single_click",
           "werner_states"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeraldedState:
    """One thing that a successful attempt may be: the herald's Bell index, its share of all successes, the state.

    `photon_pairs`: how many pairs of photons the source had emitted, where that is what tells states apart; else 1.
    """

    bell_index: BellIndex
    share: float
    correlations: Correlations
    photon_pairs: int = 1


class Heralding(NamedTuple):
    """One attempt: how likely it succeeds, and as what."""

    success_probability: float
    heralds: tuple[HeraldedState, ...]


class Light(NamedTuple):
    """What reaches the detectors in one attempt.

    `detection`: by end, probability that its photon is detected; `noise`: by arm, mean number of detections of
    other light that comes along; `dark`: probability that a detector clicks by itself.
    """

    detection: tuple[float, float] = (1.0, 1.0)
    noise: tuple[float, float] = (0.0, 0.0)
    dark: float = 0.0

    @property
    def clicks(self) -> float:
        """Probability that a detector of the midpoint clicks without a photon of the ends: it sees half the noise."""
        return 1.0 - (1.0 - self.dark) * exp(-sum(self.noise) / 2.0)


def check_probabilities(*values: float) -> None:
    """Raise `LocalMisuse` unless all lie in 0..1."""
    for value in values:
        if not 0.0 <= value <= 1.0:
            raise LocalMisuse(f"{value} is not in 0..1")


def single_click(
    bright: tuple[float, float], detection: tuple[float, float], dark: float = 0.0, visibility: float = 1.0
) -> Heralding:
    """One photon heralds. `bright`: population alpha of the bright state by end.

    For small detection eta and no dark counts the success is 2 alpha eta, the fidelity (1 - alpha)(1 + sqrt V) / 2.
    Without light and dark counts the probability is 0, and the state that of the least light. Raises `LocalMisuse` for
    what is no probability, and for ends that never emit.
    """
    check_probabilities(*bright, *detection, dark, visibility)
    (bright_a, bright_b), (seen_a, seen_b) = bright, detection
    clicks = _Clicks(detection, dark, visibility)
    p00 = (1.0 - bright_a) * (1.0 - bright_b) * clicks.none
    p01 = (1.0 - bright_a) * bright_b * clicks.second
    p10 = bright_a * (1.0 - bright_b) * clicks.first
    p11 = bright_a * bright_b * clicks.both
    total = p00 + p01 + p10 + p11
    if total <= 0.0:
        return Heralding(0.0, _in_the_dark(bright_a, bright_b, visibility))
    amplitudes = bright_a * (1.0 - bright_a) * bright_b * (1.0 - bright_b)
    coherence = (1.0 - dark) * sqrt(visibility * seen_a * seen_b * amplitudes)
    return Heralding(total, _psi_heralds(p00 / total, p01 / total, p10 / total, p11 / total, 2.0 * coherence / total))


def double_click(detection: tuple[float, float], dark: float = 0.0, visibility: float = 1.0) -> Heralding:
    """Two photons herald, one in each of two rounds between which the qubits are flipped (Barrett-Kok 2005).

    Without dark counts the success is eta_A eta_B / 2, the fidelity (1 + V) / 2. Raises `LocalMisuse` for what is no
    probability. A link that can never succeed gives the state that its success tends to, with probability 0.
    """
    check_probabilities(*detection, dark, visibility)
    clicks = _Clicks(detection, dark, visibility)
    odd, even = clicks.first * clicks.second / 4.0, clicks.both * clicks.none / 4.0
    total = 2.0 * (odd + even)
    if total <= 0.0:
        return Heralding(0.0, _psi_heralds(0.0, 0.5, 0.5, 0.0, visibility))
    coherence = 2.0 * visibility * (1.0 - dark) ** 2 * detection[0] * detection[1] / 4.0
    return Heralding(total, _psi_heralds(even / total, odd / total, odd / total, even / total, coherence / total))


def werner_states(fidelity: float, bells: tuple[BellIndex, ...]) -> tuple[HeraldedState, ...]:
    """Werner states around each of `bells`, all equally likely."""
    return tuple(HeraldedState(bell, 1.0 / len(bells), werner(fidelity, bell)) for bell in bells)


def _in_the_dark(bright_a: float, bright_b: float, visibility: float) -> tuple[HeraldedState, ...]:
    """What single click tends to as ever less light arrives, from both ends alike."""
    p01, p10, p11 = (1.0 - bright_a) * bright_b, bright_a * (1.0 - bright_b), 2.0 * bright_a * bright_b
    total = p01 + p10 + p11
    if total <= 0.0:
        raise LocalMisuse("a single-click link that can never succeed: raise the bright-state populations above 0")
    return _psi_heralds(0.0, p01 / total, p10 / total, p11 / total, 2.0 * sqrt(visibility * p01 * p10) / total)


class _Clicks:
    """Probability of exactly one click in a window, by who emitted a photon."""

    def __init__(self, detection: tuple[float, float], dark: float, visibility: float) -> None:
        seen_a, seen_b = detection
        quiet = 1.0 - dark  # of the detector that must not click
        self.none = quiet * 2.0 * dark
        self.first = quiet * seen_a + (1.0 - seen_a) * self.none
        self.second = quiet * seen_b + (1.0 - seen_b) * self.none
        one = seen_a * (1.0 - seen_b) + (1.0 - seen_a) * seen_b
        together = seen_a * seen_b * (1.0 + visibility) / 2.0  # both leave the beam splitter by one side
        self.both = quiet * (one + together) + (1.0 - seen_a) * (1.0 - seen_b) * self.none


def _psi_heralds(p00: float, p01: float, p10: float, p11: float, coherence: float) -> tuple[HeraldedState, ...]:
    """Populations and the coherence between |01> and |10>, whose sign is what the herald tells."""
    iz, zi, zz = p00 - p01 + p10 - p11, p00 + p01 - p10 - p11, p00 - p01 - p10 + p11
    return tuple(
        HeraldedState(bell, 0.5, (1.0, 0.0, 0.0, iz, 0.0, c, 0.0, 0.0, 0.0, 0.0, c, 0.0, zi, 0.0, 0.0, zz))
        for bell, c in ((BellIndex.PSI_PLUS, coherence), (BellIndex.PSI_MINUS, -coherence))
    )

"""Two-qubit arithmetic in plain Python, for estimates that protocols make and carry.

A state is its correlation matrix R_ij = Tr[rho (s_i x s_j)], i and j over I, X, Y, Z, as a tuple of 16 floats, row by
row, R_00 = 1. Half 0 is index i, half 1 index j. Lifetimes and durations are nanoseconds, a lifetime of 0 is infinite.
The same formulas, compiled and in batches, are in the engine; tests hold both to each other.

Noise and corrections do not commute (T1 relaxes towards |0> whatever the frame says), so an estimate must
apply its steps in the order in which they happen: keep the matrix in the true frame, and divide the frame out last, by
asking `fidelity` for the Bell state that the frame names.
"""

from math import exp
from typing import NamedTuple

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse

__all__ = [
    "BELL_SIGNS", "MAXIMALLY_MIXED", "PAULI_SIGNS", "Correlations", "ErrorRates", "apply_pauli", "bell_diagonal",
    "bell_state", "check_lifetimes", "decohere_estimate", "error_rates", "fidelity", "fidelities", "memory_transfer",
    "swap_estimate", "swap_outcome", "transpose", "werner",
]  # fmt: skip

Correlations = tuple[float, ...]
"""Sixteen floats, row-major R_ij."""

BELL_SIGNS: tuple[tuple[float, float, float, float], ...] = (
    (1.0, 1.0, -1.0, 1.0),  # Phi+
    (1.0, -1.0, 1.0, 1.0),  # Phi-
    (1.0, 1.0, 1.0, -1.0),  # Psi+
    (1.0, -1.0, -1.0, -1.0),  # Psi-
)
"""Diagonals, over I, X, Y, Z, of the four Bell states' matrices."""

PAULI_SIGNS: tuple[tuple[float, float, float, float], ...] = (
    (1.0, 1.0, 1.0, 1.0),  # identity
    (1.0, -1.0, -1.0, 1.0),  # Z
    (1.0, 1.0, -1.0, -1.0),  # X
    (1.0, -1.0, 1.0, -1.0),  # Y
)
"""Signs that a Pauli, by its frame bits, gives to I, X, Y, Z."""

MAXIMALLY_MIXED: Correlations = (1.0,) + 15 * (0.0,)


class ErrorRates(NamedTuple):
    """Probability that two ends' outcomes contradict the frame, by basis."""

    z: float
    x: float
    y: float


def _diagonal(xx: float, yy: float, zz: float) -> Correlations:
    return (1.0, 0.0, 0.0, 0.0, 0.0, xx, 0.0, 0.0, 0.0, 0.0, yy, 0.0, 0.0, 0.0, 0.0, zz)


def bell_state(bell: int = BellIndex.PHI_PLUS) -> Correlations:
    """The pure Bell state."""
    _, xx, yy, zz = BELL_SIGNS[bell]
    return _diagonal(xx, yy, zz)


def werner(fidelity: float, bell: int = BellIndex.PHI_PLUS) -> Correlations:
    """w |Bell><Bell| + (1 - w) I/4 with w = (4 F - 1) / 3. Raises `LocalMisuse` unless 0 <= F <= 1."""
    if not 0.0 <= fidelity <= 1.0:
        raise LocalMisuse(f"fidelity {fidelity} is not in 0..1")
    weight = (4.0 * fidelity - 1.0) / 3.0
    _, xx, yy, zz = BELL_SIGNS[bell]
    return _diagonal(weight * xx, weight * yy, weight * zz)


def bell_diagonal(weights: tuple[float, float, float, float]) -> Correlations:
    """Mixture of the four Bell states, weights in the order of `BellIndex`; they must be probabilities of sum 1."""
    if min(weights) < 0.0 or abs(sum(weights) - 1.0) > 1e-9:
        raise LocalMisuse(f"Bell weights {weights} are not probabilities of sum 1")
    xx, yy, zz = (sum(w * signs[i] for w, signs in zip(weights, BELL_SIGNS, strict=True)) for i in (1, 2, 3))
    return _diagonal(xx, yy, zz)


def transpose(state: Correlations) -> Correlations:
    """The same state with its halves named the other way round."""
    return tuple(state[4 * j + i] for i in range(4) for j in range(4))


def fidelity(state: Correlations, bell: int = BellIndex.PHI_PLUS) -> float:
    """<Bell| rho |Bell>."""
    return sum(sign * state[5 * i] for i, sign in enumerate(BELL_SIGNS[bell])) / 4.0


def fidelities(state: Correlations) -> tuple[float, float, float, float]:
    """Fidelity to each Bell state, in the order of `BellIndex`."""
    return (fidelity(state, 0), fidelity(state, 1), fidelity(state, 2), fidelity(state, 3))


def error_rates(state: Correlations, bell: int = BellIndex.PHI_PLUS) -> ErrorRates:
    """Quantum bit error rates when both ends measure in the same basis and know the frame `bell`."""
    _, x, y, z = BELL_SIGNS[bell]
    return ErrorRates(z=(1.0 - z * state[15]) / 2.0, x=(1.0 - x * state[5]) / 2.0, y=(1.0 - y * state[10]) / 2.0)


def check_lifetimes(t1_ns: float, t2_ns: float) -> None:
    """Raise `LocalMisuse` unless 0 <= T1, 0 <= T2 <= 2 T1 (0 meaning infinite): no memory dephases slower than that."""
    if t1_ns < 0 or t2_ns < 0:
        raise LocalMisuse(f"lifetimes T1 {t1_ns} ns, T2 {t2_ns} ns: neither may be negative")
    if t1_ns and not 0 < t2_ns <= 2 * t1_ns:
        raise LocalMisuse(f"T2 {t2_ns or 'infinite'} ns is longer than twice T1 {t1_ns} ns: set at most {2 * t1_ns}")


def memory_transfer(
    elapsed_ns: float, t1_ns: float, t2_ns: float, depolarising_ns: float = 0.0
) -> tuple[float, float, float]:
    """(e1, e2, gain): what is left of Z and of X, Y after a time in memory, and what Z gains of I.

    Relaxation and depolarisation act together, which is why Z ends between |0> and nothing: with both, two spans in a
    row are one long span only so.
    """
    check_lifetimes(t1_ns, t2_ns)
    if elapsed_ns < 0 or depolarising_ns < 0:
        raise LocalMisuse(f"a memory of depolarising time {depolarising_ns} ns cannot be aged by {elapsed_ns} ns")
    relaxing, dephasing, mixing = (1.0 / life if life else 0.0 for life in (t1_ns, t2_ns, depolarising_ns))
    e1, e2 = exp(-elapsed_ns * (relaxing + mixing)), exp(-elapsed_ns * (dephasing + mixing))
    return e1, e2, (1.0 - e1) * relaxing / (relaxing + mixing) if relaxing else 0.0


def decohere_estimate(
    state: Correlations, half: int, elapsed_ns: float, t1_ns: float, t2_ns: float, depolarising_ns: float = 0.0
) -> Correlations:
    """The state after one half has lain in memory: X, Y by e2, Z by e1, and Z gains of I."""
    e1, e2, gain = memory_transfer(elapsed_ns, t1_ns, t2_ns, depolarising_ns)
    aged = list(state)
    own, other = (1, 4) if half else (4, 1)
    for column in range(0, 4 * other, other):
        aged[column + own] *= e2
        aged[column + 2 * own] *= e2
        aged[column + 3 * own] = e1 * aged[column + 3 * own] + gain * aged[column]
    return tuple(aged)


def apply_pauli(state: Correlations, half: int, pauli: int) -> Correlations:
    """The state after a Pauli, given by its frame bits, on one half."""
    signs = PAULI_SIGNS[pauli]
    return tuple(value * signs[n % 4 if half else n // 4] for n, value in enumerate(state))


def _contract(left: Correlations, right: Correlations, signs: tuple[float, ...]) -> list[float]:
    return [sum(left[4 * i + m] * signs[m] * right[4 * m + j] for m in range(4)) for i in range(4) for j in range(4)]


def swap_outcome(left: Correlations, right: Correlations, outcome: int) -> tuple[float, Correlations]:
    """A Bell measurement of half 1 of `left` with half 0 of `right` that gave `outcome`.

    Gives the outcome's probability and the exact state of what stays: half 0 of `left`, half 1 of `right`, in the frame
    that the inputs and the outcome compose to. Raises `LocalMisuse` for an outcome that cannot be. `transpose` first
    when other halves are measured.
    """
    joined = _contract(left, right, BELL_SIGNS[outcome])
    norm = joined[0]
    if norm <= 1e-14:
        raise LocalMisuse(f"swap outcome {outcome} has no probability with these states")
    return norm / 4.0, (1.0, *(value / norm for value in joined[1:]))


def swap_estimate(left: Correlations, right: Correlations, frame: int = 0) -> Correlations:
    """Expected state of a swap before its outcome is known, turned to |Phi+>.

    `frame` is the composed Bell index of both inputs. The average over outcomes k of (R D_k S) corrected on half 1 by
    the Pauli of `frame` XOR k; for Bell-diagonal inputs every outcome gives just this state.
    """
    total = [0.0] * 16
    for outcome in range(4):
        signs = PAULI_SIGNS[frame ^ outcome]
        for n, value in enumerate(_contract(left, right, BELL_SIGNS[outcome])):
            total[n] += value * signs[n % 4] / 4.0
    return tuple(total)

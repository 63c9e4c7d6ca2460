"""The same physics with NumPy: slow, plain, and what the engine is tested against.

Matrices are 4x4 float arrays R_ij over I, X, Y, Z; density matrices 4x4 complex over |00>, |01>, |10>, |11>.
Only tests and benchmarks import this; NumPy is not among the daemon's imports.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PAULIS", "Matrix", "correct", "correlations", "decohere", "density", "erase", "is_state", "measure", "swap"]

Matrix = NDArray[Any]

PAULIS: Matrix = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
"""I, X, Y, Z."""

_SIGNS = np.array([[1, 1, -1, 1], [1, -1, 1, 1], [1, 1, 1, -1], [1, -1, -1, -1]], dtype=float)
_ROWS = (3, 1, 2)  # bases Z, X, Y


def correlations(rho: Matrix) -> Matrix:
    """R_ij = Tr[rho (s_i x s_j)]."""
    return np.array([[np.trace(rho @ np.kron(a, b)).real for b in PAULIS] for a in PAULIS])


def density(r: Matrix) -> Matrix:
    """rho = sum_ij R_ij (s_i x s_j) / 4."""
    total: Matrix = np.einsum("ij,iab,jcd->acbd", r, PAULIS, PAULIS).reshape(4, 4) / 4
    return total


def is_state(r: Matrix, tolerance: float = 1e-9) -> bool:
    """Whether R is a normalised, positive state."""
    return bool(abs(r[0, 0] - 1) < tolerance and np.linalg.eigvalsh(density(r)).min() > -tolerance)


def _on(half: int, operation: Matrix, r: Matrix) -> Matrix:
    """Let a 4x4 real map act on one index."""
    changed: Matrix = operation @ r if half == 0 else r @ operation.T
    return changed


def decohere(r: Matrix, half: int, elapsed_ns: float, t1_ns: float, t2_ns: float) -> Matrix:
    """T1 and T2 on one half; a lifetime of 0 is infinite."""
    e1 = np.exp(-elapsed_ns / t1_ns) if t1_ns else 1.0
    e2 = np.exp(-elapsed_ns / t2_ns) if t2_ns else 1.0
    operation = np.diag([1.0, e2, e2, e1])
    operation[3, 0] = 1.0 - e1
    return _on(half, operation, r)


def swap(r: Matrix, r_half: int, s: Matrix, s_half: int, outcome: int) -> tuple[float, Matrix]:
    """Bell measurement of one half of each; probability of the outcome and the pair that stays."""
    left = r if r_half == 1 else r.T
    right = s if s_half == 0 else s.T
    joined = left @ np.diag(_SIGNS[outcome]) @ right
    return joined[0, 0] / 4, joined / joined[0, 0]


def measure(r: Matrix, half: int, basis: int, outcome: int) -> tuple[float, Matrix]:
    """Projective measurement of one half; probability of the outcome and the product that stays."""
    sign = 1.0 - 2.0 * outcome
    projector = np.zeros((4, 4))
    row = _ROWS[basis]
    projector[0, 0] = projector[row, row] = 0.5
    projector[0, row] = projector[row, 0] = sign / 2
    projected = _on(half, projector, r)
    return projected[0, 0], projected / projected[0, 0]


def correct(r: Matrix, half: int, pauli: int) -> Matrix:
    """A Pauli, by its frame bits (1: Z part, 2: X part), on one half."""
    z, x = 1.0 - 2.0 * (pauli & 1), 1.0 - (pauli & 2)
    return _on(half, np.diag([1.0, z, z * x, x]), r)


def erase(r: Matrix, half: int) -> Matrix:
    """Replace one half by the maximally mixed qubit."""
    return _on(half, np.diag([1.0, 0.0, 0.0, 0.0]), r)

"""The same physics with NumPy: slow, plain, and what the engine is tested against.

A state of n qubits is its Pauli tensor, a float array of shape (4,) * n over I, X, Y, Z, r[0, ..., 0] = 1. Density
matrices are complex, 2^n x 2^n, the first qubit the most significant. Gates are unitaries, written down as textbooks
do, and act by their Pauli transfer matrices.
Only tests and benchmarks import this; NumPy is not among the daemon's imports.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import product as _product
from math import exp, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstack.base.bell import Basis, Gate, is_two_qubit

__all__ = [
    "AXES", "PAULIS", "Matrix", "apply", "bell_measure", "correct", "correlations", "decohere", "density", "erase",
    "is_state", "measure", "product", "release", "scatter", "swap", "transfer", "unitary",
]  # fmt: skip

Matrix = NDArray[Any]

PAULIS: Matrix = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
"""I, X, Y, Z."""

AXES: dict[int, tuple[float, float, float]] = {
    Basis.Z: (0.0, 0.0, 1.0),
    Basis.X: (1.0, 0.0, 0.0),
    Basis.Y: (0.0, 1.0, 0.0),
    Basis.Z_PLUS_X: (sqrt(0.5), 0.0, sqrt(0.5)),
    Basis.Z_MINUS_X: (-sqrt(0.5), 0.0, sqrt(0.5)),
}
"""Bloch axes of the named bases."""

_I, _X, _Y, _Z = PAULIS
_SIGNS = np.array([[1, 1, -1, 1], [1, -1, 1, 1], [1, 1, 1, -1], [1, -1, -1, -1]], dtype=float)


# ---- states ----


def correlations(rho: Matrix) -> Matrix:
    """R_ij... = Tr[rho (s_i x s_j x ...)]."""
    qubits = rho.shape[0].bit_length() - 1
    strings = (reduce(np.kron, paulis) for paulis in _product(PAULIS, repeat=qubits))
    return np.array([np.trace(rho @ string).real for string in strings]).reshape((4,) * qubits)


def density(r: Matrix) -> Matrix:
    """rho = sum R_ij... (s_i x s_j x ...) / 2^n."""
    total = sum(r[i] * reduce(np.kron, PAULIS[list(i)]) for i in np.ndindex(r.shape))
    matrix: Matrix = total / 2**r.ndim
    return matrix


def is_state(r: Matrix, tolerance: float = 1e-9) -> bool:
    """Whether R is a normalised, positive state."""
    return bool(abs(r.flat[0] - 1) < tolerance and np.linalg.eigvalsh(density(r)).min() > -tolerance)


def product(r: Matrix, s: Matrix) -> Matrix:
    """Two states side by side."""
    both: Matrix = np.multiply.outer(r, s)
    return both


# ---- gates ----


def _turn(pauli: Matrix, angle: float) -> Matrix:
    """exp(-i angle P / 2)."""
    turned: Matrix = np.cos(angle / 2) * np.eye(len(pauli)) - 1j * np.sin(angle / 2) * pauli
    return turned


def _controlled(unitary: Matrix) -> Matrix:
    matrix: Matrix = np.eye(4, dtype=complex)
    matrix[2:, 2:] = unitary
    return matrix


_H = (_X + _Z) / sqrt(2)
_S = np.diag([1, 1j])
_ISWAP = np.array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]])
_FIXED: dict[int, Matrix] = {
    Gate.I: _I, Gate.X: _X, Gate.Y: _Y, Gate.Z: _Z, Gate.H: _H, Gate.S: _S, Gate.S_DAGGER: _S.conj(),
    Gate.SQRT_X: np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    Gate.SQRT_X_DAGGER: np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]) / 2,
    Gate.SQRT_Y: np.array([[1 + 1j, -1 - 1j], [1 + 1j, 1 + 1j]]) / 2,
    Gate.SQRT_Y_DAGGER: np.array([[1 - 1j, 1 - 1j], [-1 + 1j, 1 - 1j]]) / 2,
    Gate.T: np.diag([1, np.exp(1j * pi / 4)]), Gate.T_DAGGER: np.diag([1, np.exp(-1j * pi / 4)]),
    Gate.CNOT: _controlled(_X), Gate.CY: _controlled(_Y), Gate.CZ: _controlled(_Z),
    Gate.SWAP: np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=complex),
    Gate.ISWAP: _ISWAP, Gate.ISWAP_DAGGER: _ISWAP.conj(),
    Gate.SQRT_ZZ: np.diag(np.exp(-1j * pi / 4 * np.array([1, -1, -1, 1]))),
}  # fmt: skip
_CLIFFORD_TURNS: tuple[Matrix, ...] = (_I, _H, _S, _S @ _H, _H @ _S, _FIXED[Gate.SQRT_X])
_CLIFFORD_FRAMES: tuple[Matrix, ...] = (_I, _Z, _X, _Y)


def unitary(gate: int, angle: float = 0.0) -> Matrix:
    """The matrix of a gate, 2x2 or 4x4; for CLIFFORD, `angle` is its number."""
    if gate in _FIXED:
        return _FIXED[gate]
    if gate == Gate.CLIFFORD:
        matrix: Matrix = _CLIFFORD_FRAMES[int(angle) & 3] @ _CLIFFORD_TURNS[int(angle) >> 2]
        return matrix
    axis = {Gate.RX: _X, Gate.RY: _Y, Gate.RZ: _Z, Gate.CRX: _X, Gate.CRZ: _Z}
    if gate in axis:
        turned = _turn(axis[Gate(gate)], angle)
        return _controlled(turned) if is_two_qubit(gate) else turned
    pauli = {Gate.RXX: _X, Gate.RYY: _Y, Gate.RZZ: _Z}[Gate(gate)]
    return _turn(np.kron(pauli, pauli), angle)


def transfer(matrix: Matrix) -> Matrix:
    """Pauli transfer matrix T_ij = Tr[s_i U s_j U+] / 2^n of a unitary."""
    qubits = len(matrix).bit_length() - 1
    strings = [reduce(np.kron, paulis) for paulis in _product(PAULIS, repeat=qubits)]
    return np.array([[np.trace(p @ matrix @ q @ matrix.conj().T).real / len(matrix) for q in strings] for p in strings])


def _on(r: Matrix, qubits: Sequence[int], operation: Matrix) -> Matrix:
    """Let a real map act on the indices of these qubits."""
    count = len(qubits)
    shaped = operation.reshape((4,) * (2 * count))
    acted = np.tensordot(shaped, r, axes=(range(count, 2 * count), qubits))
    moved: Matrix = np.moveaxis(acted, range(count), qubits)
    return moved


def apply(r: Matrix, matrix: Matrix, qubits: Sequence[int], error: float = 0.0) -> Matrix:
    """A unitary on one qubit or more, and then its depolarising error."""
    operation = transfer(matrix)
    operation[1:] *= 1.0 - error
    return _on(r, qubits, operation)


def correct(r: Matrix, half: int, pauli: int) -> Matrix:
    """A Pauli, by its frame bits (1: Z part, 2: X part), on one qubit."""
    return apply(r, _CLIFFORD_FRAMES[pauli], (half,))


# ---- noise ----


def decohere(
    r: Matrix, half: int, elapsed_ns: float, t1_ns: float, t2_ns: float, depolarising_ns: float = 0.0
) -> Matrix:
    """A memory on one qubit; a lifetime of 0 is infinite."""
    relaxing, dephasing, mixing = (1.0 / life if life else 0.0 for life in (t1_ns, t2_ns, depolarising_ns))
    e1, e2 = exp(-elapsed_ns * (relaxing + mixing)), exp(-elapsed_ns * (dephasing + mixing))
    operation = np.diag([1.0, e2, e2, e1])
    operation[3, 0] = (1.0 - e1) * relaxing / (relaxing + mixing) if relaxing else 0.0
    return _on(r, (half,), operation)


def scatter(r: Matrix, qubit: int, x: float, y: float, z: float) -> Matrix:
    """Pauli noise on one qubit, by the probabilities of an X, a Y and a Z."""
    return _on(r, (qubit,), np.diag([1.0, 1 - 2 * (y + z), 1 - 2 * (x + z), 1 - 2 * (x + y)]))


def erase(r: Matrix, half: int) -> Matrix:
    """Replace one qubit by the maximally mixed one."""
    return _on(r, (half,), np.diag([1.0, 0.0, 0.0, 0.0]))


# ---- measurements ----


def release(r: Matrix, qubit: int) -> Matrix:
    """What is left when one qubit is forgotten."""
    left: Matrix = r.take(0, axis=qubit)
    return left


def measure(r: Matrix, half: int, basis: int | tuple[float, float, float], outcome: int) -> tuple[float, Matrix]:
    """Projective measurement of one qubit, in a named basis or along an axis: probability of the outcome, and the
    state with the qubit in the eigenstate found."""
    axis = np.array(AXES[basis] if isinstance(basis, int) else basis)
    found = np.concatenate([[1.0], (1.0 - 2.0 * outcome) * axis])
    projected = _on(r, (half,), np.outer(found, found) / 2)
    probability = float(projected.flat[0])
    return probability, projected / probability


def bell_measure(r: Matrix, first: int, second: int, outcome: int) -> tuple[float, Matrix]:
    """Bell measurement of two qubits: probability of the outcome, and the state of the others."""
    both = np.moveaxis(r, (first, second), (0, 1))
    left = np.tensordot(np.diag(_SIGNS[outcome]), both, axes=((0, 1), (0, 1)))
    norm = float(left.flat[0])
    return norm / 4, left / norm


def swap(r: Matrix, r_half: int, s: Matrix, s_half: int, outcome: int) -> tuple[float, Matrix]:
    """Bell measurement of one qubit of each: probability of the outcome, and what stays, r's qubits first."""
    return bell_measure(product(r, s), r_half, r.ndim + s_half, outcome)

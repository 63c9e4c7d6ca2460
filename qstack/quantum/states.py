"""States of any kind as the engine takes them: from density matrices, and checked to be physical.

Plain Python for what configurations and applications hand in; models make states that need no check.
"""

from collections.abc import Sequence
from itertools import product

from qstack.base.errors import LocalMisuse

__all__ = ["Rows", "check_state", "from_density", "to_density"]

Rows = Sequence[Sequence[complex]]
"""A density matrix of n qubits, 2^n rows, the first qubit the most significant."""

_TOLERANCE = 1e-9
_MOST_QUBITS = 4
# A Pauli has one entry in each row: its column is the row XOR the X part, its value a phase.
_PHASES = ((1, 1), (1, 1), (-1j, 1j), (1, -1))
_FLIPS = (0, 1, 1, 0)


def from_density(rho: Rows) -> tuple[float, ...]:
    """The 4^n Pauli expectations Tr[rho (s_i x s_j x ...)] of a density matrix of n = 1..4 qubits.

    Raises `LocalMisuse` for what is no density matrix: not square, not Hermitian, trace not 1, not positive.
    """
    qubits = len(rho).bit_length() - 1
    if len(rho) != 1 << qubits or not 1 <= qubits <= _MOST_QUBITS or any(len(row) != len(rho) for row in rho):
        raise LocalMisuse("a density matrix has 2, 4, 8 or 16 rows and as many columns")
    if any(abs(rho[i][j] - complex(rho[j][i]).conjugate()) > _TOLERANCE for i in range(len(rho)) for j in range(i + 1)):
        raise LocalMisuse("a density matrix is its own conjugate transpose")
    if abs(sum(rho[i][i] for i in range(len(rho))) - 1.0) > _TOLERANCE:
        raise LocalMisuse("the trace of a density matrix is 1")
    _check_positive([[complex(value) for value in row] for row in rho])
    values = [_expectation(rho, string) for string in product(range(4), repeat=qubits)]
    return (1.0, *(min(1.0, max(-1.0, value)) for value in values[1:]))


def to_density(state: Sequence[float]) -> list[list[complex]]:
    """The density matrix of 4^n Pauli expectations. Raises `LocalMisuse` for another number of them."""
    qubits = (len(state).bit_length() - 1) // 2
    if len(state) != 1 << 2 * qubits or not 1 <= qubits <= _MOST_QUBITS:
        raise LocalMisuse("a state of n = 1..4 qubits has 4^n expectations")
    size = 1 << qubits
    rho = [[0j] * size for _ in range(size)]
    for value, string in zip(state, product(range(4), repeat=qubits), strict=True):
        for row in range(size):
            column, phase = _entry(string, row)
            rho[row][column] += value * phase / size
    return rho


def check_state(state: Sequence[float]) -> None:
    """Raise `LocalMisuse` unless these 4^n expectations are those of a state."""
    rho = to_density(state)
    if not abs(state[0] - 1.0) <= _TOLERANCE:
        raise LocalMisuse("the first expectation of a state, that of the identity, is 1")
    _check_positive(rho)


def _entry(string: tuple[int, ...], row: int) -> tuple[int, complex]:
    """Column and value of a Pauli string's one entry in a row."""
    column, phase = row, 1 + 0j
    for position, pauli in enumerate(reversed(string)):
        column ^= _FLIPS[pauli] << position
        phase *= _PHASES[pauli][row >> position & 1]
    return column, phase


def _expectation(rho: Rows, string: tuple[int, ...]) -> float:
    total = 0j
    for row in range(len(rho)):
        column, phase = _entry(string, row)
        total += phase * rho[column][row]
    return total.real


def _check_positive(matrix: list[list[complex]]) -> None:
    """Gaussian elimination of a Hermitian matrix: all pivots of a positive one are at least 0 (Cholesky)."""
    size = len(matrix)
    rows = [[value + (_TOLERANCE if i == j else 0.0) for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    for k in range(size):
        pivot = rows[k][k].real
        if not pivot > 0.0:
            raise LocalMisuse("a density matrix has no negative eigenvalue")
        for i in range(k + 1, size):
            factor = rows[i][k] / pivot
            for j in range(k, size):
                rows[i][j] -= factor * rows[k][j]

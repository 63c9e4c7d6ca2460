"""The words of two-qubit entanglement that wire, quantum and protocols share.

Numbers are chosen so that frames compose by XOR: bit 1 is the X part, bit 0 the Z part.
"""

from enum import IntEnum, unique

__all__ = ["FLIP", "PAULI_BASES", "Basis", "BellIndex", "Gate", "compose", "has_angle", "is_two_qubit"]


@unique
class BellIndex(IntEnum):
    """Bell states: which Pauli on one half turns |Phi+> into this one (bit 1: X, bit 0: Z)."""

    PHI_PLUS = 0
    PHI_MINUS = 1
    PSI_PLUS = 2
    PSI_MINUS = 3


@unique
class Basis(IntEnum):
    """Bases of a single-qubit measurement, numbered as QLink-Interface numbers them.

    The last two are the CHSH bases: eigenstates of (Z + X) / sqrt 2 and (Z - X) / sqrt 2.
    """

    Z = 0
    X = 1
    Y = 2
    Z_PLUS_X = 3
    Z_MINUS_X = 4


PAULI_BASES: tuple[Basis, Basis, Basis] = (Basis.Z, Basis.X, Basis.Y)
"""Bases in which a Pauli frame is undone by flipping the bit that was found; a CHSH basis may turn into the other."""


@unique
class Gate(IntEnum):
    """Gates of one qubit (below 32) and of two (from 32 on).

    The first four are the Paulis, numbered by their frame bits: on one half, `Gate(bell_index)` turns that Bell state
    into |Phi+> up to a global phase. A rotation is exp(-i angle P / 2). Of two qubits the first controls.
    """

    I = 0  # noqa: E741 - the field's name for the identity
    Z = 1
    X = 2
    Y = 3
    H = 4
    S = 5
    S_DAGGER = 6
    SQRT_X = 7
    SQRT_X_DAGGER = 8
    SQRT_Y = 9
    SQRT_Y_DAGGER = 10
    T = 11
    T_DAGGER = 12
    RX = 16
    RY = 17
    RZ = 18
    CLIFFORD = 19  # one of the 24 one-qubit Cliffords; an operand 0..23 in place of the angle names it
    CNOT = 32
    CZ = 33
    CY = 34
    SWAP = 35
    ISWAP = 36
    ISWAP_DAGGER = 37
    SQRT_ZZ = 38  # exp(-i pi/4 ZZ)
    RXX = 48
    RYY = 49
    RZZ = 50
    CRX = 51  # a rotation of the second qubit when the first is |1>
    CRZ = 52


_WITH_ANGLE = frozenset((Gate.RX, Gate.RY, Gate.RZ, Gate.RXX, Gate.RYY, Gate.RZZ, Gate.CRX, Gate.CRZ))


def is_two_qubit(gate: int) -> bool:
    """Whether a gate acts on two qubits."""
    return gate >= Gate.CNOT


def has_angle(gate: int) -> bool:
    """Whether a gate turns by an angle that must be given."""
    return gate in _WITH_ANGLE


FLIP: tuple[tuple[int, int, int], ...] = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
"""FLIP[frame][Pauli basis]: XOR it into one end's outcome to have what |Phi+> would have given."""


def compose(*indices: int) -> BellIndex:
    """Frame of a chain: the XOR of all link indices and all swap outcomes."""
    total = 0
    for index in indices:
        total ^= index
    return BellIndex(total)

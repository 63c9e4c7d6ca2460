"""The words of two-qubit entanglement that wire, quantum and protocols share.

Numbers are chosen so that frames compose by XOR: bit 1 is the X part, bit 0 the Z part.
"""

from enum import IntEnum, unique

__all__ = ["FLIP", "Basis", "BellIndex", "Gate", "compose"]


@unique
class BellIndex(IntEnum):
    """Bell states: which Pauli on one half turns |Phi+> into this one (bit 1: X, bit 0: Z)."""

    PHI_PLUS = 0
    PHI_MINUS = 1
    PSI_PLUS = 2
    PSI_MINUS = 3


@unique
class Basis(IntEnum):
    """Bases of a single-qubit measurement, numbered as QLink-Interface numbers them."""

    Z = 0
    X = 1
    Y = 2


@unique
class Gate(IntEnum):
    """Gates of one qubit.

    The first four are the Paulis, numbered by their frame bits: on one half, `Gate(bell_index)` turns that Bell state
    into |Phi+> up to a global phase.
    """

    I = 0  # noqa: E741 - the field's name for the identity
    Z = 1
    X = 2
    Y = 3


FLIP: tuple[tuple[int, int, int], ...] = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
"""FLIP[frame][basis]: XOR it into one end's outcome to have what |Phi+> would have given."""


def compose(*indices: int) -> BellIndex:
    """Frame of a chain: the XOR of all link indices and all swap outcomes."""
    total = 0
    for index in indices:
        total ^= index
    return BellIndex(total)

"""The words of a request for pairs that wire and protocols share (EGP CREATE, named after QLink-Interface)."""

from enum import IntEnum, unique
from typing import NamedTuple

from qstack.base.bell import Basis

__all__ = ["NO_ROTATION", "ONTO_Z", "BasisChoice", "PairKind", "Rotation", "basis_before"]


@unique
class PairKind(IntEnum):
    """What is done with a pair as soon as it exists (EGP CREATE types)."""

    KEEP = 0  # both halves stay in memories
    MEASURE = 1  # both halves are measured before any herald is known
    PREPARE = 2  # the asker's half is measured, the other one stays: remote state preparation


@unique
class BasisChoice(IntEnum):
    """From which bases one end draws, for every pair anew, the one it measures in."""

    NONE = 0  # always Z, after the rotation
    XZ = 1
    XYZ = 2
    CHSH = 3  # (Z+X)/sqrt2 and (Z-X)/sqrt2


class Rotation(NamedTuple):
    """Turns a qubit before it is measured: about X by `x1`, then Y by `y`, then X by `x2`; unit 2 pi / 2^16."""

    x1: int
    y: int
    x2: int


NO_ROTATION = Rotation(0, 0, 0)

ONTO_Z: dict[Basis, Rotation] = {
    Basis.Z: NO_ROTATION, Basis.X: Rotation(0, 0xC000, 0), Basis.Y: Rotation(0x4000, 0, 0),
    Basis.Z_PLUS_X: Rotation(0, 0xE000, 0), Basis.Z_MINUS_X: Rotation(0, 0x2000, 0),
}  # fmt: skip
"""The turn that brings a basis onto Z, so that measuring in Z afterwards is measuring in it before."""

_BASES = {rotation: basis for basis, rotation in ONTO_Z.items()}


def basis_before(rotation: Rotation, measured: Basis) -> Basis:
    """In which basis a qubit is measured that is turned first; where that is none of the five, what was measured."""
    return _BASES.get(rotation, measured) if measured is Basis.Z else measured

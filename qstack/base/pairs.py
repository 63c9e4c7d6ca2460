"""The words of a request for pairs that wire and protocols share (EGP CREATE, named after QLink-Interface)."""

from enum import IntEnum, unique
from typing import NamedTuple

from qstack.base.bell import Basis

__all__ = ["CHANCE_UNIT", "DRAWN_FROM", "IN_Z", "NO_ROTATION", "ONTO_Z", "BasisChoice", "PairKind", "Reading",
           "Rotation", "basis_before"]  # fmt: skip


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

CHANCE_UNIT = 256

DRAWN_FROM: dict[BasisChoice, tuple[Basis, ...]] = {
    BasisChoice.NONE: (Basis.Z,),
    BasisChoice.XZ: (Basis.X, Basis.Z),
    BasisChoice.XYZ: (Basis.X, Basis.Y, Basis.Z),
    BasisChoice.CHSH: (Basis.Z_PLUS_X, Basis.Z_MINUS_X),
}
"""The bases of each choice, in the order of their chances."""


class Reading(NamedTuple):
    """How one end measures its halves at once: turned, then in a basis drawn for each pair from a choice.

    `first`, `second`: chances of the first and the second basis of the choice, in parts of 256; the last one has the
    rest. Both 0: all are equally likely. (QLink-Interface's parameters of the probability distribution.)
    """

    choice: BasisChoice = BasisChoice.NONE
    rotation: Rotation = NO_ROTATION
    first: int = 0
    second: int = 0

    @property
    def is_possible(self) -> bool:
        """Whether the chances are such that each basis of the choice can be given one."""
        bases = len(DRAWN_FROM[self.choice])
        return (bases > 1 or not self.first) and (bases > 2 or not self.second) and (
            self.first + self.second <= CHANCE_UNIT
        )

    def basis(self, uniform: float) -> Basis:
        """The basis that a draw in [0, 1) stands for."""
        bases = DRAWN_FROM[self.choice]
        if not self.first and not self.second:
            return bases[int(uniform * len(bases))]
        drawn = uniform * CHANCE_UNIT
        if drawn < self.first:
            return bases[0]
        return bases[1] if drawn < self.first + self.second else bases[-1]


IN_Z = Reading()

ONTO_Z: dict[Basis, Rotation] = {
    Basis.Z: NO_ROTATION, Basis.X: Rotation(0, 0xC000, 0), Basis.Y: Rotation(0x4000, 0, 0),
    Basis.Z_PLUS_X: Rotation(0, 0xE000, 0), Basis.Z_MINUS_X: Rotation(0, 0x2000, 0),
}  # fmt: skip
"""The turn that brings a basis onto Z, so that measuring in Z afterwards is measuring in it before."""

_BASES = {rotation: basis for basis, rotation in ONTO_Z.items()}


def basis_before(rotation: Rotation, measured: Basis) -> Basis:
    """In which basis a qubit is measured that is turned first; where that is none of the five, what was measured."""
    return _BASES.get(rotation, measured) if measured is Basis.Z else measured

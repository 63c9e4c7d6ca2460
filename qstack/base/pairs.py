"""The words of a request for pairs that wire and protocols share (EGP CREATE, named after QLink-Interface)."""

from enum import IntEnum, unique
from typing import NamedTuple

__all__ = ["NO_ROTATION", "BasisChoice", "PairKind", "Rotation"]


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

"""The 24 Clifford gates of one qubit, as turns of the Bloch sphere that permute its axes.

A Clifford takes X, Y and Z each to an axis with a sign. Its number, the operand of `Gate.CLIFFORD`, is 4 c + f: first
a turn c (0 none, 1 H, 2 S, 3 H then S, 4 S then H, 5 sqrt X), then the Pauli of frame bits f.
"""

__all__ = ["CLIFFORDS", "Turn", "conjugate", "inverse", "number_of", "then"]

Turn = tuple[int, int, int]
"""Where X, Y and Z go: 1, 2, 3 for X, Y, Z, negative for the opposite."""

_H: Turn = (3, -2, 1)
_S: Turn = (2, -1, 3)
_SQRT_X: Turn = (1, 3, -2)
_FRAMES: tuple[Turn, ...] = ((1, 2, 3), (-1, -2, 3), (1, -2, -3), (-1, 2, -3))


def _compose(first: Turn, second: Turn) -> Turn:
    x, y, z = (second[abs(axis) - 1] * (1 if axis > 0 else -1) for axis in first)
    return (x, y, z)


_TURNS = (_FRAMES[0], _H, _S, _compose(_H, _S), _compose(_S, _H), _SQRT_X)

CLIFFORDS: tuple[Turn, ...] = tuple(_compose(turn, frame) for turn in _TURNS for frame in _FRAMES)
"""All 24, by number."""

_NUMBERS = {turn: number for number, turn in enumerate(CLIFFORDS)}


def number_of(turn: Turn) -> int:
    """The number of a turn. Raises KeyError for what is no rotation."""
    return _NUMBERS[turn]


def then(first: int, second: int) -> int:
    """The number of one Clifford followed by another."""
    return _NUMBERS[_compose(CLIFFORDS[first], CLIFFORDS[second])]


def inverse(number: int) -> int:
    """The number of the Clifford that undoes this one."""
    back = [0, 0, 0]
    for source, axis in enumerate(CLIFFORDS[number], 1):
        back[abs(axis) - 1] = source if axis > 0 else -source
    return _NUMBERS[(back[0], back[1], back[2])]


def conjugate(number: int) -> int:
    """The number of the complex conjugate C*: |Phi+> does not change when one half is turned by C and the other by C*.

    In Pauli axes that is to mirror Y before and after.
    """
    x, y, z = ((-axis if abs(axis) == 2 else axis) for axis in CLIFFORDS[number])
    return _NUMBERS[(x, -y, z)]

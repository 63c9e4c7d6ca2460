"""Uniform draws for the state engine, many at a time, each by its event.

The same seed and event give the same number, whatever was drawn before, in whatever order or batch. The generator is
ChaCha20 (RFC 8439) in counter mode, compiled; its laws stand at the head of `_cext/chance.pyx`.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from qstack._cext.chance import ChaCha20
from qstack.base.chance import Chance

__all__ = ["ChaCha20", "Draws", "Event"]


class Event(NamedTuple):
    """What is drawn for: two unsigned 64-bit numbers. Eight numbers of a stream in a row, from a multiple of 8 on, are
    drawn at the price of one."""

    stream: int
    number: int


class Draws:
    """Uniform draws in [0, 1), as secret as the source of chance that they are derived from."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._cipher = ChaCha20(chance.octets(b"key of uniform draws", 32))

    def derive(self, name: bytes) -> "Draws":
        """Independent draws, with all events to be used anew, for a part of the program or of the network."""
        return Draws(self._chance.derive(name))

    def uniforms(self, events: Sequence[tuple[int, int]]) -> "array[float]":
        """One draw for each event. Raises OverflowError for numbers that have not 64 bits."""
        drawn = array("d", bytes(8 * len(events)))
        self._cipher.uniforms(array("Q", [number for event in events for number in event]), drawn)
        return drawn

    def uniform(self, stream: int, number: int) -> float:
        """The draw of one event."""
        return self.uniforms([(stream, number)])[0]

    def fill(self, events: object, drawn: object) -> None:
        """Draw into a buffer of n doubles, for a buffer of 2 n uint64: NumPy arrays, without the GIL."""
        self._cipher.uniforms(events, drawn)  # type: ignore[arg-type]

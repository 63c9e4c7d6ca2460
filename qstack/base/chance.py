"""Chance as an argument: a counter-based generator keyed by (seed, event).

The same seed and the same event name give the same octets, whatever was drawn before and in whatever order, so a run is
reproducible under any scheduling. Octets are BLAKE2b in counter mode (RFC 7693), keyed by the seed; a seed
of 256 bits of the operating system makes them fit for keys. `secret` is False when the seed was chosen by a person:
whoever makes a key from it must mark that key as not secret.
"""

from dataclasses import dataclass, field
from hashlib import blake2b

__all__ = ["Chance"]

_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Chance:
    """A source of chance. `seed`: 1..64 octets; never shown by repr."""

    seed: bytes = field(repr=False)
    secret: bool = False

    def octets(self, event: bytes, count: int) -> bytes:
        """`count` octets for `event`."""
        blocks = (count + _BLOCK - 1) // _BLOCK
        return b"".join(
            blake2b(number.to_bytes(8, "big") + event, key=self.seed, digest_size=_BLOCK).digest()
            for number in range(blocks)
        )[:count]

    def integer(self, event: bytes, bits: int = 64) -> int:
        """An unsigned integer of `bits` bits for `event`."""
        count = (bits + 7) // 8
        return int.from_bytes(self.octets(event, count), "big") >> (count * 8 - bits)

    def uniform(self, event: bytes) -> float:
        """A float in [0, 1) with 53 random bits for `event`."""
        return self.integer(event, 53) / (1 << 53)

    def derive(self, name: bytes) -> "Chance":
        """An independent source for a part of the program, as secret as this one."""
        return Chance(self.octets(b"derive:" + name, 32), self.secret)

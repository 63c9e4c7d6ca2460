"""From measured rounds to a confirmed key: which basis, which tests, which bits, which tag.

Everything here is a pure function of the key secret, which only the two ends can compute, and of outcomes. Of every
`one_in` consecutive rounds one is a test; bases are X or Z. Of the other outcomes, in order of round, the first
`size` are the key and the next 128 the pad of its confirmation (UNIT-4.3, 4.4).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.poly1305 import Poly1305

from qstack.proto.unit.params import MAXIMUM_ROUNDS, PAD_BITS
from qstack.quantum.bell import Basis, disagrees

__all__ = ["KeyPlan", "Raw", "bits_to_octets", "flag_octets", "flags_of", "rounds_needed"]


@dataclass(frozen=True, slots=True)
class Raw:
    """Key and pad, not yet confirmed."""

    key: bytes = field(repr=False)
    pad: bytes = field(repr=False)


def rounds_needed(size: int, one_in: int) -> int:
    """Rounds that give `size` key bits and the pad: whole blocks, and one more for rounds that get lost."""
    kept = size + PAD_BITS
    if one_in < 2:
        return kept
    blocks = -(-kept // (one_in - 1)) + 1
    return blocks * one_in


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What the key secret (32 octets) says about rounds."""

    secret: bytes = field(repr=False)
    size: int
    one_in: int

    def basis(self, number: int) -> Basis:
        """X or Z, for round `number`."""
        digest = self._block(number // 256, b"basis")
        return Basis(digest[number % 256 // 8] >> number % 8 & 1)

    def is_test(self, number: int) -> bool:
        """Whether the outcome of round `number` is told."""
        if self.one_in < 2:
            return False
        block, place = divmod(number, self.one_in)
        return int.from_bytes(self._block(block, b"test")[:8], "big") % self.one_in == place

    def shared_outcome(self, number: int, outcome: int, bell_index: int, head: bool) -> int:
        """The bit that both ends would see without noise: the tail alone flips by the frame (section 5)."""
        return outcome if head else outcome ^ disagrees(bell_index, self.basis(number))

    def needed(self, outcomes: Iterable[int]) -> bool:
        """Whether more rounds are needed than those numbered."""
        return sum(1 for number in outcomes if not self.is_test(number)) < self.size + PAD_BITS

    def tests(self, outcomes: Mapping[int, int]) -> list[int]:
        """Outcomes of the test rounds in order of round."""
        return [outcomes[number] for number in sorted(outcomes) if self.is_test(number)]

    def raw(self, outcomes: Mapping[int, int]) -> Raw | None:
        """Key and pad from the outcomes of the rounds that both ends have; None when they are too few."""
        bits = [outcomes[number] for number in sorted(outcomes) if not self.is_test(number)]
        if len(bits) < self.size + PAD_BITS:
            return None
        return Raw(bits_to_octets(bits[: self.size]), bits_to_octets(bits[self.size : self.size + PAD_BITS]))

    def tag(self, raw: Raw) -> bytes:
        """The confirmation tag, 16 octets."""
        hash_key = blake2b(b"confirm", key=self.secret, digest_size=16).digest()
        return Poly1305.generate_tag(hash_key + raw.pad, raw.key)

    def agrees(self, raw: Raw, tag: bytes) -> bool:
        """Whether a tag was made from the same key and pad."""
        return bytes_eq(self.tag(raw), tag)

    def _block(self, number: int, use: bytes) -> bytes:
        return blake2b(use + number.to_bytes(4, "big"), key=self.secret, digest_size=32).digest()


def bits_to_octets(bits: Iterable[int]) -> bytes:
    """Pack bits, most significant first; the last octet is filled with zeros."""
    listed = list(bits)
    number = 0
    for bit in listed:
        number = number << 1 | bit
    octets = -(-len(listed) // 8)
    return (number << (octets * 8 - len(listed))).to_bytes(octets, "big")


def flags_of(numbers: Iterable[int]) -> tuple[int, int, bytes]:
    """`first`, `count` and the bit string that says which numbers are present."""
    present = set(numbers)
    if not present:
        return 0, 0, b""
    first, last = min(present), max(present)
    count = min(last - first + 1, MAXIMUM_ROUNDS)
    return first, count, bits_to_octets(int(first + place in present) for place in range(count))


def flag_octets(octets: bytes, count: int) -> list[int]:
    """The first `count` bits of a bit string; bits behind its end are 0."""
    return [octets[place // 8] >> (7 - place % 8) & 1 if place // 8 < len(octets) else 0 for place in range(count)]

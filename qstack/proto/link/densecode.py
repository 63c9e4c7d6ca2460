"""Superdense coding of a block: octets to Paulis and back, and how much parity it takes (DATA-4).

An octet is four qubits, two bits each, most significant first; two bits are a Pauli by its frame bits (Z part below, X
part above), so what a Bell measurement finds, less the frame of the pair, is what was sent. A qubit that is lost loses
its octet; one that is wrong makes its octet wrong, which nobody sees until the code puts it right or the digest fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil, sqrt

from qstack.machine.reed_solomon import MAXIMUM_WORD, decode, encode

__all__ = ["QUBITS_PER_OCTET", "LineQuality", "digest_of", "read_word", "symbols_of"]

QUBITS_PER_OCTET = 4
DIGEST_OCTETS = 8
_SHIFTS = (6, 4, 2, 0)
_GAIN = 0.2  # of a block that is seen, in what is believed of the next
_RECOVERY = 0.02  # of the model, in a line that is not tried
_DEVIATIONS = 2.0  # that parity allows for
_LEAST_SHARE = 0.25  # of a word that must be data, for it to be worth its qubits


@dataclass(slots=True)
class LineQuality:
    """Shares of octets that are lost, and that are wrong; None until something is known."""

    lost: float | None = None
    wrong: float | None = None

    def begin(self, qubit_lost: float, symbol_wrong: float) -> None:
        """What the model says; what was seen counts more."""
        lost = 1.0 - (1.0 - qubit_lost) ** QUBITS_PER_OCTET
        wrong = 1.0 - (1.0 - symbol_wrong) ** QUBITS_PER_OCTET
        self.lost = lost if self.lost is None else self.lost + _RECOVERY * (lost - self.lost)
        self.wrong = wrong if self.wrong is None else self.wrong + _RECOVERY * (wrong - self.wrong)

    def note(self, octets: int, lost: int, wrong: int | None) -> None:
        """A block was received. `wrong` None: too many to tell."""
        seen_wrong = 0.5 if wrong is None else wrong / max(1, octets - lost)
        self.lost = (self.lost or 0.0) * (1.0 - _GAIN) + _GAIN * lost / octets
        self.wrong = (self.wrong or 0.0) * (1.0 - _GAIN) + _GAIN * seen_wrong

    def parity(self, octets: int) -> int | None:
        """Octets of parity in a word of `octets`; None when too little would be left for data."""
        lost, wrong = self.lost or 0.0, self.wrong or 0.0
        spread = sqrt(octets * (lost * (1.0 - lost) + 4.0 * wrong * (1.0 - wrong)))
        parity = ceil(octets * (lost + 2.0 * wrong) + _DEVIATIONS * spread)
        return parity if octets - parity >= max(1.0, _LEAST_SHARE * octets) else None


def symbols_of(data: bytes, parity: int) -> tuple[int, ...]:
    """The Paulis, by their frame bits, of a word."""
    return tuple(octet >> shift & 3 for octet in encode(data, parity) for shift in _SHIFTS)


def read_word(symbols: Sequence[int | None], parity: int) -> tuple[bytes | None, int, int]:
    """Data of a word of which some symbols are missing (None); how many octets were lost, and how many wrong.

    The data is None when too much is wrong.
    """
    word, lost = bytearray(), []
    for place in range(len(symbols) // QUBITS_PER_OCTET):
        quartet = symbols[place * QUBITS_PER_OCTET : (place + 1) * QUBITS_PER_OCTET]
        octet = 0
        for symbol, shift in zip(quartet, _SHIFTS, strict=True):
            octet |= (symbol or 0) << shift
        if None in quartet:
            lost.append(place)
        word.append(octet)
    data = decode(bytes(word), parity, lost)
    if data is None:
        return None, len(lost), 0
    right = encode(data, parity)
    wrong = sum(a != b for place, (a, b) in enumerate(zip(word, right, strict=True)) if place not in lost)
    return data, len(lost), wrong


def digest_of(nonce: bytes, block: int, data: bytes) -> bytes:
    """What the receiver holds its data against. It travels under the seal, so it tells forgery as well as noise."""
    return blake2b(block.to_bytes(4, "big") + data, key=nonce, digest_size=DIGEST_OCTETS).digest()


assert MAXIMUM_WORD <= 0xFF, "lengths of a word travel in 8 bits"

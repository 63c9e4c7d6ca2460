"""Reed-Solomon codes over GF(256): octets that are lost, or wrong without anybody's knowing, put right.

A code word is data followed by `parity` octets; it is decoded as long as twice the wrong octets and the lost ones are
at most `parity` together. What lies beyond is refused, or, seldom, decoded to something else: whoever needs to be sure
checks a digest. The arithmetic is the library `reedsolo`'s (field polynomial 0x11d, generator 2, first root 2^0).
"""

from collections.abc import Sequence
from functools import lru_cache

from reedsolo import ReedSolomonError, RSCodec

from qstack.base.errors import LocalMisuse

__all__ = ["MAXIMUM_WORD", "decode", "encode"]

MAXIMUM_WORD = 255


def encode(data: bytes, parity: int) -> bytes:
    """`data` with `parity` octets behind it. Raises `LocalMisuse` for a word of more than 255 octets."""
    _check(len(data) + parity, parity)
    return bytes(_codec(parity).encode(data)) if parity else data


def decode(word: bytes, parity: int, lost: Sequence[int] = ()) -> bytes | None:
    """The data of a word, of which the octets at the places `lost` mean nothing; None when too much is wrong."""
    _check(len(word), parity)
    if len(lost) > parity:
        return None
    if not parity:
        return word
    try:
        return bytes(_codec(parity).decode(word, erase_pos=sorted(lost))[0])
    except ReedSolomonError:
        return None


def _check(length: int, parity: int) -> None:
    if not 0 <= parity < length <= MAXIMUM_WORD:
        raise LocalMisuse(f"a code word of {length} octets, {parity} of them parity: at most {MAXIMUM_WORD}, some data")


@lru_cache
def _codec(parity: int) -> RSCodec:
    return RSCodec(parity)

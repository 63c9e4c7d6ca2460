"""Reed-Solomon codes over GF(256): octets that are lost, or wrong without anybody's knowing, put right.

A code word is data followed by `parity` octets; it is decoded as long as twice the wrong octets and the lost ones are
at most `parity` together. What lies beyond is refused, or, seldom, decoded to something else: whoever needs to be sure
checks a digest. Field polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), generator 2, first root 2^0, as in CCSDS' and QR's
relatives; the decoder is Berlekamp-Massey over the erasures, then Chien's search and Forney's formula (Blahut 2003).
"""

from collections.abc import Sequence

from qstack.base.errors import LocalMisuse

__all__ = ["MAXIMUM_WORD", "decode", "encode"]

MAXIMUM_WORD = 255

_EXP = [1] * 510
_LOG = [0] * 256
for _power in range(1, 510):
    _doubled = _EXP[_power - 1] << 1
    _EXP[_power] = _doubled ^ 0x11D if _doubled & 0x100 else _doubled
for _power in range(255):
    _LOG[_EXP[_power]] = _power


def encode(data: bytes, parity: int) -> bytes:
    """`data` with `parity` octets behind it. Raises `LocalMisuse` for a word of more than 255 octets."""
    _check(len(data) + parity, parity)
    remainder = list(data) + [0] * parity
    generator = _generator(parity)
    for place in range(len(data)):
        factor = remainder[place]
        if factor:
            for n in range(1, len(generator)):
                remainder[place + n] ^= _times(generator[n], factor)
    return data + bytes(remainder[len(data) :])


def decode(word: bytes, parity: int, lost: Sequence[int] = ()) -> bytes | None:
    """The data of a word, of which the octets at the places `lost` mean nothing; None when too much is wrong."""
    _check(len(word), parity)
    if len(lost) > parity:
        return None
    received = [0 if place in set(lost) else octet for place, octet in enumerate(word)]
    syndromes = _syndromes(received, parity)
    if any(syndromes):
        located = _locator(syndromes, [len(word) - 1 - place for place in lost], parity)
        places = None if located is None else _roots(located, len(word))
        if located is None or places is None:
            return None
        _mend(received, syndromes, located, places)
        if any(_syndromes(received, parity)):
            return None
    return bytes(received[: len(word) - parity])


def _check(length: int, parity: int) -> None:
    if not 0 <= parity < length <= MAXIMUM_WORD:
        raise LocalMisuse(f"a code word of {length} octets, {parity} of them parity: at most {MAXIMUM_WORD}, some data")


def _times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def _over(a: int, b: int) -> int:
    return _EXP[_LOG[a] - _LOG[b] + 255] if a else 0


def _generator(parity: int) -> list[int]:
    """The product of (x - 2^n), highest power first."""
    found = [1]
    for n in range(parity):
        found = [a ^ _times(b, _EXP[n]) for a, b in zip([*found, 0], [0, *found], strict=True)]
    return found


def _syndromes(word: list[int], parity: int) -> list[int]:
    found = []
    for n in range(parity):
        value = 0
        for octet in word:
            value = _times(value, _EXP[n]) ^ octet
        found.append(value)
    return found


def _locator(syndromes: list[int], lost: list[int], parity: int) -> list[int] | None:
    """The polynomial, lowest power first, whose roots are the inverses of 2^power of all wrong places."""
    erased = [1]
    for power in lost:
        erased = [a ^ _times(b, _EXP[power]) for a, b in zip([*erased, 0], [0, *erased], strict=True)]
    current, previous, shift = list(erased), list(erased), 1
    length, last = len(lost), 1
    for n in range(len(lost), parity):
        discrepancy = 0
        for k in range(min(len(current), n + 1)):
            discrepancy ^= _times(current[k], syndromes[n - k])
        if not discrepancy:
            shift += 1
            continue
        before = list(current)
        factor = _over(discrepancy, last)
        current += [0] * (len(previous) + shift - len(current))
        for k, value in enumerate(previous):
            current[k + shift] ^= _times(factor, value)
        if 2 * length <= n + len(lost):
            length, previous, last, shift = n + 1 + len(lost) - length, before, discrepancy, 1
        else:
            shift += 1
    while current and not current[-1]:
        current.pop()
    return current if 2 * (len(current) - 1) - len(lost) <= parity else None


def _roots(locator: list[int], length: int) -> list[int] | None:
    """Powers of the wrong places; None when there are not as many as there should be."""
    powers = [power for power in range(length) if not _value(locator, _EXP[255 - power])]
    return powers if len(powers) == len(locator) - 1 else None


def _mend(word: list[int], syndromes: list[int], locator: list[int], powers: list[int]) -> None:
    """Forney: what is to be added to each wrong octet."""
    evaluator = [0] * len(syndromes)
    for n, syndrome in enumerate(syndromes):
        for k, value in enumerate(locator):
            if n + k < len(evaluator):
                evaluator[n + k] ^= _times(syndrome, value)
    slope = [value if k % 2 == 0 else 0 for k, value in enumerate(locator[1:])]
    for power in powers:
        inverse = _EXP[255 - power]
        amount = _times(_EXP[power], _over(_value(evaluator, inverse), _value(slope, inverse)))
        word[len(word) - 1 - power] ^= amount


def _value(polynomial: list[int], at: int) -> int:
    """Lowest power first."""
    value = 0
    for coefficient in reversed(polynomial):
        value = _times(value, at) ^ coefficient
    return value

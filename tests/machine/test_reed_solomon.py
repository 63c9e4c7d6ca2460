"""Reed-Solomon codes: errors and erasures up to the bound are put right; what lies beyond is nearly always refused."""

import random

import pytest

from qstack.base.errors import LocalMisuse
from qstack.machine.reed_solomon import decode, encode


def damaged(word: bytes, wrong: int, lost: int, dice: random.Random) -> tuple[bytes, list[int]]:
    """A word with so many octets wrong, and so many lost, at places of chance."""
    places = dice.sample(range(len(word)), wrong + lost)
    octets = bytearray(word)
    for place in places[:wrong]:
        octets[place] ^= dice.randrange(1, 256)
    for place in places[wrong:]:
        octets[place] = dice.randrange(256)
    return bytes(octets), places[wrong:]


def test_word_of_a_qr_code_is_as_published() -> None:
    """HELLO WORLD as a QR code of version 1-M: the same field, generator and first root."""
    data = bytes((32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17))
    assert encode(data, 10)[16:] == bytes((196, 35, 39, 119, 235, 215, 231, 226, 93, 23))


@pytest.mark.parametrize("parity", [0, 1, 2, 3, 8, 17, 64])
@pytest.mark.parametrize("length", [1, 2, 9, 100, 190])
def test_everything_up_to_the_bound_is_put_right(parity: int, length: int) -> None:
    if length + parity > 255:
        return
    dice = random.Random(1_000 * parity + length)
    for _ in range(40):
        data = dice.randbytes(length)
        word = encode(data, parity)
        assert word[:length] == data and len(word) == length + parity
        lost = dice.randint(0, min(parity, len(word)))
        wrong = min((parity - lost) // 2, len(word) - lost)
        octets, places = damaged(word, wrong, lost, dice)
        assert decode(octets, parity, places) == data


def test_one_more_than_the_bound_is_refused_or_becomes_something_else() -> None:
    dice, refused = random.Random(3), 0
    for _ in range(400):
        data = dice.randbytes(24)
        octets, places = damaged(encode(data, 8), 5, 0, dice)
        found = decode(octets, 8, places)
        assert found != data
        refused += found is None
    assert refused > 380


def test_more_lost_than_parity_is_refused() -> None:
    assert decode(encode(b"data", 2), 2, [0, 1, 2]) is None


def test_place_lost_that_was_right_is_no_harm() -> None:
    assert decode(encode(b"some data", 4), 4, [0, 3]) == b"some data"


@pytest.mark.parametrize(("length", "parity"), [(0, 4), (250, 6), (3, -1)])
def test_words_that_cannot_be_are_refused(length: int, parity: int) -> None:
    with pytest.raises(LocalMisuse):
        encode(bytes(length), parity)

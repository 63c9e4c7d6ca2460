"""Octets as Paulis and back, and parity by what is believed of the line."""

import random

import pytest

from qstack.base.bell import BellIndex, compose
from qstack.proto.link.densecode import LineQuality, digest_of, read_word, symbols_of


def test_bits_are_paulis_most_significant_first() -> None:
    assert symbols_of(bytes((0b00_01_10_11, 0b11_00_00_10)), 0) == (0, 1, 2, 3, 3, 0, 0, 2)


@pytest.mark.parametrize("frame", BellIndex)
def test_frame_of_the_pair_drops_out(frame: BellIndex) -> None:
    symbols = symbols_of(b"qubits", 2)
    found = [compose(frame, symbol) ^ frame for symbol in symbols]
    assert read_word(found, 2) == (b"qubits", 0, 0)


def test_lost_and_wrong_qubits_are_told_apart_and_put_right() -> None:
    symbols: list[int | None] = list(symbols_of(b"twelve octets", 6))
    symbols[5] = symbols[6] = symbols[30] = None  # two octets lost
    symbols[50] = (symbols[50] or 0) ^ 2  # one wrong
    assert read_word(symbols, 6) == (b"twelve octets", 2, 1)
    assert read_word(symbols, 2)[0] != b"twelve octets"


def test_too_much_is_not_read() -> None:
    symbols: list[int | None] = list(symbols_of(b"abc", 1))
    symbols[0] = symbols[4] = None
    assert read_word(symbols, 1) == (None, 2, 0)


def test_digest_depends_on_all_of_a_block() -> None:
    whole = digest_of(b"nonce--1", 1, b"data")
    others = (digest_of(b"nonce--2", 1, b"data"), digest_of(b"nonce--1", 2, b"data"), digest_of(b"nonce--1", 1, b"dat"))
    assert len(whole) == 8 and whole not in others


@pytest.mark.parametrize(("qubit_lost", "symbol_wrong"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.02), (0.1, 0.01)])
def test_parity_is_enough_nearly_always(qubit_lost: float, symbol_wrong: float) -> None:
    quality, dice, read = LineQuality(), random.Random(1), 0
    quality.begin(qubit_lost, symbol_wrong)
    parity = quality.parity(60)
    assert parity is not None
    data = dice.randbytes(60 - parity)
    for _ in range(300):
        symbols = [
            None if dice.random() < qubit_lost
            else symbol ^ dice.randint(1, 3) if dice.random() < symbol_wrong else symbol
            for symbol in symbols_of(data, parity)
        ]  # fmt: skip
        read += read_word(symbols, parity)[0] == data
    assert read >= 0.95 * 300
    if not qubit_lost and not symbol_wrong:
        assert parity == 0


def test_line_that_is_too_bad_is_not_worth_its_qubits_and_may_recover() -> None:
    quality = LineQuality()
    quality.begin(0.0, 0.2)
    assert quality.parity(40) is None
    quality = LineQuality()
    quality.begin(0.0, 0.0)
    for _ in range(20):
        quality.note(40, 0, None)
    assert quality.parity(40) is None
    for _ in range(100):
        quality.begin(0.0, 0.0)
    assert quality.parity(40) is not None


def test_what_was_seen_moves_what_is_believed() -> None:
    quality = LineQuality()
    quality.begin(0.0, 0.0)
    for _ in range(30):
        quality.note(40, 10, 1)
    assert quality.lost == pytest.approx(0.25, abs=0.01) and quality.wrong == pytest.approx(1 / 30, abs=0.01)

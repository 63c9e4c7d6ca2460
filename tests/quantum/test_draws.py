"""Chance by event: RFC 8439's vectors, uniformity, and independence of order and batch."""

from array import array

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20 as Witness
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.chance import Chance
from qstack.quantum.draws import ChaCha20, Draws

COUNTING = bytes(range(32))
ZERO_NONCE = bytes(12)
# RFC 8439, section 2.3.2 and appendix A.1: key, counter, nonce, block.
VECTORS = [
    (COUNTING, 1, "000000090000004a00000000",
     "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
     "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"),
    (bytes(32), 0, "00" * 12,
     "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
     "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"),
    (bytes(32), 1, "00" * 12,
     "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
     "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"),
    (bytes(31) + b"\x01", 1, "00" * 12,
     "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
     "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"),
    (b"\x00\xff" + bytes(30), 2, "00" * 12,
     "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
     "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"),
    (bytes(32), 0, "00" * 11 + "02",
     "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
     "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "counter", "nonce", "block"), VECTORS)
def test_chacha20_block_equals_vector_of_rfc_8439(key, counter, nonce, block):
    assert ChaCha20(key).block(counter, bytes.fromhex(nonce)).hex() == block


@given(key=st.binary(min_size=32, max_size=32), nonce=st.binary(min_size=12, max_size=12), n=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_chacha20_block_equals_that_of_another_library(key, nonce, n):
    witness = Cipher(Witness(key, n.to_bytes(4, "little") + nonce), None).encryptor()
    assert ChaCha20(key).block(n, nonce) == witness.update(bytes(64))


@pytest.mark.parametrize(("key", "nonce"), [(b"short", ZERO_NONCE), (COUNTING, b"short"), (COUNTING + b"\0", b"")])
def test_chacha20_key_or_nonce_of_wrong_length_is_refused(key, nonce):
    with pytest.raises(ValueError, match="octets"):
        ChaCha20(key).block(0, nonce)


U64 = st.integers(0, 2**64 - 1)


@given(stream=U64, number=U64)
@settings(max_examples=50, deadline=None)
def test_draw_is_the_word_of_its_block(stream, number):
    block_number = number >> 3
    nonce = (block_number >> 32).to_bytes(4, "little") + stream.to_bytes(8, "little")
    block = ChaCha20(COUNTING).block(block_number & 0xFFFFFFFF, nonce)
    word = int.from_bytes(block[8 * (number & 7) :][:8], "little")
    drawn = array("d", (0.0,))
    ChaCha20(COUNTING).uniforms(array("Q", (stream, number)), drawn)
    assert drawn[0] == (word >> 11) / 2**53


@given(
    events=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=60),
    order=st.randoms(use_true_random=False),
    cut=st.integers(1, 60),
)
@settings(max_examples=50, deadline=None)
def test_draws_do_not_depend_on_order_or_batch(events, order, cut):
    draws = Draws(Chance(b"seed"))
    at_once = dict(zip(events, draws.uniforms(events), strict=True))
    shuffled = list(events)
    order.shuffle(shuffled)
    for start in range(0, len(shuffled), cut):
        batch = shuffled[start : start + cut]
        assert [at_once[event] for event in batch] == list(draws.uniforms(batch))
    assert draws.uniform(*events[0]) == at_once[events[0]]


def test_draws_are_uniform_and_uncorrelated():
    count = 200_000
    events = np.stack([np.full(count, 7, np.uint64), np.arange(count, dtype=np.uint64)], axis=1).ravel()
    drawn = np.zeros(count)
    Draws(Chance(b"uniform")).fill(events, drawn)
    assert drawn.min() >= 0.0 and drawn.max() < 1.0
    histogram = np.histogram(drawn, bins=100, range=(0, 1))[0]
    assert ((histogram - count / 100) ** 2 / (count / 100)).sum() < 160  # 99 degrees of freedom: 1 in 10^4
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01


def test_draws_of_other_seeds_streams_and_parts_differ():
    draws = Draws(Chance(b"seed"))
    others = (
        draws.uniform(1, 1), draws.uniform(1, 2), draws.uniform(2, 1), draws.derive(b"part").uniform(1, 1),
        draws.derive(b"other part").uniform(1, 1), Draws(Chance(b"other seed")).uniform(1, 1),
    )  # fmt: skip
    assert len(set(others)) == len(others)


def test_draws_of_buffers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 words"):
        ChaCha20(COUNTING).uniforms(array("Q", (1, 2, 3)), array("d", (0.0,)))
    with pytest.raises(OverflowError):
        Draws(Chance(b"seed")).uniform(2**64, 0)

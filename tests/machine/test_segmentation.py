"""Fragments: divided, disordered, doubled, contradicted, and put together under bounds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse, PeerViolation, ResourceLimit
from qstack.machine.segmentation import Fragment, Reassembly, split

A, B = Fragment(0, 4, b"ab"), Fragment(2, 4, b"cd")


@given(st.binary(max_size=200), st.integers(1, 70))
def test_split_fragments_lie_end_to_end_and_fill_all_but_the_last(message: bytes, limit: int) -> None:
    fragments = split(message, limit)
    assert b"".join(fragment.data for fragment in fragments) == message
    assert [fragment.offset for fragment in fragments] == [limit * index for index in range(len(fragments))]
    assert {fragment.total for fragment in fragments} == {len(message)}
    assert all(len(fragment.data) == limit for fragment in fragments[:-1])
    assert len(fragments) == max(1, -(-len(message) // limit))


def test_split_into_nothing_is_refused() -> None:
    with pytest.raises(LocalMisuse):
        split(b"a", 0)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 2**32))
def test_reassembly_of_any_overlapping_pieces_in_any_order_is_the_message(message: bytes, seed: int) -> None:
    chance = random.Random(seed)
    reassembly = Reassembly(len(message))
    missing = set(range(len(message)))
    while missing:
        assert not reassembly.whole
        start = chance.choice(sorted(missing)) if chance.random() < 0.7 else chance.randrange(len(message))
        end = min(len(message), start + chance.randint(1, 60))
        missing -= set(range(start, end))
        assert reassembly.add(Fragment(start, len(message), message[start:end])) is (not missing)
    assert reassembly.message() == message


@given(st.binary(min_size=2, max_size=60), st.integers(0, 2**32))
def test_reassembly_contradiction_is_refused_and_changes_nothing(message: bytes, seed: int) -> None:
    chance = random.Random(seed)
    reassembly = Reassembly(len(message))
    arrived: set[int] = set()
    for _ in range(30):
        start = chance.randrange(len(message))
        end = min(len(message), start + chance.randint(1, 20))
        data = bytearray(message[start:end])
        wrong = chance.randrange(start, end)
        data[wrong - start] ^= 1
        if wrong in arrived:
            with pytest.raises(PeerViolation):
                reassembly.add(Fragment(start, len(message), bytes(data)))
        else:
            arrived |= set(range(start, end))
            reassembly.add(Fragment(start, len(message), message[start:end]))
    assert reassembly.whole is (len(arrived) == len(message))
    if reassembly.whole:
        assert reassembly.message() == message


@pytest.mark.parametrize(
    "fragment",
    [Fragment(2, 4, b"abc"), Fragment(-1, 4, b"a"), Fragment(5, 4, b""), Fragment(1, 4, b""), Fragment(0, 5, b"a")],
)
def test_reassembly_fragment_out_of_bounds_is_refused(fragment: Fragment) -> None:
    reassembly = Reassembly(4)
    with pytest.raises(PeerViolation):
        reassembly.add(fragment)


def test_reassembly_in_too_many_pieces_is_refused_but_can_still_be_finished() -> None:
    reassembly = Reassembly(2000)
    message = bytes(2000)
    for offset in range(0, 512, 2):
        reassembly.add(Fragment(offset, 2000, b"\0"))
    with pytest.raises(ResourceLimit):
        reassembly.add(Fragment(600, 2000, b"\0"))
    assert reassembly.add(Fragment(0, 2000, message))


def test_empty_message_is_one_fragment_and_whole_with_it() -> None:
    (fragment,) = split(b"", 9)
    reassembly = Reassembly(fragment.total)
    reassembly.add(fragment)
    assert reassembly.whole and reassembly.message() == b""

"""Fragments: divided, disordered, doubled, contradicted, and put together under bounds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation, ResourceLimit
from qstack.machine.segmentation import Fragment, Reassembler, Reassembly, ReassemblyLimits, split

LIMITS = ReassemblyLimits(
    message_octets=100, peer_messages=3, peer_octets=150, all_octets=300, all_messages=8, timeout_ns=10, remembered=2
)
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
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    (fragment,) = split(b"", 9)
    assert reassembler.add("alice", 1, fragment, 0) == b""


def feed(reassembler: Reassembler[str, int], peer: str, number: int, now_ns: int = 0) -> list[bytes | None]:
    return [reassembler.add(peer, number, fragment, now_ns) for fragment in (B, A)]


def test_reassembler_hands_a_message_over_once() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    assert feed(reassembler, "alice", 1) == [None, b"abcd"]
    assert feed(reassembler, "alice", 1, 9) == [None, None]
    assert feed(reassembler, "bob", 1) == [None, b"abcd"]
    assert (len(reassembler), reassembler.octets) == (0, 0)


def test_reassembler_forgets_what_was_handed_over_at_its_deadline() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    feed(reassembler, "alice", 1)
    assert reassembler.next_deadline() == 10
    assert reassembler.expire(10) == []
    assert reassembler.next_deadline() is None
    assert feed(reassembler, "alice", 1, 10) == [None, b"abcd"]


def test_reassembler_remembers_only_the_last_messages_of_a_peer() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    for number in (1, 2, 3):
        feed(reassembler, "alice", number)
    assert feed(reassembler, "alice", 3) == [None, None]
    assert feed(reassembler, "alice", 1) == [None, b"abcd"]
    assert reassembler.expire(10) == []
    assert reassembler.next_deadline() is None


def test_reassembler_message_that_takes_too_long_is_lost_with_all_it_held() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    reassembler.add("alice", 1, A, 0)
    reassembler.add("alice", 2, A, 5)
    assert reassembler.next_deadline() == 10
    assert reassembler.expire(9) == []
    assert reassembler.expire(14) == [("alice", 1)]
    assert (len(reassembler), reassembler.octets) == (1, 4)
    assert reassembler.expire(15) == [("alice", 2)]
    assert (len(reassembler), reassembler.octets, reassembler.next_deadline()) == (0, 0, None)


def claim(reassembler: Reassembler[str, int], peer: str, number: int, total: int) -> None:
    assert reassembler.add(peer, number, Fragment(0, total, b"x"), 0) is None


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ([], ("alice", 1, 101)),
        ([("alice", 1, 100)], ("alice", 2, 51)),
        ([("alice", number, 2) for number in range(3)], ("alice", 3, 2)),
        ([(peer, 0, 100) for peer in "abc"], ("d", 0, 2)),
        ([(peer, 0, 2) for peer in "abcdefgh"], ("i", 0, 2)),
    ],
    ids=["message", "octets of a peer", "messages of a peer", "octets of all", "messages of all"],
)
def test_reassembler_beyond_a_bound_refuses_the_new_and_keeps_the_old(
    claims: list[tuple[str, int, int]], refused: tuple[str, int, int]
) -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    for peer, number, total in claims:
        claim(reassembler, peer, number, total)
    before = (len(reassembler), reassembler.octets)
    with pytest.raises(ResourceLimit) as caught:
        claim(reassembler, *refused)
    assert caught.value.reason in (ErrorCode.NO_RESOURCES, ErrorCode.TOO_BIG)
    assert (len(reassembler), reassembler.octets) == before
    for peer, number, total in claims:
        assert reassembler.add(peer, number, Fragment(0, total, b"x" * total), 0) == b"x" * total


def test_reassembler_bad_first_fragment_leaves_nothing_behind() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    with pytest.raises(PeerViolation):
        reassembler.add("alice", 1, Fragment(3, 4, b"ab"), 0)
    assert (len(reassembler), reassembler.octets, reassembler.next_deadline()) == (0, 0, None)


def test_reassembler_forgotten_peer_holds_nothing() -> None:
    reassembler: Reassembler[str, int] = Reassembler(LIMITS)
    feed(reassembler, "alice", 1)
    reassembler.add("alice", 2, A, 0)
    reassembler.add("bob", 2, A, 0)
    reassembler.forget("alice")
    reassembler.forget("nobody")
    assert (len(reassembler), reassembler.octets) == (1, 4)
    assert feed(reassembler, "alice", 1) == [None, b"abcd"]
    assert reassembler.expire(10) == [("bob", 2)]
    assert reassembler.next_deadline() is None


def test_reassembler_without_limits_takes_the_defaults() -> None:
    reassembler: Reassembler[str, int] = Reassembler()
    message = bytes(range(256)) * 256
    *most, last = split(message, 1100)
    assert {reassembler.add("alice", 1, fragment, 0) for fragment in most} == {None}
    assert reassembler.add("alice", 1, last, 0) == message


messages = st.lists(st.binary(max_size=90), min_size=1, max_size=6)


@given(messages, st.integers(1, 40), st.integers(0, 2**32))
def test_reassembler_through_a_bad_channel_delivers_each_message_once(sent: list[bytes], limit: int, seed: int) -> None:
    chance = random.Random(seed)
    roomy = ReassemblyLimits(timeout_ns=10**9)
    reassembler: Reassembler[str, int] = Reassembler(roomy)
    arrivals = [(number, fragment) for number, message in enumerate(sent) for fragment in split(message, limit)]
    arrivals = [arrival for arrival in arrivals for _ in range(chance.randint(1, 3))]
    chance.shuffle(arrivals)
    received = {}
    for number, fragment in arrivals:
        message = reassembler.add("alice", number, fragment, 0)
        if message is not None:
            assert number not in received
            received[number] = message
    assert received == dict(enumerate(sent))
    assert (len(reassembler), reassembler.octets) == (0, 0)

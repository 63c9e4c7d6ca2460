"""Both codecs on the same inputs: values drawn from every declaration, and their octets damaged."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qstack.wire.tables  # noqa: F401  (fills the registries)
from qstack.testing.strategies import datagrams, messages, values
from qstack.wire import reference
from qstack.wire.header import EndHeader, Header, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.value import Record, UnknownTlv, message_classes, tlv_classes
from tests.wire import zoo
from tests.wire.agreement import assert_same, check_message, check_prefix, check_whole, outcome


def declared() -> Iterator[type[Record]]:
    yield from (*zoo.RECORDS, Header, EndHeader, UnknownTlv)
    for protocol in Protocol:
        yield from (*message_classes(protocol).values(), *tlv_classes(protocol).values())


CLASSES = tuple(dict.fromkeys(declared()))
PROTOCOLS = [protocol for protocol in [*Protocol, zoo.ZOO] if message_classes(protocol)]
by_name = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__.split('.')[-1]}.{cls.NAME}")
few = settings(max_examples=12)
some = settings(max_examples=20)


@by_name
@few
@given(data=st.data())
def test_value_drawn_from_its_layout_survives_the_round_trip(cls: type[Record], data: st.DataObject) -> None:
    value = data.draw(values(cls))
    octets = value.encode()
    assert octets == reference.encode(value)
    again = check_whole(cls, octets)
    assert again == value
    assert hash(again) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value == deepcopy(value)
    assert len(octets) - (cls.CODE_OCTETS == 1) >= cls.LAYOUT.minimum_size
    assert cls.LAYOUT.maximum_size is None or len(octets) <= cls.LAYOUT.maximum_size + 1


def cut(octets: bytes, data: st.DataObject) -> bytes:
    return octets[: data.draw(st.integers(0, len(octets)))]


def flip(octets: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3)) if octets else 0):
        changed[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    return bytes(changed)


def insert(octets: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(octets)))
    return octets[:at] + data.draw(st.binary(min_size=1, max_size=6)) + octets[at:]


def remove(octets: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(octets)))
    return octets[:at] + octets[at + data.draw(st.integers(1, 6)) :]


def repeat(octets: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(octets)))
    return octets[:at] + octets[at:] * data.draw(st.integers(2, 70))


DAMAGES: list[Callable[[bytes, st.DataObject], bytes]] = [cut, flip, insert, remove, repeat]


@by_name
@some
@given(data=st.data())
def test_damaged_octets_are_judged_alike(cls: type[Record], data: st.DataObject) -> None:
    octets = data.draw(values(cls)).encode()
    damaged = data.draw(st.sampled_from(DAMAGES))(octets, data)
    check_whole(cls, damaged)
    begin = data.draw(st.integers(0, len(damaged)))
    check_prefix(cls, damaged, begin, data.draw(st.integers(begin, len(damaged))))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@settings(max_examples=100)
@given(octets=st.binary(max_size=200))
def test_random_octets_are_judged_alike(protocol: Protocol, octets: bytes) -> None:
    check_message(protocol, octets)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@some
@given(data=st.data())
def test_message_cut_anywhere_is_judged_alike(protocol: Protocol, data: st.DataObject) -> None:
    octets = data.draw(messages(protocol)).encode()
    for end in range(min(len(octets), 80)):
        check_message(protocol, octets[:end])


@by_name
def test_offset_behind_the_end_is_refused_alike(cls: type[Record]) -> None:
    check_prefix(cls, b"\x00" * 9, 8, 7)
    check_prefix(cls, b"", 1, 0)
    found, plain = (outcome(lambda decode=decode: decode(b"ab", 3)) for decode in (
        cls.decode_untrusted, lambda data, offset: reference.decode_untrusted(cls, data, offset)
    ))  # fmt: skip
    assert_same(found, plain)


@settings(max_examples=100)
@given(datagram=datagrams())
def test_datagram_drawn_whole_has_its_length_and_decodes(datagram: bytes) -> None:
    header, offset = decode_header_untrusted(datagram)
    assert header.length == len(datagram)
    assert header.encode() == datagram[:offset]


@settings(max_examples=100)
@given(numbers=st.lists(st.integers(0, 255), max_size=300))
def test_lists_of_any_allowed_length_are_kept(numbers: list[int]) -> None:
    fitting = tuple(numbers[:255])
    seed: Any = zoo.SeedTlv(seeds=fitting)
    assert zoo.SeedTlv.decode_untrusted(seed.encode()).seeds == fitting

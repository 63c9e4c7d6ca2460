"""The codec by examples: octets written by hand, offsets of errors counted by hand."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from copy import copy, deepcopy
from typing import Any

import pytest

from qstack.base.errors import ErrorCode, LocalMisuse, WireError
from qstack.wire.protocols import Protocol
from qstack.wire.value import MAXIMUM_TLVS, Record, UnknownTlv, decode_message_untrusted, decode_record_untrusted
from tests.wire.zoo import (
    ZOO,
    Bare,
    Basket,
    Bits,
    Colour,
    Crate,
    EmptyTlv,
    FruitTlv,
    Letter,
    Lists,
    Mark,
    Named,
    Nothing,
    Pair,
    Parcel,
    ParcelTlv,
    Sack,
    SeedTlv,
)  # fmt: skip


def refusal(cls: type[Record], octets: str, offset: int = 0) -> tuple[int, str, str]:
    with pytest.raises(WireError) as caught:
        cls.decode_untrusted(bytes.fromhex(octets), offset)
    return caught.value.offset, caught.value.field, caught.value.reason


# Numbers, bits, codes


def test_bits_across_octets_lie_where_they_are_declared() -> None:
    value = Bits(
        a=0b101, b=0b1_0000_0000_0011, c=0x20_0000_0000_0001, d=1, e=0x0102030405, f=0x11121314151617, g=0xA1A2A3A4A5A6
    )  # fmt: skip
    # a 101, b 1000000000011, five zeros, c 10...01 (54 bits), d 1, four zeros
    assert value.encode() == bytes.fromhex("b003 0400000000000030 0102030405 11121314151617 a1a2a3a4a5a6")
    assert Bits.decode_untrusted(value.encode()) == value


@pytest.mark.parametrize(
    ("octets", "offset", "field"),
    [
        ("b003 8400000000000030 0102030405 11121314151617 a1a2a3a4a5a6", 2, "_zero"),
        ("b003 0400000000000038 0102030405 11121314151617 a1a2a3a4a5a6", 9, "_more"),
        ("b003 84", 2, "_zero"),
    ],
)
def test_reserved_bit_set_is_refused_at_the_octet_of_its_field(octets: str, offset: int, field: str) -> None:
    assert refusal(Bits, octets) == (offset, field, "reserved bits are not zero")


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", (0, "a", "needs 1 octets, 0 are left")),
        ("b0", (0, "b", "needs 2 octets, 1 are left")),
        ("b003", (2, "_zero", "needs 1 octets, 0 are left")),
        ("b003 04000000", (2, "c", "needs 8 octets, 4 are left")),
        ("b003 0400000000000030 01020304", (10, "e", "needs 5 octets, 4 are left")),
        ("b003 0400000000000030 0102030405 11121314151617 a1a2a3a4a5", (22, "g", "needs 6 octets, 5 are left")),
    ],
)
def test_run_cut_short_names_the_first_field_that_is_not_whole(octets: str, error: tuple[int, str, str]) -> None:
    assert refusal(Bits, octets) == error


def test_octets_behind_the_last_field_are_refused() -> None:
    assert refusal(Pair, "01 0002 0304") == (3, "Pair", "2 octets after the last field")


def test_code_that_is_named_becomes_its_member_and_others_stay_numbers() -> None:
    value = Named.decode_untrusted(bytes.fromhex("9c40 3f c0000001 03 0001 0003 9c40"))
    assert value.colour is Colour.FAR
    assert value.colours == (Colour.RED, 3, Colour.FAR)
    assert [type(colour) for colour in value.colours] == [Colour, int, Colour]


def test_set_with_unknown_bits_keeps_them_and_the_enumeration_forgets_them() -> None:
    before = len(Mark._value2member_map_)
    value = Named.decode_untrusted(bytes.fromhex("0001 00 80000701 00"))
    marks: Any = value.marks
    assert isinstance(marks, Mark)
    assert marks == 0x8000_0701
    assert Mark.ROUND in marks
    assert Mark.WIDE not in marks
    assert "ROUND" in repr(marks)
    assert value.encode() == bytes.fromhex("0001 00 80000701 00")
    assert len(Mark._value2member_map_) == before


# Lengths and counts


LISTS = "02 a1a2  0003 616263  00000001 ff  02 000001 fffffe  0001 07 0008  01 010203  01 02 0909  000001 01 7a"


def test_lists_hold_what_their_prefixes_count() -> None:
    value = Lists.decode_untrusted(bytes.fromhex(LISTS))
    assert value == Lists(
        blob=b"\xa1\xa2", name="abc", long=b"\xff", numbers=(1, 0xFFFFFE), pairs=(Pair(left=7, right=8),),
        hashes=(b"\1\2\3",), blobs=(b"\t\t",), words=("z",),
    )  # fmt: skip
    assert value.encode() == bytes.fromhex(LISTS)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("00", (0, "blob", "0 octets, allowed are 1..200")),
        ("c9", (0, "blob", "201 octets, allowed are 1..200")),
        ("02 a1", (1, "blob", "needs 2 octets, 1 are left")),
        ("01 a1 0003 61ff63", (5, "name", "octet 0xff is not printable US-ASCII")),
        ("01 a1 0003 617f63", (5, "name", "octet 0x7f is not printable US-ASCII")),
        ("01 a1 0001 1f", (4, "name", "octet 0x1f is not printable US-ASCII")),
        ("01 a1 00", (2, "name", "needs 2 octets, 1 are left")),
        ("01 a1 0000 ffffffff", (4, "long", "4294967295 octets, allowed are 0..5000")),
        ("01 a1 0000 00000000 0a", (8, "numbers", "10 items, allowed are 0..9")),
        ("01 a1 0000 00000000 02 000001 0000", (9, "numbers", "needs 6 octets, 5 are left")),
        ("01 a1 0000 00000000 00 0000", (9, "pairs", "0 items, allowed are 1..500")),
        ("01 a1 0000 00000000 00 0002 010002 03", (11, "pairs", "needs 6 octets, 4 are left")),
        ("01 a1 0000 00000000 00 0001 010002 00 01 01 ffff", (16, "blobs", "1 octets, allowed are 2..9")),
        ("01 a1 0000 00000000 00 0001 010002 00 01 04 ffff", (17, "blobs", "needs 4 octets, 2 are left")),
        ("01 a1 0000 00000000 00 0001 010002 00 00 00ffff", (19, "words", "needs 65535 octets, 0 are left")),
    ],
)
def test_length_or_count_that_does_not_fit_is_refused(octets: str, error: tuple[int, str, str]) -> None:
    assert refusal(Lists, octets) == error


def test_greatest_count_without_items_allocates_nothing() -> None:
    octets = bytes.fromhex("01 a1 0000 00000000 00 0001 010002 00 00 00ffff")
    gc.collect()
    before = gc.get_count()
    with pytest.raises(WireError, match="words"):
        Lists.decode_untrusted(octets)
    assert gc.get_count()[0] - before[0] < 50


# TLVs


def test_tlvs_known_and_unknown_survive_in_their_order() -> None:
    octets = bytes.fromhex(
        "09  0014 0005 0006 00000101 0002  8006 0002 01 09  0007 0000"
        "1234  7fff 0003 616263  0007 0000  ffff 0000"
    )  # fmt: skip
    value = Basket.decode_untrusted(octets)
    assert value.inner == (FruitTlv(weight=257, colour=Colour.GREEN), SeedTlv(seeds=(9,)), EmptyTlv())
    assert value.outer == (UnknownTlv(code=0x7FFF, value=b"abc"), EmptyTlv(), UnknownTlv(code=0xFFFF, value=b""))
    assert [tlv.critical for tlv in value.outer if isinstance(tlv, UnknownTlv)] == [False, True]
    assert value.encode() == octets


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("01 0001 00", (3, "inner", "needs 2 octets, 1 are left")),
        ("01 0005 0000 1234", (3, "inner", "needs 5 octets, 4 are left")),
        ("01 0003 7fff 00 1234", (5, "inner", "needs 2 octets, 1 are left")),
        ("01 0004 7fff 0001 1234", (7, "inner", "needs 1 octets, 0 are left")),
        ("01 0009 0005 0005 00000101 00 1234", (11, "colour", "needs 2 octets, 1 are left")),
        ("01 000b 0005 0007 00000101 000200 1234", (13, "FruitTlv", "1 octets after the last field")),
        ("01 0005 0007 0001 00 1234", (7, "EmptyTlv", "1 octets after the last field")),
        ("01 0000 12", (3, "tail", "needs 2 octets, 1 are left")),
        ("01 0000 1234 7f", (5, "outer", "needs 2 octets, 1 are left")),
        # of two flaws the first counts, though the second is found by counting
        ("01 0000 1234 0007 0001 00 7f", (9, "EmptyTlv", "1 octets after the last field")),
    ],
)
def test_tlv_that_does_not_fit_is_refused(octets: str, error: tuple[int, str, str]) -> None:
    assert refusal(Basket, octets) == error


def test_sixty_four_tlvs_are_allowed_and_one_more_is_not() -> None:
    head = bytes.fromhex("01 0000 1234")
    assert len(Basket.decode_untrusted(head + bytes.fromhex("00070000") * MAXIMUM_TLVS).outer) == MAXIMUM_TLVS == 64
    assert refusal(Basket, "01 0000 1234" + "00070000" * 65) == (5 + 4 * 64, "outer", "more than 64 TLVs")
    with pytest.raises(LocalMisuse, match="at most 64 TLVs"):
        Basket(size=1, tail=2, outer=(EmptyTlv(),) * 65)


@pytest.mark.parametrize("tlv", [ParcelTlv(note="x"), UnknownTlv(code=7, value=b""), Pair(left=1), 7, None, b"x"])
def test_tlv_of_another_namespace_or_disguised_is_refused(tlv: Any) -> None:
    with pytest.raises(LocalMisuse, match=r"Basket\.inner"):
        Basket(size=1, inner=(tlv,), tail=2)


def test_tlvs_in_a_record_without_a_namespace_all_stay_unknown() -> None:
    sack = Sack.decode_untrusted(bytes.fromhex("0008 0005 0000 0007 0000"))
    assert sack.inner == (UnknownTlv(code=5, value=b""), UnknownTlv(code=7, value=b""))


def test_tlvs_longer_than_their_length_can_say_are_refused_when_encoded() -> None:
    big = UnknownTlv(code=9, value=bytes(0xFFFF))
    assert len(Basket(size=1, tail=2, outer=(big,)).encode()) == 5 + 4 + 0xFFFF
    with pytest.raises(LocalMisuse, match="inner is 65539 octets long") as caught:
        Basket(size=1, tail=2, inner=(big,)).encode()
    assert caught.value.reason is ErrorCode.TOO_BIG
    with pytest.raises(LocalMisuse, match="UnknownTlv is 65536 octets long"):
        Basket(size=1, tail=2, outer=(UnknownTlv(code=9, value=bytes(0x10000)),)).encode()


# Records, messages


def test_records_in_place_follow_one_another() -> None:
    octets = bytes.fromhex("01 0002" "00000000000000ff" + LISTS + "0000" "02 0000 0004 00010000")
    value = Crate.decode_untrusted(octets)
    assert value.first == Pair(left=1, right=2)
    assert value.address == 255
    assert value.second == Lists.decode_untrusted(bytes.fromhex(LISTS))
    assert value.crates == (Sack(), Sack(inner=(UnknownTlv(code=1, value=b""),)))
    assert value.encode() == octets


def test_message_stands_behind_its_code() -> None:
    message = Parcel(number=1, content=Named(colour=9, nibble=1, shape=2), options=(ParcelTlv(note="hi"),))
    octets = bytes.fromhex("c8 0000000000000001 0009 12 00000000 00 0001 0003 026869")
    assert message.encode() == octets
    assert decode_message_untrusted(ZOO, octets) == Parcel.decode_untrusted(octets) == message
    assert decode_message_untrusted(ZOO, b"\xaa" + octets + b"\xbb", 1, len(octets) + 1) == message
    assert message.option(ParcelTlv) == ParcelTlv(note="hi")
    assert message.option(FruitTlv) is None


def test_message_without_tlvs_takes_all_octets() -> None:
    letter = Letter.decode_untrusted(b"\x00hello")
    assert letter == Letter(body=b"hello")
    assert letter.encode() == b"\x00hello"
    assert not hasattr(letter, "options")


@pytest.mark.parametrize("protocol", [ZOO, 0, 251, -1, 1 << 80, Protocol.PAYLOAD])
def test_message_that_is_not_declared_is_refused(protocol: Any) -> None:
    with pytest.raises(WireError, match=r"octet 2, code: message 9 of protocol .* is not declared"):
        decode_message_untrusted(protocol, b"\x00\x00\x09", 2)


def test_message_of_another_code_is_refused() -> None:
    assert refusal(Parcel, "00 01") == (0, "code", "is 0, Parcel has 200")
    assert refusal(Parcel, "") == (0, "code", "needs 1 octets, 0 are left")


def test_decoding_begins_at_its_offset_and_errors_are_counted_from_the_start_of_the_data() -> None:
    assert Pair.decode_untrusted(b"\xff\x01\x00\x02", 1) == Pair(left=1, right=2)
    assert refusal(Pair, "ff 01 00", 1) == (2, "right", "needs 2 octets, 1 are left")
    assert refusal(Pair, "ff", 2) == (2, "Pair", "starts 1 octets behind the end")
    assert decode_record_untrusted(Pair, b"\xff\x01\x00\x02\x03", 1, 5) == (Pair(left=1, right=2), 4)
    with pytest.raises(WireError, match="octet 2, right"):
        decode_record_untrusted(Pair, b"\xff\x01\x00\x02\x03", 1, 3)


def test_places_outside_the_data_are_our_own_bug() -> None:
    with pytest.raises(AssertionError):
        Pair.decode_untrusted(b"\x01\x00\x02", -1)
    with pytest.raises(AssertionError):
        decode_record_untrusted(Pair, b"\x01\x00\x02", 0, 4)
    with pytest.raises(AssertionError):
        decode_message_untrusted(ZOO, b"\xc8", 0, 2)


def test_places_outside_the_data_are_refused_when_assertions_are_off_as_well() -> None:
    program = (
        "from qstack.wire.header import Header\n"
        "from qstack.wire.value import decode_record_untrusted\n"
        "assert False, 'switched off'\n"
        "for start, end in ((0, 41), (-1, 40), (0, 1 << 40)):\n"
        "    try: decode_record_untrusted(Header, bytes(40), start, end)\n"
        "    except AssertionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 3


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read_and_what_is_found_owes_it_nothing(kind: Any) -> None:
    data = bytearray(b"keysdata")
    found = Bare.decode_untrusted(kind(data))
    data[:] = bytes(8)
    assert found == Bare(key=b"keys", data=b"data")
    assert type(found.key) is type(found.data) is bytes


@pytest.mark.parametrize("data", [5, "text", None, [1, 2]])
def test_what_is_no_buffer_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError):
        Bare.decode_untrusted(data)


# Values


def test_value_is_made_by_keywords_within_limits() -> None:
    assert Pair(left=1) == Pair(right=7, left=1)
    assert repr(Pair(left=1)) == "Pair(left=1, right=7)"
    assert Nothing() == Nothing()
    assert Nothing().encode() == b""


@pytest.mark.parametrize(
    ("cls", "values", "said"),
    [
        (Pair, {"left": 256}, "Pair.left: 256 does not fit a number of 0..255"),
        (Pair, {"left": -1}, "Pair.left: -1 does not fit"),
        (Pair, {"left": 1 << 64}, "does not fit"),
        (Pair, {"left": 1.0}, "Pair.left: float does not fit"),
        (Pair, {"left": "1"}, "Pair.left: str of length 1 does not fit"),
        (Pair, {"left": None}, "Pair.left: NoneType does not fit"),
        (Pair, {}, "Pair.left must be given"),
        (Pair, {"left": 1, "wrong": 2, "bad": 3}, "Pair has no field bad, wrong"),
        (Bits, {"a": 8}, "Bits.a: 8 does not fit a number of 0..7"),
        (Bare, {"key": b"toolong", "data": b""}, "Bare.key: bytes of length 7 does not fit 4 octets"),
        (Bare, {"key": bytearray(4), "data": b""}, "Bare.key: bytearray does not fit"),
        (Bare, {"key": b"keys", "data": "text"}, "Bare.data"),
        (Lists, {"blob": b""}, "Lists.blob: bytes of length 0 does not fit 1..200 octets"),
        (Lists, {"blob": b"x", "name": "é"}, "Lists.name"),
        (Lists, {"blob": b"x", "name": "a\n"}, "printable"),
        (Lists, {"blob": b"x", "name": "a" * 301}, "Lists.name"),
        (Lists, {"blob": b"x", "pairs": ()}, "Lists.pairs"),
        (Lists, {"blob": b"x", "pairs": [Pair(left=1)]}, "Lists.pairs"),
        (Lists, {"blob": b"x", "pairs": (Nothing(),)}, "Lists.pairs"),
        (Lists, {"blob": b"x", "pairs": (Pair(left=1),), "numbers": (1 << 24,)}, "Lists.numbers"),
        (Crate, {"first": Nothing()}, "Crate.first: Nothing does not fit a Pair"),
        (Named, {"colour": 1, "nibble": 0, "shape": 0, "marks": 1 << 32}, "Named.marks"),
    ],
)
def test_value_out_of_its_limits_cannot_be_made(cls: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(LocalMisuse) as caught:
        cls(**values)
    assert said in str(caught.value)


def test_value_refused_shows_no_octets() -> None:
    with pytest.raises(LocalMisuse) as caught:
        Bare(key=b"topsecret", data=b"")
    assert "secret" not in str(caught.value)


def test_value_is_frozen_by_every_way() -> None:
    value = Pair(left=1)
    for attempt in (
        lambda: setattr(value, "left", 2),
        lambda: delattr(value, "left"),
        lambda: setattr(value, "other", 2),
        lambda: Pair.__dict__["left"].__set__(value, 2),
        lambda: Pair.__dict__["left"].__delete__(value),
    ):
        with pytest.raises(AttributeError):
            attempt()
    with pytest.raises((TypeError, AttributeError)):
        object.__setattr__(value, "left", 2)
    assert value == Pair(left=1)


def test_value_replaced_is_another_and_checked() -> None:
    value = Pair(left=1)
    assert value.replace(right=3) == Pair(left=1, right=3)
    assert value == Pair(left=1)
    assert value.replace() == value
    with pytest.raises(LocalMisuse, match=r"Pair\.right"):
        value.replace(right=-1)
    with pytest.raises(LocalMisuse, match="no field wrong"):
        value.replace(wrong=1)


def test_value_equals_only_its_own_class() -> None:
    assert Nothing() != EmptyTlv()
    assert Pair(left=1) != (1, 7)
    assert Pair(left=1) != Pair(left=2)
    assert len({Pair(left=1), Pair(left=1), Pair(left=2)}) == 2


def test_value_is_copied_by_standing_still_and_pickled_by_its_fields() -> None:
    value = Parcel(number=1, content=Named(colour=9, nibble=1, shape=2), options=(ParcelTlv(note="hi"),))
    assert copy(value) is deepcopy(value) is value
    assert pickle.loads(pickle.dumps(value)) == value


def test_value_leaves_the_garbage_collector_alone() -> None:
    value = Parcel(number=1, content=Named(colour=9, nibble=1, shape=2))
    assert not gc.is_tracked(value)
    assert not gc.is_tracked(Parcel.decode_untrusted(value.encode()))
    assert not gc.is_tracked(value.replace(number=2))

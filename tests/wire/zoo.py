"""Declared classes that hold every kind of field, for tests of the codec.

Their TLVs stand in namespace NONE, their messages in a protocol number that nobody has.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, cast

from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    boolean,
    enum,
    flags,
    items,
    octets,
    prefixed,
    qna,
    record,
    reserved,
    rest,
    text,
    tlvs,
    u8,
    u16,
    u24,
    u32,
    u64,
    unsigned,
)  # fmt: skip
from qstack.wire.value import Message, Record, Tlv

ZOO = cast(Protocol, 250)


class Colour(IntEnum):
    RED = 1
    GREEN = 2
    FAR = 40_000


class Colour4(IntEnum):
    NONE = 0
    ALL = 15


class Mark(IntFlag):
    ROUND = 0x01
    HEAVY = 0x80
    WIDE = 0x4000_0000


class Bits(Record):
    """Numbers that lie across octets."""

    a: int = unsigned(3, "three bits")
    b: int = unsigned(13, "thirteen bits, across two octets")
    _zero: int = reserved(5)
    c: int = unsigned(54, "fifty-four bits, across eight octets")
    d: int = boolean("one bit")
    _more: int = reserved(4)
    e: int = unsigned(40, "five octets")
    f: int = unsigned(56, "seven octets")
    g: int = unsigned(48, "six octets")


class Pair(Record):
    """Two numbers."""

    left: int = u8("left")
    right: int = u16("right", default=7)


class Named(Record):
    """Codes and sets."""

    colour: int = enum(16, Colour, "a code of sixteen bits")
    nibble: int = unsigned(4, "half an octet")
    shape: int = enum(4, Colour4, "a code of four bits")
    marks: int = flags(32, Mark, "a set of 32 bits", default=0)
    colours: tuple[int, ...] = items(8, enum(16, Colour, "a code"), "codes", maximum=5, default=())


class Lists(Record):
    """Everything behind a prefix."""

    blob: bytes = prefixed(8, "octets", maximum=200, minimum=1)
    name: str = text(16, "text", maximum=300, default="")
    long: bytes = prefixed(32, "octets", maximum=5000, default=b"")
    numbers: tuple[int, ...] = items(8, u24("a number"), "numbers", maximum=9, default=())
    pairs: tuple[Pair, ...] = items(16, Pair, "records", maximum=500, minimum=1)
    hashes: tuple[bytes, ...] = items(8, octets(3, "three octets"), "octets", maximum=4, default=())
    blobs: tuple[bytes, ...] = items(8, prefixed(8, "octets", maximum=9, minimum=2), "octets", maximum=4, default=())
    words: tuple[str, ...] = items(24, text(8, "a word", maximum=20), "texts", maximum=70_000, default=())


class FruitTlv(Tlv, namespace=Protocol.NONE, code=5):
    """A TLV of fixed size."""

    weight: int = u32("weight")
    colour: int = enum(16, Colour, "colour")


class SeedTlv(Tlv, namespace=Protocol.NONE, code=0x8006):
    """A critical TLV without a fixed size."""

    seeds: tuple[int, ...] = items(8, u8("a seed"), "seeds", maximum=255, default=())
    rest: bytes = rest("what is left", default=b"")


class EmptyTlv(Tlv, namespace=Protocol.NONE, code=7):
    """A TLV without a value."""


class Basket(Record, tlvs_of=Protocol.NONE):
    """TLVs behind a length, and to the end."""

    size: int = u8("size")
    inner: tuple[Any, ...] = tlvs(16, "behind a length")
    tail: int = u16("between")
    outer: tuple[Any, ...] = tlvs(0, "to the end")


class Bare(Record):
    """Octets to the end."""

    key: bytes = octets(4, "four octets")
    data: bytes = rest("the rest")


class Sack(Record):
    """TLVs of no namespace."""

    inner: tuple[Any, ...] = tlvs(16, "behind a length")


class Crate(Record):
    """Records in place, between other fields."""

    first: Pair = record(Pair, "a pair")
    address: int = qna("an address")
    second: Lists = record(Lists, "lists")
    sack: Sack = record(Sack, "TLVs")
    crates: tuple[Sack, ...] = items(8, Sack, "more TLVs", maximum=20)


class Nothing(Record):
    """No field at all."""


class Parcel(Message, protocol=ZOO, code=200):
    """A message with a record and TLVs."""

    number: int = u64("number")
    content: Named = record(Named, "what it holds")


class ParcelTlv(Tlv, namespace=ZOO, code=1):
    """For parcels only."""

    note: str = text(8, "a note", maximum=255)


class Letter(Message, protocol=ZOO, code=0, trailing_tlvs=False):
    """A message without TLVs."""

    body: bytes = rest("body")


RECORDS = (Bits, Pair, Named, Lists, FruitTlv, SeedTlv, EmptyTlv, Basket, Bare, Sack, Crate, Nothing, Parcel, ParcelTlv,
           Letter)  # fmt: skip

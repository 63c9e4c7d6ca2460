"""What may be declared, and what a declaration becomes."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, cast

import pytest

from qstack.wire import schema
from qstack.wire.layout import make_layout
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.value import Message, Record, Tlv, message_classes, tlv_classes
from tests.wire import zoo

FREE = cast(Protocol, 251)


class Wide(IntEnum):
    BIG = 256


def layout(**fields: Any) -> schema.Layout:
    return make_layout("Tried", fields.items())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"a": schema.unsigned(0, "x")}, "1 to 64 bits"),
        ({"a": schema.unsigned(65, "x")}, "1 to 64 bits"),
        ({"a": schema.unsigned(4, "x")}, "do not fill whole octets"),
        ({"a": schema.unsigned(4, "x"), "b": schema.octets(2, "x"), "c": schema.unsigned(4, "x")}, "begin at an octet"),
        ({"a": schema.unsigned(3, "x"), "b": schema.unsigned(64, "x"), "c": schema.reserved(5)}, "lies across 9"),
        ({"a": schema.enum(8, Wide, "x")}, "256 does not fit 8 bits"),
        ({"a": schema.octets(0, "x")}, "empty"),
        ({"a": schema.prefixed(8, "x", maximum=256)}, "limits do not fit"),
        ({"a": schema.prefixed(8, "x", maximum=3, minimum=4)}, "limits do not fit"),
        ({"a": schema.text(12, "x", maximum=3)}, "a prefix has"),
        ({"a": schema.items(16, schema.u8("x"), "x", maximum=65_536)}, "limits do not fit"),
        ({"a": schema.items(16, schema.unsigned(4, "x"), "x", maximum=6)}, "whole octets"),
        ({"a": schema.items(16, schema.rest("x"), "x", maximum=6)}, "items of a list are"),
        ({"a": schema.items(16, zoo.Bare, "x", maximum=6)}, "must know its end"),
        ({"a": schema.items(16, zoo.Nothing, "x", maximum=6)}, "at least one octet"),
        ({"a": schema.record(zoo.Basket, "x")}, "must know its end"),
        ({"a": schema.rest("x"), "b": schema.u8("x")}, "runs to the end"),
        ({"a": schema.tlvs(0, "x"), "b": schema.u8("x")}, "runs to the end"),
        ({"a": schema.tlvs(8, "x")}, "a prefix of 16 bits, or none"),
    ],
)
def test_layout_against_the_rules_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        layout(**fields)


@pytest.mark.parametrize(
    ("cls", "least", "most"),
    [
        (zoo.Pair, 3, 3),
        (zoo.Bits, 28, 28),
        (zoo.Named, 8, 18),
        (zoo.Nothing, 0, 0),
        (zoo.Basket, 5, None),
        (zoo.Bare, 4, None),
        (zoo.Lists, 19, 201 + 302 + 5004 + 28 + 1502 + 13 + 41 + 3 + 70_000 * 21),
        (zoo.Crate, 3 + 8 + 19 + 2 + 1, None),
    ],
)
def test_layout_sizes_are_those_of_its_smallest_and_largest_value(
    cls: type[Record], least: int, most: int | None
) -> None:
    assert (cls.LAYOUT.minimum_size, cls.LAYOUT.maximum_size) == (least, most)


def test_fields_keep_their_order_and_take_their_names() -> None:
    assert [field.name for field in zoo.Basket.LAYOUT.fields] == ["size", "inner", "tail", "outer"]
    assert [field.name for field in zoo.Parcel.LAYOUT.fields] == ["number", "content", "options"]
    assert [field.name for field in zoo.Letter.LAYOUT.fields] == ["body"]


def test_field_forms_say_how_a_value_is_shown() -> None:
    forms = {name: getattr(schema, name)("x").form for name in ("qna", "qui", "label", "domain_time", "fidelity")}
    assert forms == {"qna": Form.QNA, "qui": Form.HEX, "label": Form.HEX, "domain_time": Form.DOMAIN_TIME,
                     "fidelity": Form.FIDELITY}  # fmt: skip
    assert schema.boolean("x").form is Form.BOOLEAN
    assert schema.reserved(3).kind is Kind.RESERVED


def test_default_that_does_not_fit_is_refused_when_declared() -> None:
    with pytest.raises(AssertionError, match=r"Wrong\.a: 256 does not fit"):

        class Wrong(Record):
            a: int = schema.u8("x", default=256)


def test_field_that_would_hide_what_every_value_has_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"Wrong\.encode would hide"):

        class Wrong(Record):
            encode: int = schema.u8("x")


def test_message_code_taken_twice_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"message code 200 of .* is taken by Parcel"):

        class Second(Message, protocol=cast(Protocol, _Named(zoo.ZOO)), code=200):
            pass

    assert message_classes(zoo.ZOO)[200] is zoo.Parcel


def test_tlv_code_taken_twice_is_refused() -> None:
    with pytest.raises(AssertionError, match="TLV code 5 of NONE is taken by FruitTlv"):

        class Second(Tlv, namespace=Protocol.NONE, code=5):
            pass

    assert tlv_classes(Protocol.NONE)[5] is zoo.FruitTlv


@pytest.mark.parametrize("code", [-1, 256])
def test_message_code_out_of_range_is_refused(code: int) -> None:
    with pytest.raises(AssertionError, match=r"0\.\.255"):
        type(Record)("Wrong", (Message,), {}, protocol=FREE, code=code)
    assert not message_classes(FREE)


@pytest.mark.parametrize("code", [0, 65_536])
def test_tlv_type_out_of_range_is_refused(code: int) -> None:
    with pytest.raises(AssertionError, match=r"1\.\.65535"):
        type(Record)("Wrong", (Tlv,), {}, namespace=FREE, code=code)


def test_registries_are_given_as_copies() -> None:
    message_classes(zoo.ZOO).clear()
    tlv_classes(Protocol.NONE).clear()
    assert message_classes(zoo.ZOO)
    assert tlv_classes(Protocol.NONE)


def test_tlv_declared_after_its_message_is_known_to_it() -> None:
    class Early(Message, protocol=FREE, code=1):
        pass

    class LateTlv(Tlv, namespace=FREE, code=1):
        value: int = schema.u8("x")

    early: Any = Early.decode_untrusted(bytes.fromhex("01 0001 0001 07"))
    assert early.options == (LateTlv(value=7),)


def test_message_class_tells_what_it_was_declared_with() -> None:
    class Answer(Message, protocol=cast(Protocol, 252), code=9, reliable=True, confidential=True, answers=("Q",),
                 matched_by=("n",)):  # fmt: skip
        n: int = schema.u8("x")

    told = (Answer.PROTOCOL, Answer.CODE, Answer.RELIABLE, Answer.CONFIDENTIAL, Answer.ANSWERS, Answer.MATCHED_BY)
    assert told == (252, 9, True, True, ("Q",), ("n",))
    assert (zoo.Parcel.RELIABLE, zoo.Parcel.CONFIDENTIAL, zoo.Parcel.ANSWERS) == (False, False, ())


def test_field_declarations_are_not_left_in_the_class() -> None:
    assert not isinstance(zoo.Pair.__dict__["left"], Field)


class _Named(int):
    """A protocol number with a name, as the message of a refusal wants it."""

    name = "ZOO"

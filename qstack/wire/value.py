"""Declared classes: records, TLVs and messages, and how a class body becomes a format.

A value is frozen, compares and hashes by its fields, and cannot exist with a field out of range. `Message` and `Tlv`
classes enter the registry of their namespace when they are declared; a code taken twice is refused at import.

What a value does (constructor, equality, `replace`, `encode`, `decode_untrusted`) is compiled, in `qstack._cext`;
`qstack.wire.reference` reads and writes the same octets in plain Python, for the tests.
"""

from typing import Any, ClassVar, dataclass_transform

from qstack._cext.codec import (
    MESSAGES,
    Value,
    decode_message_untrusted,
    decode_record_untrusted,
    encode_parts,
    set_unknown_tlv,
)
from qstack._cext.frozen import MAXIMUM_TLVS, declare
from qstack.wire import schema
from qstack.wire.layout import make_layout
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Kind, Layout

__all__ = ["MAXIMUM_TLVS", "Message", "Record", "Tlv", "UnknownTlv", "decode_message_untrusted",
           "decode_record_untrusted", "encode_parts", "message_classes", "tlv_classes"]  # fmt: skip

_TLVS: dict[int, dict[int, "type[Tlv]"]] = {}


class _Declared(type):
    """Turns the field declarations of a class body into a layout, slots and a field program."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], /, **options: Any) -> "_Declared":
        own = [(key, value) for key, value in body.items() if isinstance(value, Field)]
        inherited = [(field.name, field) for base in bases for field in getattr(base, "INHERITED", ())]
        body = {key: value for key, value in body.items() if not isinstance(value, Field)}
        body["__slots__"] = tuple(key for key, field in own if field.kind is not Kind.RESERVED)
        assert not {"__init__", "__new__"} & body.keys(), f"{name}: how a value is made is the codec's"
        for key, _ in own:
            assert not hasattr(Value, key), f"{name}.{key} would hide what every value has"
        body["LAYOUT"] = make_layout(name, own + (inherited if options.get("trailing_tlvs", True) else []))
        body["NAME"] = name
        return super().__new__(mcs, name, bases, body, **options)

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], /, **options: Any) -> None:
        super().__init__(name, bases, body)
        del options  # __init_subclass__ has acted on them
        declare(cls)


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    eq_default=True,
    field_specifiers=(
        schema.unsigned, schema.u8, schema.u16, schema.u24, schema.u32, schema.u64, schema.boolean, schema.qna,
        schema.qui, schema.label, schema.cycle, schema.domain_time, schema.fidelity, schema.enum, schema.flags,
        schema.reserved, schema.octets, schema.prefixed, schema.text, schema.record, schema.items, schema.tlvs,
        schema.rest,
    ),
)  # fmt: skip
class Record(Value, metaclass=_Declared):
    """A declared group of fields without a code of its own. Also the base of TLVs and messages.

    Declared with `tlvs_of=` where it holds TLVs: the namespace that they are of.
    """

    LAYOUT: ClassVar[Layout]
    CODE: ClassVar[int] = 0
    CODE_OCTETS: ClassVar[int] = 0
    """How wide the code is that stands in front of the fields: 1 for messages, 2 for TLVs, 0 for records."""
    NAME: ClassVar[str]
    INHERITED: ClassVar[tuple[Field, ...]] = ()
    TLVS: ClassVar[dict[int, "type[Tlv]"]] = {}
    """What its fields of TLVs may hold, by code; all else is an `UnknownTlv`."""

    def __init_subclass__(cls, *, tlvs_of: Protocol | None = None) -> None:
        if tlvs_of is not None:
            cls.TLVS = _TLVS.setdefault(tlvs_of, {})


class Tlv(Record):
    """An optional part: type (16 bits), length (16 bits), value. Declared with `namespace=` and `code=`.

    The top bit of the type says critical: a receiver that does not know it must refuse the message.
    """

    CODE_OCTETS: ClassVar[int] = 2
    NAMESPACE: ClassVar[Protocol] = Protocol.NONE

    def __init_subclass__(cls, *, namespace: Protocol, code: int) -> None:
        assert 0 < code <= 0xFFFF, f"{cls.__name__}: TLV types are 1..65535"
        taken = _TLVS.setdefault(namespace, {}).setdefault(code, cls)
        assert taken is cls, f"TLV code {code} of {namespace.name} is taken by {taken.__name__}"
        cls.CODE, cls.NAMESPACE = code, namespace


class UnknownTlv(Record):
    """A TLV whose type is not declared: kept as it is."""

    code: int = schema.u16("type")
    value: bytes = schema.rest("value")

    @property
    def critical(self) -> bool:
        """Whether whoever does not know it must refuse."""
        return bool(self.code & 0x8000)


set_unknown_tlv(UnknownTlv)


class Message(Record):
    """A message: code (8 bits), declared fields, TLVs to the end (attribute `options`).

    Declared with `protocol=`, `code=`, and where they apply: `confidential=True` (its body is encrypted under the seal,
    not only authenticated), `reliable=True` (sent through the neighbour's or end's `machine.exchange`),
    `answers=("Request", ...)` with `matched_by=("field", ...)`: which requests it answers and by which fields
    (dissectors link the two). A message whose last field is `rest()` takes `trailing_tlvs=False`.
    """

    CODE_OCTETS: ClassVar[int] = 1
    PROTOCOL: ClassVar[Protocol] = Protocol.NONE
    CONFIDENTIAL: ClassVar[bool] = False
    RELIABLE: ClassVar[bool] = False
    ANSWERS: ClassVar[tuple[str, ...]] = ()
    MATCHED_BY: ClassVar[tuple[str, ...]] = ()

    # With trailing_tlvs=False the field is left out of the layout and the attribute is never set.
    options: tuple[Any, ...] = schema.tlvs(0, "optional parts", default=())

    def __init_subclass__(
        cls, *, protocol: Protocol, code: int, confidential: bool = False, reliable: bool = False,
        answers: tuple[str, ...] = (), matched_by: tuple[str, ...] = (), trailing_tlvs: bool = True,
    ) -> None:  # fmt: skip
        assert 0 <= code <= 0xFF, f"{cls.__name__}: message codes are 0..255"
        taken = MESSAGES.setdefault(protocol, {}).setdefault(code, cls)
        assert taken is cls, f"message code {code} of {protocol.name} is taken by {taken.__name__}"
        cls.PROTOCOL, cls.CODE, cls.CONFIDENTIAL, cls.RELIABLE = protocol, code, confidential, reliable
        cls.ANSWERS, cls.MATCHED_BY = answers, matched_by
        super().__init_subclass__(tlvs_of=protocol)
        del trailing_tlvs  # the metaclass has acted on it

    def option(self, kind: type[Tlv]) -> Any:
        """The first TLV of a kind, or None."""
        return next((tlv for tlv in self.options if type(tlv) is kind), None)


Message.INHERITED = Message.LAYOUT.fields


def message_classes(protocol: Protocol) -> dict[int, type[Message]]:
    """All declared messages of a namespace by code."""
    return dict(MESSAGES.get(protocol, {}))


def tlv_classes(namespace: Protocol) -> dict[int, type[Tlv]]:
    """All declared TLVs of a namespace by code."""
    return dict(_TLVS.get(namespace, {}))

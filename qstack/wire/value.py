"""Declared classes: records, TLVs and messages, and how a class body becomes a format.

A value is frozen, compares and hashes by its fields, and cannot exist with a field out of range. `Message` and `Tlv`
classes enter the registry of their namespace when they are declared; a code taken twice is refused at import.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from qstack.base.errors import LocalMisuse, WireError
from qstack.wire import reference, schema
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Kind, Layout

__all__ = ["MAXIMUM_TLVS", "Message", "Record", "Tlv", "UnknownTlv", "decode_message_untrusted",
           "decode_record_untrusted", "message_classes",
           "tlv_classes"]  # fmt: skip

MAXIMUM_TLVS = 64
"""TLVs in one list: room for all that is declared many times over, and a bound on a hostile datagram's cost."""

_MESSAGES: dict[Protocol, dict[int, "type[Message]"]] = {}
_TLVS: dict[Protocol, dict[int, "type[Tlv]"]] = {}


class _Declared(type):
    """Turns the field declarations of a class body into a layout and slots."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], /, **options: Any
    ) -> "_Declared":
        trailing = options.get("trailing_tlvs", True)
        inherited = [f for base in bases for f in getattr(base, "INHERITED", ()) if trailing]
        own = [
            _with_name(value, key) for key, value in body.items()
            if isinstance(value, Field) and key in body.get("__annotations__", {})
        ]  # fmt: skip
        declared = tuple(own + inherited)
        body = {key: value for key, value in body.items() if not isinstance(value, Field)}
        body["__slots__"] = tuple(f.name for f in own if f.kind is not Kind.RESERVED)
        body["LAYOUT"] = Layout(name, declared, *_sizes(declared))
        body["NAME"] = name
        return super().__new__(mcs, name, bases, body, **options)


def _with_name(field: Field, name: str) -> Field:
    return Field(**{slot: getattr(field, slot) for slot in Field.__slots__} | {"name": name})


def _sizes(declared: tuple[Field, ...]) -> tuple[int, int | None]:
    """Least and greatest size in octets."""
    least = most_bits = 0
    bounded = True
    for field in declared:
        match field.kind:
            case Kind.UNSIGNED | Kind.RESERVED:
                least, most_bits = least + field.bits, most_bits + field.bits
            case Kind.FIXED:
                least, most_bits = least + 8 * field.size, most_bits + 8 * field.size
            case Kind.PREFIXED | Kind.TEXT:
                least, most_bits = least + field.bits + 8 * field.minimum, most_bits + field.bits + 8 * field.maximum
            case Kind.RECORD:
                least += 8 * field.item.LAYOUT.minimum_size
                bounded = bounded and field.item.LAYOUT.maximum_size is not None
                most_bits += 8 * (field.item.LAYOUT.maximum_size or 0)
            case Kind.LIST:
                low, high = _item_sizes(field.item)
                least += field.bits + 8 * low * field.minimum
                bounded = bounded and high is not None
                most_bits += field.bits + 8 * (high or 0) * field.maximum
            case Kind.TLVS | Kind.REST:
                least += field.bits
                bounded = False
    assert least % 8 == 0, "fields do not fill whole octets"
    return least // 8, most_bits // 8 if bounded else None


def _item_sizes(item: Any) -> tuple[int, int | None]:
    if isinstance(item, Field):
        return _sizes((item,))
    return item.LAYOUT.minimum_size, item.LAYOUT.maximum_size


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
class Record(metaclass=_Declared):
    """A declared group of fields without a code of its own. Also the base of TLVs and messages."""

    LAYOUT: ClassVar[Layout]
    NAME: ClassVar[str]
    INHERITED: ClassVar[tuple[Field, ...]] = ()
    TLVS: ClassVar[dict[int, "type[Tlv]"]] = {}
    UNKNOWN_TLV: ClassVar[Any] = None
    MAXIMUM_TLVS: ClassVar[int] = MAXIMUM_TLVS

    def __init__(self, **values: Any) -> None:
        for field in self.LAYOUT.fields:
            if field.kind is Kind.RESERVED:
                continue
            value = values.pop(field.name, field.default)
            _check_value(type(self).__name__, field, value)
            object.__setattr__(self, field.name, value)
        if values:
            raise LocalMisuse(f"{type(self).__name__} has no field {', '.join(sorted(values))}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: make a new one with replace({name}=...)")

    def __iter_fields(self) -> Iterator[Any]:
        return (getattr(self, field.name) for field in self.LAYOUT.fields if field.kind is not Kind.RESERVED)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and list(self.__iter_fields()) == list(other.__iter_fields())

    def __hash__(self) -> int:
        return hash((type(self), *self.__iter_fields()))

    def __repr__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in self.LAYOUT.fields if f.kind is not Kind.RESERVED)
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        values = {f.name: getattr(self, f.name) for f in self.LAYOUT.fields if f.kind is not Kind.RESERVED}
        return type(self)(**(values | changes))

    def encode(self) -> bytes:
        """The octets of the fields (for a message: behind its code)."""
        out = bytearray()
        reference.encode_fields(self, out)
        return bytes(out)

    @classmethod
    def decode_untrusted(cls, data: bytes, offset: int = 0) -> Self:
        """Decode data[offset:] whole, or raise `WireError`."""
        values, used = reference.decode_fields(cls, data, offset, len(data))
        if used != len(data):
            raise WireError(used, cls.__name__, f"{len(data) - used} octets after the last field")
        return cls(**values)


class Tlv(Record):
    """An optional part: type (16 bits), length (16 bits), value. Declared with `namespace=` and `code=`.

    The top bit of the type says critical: a receiver that does not know it must refuse the message.
    """

    CODE: ClassVar[int] = 0
    NAMESPACE: ClassVar[Protocol] = Protocol.NONE

    def __init_subclass__(cls, *, namespace: Protocol | None = None, code: int = 0) -> None:
        if namespace is None:
            return
        taken = _TLVS.setdefault(namespace, {}).setdefault(code, cls)
        assert taken is cls, f"TLV code {code} of {namespace.name} is taken by {taken.__name__}"
        cls.CODE, cls.NAMESPACE = code, namespace


class UnknownTlv(Record):
    """A TLV whose type is not declared: kept as it is."""

    CODE: ClassVar[int] = 0
    code: int = schema.u16("type")
    value: bytes = schema.rest("value")

    @property
    def critical(self) -> bool:
        """Whether whoever does not know it must refuse."""
        return bool(self.code & 0x8000)


Record.UNKNOWN_TLV = UnknownTlv


class Message(Record):
    """A message: code (8 bits), declared fields, TLVs to the end (attribute `options`).

    Declared with `protocol=`, `code=`, and where they apply: `confidential=True` (its body is encrypted under the seal,
    not only authenticated), `reliable=True` (sent through the neighbour's or end's `machine.exchange`),
    `answers=("Request", ...)` with `matched_by=("field", ...)`: which requests it answers and by which fields
    (dissectors link the two). A message whose last field is `rest()` takes `trailing_tlvs=False`.
    """

    CODE: ClassVar[int] = 0
    PROTOCOL: ClassVar[Protocol] = Protocol.NONE
    CONFIDENTIAL: ClassVar[bool] = False
    RELIABLE: ClassVar[bool] = False
    ANSWERS: ClassVar[tuple[str, ...]] = ()
    MATCHED_BY: ClassVar[tuple[str, ...]] = ()

    options: tuple[Any, ...] = schema.tlvs(0, "optional parts")

    # With trailing_tlvs=False the field is left out of the layout and the attribute is never set.
    def __init_subclass__(
        cls, *, protocol: Protocol, code: int, confidential: bool = False, reliable: bool = False,
        answers: tuple[str, ...] = (), matched_by: tuple[str, ...] = (), trailing_tlvs: bool = True,
    ) -> None:  # fmt: skip
        taken = _MESSAGES.setdefault(protocol, {}).setdefault(code, cls)
        assert taken is cls, f"message code {code} of {protocol.name} is taken by {taken.__name__}"
        cls.PROTOCOL, cls.CODE, cls.CONFIDENTIAL, cls.RELIABLE = protocol, code, confidential, reliable
        cls.ANSWERS, cls.MATCHED_BY = answers, matched_by
        cls.TLVS = _TLVS.setdefault(protocol, {})
        del trailing_tlvs

    def encode(self) -> bytes:
        out = bytearray((self.CODE,))
        reference.encode_fields(self, out)
        return bytes(out)

    @classmethod
    def decode_untrusted(cls, data: bytes, offset: int = 0) -> Self:
        """Decode a whole payload, code included."""
        message = decode_message_untrusted(cls.PROTOCOL, data, offset)
        if not isinstance(message, cls):
            raise WireError(offset, "code", f"is {message.NAME}, not {cls.NAME}")
        return message

    def option(self, kind: type[Tlv]) -> Any:
        """The first TLV of a kind, or None."""
        return next((tlv for tlv in self.options if type(tlv) is kind), None)


R = TypeVar("R", bound=Record)

Message.INHERITED = Message.LAYOUT.fields


def decode_record_untrusted(cls: type[R], data: bytes, offset: int, end: int) -> tuple[R, int]:
    """Decode one record at the start of data[offset:end]; give it and the offset behind it."""
    values, used = reference.decode_fields(cls, data, offset, end)
    return cls(**values), used


def decode_message_untrusted(protocol: int, data: bytes, offset: int = 0) -> Message:
    """Decode data[offset:] as a message of `protocol`. Raises `WireError` for an unknown code too."""
    if offset >= len(data):
        raise WireError(offset, "code", "needs 1 octet, 0 are left")
    cls = _MESSAGES.get(protocol, {}).get(data[offset])  # type: ignore[call-overload]
    if cls is None:
        raise WireError(offset, "code", f"message {data[offset]} of protocol {protocol} is not declared")
    values, used = reference.decode_fields(cls, data, offset + 1, len(data))
    if used != len(data):
        raise WireError(used, cls.__name__, f"{len(data) - used} octets after the last field")
    found: Message = cls(**values)
    return found


def message_classes(protocol: Protocol) -> dict[int, type[Message]]:
    """All declared messages of a namespace by code."""
    return dict(_MESSAGES.get(protocol, {}))


def tlv_classes(namespace: Protocol) -> dict[int, type[Tlv]]:
    """All declared TLVs of a namespace by code."""
    return dict(_TLVS.get(namespace, {}))


def _check_value(owner: str, field: Field, value: Any) -> None:
    match field.kind:
        case Kind.UNSIGNED:
            fits = isinstance(value, int) and 0 <= value < 1 << field.bits
        case Kind.FIXED:
            fits = isinstance(value, bytes) and len(value) == field.size
        case Kind.PREFIXED:
            fits = isinstance(value, bytes) and field.minimum <= len(value) <= field.maximum
        case Kind.TEXT:
            fits = (isinstance(value, str) and field.minimum <= len(value) <= field.maximum
                    and all(" " <= c <= "~" for c in value))  # fmt: skip
        case Kind.RECORD:
            fits = isinstance(value, field.item)
        case Kind.LIST:
            fits = isinstance(value, tuple) and field.minimum <= len(value) <= field.maximum
            if fits and isinstance(field.item, Field):
                for item in value:
                    _check_value(owner, _with_name(field.item, field.name), item)
            elif fits:
                fits = all(isinstance(item, field.item) for item in value)
        case Kind.TLVS:
            fits = isinstance(value, tuple) and all(isinstance(tlv, Tlv | UnknownTlv) for tlv in value)
        case Kind.REST:
            fits = isinstance(value, bytes)
        case _:
            fits = False
    if not fits:
        raise LocalMisuse(f"{owner}.{field.name}: {value!r} does not fit {field.kind.value}"
                          f"{f' of {field.bits} bits' if field.bits else ''}")  # fmt: skip

"""The codec in plain Python, field by field: what `qstack._cext` must agree with on every input.

Tests run the two against each other: same value, same octets, same error with the same offset, field and reason.
Nothing else imports this module.

Of an input with several flaws the first counts, in the order of the fields. An error's offset is that of the octet in
which its field (for a length that does not fit: what it measures) begins.
"""

from dataclasses import replace
from typing import Any

from qstack.base.errors import WireError
from qstack.wire.schema import Field, Kind
from qstack.wire.value import MAXIMUM_TLVS, Message, UnknownTlv, message_classes

__all__ = ["decode_message_untrusted", "decode_record_untrusted", "decode_untrusted", "encode"]


def decode_message_untrusted(protocol: Any, data: bytes, offset: int = 0) -> Message:
    """Decode data[offset:] as a message of `protocol`."""
    _check_start("code", offset, len(data))
    code, behind = _take_number(data, offset, len(data), 1, "code")
    cls = message_classes(protocol).get(code)
    if cls is None:
        raise WireError(offset, "code", f"message {code} of protocol {protocol} is not declared")
    found: Message = _decode_whole(cls, data, behind, len(data))
    return found


def decode_untrusted(cls: Any, data: bytes, offset: int = 0) -> Any:
    """Decode data[offset:] whole as a value of one class."""
    _check_start(cls.NAME, offset, len(data))
    if issubclass(cls, Message):
        code, behind = _take_number(data, offset, len(data), 1, "code")
        if code != cls.CODE:
            raise WireError(offset, "code", f"is {code}, {cls.NAME} has {cls.CODE}")
        offset = behind
    return _decode_whole(cls, data, offset, len(data))


def decode_record_untrusted(cls: Any, data: bytes, offset: int, end: int) -> tuple[Any, int]:
    """Decode the fields of one class at the start of data[offset:end]; give the value and the offset behind it."""
    _check_start(cls.NAME, offset, end)
    values: dict[str, Any] = {}
    spare = 0  # bits of data[offset] that fields before have taken
    for field in cls.LAYOUT.fields:
        if field.kind in (Kind.UNSIGNED, Kind.RESERVED):
            start = offset
            number, offset, spare = _take_bits(data, offset, end, spare, field)
            if field.kind is Kind.UNSIGNED:
                values[field.name] = _named(field, number)
            elif number:
                raise WireError(start, field.name, "reserved bits are not zero")
        elif field.kind is Kind.TLVS:
            values[field.name], offset = _decode_tlvs(cls, field, data, offset, end)
        else:
            values[field.name], offset = _decode_field(field, data, offset, end)
    return cls(**values), offset


def _check_start(name: str, offset: int, end: int) -> None:
    if offset > end:
        raise WireError(offset, name, f"starts {offset - end} octets behind the end")


def _decode_whole(cls: Any, data: bytes, offset: int, end: int) -> Any:
    value, used = decode_record_untrusted(cls, data, offset, end)
    if used != end:
        raise WireError(used, cls.NAME, f"{end - used} octets after the last field")
    return value


def _take_bits(data: bytes, offset: int, end: int, spare: int, field: Field) -> tuple[int, int, int]:
    """Take `field.bits` bits behind the first `spare` bits of data[offset]."""
    span = (spare + field.bits + 7) // 8
    window, _ = _take_number(data, offset, end, span, field.name)
    behind = 8 * span - spare - field.bits
    number = window >> behind & (1 << field.bits) - 1
    taken = spare + field.bits
    return number, offset + taken // 8, taken % 8


def _decode_field(field: Field, data: bytes, offset: int, end: int) -> tuple[Any, int]:
    match field.kind:
        case Kind.UNSIGNED:  # as an item of a list
            number, offset = _take_number(data, offset, end, field.bits // 8, field.name)
            return _named(field, number), offset
        case Kind.FIXED:
            return _take_octets(data, offset, end, field.size, field.name)
        case Kind.PREFIXED:
            length, offset = _take_prefix(field, data, offset, end, "octets")
            return _take_octets(data, offset, end, length, field.name)
        case Kind.TEXT:
            length, start = _take_prefix(field, data, offset, end, "octets")
            octets, offset = _take_octets(data, start, end, length, field.name)
            return _as_text(octets, start, field.name), offset
        case Kind.RECORD:
            return decode_record_untrusted(field.item, data, offset, end)
        case Kind.LIST:
            return _decode_list(field, data, offset, end)
        case Kind.REST:
            return data[offset:end], end
    raise AssertionError(field.kind)


def _decode_list(field: Field, data: bytes, offset: int, end: int) -> tuple[tuple[Any, ...], int]:
    count, offset = _take_prefix(field, data, offset, end, "items")
    _take_octets(data, offset, end, count * _least_size(field.item), field.name)
    found = []
    for _ in range(count):
        if isinstance(field.item, Field):
            item, offset = _decode_field(replace(field.item, name=field.name), data, offset, end)
        else:
            item, offset = decode_record_untrusted(field.item, data, offset, end)
        found.append(item)
    return tuple(found), offset


def _least_size(item: Any) -> int:
    if not isinstance(item, Field):
        size: int = item.LAYOUT.minimum_size
        return size
    return item.size if item.kind is Kind.FIXED else item.bits // 8 + item.minimum


def _decode_tlvs(cls: Any, field: Field, data: bytes, offset: int, end: int) -> tuple[tuple[Any, ...], int]:
    if field.bits:
        length, offset = _take_number(data, offset, end, field.bits // 8, field.name)
        _, end = _take_octets(data, offset, end, length, field.name)
    found: list[Any] = []
    while offset < end:
        if len(found) == MAXIMUM_TLVS:
            raise WireError(offset, field.name, f"more than {MAXIMUM_TLVS} TLVs")
        code, offset = _take_number(data, offset, end, 2, field.name)
        length, offset = _take_number(data, offset, end, 2, field.name)
        octets, after = _take_octets(data, offset, end, length, field.name)
        if code in cls.TLVS:
            found.append(_decode_whole(cls.TLVS[code], data, offset, after))
        else:
            found.append(UnknownTlv(code=code, value=octets))
        offset = after
    return tuple(found), offset


def _named(field: Field, number: int) -> Any:
    if field.values is None:
        return number
    try:
        return field.values(number)
    except ValueError:
        return number


def _take_prefix(field: Field, data: bytes, offset: int, end: int, what: str) -> tuple[int, int]:
    count, after = _take_number(data, offset, end, field.bits // 8, field.name)
    if not field.minimum <= count <= field.maximum:
        raise WireError(offset, field.name, f"{count} {what}, allowed are {field.minimum}..{field.maximum}")
    return count, after


def _take_number(data: bytes, offset: int, end: int, size: int, name: str) -> tuple[int, int]:
    octets, after = _take_octets(data, offset, end, size, name)
    return int.from_bytes(octets, "big"), after


def _take_octets(data: bytes, offset: int, end: int, size: int, name: str) -> tuple[bytes, int]:
    if offset + size > end:
        raise WireError(offset, name, f"needs {size} octets, {end - offset} are left")
    return data[offset : offset + size], offset + size


def _as_text(octets: bytes, offset: int, name: str) -> str:
    for position, octet in enumerate(octets):
        if not 0x20 <= octet <= 0x7E:
            raise WireError(offset + position, name, f"octet 0x{octet:02x} is not printable US-ASCII")
    return octets.decode("ascii")


def encode(value: Any) -> bytes:
    """The octets of a checked value, for a message behind its code."""
    return (bytes((value.CODE,)) if isinstance(value, Message) else b"") + _encode_fields(value)


def _encode_fields(value: Any) -> bytes:
    out = bytearray()
    accumulator = width = 0
    for field in value.LAYOUT.fields:
        if field.kind in (Kind.UNSIGNED, Kind.RESERVED):
            number = 0 if field.kind is Kind.RESERVED else getattr(value, field.name)
            accumulator, width = accumulator << field.bits | number, width + field.bits
            if width % 8 == 0:
                out += accumulator.to_bytes(width // 8, "big")
                accumulator = width = 0
        else:
            out += _encode_field(field, getattr(value, field.name))
    return bytes(out)


def _encode_field(field: Field, value: Any) -> bytes:
    match field.kind:
        case Kind.UNSIGNED:
            return _number(value, field.bits // 8)
        case Kind.FIXED | Kind.REST:
            return bytes(value)
        case Kind.PREFIXED:
            return _prefixed(field, len(value), value)
        case Kind.TEXT:
            return _prefixed(field, len(value), value.encode("ascii"))
        case Kind.RECORD:
            return _encode_fields(value)
        case Kind.LIST:
            one = (lambda item: _encode_field(field.item, item)) if isinstance(field.item, Field) else _encode_fields
            return _prefixed(field, len(value), b"".join(map(one, value)))
        case Kind.TLVS:
            octets = b"".join(map(_encode_tlv, value))
            return _prefixed(field, len(octets), octets) if field.bits else octets
    raise AssertionError(field.kind)


def _encode_tlv(tlv: Any) -> bytes:
    unknown = isinstance(tlv, UnknownTlv)
    code, octets = (tlv.code, tlv.value) if unknown else (tlv.CODE, _encode_fields(tlv))
    return _number(code, 2) + _number(len(octets), 2) + octets


def _prefixed(field: Field, count: int, octets: bytes) -> bytes:
    return _number(count, field.bits // 8) + octets


def _number(number: int, size: int) -> bytes:
    return number.to_bytes(size, "big")

"""The codec in plain Python, field by field: what `qstack._cext.codec` must agree with on every input.

Tests run the two against each other. Nothing else imports this module.
"""

from typing import Any

from qstack.base.errors import WireError
from qstack.wire.schema import Field, Kind

__all__ = ["decode_fields", "encode_fields"]


def decode_fields(cls: Any, data: bytes, offset: int, end: int) -> tuple[dict[str, Any], int]:
    """Decode the fields of `cls.LAYOUT` from data[offset:end]; give the values and the offset after them."""
    values: dict[str, Any] = {}
    accumulator = width = 0  # of a run of fields that are not whole octets
    for field in cls.LAYOUT.fields:
        if field.kind in (Kind.UNSIGNED, Kind.RESERVED):
            if width == 0 and field.bits % 8 == 0:
                number, offset = _take_number(data, offset, end, field.bits // 8, field.name)
            else:
                while width < field.bits:
                    octet, offset = _take_number(data, offset, end, 1, field.name)
                    accumulator, width = accumulator << 8 | octet, width + 8
                width -= field.bits
                number, accumulator = accumulator >> width, accumulator & (1 << width) - 1
            if field.kind is Kind.RESERVED:
                if number:
                    raise WireError(offset, field.name, "reserved bits are not zero")
                continue
            values[field.name] = _named(field, number)
        else:
            values[field.name], offset = _decode_field(cls, field, data, offset, end)
    return values, offset


def _decode_field(cls: Any, field: Field, data: bytes, offset: int, end: int) -> tuple[Any, int]:
    match field.kind:
        case Kind.FIXED:
            return _take_octets(data, offset, end, field.size, field.name)
        case Kind.PREFIXED | Kind.TEXT:
            start = offset
            length, offset = _take_number(data, offset, end, field.bits // 8, field.name)
            _check_range(field, length, start, "octets")
            value, offset = _take_octets(data, offset, end, length, field.name)
            return (_take_text(value, offset - length, field.name), offset) if field.kind is Kind.TEXT else (value, offset)
        case Kind.RECORD:
            values, offset = decode_fields(field.item, data, offset, end)
            return field.item(**values), offset
        case Kind.LIST:
            return _decode_list(cls, field, data, offset, end)
        case Kind.TLVS:
            limit = end
            if field.bits:
                length, offset = _take_number(data, offset, end, field.bits // 8, field.name)
                limit = offset + length
                if limit > end:
                    raise WireError(offset, field.name, f"needs {length} octets, {end - offset} are left")
            return _decode_tlvs(cls, field, data, offset, limit), limit
        case Kind.REST:
            return data[offset:end], end
    raise AssertionError(field.kind)


def _decode_list(cls: Any, field: Field, data: bytes, offset: int, end: int) -> tuple[tuple[Any, ...], int]:
    start = offset
    count, offset = _take_number(data, offset, end, field.bits // 8, field.name)
    _check_range(field, count, start, "items")
    found = []
    for _ in range(count):
        if isinstance(field.item, Field):
            item: Any
            if field.item.kind is Kind.UNSIGNED:
                item, offset = _take_number(data, offset, end, field.item.bits // 8, field.name)
                item = _named(field.item, item)
            else:
                item, offset = _decode_field(cls, field.item, data, offset, end)
        else:
            values, offset = decode_fields(field.item, data, offset, end)
            item = field.item(**values)
        found.append(item)
    return tuple(found), offset


def _decode_tlvs(cls: Any, field: Field, data: bytes, offset: int, limit: int) -> tuple[Any, ...]:
    found: list[Any] = []
    while offset < limit:
        if len(found) == cls.MAXIMUM_TLVS:
            raise WireError(offset, field.name, f"more than {cls.MAXIMUM_TLVS} TLVs")
        code, value_offset = _take_number(data, offset, limit, 2, field.name)
        length, value_offset = _take_number(data, value_offset, limit, 2, field.name)
        after = value_offset + length
        if after > limit:
            raise WireError(value_offset, field.name, f"needs {length} octets, {limit - value_offset} are left")
        known = cls.TLVS.get(code)
        if known is None:
            found.append(cls.UNKNOWN_TLV(code=code, value=data[value_offset:after]))
        else:
            values, used = decode_fields(known, data, value_offset, after)
            if used != after:
                raise WireError(used, known.NAME, f"{after - used} octets after the last field")
            found.append(known(**values))
        offset = after
    return tuple(found)


def _named(field: Field, number: int) -> Any:
    if field.values is None:
        return number
    try:
        return field.values(number)
    except ValueError:
        return number


def _check_range(field: Field, count: int, offset: int, what: str) -> None:
    if not field.minimum <= count <= field.maximum:
        raise WireError(offset, field.name, f"{count} {what}, allowed are {field.minimum}..{field.maximum}")


def _take_number(data: bytes, offset: int, end: int, size: int, name: str) -> tuple[int, int]:
    if offset + size > end:
        raise WireError(offset, name, f"needs {size} octets, {end - offset} are left")
    return int.from_bytes(data[offset : offset + size], "big"), offset + size


def _take_octets(data: bytes, offset: int, end: int, size: int, name: str) -> tuple[bytes, int]:
    if offset + size > end:
        raise WireError(offset, name, f"needs {size} octets, {end - offset} are left")
    return data[offset : offset + size], offset + size


def _take_text(value: bytes, offset: int, name: str) -> str:
    for position, octet in enumerate(value):
        if not 0x20 <= octet <= 0x7E:
            raise WireError(offset + position, name, f"octet 0x{octet:02x} is not printable US-ASCII")
    return value.decode("ascii")


def encode_fields(value: Any, out: bytearray) -> None:
    """Append the fields of a checked value."""
    accumulator = width = 0
    for field in value.LAYOUT.fields:
        if field.kind in (Kind.UNSIGNED, Kind.RESERVED):
            number = 0 if field.kind is Kind.RESERVED else getattr(value, field.name)
            accumulator, width = accumulator << field.bits | number, width + field.bits
            if width % 8 == 0:
                out += accumulator.to_bytes(width // 8, "big")
                accumulator = width = 0
        else:
            _encode_field(field, getattr(value, field.name), out)


def _encode_field(field: Field, value: Any, out: bytearray) -> None:
    match field.kind:
        case Kind.UNSIGNED:
            out += int(value).to_bytes(field.bits // 8, "big")
        case Kind.FIXED | Kind.REST:
            out += value
        case Kind.PREFIXED | Kind.TEXT:
            octets = value.encode("ascii") if field.kind is Kind.TEXT else value
            out += len(octets).to_bytes(field.bits // 8, "big") + octets
        case Kind.RECORD:
            encode_fields(value, out)
        case Kind.LIST:
            out += len(value).to_bytes(field.bits // 8, "big")
            for item in value:
                if isinstance(field.item, Field):
                    _encode_field(field.item, item, out)
                else:
                    encode_fields(item, out)
        case Kind.TLVS:
            body = bytearray()
            for tlv in value:
                inner = bytearray()
                if tlv.CODE:
                    encode_fields(tlv, inner)
                else:  # an UnknownTlv carries its type as a value
                    inner += tlv.value
                code = tlv.CODE or tlv.code
                body += code.to_bytes(2, "big") + len(inner).to_bytes(2, "big") + inner
            out += (len(body).to_bytes(field.bits // 8, "big") if field.bits else b"") + body

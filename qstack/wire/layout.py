"""From field declarations to a layout: order, sizes, and the rules of the language, checked when a class is made.

The rules, so that one pass forwards decodes everything and no table can be written that does not round-trip:

* Bits fill octets: whatever is not a run of bits begins and ends at an octet.
* What runs to the end (TLVs without a length, rest) stands last, and never inside an item of a list or a record.
* A prefix can count what its field may hold, and an item of a list has at least one octet, so a datagram bounds the
  cost of its own decoding.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from qstack.wire.schema import Field, Kind, Layout

__all__ = ["make_layout"]

_BITS = (Kind.UNSIGNED, Kind.RESERVED)
_ITEMS = (Kind.UNSIGNED, Kind.FIXED, Kind.PREFIXED, Kind.TEXT)
_PREFIXES = (8, 16, 24, 32)


def make_layout(name: str, declared: Iterable[tuple[str, Field]]) -> Layout:
    """The layout of the class `name`, of (field name, declaration) in wire order. Breaking a rule is our own bug."""
    fields = tuple(replace(field, name=field_name) for field_name, field in declared)
    for position, field in enumerate(fields):
        _check(name, field)
        last = position == len(fields) - 1
        assert last or not _is_greedy(field), f"{name}.{field.name} runs to the end, but is not the last field"
    _check_octets(name, fields)
    least, most = _sizes(fields)
    return Layout(name, fields, least // 8, None if most is None else most // 8)


def _check(name: str, field: Field) -> None:
    where = f"{name}.{field.name}"
    match field.kind:
        case Kind.UNSIGNED | Kind.RESERVED:
            assert 1 <= field.bits <= 64, f"{where}: 1 to 64 bits"
            known = 0 if field.values is None else max(field.values, default=0)
            assert known < 1 << field.bits, f"{where}: {known} does not fit {field.bits} bits"
        case Kind.FIXED:
            assert field.size > 0, f"{where} is empty"
        case Kind.PREFIXED | Kind.TEXT:
            _check_prefix(where, field)
        case Kind.RECORD:
            assert not _is_open(field.item.LAYOUT), f"{where}: a record in place must know its end"
        case Kind.LIST:
            _check_prefix(where, field)
            _check_item(where, field.item)
        case Kind.TLVS:
            assert field.bits in (0, 16), f"{where}: a list of TLVs has a prefix of 16 bits, or none"
        case Kind.REST:
            pass


def _check_prefix(where: str, field: Field) -> None:
    assert field.bits in _PREFIXES, f"{where}: a prefix has 8, 16, 24 or 32 bits"
    assert 0 <= field.minimum <= field.maximum < 1 << field.bits, f"{where}: its limits do not fit its prefix"


def _check_item(where: str, item: Any) -> None:
    if isinstance(item, Field):
        assert item.kind in _ITEMS, f"{where}: items of a list are numbers, octets, texts or records"
        assert item.kind is not Kind.UNSIGNED or item.bits % 8 == 0, f"{where}: items of a list are whole octets"
        _check(where, item)
    else:
        assert not _is_open(item.LAYOUT), f"{where}: an item must know its end"
        assert item.LAYOUT.minimum_size > 0, f"{where}: an item has at least one octet"


def _is_greedy(field: Field) -> bool:
    return field.kind is Kind.REST or (field.kind is Kind.TLVS and field.bits == 0)


def _is_open(layout: Layout) -> bool:
    return bool(layout.fields) and _is_greedy(layout.fields[-1])


def _check_octets(name: str, fields: tuple[Field, ...]) -> None:
    """Runs of bits fill octets, and no number lies across more than eight of them."""
    at = 0
    for field in fields:
        if field.kind in _BITS:
            span = (at % 8 + field.bits + 7) // 8
            assert span <= 8, f"{name}.{field.name} lies across {span} octets"
            at += field.bits
        assert field.kind in _BITS or at % 8 == 0, f"{name}.{field.name} does not begin at an octet"
    assert at % 8 == 0, f"{name}: fields do not fill whole octets"


def _sizes(fields: Iterable[Field]) -> tuple[int, int | None]:
    """Least and greatest size in bits; None where the datagram alone bounds it."""
    least, most = 0, 0
    bounded = True
    for field in fields:
        low, high = _size(field)
        least += low
        most += high or 0
        bounded = bounded and high is not None
    return least, most if bounded else None


def _size(field: Field) -> tuple[int, int | None]:
    match field.kind:
        case Kind.UNSIGNED | Kind.RESERVED:
            return field.bits, field.bits
        case Kind.FIXED:
            return 8 * field.size, 8 * field.size
        case Kind.PREFIXED | Kind.TEXT:
            return field.bits + 8 * field.minimum, field.bits + 8 * field.maximum
        case Kind.RECORD:
            return _sizes(field.item.LAYOUT.fields)
        case Kind.LIST:
            low, high = _size(field.item) if isinstance(field.item, Field) else _sizes(field.item.LAYOUT.fields)
            return field.bits + low * field.minimum, None if high is None else field.bits + high * field.maximum
        case Kind.TLVS | Kind.REST:
            return field.bits, None

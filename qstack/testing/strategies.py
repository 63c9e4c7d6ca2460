"""Hypothesis strategies made from the declared layouts: whatever may be declared may be drawn.

Not imported by anything else of qstack, so that Hypothesis is needed only where it is used.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import qstack.wire.tables  # noqa: F401  (fills the registries)
from qstack.wire.header import SEAL_OCTETS, EndHeader, Header, encode_datagram
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Kind
from qstack.wire.value import Message, Record, Tlv, UnknownTlv, message_classes

__all__ = ["datagrams", "messages", "values"]

_R = TypeVar("_R", bound=Record)

_FIRST_LOCAL_PROTOCOL = 64
_FEW = 6  # items drawn above the smallest count: enough to find what order and number can break
_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def values(cls: type[_R]) -> SearchStrategy[_R]:
    """Values of a declared class: every field in its limits, known and unknown codes, known and unknown TLVs."""
    fields = {f.name: _field(cls, f) for f in cls.LAYOUT.fields if f.kind is not Kind.RESERVED}
    return st.fixed_dictionaries(fields).map(lambda drawn: cls(**drawn))


def messages(protocol: Protocol) -> SearchStrategy[Message]:
    """Messages of a protocol."""
    return st.one_of([values(cls) for cls in message_classes(protocol).values()])


def datagrams(protocols: Sequence[Protocol] = ()) -> SearchStrategy[bytes]:
    """Whole datagrams with right lengths, sealed (by a tag of any octets) or not, nested in an end header or not.

    `protocols`: of the payload; by default all that cross UDP and declare messages.
    """
    chosen = protocols or [p for p in Protocol if p < _FIRST_LOCAL_PROTOCOL and message_classes(p)]
    return st.sampled_from(chosen).flatmap(_datagrams_of)


@st.composite
def _datagrams_of(draw: st.DrawFn, protocol: Protocol) -> bytes:
    header: Header = draw(values(Header)).replace(version=1, next_protocol=protocol)
    parts: list[Record | bytes] = [draw(messages(protocol))]
    if draw(st.booleans()):
        header = header.replace(next_protocol=Protocol.END)
        end = draw(values(EndHeader)).replace(next_protocol=protocol)
        parts = [end, *parts, draw(_octets(SEAL_OCTETS, SEAL_OCTETS))]
    if header.epoch:
        parts.append(draw(_octets(SEAL_OCTETS, SEAL_OCTETS)))
    return encode_datagram(header, *parts)


def _field(owner: type[Record], field: Field) -> SearchStrategy[Any]:
    match field.kind:
        case Kind.UNSIGNED:
            return _numbers(field)
        case Kind.FIXED:
            return _octets(field.size, field.size)
        case Kind.PREFIXED:
            return _octets(field.minimum, field.maximum)
        case Kind.TEXT:
            return st.text(_PRINTABLE, min_size=field.minimum, max_size=_few(field))
        case Kind.RECORD:
            return values(field.item)
        case Kind.LIST:
            item = _field(owner, field.item) if isinstance(field.item, Field) else values(field.item)
            return st.lists(item, min_size=field.minimum, max_size=_few(field)).map(tuple)
        case Kind.TLVS:
            return st.lists(_tlvs(owner), max_size=_FEW).map(tuple)
        case Kind.REST:
            return st.binary(max_size=64)
        case _:
            raise AssertionError(field.kind)


def _numbers(field: Field) -> SearchStrategy[int]:
    greatest = (1 << field.bits) - 1
    numbers = st.one_of(st.integers(0, greatest), st.sampled_from((0, 1, greatest)))
    if field.values is None or not len(field.values):
        return numbers
    return st.one_of(st.sampled_from(list(field.values)), numbers)


def _octets(least: int, most: int) -> SearchStrategy[bytes]:
    return st.binary(min_size=least, max_size=min(most, least + 64))


def _few(field: Field) -> int:
    return min(field.maximum, field.minimum + _FEW)


def _tlvs(owner: type[Record]) -> SearchStrategy[Tlv | UnknownTlv]:
    unknown = values(UnknownTlv).filter(lambda tlv: tlv.code not in owner.TLVS)
    return st.one_of([unknown, *(values(cls) for cls in owner.TLVS.values())])

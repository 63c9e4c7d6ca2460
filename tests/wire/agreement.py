"""The invariant of the codec, on one input: the compiled codec and the plain one give the same value or the same
`WireError`, nothing else is raised, and what decodes encodes to the same octets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qstack.base.errors import WireError
from qstack.wire import reference
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Kind
from qstack.wire.value import Message, Record, decode_message_untrusted, decode_record_untrusted

__all__ = ["check_message", "check_prefix", "check_whole"]


def check_whole(cls: type[Record], octets: bytes) -> Record | None:
    """Decode `octets` as one value of `cls`, by both codecs; give it, or None where they refused alike."""
    found = outcome(lambda: cls.decode_untrusted(octets))
    assert_same(found, outcome(lambda: reference.decode_untrusted(cls, octets)))
    if isinstance(found, WireError):
        return None
    assert found.encode() == octets == reference.encode(found)
    return found  # type: ignore[no-any-return]


def check_message(protocol: Protocol, octets: bytes) -> Message | None:
    """Decode `octets` as a message of `protocol`, by both codecs."""
    found = outcome(lambda: decode_message_untrusted(protocol, octets))
    assert_same(found, outcome(lambda: reference.decode_message_untrusted(protocol, octets)))
    if isinstance(found, WireError):
        return None
    assert found.encode() == octets == reference.encode(found)
    return found  # type: ignore[no-any-return]


def check_prefix(cls: type[Record], octets: bytes, offset: int, end: int) -> None:
    """Decode the fields of `cls` somewhere inside `octets`, by both codecs."""
    found = outcome(lambda: decode_record_untrusted(cls, octets, offset, end))
    assert_same(found, outcome(lambda: reference.decode_record_untrusted(cls, octets, offset, end)))
    if not isinstance(found, WireError):
        value, behind = found
        assert value.encode()[issubclass(cls, Message) :] == octets[offset:behind]


def outcome(decode: Callable[[], Any]) -> Any:
    """What a decoder returns, or the `WireError` it raises. Anything else that it raises is a failed test."""
    try:
        return decode()
    except WireError as error:
        return error


def assert_same(compiled: Any, plain: Any) -> None:
    if isinstance(compiled, WireError) and isinstance(plain, WireError):
        assert (compiled.offset, compiled.field, compiled.reason) == (plain.offset, plain.field, plain.reason)
        return
    assert compiled == plain
    assert shape(compiled) == shape(plain)


def shape(value: Any) -> Any:
    """The types of a value and of all it holds: an enumeration's member equals the number, but is more."""
    if isinstance(value, Record):
        fields = (field for field in value.LAYOUT.fields if field.kind is not Kind.RESERVED)
        return type(value), [shape(getattr(value, field.name)) for field in fields]
    return [shape(item) for item in value] if isinstance(value, tuple) else type(value)

"""What another reader of the same octets has to say: values of the codec, walked field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, NamedTuple

from qstack.base.errors import WireError
from qstack.base.ids import format_qna
from qstack.dissect.catalogue import is_address, singular, snake
from qstack.wire.header import SEAL_OCTETS, EndHeader, Header, HeaderFlag, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.value import (
    Message,
    Record,
    Tlv,
    UnknownTlv,
    decode_message_untrusted,
    decode_record_untrusted,
    message_classes,
)


@dataclass(frozen=True)
class Decoded:
    """A datagram as the codec reads it. `message` is None where there is none, or it is encrypted."""

    header: Header
    end: EndHeader | None
    message: Message | None
    ciphertext: bytes
    tag: bytes
    end_tag: bytes


def decode_datagram(datagram: bytes) -> Decoded:
    """Header, end header and message of a datagram; raises `WireError`."""
    header, at = decode_header_untrusted(datagram)
    limit = len(datagram) - (SEAL_OCTETS if header.epoch else 0)
    flags, protocol, end, end_tag = header.flags, header.next_protocol, None, b""
    if protocol == Protocol.END and not flags & HeaderFlag.ENCRYPTED:
        end, at = decode_record_untrusted(EndHeader, datagram, at, limit)
        limit -= SEAL_OCTETS
        if limit < at or end.next_protocol == Protocol.END:
            raise WireError(at, "end", "no room for the tag, or an end seal inside an end seal")
        flags, protocol, end_tag = end.flags, end.next_protocol, datagram[limit : limit + SEAL_OCTETS]
    tag = datagram[-SEAL_OCTETS:] if header.epoch else b""
    payload = datagram[at:limit]
    if flags & HeaderFlag.ENCRYPTED:
        return Decoded(header, end, None, payload, tag, end_tag)
    message = decode_message_untrusted(protocol, payload) if _has_messages(protocol) else None
    return Decoded(header, end, message, b"", tag, end_tag)


def _has_messages(protocol: int) -> bool:
    return protocol < 64 and protocol in set(Protocol) and bool(message_classes(Protocol(protocol)))


def is_refused(datagram: bytes) -> bool:
    try:
        decode_datagram(datagram)
    except WireError:
        return True
    return False


class Shown(NamedTuple):
    """One value in Wireshark's tree: the names its filter may have, and the value."""

    filters: tuple[str, ...]
    value: Any


def shown_datagram(decoded: Decoded) -> Iterator[Shown]:
    """All values that Wireshark shows of a datagram, in the order of the tree."""
    yield from shown_fields(decoded.header, "qstack")
    if decoded.end is not None:
        yield from shown_fields(decoded.end, "qstack.end")
    if decoded.message is not None:
        prefix = f"qstack.{decoded.message.PROTOCOL.name.lower()}"
        yield Shown((f"{prefix}.message_code",), decoded.message.CODE)
        yield from shown_fields(decoded.message, prefix)
    if decoded.ciphertext:
        yield Shown(("qstack.ciphertext",), decoded.ciphertext)
    if decoded.end is not None:
        yield Shown(("qstack.end.tag",), decoded.end_tag)
    if decoded.tag:
        yield Shown(("qstack.tag",), decoded.tag)


def shown_fields(value: Record, prefix: str) -> Iterator[Shown]:
    for field in value.LAYOUT.fields:
        if field.kind is not Kind.RESERVED:
            base = singular(field.name) if field.kind is Kind.LIST else field.name
            filters = (f"{prefix}.{base}", f"{prefix}.{snake(value.NAME)}.{base}")
            yield from _shown_field(field, getattr(value, field.name), prefix, filters)


def _shown_field(field: Field, value: Any, prefix: str, filters: tuple[str, ...]) -> Iterator[Shown]:
    match field.kind:
        case Kind.UNSIGNED:
            yield Shown(filters, _shown_number(field, value))
            if field.values is not None and issubclass(field.values, IntFlag):
                for flag in sorted(field.values, reverse=True):
                    yield Shown(_part(filters, str(flag.name).lower()), bool(value & flag))
        case Kind.FIXED if is_address(field):
            yield Shown(filters, _Address(value))
        case Kind.FIXED | Kind.REST:
            yield Shown(filters, value)
        case Kind.PREFIXED | Kind.TEXT:
            yield Shown(filters, value)
            yield Shown(_part(filters, "length"), len(value))
        case Kind.RECORD:
            yield from shown_fields(value, prefix)
        case Kind.LIST:
            yield Shown(_part(filters, "count"), len(value))
            for item in value:
                if isinstance(field.item, Field):
                    yield from _shown_field(field.item, item, prefix, filters)
                else:
                    yield from shown_fields(item, prefix)
        case Kind.TLVS:
            if field.bits:
                yield Shown(_part(filters, "length"), sum(4 + len(_tlv_body(tlv)) for tlv in value))
            for tlv in value:
                yield from shown_tlv(tlv)


class _Address(bytes):
    """Octets that are shown as an IP address."""


def _shown_number(field: Field, value: int) -> Any:
    if field.form is Form.QNA:
        return format_qna(value)
    if field.form is Form.FIDELITY:
        return value / 65535
    return bool(value) if field.form is Form.BOOLEAN else int(value)


def _part(filters: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{one}.{name}" for one in filters)


def _tlv_body(tlv: Tlv | UnknownTlv) -> bytes:
    return tlv.value if isinstance(tlv, UnknownTlv) else tlv.encode()


def shown_tlv(tlv: Tlv | UnknownTlv) -> Iterator[Shown]:
    code = tlv.code if isinstance(tlv, UnknownTlv) else tlv.CODE
    yield Shown(("qstack.tlv.type",), code)
    yield Shown(("qstack.tlv.critical",), code >= 0x8000)
    yield Shown(("qstack.tlv.length",), len(_tlv_body(tlv)))
    if isinstance(tlv, UnknownTlv):
        yield Shown(("qstack.tlv.value",), tlv.value)
    else:
        family = "" if tlv.NAMESPACE is Protocol.HEADER else f".{tlv.NAMESPACE.name.lower()}"
        yield from shown_fields(tlv, f"qstack{family}.{snake(tlv.NAME.removesuffix('Tlv'))}")

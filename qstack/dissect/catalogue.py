"""All that is declared, in a fixed order, with what every renderer asks of it: names, runs of bits, records used."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import qstack.wire.tables  # noqa: F401  (fills the registries)
from qstack.wire.header import EndHeader, Header
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Form, Kind, Layout
from qstack.wire.value import Message, Record, Tlv, message_classes, tlv_classes

__all__ = [
    "FIRST_LOCAL_PROTOCOL", "Member", "Run", "crosses_udp", "is_address", "is_boolean", "messages", "namespaces",
    "records", "singular", "snake", "steps", "structures", "title", "tlvs",
]  # fmt: skip

FIRST_LOCAL_PROTOCOL = 64
"""Protocols from here on never cross UDP."""


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a run of bits, `at` bits after the start of the run."""

    field: Field
    at: int


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring fields that only together fill whole octets."""

    octets: int
    members: tuple[Member, ...]


def namespaces() -> tuple[Protocol, ...]:
    """The protocols that declare messages or TLVs, by number. Nothing real is declared in NONE."""
    return tuple(p for p in Protocol if p is not Protocol.NONE and (message_classes(p) or tlv_classes(p)))


def crosses_udp(protocol: Protocol) -> bool:
    """Whether messages of a protocol are seen in captures."""
    return protocol < FIRST_LOCAL_PROTOCOL


def messages(protocol: Protocol) -> tuple[type[Message], ...]:
    """The messages of a protocol, by code."""
    return tuple(cls for _, cls in sorted(message_classes(protocol).items()))


def tlvs(namespace: Protocol) -> tuple[type[Tlv], ...]:
    """The TLVs of a namespace, by code without the critical bit."""
    return tuple(cls for _, cls in sorted(tlv_classes(namespace).items(), key=lambda entry: entry[0] & 0x7FFF))


def records(cls: type[Record]) -> Iterator[type[Record]]:
    """The records that `cls` holds, each before whoever holds it; one record may come twice."""
    for field in cls.LAYOUT.fields:
        if field.kind in (Kind.RECORD, Kind.LIST) and not isinstance(field.item, Field):
            yield from records(field.item)
            yield field.item


def structures(namespace: Protocol) -> tuple[type[Record], ...]:
    """Everything with fields of its own in a namespace, each once, records before whoever holds them."""
    tops: list[type[Record]] = [*tlvs(namespace), *messages(namespace)]
    if namespace is Protocol.HEADER:
        tops = [Header, EndHeader, *tops]
    return tuple(dict.fromkeys(found for top in tops for found in (*records(top), top)))


def steps(layout: Layout) -> Iterator[Field | Run]:
    """The fields in order; those that are not whole octets, and what must be zero, gathered into runs."""
    run: list[Member] = []
    width = 0
    for field in layout.fields:
        if field.kind is Kind.RESERVED or (field.kind is Kind.UNSIGNED and (width or field.bits % 8)):
            run.append(Member(field, width))
            width += field.bits
            if width % 8 == 0:
                yield Run(width // 8, tuple(run))
                run, width = [], 0
        else:
            assert width == 0, f"{layout.name}.{field.name} does not begin at an octet"
            yield field


def is_boolean(field: Field) -> bool:
    """Whether a field is one bit that is shown as true or false."""
    return field.form is Form.BOOLEAN and field.bits == 1


def is_address(field: Field) -> bool:
    """Whether a field is the octets of an IPv4 or IPv6 address; told by its name."""
    return field.kind is Kind.FIXED and field.name == "address" and field.size in (4, 16)


def snake(name: str) -> str:
    """`CreateRequest` to `create_request`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def title(name: str, unit: str = "") -> str:
    """`hop_limit` to `Hop limit`, `guard_ns` to `Guard` (the unit is shown behind the value)."""
    words = name.strip("_").removesuffix(f"_{unit}").split("_")
    spelled = [_SPELLED.get(word, word) for word in words]
    return " ".join([spelled[0][:1].upper() + spelled[0][1:], *spelled[1:]])


_SPELLED: dict[str, Any] = {
    word.lower(): word for word in ("AS", "CA", "ECN", "EPR", "ID", "IP", "IPv4", "IPv6", "QNA", "QUI", "QUIs", "TLS",
                                    "TLV", "TLVs", "UDP", "URI", "URL", "URN", "URNs")
}  # fmt: skip


def singular(name: str) -> str:
    """What one item of a list is called: `urns` to `urn`, `entries` to `entry`, `addresses` to `address`."""
    if name.endswith("ies"):
        return name[:-3] + "y"
    if name.endswith(("sses", "shes", "ches", "xes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name

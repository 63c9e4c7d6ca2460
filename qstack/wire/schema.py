"""The language in which formats are declared.

A format is a class whose annotations carry field declarations; the order of declaration is the order on the wire,
everything is big-endian, most significant bit first:

    class EchoRequest(Message, protocol=Protocol.HEADER, code=1):
        '''Ask a node whether it is there.'''

        identifier: int = u16("names the asker's series", req="HEADER-6.1-1")
        sequence: int = u16("number of this request in its series", req="HEADER-6.1-1")

The language is closed on purpose: there is no conditional field and no Python expression in a table. What is optional
is a TLV. From the resulting `Layout` come encoding, decoding, limits, the Scapy layer, the Lua dissector, the bit
diagram, the field table and the Hypothesis strategy.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag, unique
from typing import Any, Literal

__all__ = [
    "Field", "Form", "Kind", "Layout", "boolean", "cycle", "domain_time", "enum", "fidelity", "flags", "items", "label",
    "octets", "prefixed", "qna", "qui", "record", "reserved", "rest", "text", "tlvs", "u8", "u16", "u24", "u32", "u64",
    "unsigned",
]  # fmt: skip


@unique
class Kind(Enum):
    """What a field is on the wire."""

    UNSIGNED = "unsigned"  # `bits` wide, 1..64
    RESERVED = "reserved"  # `bits` wide, must be zero, has no value
    FIXED = "fixed"  # `size` octets
    PREFIXED = "prefixed"  # length prefix of `bits`, then that many octets
    TEXT = "text"  # as PREFIXED, printable US-ASCII
    RECORD = "record"  # another layout, in place
    LIST = "list"  # count prefix of `bits`, then that many items
    TLVS = "tlvs"  # TLVs; `bits` > 0: length prefix in octets; 0: to the end
    REST = "rest"  # octets to the end


@unique
class Form(Enum):
    """How a value is shown to people."""

    NUMBER = "number"
    HEX = "hex"
    QNA = "qna"
    DOMAIN_TIME = "domain_time"
    FIDELITY = "fidelity"
    BOOLEAN = "boolean"
    OCTETS = "octets"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field. `name` is set when the class is built."""

    kind: Kind
    meaning: str
    bits: int = 0
    size: int = 0
    unit: str = ""
    req: str = ""
    form: Form = Form.NUMBER
    values: type[IntEnum] | type[IntFlag] | None = None
    item: Any = None  # Field of a scalar kind, or a Record class, for LIST; a Record class for RECORD
    minimum: int = 0  # shortest length or smallest count
    maximum: int = 0  # longest length or largest count
    default: Any = None  # None: the field must be given
    name: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The ordered fields of one declared class, with their derived sizes in octets."""

    name: str
    fields: tuple[Field, ...]
    minimum_size: int
    maximum_size: int | None  # None: bounded by the datagram alone


def unsigned(
    bits: int, meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None
) -> Any:
    """An unsigned integer of 1..64 bits."""
    return Field(Kind.UNSIGNED, meaning, bits=bits, unit=unit, req=req, form=form, default=default)


def u8(meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None) -> Any:
    """8 bits."""
    return unsigned(8, meaning, unit=unit, req=req, form=form, default=default)


def u16(meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None) -> Any:
    """16 bits."""
    return unsigned(16, meaning, unit=unit, req=req, form=form, default=default)


def u24(meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None) -> Any:
    """24 bits."""
    return unsigned(24, meaning, unit=unit, req=req, form=form, default=default)


def u32(meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None) -> Any:
    """32 bits."""
    return unsigned(32, meaning, unit=unit, req=req, form=form, default=default)


def u64(meaning: str, *, unit: str = "", req: str = "", form: Form = Form.NUMBER, default: int | None = None) -> Any:
    """64 bits."""
    return unsigned(64, meaning, unit=unit, req=req, form=form, default=default)


def boolean(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """One bit, shown as a flag; its value is the int 0 or 1."""
    return Field(Kind.UNSIGNED, meaning, bits=1, req=req, form=Form.BOOLEAN, default=default)


def qna(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A quantum network address, 64 bits."""
    return unsigned(64, meaning, req=req, form=Form.QNA, default=default)


def qui(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A quantum unit identifier, 64 bits."""
    return unsigned(64, meaning, req=req, form=Form.HEX, default=default)


def label(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A circuit label, 32 bits."""
    return unsigned(32, meaning, req=req, form=Form.HEX, default=default)


def cycle(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A link's cycle number, 64 bits."""
    return unsigned(64, meaning, unit="cycles", req=req, default=default)


def domain_time(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """An instant of domain time: TAI nanoseconds, 64 bits."""
    return unsigned(64, meaning, unit="ns", req=req, form=Form.DOMAIN_TIME, default=default)


def fidelity(meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A fidelity as 16-bit fixed point, 65535 standing for 1."""
    return unsigned(16, meaning, unit="1/65535", req=req, form=Form.FIDELITY, default=default)


def enum(bits: int, values: type[IntEnum], meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A code point. A code that `values` does not name stays a plain int and survives a round trip."""
    return Field(Kind.UNSIGNED, meaning, bits=bits, req=req, values=values, default=default)


def flags(bits: int, values: type[IntFlag], meaning: str, *, req: str = "", default: int | None = None) -> Any:
    """A set of bits. Unknown bits survive a round trip."""
    return Field(Kind.UNSIGNED, meaning, bits=bits, req=req, form=Form.HEX, values=values, default=default)


def reserved(bits: int, *, init: Literal[False] = False) -> Any:
    """Bits that must be zero. They have no value; a datagram that sets one does not decode."""
    assert init is False
    return Field(Kind.RESERVED, "must be zero", bits=bits)


def octets(size: int, meaning: str, *, req: str = "", default: bytes | None = None) -> Any:
    """Exactly `size` octets."""
    return Field(Kind.FIXED, meaning, size=size, req=req, form=Form.OCTETS, default=default)


def prefixed(
    length_bits: int, meaning: str, *, maximum: int, minimum: int = 0, req: str = "", default: bytes | None = None
) -> Any:
    """Octets behind a length prefix of 8, 16 or 32 bits."""
    return Field(Kind.PREFIXED, meaning, bits=length_bits, minimum=minimum, maximum=maximum, req=req,
                 form=Form.OCTETS, default=default)  # fmt: skip


def text(
    length_bits: int, meaning: str, *, maximum: int, minimum: int = 0, req: str = "", default: str | None = None
) -> Any:
    """Printable US-ASCII (0x20..0x7E) behind a length prefix."""
    return Field(Kind.TEXT, meaning, bits=length_bits, minimum=minimum, maximum=maximum, req=req, form=Form.TEXT,
                 default=default)  # fmt: skip


def record(layout: type, meaning: str, *, req: str = "") -> Any:
    """Another declared record, in place."""
    return Field(Kind.RECORD, meaning, item=layout, req=req)


def items(
    count_bits: int, item: Any, meaning: str, *, maximum: int, minimum: int = 0, req: str = "",
    default: tuple[Any, ...] | None = None,
) -> Any:  # fmt: skip
    """A tuple behind a count prefix. `item`: a `Record` class, or a field declaration of kind unsigned, fixed,
    prefixed or text."""
    return Field(Kind.LIST, meaning, bits=count_bits, item=item, minimum=minimum, maximum=maximum, req=req,
                 default=default)  # fmt: skip


def tlvs(length_bits: int, meaning: str, *, req: str = "", default: tuple[Any, ...] | None = ()) -> Any:
    """A tuple of TLVs: behind a length prefix (16 bits), or to the end (0)."""
    return Field(Kind.TLVS, meaning, bits=length_bits, req=req, default=default)


def rest(meaning: str, *, req: str = "", default: bytes | None = None) -> Any:
    """Octets to the end. Only as last field."""
    return Field(Kind.REST, meaning, req=req, form=Form.OCTETS, default=default)

"""The quantum packet header, its TLVs, the nested end header, and the header's own messages (echo, error).

rfc_notes/header.md is the text of which this file is the table (HEADER-3, HEADER-4).
"""

from enum import IntEnum, IntFlag, unique

from qstack.base.errors import ErrorCode, WireError
from qstack.base.ids import Epoch, Label, Qna, Qui
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    Form,
    boolean,
    domain_time,
    enum,
    fidelity,
    flags,
    items,
    label,
    prefixed,
    qna,
    qui,
    reserved,
    text,
    tlvs,
    u8,
    u16,
    u32,
    u64,
    unsigned,
)  # fmt: skip
from qstack.wire.value import Message, Record, Tlv, decode_record_untrusted, encode_parts

__all__ = [
    "BASE_DATAGRAM_OCTETS", "END_SIZE", "HEADER_SIZE", "SEAL_OCTETS", "VERSION", "DelayTlv", "EchoReply", "EchoRequest",
    "Encoding", "EndHeader", "ErrorReport", "ExchangeTlv", "Header", "HeaderFlag", "QuantumPayloadTlv", "TraceHop",
    "TraceTlv", "TrafficClass", "decode_header_untrusted", "encode_datagram",
]  # fmt: skip

VERSION = 1
HEADER_SIZE = 40
END_SIZE = 16
SEAL_OCTETS = 16
"""Length of the authentication tag that closes a sealed datagram."""
BASE_DATAGRAM_OCTETS = 1_232
"""What fits any path: IPv6's 1,280 less IPv6 and UDP headers (RFC 8200 section 5)."""


@unique
class TrafficClass(IntEnum):
    """What kind of haste a datagram has (header note, section 4.2)."""

    BEST_EFFORT = 0
    HERALD = 1  # generation, heralds, swap outcomes: a lost millisecond is lost fidelity
    SIGNALLING = 2
    MANAGEMENT = 3


@unique
class HeaderFlag(IntFlag):
    """Flags of the header and of the end header."""

    KEY_PHASE = 0x01  # which generation of the epoch's key sealed this datagram
    ENCRYPTED = 0x02  # the payload is encrypted, not only authenticated


class Header(Record, tlvs_of=Protocol.HEADER):
    """The fixed 40 octets and the TLVs behind them. QNAs are those of the ends, not of the hop."""

    version: int = unsigned(4, "header version", req="HEADER-4.1-1", default=VERSION)
    traffic_class: int = enum(4, TrafficClass, "haste of the datagram", req="HEADER-4.1-2", default=0)
    next_protocol: int = enum(8, Protocol, "what the payload is", req="HEADER-4.1-3")
    hop_limit: int = u8("hops that are left", req="HEADER-4.1-4", default=64)
    flags: int = flags(8, HeaderFlag, "key phase, encryption", req="HEADER-4.1-5", default=0)
    length: int = u16("of the whole datagram, tag included", unit="octets", req="HEADER-4.1-6", default=0)
    source: Qna = qna("end that sent it", req="HEADER-4.1-7")
    destination: Qna = qna("end that it is for", req="HEADER-4.1-7")
    label: Label = label("circuit on this hop, 0 for none", req="HEADER-4.1-8", default=0)
    epoch: Epoch = u32("receiver's name of the session, 0 for unsealed", req="HEADER-4.1-9", default=0, form=Form.HEX)
    packet_number: int = u64("number of the datagram in its epoch and direction", req="HEADER-4.1-10", default=0)
    options: tuple[Tlv, ...] = tlvs(16, "header TLVs", req="HEADER-4.1-11", default=())


class EndHeader(Record, tlvs_of=Protocol.HEADER):
    """The nested header of the end seal: what lies behind it is between the two ends alone."""

    next_protocol: int = enum(8, Protocol, "what the payload is", req="HEADER-5.1-1")
    flags: int = flags(8, HeaderFlag, "key phase, encryption", req="HEADER-5.1-1", default=0)
    epoch: Epoch = u32("receiver's name of the end session", req="HEADER-5.1-2", form=Form.HEX)
    packet_number: int = u64("number in its epoch and direction", req="HEADER-5.1-2")
    options: tuple[Tlv, ...] = tlvs(16, "TLVs between the ends", req="HEADER-5.1-3", default=())


class ExchangeTlv(Tlv, namespace=Protocol.HEADER, code=1):
    """Position in the reliable flow between two parties of one epoch; sequence 0 acknowledges only."""

    sequence: int = u32("of the message behind this header, 0 for none", req="HEADER-4.4-1")
    acknowledged: int = u32("all up to here have arrived", req="HEADER-4.4-2")


@unique
class Encoding(IntEnum):
    """How a qubit is written into light (header note, section 4.5)."""

    UNSPECIFIED = 0
    POLARISATION = 1
    TIME_BIN = 2
    DUAL_RAIL = 3
    SINGLE_RAIL = 4
    FREQUENCY_BIN = 5


class QuantumPayloadTlv(Tlv, namespace=Protocol.HEADER, code=0x8002):
    """Quantum payload descriptor: makes the datagram the header (or trailer) of a hybrid frame [PSQN22]."""

    qui: Qui = qui("which qubits travel", req="HEADER-4.5-1")
    count: int = u16("number of qubits", req="HEADER-4.5-1")
    encoding: int = enum(8, Encoding, "how they are written into light", req="HEADER-4.5-2")
    trailer: int = boolean("this datagram is the trailer of the frame", req="HEADER-4.5-3", default=0)
    _spare: int = reserved(7)
    channel: int = u32("optical channel, central frequency", unit="GHz", req="HEADER-4.5-2")
    guard_ns: int = u32("time between header and payload", unit="ns", req="HEADER-4.5-4")
    duration_ns: int = u32("length of the payload", unit="ns", req="HEADER-4.5-4")
    leaves: int = domain_time("instant at which the payload leaves", req="HEADER-4.5-5")
    required_fidelity: int = fidelity("below it the payload is of no use", req="HEADER-4.5-6", default=0)


class DelayTlv(Tlv, namespace=Protocol.HEADER, code=3):
    """When the datagram left its sender: lets the receiver estimate one-way delay."""

    departed: int = domain_time("instant of sending", req="HEADER-4.6-1")


class TraceHop(Record):
    """One hop of a trace."""

    node: Qna = qna("forwarder, or the border that speaks for its domain", req="HEADER-6.3-1")
    arrived: int = domain_time("instant of arrival there", req="HEADER-6.3-1")


class TraceTlv(Tlv, namespace=Protocol.HEADER, code=4):
    """Asks every forwarder to write itself down; borders write themselves for their domain."""

    limit: int = u8("hops that may be written", req="HEADER-6.3-2")
    hops: tuple[TraceHop, ...] = items(8, TraceHop, "written so far", maximum=32, req="HEADER-6.3-2", default=())


class EchoRequest(Message, protocol=Protocol.HEADER, code=1):
    """Ask a node whether it is there. Between ends: under the end seal when there is one."""

    identifier: int = u32("names the asker's series", req="HEADER-6.1-1", form=Form.HEX)
    sequence: int = u32("number in the series", req="HEADER-6.1-1")
    data: bytes = prefixed(16, "echoed unchanged", maximum=1024, req="HEADER-6.1-2", default=b"")


class EchoReply(
    Message, protocol=Protocol.HEADER, code=2, answers=("EchoRequest",), matched_by=("identifier", "sequence")
):
    """The answer to an echo request."""

    identifier: int = u32("of the request", req="HEADER-6.1-1", form=Form.HEX)
    sequence: int = u32("of the request", req="HEADER-6.1-1")
    data: bytes = prefixed(16, "of the request", maximum=1024, req="HEADER-6.1-2", default=b"")


class ErrorReport(Message, protocol=Protocol.HEADER, code=3):
    """Why a datagram went no further. Never sent in answer to an error, nor to what was not sealed."""

    reason: int = enum(8, ErrorCode, "what went wrong", req="HEADER-6.2-1")
    protocol: int = enum(8, Protocol, "of the datagram that failed", req="HEADER-6.2-2")
    offset: int = u16("where decoding stopped", unit="octets", req="HEADER-6.2-2", default=0)
    reporter: Qna = qna("node, or the border that speaks for its domain", req="HEADER-6.2-3")
    destination: Qna = qna("whom the failed datagram was for", req="HEADER-6.2-3")
    packet_number: int = u64("of the failed datagram on the hop it came by, 0 where unknown", req="HEADER-6.2-2",
                             default=0)  # fmt: skip
    text: str = text(8, "for people", maximum=200, req="HEADER-6.2-4", default="")


_LENGTH_AT = 4
"""Octet at which the header's `length` stands."""


def encode_datagram(header: Header, *parts: Record | bytes, tag_octets: int = 0) -> bytes:
    """Encode a header and what follows it, `length` set to the whole and `tag_octets` more, which are to be appended.

    `parts`: end header, message, octets, in wire order. Raises `LocalMisuse` (TOO_BIG) beyond 65,535 octets.
    """
    return encode_parts((header, *parts), _LENGTH_AT, tag_octets)


def decode_header_untrusted(datagram: bytes) -> tuple[Header, int]:
    """Decode and check the header of a datagram; give it and the offset of the payload.

    Checked: version, that `length` is the datagram's length, that a sealed datagram has room for its tag.
    """
    header, offset = decode_record_untrusted(Header, datagram, 0, len(datagram))
    if header.version != VERSION:
        raise WireError(0, "version", f"is {header.version}, this node speaks {VERSION}")
    if header.length != len(datagram):
        raise WireError(4, "length", f"says {header.length} octets, the datagram has {len(datagram)}")
    if header.epoch and len(datagram) - offset < SEAL_OCTETS:
        raise WireError(offset, "tag", f"needs {SEAL_OCTETS} octets, {len(datagram) - offset} are left")
    return header, offset

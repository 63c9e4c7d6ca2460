"""Messages of address resolution: rfc_notes/qarp.md.

Question, Probe and Announcement are padded by their senders to `PADDED_OCTETS`, the size of the largest answer, so that
no answer is larger than what it answers.
"""

from enum import IntFlag, unique

from qstack.base.ids import Qna
from qstack.wire.protocols import Protocol
from qstack.wire.schema import flags, items, octets, qna, record, rest, u8, u16, u32
from qstack.wire.value import Message, Record, Tlv

__all__ = [
    "MAXIMUM_LOCATORS", "NONCE_OCTETS", "PADDED_OCTETS", "Announcement", "Answer", "Capability", "Conflict",
    "Description", "Ipv4Locator", "Ipv6Locator", "PaddingTlv", "Probe", "Question", "Whereabouts",
]  # fmt: skip

NONCE_OCTETS = 16
MAXIMUM_LOCATORS = 8
"""Of one address family, in one message."""
PADDED_OCTETS = 243
"""Payload of the largest answer: code 1, nonce 16, target 8, whereabouts 10 + 8 * 7 + 8 * 19."""


@unique
class Capability(IntFlag):
    """What a node's quantum device can do (qarp note, section 4.8)."""

    STATION = 0x01  # heralds for links: joint measurement of photons that two others send
    MEMORY = 0x02  # keeps qubits
    SWAP = 0x04  # Bell measurement on two qubits of its own
    PURIFICATION = 0x08  # gates between its own qubits, and comparing outcomes
    DETECTION = 0x10  # measures photons that arrive, without a memory
    TIME_TAGS = 0x20  # tells when photons arrived
    ENCODING = 0x40  # its pairs are logical ones, corrected against errors: repeater of generation 2 or 3
    ONE_WAY = 0x80  # encoded against loss as well, so that nobody waits for an answer: generation 3


class Ipv4Locator(Record):
    """A UDP locator over IPv4."""

    preference: int = u8("smaller is preferred", req="QARP-4.8-3", default=0)
    port: int = u16("UDP port", req="QARP-4.8-4")
    address: bytes = octets(4, "IPv4 address", req="QARP-4.8-4")


class Ipv6Locator(Record):
    """A UDP locator over IPv6."""

    preference: int = u8("smaller is preferred", req="QARP-4.8-3", default=0)
    port: int = u16("UDP port", req="QARP-4.8-4")
    address: bytes = octets(16, "IPv6 address", req="QARP-4.8-4")


class Whereabouts(Record):
    """Where a node is, on the classical network and at its device."""

    capabilities: int = flags(32, Capability, "what the device can do", req="QARP-4.8-2", default=0)
    device_port: int = u32("port of the device at which the fibre ends, 0 for none", req="QARP-4.8-1", default=0)
    ipv4: tuple[Ipv4Locator, ...] = items(
        8, Ipv4Locator, "locators over IPv4", maximum=MAXIMUM_LOCATORS, req="QARP-4.8-3", default=()
    )
    ipv6: tuple[Ipv6Locator, ...] = items(
        8, Ipv6Locator, "locators over IPv6", maximum=MAXIMUM_LOCATORS, req="QARP-4.8-3", default=()
    )


class PaddingTlv(Tlv, namespace=Protocol.QARP, code=1):
    """Makes a message as long as the largest answer to it."""

    zeros: bytes = rest("without meaning", req="QARP-4.9-1", default=b"")


class Question(Message, protocol=Protocol.QARP, code=1):
    """Who is `target`? Unsealed on a segment; under the hop seal: are you still there?"""

    nonce: bytes = octets(NONCE_OCTETS, "to be echoed", req="QARP-4.1-2")
    target: Qna = qna("who is looked for", req="QARP-4.1-3")


class Answer(Message, protocol=Protocol.QARP, code=2, answers=("Question",), matched_by=("nonce", "target")):
    """I am. Unsealed it is a hint; under the hop seal it is believed."""

    nonce: bytes = octets(NONCE_OCTETS, "of the question", req="QARP-4.1-2")
    target: Qna = qna("who answers", req="QARP-4.1-3")
    whereabouts: Whereabouts = record(Whereabouts, "where it is", req="QARP-4.3-2")


class Probe(Message, protocol=Protocol.QARP, code=3):
    """Does anybody else have my address? (RFC 5227 section 2.1)"""

    nonce: bytes = octets(NONCE_OCTETS, "to be echoed", req="QARP-4.1-2")
    target: Qna = qna("the sender's own address", req="QARP-4.4-1")


class Announcement(Message, protocol=Protocol.QARP, code=4):
    """Here I am. (RFC 5227 section 2.3)"""

    nonce: bytes = octets(NONCE_OCTETS, "to be echoed", req="QARP-4.1-2")
    target: Qna = qna("the sender's own address", req="QARP-4.1-3")
    whereabouts: Whereabouts = record(Whereabouts, "where it is", req="QARP-4.5-1")


class Conflict(
    Message, protocol=Protocol.QARP, code=5, answers=("Probe", "Announcement"), matched_by=("nonce", "target")
):
    """That address is mine."""

    nonce: bytes = octets(NONCE_OCTETS, "of the probe or announcement", req="QARP-4.1-2")
    target: Qna = qna("the sender's own address", req="QARP-4.6-1")
    whereabouts: Whereabouts = record(Whereabouts, "where it is", req="QARP-4.6-1")


class Description(Message, protocol=Protocol.QARP, code=6, reliable=True):
    """Under the hop seal, at the beginning of an epoch: where I am and what my device is."""

    whereabouts: Whereabouts = record(Whereabouts, "where it is", req="QARP-4.7-1")

"""The invariant of the wire: any octets decode or raise `WireError`, nothing else, and what decodes encodes to the same
octets. Both codecs are held to it, and to one another.

A case is a number: it chooses one of the vectors written by hand, puts it into a datagram or not, and damages it. The
same seed and number give the same octets on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from qstack.base.errors import WireError
from qstack.wire.header import SEAL_OCTETS, EndHeader, Header, decode_header_untrusted, encode_datagram
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, decode_record_untrusted
from tests.vectors.reading import Vector, vectors
from tests.wire.agreement import check_message, check_prefix, check_whole

__all__ = ["case_octets", "run_case"]

EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
LONGEST = 3_000  # octets of a case: beyond any datagram, and quick
VECTORS = list(vectors())


def run_case(seed: int, number: int) -> None:
    """Judge one case. An AssertionError, or any other error, is a flaw of the codec."""
    vector, octets = case_octets(seed, number)
    read_datagram(octets)
    if issubclass(vector.cls, Message):
        check_message(vector.cls.PROTOCOL, octets)
    check_whole(vector.cls, octets)
    check_prefix(vector.cls, octets, len(octets) // 3, len(octets))


def case_octets(seed: int, number: int) -> tuple[Vector, bytes]:
    """The vector that a case begins with, and the octets that it comes to."""
    chance = Random(f"{seed}/{number}")
    vector = chance.choice(VECTORS)
    octets = vector.octets
    if issubclass(vector.cls, Message) and chance.random() < 0.4:
        octets = in_datagram(vector.cls.PROTOCOL, octets, chance)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 8))):
        octets = chance.choice(DAMAGES)(octets, chance)[:LONGEST]
    return vector, octets


def in_datagram(protocol: Protocol, payload: bytes, chance: Random) -> bytes:
    """Put a payload into a datagram, sealed or not, under an end header or not."""
    epoch = chance.choice((0, 0xDEADBEEF))
    header = Header(next_protocol=protocol, source=1 << 32 | 1, destination=1 << 32 | 2, epoch=epoch)
    parts: list[EndHeader | bytes] = [payload]
    if chance.random() < 0.3:
        header = header.replace(next_protocol=Protocol.END)
        parts = [EndHeader(next_protocol=protocol, epoch=7, packet_number=1), payload, bytes(SEAL_OCTETS)]
    return encode_datagram(header, *parts, bytes(SEAL_OCTETS if epoch else 0))


def read_datagram(octets: bytes) -> None:
    """Read octets as a receiver would that opens every seal."""
    check_prefix(Header, octets, 0, len(octets))
    try:
        header, offset = decode_header_untrusted(octets)
        protocol, end = header.next_protocol, len(octets) - (SEAL_OCTETS if header.epoch else 0)
        if protocol == Protocol.END:
            check_prefix(EndHeader, octets, offset, end)
            inner, offset = decode_record_untrusted(EndHeader, octets, offset, end)
            protocol, end = inner.next_protocol, end - SEAL_OCTETS
    except WireError:
        return
    check_message(protocol, octets[offset : max(offset, end)])


def flip(octets: bytes, chance: Random) -> bytes:
    if not octets:
        return octets
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((octets[at] ^ 1 << chance.randrange(8),)) + octets[at + 1 :]


def edge(octets: bytes, chance: Random) -> bytes:
    if not octets:
        return octets
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((chance.choice(EDGES),)) + octets[at + 1 :]


def cut(octets: bytes, chance: Random) -> bytes:
    return octets[: chance.randrange(len(octets) + 1)]


def remove(octets: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + octets[at + chance.randrange(1, 9) :]


def insert(octets: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + chance.randbytes(chance.randrange(1, 9)) + octets[at:]


def repeat(octets: bytes, chance: Random) -> bytes:
    start = chance.randrange(len(octets) + 1)
    end = min(len(octets), start + chance.choice((4, 8, 12, 40)))
    return octets[:end] + octets[start:end] * chance.choice((1, 2, 63, 64, 65)) + octets[end:]


def splice(octets: bytes, chance: Random) -> bytes:
    other = chance.choice(VECTORS).octets
    return octets[: chance.randrange(len(octets) + 1)] + other[chance.randrange(len(other) + 1) :]


def anything(octets: bytes, chance: Random) -> bytes:
    return octets[:1] + chance.randbytes(chance.randrange(64))


DAMAGES: list[Callable[[bytes, Random], bytes]] = [
    flip, flip, edge, edge, cut, remove, insert, repeat, splice, anything,
]  # fmt: skip

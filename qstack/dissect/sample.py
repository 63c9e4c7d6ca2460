"""Made-up values and datagrams of everything that is declared.

All is drawn from a hash of names, so the same names give the same octets on every machine, and a change of one table
leaves the samples of the others as they are. Seals are not real: what would be ciphertext and tags are drawn as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from hashlib import blake2b
from typing import Any, TypeVar

from qstack.base.ids import Qna, make_qna
from qstack.dissect import catalogue
from qstack.wire.header import HEADER_SIZE, SEAL_OCTETS, EndHeader, ExchangeTlv, Header, HeaderFlag, TrafficClass
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.value import Message, Record, Tlv, UnknownTlv

__all__ = ["UNSEALED", "Chance", "Datagram", "acknowledgement", "datagrams", "seal", "seal_end", "unsealed", "value"]

UNSEALED = (Protocol.SESSION, Protocol.QARP)
"""What may travel before there is a session."""

ALICE, BOB = make_qna(64512, 1), make_qna(64513, 2)
URNS = (
    "urn:qkd:madqci:ccips?=nonce=177923",
    "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017",
    "urn:qkd:lifecycle?=size=256&valid-until=1893456000",
)
TAI_NS_OF_2026 = 1_767_225_637_000_000_000

R = TypeVar("R", bound=Record)

class Chance:
    """Numbers and octets drawn from a name. `wild` ones use all of each range, the others look like real traffic."""

    def __init__(self, name: str, *, wild: bool = False) -> None:
        self.wild = wild
        self._name = name
        self._drawn = 0

    def number(self, bits: int) -> int:
        """An unsigned number of 1..64 bits; wild ones lie on an edge of the range every fourth time."""
        drawn = int.from_bytes(self._draw(), "big")
        if self.wild and drawn >> 62 == 0:
            return ((1 << bits) - 1) * (drawn >> 61 & 1)
        return drawn & (1 << bits) - 1

    def between(self, low: int, high: int) -> int:
        """A number in low..high."""
        return low + int.from_bytes(self._draw(), "big") % (high - low + 1)

    def octets(self, count: int) -> bytes:
        """`count` octets."""
        return b"".join(self._draw() for _ in range(0, count, 8))[:count]

    def _draw(self) -> bytes:
        self._drawn += 1
        return blake2b(f"{self._name} {self._drawn}".encode(), digest_size=8).digest()

def value(cls: type[R], chance: Chance) -> R:
    """A value of a declared class."""
    fields = (f for f in cls.LAYOUT.fields if f.kind is not Kind.RESERVED)
    return cls(**{field.name: _field(cls, field, chance) for field in fields})

def _field(cls: type[Record], field: Field, chance: Chance) -> Any:
    match field.kind:
        case Kind.UNSIGNED:
            return _number(field, chance)
        case Kind.FIXED:
            return chance.octets(field.size)
        case Kind.PREFIXED:
            return chance.octets(_length(field, chance))
        case Kind.TEXT:
            return _text(field, chance)
        case Kind.RECORD:
            return value(field.item, chance)
        case Kind.LIST:
            return _items(cls, field, chance)
        case Kind.TLVS:
            return _tlvs(cls, chance)
        case _:
            return chance.octets(chance.between(0, 24))

def _number(field: Field, chance: Chance) -> int:
    if field.values is not None and issubclass(field.values, IntFlag):
        known = int(~field.values(0)) if not chance.wild else (1 << field.bits) - 1
        return chance.number(field.bits) & known
    if field.values is not None and (not chance.wild or chance.between(0, 3)):
        codes = list(field.values)
        return codes[chance.between(0, len(codes) - 1)]
    if chance.wild:
        return chance.number(field.bits)
    match field.form:
        case Form.QNA:
            return make_qna(64512 + chance.between(0, 1), chance.between(1, 9))
        case Form.DOMAIN_TIME:
            return TAI_NS_OF_2026 + chance.number(40)
        case Form.FIDELITY:
            return 0xFFFF - chance.number(13)
        case Form.HEX:
            return chance.number(field.bits)
        case _:
            return chance.number(min(field.bits, 10))

def _length(field: Field, chance: Chance) -> int:
    most = field.maximum if chance.wild and not chance.between(0, 7) else min(field.maximum, field.minimum + 24)
    return chance.between(field.minimum, most)

def _text(field: Field, chance: Chance) -> str:
    if not chance.wild and field.minimum <= min(map(len, URNS)) and max(map(len, URNS)) <= field.maximum:
        return URNS[chance.between(0, len(URNS) - 1)]
    return "".join(chr(chance.between(0x20, 0x7E)) for _ in range(_length(field, chance)))

def _items(cls: type[Record], field: Field, chance: Chance) -> tuple[Any, ...]:
    count = chance.between(field.minimum, min(field.maximum, field.minimum + 3))
    if isinstance(field.item, Field):
        return tuple(_field(cls, field.item, chance) for _ in range(count))
    return tuple(value(field.item, chance) for _ in range(count))

def _tlvs(cls: type[Record], chance: Chance) -> tuple[Any, ...]:
    kinds: list[type[Record]] = list(cls.TLVS.values())
    if chance.wild:
        kinds.append(UnknownTlv)
    count = chance.between(0, 2) if kinds else 0
    chosen = (kinds[chance.between(0, len(kinds) - 1)] for _ in range(count))
    return tuple(_unknown_tlv(cls, chance) if kind is UnknownTlv else value(kind, chance) for kind in chosen)

def _unknown_tlv(cls: type[Record], chance: Chance) -> UnknownTlv:
    code = chance.number(16)
    while code in cls.TLVS or code == 0:
        code = chance.number(16)
    return UnknownTlv(code=code, value=chance.octets(chance.between(0, 12)))

# Datagrams.

@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram, what it is called, and its ends."""

    name: str
    source: Qna
    destination: Qna
    octets: bytes

def unsealed(message: Message, header: Header) -> bytes:
    """A message without a seal. Of `header` the next protocol, length, epoch and packet number are overwritten."""
    payload = message.encode()
    plain = header.replace(next_protocol=message.PROTOCOL, epoch=0, packet_number=0, flags=0)
    return _with_length(plain, len(payload)).encode() + payload

def seal(payload: bytes, header: Header, chance: Chance, *, encrypt: bool) -> bytes:
    """A payload under a made-up hop seal; `header` says what it is, and must name an epoch."""
    flags = HeaderFlag.ENCRYPTED if encrypt else HeaderFlag(0)
    body = chance.octets(len(payload)) if encrypt else payload
    named = header.replace(flags=header.flags & ~HeaderFlag.ENCRYPTED | flags)
    return _with_length(named, len(body) + SEAL_OCTETS).encode() + body + chance.octets(SEAL_OCTETS)

def seal_end(message: Message, header: Header, end: EndHeader, chance: Chance) -> bytes:
    """A message under made-up end and hop seals."""
    payload = message.encode()
    body = chance.octets(len(payload)) if message.CONFIDENTIAL else payload
    flags = HeaderFlag.ENCRYPTED if message.CONFIDENTIAL else HeaderFlag(0)
    inside = end.replace(next_protocol=message.PROTOCOL, flags=flags).encode() + body + chance.octets(SEAL_OCTETS)
    return seal(inside, header.replace(next_protocol=Protocol.END), chance, encrypt=False)

def acknowledgement(header: Header, chance: Chance) -> bytes:
    """A datagram that only acknowledges."""
    only = ExchangeTlv(sequence=0, acknowledged=chance.number(8))
    return seal(b"", header.replace(next_protocol=Protocol.NONE, options=(only,)), chance, encrypt=False)

def _with_length(header: Header, behind: int) -> Header:
    return header.replace(length=len(header.encode()) + behind)

def datagrams(name: str, *, wild: bool = False) -> Iterator[Datagram]:
    """Every message that crosses UDP, in every way in which it may travel. Answers match the request before them."""
    requests: dict[tuple[Protocol, str], Message] = {}
    for protocol in filter(catalogue.crosses_udp, catalogue.namespaces()):
        for cls in catalogue.messages(protocol):
            chance = Chance(f"{name} {protocol.name} {cls.NAME}", wild=wild)
            message = _matched(value(cls, chance), requests)
            requests[protocol, cls.NAME] = message
            yield from _ways(message, chance)
    chance = Chance(f"{name} acknowledgement", wild=wild)
    yield Datagram("acknowledgement", ALICE, BOB, acknowledgement(_header(chance, ALICE, BOB), chance))

def _matched(message: Message, requests: dict[tuple[Protocol, str], Message]) -> Message:
    for request in message.ANSWERS:
        if asked := requests.get((message.PROTOCOL, request)):
            return message.replace(**{field: getattr(asked, field) for field in message.MATCHED_BY})
    return message

def _ways(message: Message, chance: Chance) -> Iterator[Datagram]:
    source, destination = (BOB, ALICE) if message.ANSWERS else (ALICE, BOB)
    name = f"{message.PROTOCOL.name} {message.NAME}"
    header = _header(chance, source, destination).replace(next_protocol=message.PROTOCOL)
    end = value(EndHeader, chance)
    if message.PROTOCOL in UNSEALED:
        yield Datagram(f"{name}, unsealed", source, destination, unsealed(message, header))
    sealed = seal(message.encode(), header, chance, encrypt=message.CONFIDENTIAL)
    yield Datagram(f"{name}, hop seal", source, destination, sealed)
    if message.PROTOCOL in (Protocol.UNIT, Protocol.HEADER) or chance.wild:
        yield Datagram(f"{name}, end seal", source, destination, seal_end(message, header, end, chance))

def _header(chance: Chance, source: Qna, destination: Qna) -> Header:
    drawn = value(Header, chance)
    if not chance.wild:
        drawn = drawn.replace(hop_limit=64, traffic_class=TrafficClass.SIGNALLING, options=_likely(drawn.options))
    epoch = drawn.epoch or 1
    return drawn.replace(version=1, source=source, destination=destination, epoch=epoch)

def _likely(options: tuple[Any, ...]) -> tuple[Tlv, ...]:
    return tuple(option for option in options if isinstance(option, ExchangeTlv))

assert len(Header(next_protocol=0, source=ALICE, destination=BOB).encode()) == HEADER_SIZE + 0

"""Sealing and opening datagrams (session note, section 7.2) (HEADER-5.2).

What may be open to forwarders and what not is decided by what is *additional data* and what is not:

    hop seal    | header, TLVs | payload | tag |     all of it, or (encrypted) header and TLVs
    end seal                   | end header, TLVs | payload | tag |
                + version and class, source, destination of the header around it: what nobody on the way may change

An opening that fails is a `Refusal`, never an exception: it is what a network does, and costs a counter.
"""

from enum import Enum, unique
from struct import Struct

from qstack.base.ids import Epoch
from qstack.machine.replay import ReplayWindow
from qstack.proto.session.keys import TrafficKeys
from qstack.wire.header import SEAL_OCTETS, EndHeader, Header, HeaderFlag

__all__ = ["Refusal", "SealedEpoch"]


def _offset_of(name: str) -> int:
    """Where a field of the header begins, in octets: asked of the declaration, which may change."""
    names = [field.name for field in Header.LAYOUT.fields]
    bits = sum(field.bits for field in Header.LAYOUT.fields[: names.index(name)])
    assert bits % 8 == 0
    return bits // 8


_FLAGS_AT, _LENGTH_AT, _EPOCH_AT = _offset_of("flags"), _offset_of("length"), _offset_of("epoch")
_LENGTH, _EPOCH_AND_NUMBER = Struct(">H"), Struct(">IQ")
_KEY_PHASE, _ENCRYPTED = int(HeaderFlag.KEY_PHASE), int(HeaderFlag.ENCRYPTED)  # plain numbers: this is the hot path
_SEAL_FLAGS = _KEY_PHASE | _ENCRYPTED
assert _offset_of("packet_number") == _EPOCH_AT + 4 and _KEY_PHASE == 1


@unique
class Refusal(Enum):
    """Why a datagram was not opened; the value is the end of the counter's name."""

    UNKNOWN_EPOCH = "unknown_epoch"
    REPLAYED = "replayed"  # came before, or is older than the window
    FORGED = "forged"  # the tag is not right


class SealedEpoch:
    """Keys and replay window of one epoch with one peer: seals to it, opens from it.

    `local_epoch` stands in what this end opens, `remote_epoch` in what it seals.
    """

    __slots__ = ("keys", "local_epoch", "remote_epoch", "window")

    def __init__(self, local_epoch: Epoch, remote_epoch: Epoch, keys: TrafficKeys, window_size: int) -> None:
        self.local_epoch = local_epoch
        self.remote_epoch = remote_epoch
        self.keys = keys
        self.window = ReplayWindow(window_size)

    def seal_hop(self, header: Header, payload: bytes, *, encrypt: bool, now_ns: int) -> bytes:
        """The whole datagram. `header`: its flags, length, epoch and packet number are set here."""
        number, phase = self.keys.reserve(now_ns)
        front = bytearray(header.encode())
        front[_FLAGS_AT] = front[_FLAGS_AT] & ~_SEAL_FLAGS | phase | encrypt * _ENCRYPTED
        _LENGTH.pack_into(front, _LENGTH_AT, len(front) + len(payload) + SEAL_OCTETS)
        _EPOCH_AND_NUMBER.pack_into(front, _EPOCH_AT, self.remote_epoch, number)
        return self._seal(number, bytes(front), payload, encrypt)

    def open_hop(self, datagram: bytes, header: Header, offset: int, *, now_ns: int) -> bytes | Refusal:
        """The payload behind a decoded header; `offset` is where it begins."""
        return self._open(header, datagram[:offset], datagram[offset:], b"", now_ns)

    def seal_end(self, header: Header, end: EndHeader, payload: bytes, *, encrypt: bool, now_ns: int) -> bytes:
        """The payload of an END datagram, for inside `header`. `end`: flags, epoch and number are set here."""
        number, phase = self.keys.reserve(now_ns)
        end = end.replace(flags=phase | encrypt * _ENCRYPTED, epoch=self.remote_epoch, packet_number=number)
        front = end.encode()
        return self._seal(number, front, payload, encrypt, _unchanging(header))

    def open_end(self, header: Header, payload: bytes, end: EndHeader, offset: int, *, now_ns: int) -> bytes | Refusal:
        """What lies behind a decoded end header in the payload of an END datagram; `offset` is where it begins."""
        return self._open(end, payload[:offset], payload[offset:], _unchanging(header), now_ns)

    def _seal(self, number: int, front: bytes, payload: bytes, encrypt: bool, around: bytes = b"") -> bytes:
        if encrypt:
            return front + self.keys.seal(number, around + front, payload)
        return front + payload + self.keys.seal(number, around + front + payload, b"")

    def _open(
        self, header: Header | EndHeader, front: bytes, sealed: bytes, around: bytes, now_ns: int
    ) -> bytes | Refusal:
        number, flags = header.packet_number, int(header.flags)
        if len(sealed) < SEAL_OCTETS:
            return Refusal.FORGED
        if not self.window.check(number):
            return Refusal.REPLAYED
        encrypted = flags & _ENCRYPTED
        payload, closing = (b"", sealed) if encrypted else (sealed[:-SEAL_OCTETS], sealed[-SEAL_OCTETS:])
        opened = self.keys.open(number, flags & _KEY_PHASE, around + front + payload, closing, now_ns)
        if opened is None:
            return Refusal.FORGED
        self.window.commit(number)
        return opened if encrypted else payload


def _unchanging(header: Header) -> bytes:
    """The parts of a header that no forwarder may change (SESSION-7.2-3)."""
    first = header.version << 4 | header.traffic_class
    return first.to_bytes(1, "big") + header.source.to_bytes(8, "big") + header.destination.to_bytes(8, "big")

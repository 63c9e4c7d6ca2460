"""Sealing and opening datagrams (session note, section 7.2).

What may be open to forwarders and what not is decided by what is *additional data* and what is not:

    hop seal    | header, TLVs | payload | tag |     all of it, or (encrypted) header and TLVs
    end seal                   | end header, TLVs | payload | tag |
                + version and class, source, destination of the header around it: what nobody on the way may change

An opening that fails is a `Refusal`, never an exception: it is what a network does, and costs a counter.
"""

from enum import Enum, unique

from qstack.base.ids import Epoch
from qstack.machine.replay import ReplayWindow
from qstack.proto.session.keys import TrafficKeys
from qstack.wire.header import END_SIZE, HEADER_SIZE, SEAL_OCTETS, EndHeader, Header, HeaderFlag

__all__ = ["Refusal", "SealedEpoch"]


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
        number, flags = self._reserve(encrypt, now_ns)
        header = header.replace(
            flags=(header.flags & ~_SEAL_FLAGS) | flags, epoch=self.remote_epoch, packet_number=number, length=0
        )
        front = bytearray(header.encode())
        front[_LENGTH] = (len(front) + len(payload) + SEAL_OCTETS).to_bytes(2, "big")
        return self._seal(number, bytes(front), payload, encrypt)

    def open_hop(self, datagram: bytes, header: Header, offset: int, *, now_ns: int) -> bytes | Refusal:
        """The payload behind a decoded header; `offset` is where it begins."""
        return self._open(header, datagram[:offset], datagram[offset:], b"", now_ns)

    def seal_end(self, header: Header, end: EndHeader, payload: bytes, *, encrypt: bool, now_ns: int) -> bytes:
        """The payload of an END datagram, for inside `header`. `end`: flags, epoch and number are set here."""
        number, flags = self._reserve(encrypt, now_ns)
        end = end.replace(flags=flags, epoch=self.remote_epoch, packet_number=number)
        front = end.encode()
        return self._seal(number, front, payload, encrypt, _unchanging(header))

    def open_end(self, header: Header, payload: bytes, end: EndHeader, offset: int, *, now_ns: int) -> bytes | Refusal:
        """What lies behind a decoded end header in the payload of an END datagram; `offset` is where it begins."""
        return self._open(end, payload[:offset], payload[offset:], _unchanging(header), now_ns)

    def _reserve(self, encrypt: bool, now_ns: int) -> tuple[int, int]:
        number, phase = self.keys.reserve(now_ns)
        return number, phase * HeaderFlag.KEY_PHASE | encrypt * HeaderFlag.ENCRYPTED

    def _seal(self, number: int, front: bytes, payload: bytes, encrypt: bool, around: bytes = b"") -> bytes:
        if encrypt:
            return front + self.keys.seal(number, around + front, payload)
        return front + payload + self.keys.seal(number, around + front + payload, b"")

    def _open(
        self, header: Header | EndHeader, front: bytes, sealed: bytes, around: bytes, now_ns: int
    ) -> bytes | Refusal:
        number, flags = header.packet_number, header.flags
        if len(sealed) < SEAL_OCTETS:
            return Refusal.FORGED
        if not self.window.check(number):
            return Refusal.REPLAYED
        payload, closing = (
            (b"", sealed) if flags & HeaderFlag.ENCRYPTED else (sealed[:-SEAL_OCTETS], sealed[-SEAL_OCTETS:])
        )
        opened = self.keys.open(number, flags & HeaderFlag.KEY_PHASE, around + front + payload, closing, now_ns)
        if opened is None:
            return Refusal.FORGED
        self.window.commit(number)
        return opened if flags & HeaderFlag.ENCRYPTED else payload


_SEAL_FLAGS = HeaderFlag.KEY_PHASE | HeaderFlag.ENCRYPTED
_LENGTH = slice(4, 6)
assert HEADER_SIZE == 40 and END_SIZE == 16


def _unchanging(header: Header) -> bytes:
    """The parts of a header that no forwarder may change (SESSION-7.2-3)."""
    first = header.version << 4 | header.traffic_class
    return first.to_bytes(1, "big") + header.source.to_bytes(8, "big") + header.destination.to_bytes(8, "big")

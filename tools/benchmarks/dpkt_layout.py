"""The header and the Reserve message as classes of dpkt, written as its users write them: the fixed part stands in
`__hdr__`, what follows is unpacked by hand, TLVs and lists included."""

from __future__ import annotations

import struct

import dpkt

__all__ = ["QuantumHeader"]


class Tlv(dpkt.Packet):
    __hdr__ = (("type", "H", 0), ("length", "H", 0))

    def unpack(self, buf: bytes) -> None:
        super().unpack(buf)
        if self.length > len(self.data):
            raise dpkt.NeedData(f"a TLV of {self.length} octets, {len(self.data)} are left")
        self.data = self.data[: self.length]


class ExchangeTlv(Tlv):
    __hdr__ = (("type", "H", 1), ("length", "H", 8), ("sequence", "I", 0), ("acknowledged", "I", 0))

    def unpack(self, buf: bytes) -> None:
        dpkt.Packet.unpack(self, buf)
        self.data = self.data[: self.length - 8]


class RouteHop(dpkt.Packet):
    __hdr__ = (("node", "Q", 0), ("flags", "B", 0))

    @property
    def loose(self) -> int:
        return self.flags >> 7


class Reserve(dpkt.Packet):
    __hdr__ = (
        ("code", "B", 1),
        ("link_label", "I", 0),
        ("circuit", "I", 0),
        ("context", "16s", bytes(16)),
        ("qui", "Q", 0),
        ("number", "I", 0),
        ("memories", "H", 0),
        ("min_fidelity", "H", 0),
        ("path_fidelity", "H", 0),
        ("hops_left", "B", 0),
        ("deadline", "Q", 0),
        ("t1_ns", "Q", 0),
        ("t2_ns", "Q", 0),
        ("depolarising_ns", "Q", 0),
    )

    def unpack(self, buf: bytes) -> None:
        super().unpack(buf)
        buf = self.data
        ends = buf[0]
        self.endpoints = list(struct.unpack_from(f">{ends}Q", buf, 1))
        at = 1 + 8 * ends
        hops, at = buf[at], at + 1
        self.route = [RouteHop(buf[at + 9 * i : at + 9 * i + 9]) for i in range(hops)]
        self.options = unpack_tlvs(buf[at + 9 * hops :])
        self.data = b""


class QuantumHeader(dpkt.Packet):
    __hdr__ = (
        ("version_class", "B", 0x10),
        ("next_protocol", "B", 0),
        ("hop_limit", "B", 64),
        ("flags", "B", 0),
        ("length", "H", 0),
        ("source", "Q", 0),
        ("destination", "Q", 0),
        ("label", "I", 0),
        ("epoch", "I", 0),
        ("packet_number", "Q", 0),
        ("options_length", "H", 0),
    )
    messages = {(5, 1): Reserve}  # noqa: RUF012  (dpkt's own way)

    @property
    def version(self) -> int:
        return self.version_class >> 4

    @property
    def traffic_class(self) -> int:
        return self.version_class & 15

    def unpack(self, buf: bytes) -> None:
        super().unpack(buf)
        if self.length != len(buf):
            raise dpkt.UnpackError(f"length says {self.length}, there are {len(buf)}")
        end = self.options_length
        self.options = unpack_tlvs(self.data[:end])
        payload = self.data[end:]
        if self.epoch:
            payload, self.tag = payload[:-16], payload[-16:]
        message = self.messages.get((self.next_protocol, payload[0])) if payload else None
        self.data = message(payload) if message else payload


TLVS = {1: ExchangeTlv}


def unpack_tlvs(buf: bytes) -> list[Tlv]:
    found = []
    while buf:
        kind, length = struct.unpack_from(">HH", buf)
        found.append(TLVS.get(kind, Tlv)(buf[: 4 + length]))
        buf = buf[4 + length :]
    return found

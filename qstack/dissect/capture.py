"""Capture files: UDP datagrams out of pcap and pcapng, and datagrams into pcapng. Through dpkt."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dpkt

__all__ = ["UdpDatagram", "read_capture", "write_capture"]

LINKTYPE_RAW = 101  # IP without a link layer (https://www.tcpdump.org/linktypes.html)

_LINK_LAYERS: dict[int, Any] = {
    0: dpkt.loopback.Loopback,
    1: dpkt.ethernet.Ethernet,
    113: dpkt.sll.SLL,
    276: dpkt.sll2.SLL2,
}
_RAW = {12, 14, LINKTYPE_RAW}
_PCAPNG = b"\x0a\x0d\x0d\x0a"


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """One UDP datagram of a capture: frame number from 1, time in seconds, addresses as octets (4 or 16), payload."""

    frame: int
    time: float
    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    payload: bytes


def read_capture(path: Path) -> Iterator[UdpDatagram]:
    """All UDP datagrams of a capture that came in one piece; anything else is passed over."""
    with path.open("rb") as file:
        is_pcapng = file.read(4) == _PCAPNG
        file.seek(0)
        reader = dpkt.pcapng.Reader(file) if is_pcapng else dpkt.pcap.Reader(file)
        link = reader.datalink()
        for frame, (time, octets) in enumerate(reader, 1):
            packet = _internet_packet(link, octets)
            if packet is not None and isinstance(packet.data, dpkt.udp.UDP):
                udp = packet.data
                yield UdpDatagram(frame, float(time), (packet.src, udp.sport), (packet.dst, udp.dport), bytes(udp.data))


def _internet_packet(link: int, octets: bytes) -> Any:
    """The IP packet in a frame, or None."""
    try:
        if link in _RAW:
            return dpkt.ip6.IP6(octets) if octets[:1] >= b"\x60" else dpkt.ip.IP(octets)
        inner = _LINK_LAYERS[link](octets).data if link in _LINK_LAYERS else None
    except (dpkt.UnpackError, IndexError):
        return None
    return inner if isinstance(inner, dpkt.ip.IP | dpkt.ip6.IP6) else None


def write_capture(path: Path, datagrams: Iterable[UdpDatagram]) -> int:
    """Write IPv4 or IPv6 packets without a link layer as pcapng; give their number."""
    count = 0
    with path.open("wb") as file:
        writer = dpkt.pcapng.Writer(file, snaplen=0x10000, linktype=LINKTYPE_RAW)
        for datagram in datagrams:
            writer.writepkt(_packet(datagram), ts=datagram.time)
            count += 1
    return count


def _packet(datagram: UdpDatagram) -> bytes:
    (source, sport), (destination, dport) = datagram.source, datagram.destination
    udp = dpkt.udp.UDP(sport=sport, dport=dport, data=datagram.payload, ulen=8 + len(datagram.payload))
    if len(source) == 4:
        return bytes(dpkt.ip.IP(src=source, dst=destination, p=dpkt.ip.IP_PROTO_UDP, data=udp, len=20 + len(udp)))
    return bytes(dpkt.ip6.IP6(src=source, dst=destination, nxt=dpkt.ip.IP_PROTO_UDP, plen=len(udp), data=udp))

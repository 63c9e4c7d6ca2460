"""A pcapng file of what a node sends, readable by Wireshark, written without privileges.

Each datagram gets an IP and a UDP header made from its locators (link type RAW). A node writes what it sends and not
what it receives, so that the captures of several nodes, merged by time, hold each datagram once.
"""

import os
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dpkt import ip, pcapng, udp

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator

__all__ = ["Capture", "encapsulate", "merge_captures", "open_writer", "read_capture"]

_LINKTYPE_RAW = 101
_OPTION_NAME = 2  # if_name
_NANOSECONDS = b"\x09"  # if_tsresol: 10^-9
_LITTLE = sys.byteorder == "little"
_Section = pcapng.SectionHeaderBlockLE if _LITTLE else pcapng.SectionHeaderBlock
_Description = pcapng.InterfaceDescriptionBlockLE if _LITTLE else pcapng.InterfaceDescriptionBlock
_Packet = pcapng.EnhancedPacketBlockLE if _LITTLE else pcapng.EnhancedPacketBlock
_Option = pcapng.PcapngOptionLE if _LITTLE else pcapng.PcapngOption


class Capture:
    """An open capture file. What cannot be written ends it, and nothing else: `failure` says why."""

    def __init__(self, path: Path, interface: str) -> None:
        try:
            self._file = open(path, "wb", opener=_for_the_owner)  # noqa: SIM115  (closed by `close`)
        except OSError as error:
            raise LocalMisuse(f"capture file {path}: {error.strerror}") from error
        self.failure = ""
        self._writer = open_writer(self._file, interface)

    def instant(self) -> int:
        """The time to give to `sent`: taken before sending, so that no answer seems to come before its question."""
        return time.time_ns()

    def sent(self, datagram: bytes, source: Locator, destination: Locator, instant_ns: int) -> None:
        """Write a datagram that was sent at `instant_ns`."""
        try:
            self._writer.writepkt(packet_block(encapsulate(datagram, source, destination), instant_ns))
        except OSError as error:
            self.failure = error.strerror or str(error)

    def flush(self) -> bool:
        """Give what was written to the operating system; tell whether all of it went well so far."""
        try:
            self._file.flush()
        except OSError as error:
            self.failure = error.strerror or str(error)
        return not self.failure

    def close(self) -> None:
        """Flush and close."""
        with suppress(OSError):
            self._file.close()


def _for_the_owner(path: str, flags: int) -> int:
    """Who speaks with whom, and about what, is not for everybody: a new file is its owner's to read."""
    return os.open(path, flags, 0o600)


def open_writer(file: BinaryIO, interface: str) -> pcapng.Writer:
    """A pcapng writer of raw IP packets; `packet_block` makes what it writes."""
    options = [
        _Option(code=_OPTION_NAME, data=interface.encode()),
        _Option(code=pcapng.PCAPNG_OPT_IF_TSRESOL, data=_NANOSECONDS),
        _Option(),
    ]
    description = _Description(linktype=_LINKTYPE_RAW, snaplen=0, opts=options)
    return pcapng.Writer(file, shb=_Section(), idb=description)


def packet_block(packet: bytes, instant_ns: int) -> pcapng.EnhancedPacketBlock:
    """A packet at its instant. dpkt's own conversion would go over floats of microseconds."""
    return _Packet(ts_high=instant_ns >> 32, ts_low=instant_ns & 0xFFFF_FFFF, caplen=len(packet), pkt_len=len(packet),
                   pkt_data=packet)  # fmt: skip


def encapsulate(datagram: bytes, source: Locator, destination: Locator) -> bytes:
    """The IP packet that carries a datagram, checksums included."""
    segment = udp.UDP(sport=source.port, dport=destination.port, data=datagram, ulen=8 + len(datagram))
    if len(source.address) == 4:
        return bytes(ip.IP(src=source.address, dst=destination.address, p=ip.IP_PROTO_UDP, ttl=64, data=segment,
                           len=28 + len(datagram)))  # fmt: skip
    pseudo = source.address + destination.address + struct.pack("!IxxxB", len(segment), ip.IP_PROTO_UDP)
    segment.sum = _checksum(pseudo + bytes(segment)) or 0xFFFF
    head = struct.pack("!IHBB", 6 << 28, len(segment), ip.IP_PROTO_UDP, 64)
    return head + source.address + destination.address + bytes(segment)


def _checksum(octets: bytes) -> int:
    padded = octets + bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def read_capture(path: Path) -> list[tuple[int, bytes]]:
    """All packets of a capture as (nanoseconds since 1970, packet), in file order."""
    with path.open("rb") as file:
        return [(round(seconds * 1_000_000_000), packet) for seconds, packet in pcapng.Reader(file)]


def merge_captures(paths: list[Path], destination: Path) -> int:
    """Merge captures by time into one; tell how many packets it has."""
    packets = sorted((packet for path in paths for packet in _read_blocks(path)), key=lambda each: each[0])
    with destination.open("wb") as file:
        writer = open_writer(file, "qstack")
        for instant_ns, packet in packets:
            writer.writepkt(packet_block(packet, instant_ns))
    return len(packets)


def _read_blocks(path: Path) -> list[tuple[int, bytes]]:
    """Like `read_capture`, for files of our own writing, without the detour over floats."""
    octets, offset, found = path.read_bytes(), 0, []
    order = "<" if _LITTLE else ">"
    while offset + 12 <= len(octets):
        kind, length = struct.unpack_from(order + "II", octets, offset)
        if length < 12 or offset + length > len(octets):
            break  # a block that was being written when the process ended
        if kind == pcapng.PCAPNG_BT_EPB:
            high, low, captured = struct.unpack_from(order + "III", octets, offset + 12)
            found.append((high << 32 | low, octets[offset + 28 : offset + 28 + captured]))
        offset += length
    return found



"""seal.datagrams/bare-udp: what protection costs, against the limit that UDP itself sets.

A datagram of 1,232 octets, the longest that fits any path, is sent and received over loopback in one thread. Ours: a
header is made, its payload encrypted, the datagram sent, received, decoded, checked for replay and opened. Theirs: as
many octets are sent and received.
"""

from __future__ import annotations

import socket
import time

from qstack.base.locator import Locator
from qstack.base.time import Instant
from qstack.wire.header import BASE_DATAGRAM_OCTETS, HEADER_SIZE, SEAL_OCTETS, Header, decode_header_untrusted
from qstack.wire.protocols import Protocol
from tools.benchmarks.comparison import Comparison, side_by_side_us
from tools.benchmarks.session_ends import SessionEnd

__all__ = ["ENTRIES"]

SECONDS = 4.0
PAYLOAD = bytes(BASE_DATAGRAM_OCTETS - HEADER_SIZE - SEAL_OCTETS)
ONE, TWO = Locator(b"\x7f\0\0\1", 1), Locator(b"\x7f\0\0\1", 2)


def connected() -> tuple[SessionEnd, SessionEnd]:
    """Two ends of an established session, without a network."""
    crossing: list[tuple[bytes, Locator, Locator]] = []
    first = SessionEnd(1, lambda datagram, to: crossing.append((datagram, ONE, to)))
    second = SessionEnd(2, lambda datagram, to: crossing.append((datagram, TWO, to)))
    first.connect(second.qna, TWO)
    while crossing:
        datagram, source, destination = crossing.pop(0)
        (second if destination == TWO else first).receive(datagram, source)
    assert first.is_up(second.qna) and second.is_up(first.qna)
    return first, second


def datagrams() -> Comparison:
    """Against datagrams of the same size without anything."""
    first, second = connected()
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    to = receiver.getsockname()
    blank = bytes(BASE_DATAGRAM_OCTETS)

    def sealed() -> None:
        header = Header(next_protocol=Protocol.PAYLOAD, source=first.qna, destination=second.qna)
        now_ns = Instant(time.monotonic_ns())
        sender.sendto(first.machine.seal_hop(second.qna, header, PAYLOAD, True, now_ns), to)
        datagram = receiver.recv(2048)
        found, offset = decode_header_untrusted(datagram)
        opened = second.machine.open_hop_untrusted(datagram, found, offset, ONE, now_ns)
        assert opened is not None and len(opened[1]) == len(PAYLOAD)

    def bare() -> None:
        sender.sendto(blank, to)
        receiver.recv(2048)

    with sender, receiver:
        ours_us, theirs_us = side_by_side_us(sealed, bare, SECONDS)
    return Comparison("seal.datagrams/bare-udp", 1e6 / ours_us, 1e6 / theirs_us, "bare UDP (the limit)",
                      "datagrams per second", larger_is_better=True)  # fmt: skip


ENTRIES = {"seal.datagrams/bare-udp": datagrams}

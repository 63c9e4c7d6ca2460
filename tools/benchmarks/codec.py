"""codec.*: decode and encode one real signalling datagram, the Reserve that a circuit over two domains begins with.

Header with its Exchange TLV, message with a nested record and two lists, room for the tag: 189 octets. Decoding is from
octets to objects of which every field can be read; encoding is from field values to octets, objects made on the way
included. Before anything is timed it is checked that all agree.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from qstack.base.ids import Epoch, Label, Qui, make_qna
from qstack.base.time import DomainTime
from qstack.wire.circuit import MemoryTimes, Reserve, RouteHop
from qstack.wire.header import SEAL_OCTETS, ExchangeTlv, Header, TrafficClass, decode_header_untrusted, encode_datagram
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message, decode_message_untrusted
from tools.benchmarks.comparison import Comparison, side_by_side_us

__all__ = ["ENTRIES"]

SECONDS = 3.0  # for both sides of an entry together
ALICE, BORDER, FAR_BORDER, BOB = make_qna(64512, 1), make_qna(64512, 3), make_qna(64513, 1), make_qna(64513, 2)
TAG = bytes(SEAL_OCTETS)


def encode_ours() -> bytes:
    header = Header(
        traffic_class=TrafficClass.SIGNALLING, next_protocol=Protocol.CIRCUIT, source=ALICE, destination=BORDER,
        label=Label(0x10001), epoch=Epoch(0xDEADBEEF), packet_number=456,
        options=(ExchangeTlv(sequence=5000, acknowledged=4999),),
    )  # fmt: skip
    message = Reserve(
        link_label=Label(0x10001), circuit=17, context=b"0123456789abcdef", qui=Qui(0x0123456789ABCDEF), number=448,
        memories=8, min_fidelity=49_152, path_fidelity=65_000, hops_left=16,
        deadline=DomainTime(1_800_000_001_000_000_000), head_memory=MemoryTimes(t1_ns=10**10, t2_ns=10**9),
        endpoints=(ALICE, BOB),
        route=(RouteHop(node=BORDER, loose=0), RouteHop(node=FAR_BORDER, loose=1), RouteHop(node=BOB, loose=1)),
    )  # fmt: skip
    return encode_datagram(header, message, TAG)


def decode_ours(datagram: bytes) -> tuple[Header, Message]:
    header, offset = decode_header_untrusted(datagram)
    end = len(datagram) - SEAL_OCTETS
    return header, decode_message_untrusted(header.next_protocol, datagram, offset, end)


def encode_with_scapy(layers: Any) -> bytes:
    hop = layers.CircuitRouteHop
    packet = layers.Qstack(
        traffic_class=2, next_protocol=5, source=ALICE, destination=BORDER, label=0x10001, epoch=0xDEADBEEF,
        packet_number=456, options=[layers.HeaderExchangeTlv(sequence=5000, acknowledged=4999)], tag=TAG,
    ) / layers.CircuitReserve(
        link_label=0x10001, circuit=17, context=b"0123456789abcdef", qui=0x0123456789ABCDEF, number=448, memories=8,
        min_fidelity=49_152, path_fidelity=65_000, hops_left=16, deadline=1_800_000_001_000_000_000,
        head_memory=layers.CircuitMemoryTimes(t1_ns=10**10, t2_ns=10**9), endpoints=[ALICE, BOB],
        route_=[hop(node=BORDER, loose=0), hop(node=FAR_BORDER, loose=1), hop(node=BOB, loose=1)],
    )  # fmt: skip
    return bytes(packet)


def decode_scapy() -> Comparison:
    """Against Scapy with the layers made from the same tables."""
    from qstack.dissect import scapy_layers as layers  # noqa: PLC0415  (Scapy takes half a second to import)

    datagram = encode_ours()
    packet = layers.Qstack(datagram)
    _, ours = decode_ours(datagram)
    assert [packet[layers.CircuitReserve].route_[i].node for i in range(3)] == [hop.node for hop in ours.route]  # type: ignore[attr-defined]
    times = side_by_side_us(lambda: decode_ours(datagram), lambda: layers.Qstack(datagram), SECONDS)
    return Comparison("codec.decode/scapy", *times, f"Scapy {version('scapy')}", "us per datagram")


def encode_scapy() -> Comparison:
    """Against Scapy with the layers made from the same tables."""
    from qstack.dissect import scapy_layers as layers  # noqa: PLC0415

    assert encode_with_scapy(layers) == encode_ours()
    times = side_by_side_us(encode_ours, lambda: encode_with_scapy(layers), SECONDS)
    return Comparison("codec.encode/scapy", *times, f"Scapy {version('scapy')}", "us per datagram")


def decode_dpkt() -> Comparison:
    """Against dpkt classes of the same layout."""
    from tools.benchmarks.dpkt_layout import QuantumHeader  # noqa: PLC0415

    datagram = encode_ours()
    packet = QuantumHeader(datagram)
    header, ours = decode_ours(datagram)
    assert (packet.source, packet.options[0].sequence) == (header.source, header.options[0].sequence)  # type: ignore[attr-defined]
    assert [(hop.node, hop.loose) for hop in packet.data.route] == [(hop.node, hop.loose) for hop in ours.route]  # type: ignore[attr-defined]
    times = side_by_side_us(lambda: decode_ours(datagram), lambda: QuantumHeader(datagram), SECONDS)
    return Comparison("codec.decode/dpkt", *times, f"dpkt {version('dpkt')}", "us per datagram")


ENTRIES = {
    "codec.decode/scapy": decode_scapy,
    "codec.encode/scapy": encode_scapy,
    "codec.decode/dpkt": decode_dpkt,
}

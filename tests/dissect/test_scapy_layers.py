"""Scapy and the codec read the same octets to the same values, and write the same values as the same octets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.dissect import catalogue
from qstack.dissect.sample import ALICE, BOB, Chance, datagrams, value
from qstack.wire.header import EndHeader, ExchangeTlv, Header, decode_header_untrusted
from qstack.wire.protocols import UDP_PORT, Protocol
from qstack.wire.schema import Kind
from qstack.wire.value import Message, Record, UnknownTlv
from tests.dissect.agreement import decode_datagram
from tests.vectors.reading import Vector, vectors

pytest.importorskip("scapy", reason="needs Scapy: pip install 'qstack[scapy]'")

import scapy.all as scapy_all
from scapy.layers.inet import IP, UDP
from scapy.packet import NoPayload, Raw
from scapy.utils import rdpcap

from qstack.dissect import scapy_layers
from qstack.dissect.scapy_fields import layer_field_name
from qstack.dissect.scapy_layers import (  # type: ignore[attr-defined]
    HeaderEchoRequest,
    HeaderExchangeTlv,
    LinkGen,
    QarpQuestion,
    Qstack,
    QstackEnd,
    UnitRequest,
    layer_from,
)

STRUCTURES = [cls for protocol in catalogue.namespaces() for cls in catalogue.structures(protocol)]
MESSAGES = [cls for cls in STRUCTURES if issubclass(cls, Message)]
SEEDS = st.integers(min_value=0, max_value=2**64)


def assert_same(layer: Any, expected: Record) -> None:
    """Every field of the layer has the codec's value."""
    for field in expected.LAYOUT.fields:
        if field.kind is not Kind.RESERVED:
            got = getattr(layer, layer_field_name(field.name))
            assert_same_value(got, getattr(expected, field.name), f"{expected.NAME}.{field.name}")


def assert_same_value(got: Any, expected: Any, where: str) -> None:
    if isinstance(expected, UnknownTlv):
        assert (got.tlv_type, got.value) == (expected.code, expected.value), where
    elif isinstance(expected, Record):
        assert type(got) is type(layer_from(expected)), where
        assert_same(got, expected)
    elif isinstance(expected, tuple):
        assert len(got) == len(expected), where
        for one, other in zip(got, expected, strict=True):
            assert_same_value(one, other, where)
    else:
        assert got == expected, where


def layer_class(cls: type[Record]) -> Any:
    return type(layer_from(value(cls, Chance("any"))))


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: f"{cls.PROTOCOL.name}-{cls.NAME}")
@given(seed=SEEDS)
def test_scapy_every_message_reads_and_writes_as_the_codec(cls: type[Message], seed: int) -> None:
    message = value(cls, Chance(str(seed), wild=True))
    octets = message.encode()
    dissected = layer_class(cls)(octets)
    assert_same(dissected, message)
    dissected.clear_cache()
    assert bytes(dissected) == octets
    built = layer_from(message)
    assert bytes(built) == octets
    assert cls.decode_untrusted(bytes(built)) == message


@given(seed=SEEDS)
def test_scapy_every_datagram_reads_and_writes_as_the_codec(seed: int) -> None:
    for datagram in datagrams(str(seed), wild=True):
        packet = Qstack(datagram.octets)
        assert bytes(packet) == datagram.octets, datagram.name
        decoded = decode_datagram(datagram.octets)
        assert_same(packet, decoded.header)
        assert packet.tag == (decoded.tag or None)
        inside = packet.payload
        if decoded.end is not None:
            assert_same(inside, decoded.end)
            assert inside.tag == decoded.end_tag
            inside = inside.payload
        if decoded.message is not None:
            assert_same(inside, decoded.message)
        elif decoded.ciphertext:
            assert inside == Raw(decoded.ciphertext)
        else:
            assert isinstance(inside, NoPayload)


@pytest.mark.parametrize("vector", list(vectors()), ids=lambda vector: vector.name)
def test_scapy_reads_and_builds_every_hand_written_vector(vector: Vector) -> None:
    has_tag = isinstance(vector.value, EndHeader) or (isinstance(vector.value, Header) and vector.value.epoch)
    tail = bytes(16) if has_tag else b""
    layer = layer_class(vector.cls)(vector.octets + tail)
    assert_same(layer, vector.value)
    layer.clear_cache()
    assert bytes(layer) == vector.octets + tail
    assert bytes(layer_from(vector.value)) == vector.octets + tail


def test_scapy_lengths_counts_and_protocol_are_filled_in() -> None:
    urns = ["urn:qkd:a", "urn:qkd:b", "urn:qkd:c"]
    request = UnitRequest(request=7, kind="KEY", pairs=448, nonce=b"n" * 16, urn=urns)
    packet = Qstack(source="64512.1", destination="64513.2", epoch=9, options=[HeaderExchangeTlv(sequence=3)]) / request
    octets = bytes(packet)
    header, _ = decode_header_untrusted(octets)
    assert header.length == len(octets)
    assert (header.next_protocol, header.source, header.destination) == (Protocol.UNIT, ALICE, BOB)
    assert header.options == (ExchangeTlv(sequence=3, acknowledged=0),)
    message = decode_datagram(octets).message
    assert message is not None
    assert message.urn == tuple(urns)
    assert octets.endswith(bytes(16))


def test_scapy_end_seal_is_nested_with_a_tag_of_its_own() -> None:
    inner = QstackEnd(epoch=5, packet_number=6, tag=b"e" * 16) / HeaderEchoRequest(identifier=1, sequence=2, data=b"hi")
    packet = Qstack(source="64512.1", destination="64513.2", epoch=9, tag=b"h" * 16) / inner
    decoded = decode_datagram(bytes(packet))
    assert decoded.header.next_protocol == Protocol.END
    assert decoded.end is not None
    assert decoded.end.next_protocol == Protocol.HEADER
    assert (decoded.tag, decoded.end_tag) == (b"h" * 16, b"e" * 16)
    again = Qstack(bytes(packet))
    assert again[HeaderEchoRequest].data == b"hi"


def test_scapy_unsealed_datagram_has_no_tag() -> None:
    packet = Qstack(bytes(Qstack(source="64512.1", destination="64512.2") / QarpQuestion(target="64512.2")))
    assert packet.tag is None
    assert packet[QarpQuestion].target == 64512 << 32 | 2
    assert packet.length == len(packet)


@pytest.mark.parametrize(("sport", "dport"), [(UDP_PORT, 40000), (40000, UDP_PORT), (UDP_PORT, UDP_PORT)])
def test_scapy_port_is_bound_both_ways(sport: int, dport: int) -> None:
    question = Qstack(source="64512.1", destination="64512.2") / QarpQuestion(target="64512.2")
    packet = IP(bytes(IP(dst="127.0.0.2") / UDP(sport=sport, dport=dport) / question))
    assert packet[UDP].haslayer(QarpQuestion)


def test_scapy_port_is_set_when_a_packet_is_built() -> None:
    packet = IP(dst="127.0.0.2") / UDP() / Qstack(source="64512.1", destination="64512.2") / QarpQuestion()
    assert (packet[UDP].sport, packet[UDP].dport) == (UDP_PORT, UDP_PORT)


def test_scapy_qna_is_shown_and_taken_with_a_dot() -> None:
    packet = Qstack(source="64512.7", destination=(64513 << 32) + 2)
    assert packet.source == (64512 << 32) + 7
    shown = packet.show(dump=True)
    assert "64512.7" in shown
    assert "64513.2" in shown
    assert packet.summary() == "Qstack 64512.7 > 64513.2"


def test_scapy_fidelity_may_be_given_as_a_fraction() -> None:
    assert UnitRequest(min_fidelity=1.0).min_fidelity == 65535


def test_scapy_unknown_tlv_and_message_survive() -> None:
    header = Header(next_protocol=Protocol.LINK, source=ALICE, destination=BOB, epoch=1,
                    options=(UnknownTlv(code=0x9999, value=b"what"),))  # fmt: skip
    payload = b"\xeenot declared"
    octets = header.replace(length=len(header.encode()) + len(payload) + 16).encode() + payload + bytes(16)
    packet = Qstack(octets)
    assert packet.options[0].value == b"what"
    assert packet.payload == Raw(payload)
    assert bytes(packet) == octets


def test_scapy_any_octets_behind_udp_are_a_packet() -> None:
    chance = random.Random(4560)
    originals = [datagram.octets for datagram in datagrams("mutated", wild=True)]
    for _ in range(3000):
        octets = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        octets = octets[: chance.randint(0, len(octets))] if chance.random() < 0.3 else octets
        packet = UDP(bytes(UDP(sport=UDP_PORT, dport=UDP_PORT) / Raw(bytes(octets))))
        assert packet.sport == UDP_PORT


def test_scapy_names_collide_with_none_of_scapy() -> None:
    assert not [name for name in scapy_layers.__all__ if hasattr(scapy_all, name)]


def test_scapy_every_structure_has_a_layer_that_the_star_import_gives() -> None:
    given_names = set(scapy_layers.__all__)
    layers = {layer_class(cls).__name__ for cls in STRUCTURES}
    assert layers <= given_names
    assert all(hasattr(scapy_layers, name) for name in given_names)


def test_scapy_messages_of_one_name_in_two_protocols_are_two_layers() -> None:
    assert scapy_layers.QarpProbe is not scapy_layers.SessionProbe  # type: ignore[attr-defined]
    assert LinkGen.__name__ == "LinkGen"


def test_scapy_reads_the_sample_capture(root: Any) -> None:
    packets = rdpcap(str(root / "pcap" / "samples.pcapng"))
    wanted = list(datagrams("samples"))
    assert len(packets) == len(wanted)
    for packet, datagram in zip(packets, wanted, strict=True):
        assert bytes(packet[Qstack]) == datagram.octets
        decoded = decode_datagram(datagram.octets)
        assert_same(packet[Qstack], decoded.header)
        if decoded.message is not None:
            assert_same(packet.lastlayer(), decoded.message)

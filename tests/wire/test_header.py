"""The header, the end header and the datagram as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import ErrorCode, LocalMisuse, WireError
from qstack.base.ids import Epoch, Label, make_qna
from qstack.wire.header import (
    BASE_DATAGRAM_OCTETS,
    END_SIZE,
    HEADER_SIZE,
    SEAL_OCTETS,
    EchoRequest,
    EndHeader,
    ExchangeTlv,
    Header,
    HeaderFlag,
    QuantumPayloadTlv,
    TrafficClass,
    decode_header_untrusted,
    encode_datagram,
)
from qstack.wire.protocols import Protocol
from qstack.wire.value import UnknownTlv, decode_message_untrusted, decode_record_untrusted

ALICE, BOB = make_qna(64512, 1), make_qna(64513, 9)
# version 1 class 2, next protocol 1, hop limit 64, no flags, length 80; source; destination; label; epoch; number; TLVs
SEALED = bytes.fromhex(
    "12 01 40 00 0050  0000fc0000000001  0000fc0100000009  00000011  deadbeef  0000000000000003"
    "000c 0001 0008 00000005 00000004"
    "01 00000007 00000002 0003 616263"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
)  # fmt: skip
HEADER = Header(
    traffic_class=TrafficClass.SIGNALLING, next_protocol=Protocol.HEADER, length=82, source=ALICE, destination=BOB,
    label=Label(0x11), epoch=Epoch(0xDEADBEEF), packet_number=3, options=(ExchangeTlv(sequence=5, acknowledged=4),),
)  # fmt: skip


def sealed() -> bytearray:
    datagram = bytearray(SEALED)
    datagram[4:6] = len(SEALED).to_bytes(2, "big")
    return datagram


def test_header_written_by_hand_decodes_field_by_field() -> None:
    header, offset = decode_header_untrusted(bytes(sealed()))
    assert header == HEADER
    assert offset == HEADER_SIZE + 12
    assert header.traffic_class is TrafficClass.SIGNALLING
    assert decode_message_untrusted(header.next_protocol, SEALED, offset, len(SEALED) - SEAL_OCTETS) == EchoRequest(
        identifier=7, sequence=2, data=b"abc"
    )


def test_datagram_encoded_has_its_length_with_the_tag_that_will_follow() -> None:
    message = EchoRequest(identifier=7, sequence=2, data=b"abc")
    datagram = encode_datagram(HEADER.replace(length=0), message, tag_octets=SEAL_OCTETS)
    assert datagram + SEALED[-SEAL_OCTETS:] == sealed()
    assert encode_datagram(HEADER, message, SEALED[-SEAL_OCTETS:]) == sealed()


def test_sizes_are_those_of_the_empty_headers() -> None:
    assert Header.LAYOUT.minimum_size == HEADER_SIZE
    assert EndHeader.LAYOUT.minimum_size == END_SIZE
    assert len(HEADER.replace(options=()).encode()) == HEADER_SIZE


@pytest.mark.parametrize(
    ("at", "octet", "offset", "field"),
    [(0, 0x22, 0, "version"), (0, 0x02, 0, "version"), (5, 0x51, 4, "length"), (39, 0xFF, 40, "options")],
)
def test_header_that_is_not_ours_or_not_whole_is_refused(at: int, octet: int, offset: int, field: str) -> None:
    datagram = sealed()
    datagram[at] = octet
    with pytest.raises(WireError) as caught:
        decode_header_untrusted(bytes(datagram))
    assert (caught.value.offset, caught.value.field) == (offset, field)


def test_sealed_header_without_room_for_its_tag_is_refused() -> None:
    datagram = encode_datagram(HEADER, bytes(SEAL_OCTETS - 1))
    with pytest.raises(WireError, match="octet 52, tag: needs 16 octets, 15 are left"):
        decode_header_untrusted(datagram)
    assert decode_header_untrusted(encode_datagram(HEADER, bytes(SEAL_OCTETS)))[1] == 52


def test_unsealed_header_needs_no_tag() -> None:
    datagram = encode_datagram(HEADER.replace(epoch=Epoch(0)))
    assert decode_header_untrusted(datagram)[1] == len(datagram)


@given(st.binary(max_size=120))
@settings(max_examples=300)
def test_header_of_random_octets_decodes_or_is_refused(octets: bytes) -> None:
    try:
        header, offset = decode_header_untrusted(octets)
    except WireError:
        return
    assert header.encode() == octets[:offset]


def test_end_header_stands_behind_the_header_with_tlvs_of_the_same_types() -> None:
    end = EndHeader(next_protocol=Protocol.UNIT, flags=HeaderFlag.ENCRYPTED, epoch=Epoch(9), packet_number=1,
                    options=(ExchangeTlv(sequence=1, acknowledged=0),))  # fmt: skip
    payload = end.encode() + b"body" + bytes(SEAL_OCTETS)
    assert payload[:END_SIZE].hex() == "0602000000090000000000000001000c"
    assert decode_record_untrusted(EndHeader, payload, 0, len(payload)) == (end, END_SIZE + 12)


def test_datagram_too_long_for_its_length_field_is_refused() -> None:
    room = 0xFFFF - len(HEADER.encode())
    assert len(encode_datagram(HEADER, bytes(room))) == 0xFFFF
    with pytest.raises(LocalMisuse) as caught:
        encode_datagram(HEADER, bytes(room), tag_octets=1)
    assert caught.value.reason is ErrorCode.TOO_BIG


def test_critical_tlv_that_nobody_knows_survives_the_header() -> None:
    header = HEADER.replace(options=(UnknownTlv(code=0xFFF0, value=b"?"),))
    found, _ = decode_header_untrusted(encode_datagram(header, bytes(16)))
    assert [tlv.critical for tlv in found.options if isinstance(tlv, UnknownTlv)] == [True]


def test_largest_headers_leave_room_for_an_echo_in_a_base_datagram() -> None:
    frame = QuantumPayloadTlv(qui=1, count=2, channel=193_100, guard_ns=1, duration_ns=1, leaves=1, encoding=1)
    end = EndHeader(next_protocol=Protocol.HEADER, epoch=Epoch(1), packet_number=1, options=HEADER.options)
    datagram = encode_datagram(
        HEADER.replace(options=(*HEADER.options, frame)), end, EchoRequest(identifier=1, sequence=1, data=bytes(1024)),
        tag_octets=2 * SEAL_OCTETS,
    )  # fmt: skip
    assert len(datagram) + 2 * SEAL_OCTETS <= BASE_DATAGRAM_OCTETS

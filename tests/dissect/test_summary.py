"""The table of what crossed the wire, and the capture files it is made from."""

from __future__ import annotations

import struct
from pathlib import Path

import dpkt
import pytest

from qstack.dissect.capture import UdpDatagram, read_capture, write_capture
from qstack.dissect.sample import ALICE, BOB, datagrams
from qstack.dissect.summary import Row, Traffic, classify, main, render, summarise
from qstack.wire.header import EchoRequest, Header
from qstack.wire.protocols import UDP_PORT, Protocol

A, B = (bytes((127, 64, 0, 1)), UDP_PORT), (bytes((127, 64, 0, 2)), UDP_PORT)
A6, B6 = (bytes(15) + b"\x01", UDP_PORT), (bytes(15) + b"\x02", 40000)
BY_NAME = {datagram.name: datagram.octets for datagram in datagrams("summary")}


def carried(payload: bytes, frame: int = 1, source: tuple[bytes, int] = A, to: tuple[bytes, int] = B) -> UdpDatagram:
    return UdpDatagram(frame, 1000.5 + frame, source, to, payload)


@pytest.mark.parametrize(
    ("name", "traffic"),
    [
        ("QARP Question, unsealed", Traffic(Protocol.QARP, "Question", "none")),
        ("LINK Gen, hop seal", Traffic(Protocol.LINK, "Gen", "hop")),
        ("UNIT UnitRequest, end seal", Traffic(Protocol.UNIT, "UnitRequest", "end")),
        ("UNIT KeyConfirm, end seal", Traffic(Protocol.UNIT, "(encrypted)", "end")),
        ("acknowledgement", Traffic(Protocol.HEADER, "(acknowledgement)", "hop")),
    ],
)
def test_classify_names_protocol_message_and_seal(name: str, traffic: Traffic) -> None:
    assert classify(BY_NAME[name]) == traffic


def test_classify_unknown_message_under_a_good_header_is_malformed() -> None:
    header = Header(next_protocol=Protocol.QARP, source=ALICE, destination=BOB, length=41)
    assert classify(header.encode() + b"\xff") == Traffic(Protocol.QARP, "(malformed)", "none")


def test_summary_counts_packets_and_octets() -> None:
    question, answer = BY_NAME["QARP Question, unsealed"], BY_NAME["QARP Answer, unsealed"]
    rows = summarise([carried(question), carried(answer, 2), carried(question, 3)])
    assert rows == (
        Row(Traffic(Protocol.QARP, "Answer", "none"), 1, len(answer)),
        Row(Traffic(Protocol.QARP, "Question", "none"), 2, 2 * len(question)),
    )


def test_summary_passes_over_foreign_datagrams_and_counts_broken_ones_of_the_port() -> None:
    foreign = UdpDatagram(1, 1.0, (A[0], 53), (B[0], 5353), b"not ours")
    (row,) = summarise([foreign, carried(b"not ours", 2)])
    assert row == Row(Traffic(Protocol.NONE, "(malformed)", "none"), 1, 8)


def test_summary_is_rendered_in_columns_and_as_markdown() -> None:
    rows = (Row(Traffic(Protocol.LINK, "Gen", "hop"), 12, 3456),)
    assert render(rows).splitlines() == [
        "protocol  message  seal  packets  octets",
        "--------  -------  ----  -------  ------",
        "LINK      Gen      hop        12    3456",
        "all                           12    3456",
    ]
    assert render(rows, markdown=True).splitlines()[1] == "| -------- | ------- | ---- | ------: | -----: |"


def test_summary_command_prints_the_table_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.pcapng"
    write_capture(path, [carried(BY_NAME["LINK Gen, hop seal"])])
    assert main([str(path)]) == 0
    assert "LINK      Gen      hop" in capsys.readouterr().out


def test_summary_command_of_what_is_no_capture_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("this is not a capture file at all, not even nearly one")
    assert main([str(tmp_path / "text")]) == 1
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "to"), [(A, B), (A6, B6)])
def test_capture_gives_back_what_was_written(source: tuple[bytes, int], to: tuple[bytes, int], tmp_path: Path) -> None:
    written = [carried(b"one", 1, source, to), carried(b"", 2, to, source), carried(b"three" * 300, 3, source, to)]
    assert write_capture(tmp_path / "c.pcapng", written) == 3
    assert list(read_capture(tmp_path / "c.pcapng")) == written


def test_capture_of_ethernet_frames_in_pcap_is_read_and_the_rest_passed_over(tmp_path: Path) -> None:
    udp = dpkt.udp.UDP(sport=4560, dport=4560, data=b"hello", ulen=13)
    packet = dpkt.ip.IP(src=A[0], dst=B[0], p=17, data=udp, len=33)
    frame = bytes(dpkt.ethernet.Ethernet(data=packet, type=0x0800))
    arp = bytes(dpkt.ethernet.Ethernet(data=dpkt.arp.ARP(), type=0x0806))
    with (tmp_path / "c.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for octets in (arp, b"\x00", frame):
            writer.writepkt(octets, ts=5.0)
    (found,) = read_capture(tmp_path / "c.pcap")
    assert (found.frame, found.payload, found.source, found.destination) == (3, b"hello", A, B)


def test_capture_with_a_link_layer_that_is_not_known_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.pcap").write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147) + bytes(16))
    assert not list(read_capture(tmp_path / "c.pcap"))


def test_sample_datagrams_are_the_same_each_time_and_cover_the_ways_of_travelling() -> None:
    assert {datagram.name: datagram.octets for datagram in datagrams("summary")} == BY_NAME
    ways = {name.rpartition(", ")[2] for name in BY_NAME if ", " in name}
    assert ways == {"unsealed", "hop seal", "end seal"}
    assert all(len(octets) <= 1232 for octets in BY_NAME.values())


def test_sample_answer_goes_back_and_matches_its_request() -> None:
    found = {datagram.name: datagram for datagram in datagrams("summary")}
    asked, answered = found["QARP Question, unsealed"], found["QARP Answer, unsealed"]
    assert (asked.source, asked.destination) == (answered.destination, answered.source)
    assert EchoRequest.NAME in "".join(found)

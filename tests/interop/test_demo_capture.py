"""The demonstration's capture, read by tshark, by Scapy and by our codec: three readings, one meaning."""

import subprocess
from pathlib import Path

import pytest

from qstack.base.ids import format_qna
from qstack.dissect.capture import read_capture
from qstack.wire.header import decode_header_untrusted

pytest.importorskip("scapy")
FIELDS = ("qstack.source", "qstack.destination", "qstack.epoch", "qstack.packet_number", "qstack.hop_limit",
          "qstack.label", "qstack.message", "qstack.unit.urn")  # fmt: skip
WRONG = "_ws.malformed or qstack.malformed or qstack.failure or _ws.lua.error"
UNIT = "urn:qkd:madqci:ccips?=nonce=177923,urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017,"


def read_by_tshark(root: Path, tshark: str, *arguments: str) -> list[str]:
    command = [tshark, "-X", f"lua_script:{root / 'pcap/qstack.lua'}", "-r", str(root / "pcap/demo.pcapng"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Lua" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_demo_capture_every_packet_is_named_and_nothing_is_wrong(root: Path, tshark: str) -> None:
    columns = read_by_tshark(root, tshark, "-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info")
    assert len(columns) > 300
    assert all(line.startswith("QSTACK\t") and line.split("\t")[1] for line in columns)
    assert read_by_tshark(root, tshark, "-Y", WRONG) == []


def test_demo_capture_tshark_scapy_and_codec_agree_packet_by_packet(root: Path, tshark: str) -> None:
    from scapy.layers.inet import UDP
    from scapy.utils import rdpcap

    from qstack.dissect.scapy_layers import Qstack

    datagrams = [packet.payload for packet in read_capture(root / "pcap/demo.pcapng")]
    by_scapy = [packet[UDP] for packet in rdpcap(str(root / "pcap/demo.pcapng"))]
    arguments = [word for field in FIELDS for word in ("-e", field)]
    by_tshark = [line.split("\t") for line in read_by_tshark(root, tshark, "-T", "fields", *arguments)]
    assert len(datagrams) == len(by_scapy) == len(by_tshark)
    for datagram, udp, told in zip(datagrams, by_scapy, by_tshark, strict=True):
        header, _ = decode_header_untrusted(datagram)
        layer = udp[Qstack]
        assert bytes(layer) == bytes(udp.payload) == datagram
        assert (layer.source, layer.destination) == (header.source, header.destination)
        assert (layer.epoch, layer.packet_number, layer.label) == (header.epoch, header.packet_number, header.label)
        assert told[0].split(",")[0] == format_qna(header.source)
        assert told[1].split(",")[0] == format_qna(header.destination)
        assert [int(told[3].split(",")[0]), int(told[4]), int(told[5], 0)] == [
            header.packet_number, header.hop_limit, header.label,
        ]  # fmt: skip


def test_demo_capture_shows_the_draft_s_unit_and_answers_know_their_questions(root: Path, tshark: str) -> None:
    wanted = ("-Y", 'qstack.unit.urn contains "ccips"', "-T", "fields", "-e", FIELDS[-1])
    assert read_by_tshark(root, tshark, *wanted)[0].startswith(UNIT)
    for answer in ("UnitAccept", "Reserved"):
        linked = read_by_tshark(root, tshark, "-Y", f'qstack.message == "{answer}" and qstack.request_in')
        assert len(linked) == 4, answer

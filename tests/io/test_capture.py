"""Captures: what other programs read in them, and what is left of one that was cut off."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator, parse_locator
from qstack.io.capture import Capture, encapsulate, merge_captures, read_capture

V4 = (parse_locator("127.0.77.1:4560"), parse_locator("127.0.77.2:4561"))
V6 = (parse_locator("[2001:db8::1]:4560"), parse_locator("[2001:db8::2]:4561"))
T0 = 1_795_305_600_123_456_789


def ones_complement(octets: bytes) -> int:
    """RFC 1071, word by word."""
    octets += b"\0" * (len(octets) % 2)
    total = 0
    for (word,) in struct.iter_unpack("!H", octets):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("payload", [b"", b"x", b"ab", bytes(range(256)) * 4, b"\xff" * 31, bytes(40)])
@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
def test_packet_has_right_lengths_addresses_and_checksums(payload: bytes, ends: tuple[Locator, Locator]) -> None:
    source, destination = ends
    packet = encapsulate(payload, source, destination)
    if source.ip.version == 4:
        head, body = packet[:20], packet[20:]
        assert (head[0], head[9], struct.unpack_from("!H", head, 2)[0]) == (0x45, 17, len(packet))
        assert ones_complement(head) == 0xFFFF
        addresses = head[12:20]
    else:
        head, body = packet[:40], packet[40:]
        assert (head[0] >> 4, head[6], struct.unpack_from("!H", head, 4)[0]) == (6, 17, len(body))
        addresses = head[8:40]
    assert addresses == source.address + destination.address
    assert struct.unpack_from("!HHH", body) == (4560, 4561, 8 + len(payload))
    assert body[8:] == payload
    pseudo = addresses + struct.pack("!II", len(body), 17)
    assert ones_complement(pseudo + body) == 0xFFFF


def write(path: Path, *instants: int) -> None:
    capture = Capture(path, "alice")
    for number, instant in enumerate(instants):
        capture.sent(b"datagram %d" % number, *(V6 if number % 2 else V4), instant)
    assert capture.flush()
    capture.close()


def test_capture_is_read_by_tshark_with_good_checksums(tmp_path: Path, tshark: str) -> None:
    path = tmp_path / "alice.pcapng"
    write(path, T0, T0 + 1, T0 + 2_000_000_000)
    command = [tshark, "-r", str(path), "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields",
               "-e", "frame.time_epoch", "-e", "udp.checksum.status", "-e", "udp.dstport",
               "-e", "frame.interface_name"]  # fmt: skip
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    assert len(rows) == 3
    assert [row[1:] for row in rows] == [["1", "4561", "alice"]] * 3
    times = [row[0] for row in rows]
    if "T" not in times[0]:  # older versions write seconds, newer ones dates
        assert times == ["1795305600.123456789", "1795305600.123456790", "1795305602.123456789"]
    else:
        assert [each.partition(".")[2].rstrip("Z") for each in times] == ["123456789", "123456790", "123456789"]


def test_captures_merge_by_time(tmp_path: Path) -> None:
    one, other, both = (tmp_path / name for name in ("one", "other", "both"))
    write(one, T0 + 5, T0 + 20)
    write(other, T0 + 10, T0 + 15)
    assert merge_captures([one, other], both) == 4
    assert [packet[-1:] for _, packet in read_capture(both)] == [b"0", b"0", b"1", b"1"]


@pytest.mark.parametrize("missing", [1, 10, 30])
def test_capture_of_a_killed_node_gives_what_was_whole(tmp_path: Path, missing: int) -> None:
    path, merged = tmp_path / "cut", tmp_path / "merged"
    write(path, T0, T0 + 1, T0 + 2)
    path.write_bytes(path.read_bytes()[:-missing])
    assert merge_captures([path], merged) == 2


def test_capture_in_an_impossible_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalMisuse, match="capture file"):
        Capture(tmp_path / "no" / "such" / "place", "alice")


def test_capture_on_a_full_disk_says_so_and_raises_nothing() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    capture = Capture(Path("/dev/full"), "alice")
    for _ in range(100):
        capture.sent(b"x" * 1_000, *V4, T0)
    assert not capture.flush()
    assert "space" in capture.failure
    capture.close()


def test_capture_is_its_owners_to_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Capture(tmp_path / "a.pcapng", "alice").close()
    finally:
        os.umask(before)
    assert (tmp_path / "a.pcapng").stat().st_mode & 0o777 == 0o600

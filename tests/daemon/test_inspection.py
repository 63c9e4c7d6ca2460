"""What a network leaves for Wireshark: captures that hold each datagram once, and a key log that opens them.

The reader here is written from the notes alone: nothing of qstack takes part in it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tests.daemon.application import Application
from tests.daemon.network import ALICE, BOB, NODES, SERVED, Network, endpoint_urns, running

Log = dict[tuple[str, int], list[tuple[bytes, bytes]]]
"""Keys and ivs by scope and epoch."""
Left = tuple[Network, bytes, dict[str, dict[str, int]]]

HEADER = struct.Struct("!BBBBHQQIIQH")
END_HEADER = struct.Struct("!BBIQH")
ENCRYPTED = 2
UNIT, END = 6, 8
ROUNDS = 4


@dataclass
class Datagram:
    """A datagram of a capture, by the header note."""

    source_address: bytes
    destination_address: bytes
    octets: bytes

    def __post_init__(self) -> None:
        (self.first, self.next_protocol, self.hop_limit, self.flags, self.length, self.source, self.destination,
         self.label, self.epoch, self.number, tlvs) = HEADER.unpack_from(self.octets)  # fmt: skip
        self.body = 40 + tlvs


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """A network that has made one key, with key logs on; the key, and all counters at the end."""
    with running(tmp_path_factory.mktemp("left")) as network:
        for name in NODES:
            path = network.folder / f"{name}.toml"
            path.write_text(path.read_text().replace("[session]", f'[session]\nkey-log = "{name}.keys"'))
            network.kill(name)
        for name in NODES:
            network.restart(name)
        network.connected()
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(SERVED)
            key = alice.open_unit(endpoint_urns()).key().key
            assert bob.next_unit().key().key == key
        network.ask(ALICE, "ping", node="64513.2", count=1)
        network.nothing_held()
        counters = {}
        for name in NODES:
            counters[name] = network.ask(name, "counters")["counters"]
            network.kill(name)  # in the middle of whatever it does: what was sent is in its file
        yield network, key, counters


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The blocks of a pcapng file (draft-ietf-opsawg-pcapng, section 3.1)."""
    octets, at = path.read_bytes(), 0
    assert octets[8:12] == b"\x4d\x3c\x2b\x1a", "written on a little-endian machine"
    while at < len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        assert octets[at + length - 4 : at + length] == octets[at + 4 : at + 8]
        yield kind, octets[at + 8 : at + length - 4]
        at += length


def datagrams(path: Path) -> Iterator[Datagram]:
    for kind, body in blocks(path):
        if kind == 6:
            captured = struct.unpack_from("<I", body, 12)[0]
            packet = body[20 : 20 + captured]
            assert packet[0] == 0x45
            assert packet[9] == 17
            assert struct.unpack_from("!H", packet, 2)[0] == captured
            assert struct.unpack_from("!H", packet, 24)[0] == captured - 20
            yield Datagram(packet[12:16], packet[16:20], packet[28:])


def keys(network: Network) -> Log:
    """Keys and ivs by scope and epoch, out of all key logs."""
    found: Log = defaultdict(list)
    for name in NODES:
        path = network.folder / f"{name}.keys"
        assert path.stat().st_mode & 0o777 == 0o600
        for line in path.read_text().splitlines():
            word, scope, epoch, _generation, key, iv = line.split(" ")
            assert word == "qstack"
            found[scope, int(epoch, 16)].append((bytes.fromhex(key), bytes.fromhex(iv)))
    return found


def opened(candidates: list[tuple[bytes, bytes]], number: int, sealed: bytes, additional: bytes) -> bytes:
    """What is behind a seal, by whichever key fits: one of each direction has the same epoch only by chance."""
    for key, iv in candidates:
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
        try:
            return ChaCha20Poly1305(key).decrypt(nonce, sealed, additional)
        except InvalidTag:
            continue
    raise AssertionError("no key of the log opens it")


def test_capture_of_all_nodes_together_holds_each_datagram_once(left: Left) -> None:
    network, _, counters = left
    numbers: dict[tuple[bytes, int], list[int]] = defaultdict(list)
    for name in NODES:
        captured = list(datagrams(network.folder / f"{name}.pcapng"))
        assert len(captured) >= counters[name]["datagrams.sent"] > 20
        assert len({each.source_address for each in captured}) == 1, "what a node receives, its sender has captured"
        for each in captured:
            assert each.length == len(each.octets)
            if each.epoch:
                numbers[each.source_address, each.epoch].append(each.number)
    assert len(numbers) == 8, "four links, two directions"
    for row in numbers.values():
        assert row == list(range(1, len(row) + 1)), "none is missing, none is there twice"


def test_key_log_opens_every_datagram_and_what_is_behind_the_end_seals(left: Left) -> None:
    network, _, _ = left
    log = keys(network)
    inner: list[tuple[int, int, bool]] = []
    for name in NODES:
        for each in datagrams(network.folder / f"{name}.pcapng"):
            if not each.epoch:
                continue
            octets, front = each.octets, each.octets[: each.body]
            if each.flags & ENCRYPTED:
                payload = opened(log["hop", each.epoch], each.number, octets[each.body :], front)
            else:
                assert opened(log["hop", each.epoch], each.number, octets[-16:], octets[:-16]) == b""
                payload = octets[each.body : -16]
            if each.next_protocol == END:
                inner.append(end_opened(log, each, payload))
    kinds = {(protocol, code) for protocol, code, _ in inner}
    assert {(UNIT, code) for code in (1, 2, ROUNDS)} <= kinds, kinds
    assert {secret for protocol, code, secret in inner if (protocol, code) == (UNIT, ROUNDS)} == {True}


def end_opened(log: Log, outer: Datagram, payload: bytes) -> tuple[int, int, bool]:
    """Protocol and message code behind an end seal, and whether they were encrypted."""
    protocol, flags, epoch, number, tlvs = END_HEADER.unpack_from(payload)
    front = payload[: 16 + tlvs]
    additional = outer.octets[:1] + outer.octets[6:22] + front
    secret = bool(flags & ENCRYPTED)
    if secret:
        message = opened(log["end", epoch], number, payload[len(front) :], additional)
    else:
        message = payload[len(front) : -16]
        assert opened(log["end", epoch], number, payload[-16:], additional + message) == b""
    return protocol, message[0] if message else 0, secret


def test_capture_never_shows_the_key_nor_the_tests_in_clear(left: Left) -> None:
    network, key, _ = left
    for name in NODES:
        assert key not in (network.folder / f"{name}.pcapng").read_bytes()
        assert key.hex() not in network.log(name)
        assert key.hex() not in (network.folder / f"{name}.keys").read_text()


def test_key_log_is_announced_in_the_log_and_off_by_default(network: Network, left: Left) -> None:
    assert "session keys are logged" in left[0].log(ALICE)
    assert "session keys are logged" not in network.log(ALICE)
    assert not list(network.folder.glob("*.keys"))

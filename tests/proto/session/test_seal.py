"""Sealed datagrams: what opens, what does not, and that what does not changes nothing."""

import random

import pytest

from qstack.base.effects import Seal
from qstack.machine.replay import REPLAY_WINDOW_SIZE
from qstack.wire.header import HEADER_SIZE, SEAL_OCTETS, Header, HeaderFlag, decode_header_untrusted
from qstack.wire.protocols import Protocol
from tests.proto.session.network import SECOND, Network, Station, flipped

SCOPES = [Seal.HOP, Seal.END]


def deliver(station: Station, other: Station, datagram: bytes) -> list[bytes]:
    """What a datagram brings to the applications of `station`."""
    before = len(station.received)
    station.receive(datagram, other.locator)
    return [payload for _, payload in station.received[before:]]


def make(station: Station, peer: Station, payload: bytes, *, encrypt: bool = False) -> bytes:
    return station.make_datagram(peer.qna, Protocol.PAYLOAD, payload, encrypt=encrypt)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("encrypt", [False, True])
def test_seal_any_bit_flipped_is_refused_and_the_whole_datagram_still_opens(scope: Seal, encrypt: bool) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    datagram = make(alice, bob, b"sixteen octets..", encrypt=encrypt)
    mutable = {bit for bit in range(8 * HEADER_SIZE) if scope is Seal.END and not _end_covers(bit)}
    for bit in range(8 * len(datagram)):
        if bit not in mutable:
            assert deliver(bob, alice, flipped(datagram, bit)) == [], f"bit {bit}"
    assert deliver(bob, alice, datagram) == [b"sixteen octets.."]
    assert bob.machine.is_up(alice.qna) and alice.machine.is_up(bob.qna)


def _end_covers(bit: int) -> bool:
    """Version and class, source, destination; `length` is checked when the header is decoded (SESSION-7.2-3)."""
    octet = bit // 8
    return octet == 0 or 4 <= octet < 22


@pytest.mark.parametrize("scope", SCOPES)
def test_seal_truncated_and_extended_datagrams_are_refused(scope: Seal) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    datagram = make(alice, bob, b"sixteen octets..")
    for octets in [*(datagram[:length] for length in range(len(datagram))), datagram + b"\0"]:
        with_length = octets[:4] + len(octets).to_bytes(2, "big") + octets[6:]
        assert deliver(bob, alice, octets) == deliver(bob, alice, with_length) == []
    assert deliver(bob, alice, datagram) == [b"sixteen octets.."]


@pytest.mark.parametrize("scope", SCOPES)
def test_seal_replayed_datagram_is_refused_and_counted(scope: Seal) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    datagram = make(alice, bob, b"once")
    assert deliver(bob, alice, datagram) == [b"once"]
    assert deliver(bob, alice, datagram) == []
    assert bob.counts[f"session.{scope.value}.refused.replayed"] == 1


def test_seal_whole_capture_replayed_changes_nothing() -> None:
    network = Network()
    alice, bob = network.pair()
    alice.say(bob, b"once")
    network.run(SECOND)
    services = [list(bob.services), list(alice.services)]
    for crossing in list(network.crossings):
        network.inject(crossing.source, crossing.destination, crossing.datagram)
    network.run(40 * SECOND)
    assert [bob.services, alice.services] == services
    assert bob.received == [(alice.qna, b"once")]


def test_seal_datagram_of_another_direction_epoch_or_peer_is_refused() -> None:
    network = Network()
    alice, bob = network.pair()
    carol = network.station(3)
    carol.connect(bob)
    network.run(SECOND)
    own = make(alice, bob, b"x")
    assert deliver(alice, bob, own) == []  # reflected
    epoch = slice(26, 30)
    header, _ = decode_header_untrusted(make(carol, bob, b"x"))
    swapped = own[: epoch.start] + header.epoch.to_bytes(4, "big") + own[epoch.stop :]
    assert deliver(bob, alice, swapped) == []
    assert deliver(bob, alice, own) == [b"x"]


def test_seal_source_of_another_under_a_peers_keys_is_given_as_that_peers() -> None:
    network = Network()
    alice, bob = network.pair()
    header = Header(next_protocol=Protocol.PAYLOAD, source=network.station(9).qna, destination=bob.qna)
    datagram = alice.machine.seal_hop(bob.qna, header, b"x", False, network.now_ns)
    decoded, offset = decode_header_untrusted(datagram)
    opened = bob.machine.open_hop_untrusted(datagram, decoded, offset, alice.locator, network.now_ns)
    assert opened == (alice.qna, b"x")


def test_seal_reordering_up_to_the_window_loses_nothing_and_beyond_is_refused() -> None:
    network = Network()
    alice, bob = network.pair()
    first = make(alice, bob, b"far too late")
    datagrams = [make(alice, bob, b"%d" % number) for number in range(REPLAY_WINDOW_SIZE - 1)]
    too_late = [make(alice, bob, b"late"), first]
    last, *rest = datagrams[::-1]
    assert deliver(bob, alice, too_late[0]) == [b"late"]
    assert deliver(bob, alice, last) == [b"%d" % (REPLAY_WINDOW_SIZE - 2)]
    random.Random(1).shuffle(rest)
    assert [payload for each in rest for payload in deliver(bob, alice, each)] == [
        b"%d" % (int(decode_header_untrusted(each)[0].packet_number) - _number(first) - 1) for each in rest
    ]
    assert deliver(bob, alice, first) == []


def _number(datagram: bytes) -> int:
    return decode_header_untrusted(datagram)[0].packet_number


def test_seal_forged_number_far_ahead_does_not_move_the_window() -> None:
    network = Network()
    alice, bob = network.pair()
    datagram = make(alice, bob, b"here")
    ahead = datagram[:30] + (1 << 60).to_bytes(8, "big") + datagram[38:]
    assert deliver(bob, alice, ahead) == []
    assert deliver(bob, alice, datagram) == [b"here"]


def test_seal_flags_tell_what_is_encrypted_and_lengths_are_right() -> None:
    network = Network()
    alice, bob = network.pair()
    for encrypt in (False, True):
        datagram = make(alice, bob, b"payload", encrypt=encrypt)
        header, offset = decode_header_untrusted(datagram)
        assert bool(header.flags & HeaderFlag.ENCRYPTED) is encrypt
        assert len(datagram) == offset + len(b"payload") + SEAL_OCTETS == header.length
        assert header.epoch == bob.machine.describe()[0].local_epoch


def test_seal_packet_numbers_begin_at_one_and_never_repeat() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    network.tap = lambda crossing: True
    alice.connect(bob)
    network.run(SECOND)
    numbers = [_number(make(alice, bob, b"")) for _ in range(5)]
    assert numbers == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("scope", SCOPES)
def test_seal_random_octets_never_open_nor_raise(scope: Seal) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    chance = random.Random(5)
    template = make(alice, bob, bytes(60))
    for _ in range(2_000):
        octets = bytearray(template)
        for _ in range(chance.randrange(1, 12)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        octets[4:6] = len(octets).to_bytes(2, "big")
        if bytes(octets) != template and octets[HEADER_SIZE:] != template[HEADER_SIZE:]:
            assert deliver(bob, alice, bytes(octets)) == []
    assert deliver(bob, alice, template) == [bytes(60)]

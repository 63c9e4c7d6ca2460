"""Keys: the schedule against independent arithmetic, the ratchet under traffic, erasure, the key log."""

import gc
import hmac
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from qstack.base.effects import Seal
from qstack.proto.session.keys import Direction, TrafficKeys, expand
from qstack.proto.session.params import SessionParameters
from qstack.wire.header import HeaderFlag, decode_header_untrusted
from qstack.wire.protocols import Protocol
from tests.proto.session.network import SECOND, Network, Weather
from tests.proto.session.test_seal import deliver, make

QUICK = replace(SessionParameters(), rekey_datagrams=50, generation_minimum_ns=0)


def ends(parameters: SessionParameters = QUICK) -> tuple[TrafficKeys, TrafficKeys]:
    """The leader and the follower of one epoch."""
    first, second = bytes(range(32)), bytes(range(32, 64))
    leader = TrafficKeys(Direction(first), Direction(second), parameters, leads=True, now_ns=0)
    return leader, TrafficKeys(Direction(second), Direction(first), parameters, leads=False, now_ns=0)


def test_keys_expand_is_hkdf_expand_of_rfc_5869() -> None:
    # RFC 5869 appendix A.1
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert expand(prk, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), 42).hex() == okm


def test_keys_first_generations_follow_from_the_secret_as_the_note_says() -> None:
    secret = bytes(range(32))
    made: list[tuple[int, str, str]] = []
    direction = Direction(secret, lambda *generation: made.append(generation))
    for number in range(3):
        sealed = direction.make().seal(5, b"aad", b"plain")
        key = hmac.digest(secret, b"qstack key\x01", "sha256")
        iv = hmac.digest(secret, b"qstack iv\x01", "sha256")[:12]
        nonce = (int.from_bytes(iv, "big") ^ 5).to_bytes(12, "big")
        assert sealed == ChaCha20Poly1305(key).encrypt(nonce, b"plain", b"aad")
        assert made[-1] == (number, key.hex(), iv.hex())
        secret = hmac.digest(secret, b"qstack next\x01", "sha256")


def test_keys_follower_never_begins_a_generation() -> None:
    leader, follower = ends()
    for _ in range(200):
        number, phase = follower.reserve(0)
        assert leader.open(number, phase, b"", follower.seal(number, b"", b""), 0) == b""
    assert follower.generation == 0
    assert leader.rekey_due(0)


def test_keys_leader_waits_until_it_was_followed() -> None:
    leader, follower = ends()
    number, phase = follower.reserve(0)
    leader.open(number, phase, b"", follower.seal(number, b"", b""), 0)
    for _ in range(500):
        leader.reserve(0)
    assert leader.generation == 1 and leader.unfollowed
    number, phase = leader.reserve(0)
    assert follower.open(number, phase, b"", leader.seal(number, b"", b""), 0) == b""
    assert follower.generation == 1
    number, phase = follower.reserve(0)
    leader.open(number, phase, b"", follower.seal(number, b"", b""), 0)
    assert not leader.unfollowed
    leader.reserve(0)
    assert leader.generation == 2


def test_keys_rekey_by_time() -> None:
    leader, follower = ends(SessionParameters())
    number, phase = follower.reserve(0)
    leader.open(number, phase, b"", follower.seal(number, b"", b""), 0)
    leader.reserve(119 * SECOND)
    assert leader.generation == 0
    leader.reserve(120 * SECOND)
    assert leader.generation == 1


@pytest.mark.parametrize("seed", range(10))
def test_keys_rekey_under_traffic_with_reordering_loses_nothing(seed: int) -> None:
    """Both directions at once, every datagram late by up to 40 others, a new generation about every 50."""
    chance = random.Random(seed)
    keys = ends()
    under_way: list[tuple[float, int, int, int, bytes]] = []
    opened = 0
    for step in range(2_000):
        for side in (0, 1):
            number, phase = keys[side].reserve(step)
            under_way.append(
                (step + chance.random() * 40, side, number, phase, keys[side].seal(number, b"", b"%d" % step))
            )
        under_way.sort()
        while under_way and under_way[0][0] <= step:
            _, side, number, phase, sealed = under_way.pop(0)
            assert keys[1 - side].open(number, phase, b"", sealed, step) is not None
            opened += 1
    assert opened > 3_900
    assert keys[0].generation >= 10 and abs(keys[0].generation - keys[1].generation) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_keys_rekey_under_loss_never_locks_an_end_out(seed: int) -> None:
    """Whatever is lost, in bursts and one way only too, an end always opens what does arrive."""
    chance = random.Random(seed)
    keys = ends(replace(QUICK, rekey_datagrams=5))
    lossy = [0.0, 0.0]
    for step in range(3_000):
        if step % 100 == 0:
            lossy = [chance.choice([0.0, 0.5, 1.0]), chance.choice([0.0, 0.5, 1.0])]
        side = chance.randrange(2)
        number, phase = keys[side].reserve(step)
        sealed = keys[side].seal(number, b"", b"x")
        if chance.random() >= lossy[side]:
            assert keys[1 - side].open(number, phase, b"", sealed, step) == b"x"
    assert keys[0].generation > 20


def test_keys_forged_phase_never_advances_anything() -> None:
    leader, follower = ends()
    number, phase = leader.reserve(0)
    sealed = leader.seal(number, b"", b"x")
    for bit in (0, 1):
        for forged_number in (0, number, number + 1, 1 << 40):
            assert follower.open(forged_number, bit, b"forged", sealed, 0) is None
    assert follower.open(number, 1 - phase, b"", sealed, 0) is None
    assert follower.open(number, phase, b"", sealed, 0) == b"x"
    assert follower.generation == 0


def test_keys_previous_key_goes_after_its_time() -> None:
    leader, follower = ends(replace(QUICK, rekey_datagrams=1))
    early = [leader.reserve(0)]
    sealed = leader.seal(early[0][0], b"", b"old")
    number, phase = follower.reserve(0)
    leader.open(number, phase, b"", follower.seal(number, b"", b""), 0)
    number, phase = leader.reserve(0)
    assert follower.open(number, phase, b"", leader.seal(number, b"", b""), 0) == b""
    within, beyond = 9 * SECOND, 10 * SECOND
    assert follower.open(*early[0], b"", sealed, within) == b"old"
    assert follower.open(*early[0], b"", sealed, beyond) is None


def test_keys_traffic_through_many_generations_on_a_bad_network() -> None:
    network = Network(parameters=replace(QUICK, rekey_datagrams=20, generation_minimum_ns=2 * SECOND))
    alice, bob = network.pair()
    network.weather = Weather(loss=0.1, duplication=0.2, jitter_ns=SECOND)
    for number in range(500):
        alice.say(bob, b"%d" % number)
        bob.say(alice, b"%d" % number)
        network.run(SECOND // 50)
    network.run(5 * SECOND)
    for station in (alice, bob):
        assert 500 >= len(station.received) == len(set(station.received)) > 425
        assert "session.hop.refused.forged" not in station.counts, "nothing honest may fail to open"
        assert station.machine.describe()[0].generation >= 3


def test_keys_one_way_traffic_is_rekeyed_by_a_probe_of_the_leader() -> None:
    network = Network(parameters=QUICK)
    alice, bob = network.pair()
    for number in range(300):
        bob.say(alice, b"%d" % number)
        network.run(SECOND // 50)
    assert alice.machine.describe()[0].generation >= 3
    assert bob.machine.describe()[0].generation >= 3
    assert len(alice.received) == 300


def test_keys_phase_flag_follows_the_generation() -> None:
    network = Network(parameters=QUICK)
    alice, bob = network.pair()
    bob.say(alice, b"x")
    network.run(SECOND)
    phases = []
    for _ in range(120):
        datagram = make(alice, bob, b"")
        phases.append(decode_header_untrusted(datagram)[0].flags & HeaderFlag.KEY_PHASE)
        deliver(bob, alice, datagram)
        deliver(alice, bob, make(bob, alice, b""))
    changes = [number for number in range(1, 120) if phases[number] != phases[number - 1]]
    assert len(changes) == 2 and all(
        45 <= later - earlier <= 50 for earlier, later in zip([0, *changes], changes, strict=False)
    )


def test_keys_are_wiped_when_the_epoch_ends() -> None:
    leader, follower = ends()
    del follower
    leader.wipe()
    secrets = [referent for direction in (leader.outgoing, leader.incoming) for referent in gc.get_referents(direction)
               if isinstance(referent, bytearray)]  # fmt: skip
    assert secrets and all(secret == bytes(32) for secret in secrets)


@pytest.mark.parametrize("scope", [Seal.HOP, Seal.END])
def test_keys_log_opens_the_capture(scope: Seal) -> None:
    """Somebody who has the log and the note alone can read an encrypted datagram."""
    network = Network(scope)
    alice, bob = network.pair()
    datagram = alice.make_datagram(bob.qna, Protocol.PAYLOAD, b"secret", encrypt=True)
    assert b"secret" not in datagram
    front = 40 if scope is Seal.HOP else 56
    flags, number = (datagram[3], datagram[30:38]) if scope is Seal.HOP else (datagram[41], datagram[46:54])
    epoch = datagram[26:30] if scope is Seal.HOP else datagram[42:46]
    lines = [line.split() for line in alice.key_log]
    assert {line[0] for line in lines} == {"qstack"} and {line[1] for line in lines} == {scope.value}
    (line,) = [line for line in lines if line[2] == epoch.hex() and line[3] == str(flags & 1)]
    nonce = bytes(a ^ b for a, b in zip(bytes.fromhex(line[5]), bytes(4) + number, strict=True))
    around = b"" if scope is Seal.HOP else datagram[:1] + datagram[6:22]
    aad = around + (datagram[:40] if scope is Seal.HOP else datagram[40:front])
    assert ChaCha20Poly1305(bytes.fromhex(line[4])).decrypt(nonce, datagram[front:], aad) == b"secret"


def test_keys_both_ends_log_the_same_keys() -> None:
    network = Network()
    alice, bob = network.pair()
    assert sorted(alice.key_log)[0].split()[1] == "hop"
    mine = {tuple(line.split()[2:]) for line in alice.key_log}
    yours = {tuple(line.split()[2:]) for line in bob.key_log}
    common = mine & yours
    assert len(common) >= 2, "generation 0 of both directions"

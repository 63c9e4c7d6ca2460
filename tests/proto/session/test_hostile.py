"""Any messages, in any order, in anybody's name: nothing raises, nothing live is disturbed, nothing stays for ever."""

import random

import pytest

from qstack.base.effects import Seal
from qstack.base.ids import Epoch, Qna
from qstack.base.services import PeerDown, PeerUp
from qstack.proto.session.carrier import HandshakeMessage
from qstack.wire.session import (
    Abort,
    CookieChallenge,
    CookieTlv,
    Flight,
    FlightAck,
    Initiate,
    PaddingTlv,
)
from tests.proto.session.network import MILLISECOND, SECOND, Network, Station, Weather, at, home
from tests.proto.session.test_cost import MALLORY, answers, forge


def random_message(chance: random.Random, epochs: list[int], cookies: list[bytes]) -> HandshakeMessage:
    """A message with what an attacker on the path knows: epochs and cookies that were seen."""
    first, second = Epoch(chance.choice(epochs)), Epoch(chance.choice(epochs))
    total = chance.choice([0, 1, 700, 1_451, 2_071, 16_384, 65_535])
    offset, length = chance.choice([0, 0, 1, 726, total]), chance.choice([1, 2, 725, 1_100])
    options = chance.choice([(), (PaddingTlv(filler=bytes(40)),), (CookieTlv(cookie=chance.choice(cookies)),)])
    data = chance.randbytes(length)
    match chance.randrange(5):
        case 0:
            return Initiate(
                initiator_epoch=first, nonce=bytes(16), offset=min(offset, 65_535), total=total, data=data,
                options=options,
            )  # fmt: skip
        case 1:
            return CookieChallenge(initiator_epoch=first, nonce=bytes(16), cookie=chance.choice(cookies))
        case 2:
            return Flight(
                receiver_epoch=first, sender_epoch=second, flight=chance.randrange(5), offset=offset, total=total,
                data=data,
            )  # fmt: skip
        case 3:
            return FlightAck(receiver_epoch=first, sender_epoch=second, flight=chance.randrange(5), received=offset)
        case _:
            return Abort(receiver_epoch=first, sender_epoch=second, reason=chance.choice([1, 2, 15, 200]))


@pytest.mark.parametrize("scope", [Seal.HOP, Seal.END])
@pytest.mark.parametrize("seed", range(12))
def test_hostile_storm_leaves_a_live_epoch_alone_and_no_trace(scope: Seal, seed: int) -> None:
    network = Network(scope, seed)
    alice, bob = network.pair()
    chance = random.Random(seed)
    epochs = [0, 1, *(number for view in bob.machine.describe() for number in (view.local_epoch, view.remote_epoch))]
    cookies = [bytes(16)]
    for _ in range(300):
        source = chance.choice([MALLORY, alice.locator])
        forge(network, random_message(chance, epochs, cookies), chance.choice([alice.qna, bob.qna, at(9)]), bob, source)
        network.run(MILLISECOND)
        cookies += [
            CookieChallenge.decode_untrusted(answer[40:]).cookie
            for answer in answers(network, bob)[-3:]
            if answer[40] == CookieChallenge.CODE
        ]
        epochs += [view.local_epoch for view in bob.machine.describe()]
    network.run(70 * SECOND)
    assert len(bob.of(PeerUp)) == 1 and not bob.of(PeerDown) and not alice.of(PeerDown)
    assert len(bob.machine.describe()) == 1
    assert "malformed" not in bob.counts


@pytest.mark.parametrize("seed", range(12))
def test_hostile_off_path_storm_does_not_keep_two_honest_nodes_apart(seed: int) -> None:
    network = Network(Seal.HOP, seed, Weather(loss=0.2, jitter_ns=20 * MILLISECOND))
    alice, bob = network.station(1), network.station(2)
    chance = random.Random(seed)
    storm(network, chance, alice, bob)
    alice.connect(bob)
    for _ in range(100):
        storm(network, chance, alice, bob)
        network.run(20 * MILLISECOND)
    assert network.run(30 * SECOND, lambda: alice.machine.is_up(bob.qna) and bob.machine.is_up(alice.qna))


def storm(network: Network, chance: random.Random, alice: Station, bob: Station) -> None:
    """Ten forged messages each way; whoever is not on the path knows no epoch and no cookie."""
    for victim, other in ((alice, bob), (bob, alice)):
        for _ in range(10):
            epochs = [chance.randrange(1 << 32) for _ in range(3)]
            message = random_message(chance, epochs, [chance.randbytes(16)])
            forge(network, message, Qna(other.qna), victim, chance.choice([MALLORY, home(other.qna)]))

"""A peer that calls from elsewhere while an epoch with it is live: restarted there, or one of two (SESSION-6.3-5)."""

import pytest

from qstack.base.effects import Severity
from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, PeerDown, PeerUp
from tests.proto.session.network import MILLISECOND, SECOND, Network, Station, Weather

ELSEWHERE = Locator(bytes((127, 0, 0, 77)), 4560)


def copy_of(network: Network, number: int) -> Station:
    """The same node once more, at another place; the first one stays."""
    first = next(each for each in network.stations.values() if each.qna & 255 == number)
    copy = network.station(number, life=2)
    copy.locator = ELSEWHERE
    network.stations |= {first.locator: first, ELSEWHERE: copy}
    return copy


def test_copy_that_calls_while_the_peer_answers_is_refused_and_the_epoch_stays() -> None:
    network = Network()
    alice, bob = network.pair()
    before = bob.machine.describe()[0].local_epoch
    copy = copy_of(network, 1)
    for _ in range(3):
        copy.connect(bob)
        network.run(2 * SECOND)
    assert [view.local_epoch for view in bob.machine.describe()] == [before]
    assert len(bob.of(PeerUp)) == 1 and not bob.of(PeerDown) and not alice.of(PeerDown)
    assert not copy.of(PeerUp) and len(copy.of(PeerDown)) == 3
    assert bob.of(ClaimProved) == [ClaimProved(alice.qna, alice.locator)]
    refusals = [log for log in bob.logs if log.event == "handshake refused"]
    assert [log.severity for log in refusals] == [Severity.PEER] * 3
    assert dict(refusals[0].fields)["reason"] == "the peer is alive at 127.0.0.1:4560: two nodes are it"


@pytest.mark.parametrize("seed", range(10))
def test_copy_over_a_bad_path_never_replaces_the_peer(seed: int) -> None:
    network = Network(seed=seed)
    alice, bob = network.pair()
    network.weather = Weather(loss=0.3, duplication=0.2, corruption=0.1, jitter_ns=100 * MILLISECOND)
    copy = copy_of(network, 1)
    for _ in range(6):
        copy.connect(bob)
        network.run(5 * SECOND)
    assert not bob.of(PeerDown) and not alice.of(PeerDown) and not copy.of(PeerUp)


def test_copy_does_not_keep_the_peer_from_speaking() -> None:
    network = Network()
    alice, bob = network.pair()
    copy = copy_of(network, 1)
    copy.connect(bob)
    for number in range(100):
        alice.say(bob, b"%d" % number)
        bob.say(alice, b"%d" % number)
        network.run(10 * MILLISECOND)
    assert len(alice.received) == len(bob.received) == 100


def test_peer_restarted_elsewhere_is_let_in_when_its_old_epoch_is_silent() -> None:
    network = Network()
    alice, bob = network.pair()
    copy = copy_of(network, 1)
    del network.stations[alice.locator]
    called_ns = network.now_ns
    copy.connect(bob)
    assert network.run(30 * SECOND, lambda: copy.machine.is_up(bob.qna))
    assert 9 * SECOND < network.now_ns - called_ns < 12 * SECOND
    network.run(SECOND)
    assert bob.machine.locator_of(alice.qna) == ELSEWHERE
    assert (len(bob.of(PeerUp)), len(bob.of(PeerDown))) == (2, 1)
    assert len(bob.machine.describe()) == len(copy.machine.describe()) == 1
    assert not [log for log in bob.logs if log.event == "handshake refused"]


def test_peer_restarted_at_its_place_is_let_in_at_once() -> None:
    network = Network()
    _, bob = network.pair()
    again = network.station(1, life=2)
    again.connect(bob)
    network.run(SECOND)
    assert again.machine.is_up(bob.qna) and len(bob.of(PeerUp)) == 2


def test_peer_elsewhere_is_let_in_as_soon_as_its_old_epoch_ends() -> None:
    network = Network()
    alice, bob = network.pair()
    copy = copy_of(network, 1)
    network.tap = lambda crossing: crossing.source != bob.locator or crossing.destination != alice.locator
    copy.connect(bob)
    network.run(SECOND)
    assert not copy.machine.is_up(bob.qna)
    bob.machine.drop(alice.qna, "an operator's wish", network.now_ns)
    bob.settle()
    network.run(SECOND)
    assert copy.machine.is_up(bob.qna) and bob.machine.locator_of(alice.qna) == ELSEWHERE

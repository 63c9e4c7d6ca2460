"""Proof that a peer is where somebody says it is."""

from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, ClaimRefuted, PeerDown, PeerUp
from tests.proto.session.network import SECOND, Network, Weather, at, home

ELSEWHERE = Locator(bytes((127, 0, 0, 77)), 4560)


def test_claim_without_an_epoch_is_proved_by_a_handshake() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    alice.prove(bob.qna, bob.locator)
    network.run(SECOND)
    assert alice.of(ClaimProved) == [ClaimProved(bob.qna, bob.locator)]
    assert bob.of(ClaimProved) == [ClaimProved(alice.qna, alice.locator)]


def test_claim_with_a_live_epoch_is_proved_under_it() -> None:
    network = Network()
    alice, bob = network.pair()
    network.stations[ELSEWHERE] = bob  # bob receives there too
    alice.prove(bob.qna, ELSEWHERE)
    network.run(SECOND)
    assert alice.of(ClaimProved)[-1] == ClaimProved(bob.qna, ELSEWHERE)
    assert len(alice.of(PeerUp)) == len(bob.of(PeerUp)) == 1


def test_claim_with_a_live_epoch_survives_loss() -> None:
    network = Network()
    alice, bob = network.pair()
    network.weather = Weather(loss=0.4)
    alice.prove(bob.qna, bob.locator)
    network.run(10 * SECOND)
    assert alice.of(ClaimProved)[-1] == ClaimProved(bob.qna, bob.locator) and len(alice.of(ClaimProved)) == 2
    assert len(alice.of(PeerUp)) == 1


def test_claim_of_an_impostor_is_refuted_and_the_epoch_stays() -> None:
    network = Network()
    alice, bob = network.pair()
    mallory = network.station(66)
    network.stations[ELSEWHERE] = mallory
    mallory.qna = bob.qna  # it reads what is for bob
    alice.prove(bob.qna, ELSEWHERE)
    network.run(40 * SECOND)
    assert [claim.locator for claim in alice.of(ClaimRefuted)] == [ELSEWHERE]
    assert alice.of(ClaimProved) == [ClaimProved(bob.qna, bob.locator)]
    assert not alice.of(PeerDown) and alice.machine.locator_of(bob.qna) == bob.locator


def test_claim_of_a_peer_that_restarted_elsewhere_is_proved_by_a_new_epoch() -> None:
    network = Network()
    alice, bob = network.pair()
    del network.stations[bob.locator]
    again = network.station(2, life=2)
    del network.stations[bob.locator]
    again.locator = ELSEWHERE
    network.stations[ELSEWHERE] = again
    alice.prove(bob.qna, ELSEWHERE)
    network.run(10 * SECOND)
    assert alice.of(ClaimProved)[-1] == ClaimProved(bob.qna, ELSEWHERE)
    assert len(alice.of(PeerUp)) == 2 and alice.machine.locator_of(bob.qna) == ELSEWHERE


def test_claim_is_tried_anew_when_the_epoch_ends_meanwhile() -> None:
    network = Network()
    alice, bob = network.pair()
    again = network.station(2, life=2)
    network.stations[ELSEWHERE] = again
    again.locator = ELSEWHERE
    del network.stations[home(at(2))]
    alice.prove(bob.qna, ELSEWHERE)
    network.run(SECOND)
    alice.machine.drop(bob.qna, "gone", network.now_ns)
    alice.settle()
    network.run(5 * SECOND)
    assert alice.machine.is_up(bob.qna) and alice.machine.locator_of(bob.qna) == ELSEWHERE


def test_claim_resolved_anew_elsewhere_is_tried_without_a_new_epoch() -> None:
    network = Network()
    alice, bob = network.pair()
    network.stations[ELSEWHERE] = bob
    alice.connect(bob.qna, ELSEWHERE)
    alice.connect(bob.qna, bob.locator)
    network.run(SECOND)
    assert alice.of(ClaimProved) == [ClaimProved(bob.qna, bob.locator), ClaimProved(bob.qna, ELSEWHERE)]
    assert len(alice.of(PeerUp)) == 1


def test_claim_peer_that_moves_is_followed_to_its_latest_address() -> None:
    network = Network()
    alice, bob = network.pair()
    old = bob.say(alice, b"first")
    network.run(SECOND)
    bob.locator = ELSEWHERE
    network.stations[ELSEWHERE] = bob
    bob.say(alice, b"moved")
    network.run(SECOND)
    assert alice.machine.locator_of(bob.qna) == ELSEWHERE
    network.inject(Locator(bytes((203, 0, 113, 1)), 1), alice.locator, old)  # a replay from elsewhere moves nobody
    network.run(SECOND)
    assert alice.machine.locator_of(bob.qna) == ELSEWHERE and len(alice.received) == 2

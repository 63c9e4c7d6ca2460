"""Handshakes from call to epoch, seen from outside, on good and bad networks."""

import pytest

from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.base.services import ClaimProved, ClaimRefuted, PeerDoubted, PeerDown, PeerUp
from qstack.testing.handshake import fake_identity
from qstack.wire.protocols import Protocol
from tests.proto.session.network import MILLISECOND, SECOND, Network, Station, Weather, at, home

SCOPES = [Seal.HOP, Seal.END]


def both_up(one: Station, two: Station) -> bool:
    return one.machine.is_up(two.qna) and two.machine.is_up(one.qna)


@pytest.mark.parametrize("scope", SCOPES)
def test_machine_call_makes_one_epoch_at_both_ends(scope: Seal) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    for station, other in ((alice, bob), (bob, alice)):
        locator = other.locator if scope is Seal.HOP else None
        assert station.of(PeerUp) == [PeerUp(other.qna, scope, locator, (f"urn:qkd:node{other.qna & 255}",))]
        assert station.of(ClaimProved) == ([ClaimProved(other.qna, other.locator)] if scope is Seal.HOP else [])
        assert not station.of(PeerDown) and not station.of(ClaimRefuted)
        assert station.machine.identity_of(other.qna) == fake_identity(other.qna, (f"urn:qkd:node{other.qna & 255}",))


def test_machine_handshake_without_loss_takes_eight_datagrams_and_two_and_a_half_round_trips() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    begun = network.now_ns
    alice.connect(bob)
    assert network.run(SECOND, lambda: both_up(alice, bob))
    assert network.now_ns - begun == 6 * 5 * MILLISECOND
    network.run(SECOND)
    # question, cookie, offer (2), answer (2), last flight, Established
    assert len(network.crossings) == 8


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("encrypt", [False, True])
def test_machine_sealed_octets_arrive_in_both_directions(scope: Seal, encrypt: bool) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    datagram = alice.say(bob, b"from alice to bob", encrypt=encrypt)
    bob.say(alice, b"from bob to alice", encrypt=encrypt)
    network.run(SECOND)
    assert bob.received == [(alice.qna, b"from alice to bob")]
    assert alice.received == [(bob.qna, b"from bob to alice")]
    assert (b"from alice to bob" in datagram) is not encrypt


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("first_seed", range(0, 100, 20))
def test_machine_40_percent_loss_each_way_is_overcome_within_60_s(scope: Seal, first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 20):
        network = Network(scope, seed, Weather(loss=0.4, delay_ns=50 * MILLISECOND))
        alice, bob = network.station(1), network.station(2)
        alice.connect(bob)
        assert network.run(60 * SECOND, lambda: both_up(alice, bob)), f"seed {seed}"  # noqa: B023


@pytest.mark.parametrize("seed", range(15))
def test_machine_terrible_network_is_overcome(seed: int) -> None:
    weather = Weather(
        loss=0.3, duplication=0.3, corruption=0.3, delay_ns=100 * MILLISECOND, jitter_ns=400 * MILLISECOND
    )
    network = Network(Seal.HOP, seed, weather)
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob)
    bob.connect(alice)
    assert network.run(60 * SECOND, lambda: both_up(alice, bob))
    network.weather = Weather()
    network.run(5 * SECOND)
    alice.say(bob, b"whole")
    network.run(SECOND)
    assert bob.received[-1] == (alice.qna, b"whole")


def test_machine_round_trip_of_two_seconds_is_no_obstacle() -> None:
    network = Network(weather=Weather(delay_ns=SECOND))
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob)
    assert network.run(20 * SECOND, lambda: both_up(alice, bob))


@pytest.mark.parametrize("lost", range(8))
def test_machine_any_single_datagram_lost_costs_little(lost: int) -> None:
    network = Network()
    network.tap = lambda crossing: len(network.crossings) != lost + 1
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob)
    assert network.run(SECOND, lambda: both_up(alice, bob))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("seed", range(25))
def test_machine_both_calling_at_once_make_one_epoch(scope: Seal, seed: int) -> None:
    network = Network(scope, seed, Weather(jitter_ns=20 * MILLISECOND))
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob)
    network.run(seed * MILLISECOND)
    bob.connect(alice)
    network.run(10 * SECOND)
    assert both_up(alice, bob)
    assert len(alice.of(PeerUp)) == len(bob.of(PeerUp)) == 1
    assert [view.role for view in alice.machine.describe()] == ["initiator"], "the lower QNA's handshake wins"
    assert len(bob.machine.describe()) == 1


@pytest.mark.parametrize("seed", range(40))
def test_machine_both_calling_at_once_under_loss_agree_on_one_epoch(seed: int) -> None:
    network = Network(Seal.HOP, seed, Weather(loss=0.3, delay_ns=20 * MILLISECOND, jitter_ns=60 * MILLISECOND))
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob)
    bob.connect(alice)
    network.run(60 * SECOND, lambda: both_up(alice, bob))
    network.weather = Weather()
    network.run(40 * SECOND)  # a late copy of the losing call may leave a half-open session for 30 s
    assert both_up(alice, bob)
    (mine,), (yours,) = alice.machine.describe(), bob.machine.describe()
    assert (mine.local_epoch, mine.remote_epoch) == (yours.remote_epoch, yours.local_epoch)
    assert not alice.of(PeerDown) and not bob.of(PeerDown)


def test_machine_lower_caller_whose_way_out_is_dead_lets_the_other_call() -> None:
    network = Network()
    network.tap = lambda crossing: crossing.destination != home(at(99))
    alice, bob = network.station(1), network.station(2)
    alice.connect(bob.qna, home(at(99)))  # a locator where nobody is
    bob.connect(alice)
    assert network.run(5 * SECOND, lambda: both_up(alice, bob))
    assert alice.machine.locator_of(bob.qna) == bob.locator


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("restarted", [1, 2])
def test_machine_restart_of_one_side_is_a_new_epoch_when_it_calls(scope: Seal, restarted: int) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    stays = bob if restarted == 1 else alice
    again = network.station(restarted, life=2)
    again.connect(stays)
    network.run(SECOND)
    assert both_up(again, stays)
    assert [type(service) for service in stays.services if isinstance(service, PeerUp | PeerDown)] == [
        PeerUp, PeerDown, PeerUp
    ]  # fmt: skip
    stays.say(again, b"new")
    again.say(stays, b"too")
    network.run(SECOND)
    assert again.received == [(stays.qna, b"new")] and stays.received == [(again.qna, b"too")]


def test_machine_restarted_peer_drops_the_old_epoch_silently() -> None:
    network = Network()
    alice, bob = network.pair()
    again = network.station(2, life=2)
    before = len(network.crossings)
    alice.say(bob, b"to the dead")
    network.run(SECOND)
    assert len(network.crossings) == before + 1
    assert again.counts == {"session.hop.refused.unknown_epoch": 1}


@pytest.mark.parametrize("restarted", [False, True])
def test_machine_doubted_peer_is_called_only_if_it_does_not_answer(restarted: bool) -> None:
    network = Network(Seal.END)
    alice, bob = network.pair()
    if restarted:
        bob = network.station(2, life=2)
    alice.machine.on_service(PeerDoubted(bob.qna), network.now_ns)
    alice.settle()
    assert alice.machine.is_up(bob.qna), "what is said is no reason to end anything"
    network.run(2 * SECOND)
    assert both_up(alice, bob)
    assert len(alice.of(PeerUp)) == 1 + restarted
    assert len(alice.of(PeerDown)) == restarted


def test_machine_silent_peer_is_probed_and_then_down() -> None:
    network = Network()
    alice, bob = network.pair()
    del network.stations[bob.locator]
    alice.say(bob, b"anybody?")
    begun = network.now_ns
    assert network.run(60 * SECOND, lambda: not alice.machine.is_up(bob.qna))
    assert alice.of(PeerDown) == [PeerDown(bob.qna, Seal.HOP, "silent")]
    assert 15 * SECOND <= network.now_ns - begun <= 21 * SECOND


def test_machine_idle_peers_stay_up_with_few_probes() -> None:
    network = Network()
    alice, bob = network.pair()
    before = len(network.crossings)
    network.run(600 * SECOND)
    assert both_up(alice, bob) and not alice.of(PeerDown) and not bob.of(PeerDown)
    assert len(network.crossings) - before <= 2 * 600 // 10


def test_machine_loss_of_40_percent_each_way_does_not_end_an_epoch() -> None:
    for seed in range(10):
        network = Network(seed=seed)
        alice, bob = network.pair()
        network.weather = Weather(loss=0.4)
        network.run(300 * SECOND)
        assert both_up(alice, bob) and not alice.of(PeerDown), f"seed {seed}"


@pytest.mark.parametrize("scope", SCOPES)
def test_machine_close_is_told_and_both_ends_erase(scope: Seal) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    alice.machine.close_all(ErrorCode.CANCELLED, network.now_ns)
    alice.settle()
    network.run(SECOND)
    assert alice.of(PeerDown) == [PeerDown(bob.qna, scope, "closed by this node")]
    assert bob.of(PeerDown) == [PeerDown(alice.qna, scope, "closed by the peer")]
    assert not alice.machine.describe() and not bob.machine.describe()
    assert alice.machine.next_deadline() is None


def test_machine_peer_that_is_no_longer_believed_is_closed() -> None:
    network = Network()
    alice, bob = network.pair()
    alice.machine.reconsider(lambda identity: "", network.now_ns)
    network.run(SECOND)
    assert both_up(alice, bob)
    alice.machine.reconsider(lambda identity: "revoked" if identity.qna == bob.qna else "", network.now_ns)
    alice.settle()
    network.run(SECOND)
    assert not alice.machine.is_up(bob.qna) and not bob.machine.is_up(alice.qna)


def test_machine_dropped_peer_is_down_at_once() -> None:
    network = Network()
    alice, bob = network.pair()
    alice.machine.drop(bob.qna, "does not acknowledge", network.now_ns)
    alice.settle()
    assert alice.of(PeerDown) == [PeerDown(bob.qna, Seal.HOP, "does not acknowledge")]


@pytest.mark.parametrize("scope", SCOPES)
def test_machine_nobody_there_is_given_up_and_told(scope: Seal) -> None:
    network = Network(scope)
    alice = network.station(1)
    alice.connect(at(2))
    begun = network.now_ns
    assert network.run(60 * SECOND, lambda: bool(alice.of(PeerDown)))
    assert network.now_ns - begun == 20 * SECOND
    assert alice.of(PeerDown) == [PeerDown(at(2), scope, "no answer in time")]
    refuted = [ClaimRefuted(at(2), home(at(2)), "no answer in time")] if scope is Seal.HOP else []
    assert alice.of(ClaimRefuted) == refuted
    assert not alice.machine.describe() and alice.machine.next_deadline() is None


def test_machine_impostor_is_refuted_and_learns_nothing() -> None:
    network = Network()
    alice = network.station(1)
    network.station(2, shown=66)
    alice.connect(at(2))
    network.run(5 * SECOND)
    reason = "certificate is that of 64512.66, not of 64512.2"
    assert alice.of(ClaimRefuted) == [ClaimRefuted(at(2), home(at(2)), reason)]
    assert not alice.of(PeerUp)


def test_machine_caller_with_anothers_certificate_is_refused() -> None:
    network = Network()
    mallory, bob = network.station(1, shown=66), network.station(2)
    mallory.connect(bob)
    network.run(5 * SECOND)
    assert not bob.of(PeerUp) and not mallory.of(PeerUp)
    assert mallory.of(ClaimRefuted)[0].reason == "refused by the peer"
    assert any("certificate is that of 64512.66" in str(log.fields) for log in bob.logs)
    assert not bob.machine.describe()


def test_machine_caller_that_is_not_believed_is_refused_and_live_epochs_stay() -> None:
    network = Network()
    network.judge = lambda identity: "certificate of 64512.3 is revoked" if identity.qna == at(3) else ""
    alice, bob = network.pair()
    carol = network.station(3)
    carol.connect(bob)
    network.run(5 * SECOND)
    assert not carol.of(PeerUp) and len(bob.of(PeerUp)) == 1
    assert any("revoked" in str(log.fields) for log in bob.logs)
    assert both_up(alice, bob)


def test_machine_responder_that_forgot_the_handshake_is_called_again() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    # The last flight never arrives before bob has restarted.
    network.tap = lambda crossing: not (crossing.source == alice.locator and crossing.datagram[40] == 3)
    alice.connect(bob)
    network.run(300 * MILLISECOND)
    assert [view.state for view in alice.machine.describe()] == ["confirming"]
    again = network.station(2, life=2)
    network.tap = lambda crossing: True
    assert network.run(5 * SECOND, lambda: both_up(alice, again))
    assert not alice.of(ClaimRefuted) and not alice.of(PeerDown)


def test_machine_responder_whose_secret_has_changed_asks_for_a_new_cookie() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    network.tap = lambda crossing: not (crossing.source == alice.locator and len(crossing.datagram) > 1_000)
    alice.connect(bob)
    network.run(100 * MILLISECOND)
    assert [view.state for view in alice.machine.describe()] == ["offering"]
    again = network.station(2, life=2)
    network.tap = lambda crossing: True
    assert network.run(5 * SECOND, lambda: both_up(alice, again))


def test_machine_exporter_agrees_at_both_ends_and_not_with_another_epoch() -> None:
    network = Network(Seal.END)
    alice, bob = network.pair()
    first = alice.machine.exporter(bob.qna, b"unit", b"context", 48)
    assert first == bob.machine.exporter(alice.qna, b"unit", b"context", 48) and len(first) == 48
    assert first != alice.machine.exporter(bob.qna, b"unit", b"contexts", 48)
    assert first != alice.machine.exporter(bob.qna, b"unitc", b"ontext", 48)
    again = network.station(2, life=2)
    again.connect(alice)
    network.run(SECOND)
    assert first != again.machine.exporter(alice.qna, b"unit", b"context", 48)


def test_machine_exporter_and_seal_without_a_session_are_misuse() -> None:
    alice = Network().station(1)
    with pytest.raises(LocalMisuse, match=r"no hop session with 64512\.2"):
        alice.machine.exporter(at(2), b"unit", b"", 32)
    with pytest.raises(LocalMisuse):
        alice.make_datagram(at(2), Protocol.PAYLOAD, b"")
    with pytest.raises(LocalMisuse, match="itself"):
        alice.connect(alice)


def test_machine_epochs_are_never_zero_and_unlike_one_another() -> None:
    network = Network()
    hub = network.station(1)
    for number in range(2, 40):
        hub.connect(network.station(number))
    network.run(5 * SECOND)
    epochs = [view.local_epoch for view in hub.machine.describe()]
    assert len(set(epochs)) == 38 and 0 not in epochs


def test_machine_same_seed_is_the_same_run() -> None:
    def run() -> list[bytes]:
        network = Network(Seal.HOP, 7, Weather(loss=0.3, jitter_ns=MILLISECOND))
        alice, bob = network.station(1), network.station(2)
        alice.connect(bob)
        network.run(20 * SECOND)
        return [crossing.datagram for crossing in network.crossings]

    assert run() == run()

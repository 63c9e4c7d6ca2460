"""Another node with our own address and certificate: proved, told of, and no epoch made of it (SESSION-6.6)."""

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import Seal
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Epoch, Qna
from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, ClaimRefuted, PeerDown, PeerUp
from qstack.io.tls import TlsHandshakeFactory
from qstack.pki.issuing import issue_node
from qstack.proto.session.carrier import HandshakeMessage
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.wire.header import HEADER_SIZE
from qstack.wire.session import Abort, CookieChallenge, Initiate
from tests.pki.certificates import NOW, der, key_der
from tests.proto.session.network import MILLISECOND, SECOND, Crossing, Network, Station, Weather, at, home
from tests.proto.session.rewriter import Rewriter, handshake_datagram, handshake_message
from tests.proto.session.test_cost import forge
from tests.proto.session.test_with_tls import CA, TRUST, believing

ELSEWHERE = Locator(bytes((127, 0, 0, 77)), 4560)
FRONT, BACK = Locator(bytes((203, 0, 113, 1)), 4560), Locator(bytes((203, 0, 113, 2)), 4560)


def clone(network: Network, handshakes: HandshakeFactory | None = None) -> Station:
    """A second node 1, at another place."""
    seed = b"clone:%d" % network.seed
    factory = handshakes or FakeHandshakeFactory(fake_identity(at(1)), Chance(b"tls" + seed), network.judge)
    station = Station(network, at(1), factory, seed, network.parameters)
    station.locator = ELSEWHERE
    network.stations[ELSEWHERE] = station
    return station


def events(station: Station) -> list[str]:
    return [log.event for log in station.logs]


class Relay:
    """An attacker at FRONT for the node that calls and at BACK for the node that it makes answer, in `name`."""

    def __init__(self, network: Network, victim: Station, target: Station, name: Qna) -> None:
        self.network = network
        self.victim = victim
        self.target = target
        self.name = name
        self.rewriter = Rewriter()
        self.answers: list[HandshakeMessage] = []
        network.tap = self.take

    def take(self, crossing: Crossing) -> bool:
        if crossing.destination not in (FRONT, BACK):
            return True
        message = handshake_message(crossing.datagram)
        if crossing.destination == FRONT:
            forth = self.rewriter.forth(message)
            self.network.inject(BACK, self.target.locator, handshake_datagram(forth, self.name, self.target.qna))
        else:
            self.answers.append(message)
            back = self.rewriter.back(message)
            self.network.inject(FRONT, self.victim.locator, handshake_datagram(back, self.victim.qna, self.victim.qna))
        return False


class Credit:
    """Sees to it that a node never has sent more octets than it has received (SESSION-6.1-1)."""

    def __init__(self, network: Network, station: Station) -> None:
        self.received = self.sent = 0
        self.station = station
        self.take_in = station.receive
        station.receive = self.receive  # type: ignore[method-assign]
        network.tap = self.send

    def receive(self, datagram: bytes, source: Locator) -> None:
        self.received += len(datagram)
        self.take_in(datagram, source)

    def send(self, crossing: Crossing) -> bool:
        if crossing.source == self.station.locator:
            self.sent += len(crossing.datagram)
            assert self.sent <= self.received
        return True


def assert_nothing_came_of_it(*stations: Station) -> None:
    for station in stations:
        assert not station.of(PeerUp) and not station.of(PeerDown)
        assert not station.machine.describe() and not station.machine.is_up(station.qna)
        assert not station.key_log


# --- a rival ---------------------------------------------------------------------------------------------------------


def test_rival_is_proved_to_who_calls_and_no_epoch_begins() -> None:
    network = Network()
    first, second = network.station(1), clone(network)
    second.prove(first.qna, first.locator)
    network.run(SECOND)
    assert second.services == [ClaimProved(first.qna, first.locator)]
    assert first.services == [] and events(first) == ["own address proved by another"]
    assert dict(first.logs[0].fields)["locator"] == str(ELSEWHERE)
    assert first.counts["session.hop.rivals"] == second.counts["session.hop.rivals"] == 1
    assert_nothing_came_of_it(first, second)


def test_rival_both_calling_at_once_are_both_proved() -> None:
    network = Network()
    first, second = network.station(1), clone(network)
    first.prove(at(1), ELSEWHERE)
    second.prove(at(1), first.locator)
    network.run(SECOND)
    assert first.services == [ClaimProved(at(1), ELSEWHERE)] and second.services == [ClaimProved(at(1), first.locator)]
    assert_nothing_came_of_it(first, second)


@pytest.mark.parametrize("seed", range(20))
def test_rival_is_proved_over_a_bad_path_and_leaves_no_trace(seed: int) -> None:
    weather = Weather(loss=0.3, duplication=0.2, corruption=0.1, jitter_ns=100 * MILLISECOND)
    network = Network(seed=seed, weather=weather)
    first, second = network.station(1), clone(network)
    credit = Credit(network, first)
    second.prove(first.qna, first.locator)
    assert network.run(60 * SECOND, lambda: bool(second.services))
    network.run(60 * SECOND)
    assert second.services == [ClaimProved(first.qna, first.locator)] and not first.services
    assert credit.received > 0
    assert_nothing_came_of_it(first, second)


def test_rival_with_tls_is_proved() -> None:
    network = Network()
    credential = issue_node(CA, at(1), now_unix_s=NOW, days=10)
    first, second = (
        TlsHandshakeFactory(der(credential), key_der(credential), believing(TRUST)) for _ in range(2)
    )
    one, two = network.station(1, first), clone(network, second)
    two.prove(one.qna, one.locator)
    network.run(SECOND)
    assert two.services == [ClaimProved(one.qna, one.locator)]
    assert_nothing_came_of_it(one, two)


def test_rival_leaves_the_epochs_of_both_with_others_alone() -> None:
    network = Network()
    first, bob = network.pair()
    second = clone(network)
    carol = network.station(3)
    second.connect(carol)
    network.run(2 * SECOND)
    for station in (first, bob, second, carol):
        station.services.clear()
    before = [station.machine.describe() for station in (first, bob, second, carol)]
    for _ in range(3):
        first.prove(at(1), ELSEWHERE)
        second.prove(at(1), first.locator)
        network.run(SECOND)
    assert len(first.of(ClaimProved)) == len(second.of(ClaimProved)) == 3
    assert [station.machine.describe() for station in (first, bob, second, carol)] == before
    assert not [each for station in (first, bob, second, carol) for each in station.of(PeerUp) + station.of(PeerDown)]


def test_rival_that_is_none_is_refuted_and_nobody_is_down() -> None:
    network = Network()
    alice, mallory = network.station(1), network.station(66)
    mallory.qna = alice.qna  # it reads what is for alice, and says so
    network.stations[FRONT] = mallory
    alice.prove(alice.qna, FRONT)
    alice.prove(alice.qna, home(at(99)))
    network.run(70 * SECOND)
    assert {claim.locator for claim in alice.of(ClaimRefuted)} == {FRONT, home(at(99))}
    assert not alice.of(ClaimProved)
    assert_nothing_came_of_it(alice)


def test_rival_with_another_nodes_certificate_is_refuted() -> None:
    network = Network()
    alice = network.station(1)
    clone(network, FakeHandshakeFactory(fake_identity(at(2)), Chance(b"other")))
    alice.prove(alice.qna, ELSEWHERE)
    network.run(5 * SECOND)
    assert [claim.reason for claim in alice.of(ClaimRefuted)] == ["certificate is that of 64512.2, not of 64512.1"]
    assert_nothing_came_of_it(alice)


def test_rival_is_refused_between_ends() -> None:
    network = Network(Seal.END)
    alice = network.station(1)
    for source in (alice.locator, FRONT):
        forge(network, Initiate(initiator_epoch=Epoch(7), nonce=bytes(16)), alice.qna, alice, source)
    network.run(SECOND)
    assert alice.counts == {"session.end.damaged": 2} and not network.crossings


# --- ourselves -------------------------------------------------------------------------------------------------------


def test_own_call_that_comes_back_as_it_was_gets_no_answer_and_proves_nothing() -> None:
    network = Network()
    alice = network.station(1)
    network.stations[FRONT] = alice  # whatever goes there comes back

    def mirror(crossing: Crossing) -> bool:
        network.inject(crossing.destination, alice.locator, crossing.datagram)
        return False

    network.tap = mirror
    alice.prove(alice.qna, FRONT)
    network.run(70 * SECOND)
    assert {crossing.datagram[HEADER_SIZE] for crossing in network.crossings} == {Initiate.CODE}
    assert alice.counts["session.hop.reflected"] == len(network.crossings)
    assert [type(service) for service in alice.services] == [ClaimRefuted]
    assert_nothing_came_of_it(alice)


@pytest.mark.parametrize("name", [at(1), at(77)], ids=["own-name", "other-name"])
@pytest.mark.parametrize("tls", [False, True])
def test_own_call_relayed_and_rewritten_proves_nothing(name: Qna, tls: bool) -> None:
    network = Network()
    credential = issue_node(CA, at(1), now_unix_s=NOW, days=10)
    factory = TlsHandshakeFactory(der(credential), key_der(credential), believing(TRUST)) if tls else None
    alice = network.station(1, factory)
    relay = Relay(network, alice, alice, name)
    alice.prove(alice.qna, FRONT)
    network.run(70 * SECOND)
    assert {type(answer) for answer in relay.answers} == {CookieChallenge, Abort}, "no flight ever comes back"
    assert [type(service) for service in alice.services] == [ClaimRefuted]
    assert_nothing_came_of_it(alice)


def test_own_call_relayed_to_a_rival_proves_the_rival() -> None:
    """What the relay above would achieve, if it were not recognised."""
    network = Network()
    alice, other = network.station(1), clone(network)
    relay = Relay(network, alice, other, at(1))
    alice.prove(alice.qna, FRONT)
    network.run(5 * SECOND)
    assert alice.services == [ClaimProved(alice.qna, FRONT)] and relay.answers

"""The same protocol with real TLS 1.3 and real certificates."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from qstack.base.effects import Seal
from qstack.base.handshake import PeerIdentity
from qstack.base.services import ClaimRefuted, PeerUp
from qstack.io.tls import TlsHandshakeFactory
from qstack.pki.issuing import Credential, issue_node, make_ca, self_signed_node
from qstack.pki.profile import fingerprint_of
from qstack.pki.trust import Trust, make_anchor
from qstack.wire.session import Flight
from tests.pki.certificates import DAY, NOW, Odd, der, key_der
from tests.proto.session.network import SECOND, Network, Station, Weather, at

CA = make_ca(64512, ["urn:qkd:madqci"], now_unix_s=NOW)
TRUST = Trust((make_anchor(CA.certificate),))


def believing(trust: Trust, now: int = NOW) -> Callable[[bytes], PeerIdentity]:
    return lambda certificate_der: trust.check(certificate_der, now_unix_s=now)


def factory(node: Credential, trust: Trust = TRUST, now: int = NOW) -> TlsHandshakeFactory:
    return TlsHandshakeFactory(der(node), key_der(node), believing(trust, now))


def station(network: Network, number: int, trust: Trust = TRUST, now: int = NOW) -> Station:
    return network.station(number, factory(issue_node(CA, at(number), now_unix_s=NOW, days=10), trust, now))


@pytest.mark.parametrize("scope", [Seal.HOP, Seal.END])
def test_with_tls_epoch_begins_and_carries(scope: Seal) -> None:
    network = Network(scope)
    node = issue_node(CA, at(1), ["urn:qkd:madqci:ccips"], now_unix_s=NOW)
    alice, bob = network.station(1, factory(node)), station(network, 2)
    alice.connect(bob)
    network.run(SECOND)
    assert bob.of(PeerUp)[0].urn_prefixes == ("urn:qkd:madqci:ccips",)
    identity = bob.machine.identity_of(alice.qna)
    assert identity is not None and identity.fingerprint == fingerprint_of(node.certificate)
    alice.say(bob, b"hidden", encrypt=True)
    bob.say(alice, b"seen")
    network.run(SECOND)
    assert (bob.received, alice.received) == ([(alice.qna, b"hidden")], [(bob.qna, b"seen")])
    export = alice.machine.exporter(bob.qna, b"unit", b"", 32)
    assert export == bob.machine.exporter(alice.qna, b"unit", b"", 32)


@pytest.mark.parametrize("seed", range(10))
def test_with_tls_loss_duplication_and_corruption_are_overcome(seed: int) -> None:
    network = Network(Seal.HOP, seed, Weather(loss=0.4, duplication=0.2, corruption=0.1, jitter_ns=SECOND // 4))
    alice, bob = station(network, 1), station(network, 2)
    alice.connect(bob)
    assert network.run(60 * SECOND, lambda: alice.machine.is_up(bob.qna) and bob.machine.is_up(alice.qna))


def test_with_tls_both_calling_at_once_make_one_epoch() -> None:
    network = Network()
    alice, bob = station(network, 1), station(network, 2)
    alice.connect(bob)
    bob.connect(alice)
    network.run(5 * SECOND)
    assert len(alice.of(PeerUp)) == len(bob.of(PeerUp)) == 1


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_with_tls_server_that_asks_for_another_key_share_costs_two_flights_more(loss: float) -> None:
    """HelloRetryRequest (RFC 8446 section 4.1.4): five flights instead of three."""
    network = Network(weather=Weather(loss=loss))
    server = factory(issue_node(CA, at(2), now_unix_s=NOW))
    server._context.set_tmp_ecdh(ec.SECP256R1())
    alice, bob = station(network, 1), network.station(2, server)
    alice.connect(bob)
    assert network.run(30 * SECOND, lambda: alice.machine.is_up(bob.qna) and bob.machine.is_up(alice.qna))
    flights = {crossing.datagram[57] for crossing in network.crossings if crossing.datagram[26:30] == bytes(4)
               and crossing.datagram[40] == Flight.CODE}  # fmt: skip
    assert flights == {1, 2, 3, 4}


def test_with_tls_pinned_peers_need_no_ca() -> None:
    network = Network()
    nodes = [self_signed_node(at(number), now_unix_s=NOW) for number in (1, 2)]
    pins = Trust(pinned={at(number): fingerprint_of(node.certificate) for number, node in enumerate(nodes, 1)})
    alice, bob = (network.station(number, factory(node, pins)) for number, node in enumerate(nodes, 1))
    alice.connect(bob)
    network.run(5 * SECOND)
    assert alice.machine.is_up(bob.qna) and bob.machine.is_up(alice.qna)


FORGED_CA = make_ca(64512, ["urn:qkd:madqci"], now_unix_s=NOW)
WRONG = {
    "wrong CA": (issue_node(FORGED_CA, at(1), now_unix_s=NOW), "certificate of 64512.1 has an unknown issuer"),
    "another node's": (
        issue_node(CA, at(66), now_unix_s=NOW),
        "certificate is that of 64512.66, the header says 64512.1",
    ),
    "out of scope": (
        issue_node(make_ca(64513, now_unix_s=NOW), at(1) + (1 << 32), now_unix_s=NOW),  # type: ignore[arg-type]
        "certificate of 64513.1 has an unknown issuer",
    ),
    "expired": (issue_node(CA, at(1), now_unix_s=NOW - 20 * DAY, days=10), "certificate of 64512.1 has expired"),
    "not pinned": (self_signed_node(at(1), now_unix_s=NOW), "certificate of 64512.1 has an unknown issuer"),
}


@pytest.mark.parametrize("case", WRONG)
def test_with_tls_caller_with_a_wrong_certificate_is_refused_with_the_reason(case: str) -> None:
    node, reason = WRONG[case]
    network = Network()
    mallory, bob = network.station(1, factory(node)), station(network, 2)
    mallory.connect(bob)
    network.run(5 * SECOND)
    assert not bob.of(PeerUp) and not mallory.of(PeerUp)
    assert [dict(log.fields)["reason"] for log in bob.logs] == [reason]
    assert mallory.of(ClaimRefuted)[0].reason == "refused by the peer"
    assert not bob.machine.describe() and not mallory.machine.describe()


@pytest.mark.parametrize("case", WRONG)
def test_with_tls_responder_with_a_wrong_certificate_is_refuted_with_the_reason(case: str) -> None:
    node, reason = WRONG[case]
    network = Network()
    station(network, 2).connect(at(1))
    bob = next(iter(network.stations.values()))
    mallory = network.station(1, factory(node))
    network.run(5 * SECOND)
    assert not bob.of(PeerUp) and not mallory.of(PeerUp)
    expected = reason.replace("the header says 64512.1", "not of 64512.1")
    assert [claim.reason for claim in bob.of(ClaimRefuted)] == [expected]


def test_with_tls_ca_that_signs_beyond_its_scope_is_refused() -> None:
    network = Network()
    other = make_ca(64513, now_unix_s=NOW)
    both = Trust((*TRUST.anchors, make_anchor(other.certificate)))
    trespasser = network.station(1, factory(Odd(uris=("qna:64512.1",)).issue(other), both))
    bob = station(network, 2, both)
    trespasser.connect(bob)
    network.run(5 * SECOND)
    assert not bob.of(PeerUp)
    reasons = [dict(log.fields)["reason"] for log in bob.logs]
    assert reasons == ["the CA of quantum AS 64513 does not speak for 64512.1"]


def test_with_tls_revoked_caller_is_refused() -> None:
    network = Network()
    node = issue_node(CA, at(1), now_unix_s=NOW)
    wary = Trust(TRUST.anchors, revoked=frozenset({fingerprint_of(node.certificate)}))
    alice, bob = network.station(1, factory(node)), station(network, 2, wary)
    alice.connect(bob)
    network.run(5 * SECOND)
    assert not bob.of(PeerUp)
    assert [dict(log.fields)["reason"] for log in bob.logs] == ["certificate of 64512.1 is revoked"]

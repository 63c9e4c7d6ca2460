"""TLS on memory buffers, both ends in one process, flight by flight."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from qstack.base.handshake import Handshake, PeerIdentity
from qstack.base.ids import Qna, parse_qna
from qstack.io.tls import HYBRID_GROUP, TlsHandshakeFactory
from qstack.pki.issuing import Credential, issue_node, make_ca
from qstack.pki.profile import fingerprint_of
from qstack.pki.trust import Trust, make_anchor
from tests.pki.certificates import DAY, NOW, der, key_der

ALICE, BOB = parse_qna("64512.1"), parse_qna("64512.2")
CA = make_ca(64512, ["urn:qkd:madqci"], now_unix_s=NOW)
TRUST = Trust((make_anchor(CA.certificate),))


def believing(trust: Trust, now: int = NOW) -> Callable[[bytes], PeerIdentity]:
    return lambda certificate_der: trust.check(certificate_der, now_unix_s=now)


def factory(qna: Qna, ca: Credential = CA, trust: Trust = TRUST, now: int = NOW) -> TlsHandshakeFactory:
    node = issue_node(ca, qna, now_unix_s=NOW, days=10)
    return TlsHandshakeFactory(der(node), key_der(node), believing(trust, now))


def shake(client: Handshake, server: Handshake, *, chunk: int = 1 << 20) -> list[int]:
    """Carry flights to and fro until nobody has anything to say; give their sizes."""
    sizes = []
    speaker, listener = client, server
    while flight := speaker.take():
        sizes.append(len(flight))
        for start in range(0, len(flight), chunk):
            listener.feed(flight[start : start + chunk])
        speaker, listener = listener, speaker
    return sizes


def test_tls_both_ends_prove_themselves_in_three_flights_without_tickets() -> None:
    client, server = factory(ALICE).client(BOB), factory(BOB).server()
    sizes = shake(client, server)
    assert client.done and server.done and not client.failed and not server.failed
    assert len(sizes) == 3, "a fourth flight would be a session ticket"
    assert sizes[0] < 1_600 and sizes[1] < 2_300 and sizes[2] < 1_000
    assert client.peer_identity().qna == BOB
    assert server.peer_identity().qna == ALICE


def test_tls_key_agreement_is_hybrid() -> None:
    client, server = factory(ALICE).client(BOB), factory(BOB).server()
    shake(client, server)
    assert client.group == server.group == HYBRID_GROUP


def test_tls_exporter_agrees_at_both_ends_and_depends_on_everything() -> None:
    client, server = factory(ALICE).client(BOB), factory(BOB).server()
    shake(client, server)
    material = client.export(b"EXPORTER-x", b"context", 32)
    assert len(material) == 32
    assert material == server.export(b"EXPORTER-x", b"context", 32)
    others = [client.export(b"EXPORTER-y", b"context", 32), client.export(b"EXPORTER-x", b"", 32)]
    again, partner = factory(ALICE).client(BOB), factory(BOB).server()
    shake(again, partner)
    others.append(again.export(b"EXPORTER-x", b"context", 32))
    assert material not in others


def test_tls_flights_octet_by_octet_complete() -> None:
    client, server = factory(ALICE).client(None), factory(BOB).server()
    shake(client, server, chunk=1)
    assert client.done and server.done


def test_tls_client_expecting_another_node_refuses_and_shows_no_certificate() -> None:
    client, server = factory(ALICE).client(parse_qna("64512.3")), factory(BOB).server()
    server.feed(client.take())
    client.feed(server.take())
    alert = client.take()
    assert client.failed == "certificate is that of 64512.2, not of 64512.3"
    assert not client.done
    assert len(alert) < 32, "an alert, not a certificate"
    server.feed(alert)
    assert server.failed.startswith("TLS: ") and not server.done


def test_tls_server_refusing_the_client_says_why() -> None:
    wrong = make_ca(64512, now_unix_s=NOW)
    client = factory(ALICE, wrong).client(BOB)
    server = factory(BOB).server()
    shake(client, server)
    assert server.failed == "certificate of 64512.1 has an unknown issuer"
    assert not server.done


@pytest.mark.parametrize(
    ("reason", "trust", "now"),
    [
        ("certificate of 64512.2 has expired", TRUST, NOW + 11 * DAY),
        ("certificate of 64512.2 has an unknown issuer", Trust(), NOW),
    ],
)
def test_tls_client_refusing_the_server_says_why(reason: str, trust: Trust, now: int) -> None:
    client, server = factory(ALICE, trust=trust, now=now).client(BOB), factory(BOB).server()
    shake(client, server)
    assert client.failed == reason
    assert not client.done and not server.done


def test_tls_revoked_server_is_refused() -> None:
    node = issue_node(CA, BOB, now_unix_s=NOW)
    trust = Trust(TRUST.anchors, revoked=frozenset({fingerprint_of(node.certificate)}))
    client = factory(ALICE, trust=trust).client(BOB)
    server = TlsHandshakeFactory(der(node), key_der(node), believing(TRUST)).server()
    shake(client, server)
    assert client.failed == "certificate of 64512.2 is revoked"


@pytest.mark.parametrize("flight", [0, 1, 2])
def test_tls_damaged_flight_fails_with_one_reason_and_nothing_raises(flight: int) -> None:
    for position in range(0, 700, 41):
        ends = [factory(ALICE).client(BOB), factory(BOB).server()]
        for number in range(3):
            octets = bytearray(ends[number % 2].take())
            if number == flight:
                octets[position % len(octets)] ^= 0x55
            ends[1 - number % 2].feed(bytes(octets))
        # A damaged record header may leave the receiver waiting for more; nobody may come through.
        assert not (ends[0].done and ends[1].done)
        assert "\n" not in ends[0].failed + ends[1].failed


def test_tls_garbage_fails_and_more_is_ignored() -> None:
    server = factory(BOB).server()
    server.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert server.failed.startswith("TLS: ")
    reason = server.failed
    server.feed(b"\x16\x03\x01")
    assert server.failed == reason and not server.done


OWN_CALL = "this node itself has begun the handshake"


@pytest.mark.parametrize("expected", [ALICE, BOB, None])
@pytest.mark.parametrize("chunk", [1 << 20, 1])
def test_tls_own_call_is_refused_without_a_word(expected: Qna | None, chunk: int) -> None:
    alone = factory(ALICE)
    client, server = alone.client(expected), alone.server()
    assert len(shake(client, server, chunk=chunk)) == 1
    assert server.failed == OWN_CALL and not server.done and not client.done


def test_tls_own_call_in_other_records_is_refused() -> None:
    """Record headers of a ClientHello are not authenticated: a relay may cut it as it likes."""
    alone = factory(ALICE)
    client, server = alone.client(ALICE), alone.server()
    hello = client.take()
    version, message = hello[1:3], hello[5:]
    for piece in (message[:20], message[20:]):  # in the middle of the random
        server.feed(b"\x16" + version + len(piece).to_bytes(2, "big") + piece)
    assert (server.failed, server.take()) == (OWN_CALL, b"")


def test_tls_own_call_that_another_key_share_was_asked_for_is_refused() -> None:
    calling, answering = factory(ALICE), factory(ALICE)  # one factory, but for what its servers want
    answering._context.set_tmp_ecdh(ec.SECP256R1())
    answering._calls = calling._calls
    client, server = calling.client(ALICE), answering.server()
    assert len(shake(client, server)) == 3, "call, HelloRetryRequest, call"
    assert server.failed == OWN_CALL and not client.done


def test_tls_call_of_a_clone_is_answered() -> None:
    node = issue_node(CA, ALICE, now_unix_s=NOW, days=10)
    one, two = (TlsHandshakeFactory(der(node), key_der(node), believing(TRUST)) for _ in range(2))
    client, server = one.client(ALICE), two.server()
    shake(client, server)
    assert client.done and server.done and client.peer_identity().qna == ALICE


def test_tls_required_hybrid_is_met() -> None:
    node = issue_node(CA, ALICE, now_unix_s=NOW)
    strict = TlsHandshakeFactory(der(node), key_der(node), believing(TRUST), require_hybrid=True)
    client, server = strict.client(BOB), factory(BOB).server()
    shake(client, server)
    assert client.done and server.done

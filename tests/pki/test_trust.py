"""Whom a node believes: CA scope, pins, revocation, time, and the profile, each seen from outside."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.ids import Qna, parse_qna
from qstack.pki.issuing import Credential, issue_node, make_ca, self_signed_node
from qstack.pki.profile import covers, fingerprint_of
from qstack.pki.trust import Trust, make_anchor
from tests.pki.certificates import DAY, NOW, Odd, der

NODE = parse_qna("64512.7")
PREFIX = "urn:qkd:madqci"


@pytest.fixture(scope="module")
def ca() -> Credential:
    return make_ca(64512, [PREFIX], now_unix_s=NOW)


@pytest.fixture(scope="module")
def trust(ca: Credential) -> Trust:
    return Trust((make_anchor(ca.certificate),))


def refusal(trust: Trust, certificate: bytes, now: int = NOW, expected: Qna | None = None) -> str:
    with pytest.raises(PeerViolation) as caught:
        trust.check(certificate, now_unix_s=now, expected=expected)
    return str(caught.value)


def test_trust_node_of_the_domain_is_believed_with_its_names(ca: Credential, trust: Trust) -> None:
    node = issue_node(ca, NODE, ["URN:QKD:madqci:ccips"], now_unix_s=NOW, days=10)
    identity = trust.check(der(node), now_unix_s=NOW, expected=NODE)
    assert identity.qna == NODE
    assert identity.fingerprint == fingerprint_of(node.certificate)
    assert identity.urn_prefixes == ("urn:qkd:madqci:ccips",)
    assert identity.not_after_unix == NOW + 10 * DAY


def test_trust_other_ca_with_the_same_name_is_unknown(trust: Trust) -> None:
    forged = make_ca(64512, [PREFIX], now_unix_s=NOW)
    node = issue_node(forged, NODE, now_unix_s=NOW)
    assert refusal(trust, der(node)) == "certificate of 64512.7 has an unknown issuer"


def test_trust_self_signed_without_pin_is_unknown(trust: Trust) -> None:
    node = self_signed_node(NODE, now_unix_s=NOW)
    assert refusal(trust, der(node)) == "certificate of 64512.7 has an unknown issuer"


def test_trust_another_nodes_certificate_is_refused(ca: Credential, trust: Trust) -> None:
    other = issue_node(ca, parse_qna("64512.8"), now_unix_s=NOW)
    assert refusal(trust, der(other), expected=NODE) == "certificate is that of 64512.8, not of 64512.7"


def test_trust_ca_speaking_for_another_as_is_refused(ca: Credential, trust: Trust) -> None:
    stranger = Odd(uris=("qna:64513.7",)).sign(ca)
    assert refusal(trust, stranger) == "the CA of quantum AS 64512 does not speak for 64513.7"


def test_trust_ca_speaking_for_a_foreign_prefix_is_refused(ca: Credential, trust: Trust) -> None:
    claimant = Odd(uris=("qna:64512.7", "urn:qkd:quditto")).sign(ca)
    assert refusal(trust, claimant) == "the CA of quantum AS 64512 does not speak for urn:qkd:quditto"


def test_trust_prefix_narrowed_by_configuration_counts(ca: Credential) -> None:
    node = issue_node(ca, NODE, [f"{PREFIX}:ccips"], now_unix_s=NOW)
    narrow = Trust((make_anchor(ca.certificate, 64512, [f"{PREFIX}:other"]),))
    assert refusal(narrow, der(node)) == "the CA of quantum AS 64512 does not speak for urn:qkd:madqci:ccips"


def test_trust_two_cas_of_one_as_are_both_believed(ca: Credential) -> None:
    successor = make_ca(64512, [PREFIX], now_unix_s=NOW)
    trust = Trust((make_anchor(ca.certificate), make_anchor(successor.certificate)))
    for authority in (ca, successor):
        assert trust.check(der(issue_node(authority, NODE, now_unix_s=NOW)), now_unix_s=NOW).qna == NODE


def test_trust_expired_and_not_yet_valid_are_refused(ca: Credential, trust: Trust) -> None:
    node = der(issue_node(ca, NODE, now_unix_s=NOW, days=10))
    assert trust.check(node, now_unix_s=NOW + 10 * DAY).qna == NODE
    assert refusal(trust, node, NOW + 10 * DAY + 1) == "certificate of 64512.7 has expired"
    assert refusal(trust, node, NOW - 2 * DAY) == "CA of quantum AS 64512 is not valid yet"


def test_trust_expired_ca_is_refused() -> None:
    short = make_ca(64512, now_unix_s=NOW, days=5)
    node = issue_node(short, NODE, now_unix_s=NOW, days=10)
    trust = Trust((make_anchor(short.certificate),))
    assert refusal(trust, der(node), NOW + 6 * DAY) == "CA of quantum AS 64512 has expired"


def test_trust_revoked_node_and_revoked_ca_are_refused(ca: Credential, trust: Trust) -> None:
    node = issue_node(ca, NODE, now_unix_s=NOW)
    without_node = replace(trust, revoked=frozenset({fingerprint_of(node.certificate)}))
    assert refusal(without_node, der(node)) == "certificate of 64512.7 is revoked"
    without_ca = replace(trust, revoked=frozenset({fingerprint_of(ca.certificate)}))
    assert refusal(without_ca, der(node)) == "the CA of quantum AS 64512 is revoked"


def test_trust_pinned_peer_is_believed_with_that_certificate_alone(ca: Credential, trust: Trust) -> None:
    pinned = self_signed_node(NODE, ["urn:qkd:anything"], now_unix_s=NOW)
    trust = replace(trust, pinned={NODE: fingerprint_of(pinned.certificate)})
    assert trust.check(der(pinned), now_unix_s=NOW).urn_prefixes == ("urn:qkd:anything",)
    other = self_signed_node(NODE, now_unix_s=NOW)
    issued = issue_node(ca, NODE, now_unix_s=NOW)
    for wrong in (other, issued):
        assert refusal(trust, der(wrong)) == "certificate of 64512.7 is not the pinned one"


def test_trust_pinned_peer_expires_and_can_be_revoked() -> None:
    pinned = self_signed_node(NODE, now_unix_s=NOW, days=10)
    fingerprint = fingerprint_of(pinned.certificate)
    trust = Trust(pinned={NODE: fingerprint})
    assert refusal(trust, der(pinned), NOW + 11 * DAY) == "certificate of 64512.7 has expired"
    revoked = replace(trust, revoked=frozenset({fingerprint}))
    assert refusal(revoked, der(pinned)) == "certificate of 64512.7 is revoked"


OFF_PROFILE = {
    "no QNA": (Odd(uris=("urn:qkd:madqci",)), "has 0 alternative names of the form qna:"),
    "two QNAs": (Odd(uris=("qna:64512.7", "qna:64512.8")), "has 2 alternative names of the form qna:"),
    "QNA out of range": (Odd(uris=("qna:64512.4294967296",)), "names 'qna:64512.4294967296', which is no QNA"),
    "QNA not normal": (Odd(uris=("qna:064512.7",)), "writes its QNA as '064512.7'"),
    "DNS name": (Odd(extra_name=x509.DNSName("node.example")), "alternative names that are no URIs"),
    "no URN": (Odd(uris=("qna:64512.7", "https://example.org")), "is not a URN prefix"),
    "URN with components": (Odd(uris=("qna:64512.7", "urn:qkd:madqci?=a=b")), "it has components"),
    "CA": (Odd(ca=True), "certificate is that of a CA"),
    "may not sign": (Odd(digital_signature=False), "keyUsage lacks digitalSignature"),
    "client only": (Odd(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), "lacks clientAuth or serverAuth"),
    "elliptic key": (Odd(elliptic=True), "key is not Ed25519"),
    "no basicConstraints": (Odd(without=x509.BasicConstraints), "lacks the extension BasicConstraints"),
    "no keyUsage": (Odd(without=x509.KeyUsage), "lacks the extension KeyUsage"),
    "no SAN": (Odd(without=x509.SubjectAlternativeName), "lacks the extension SubjectAlternativeName"),
    "unknown critical extension": (
        Odd(extension=x509.Extension(
            ObjectIdentifier("1.2.3.4"), True, x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"))),
        "unknown critical extension 1.2.3.4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OFF_PROFILE)
def test_trust_certificate_off_the_profile_is_refused(name: str, ca: Credential, trust: Trust) -> None:
    certificate, reason = OFF_PROFILE[name]
    assert reason in refusal(trust, certificate.sign(ca))


def test_trust_any_octet_changed_is_refused(ca: Credential, trust: Trust) -> None:
    node = der(issue_node(ca, NODE, ["urn:qkd:madqci:x"], now_unix_s=NOW))
    for position in range(len(node)):
        changed = bytearray(node)
        changed[position] ^= 1 + position % 255
        refusal(trust, bytes(changed))


@pytest.mark.parametrize(
    "uri", [f"qna:{'9' * 5_000}.1", f"qna:1.{'9' * 5_000}", "qna:1.2\x1b[2J\n", "urn:" + "\x07" * 9_000]
)
def test_trust_name_of_any_length_and_octets_is_refused_in_few_printable_words(
    uri: str, ca: Credential, trust: Trust
) -> None:
    """Whoever calls shows a certificate, trusted or not: what it names may neither end the daemon nor fill its log."""
    reason = refusal(trust, Odd(uris=("qna:64512.7", uri) if uri.startswith("urn") else (uri,)).sign(ca))
    assert len(reason) < 500 and reason.isprintable()


@pytest.mark.parametrize("number", ["9" * 5_000, "01", "4294967296", "-1", "x", ""])
def test_anchor_of_an_as_that_cannot_be_is_misuse(number: str) -> None:
    with pytest.raises(LocalMisuse):
        make_anchor(x509.load_der_x509_certificate(Odd(uris=(f"qas:{number}",), ca=True, digital_signature=False).sign(
            make_ca(64512, now_unix_s=NOW))))  # fmt: skip


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"-----BEGIN CERTIFICATE-----"])
def test_trust_what_is_no_certificate_is_refused(trust: Trust, junk: bytes) -> None:
    assert refusal(trust, junk) == "certificate is not DER of X.509"


def test_anchor_of_a_node_certificate_is_misuse(ca: Credential) -> None:
    with pytest.raises(LocalMisuse, match="not that of a CA"):
        make_anchor(issue_node(ca, NODE, now_unix_s=NOW).certificate)


def test_anchor_of_another_as_is_misuse(ca: Credential) -> None:
    with pytest.raises(LocalMisuse, match="of quantum AS 64512, not of 64513"):
        make_anchor(ca.certificate, 64513)


def test_issuing_outside_the_scope_is_misuse(ca: Credential) -> None:
    with pytest.raises(LocalMisuse, match=r"64513\.7 is not in quantum AS 64512"):
        issue_node(ca, parse_qna("64513.7"), now_unix_s=NOW)
    with pytest.raises(LocalMisuse, match="lies outside"):
        issue_node(ca, NODE, ["urn:qkd:madqcified"], now_unix_s=NOW)


def test_credential_key_is_not_shown(ca: Credential) -> None:
    assert "private_key" not in repr(ca)


def test_covers_whole_labels_only() -> None:
    assert covers("urn:qkd:a", "urn:qkd:a")
    assert covers("urn:qkd:a", "urn:qkd:a:b")
    assert not covers("urn:qkd:a", "urn:qkd:ab")
    assert not covers("urn:qkd:a:b", "urn:qkd:a")

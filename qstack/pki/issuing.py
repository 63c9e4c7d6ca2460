"""Making certificates of the profile, in memory. The present is an argument; keys come from the library."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, as_number, format_qna
from qstack.pki.profile import AS_SCHEME, QNA_SCHEME, canonical_prefix, covers, read_ca

__all__ = ["CA_DAYS", "NODE_DAYS", "Credential", "issue_node", "issue_service", "make_ca", "self_signed_node"]

CA_DAYS = 3_650
NODE_DAYS = 365
CLOCK_SKEW = timedelta(hours=1)
"""A certificate begins to count this long before it is made, for peers whose clock is behind."""

_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")

Validity = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and the private key that belongs to it. The key is never shown by repr."""

    certificate: x509.Certificate
    private_key: Ed25519PrivateKey = field(repr=False)


def make_ca(as_number: int, urn_prefixes: Iterable[str] = (), *, now_unix_s: int, days: int = CA_DAYS) -> Credential:
    """A new authority for a quantum AS and the URN prefixes of its domain."""
    if not 0 <= as_number < 1 << 32:
        raise LocalMisuse(f"quantum AS {as_number} must lie in 0..4294967295")
    key = Ed25519PrivateKey.generate()
    name = f"{AS_SCHEME}{as_number}"
    builder = _builder(name, name, key.public_key(), urn_prefixes, _validity(now_unix_s, days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(certificates=True), critical=True)
    return Credential(builder.sign(key, None), key)


def issue_node(
    ca: Credential, qna: Qna, urn_prefixes: Iterable[str] = (), *, now_unix_s: int, days: int = NODE_DAYS
) -> Credential:
    """A new certificate and key for a node of the CA's own quantum AS.

    Raises `LocalMisuse` for a node or a URN prefix outside the CA's scope: nobody would believe the certificate.
    """
    scope = read_ca(ca.certificate)
    prefixes = [canonical_prefix(prefix) for prefix in urn_prefixes]
    if as_number(qna) != scope.as_number:
        raise LocalMisuse(f"{format_qna(qna)} is not in quantum AS {scope.as_number} of this CA")
    for prefix in prefixes:
        if not any(covers(allowed, prefix) for allowed in scope.urn_prefixes):
            raise LocalMisuse(f"{prefix} lies outside the CA's prefixes {', '.join(scope.urn_prefixes) or '(none)'}")
    key = Ed25519PrivateKey.generate()
    issuer = f"{AS_SCHEME}{scope.as_number}"
    builder = _node_builder(issuer, qna, key.public_key(), prefixes, _validity(now_unix_s, days))
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private_key.public_key())
    builder = builder.add_extension(authority, critical=False)
    return Credential(builder.sign(ca.private_key, None), key)


def issue_service(
    ca: Credential, name: str, hosts: Iterable[str] = (), *, now_unix_s: int, days: int = NODE_DAYS
) -> Credential:
    """A new certificate and key for what is no node and speaks TLS with nodes: a broker at `hosts` (names or IP
    addresses), or a twin. Its common name is `name`; no node takes it for one of its peers.

    Raises `LocalMisuse` for a name that could be taken for a node's or that no access list can hold.
    """
    if not _SERVICE_NAME.fullmatch(name):
        raise LocalMisuse(f"{name!r} is no name of a service: letters, digits, dots and hyphens, at most 64")
    key = Ed25519PrivateKey.generate()
    scope, (begin, end) = read_ca(ca.certificate), _validity(now_unix_s, days)
    both_ends = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        x509.CertificateBuilder()
        .subject_name(_common_name(name)).issuer_name(_common_name(f"{AS_SCHEME}{scope.as_number}"))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(begin).not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificates=False), critical=True)
        .add_extension(both_ends, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private_key.public_key()), critical=False)
    )  # fmt: skip
    names = [_host_name(host) for host in hosts]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Credential(builder.sign(ca.private_key, None), key)


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def self_signed_node(qna: Qna, urn_prefixes: Iterable[str] = (), *, now_unix_s: int, days: int = CA_DAYS) -> Credential:
    """A certificate that no CA answers for: peers pin its fingerprint."""
    key = Ed25519PrivateKey.generate()
    builder = _node_builder(
        f"{QNA_SCHEME}{format_qna(qna)}", qna, key.public_key(), urn_prefixes, _validity(now_unix_s, days)
    )
    return Credential(builder.sign(key, None), key)


def _node_builder(
    issuer: str, qna: Qna, key: Ed25519PublicKey, prefixes: Iterable[str], validity: Validity
) -> x509.CertificateBuilder:
    builder = _builder(f"{QNA_SCHEME}{format_qna(qna)}", issuer, key, prefixes, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(certificates=False), critical=True)
    both_ends = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    return builder.add_extension(both_ends, critical=False)


def _builder(
    subject: str, issuer: str, key: Ed25519PublicKey, prefixes: Iterable[str], validity: Validity
) -> x509.CertificateBuilder:
    uris = [subject, *(canonical_prefix(prefix) for prefix in prefixes)]
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject))
        .issuer_name(_common_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _validity(now_unix_s: int, days: int) -> Validity:
    now = datetime.fromtimestamp(now_unix_s, UTC)
    return now - CLOCK_SKEW, now + timedelta(days=days)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates, key_cert_sign=certificates, crl_sign=certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip

"""What a certificate of qstack looks like (session note, section 4.1).

Two kinds, X.509 version 3 (RFC 5280), both with Ed25519 keys (RFC 8410):

* a **node** certificate names one QNA by the SAN URI `qna:64512.7`, and by further SAN URIs the URN prefixes that the
  node may claim; it serves client and server authentication and is issued by a domain's CA directly, or by itself;
* a **CA** certificate names its quantum AS by the SAN URI `qas:64512`, and by further SAN URIs the URN prefixes of the
  domain. There are no intermediate authorities: `pathlen` is 0.

X.509 name constraints cannot say any of this (for a URI they look at the host alone, RFC 5280 section 4.2.1.10), so the
scope of a CA is kept by `trust`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from qstack.base.errors import LocalMisuse, PeerViolation, WireError
from qstack.base.ids import AsNumber, Qna, format_qna, parse_qna
from qstack.wire.urn import parse_urn

__all__ = ["CaNames", "NodeNames", "canonical_prefix", "covers", "fingerprint_of",
           "parse_certificate", "read_ca", "read_node", "shown"]  # fmt: skip

_SHOWN = 64  # characters of a name in an error
_AS_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")  # in normal form
QNA_SCHEME = "qna:"
AS_SCHEME = "qas:"

_KNOWN_EXTENSIONS = {
    ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeNames:
    """What a node certificate says. Times are Unix UTC seconds; the certificate counts in [not_before, not_after]."""

    qna: Qna
    urn_prefixes: tuple[str, ...]
    not_before_unix: int
    not_after_unix: int


@dataclass(frozen=True, slots=True)
class CaNames:
    """What a CA certificate says. Times as in `NodeNames`."""

    as_number: AsNumber
    urn_prefixes: tuple[str, ...]
    not_before_unix: int
    not_after_unix: int


def parse_certificate(der: bytes) -> x509.Certificate:
    """DER to a certificate. Raises `PeerViolation` when it is none."""
    with _reading("is not DER of X.509"):
        return x509.load_der_x509_certificate(der)


def fingerprint_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate's DER: its name in pins and revocations."""
    return certificate.fingerprint(SHA256())


def read_node(certificate: x509.Certificate) -> NodeNames:
    """The names in a node certificate. Raises `PeerViolation` naming the rule of the profile that it breaks."""
    _check_form(certificate)
    if _extension(certificate, x509.BasicConstraints).ca:
        raise PeerViolation("certificate is that of a CA, not of a node")
    if not _extension(certificate, x509.KeyUsage).digital_signature:
        raise PeerViolation("certificate may not sign handshakes (keyUsage lacks digitalSignature)")
    wanted = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    if not wanted <= set(_extension(certificate, x509.ExtendedKeyUsage)):
        raise PeerViolation("certificate does not serve both ends (extendedKeyUsage lacks clientAuth or serverAuth)")
    name, prefixes = _names(certificate, QNA_SCHEME)
    try:
        qna = parse_qna(name)
    except LocalMisuse as error:
        raise PeerViolation(f"certificate names {shown(QNA_SCHEME + name)}, which is no QNA") from error
    if format_qna(qna) != name:
        raise PeerViolation(f"certificate writes its QNA as {shown(name)}, not as {format_qna(qna)}")
    return NodeNames(qna, prefixes, *_validity(certificate))


def read_ca(certificate: x509.Certificate) -> CaNames:
    """The names in a CA certificate. Raises `PeerViolation` naming the rule of the profile that it breaks."""
    _check_form(certificate)
    if not _extension(certificate, x509.BasicConstraints).ca:
        raise PeerViolation("certificate is not that of a CA (basicConstraints)")
    if not _extension(certificate, x509.KeyUsage).key_cert_sign:
        raise PeerViolation("certificate may not sign certificates (keyUsage lacks keyCertSign)")
    name, prefixes = _names(certificate, AS_SCHEME)
    if not _AS_NUMBER.fullmatch(name) or int(name) >= 1 << 32:
        raise PeerViolation(f"certificate names {shown(AS_SCHEME + name)}, which is no quantum AS")
    return CaNames(AsNumber(int(name)), prefixes, *_validity(certificate))


def canonical_prefix(text: str) -> str:
    """A URN prefix in normal form: whole labels of a name, no components. Raises `LocalMisuse` saying what is wrong."""
    try:
        urn = parse_urn(text)
    except WireError as error:
        raise LocalMisuse(f"{shown(text)} is not a URN prefix: {error}") from error
    if (urn.r, urn.q, urn.f) != (None, None, None):
        raise LocalMisuse(f"{shown(text)} is not a URN prefix: it has components")
    return urn.canonical


def shown(text: str) -> str:
    """A name as it may stand in a log, whoever has chosen it: short, and with nothing in it that a terminal obeys."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def covers(prefix: str, name: str) -> bool:
    """Whether `name` is `prefix` or lies below it (see `Urn.is_prefix_of`); both in normal form."""
    return name == prefix or name.startswith(f"{prefix}:")


@contextmanager
def _reading(fault: str) -> Iterator[None]:
    """The library reads a certificate part by part when asked, and each part has its own ways to be bad: ValueError,
    InvalidVersion, DuplicateExtension, UnsupportedAlgorithm and more. Whatever comes is the certificate's fault."""
    try:
        yield
    except (PeerViolation, x509.ExtensionNotFound):
        raise
    except Exception as error:
        raise PeerViolation(f"certificate {fault}") from error


def _check_form(certificate: x509.Certificate) -> None:
    with _reading("has a key that cannot be read"):
        key = certificate.public_key()
    if certificate.version is not x509.Version.v3:
        raise PeerViolation("certificate is not X.509 version 3")
    if not isinstance(key, Ed25519PublicKey):
        raise PeerViolation("certificate's key is not Ed25519")
    for extension in _extensions(certificate):
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise PeerViolation(f"certificate has an unknown critical extension {extension.oid.dotted_string}")


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    with _reading("has extensions that cannot be read"):
        return certificate.extensions


E_ = TypeVar("E_", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[E_]) -> E_:
    try:
        return _extensions(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound as error:
        raise PeerViolation(f"certificate lacks the extension {kind.__name__}") from error


def _names(certificate: x509.Certificate, scheme: str) -> tuple[str, tuple[str, ...]]:
    """The one SAN URI of `scheme`, without the scheme, and the URN prefixes beside it."""
    alternative = _extension(certificate, x509.SubjectAlternativeName)
    uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != len(list(alternative)):
        raise PeerViolation("certificate has alternative names that are no URIs")
    own = [uri.removeprefix(scheme) for uri in uris if uri.startswith(scheme)]
    others = [uri for uri in uris if not uri.startswith(scheme)]
    if len(own) != 1:
        raise PeerViolation(f"certificate has {len(own)} alternative names of the form {scheme}..., not one")
    try:
        prefixes = tuple(canonical_prefix(uri) for uri in others)
    except LocalMisuse as error:
        raise PeerViolation(f"certificate claims {error}") from error
    return own[0], prefixes


def _validity(certificate: x509.Certificate) -> tuple[int, int]:
    with _reading("has times that cannot be read"):
        return int(certificate.not_valid_before_utc.timestamp()), int(certificate.not_valid_after_utc.timestamp())

"""Whom to believe (session note, section 4.2).

Laws:

1. A CA counts for the nodes of its own quantum AS and for its own URN prefixes, whatever else it signs.
2. A pinned QNA is believed with its pinned certificate and with no other, not even one that its CA has signed.
3. What is revoked, out of its time or outside the profile is refused, pinned or not.

The chain is one step long by profile, so the check is one signature (by the library) and these laws.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.handshake import PeerIdentity
from qstack.base.ids import AsNumber, Qna, as_number, format_qna
from qstack.pki.profile import (
    NodeNames,
    canonical_prefix,
    covers,
    fingerprint_of,
    parse_certificate,
    read_ca,
    read_node,
)

__all__ = ["Trust", "TrustAnchor", "make_anchor"]


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A CA and how far it is believed. Made by `make_anchor`, which checks it."""

    certificate: x509.Certificate
    as_number: AsNumber
    urn_prefixes: tuple[str, ...]


def make_anchor(
    certificate: x509.Certificate, as_number: int | None = None, urn_prefixes: Iterable[str] | None = None
) -> TrustAnchor:
    """An anchor from a CA certificate.

    `as_number` must be the certificate's own (None: take that). `urn_prefixes` says for what this node believes it;
    None takes what the certificate claims. Raises `LocalMisuse`.
    """
    try:
        names = read_ca(certificate)
    except PeerViolation as error:
        raise LocalMisuse(f"not fit for a trust anchor: {error}") from error
    if not _signed_by(certificate, certificate):
        raise LocalMisuse("not fit for a trust anchor: the CA certificate is not signed by itself")
    if as_number not in (None, names.as_number):
        raise LocalMisuse(f"the CA certificate is of quantum AS {names.as_number}, not of {as_number}")
    prefixes = names.urn_prefixes if urn_prefixes is None else tuple(canonical_prefix(each) for each in urn_prefixes)
    return TrustAnchor(certificate, names.as_number, prefixes)


@dataclass(frozen=True, slots=True)
class Trust:
    """All that a node believes: anchors, pins (QNA to fingerprint) and revoked fingerprints (of nodes or of CAs)."""

    anchors: tuple[TrustAnchor, ...] = ()
    pinned: Mapping[Qna, bytes] = field(default_factory=dict)
    revoked: frozenset[bytes] = frozenset()

    def check(self, certificate_der: bytes, *, now_unix_s: int, expected: Qna | None = None) -> PeerIdentity:
        """Whom a certificate names. Raises `PeerViolation` saying which law refuses it."""
        certificate = parse_certificate(certificate_der)
        names = read_node(certificate)
        fingerprint = fingerprint_of(certificate)
        who = format_qna(names.qna)
        if expected not in (None, names.qna):
            raise PeerViolation(f"certificate is that of {who}, not of {format_qna(expected or 0)}")
        if fingerprint in self.revoked:
            raise PeerViolation(f"certificate of {who} is revoked")
        if names.qna in self.pinned:
            if self.pinned[names.qna] != fingerprint:
                raise PeerViolation(f"certificate of {who} is not the pinned one")
        else:
            self._check_issuer(certificate, names, now_unix_s)
        _check_time(f"certificate of {who}", names.not_before_unix, names.not_after_unix, now_unix_s)
        return PeerIdentity(names.qna, fingerprint, names.urn_prefixes, names.not_after_unix)

    def _check_issuer(self, certificate: x509.Certificate, names: NodeNames, now_unix_s: int) -> None:
        anchor = next((each for each in self.anchors if _signed_by(certificate, each.certificate)), None)
        who = format_qna(names.qna)
        if anchor is None:
            raise PeerViolation(f"certificate of {who} has an unknown issuer")
        if fingerprint_of(anchor.certificate) in self.revoked:
            raise PeerViolation(f"the CA of quantum AS {anchor.as_number} is revoked")
        if as_number(names.qna) != anchor.as_number:
            raise PeerViolation(f"the CA of quantum AS {anchor.as_number} does not speak for {who}")
        for prefix in names.urn_prefixes:
            if not any(covers(allowed, prefix) for allowed in anchor.urn_prefixes):
                raise PeerViolation(f"the CA of quantum AS {anchor.as_number} does not speak for {prefix}")
        ca = read_ca(anchor.certificate)
        _check_time(f"CA of quantum AS {anchor.as_number}", ca.not_before_unix, ca.not_after_unix, now_unix_s)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_time(what: str, not_before: int, not_after: int, now: int) -> None:
    if now < not_before:
        raise PeerViolation(f"{what} is not valid yet")
    if now > not_after:
        raise PeerViolation(f"{what} has expired")

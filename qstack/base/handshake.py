"""Key establishment as a value that is fed and emptied: what a TLS library is to the protocols.

`qstack.io.tls` makes handshakes of mutual TLS 1.3, `qstack.testing.handshake` deterministic ones with flights of equal
size. `session` carries their octets and never looks inside.
"""

from dataclasses import dataclass
from typing import Protocol as Interface

from qstack.base.ids import Qna

__all__ = ["Handshake", "HandshakeFactory", "PeerIdentity", "PeerVerifier"]


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Whom a checked certificate names.

    `fingerprint`: SHA-256 of the certificate's DER, 32 octets. `urn_prefixes`: URN prefixes, in normal form, that it
    may claim. `not_after_unix`: Unix UTC seconds after which the certificate counts no more.
    """

    qna: Qna
    fingerprint: bytes
    urn_prefixes: tuple[str, ...]
    not_after_unix: int


class PeerVerifier(Interface):
    """The rules by which a certificate is believed; `qstack.pki.trust` has them."""

    def __call__(self, certificate_der: bytes) -> PeerIdentity:
        """Whom the certificate names. Raises `qstack.base.errors.PeerViolation` saying why it is refused."""


class Handshake(Interface):
    """One side of one key establishment.

    Octets of the peer go in by `feed`, octets for the peer come out of `take`; after each `feed` look at `failed` and
    `done`. Neither method raises for what a peer sent.
    """

    def feed(self, data: bytes) -> None:
        """Take octets of the peer, in order. Ignored once done or failed."""

    def take(self) -> bytes:
        """Octets for the peer that have not been taken yet; empty when there are none."""

    @property
    def done(self) -> bool:
        """Both sides are proved to this side: `export` and `peer_identity` may be called."""

    @property
    def failed(self) -> str:
        """Why it cannot be completed, for people; empty while it can."""

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Keying material that both sides, and nobody else, can compute (RFC 8446 section 7.5). Only when done."""

    def peer_identity(self) -> PeerIdentity:
        """Whom the peer has proved to be. Only when done."""


class HandshakeFactory(Interface):
    """Makes handshakes with the node's own certificate and trust.

    A handshake never has both its sides from one factory: such a server fails before it has said anything, so nobody
    can prove a node to itself by relaying what it says, under whatever name (SESSION-6.6-3).
    """

    def client(self, expected: Qna | None) -> Handshake:
        """The side that speaks first. `expected`: the only node that is accepted, None for any trusted one."""

    def server(self) -> Handshake:
        """The side that answers."""

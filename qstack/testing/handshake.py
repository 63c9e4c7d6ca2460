"""A deterministic handshake: as many flights of the same size as mutual TLS 1.3 has, and no secrecy whatever.

For simulations, where a run has to be the same run for the same seed. What it has in common with TLS: three flights of
1,451, 2,071 and 751 octets; every octet counts (a changed one fails the handshake); identities are checked when they
are shown; the exporter agrees at both ends and with nobody else's handshake. What it has not: any protection against
somebody who reads or forges. `sizes` may be changed to try other segmentations.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from hashlib import blake2b
from weakref import WeakValueDictionary

from qstack.base.chance import Chance
from qstack.base.errors import PeerViolation
from qstack.base.handshake import PeerIdentity
from qstack.base.ids import Qna, format_qna

__all__ = ["FLIGHT_OCTETS", "FakeHandshake", "FakeHandshakeFactory", "fake_fingerprint", "fake_identity"]

FLIGHT_OCTETS = (1_451, 2_071, 751)
"""Sizes of the flights of mutual TLS 1.3 with Ed25519 certificates and X25519MLKEM768."""
_RANDOM_OCTETS = _DIGEST_OCTETS = 32
_NEVER = 1 << 62

Judge = Callable[[PeerIdentity], str]


def fake_fingerprint(qna: Qna) -> bytes:
    """The fingerprint that the node's pretended certificate has."""
    return blake2b(b"certificate of " + qna.to_bytes(8, "big"), digest_size=32).digest()


def fake_identity(qna: Qna, urn_prefixes: tuple[str, ...] = (), not_after_unix: int = _NEVER) -> PeerIdentity:
    """What the node's pretended certificate says."""
    return PeerIdentity(qna, fake_fingerprint(qna), urn_prefixes, not_after_unix)


@dataclass(slots=True)
class FakeHandshakeFactory:
    """Makes handshakes that show `identity`: another node's, to play an impostor.

    `judge` plays the trust rules: it gives the reason for which an identity is refused, or an empty string. `chance`
    is used once for each handshake made, in the order in which they are made.
    """

    identity: PeerIdentity
    chance: Chance
    judge: Judge = lambda identity: ""
    sizes: tuple[int, int, int] = FLIGHT_OCTETS
    _made: int = 0
    _calls: "WeakValueDictionary[bytes, FakeHandshake]" = field(default_factory=WeakValueDictionary)

    def client(self, expected: Qna | None) -> "FakeHandshake":
        """The side that speaks first."""
        random = self._next_random()
        call = FakeHandshake(self.identity, random, self.judge, self.sizes, expected, is_client=True)
        self._calls[random] = call
        return call

    def server(self) -> "FakeHandshake":
        """The side that answers."""
        random = self._next_random()
        return FakeHandshake(self.identity, random, self.judge, self.sizes, None, self._calls, is_client=False)

    def _next_random(self) -> bytes:
        self._made += 1
        return self.chance.octets(b"handshake:%d" % self._made, _RANDOM_OCTETS)


class FakeHandshake:
    """One side; see `qstack.base.handshake.Handshake`."""

    def __init__(
        self, identity: PeerIdentity, random: bytes, judge: Judge, sizes: tuple[int, int, int], expected: Qna | None,
        own_calls: Container[bytes] = (), *, is_client: bool,
    ) -> None:  # fmt: skip
        self._identity = identity
        self._random = random
        self._judge = judge
        self._sizes = sizes
        self._expected = expected
        self._own_calls = own_calls
        self._is_client = is_client
        self._flight = 0  # the flight that comes next, whoever sends it
        self._transcript = b""
        self._received = b""
        self._out = b""
        self._peer: PeerIdentity | None = None
        self._failed = ""
        if is_client:
            self._send(random)

    def feed(self, data: bytes) -> None:
        """Take octets of the peer, in order. Ignored once done or failed."""
        if self.done or self._failed:
            return
        self._received += data
        if len(self._received) >= self._sizes[self._flight]:
            self._receive(self._received)

    def take(self) -> bytes:
        """Octets for the peer that have not been taken yet."""
        out, self._out = self._out, b""
        return out

    @property
    def done(self) -> bool:
        """Both sides are proved to this side."""
        return self._flight == len(self._sizes) and not self._failed

    @property
    def failed(self) -> str:
        """Why it cannot be completed; empty while it can."""
        return self._failed

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Octets that follow from all flights, the label and the context."""
        assert self.done, "export before the handshake is done"
        parts = (label, context, length.to_bytes(4, "big"))
        secret = blake2b(self._transcript, digest_size=_DIGEST_OCTETS).digest()
        return Chance(secret).octets(b"".join(len(part).to_bytes(4, "big") + part for part in parts), length)

    def peer_identity(self) -> PeerIdentity:
        """Whom the peer claimed to be."""
        assert self.done, "peer identity before the handshake is done"
        assert self._peer is not None
        return self._peer

    def _send(self, content: bytes) -> None:
        """Content, filler and a digest over everything so far: exactly the flight's size."""
        size = self._sizes[self._flight] - _DIGEST_OCTETS
        body = (len(content).to_bytes(2, "big") + content).ljust(size, b"\0")
        assert len(body) == size, "the identity does not fit into the flight"
        self._close_flight(body)
        self._out += body + self._transcript

    def _receive(self, flight: bytes) -> None:
        size = self._sizes[self._flight]
        body, digest = flight[: size - _DIGEST_OCTETS], flight[size - _DIGEST_OCTETS :]
        self._received = b""
        self._close_flight(body)
        if digest != self._transcript:
            self._failed = "flight is damaged"
            return
        content = body[2 : 2 + int.from_bytes(body[:2], "big")]
        self._act(content)

    def _act(self, content: bytes) -> None:
        """The flight behind us is whole; `self._flight` says which comes next."""
        if self._flight == 1:  # the server has the client's random
            if content in self._own_calls:
                self._failed = "this node itself has begun the handshake"
                return
            self._send(self._random + _encode_identity(self._identity))
            return
        self._accept(content[_RANDOM_OCTETS:] if self._is_client else content)
        if self._flight == 2 and not self._failed:
            self._send(_encode_identity(self._identity))

    def _accept(self, encoded: bytes) -> None:
        peer = _decode_identity(encoded)
        self._peer = peer
        if self._expected not in (None, peer.qna):
            wanted = format_qna(self._expected or 0)
            self._failed = f"certificate is that of {format_qna(peer.qna)}, not of {wanted}"
        else:
            try:
                self._failed = self._judge(peer)
            except PeerViolation as error:
                self._failed = str(error)

    def _close_flight(self, body: bytes) -> None:
        self._transcript = blake2b(self._transcript + body, digest_size=_DIGEST_OCTETS).digest()
        self._flight += 1


def _encode_identity(identity: PeerIdentity) -> bytes:
    head = identity.qna.to_bytes(8, "big") + identity.fingerprint + identity.not_after_unix.to_bytes(8, "big")
    return head + " ".join(identity.urn_prefixes).encode("ascii")


def _decode_identity(encoded: bytes) -> PeerIdentity:
    qna, fingerprint, not_after = encoded[:8], encoded[8:40], encoded[40:48]
    prefixes = tuple(encoded[48:].decode("ascii").split())
    return PeerIdentity(Qna(int.from_bytes(qna, "big")), fingerprint, prefixes, int.from_bytes(not_after, "big"))

"""Mutual TLS 1.3 on memory buffers: the real `HandshakeFactory`.

pyOpenSSL speaks TLS (RFC 8446) and nothing else of it is used than the handshake and its exporter: no record of
application data, no resumption, no KeyUpdate. What a server says after the handshake can only be session tickets (there
is no door in pyOpenSSL to `SSL_CTX_set_num_tickets`), and it never leaves this module.

OpenSSL's own verdict on certificates is replaced by the injected verifier (`qstack.pki.trust`), which is asked while
the handshake runs: a client shows its certificate only to a server that it believes. The library offers X25519MLKEM768
first where its OpenSSL knows it (3.5 and later).

A server knows a call of its own factory by the random of the ClientHello (RFC 8446 section 4.1.2): who relays a call
can change how its records are cut, but not the random, over which both sides' Finished is computed.
"""

from collections.abc import Container
from weakref import WeakValueDictionary

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL, crypto

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.handshake import PeerIdentity, PeerVerifier
from qstack.base.ids import Qna, format_qna

__all__ = ["HYBRID_GROUP", "TlsHandshake", "TlsHandshakeFactory"]

HYBRID_GROUP = "X25519MLKEM768"
_READ_OCTETS = 16_384
_OWN_CALL = "this node itself has begun the handshake"
_CANNOT_HAPPEN = "OpenSSL asked for no certificate"


class TlsHandshakeFactory:
    """Makes handshakes with one node certificate.

    `certificate_der` and `private_key_der` (PKCS #8): the node's own. `verify`: the rules for certificates of peers;
    it is called during `feed`. `require_hybrid`: refuse a handshake without a post-quantum key agreement.
    """

    def __init__(
        self, certificate_der: bytes, private_key_der: bytes, verify: PeerVerifier, *, require_hybrid: bool = False
    ) -> None:
        self._verify = verify
        self._require_hybrid = require_hybrid
        self._context = _make_context(certificate_der, private_key_der)
        self._calls: WeakValueDictionary[bytes, TlsHandshake] = WeakValueDictionary()  # under way, by their random

    def client(self, expected: Qna | None) -> "TlsHandshake":
        """The side that speaks first."""
        call = self._make(expected, client=True)
        self._calls[call.random] = call
        return call

    def server(self) -> "TlsHandshake":
        """The side that answers."""
        return self._make(None, client=False)

    def _make(self, expected: Qna | None, *, client: bool) -> "TlsHandshake":
        connection = SSL.Connection(self._context, None)
        return TlsHandshake(connection, self._verify, expected, client, self._require_hybrid, self._calls)


class TlsHandshake:
    """One side of one handshake; see `qstack.base.handshake.Handshake`."""

    def __init__(
        self, connection: SSL.Connection, verify: PeerVerifier, expected: Qna | None, is_client: bool,
        require_hybrid: bool, own_calls: Container[bytes],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._verify = verify
        self._expected = expected
        self._is_client = is_client
        self._require_hybrid = require_hybrid
        self._own_calls = own_calls
        self._identity: PeerIdentity | None = None
        self._done = False
        self._failed = ""
        connection.set_app_data(self)
        if is_client:
            connection.set_connect_state()
            self.feed(b"")
        else:
            connection.set_accept_state()

    def feed(self, data: bytes) -> None:
        """Take octets of the peer, in order. Ignored once done or failed."""
        if self._done or self._failed:
            return
        if data:
            self._connection.bio_write(data)
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            if self._is_client or self.random not in self._own_calls:
                return
            self._failed = _OWN_CALL
            self.take()  # its answer, which nobody gets
        except SSL.Error as error:
            if not self._failed:  # else it is the verifier that made OpenSSL stop
                self._failed = f"TLS: {_first_reason(error)}"
        else:
            self._finish()
        self._connection.set_app_data(None)  # breaks the circle, so that OpenSSL's secrets go with the last reference

    def take(self) -> bytes:
        """Octets for the peer that have not been taken yet; a last alert too when it has failed."""
        out = bytearray()
        while True:
            try:
                out += self._connection.bio_read(_READ_OCTETS)
            except (SSL.WantReadError, SSL.ZeroReturnError):
                return bytes(out)

    @property
    def done(self) -> bool:
        """Both sides are proved to this side."""
        return self._done

    @property
    def failed(self) -> str:
        """Why it cannot be completed; empty while it can."""
        return self._failed

    @property
    def random(self) -> bytes:
        """What the client has begun with; a server knows it when it has answered."""
        return self._connection.client_random() or b""

    @property
    def group(self) -> str:
        """Name of the key agreement, as OpenSSL writes it. Only when done."""
        return self._connection.get_group_name() or ""

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Keying material of this handshake (RFC 8446 section 7.5). Only when done."""
        assert self._done, "export before the handshake is done"
        return self._connection.export_keying_material(label, length, context)

    def peer_identity(self) -> PeerIdentity:
        """Whom the peer has proved to be. Only when done."""
        assert self._done, "peer identity before the handshake is done"
        assert self._identity is not None
        return self._identity

    def accept_certificate(self, certificate_der: bytes) -> bool:
        """Judge the peer's certificate; called out of OpenSSL, for each doubt it has, while `feed` runs."""
        if self._identity is not None or self._failed:
            return not self._failed
        try:
            identity = self._verify(certificate_der)
        except PeerViolation as error:
            self._failed = str(error)
            return False
        if self._expected not in (None, identity.qna):
            wanted = format_qna(self._expected or 0)
            self._failed = f"certificate is that of {format_qna(identity.qna)}, not of {wanted}"
            return False
        self._identity = identity
        return True

    def _finish(self) -> None:
        """The library is content: see that we are."""
        if self._identity is None:
            self._failed = _CANNOT_HAPPEN
        elif self._require_hybrid and HYBRID_GROUP not in self.group:
            self._failed = f"key agreement is {self.group}, this node requires {HYBRID_GROUP}"
        else:
            self._done = True
            if not self._is_client:
                self.take()  # session tickets


def _make_context(certificate_der: bytes, private_key_der: bytes) -> SSL.Context:
    certificate = x509.load_der_x509_certificate(certificate_der)
    key = load_der_private_key(private_key_der, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalMisuse("the node's key is not Ed25519")
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)  # what little is left of tickets is dropped in _finish
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.check_privatekey()
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _on_certificate)
    return context


def _on_certificate(
    connection: SSL.Connection, certificate: crypto.X509, error_number: int, depth: int, verdict: int
) -> bool:
    """OpenSSL asks more than once for one certificate, with each doubt it has; the answer depends on ours alone.

    The store is empty, so the chain never grows beyond the leaf; a deeper certificate would be a surprise: refused.
    """
    del error_number, verdict
    handshake = connection.get_app_data()
    assert isinstance(handshake, TlsHandshake)
    if depth != 0:
        return False
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return handshake.accept_certificate(der)


def _first_reason(error: SSL.Error) -> str:
    """The library's own words for the first thing that went wrong."""
    entries = error.args[0] if error.args else ()
    for entry in entries:
        if len(entry) == 3 and entry[2]:
            return str(entry[2])
    return "handshake broke off"

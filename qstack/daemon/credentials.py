"""What the node shows of itself and whom it believes: a `HandshakeFactory` whose files can be read again under way."""

from collections import OrderedDict
from dataclasses import dataclass

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.handshake import Handshake, PeerIdentity
from qstack.base.ids import Qna, format_qna
from qstack.config.node import NodeFile
from qstack.io.clock import unix_s
from qstack.io.tls import TlsHandshakeFactory
from qstack.pki.files import load_anchor, load_node
from qstack.pki.trust import Trust

__all__ = ["Credentials", "Loaded"]

_REMEMBERED = 4_096  # certificates of peers


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files of one configuration say. `not_after_unix`: until when the node's own certificate counts."""

    trust: Trust
    factory: TlsHandshakeFactory
    not_after_unix: int

    @property
    def expired(self) -> bool:
        """Whether no peer will believe this node."""
        return unix_s() > self.not_after_unix


class Credentials:
    """Mutual TLS by the files of a configuration. Raises `LocalMisuse` when they do not fit the node."""

    def __init__(self, file: NodeFile) -> None:
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()  # certificates that were believed, by fingerprint
        self.loaded = self.prepare(file)

    def prepare(self, file: NodeFile) -> Loaded:
        """Read the files; assigned to `loaded` they are in force. Raises `LocalMisuse`."""
        trust = _load_trust(file)
        names, certificate, key = load_node(file.session.certificate, file.session.key)
        if names.qna != file.node.qna:
            raise LocalMisuse(f"{file.session.certificate} is the certificate of {format_qna(names.qna)}, not of this "
                              f"node, {format_qna(file.node.qna)}: have one issued (qstackctl pki issue)")  # fmt: skip
        return Loaded(trust, TlsHandshakeFactory(certificate, key, self._verify), names.not_after_unix)

    def client(self, expected: Qna | None) -> Handshake:
        """The side that speaks first."""
        return self.loaded.factory.client(expected)

    def server(self) -> Handshake:
        """The side that answers."""
        return self.loaded.factory.server()

    def judge(self, identity: PeerIdentity) -> str:
        """Why a peer, once believed, is not believed any more; empty when it is (SESSION-4.2-5)."""
        certificate = self._seen.get(identity.fingerprint)
        if certificate is None:  # so many others since: revocation and dates are what can still be told
            revoked = identity.fingerprint in self.loaded.trust.revoked
            return "its certificate is revoked or has expired" if revoked or identity.not_after_unix < unix_s() else ""
        try:
            self.loaded.trust.check(certificate, now_unix_s=unix_s())
        except PeerViolation as violation:
            return str(violation)
        return ""

    def _verify(self, certificate_der: bytes) -> PeerIdentity:
        identity = self.loaded.trust.check(certificate_der, now_unix_s=unix_s())
        self._seen[identity.fingerprint] = certificate_der
        self._seen.move_to_end(identity.fingerprint)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return identity


def _load_trust(file: NodeFile) -> Trust:
    anchors = tuple(
        load_anchor(each.ca, each.as_number,
                    None if each.urn_prefixes is None else [prefix.canonical for prefix in each.urn_prefixes])
        for each in file.session.anchors
    )  # fmt: skip
    pinned = {pin.qna: bytes(pin.fingerprint) for pin in file.session.pins}
    return Trust(anchors, pinned, frozenset(map(bytes, file.session.revoked)))

"""Two ends of a hop session with certificates of one CA, for the entries about sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from qstack.base.chance import Chance
from qstack.base.effects import Seal, SendDatagram, Sender, SendMessage, SendUnsealed
from qstack.base.ids import Qna, make_qna
from qstack.base.locator import Arrival, Locator
from qstack.base.services import PeerResolved
from qstack.base.time import Instant
from qstack.io.tls import TlsHandshakeFactory
from qstack.pki.issuing import Credential, issue_node, make_ca
from qstack.pki.trust import Trust, make_anchor
from qstack.proto.session.machine import SessionMachine
from qstack.proto.session.params import SessionParameters
from qstack.wire.header import Header, decode_header_untrusted, encode_datagram
from qstack.wire.protocols import Protocol
from qstack.wire.value import decode_message_untrusted

__all__ = ["SessionEnd"]

NOW_UNIX_S = int(time.time())
CA = make_ca(64512, now_unix_s=NOW_UNIX_S)
CREDENTIALS = tuple(issue_node(CA, make_qna(64512, number), now_unix_s=NOW_UNIX_S) for number in (1, 2))
_TRUST = Trust((make_anchor(CA.certificate),))


def certificate_der(credential: Credential) -> bytes:
    return credential.certificate.public_bytes(Encoding.DER)


def private_key_der(credential: Credential) -> bytes:
    return credential.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


_FACTORIES = tuple(
    TlsHandshakeFactory(
        certificate_der(node), private_key_der(node), lambda der: _TRUST.check(der, now_unix_s=NOW_UNIX_S)
    )
    for node in CREDENTIALS
)


@dataclass
class SessionEnd:
    """A session machine and a way out for its datagrams, as `qstack.node` gives it one."""

    number: int
    send: Callable[[bytes, Locator], object]

    def __post_init__(self) -> None:
        self.qna = make_qna(64512, self.number)
        chance = Chance(os.urandom(32))
        self.machine = SessionMachine(self.qna, Seal.HOP, SessionParameters(), chance, _FACTORIES[self.number - 1])

    def connect(self, peer: Qna, locator: Locator) -> None:
        self.machine.on_service(PeerResolved(peer, locator), _now())
        self.settle()

    def is_up(self, peer: Qna) -> bool:
        return self.machine.is_up(peer)

    def receive(self, datagram: bytes, source: Locator) -> None:
        header, offset = decode_header_untrusted(datagram)
        arrival = Arrival("bench", source)
        if not header.epoch:
            message = decode_message_untrusted(Protocol.SESSION, datagram, offset)
            self.machine.receive(message, Sender(header.source, None, arrival, header.source), _now())
        else:
            opened = self.machine.open_hop_untrusted(datagram, header, offset, source, _now())
            if opened is not None:
                peer, payload = opened
                message = decode_message_untrusted(Protocol.SESSION, payload)
                self.machine.receive(message, Sender(peer, Seal.HOP, arrival, peer), _now())
        self.settle()

    def settle(self) -> None:
        for effect in self.machine.take_effects():
            self._carry_out(effect)

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case SendUnsealed():
                header = Header(next_protocol=Protocol.SESSION, source=self.qna, destination=effect.destination)
                self.send(encode_datagram(header, effect.message), effect.locator)
            case SendMessage():
                header = Header(next_protocol=Protocol.SESSION, source=self.qna, destination=effect.destination)
                octets = effect.message.encode()
                datagram = self.machine.seal_hop(effect.destination, header, octets, False, _now())
                self.send(datagram, self.machine.locator_of(effect.destination))
            case SendDatagram():
                self.send(effect.datagram, effect.locator)


def _now() -> Instant:
    return Instant(time.monotonic_ns())

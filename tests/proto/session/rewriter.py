"""What an attacker on the path can make of a handshake: all but what TLS protects is its to change."""

from qstack.base.ids import Epoch, Qna
from qstack.proto.session.carrier import HandshakeMessage, with_check
from qstack.wire.header import Header, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.session import Abort, CookieChallenge, Flight, FlightAck, Initiate
from qstack.wire.value import decode_message_untrusted
from tests.proto.session.network import whole


class Rewriter:
    """Gives a call another epoch and nonce on the way forth, and takes them off the answers on the way back."""

    def __init__(self) -> None:
        self._nonces: dict[bytes, bytes] = {}

    def forth(self, message: HandshakeMessage) -> HandshakeMessage:
        match message:
            case Initiate():
                nonce = message.nonce[::-1]
                self._nonces[nonce] = message.nonce
                return message.replace(initiator_epoch=_other(message.initiator_epoch), nonce=nonce)
            case Flight() | FlightAck() | Abort():
                return message.replace(sender_epoch=_other(message.sender_epoch))
            case _:
                return message

    def back(self, message: HandshakeMessage) -> HandshakeMessage:
        match message:
            case CookieChallenge():
                epoch = _other(message.initiator_epoch)
                return message.replace(initiator_epoch=epoch, nonce=self._nonces[message.nonce])
            case Flight() | FlightAck() | Abort():
                return message.replace(receiver_epoch=_other(message.receiver_epoch))
            case _:
                return message


def handshake_message(datagram: bytes) -> HandshakeMessage:
    """What an unsealed datagram of a handshake says."""
    _, offset = decode_header_untrusted(datagram)
    message = decode_message_untrusted(Protocol.SESSION, datagram[offset:])
    assert isinstance(message, HandshakeMessage)
    return message


def handshake_datagram(message: HandshakeMessage, source: Qna, destination: Qna) -> bytes:
    """An unsealed datagram in the name of `source`."""
    header = Header(next_protocol=Protocol.SESSION, source=source, destination=destination)
    return whole(header, with_check(message, source, destination).encode())


def _other(epoch: Epoch) -> Epoch:
    return Epoch(epoch ^ 1)

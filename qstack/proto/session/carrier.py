"""How the messages of a handshake travel in one scope: check, padding, and which effect carries them."""

from hashlib import blake2b
from hmac import compare_digest
from typing import Any, TypeVar

from qstack.base.effects import Seal, SendMessage, SendUnsealed
from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.proto.session.params import CHECK_KEY
from qstack.wire.session import (
    CHECK_OCTETS,
    Abort,
    CookieChallenge,
    Established,
    Flight,
    FlightAck,
    Initiate,
    PaddingTlv,
    Probe,
    ProbeReply,
)
from qstack.wire.session import Close as CloseMessage

__all__ = ["Carrier", "HandshakeMessage", "SealedMessage", "check_is_right", "pad", "scope_of", "with_check"]

HandshakeMessage = Initiate | CookieChallenge | Flight | FlightAck | Abort
SealedMessage = Established | Probe | ProbeReply | CloseMessage
H = TypeVar("H", Initiate, CookieChallenge, Flight, FlightAck, Abort)

_NO_CHECK = bytes(CHECK_OCTETS)
_TLV_HEAD_OCTETS = 4


def scope_of(message: object, seal: Seal | None) -> Seal | None:
    """For which scope a message is that came unsealed (None), hop-sealed or end-sealed; None: for neither."""
    if isinstance(message, HandshakeMessage):
        return {None: Seal.HOP, Seal.HOP: Seal.END}.get(seal)
    return seal if isinstance(message, SealedMessage) else None


def with_check(message: HandshakeMessage, source: Qna, destination: Qna) -> HandshakeMessage:
    """The message with its check (SESSION-5.1-1)."""
    return message.replace(check=_compute(message, source, destination))


def check_is_right(message: HandshakeMessage, source: Qna, destination: Qna) -> bool:
    """Whether a message is as it was sent."""
    return compare_digest(message.check, _compute(message, source, destination))


def pad(message: H, octets: int) -> H:
    """The message with as much padding as makes it `octets` long, when it is shorter."""
    missing = octets - len(message.encode()) - _TLV_HEAD_OCTETS
    if missing < 0:
        return message
    return message.replace(options=(*message.options, PaddingTlv(filler=bytes(missing))))


class Carrier:
    """The way out for the sessions of `own` in one scope. `effects` is the machine's list."""

    def __init__(self, own: Qna, scope: Seal, effects: list[Any]) -> None:
        self.own = own
        self.scope = scope
        self._effects = effects

    def send(self, message: HandshakeMessage, peer: Qna, locator: Locator | None) -> int:
        """Send a message of a handshake; give its length."""
        checked = with_check(message, self.own, peer)
        if self.scope is Seal.HOP:
            self._effects.append(SendUnsealed(checked, peer, locator))
        else:
            self._effects.append(SendMessage(peer, checked, Seal.HOP))
        return len(checked.encode())

    def send_sealed(self, message: SealedMessage, peer: Qna) -> None:
        """Send a message under the keys of the live epoch with `peer`."""
        self._effects.append(SendMessage(peer, message, self.scope))


def _compute(message: HandshakeMessage, source: Qna, destination: Qna) -> bytes:
    octets = message.replace(check=_NO_CHECK).encode()
    bound = source.to_bytes(8, "big") + destination.to_bytes(8, "big") + octets
    return blake2b(bound, key=CHECK_KEY, digest_size=CHECK_OCTETS).digest()

"""One session: an attempt or a half-open session, and the epoch that it becomes. Driven by the table of `states`.

A responder lives on credit: it has sent at most as many octets as it has received, so whatever it is told by whomever,
it multiplies nothing (SESSION-6.1-1). Therefore it has no timers for sending, and an initiator pads what asks for much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from functools import partial

from qstack.base.chance import Chance
from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.handshake import Handshake, PeerIdentity
from qstack.base.ids import Epoch, Qna
from qstack.base.locator import Locator
from qstack.machine.segmentation import Fragment
from qstack.proto.session.carrier import Carrier, HandshakeMessage, pad
from qstack.proto.session.flights import Flights, Progress
from qstack.proto.session.keys import Direction, TrafficKeys, expand, wipe
from qstack.proto.session.params import EXPORTER_LABEL, QUESTION_OCTETS, SECRET_OCTETS, SessionParameters
from qstack.proto.session.seal import SealedEpoch
from qstack.proto.session.states import LIVE, SESSIONS, SessionState
from qstack.wire.session import (
    MAXIMUM_FRAGMENT_OCTETS,
    Close,
    CookieChallenge,
    CookieTlv,
    Established,
    Flight,
    FlightAck,
    Initiate,
    Probe,
)

__all__ = ["Part", "Role", "Session", "Surroundings"]

_NO_EPOCH = Epoch(0)
_SCOPE_OCTET = {Seal.HOP: b"\x01", Seal.END: b"\x02"}
_FRONT_OCTETS = 64  # of an Initiate: its fields, the cookie, and the head of the padding


@unique
class Role(Enum):
    """Who called."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the sessions of one machine share. `log_key` gets epoch, generation, key and iv."""

    carrier: Carrier
    parameters: SessionParameters
    chance: Chance
    log_key: Callable[[Epoch, int, str, str], None] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A fragment as it came: of which flight, from which epoch of the peer, in a message of how many octets."""

    flight: int
    fragment: Fragment
    sender_epoch: Epoch
    octets: int


@SESSIONS.drives
class Session:
    """See the module. `locator` is where the peer is; None in END.

    `nonce` is the initiator's. What is due when: `expires_ns` (then it is LOST), `retransmit_ns`, and while live the
    silence of the peer.
    """

    def __init__(
        self, around: Surroundings, role: Role, handshake: Handshake, *, peer: Qna, locator: Locator | None,
        local_epoch: Epoch, nonce: bytes, now_ns: int,
    ) -> None:  # fmt: skip
        parameters = around.parameters
        initiator = role is Role.INITIATOR
        self.state = SessionState.ASKING if initiator else SessionState.GATHERING
        self.role = role
        self.peer = peer
        self.locator = locator
        self.local_epoch = local_epoch
        self.remote_epoch = _NO_EPOCH
        self.nonce = nonce
        self.handshake: Handshake | None = handshake
        self.identity: PeerIdentity | None = None
        self.sealed: SealedEpoch | None = None
        self.started_ns = self.established_ns = self.last_heard_ns = now_ns
        self.expires_ns: int | None = now_ns + (
            parameters.asking_timeout_ns if initiator else parameters.half_open_timeout_ns
        )
        self.retransmit_ns: int | None = now_ns if initiator else None
        self.restarts = 0
        self.sent_since_heard = False
        self.doubted = False  # it is said that the peer has forgotten this epoch
        self.doubt_again_ns = now_ns
        self.heard_any = False
        self.lead_again_ns = now_ns
        self._around = around
        self._transmissions = 0  # since the last progress
        self._credit = 0  # octets that a responder may send
        self._cursor = 0  # fragment of our flight that a responder sends next
        self._cookie = b""
        self._token = 0
        self._application_secret = bytearray()
        self._flights = Flights(handshake, _fragment_room(parameters), initiator=initiator)

    @property
    def is_live(self) -> bool:
        """Whether there is an epoch."""
        return self.state in LIVE

    def deadline_ns(self, now_ns: int) -> int | None:
        """When to look at this session again."""
        if self.state is SessionState.ESTABLISHED:
            return self._silence_check_ns(now_ns)
        due = [at for at in (self.expires_ns, self.retransmit_ns) if at is not None]
        return min(due) if due else None

    def silent(self, now_ns: int) -> bool:
        """Whether the peer was not heard for so long that it has to be asked."""
        parameters = self._around.parameters
        limit = parameters.silence_after_sending_ns if self.sent_since_heard else parameters.silence_ns
        return now_ns - self.last_heard_ns >= limit

    def hear(self, now_ns: int) -> None:
        """A datagram of the peer has opened."""
        self.last_heard_ns = now_ns
        self.sent_since_heard = self.doubted = False
        self.heard_any = True

    def export(self, info: bytes, length: int) -> bytes:
        """Keying material of this epoch for applications (SESSION-7.5-1)."""
        return bytes(expand(self._application_secret, info, length))

    def greet(self) -> None:
        """Tell the initiator that the epoch has begun (SESSION-5.7-1)."""
        self._around.carrier.send_sealed(Established(), self.peer)

    def fresh_token(self, now_ns: int) -> int:
        """64 bits of chance for a probe."""
        return self._around.chance.integer(b"probe:%d:%d" % (self.local_epoch, now_ns))

    # --- guards ----------------------------------------------------------------------------------------------------

    def _may_renew_cookie(self, message: CookieChallenge, *, now_ns: int) -> bool:
        del now_ns
        return message.cookie != self._cookie and self._flights.outgoing == 0

    def _may_resume(self, message: FlightAck, octets: int, *, now_ns: int) -> bool:
        del octets, now_ns
        return message.flight == self._flights.outgoing

    def _may_greet(self, part: Part, *, now_ns: int) -> bool:
        del part, now_ns
        return self.role is Role.RESPONDER and not self.heard_any

    def _may_pull(self, *, now_ns: int) -> bool:
        del now_ns
        return self._flights.part_has_come

    def _may_probe(self, *, now_ns: int) -> bool:
        del now_ns
        return self._transmissions < self._around.parameters.probes

    # --- actions of an initiator -----------------------------------------------------------------------------------

    def _act_ask(self, *, now_ns: int) -> None:
        question = Initiate(initiator_epoch=self.local_epoch, nonce=self.nonce)
        self._send(pad(question, QUESTION_OCTETS))
        self._transmitted(now_ns)

    def _act_keep_cookie(self, message: CookieChallenge, *, now_ns: int) -> None:
        del now_ns
        self._cookie = message.cookie
        self._transmissions = 0
        self.expires_ns = self.started_ns + self._around.parameters.attempt_timeout_ns

    def _act_send_flight(self, *_: object, now_ns: int) -> None:
        self._send_fragments(self._flights.fragments)
        self._transmitted(now_ns)

    def _act_resume_flight(self, message: FlightAck, octets: int, *, now_ns: int) -> None:
        del octets
        if self.remote_epoch == _NO_EPOCH:
            self.remote_epoch = message.sender_epoch
        self._send_fragments(self._flights.fragments_from(message.received))
        self._transmitted(now_ns)

    def _act_take_answer(self, part: Part, *, now_ns: int) -> None:
        if part.sender_epoch != self.remote_epoch:
            if self._flights.outgoing:
                return  # a handshake goes on with the responder that it began with
            self._flights.begin_anew()
            self.remote_epoch = part.sender_epoch
        progress = self._flights.take_fragment(part.flight, part.fragment)
        if progress in (Progress.PART, Progress.GAP):
            self._transmissions = 0
            self.retransmit_ns = now_ns + self._around.parameters.pull_after_ns
        elif progress is Progress.WHOLE:
            self._transmissions = 0
            self._send_next_flight(now_ns)

    def _act_pull_answer(self, *, now_ns: int) -> None:
        """What we lack is the rest of a flight: ask for that, and pay for it."""
        self._send(pad(self._acknowledgement(), self._around.parameters.message_octets))
        self._transmitted(now_ns)

    def _send_next_flight(self, now_ns: int) -> None:
        """In the middle of a handshake (a HelloRetryRequest); the last flight goes out when keys are derived."""
        assert self.handshake is not None
        if not self.handshake.done and not self.handshake.failed:
            self._act_send_flight(now_ns=now_ns)

    def _send_fragments(self, fragments: list[Fragment]) -> None:
        for fragment in fragments:
            if self._flights.outgoing == 0:
                self._send(pad(self._offer(fragment), self._around.parameters.message_octets))
            elif self.handshake is not None and not self.handshake.done:
                self._send(pad(self._flight(fragment), self._around.parameters.message_octets))
            else:
                self._send(self._flight(fragment))

    def _offer(self, fragment: Fragment) -> Initiate:
        return Initiate(
            initiator_epoch=self.local_epoch, nonce=self.nonce, offset=fragment.offset, total=fragment.total,
            data=fragment.data, options=(CookieTlv(cookie=self._cookie),),
        )  # fmt: skip

    def _transmitted(self, now_ns: int) -> None:
        self._transmissions += 1
        self.retransmit_ns = now_ns + self._around.parameters.retransmission.delay_ns(self._transmissions)

    # --- actions of a responder ------------------------------------------------------------------------------------

    def _act_take_offer(self, part: Part, *, now_ns: int) -> None:
        del now_ns
        self._credit += part.octets
        match self._flights.take_fragment(part.flight, part.fragment):
            case Progress.WHOLE:
                self._cursor = 0
                self._spend_credit()
            case Progress.AGAIN:
                self._spend_credit()
            case Progress.GAP:
                self._credit -= self._send(self._acknowledgement())

    def _act_repay_flight(self, message: FlightAck, octets: int, *, now_ns: int) -> None:
        del now_ns
        self._credit += octets
        self._cursor = len(self._flights.fragments) - len(self._flights.fragments_from(message.received))
        self._spend_credit()

    def _spend_credit(self) -> None:
        """Send what there is from the cursor on, as far as the credit goes; after the end begin again next time."""
        for fragment in self._flights.fragments[self._cursor :]:
            message = self._flight(fragment)
            if len(message.encode()) > self._credit:
                return
            self._credit -= self._send(message)
            self._cursor += 1
        self._cursor = 0

    # --- actions of both -------------------------------------------------------------------------------------------

    def _act_derive_keys(self, *, now_ns: int) -> None:
        """SESSION-7.1: from the exporter to keys; the handshake itself is not needed any more."""
        assert self.handshake is not None
        self.identity = self.handshake.peer_identity()
        material = bytearray(self.handshake.export(EXPORTER_LABEL, self._context(), 3 * SECRET_OCTETS))
        first, second = material[:SECRET_OCTETS], material[SECRET_OCTETS : 2 * SECRET_OCTETS]
        self._application_secret = material[2 * SECRET_OCTETS :]
        initiator = self.role is Role.INITIATOR
        mine, theirs = (first, second) if initiator else (second, first)
        outgoing, incoming = self._direction(mine, self.remote_epoch), self._direction(theirs, self.local_epoch)
        parameters = self._around.parameters
        keys = TrafficKeys(outgoing, incoming, parameters, leads=initiator, now_ns=now_ns)
        self.sealed = SealedEpoch(self.local_epoch, self.remote_epoch, keys, parameters.replay_window)
        for secret in (material, first, second):
            wipe(secret)

    def _act_settle(self, *, now_ns: int) -> None:
        if self.handshake is not None:
            self.established_ns = self.last_heard_ns = now_ns
        self._transmissions = 0
        self.expires_ns = self.retransmit_ns = None
        self.handshake = None
        self._flights.finish()

    def _act_greet(self, part: Part, *, now_ns: int) -> None:
        del part, now_ns
        self.greet()

    def _act_begin_probing(self, *, now_ns: int) -> None:
        self._token = self.fresh_token(now_ns)
        self._transmissions = 0

    def _act_probe(self, *, now_ns: int) -> None:
        self._around.carrier.send_sealed(Probe(token=self._token), self.peer)
        self._transmissions += 1
        self.retransmit_ns = now_ns + self._around.parameters.probe_interval_ns

    def _act_say_goodbye(self, reason: ErrorCode, *, now_ns: int) -> None:
        self._around.carrier.send_sealed(Close(reason=reason), self.peer)
        self.expires_ns = now_ns

    def _act_erase(self, *_: object, now_ns: int) -> None:
        del now_ns
        self.expires_ns = self.retransmit_ns = None
        self.handshake = None
        self._flights.finish()
        wipe(self._application_secret)
        if self.sealed is not None:
            self.sealed.keys.wipe()

    # --- parts of the above ----------------------------------------------------------------------------------------

    def _send(self, message: HandshakeMessage) -> int:
        return self._around.carrier.send(message, self.peer, self.locator)

    def _flight(self, fragment: Fragment) -> Flight:
        return Flight(
            receiver_epoch=self.remote_epoch, sender_epoch=self.local_epoch, flight=self._flights.outgoing,
            offset=fragment.offset, total=fragment.total, data=fragment.data,
        )  # fmt: skip

    def _acknowledgement(self) -> FlightAck:
        return FlightAck(
            receiver_epoch=self.remote_epoch, sender_epoch=self.local_epoch, flight=self._flights.expected,
            received=self._flights.received,
        )  # fmt: skip

    def _context(self) -> bytes:
        """SESSION-7.1-1."""
        own = (self._around.carrier.own, self.local_epoch)
        ends = (own, (self.peer, self.remote_epoch))
        first, second = ends if self.role is Role.INITIATOR else ends[::-1]
        names = first[0].to_bytes(8, "big") + second[0].to_bytes(8, "big")
        return (
            _SCOPE_OCTET[self._around.carrier.scope]
            + names
            + first[1].to_bytes(4, "big")
            + second[1].to_bytes(4, "big")
        )

    def _direction(self, secret: bytearray, epoch: Epoch) -> Direction:
        log = self._around.log_key
        return Direction(secret, None if log is None else partial(log, epoch))

    def _silence_check_ns(self, now_ns: int) -> int:
        parameters = self._around.parameters
        early = self.last_heard_ns + parameters.silence_after_sending_ns
        return early if early > now_ns or self.silent(now_ns) else self.last_heard_ns + parameters.silence_ns


def _fragment_room(parameters: SessionParameters) -> int:
    return min(parameters.message_octets - _FRONT_OCTETS, MAXIMUM_FRAGMENT_OCTETS)

"""The door of key establishment: all sessions of one node in one scope (session note) (SESSION-6.4).

A node has two of these, HOP and END, with nothing in common. The datagram that shows an initiator that its epoch has
begun is used up for that: `PeerUp` always comes before anything that the peer says in the epoch.
"""

from collections.abc import Callable
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Seal, SendDatagram, Sender
from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.base.handshake import HandshakeFactory, PeerIdentity
from qstack.base.ids import Epoch, Qna, format_qna
from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, EnsurePeer, PeerDoubted, PeerResolved, ProveClaim
from qstack.base.time import Instant
from qstack.proto.session.carrier import Carrier, HandshakeMessage, SealedMessage
from qstack.proto.session.claims import Claims
from qstack.proto.session.cookie import CookieJar
from qstack.proto.session.establishment import Establishment
from qstack.proto.session.params import SessionParameters
from qstack.proto.session.register import Register
from qstack.proto.session.seal import Refusal
from qstack.proto.session.session import Session, Surroundings
from qstack.proto.session.states import SESSIONS, SessionEvent, SessionState
from qstack.proto.session.view import SessionView, view_of
from qstack.wire.header import EndHeader, Header, TrafficClass
from qstack.wire.protocols import Protocol
from qstack.wire.session import Close, Probe, ProbeReply
from qstack.wire.value import Message

__all__ = ["SessionMachine"]

_SCOPE_OCTET = {Seal.HOP: 1, Seal.END: 2}


class SessionMachine:
    """Sessions of the node `own` in one scope. `chance` is for this machine alone.

    `key_log`, when given, gets one line for each key that is made (SESSION-7.7): whoever reads it can read everything.
    """

    def __init__(
        self, own: Qna, scope: Seal, parameters: SessionParameters, chance: Chance, handshakes: HandshakeFactory,
        *, key_log: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self.own = own
        self.scope = scope
        self.parameters = parameters
        self._effects: list[Any] = []
        self._carrier = Carrier(own, scope, self._effects)
        self._register = Register(parameters, chance.derive(b"session"))
        self._key_log = key_log
        log = None if key_log is None else self._log_key
        around = Surroundings(self._carrier, parameters, chance.derive(b"probes"), log)
        jar = CookieJar(own, _SCOPE_OCTET[scope], chance.derive(b"cookies"))
        self._establishment = Establishment(around, self._register, handshakes, jar, self._effects)
        self._claims = Claims(parameters)

    # --- inputs --------------------------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of this scope (`carrier.scope_of`)."""
        if isinstance(message, HandshakeMessage):
            self._establishment.receive(message, sender, now_ns)
        elif isinstance(message, SealedMessage):
            self._receive_sealed(message, sender, now_ns)

    def on_service(self, service: EnsurePeer | PeerDoubted | PeerResolved | ProveClaim, now_ns: Instant) -> None:
        """EnsurePeer, PeerDoubted (END), PeerResolved, ProveClaim (HOP): answered by PeerUp, PeerDown, ClaimProved,
        ClaimRefuted."""
        match service:
            case EnsurePeer():
                self.connect(service.peer, None, now_ns)
            case PeerResolved():
                self.connect(service.peer, service.locator, now_ns)
            case PeerDoubted():
                self._doubt(service.peer, now_ns)
            case ProveClaim():
                self._prove(service.peer, service.locator, now_ns)

    def connect(self, peer: Qna, locator: Locator | None, now_ns: Instant) -> None:
        """Have a session with `peer`; when there is one with it elsewhere, try whether it is at `locator` too."""
        live = self._register.live.get(peer)
        if peer == self.own:
            raise LocalMisuse("a node has no session with itself")
        if live is None:
            self._establishment.call(peer, locator, now_ns)
        elif locator is not None and locator != live.locator:
            self._prove(peer, locator, now_ns)

    def drop(self, peer: Qna, reason: str, now_ns: Instant) -> None:
        """End the epoch with `peer` at once, without a word."""
        live = self._register.live.get(peer)
        if live is not None:
            self._end(live, reason, now_ns)

    def close_all(self, reason: ErrorCode, now_ns: Instant) -> None:
        """End everything: peers are told, and the epochs end at the next deadline, which is now."""
        for session in self._register.everything():
            self._close(session, reason, now_ns)

    def reconsider(self, judge: Callable[[PeerIdentity], str], now_ns: Instant) -> None:
        """Close the sessions whose peer is not believed any more: `judge` gives the reason, or an empty string."""
        for session in list(self._register.live.values()):
            if session.identity is not None and judge(session.identity):
                self._close(session, ErrorCode.POLICY, now_ns)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Time has passed."""
        for session in self._register.due(now_ns):
            self._look_at(session, now_ns)
        sending, failed = self._claims.due(now_ns)
        for claim in sending:
            self._probe_locator(claim.peer, claim.locator, claim.token, now_ns)
        for claim in failed:
            self._establishment.call(claim.peer, claim.locator, now_ns)

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        deadlines = [at for at in (self._register.next_deadline(), self._claims.next_deadline()) if at is not None]
        return Instant(min(deadlines)) if deadlines else None

    def take_effects(self) -> list[Any]:
        """What is to be done, in order."""
        taken = list(self._effects)
        self._effects.clear()
        return taken

    # --- what others ask -----------------------------------------------------------------------------------------

    def is_up(self, peer: Qna) -> bool:
        """Whether an epoch with `peer` is live: `seal_hop` or `seal_end` may be called."""
        return peer in self._register.live

    def knows(self, epoch: Epoch) -> bool:
        """Whether an epoch of ours is in use, or about to be."""
        return epoch in self._register.by_epoch

    def locator_of(self, peer: Qna) -> Locator | None:
        """Where a neighbour with a live epoch is."""
        live = self._register.live.get(peer)
        return None if live is None else live.locator

    def identity_of(self, peer: Qna) -> PeerIdentity | None:
        """What the certificate of a peer with a live epoch says."""
        live = self._register.live.get(peer)
        return None if live is None else live.identity

    def exporter(self, peer: Qna, label: bytes, context: bytes, length: int) -> bytes:
        """Octets that both ends of the live epoch can compute, and nobody else (SESSION-7.5-1)."""
        if not 0 < len(label) < 256:
            raise LocalMisuse("a label of the exporter has 1..255 octets")
        return self._up(peer).export(len(label).to_bytes(1, "big") + label + context, length)

    def describe(self) -> tuple[SessionView, ...]:
        """All sessions, live or under way."""
        return tuple(view_of(session) for session in self._register.everything())

    # --- seals ---------------------------------------------------------------------------------------------------

    def seal_hop(self, peer: Qna, header: Header, payload: bytes, encrypt: bool, now_ns: Instant) -> bytes:
        """A whole datagram for the neighbour `peer`, which must be up."""
        session = self._up(peer)
        assert session.sealed is not None
        session.sent_since_heard = True
        return session.sealed.seal_hop(header, payload, encrypt=encrypt, now_ns=now_ns)

    def seal_end(
        self, peer: Qna, header: Header, end: EndHeader, payload: bytes, encrypt: bool, now_ns: Instant
    ) -> bytes:
        """What is behind `header` in an END datagram for `peer`, which must be up."""
        session = self._up(peer)
        assert session.sealed is not None
        session.sent_since_heard = True
        return session.sealed.seal_end(header, end, payload, encrypt=encrypt, now_ns=now_ns)

    def open_hop_untrusted(
        self, datagram: bytes, header: Header, offset: int, source: Locator, now_ns: Instant
    ) -> tuple[Qna, bytes] | None:
        """The neighbour that sealed a datagram, and the payload at `offset`. None: refused and counted, or used up."""
        session = self._sealed_at(header.epoch)
        if session is None or session.sealed is None:
            return None
        opened = session.sealed.open_hop(datagram, header, offset, now_ns=now_ns)
        if isinstance(opened, Refusal):
            self._refuse(opened)
            return None
        if source != session.locator and header.packet_number == session.sealed.window.highest:
            session.locator = source  # SESSION-6.5-3
        return (session.peer, opened) if self._heard(session, now_ns) else None

    def open_end_untrusted(
        self, header: Header, end: EndHeader, payload: bytes, offset: int, now_ns: Instant
    ) -> tuple[Qna, bytes] | None:
        """The far end that sealed the payload of an END datagram, and what is behind its end header at `offset`."""
        session = self._sealed_at(end.epoch)
        if session is None or session.sealed is None:
            return None
        opened = session.sealed.open_end(header, payload, end, offset, now_ns=now_ns)
        if isinstance(opened, Refusal):
            self._refuse(opened)
            return None
        return (session.peer, opened) if self._heard(session, now_ns) else None

    # --- inside --------------------------------------------------------------------------------------------------

    def _sealed_at(self, epoch: int) -> Session | None:
        session = self._register.by_epoch.get(epoch)
        if session is None or session.sealed is None:
            self._refuse(Refusal.UNKNOWN_EPOCH)
            return None
        return session

    def _refuse(self, refusal: Refusal) -> None:
        self._establishment.count(f"refused.{refusal.value}")

    def _up(self, peer: Qna) -> Session:
        session = self._register.live.get(peer)
        if session is None:
            raise LocalMisuse(f"no {self.scope.value} session with {format_qna(peer)}", ErrorCode.SESSION_LOST)
        return session

    def _heard(self, session: Session, now_ns: Instant) -> bool:
        """A datagram has opened; False when it was needed to know that the epoch has begun."""
        session.hear(now_ns)
        if session.state is SessionState.CONFIRMING:
            self._establishment.confirm(session, now_ns)
            return False
        if session.state is SessionState.SUSPECT:
            SESSIONS.fire(session, SessionEvent.HEARD, now_ns=now_ns)
            self._register.schedule(session, now_ns)
            self._establishment.turn_away(session, now_ns)
        self._lead_on(session, now_ns)
        return True

    def _lead_on(self, session: Session, now_ns: Instant) -> None:
        """SESSION-7.3-2: when a rekey is due, or was not followed, and we have nothing to say, a probe says it."""
        assert session.sealed is not None
        keys = session.sealed.keys
        if (keys.rekey_due(now_ns) or keys.unfollowed) and now_ns >= session.lead_again_ns:
            session.lead_again_ns = now_ns + self.parameters.probe_interval_ns
            self._carrier.send_sealed(Probe(token=session.fresh_token(now_ns)), session.peer)

    def _look_at(self, session: Session, now_ns: Instant) -> None:
        if session.expires_ns is not None and now_ns >= session.expires_ns:
            reason = "closed by this node" if session.state is SessionState.CLOSING else "no answer in time"
            self._end(session, reason, now_ns)
        elif session.state is SessionState.ESTABLISHED:
            self._watch(session, now_ns)
        elif session.retransmit_ns is not None and now_ns >= session.retransmit_ns:
            self._ask_again(session, now_ns)
        if session.state is not SessionState.CLOSED:
            self._register.schedule(session, now_ns)

    def _doubt(self, peer: Qna, now_ns: Instant) -> None:
        """SESSION-6.3-4: a probe shows whether it is true. Whoever says it can say it often."""
        live = self._register.live.get(peer)
        if live is not None and now_ns >= live.doubt_again_ns:
            live.doubt_again_ns = now_ns + self.parameters.doubt_interval_ns
            SESSIONS.fire(live, SessionEvent.SILENCE_DUE, now_ns=now_ns)
            live.doubted = live.state is SessionState.SUSPECT
            self._register.schedule(live, now_ns)

    def _ask_again(self, session: Session, now_ns: Instant) -> None:
        if not SESSIONS.fire(session, SessionEvent.RETRANSMIT_DUE, now_ns=now_ns):
            self._end(session, "silent", now_ns)
        elif session.doubted:
            self._establishment.call(session.peer, session.locator, now_ns)

    def _watch(self, session: Session, now_ns: Instant) -> None:
        assert session.sealed is not None
        session.sealed.keys.forget_previous(now_ns)
        if session.silent(now_ns):
            SESSIONS.fire(session, SessionEvent.SILENCE_DUE, now_ns=now_ns)

    def _end(self, session: Session, reason: str, now_ns: Instant) -> None:
        peer = session.peer
        self._establishment.end(session, reason, now_ns)
        if peer not in self._register.live:
            for locator in self._claims.of_peer(peer):
                self._establishment.call(peer, locator, now_ns)

    def _close(self, session: Session, reason: ErrorCode, now_ns: Instant) -> None:
        SESSIONS.fire(session, SessionEvent.CLOSE, reason, now_ns=now_ns)
        if session.state is SessionState.CLOSED:
            self._register.remove(session)
        else:
            self._register.schedule(session, now_ns)

    def _receive_sealed(self, message: SealedMessage, sender: Sender, now_ns: Instant) -> None:
        """Only the peer itself speaks about its epoch, under its seal: what came in the open, or what a neighbour
        forwards in its name, does not count."""
        session = self._register.live.get(sender.qna)
        forwarded = self.scope is Seal.HOP and sender.neighbour != sender.qna
        if session is None or sender.seal is not self.scope or forwarded:
            self._establishment.count("unexpected")
            return
        match message:
            case Probe():
                self._carrier.send_sealed(ProbeReply(token=message.token), sender.qna)
            case ProbeReply():
                locator = self._claims.answered(sender.qna, message.token)
                if locator is not None:
                    self._effects.append(ClaimProved(sender.qna, locator))
            case Close():
                self._end(session, "closed by the peer", now_ns)

    def _prove(self, peer: Qna, locator: Locator, now_ns: Instant) -> None:
        """SESSION-6.5: with the live epoch, if there is one; else by a handshake."""
        live = self._register.live.get(peer)
        if live is None or not self._claims.begin(peer, locator, live.fresh_token(now_ns), now_ns):
            self._establishment.call(peer, locator, now_ns)
        else:
            self.handle_deadline(now_ns)

    def _probe_locator(self, peer: Qna, locator: Locator, token: int, now_ns: Instant) -> None:
        header = Header(
            next_protocol=Protocol.SESSION, source=self.own, destination=peer, traffic_class=TrafficClass.SIGNALLING
        )
        datagram = self.seal_hop(peer, header, Probe(token=token).encode(), False, now_ns)
        self._effects.append(SendDatagram(datagram, locator))

    def _log_key(self, epoch: Epoch, generation: int, key: str, iv: str) -> None:
        assert self._key_log is not None
        self._key_log(f"qstack {self.scope.value} {epoch:08x} {generation} {key} {iv}")

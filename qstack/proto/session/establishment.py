"""From a call to an epoch: what is done with the messages of handshakes, and when a session ends (SESSION-6.3).

Laws:

1. Nothing that is unsealed reaches a live epoch: it ends when a handshake with the same peer has completed, when the
   peer or our node says so under its keys, or when the peer is silent. A handshake from elsewhere is completed when
   the peer is silent: there may be two of it.
2. A source costs nothing until it has given back a cookie, and little after (`halfopen`).
3. With our own QNA there is no epoch: whoever proves it is a rival, and a handshake with ourselves proves nothing.
4. Of two handshakes between two nodes the lower QNA decides which one is completed, and decides once: it completes the
   other's only while it has not sent its own last flight (`_decides_for_ours`).
"""

from typing import Any

from qstack.base.effects import Count, Log, Seal, Sender, Severity
from qstack.base.errors import ErrorCode
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Qna, format_qna
from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, ClaimRefuted, PeerDown, PeerUp
from qstack.machine.segmentation import Fragment
from qstack.proto.session.carrier import HandshakeMessage, check_is_right
from qstack.proto.session.cookie import CookieJar
from qstack.proto.session.halfopen import Caller
from qstack.proto.session.register import Register
from qstack.proto.session.session import Part, Role, Session, Surroundings
from qstack.proto.session.states import ATTEMPTING, SESSIONS, SessionEvent, SessionState
from qstack.wire.session import NONCE_OCTETS, Abort, CookieChallenge, CookieTlv, Flight, FlightAck, Initiate

__all__ = ["Establishment"]


class Establishment:
    """The handshakes of one node in one scope. `effects` is the machine's list."""

    def __init__(
        self, around: Surroundings, register: Register, handshakes: HandshakeFactory, jar: CookieJar, effects: list[Any]
    ) -> None:
        self.own = around.carrier.own
        self.scope = around.carrier.scope
        self._around = around
        self._register = register
        self._handshakes = handshakes
        self._jar = jar
        self._effects = effects

    # --- as initiator ------------------------------------------------------------------------------------------------

    def call(self, peer: Qna, locator: Locator | None, now_ns: int) -> None:
        """Begin an attempt, unless one is under way."""
        if (peer, locator) in self._register.attempts:
            return
        if len(self._register.attempts) >= self._around.parameters.attempts:
            self._report_failure(peer, locator, "too many attempts are under way")
            return
        self._ask(self._make_attempt(peer, locator, now_ns), now_ns)

    def _make_attempt(self, peer: Qna, locator: Locator | None, now_ns: int) -> Session:
        session = Session(
            self._around, Role.INITIATOR, self._handshakes.client(peer), peer=peer, locator=locator,
            local_epoch=self._register.draw_epoch(), nonce=self._register.draw(b"nonce", NONCE_OCTETS), now_ns=now_ns,
        )  # fmt: skip
        self._register.add_attempt(session)
        return session

    def _ask(self, session: Session, now_ns: int) -> None:
        SESSIONS.fire(session, SessionEvent.RETRANSMIT_DUE, now_ns=now_ns)
        self._register.schedule(session, now_ns)

    def _call_again(self, session: Session, now_ns: int) -> None:
        """The responder does not remember our handshake: begin another within the time of the same attempt."""
        self._drop(session, "forgotten by the responder", now_ns)
        if session.restarts >= self._around.parameters.restarts:
            self._report_failure(session.peer, session.locator, "the peer does not remember the handshake")
            return
        again = self._make_attempt(session.peer, session.locator, now_ns)
        again.started_ns, again.restarts = session.started_ns, session.restarts + 1
        self._ask(again, now_ns)

    # --- messages ----------------------------------------------------------------------------------------------------

    def receive(self, message: HandshakeMessage, sender: Sender, now_ns: int) -> None:
        """A message of a handshake. What does not fit is dropped and counted: it accuses nobody."""
        of_ourselves = sender.qna == self.own and self.scope is Seal.END  # in HOP it may be a rival (SESSION-6.6)
        if of_ourselves or not check_is_right(message, sender.qna, self.own):
            self.count("damaged")
            return
        match message:
            case Initiate():
                self._receive_initiate(message, sender, now_ns)
            case CookieChallenge():
                self._receive_challenge(message, sender, now_ns)
            case Flight() | FlightAck() | Abort():
                self._receive_later(message, sender, now_ns)

    def _receive_challenge(self, message: CookieChallenge, sender: Sender, now_ns: int) -> None:
        session = self._named(message.initiator_epoch, sender)
        if session is None or session.role is not Role.INITIATOR or session.nonce != message.nonce:
            self.count("unexpected")
            return
        self._fire(session, SessionEvent.CHALLENGED, message, now_ns=now_ns)

    def _receive_later(self, message: Flight | FlightAck | Abort, sender: Sender, now_ns: int) -> None:
        session = self._named(message.receiver_epoch, sender)
        if session is None:
            self.count("unexpected")
            if not isinstance(message, Abort):
                self._abort(message, sender, ErrorCode.SESSION_LOST)
            return
        if isinstance(message, Abort):
            self._receive_abort(message, session, now_ns)
        elif isinstance(message, FlightAck):
            if self._continues(session, message):
                self._fire(session, SessionEvent.ACKNOWLEDGED, message, len(message.encode()), now_ns=now_ns)
        elif self._continues(session, message):
            fragment = Fragment(message.offset, message.total, message.data)
            part = Part(message.flight, fragment, message.sender_epoch, len(message.encode()))
            self._take_part(session, part, now_ns)

    def _receive_abort(self, message: Abort, session: Session, now_ns: int) -> None:
        """SESSION-5.6-1: a hint, and only about what is not live."""
        if session.is_live or session.remote_epoch != message.sender_epoch or not session.remote_epoch:
            self.count("unexpected")
        elif session.role is Role.INITIATOR and message.reason == ErrorCode.SESSION_LOST:
            self._call_again(session, now_ns)
        else:
            self.end(session, "refused by the peer", now_ns)

    def _named(self, epoch: int, sender: Sender) -> Session | None:
        """The session that a message names, if it came from where that session's peer is."""
        session = self._register.by_epoch.get(epoch)
        if session is None or session.peer != sender.qna:
            return None
        return session if session.locator == self._source(sender) else None

    def _continues(self, session: Session, message: Flight | FlightAck) -> bool:
        """Whether the message is of the handshake that the session is about; an initiator may not know yet."""
        known = session.remote_epoch == message.sender_epoch
        return known or (session.state is SessionState.OFFERING and message.sender_epoch != 0)

    def _take_part(self, session: Session, part: Part, now_ns: int) -> None:
        if session.state is SessionState.GATHERING and self._decides_for_ours(session.peer):
            self.count("yielded")
            return
        taken = self._fire(session, SessionEvent.FRAGMENT, part, now_ns=now_ns)
        handshake = session.handshake
        if taken and handshake is not None and (handshake.failed or handshake.done):
            self._conclude(session, handshake.failed, now_ns)

    # --- as responder ------------------------------------------------------------------------------------------------

    def _receive_initiate(self, message: Initiate, sender: Sender, now_ns: int) -> None:
        if self._is_reflected(message):
            self.count("reflected")
            return
        cookie = message.option(CookieTlv)
        source = _octets(self._source(sender))
        if cookie is None or not self._jar.accepts(cookie.cookie, source, sender.qna, message, now_ns):
            self._challenge(message, sender, source, now_ns)
            return
        caller = Caller(sender.qna, self._source(sender), message.initiator_epoch, message.nonce)
        session = self._register.half_open.find(caller) or self._begin_half_open(caller, now_ns)
        if session is not None:
            fragment = Fragment(message.offset, message.total, message.data)
            part = Part(0, fragment, message.initiator_epoch, len(message.encode()))
            self._take_part(session, part, now_ns)

    def _is_reflected(self, message: Initiate) -> bool:
        """Our own call, as we sent it (SESSION-6.6-3); changed on the way it is the handshake that fails."""
        ours = self._register.by_epoch.get(message.initiator_epoch)
        return ours is not None and ours.role is Role.INITIATOR and ours.nonce == message.nonce

    def _challenge(self, message: Initiate, sender: Sender, source: bytes, now_ns: int) -> None:
        challenge = CookieChallenge(
            initiator_epoch=message.initiator_epoch, nonce=message.nonce,
            cookie=self._jar.make(source, sender.qna, message, now_ns),
        )  # fmt: skip
        if len(challenge.encode()) > len(message.encode()):
            self.count("unexpected")  # a question that is not padded gets no answer
            return
        self.count("challenged")
        self._around.carrier.send(challenge, sender.qna, self._source(sender))

    def _begin_half_open(self, caller: Caller, now_ns: int) -> Session | None:
        half_open = self._register.half_open
        if not caller.epoch or self._is_old_news(caller) or self._waits_for_ours(caller.claimed, now_ns):
            self.count("yielded")
            return None
        refusal = self._register.refusal(caller.claimed, self._around.parameters) or half_open.refusal(caller, now_ns)
        if refusal:
            self.count(refusal)
            return None
        replaced = half_open.replaceable(now_ns)
        if replaced is not None:
            self._drop(replaced, "replaced", now_ns)
        session = Session(
            self._around, Role.RESPONDER, self._handshakes.server(), peer=caller.claimed, locator=caller.locator,
            local_epoch=self._register.draw_epoch(), nonce=caller.nonce, now_ns=now_ns,
        )  # fmt: skip
        session.remote_epoch = caller.epoch
        self._register.add_half_open(caller, session)
        self._register.schedule(session, now_ns)
        return session

    def _is_old_news(self, caller: Caller) -> bool:
        """A late copy of the call that has become the live epoch."""
        live = self._register.live.get(caller.claimed)
        return live is not None and (live.remote_epoch, live.nonce) == (caller.epoch, caller.nonce)

    def _waits_for_ours(self, peer: Qna, now_ns: int) -> bool:
        """SESSION-6.2-1: we are the lower, and our own call has been answered or is fresh."""
        fresh_ns = now_ns - self._around.parameters.yield_after_ns
        return self.own < peer and any(
            ours.state is not SessionState.ASKING or ours.started_ns > fresh_ns
            for ours in self._register.attempts_to(peer)
        )

    def _decides_for_ours(self, peer: Qna) -> bool:
        """Law 4: we are the lower, and our last flight is on its way."""
        ours = self._register.attempts_to(peer)
        return self.own < peer and any(each.state is SessionState.CONFIRMING for each in ours)

    # --- how it ends -------------------------------------------------------------------------------------------------

    def _conclude(self, session: Session, failure: str, now_ns: int) -> None:
        """The handshake is done or has failed."""
        failure = failure or self._mistaken_identity(session)
        if failure:
            self._abort_session(session, failure, now_ns)
            return
        if session.peer == self.own:
            self._meet_rival(session, now_ns)
            return
        live = self._contested(session)
        if live is not None:  # until that has ended, each copy of the last flight brings us here again
            if SESSIONS.fire(live, SessionEvent.SILENCE_DUE, now_ns=now_ns):
                self._register.schedule(live, now_ns)
            return
        self._fire(session, SessionEvent.PROVED, now_ns=now_ns)
        if session.state is SessionState.ESTABLISHED:
            self._announce(session, now_ns)
            session.greet()

    def _contested(self, session: Session) -> Session | None:
        """SESSION-6.3-5: the epoch of a peer that calls from elsewhere. It may have moved, or it may be a copy."""
        live = self._register.live.get(session.peer)
        if live is None or live.locator == session.locator or session.role is Role.INITIATOR:
            return None
        return live

    def turn_away(self, live: Session, now_ns: int) -> None:
        """The peer of a live epoch has been heard: whoever has called in its name from elsewhere is another."""
        for newcomer in self._register.half_open.of_peer(live.peer):
            if newcomer.handshake is not None and newcomer.handshake.done:
                self._abort_session(newcomer, f"the peer is alive at {live.locator}: two nodes are it", now_ns)

    def _mistaken_identity(self, session: Session) -> str:
        assert session.handshake is not None
        proved = session.handshake.peer_identity().qna
        if proved == session.peer:
            return ""
        return f"certificate is that of {format_qna(proved)}, the header says {format_qna(session.peer)}"

    def _meet_rival(self, session: Session, now_ns: int) -> None:
        """SESSION-6.6-1: no epoch, and only who has called reports it: else both would have to give way."""
        self._fire(session, SessionEvent.RIVAL, now_ns=now_ns)
        self._register.remove(session)
        self.count("rivals")
        if session.role is Role.RESPONDER:
            self._log(Severity.LOCAL, "own address proved by another", session, ("role", session.role.value))
        elif session.locator is not None:
            self._effects.append(ClaimProved(session.peer, session.locator))

    def _abort_session(self, session: Session, why: str, now_ns: int) -> None:
        abort = Abort(
            receiver_epoch=session.remote_epoch, sender_epoch=session.local_epoch, reason=ErrorCode.NOT_ALLOWED
        )
        self._around.carrier.send(abort, session.peer, session.locator)
        if session.role is Role.RESPONDER:
            self._log(Severity.PEER, "handshake refused", session, ("reason", why))
        self.end(session, why, now_ns)

    def _abort(self, message: Flight | FlightAck, sender: Sender, reason: ErrorCode) -> None:
        abort = Abort(receiver_epoch=message.sender_epoch, sender_epoch=message.receiver_epoch, reason=reason)
        self._around.carrier.send(abort, sender.qna, self._source(sender))

    def confirm(self, session: Session, now_ns: int) -> None:
        """A datagram has opened under the keys of an attempt: the responder has them too."""
        self._fire(session, SessionEvent.HEARD, now_ns=now_ns)
        self._announce(session, now_ns)

    def _announce(self, session: Session, now_ns: int) -> None:
        """A new epoch: what was before is over (SESSION-6.2-2, SESSION-6.3-1)."""
        peer = session.peer
        for other in self._register.others_with(session):
            self._drop(other, "another handshake with this peer has completed", now_ns)
            if other.role is Role.INITIATOR and other.locator is not None and other.locator != session.locator:
                self._effects.append(ClaimRefuted(peer, other.locator, "the peer has called from elsewhere"))
        old = self._register.live.get(peer)
        if old is not None:
            self.end(old, "a new epoch has begun", now_ns)
        self._register.make_live(session)
        self._register.schedule(session, now_ns)
        self.count("established")
        self._log(Severity.INFO, "session established", session, ("role", session.role.value))
        assert session.identity is not None
        if session.locator is not None:
            self._effects.append(ClaimProved(peer, session.locator))
        self._effects.append(PeerUp(peer, self.scope, session.locator, session.identity.urn_prefixes))

    def end(self, session: Session, reason: str, now_ns: int) -> None:
        """A session cannot or need not go on: erase it and tell whom it concerns."""
        was_live, was_attempt = session.is_live, session.state in ATTEMPTING
        self._drop(session, reason, now_ns)
        self.count("lost" if was_live else "failed")
        if was_live:
            self._log(Severity.INFO, "session lost", session, ("reason", reason))
            self._effects.append(PeerDown(session.peer, self.scope, reason))
        elif was_attempt:
            self._log(Severity.PEER, "handshake failed", session, ("reason", reason))
            self._report_failure(session.peer, session.locator, reason)

    def _drop(self, session: Session, reason: str, now_ns: int) -> None:
        SESSIONS.fire(session, SessionEvent.LOST, reason, now_ns=now_ns)
        self._register.remove(session)

    def _report_failure(self, peer: Qna, locator: Locator | None, reason: str) -> None:
        """An attempt has come to nothing; when there is nothing else, neither is there a session."""
        if locator is not None:
            self._effects.append(ClaimRefuted(peer, locator, reason))
        hoped_for = peer != self.own  # with a rival no session was ever to come of it
        if hoped_for and peer not in self._register.live and not self._register.attempts_to(peer):
            self._effects.append(PeerDown(peer, self.scope, reason))

    # --- small change ------------------------------------------------------------------------------------------------

    def count(self, what: str) -> None:
        """Count under the scope's name."""
        self._effects.append(Count(f"session.{self.scope.value}.{what}"))

    def _fire(self, session: Session, event: SessionEvent, *arguments: object, now_ns: int) -> bool:
        taken = SESSIONS.fire(session, event, *arguments, now_ns=now_ns)
        if taken:
            self._register.schedule(session, now_ns)
        else:
            self.count("unexpected")
        return taken

    def _log(self, severity: Severity, event: str, session: Session, more: tuple[str, str]) -> None:
        where = () if session.locator is None else (("locator", str(session.locator)),)
        fields = (("peer", format_qna(session.peer)), ("scope", self.scope.value), *where, more)
        self._effects.append(Log(severity, event, fields))

    def _source(self, sender: Sender) -> Locator | None:
        return sender.arrival.source if self.scope is Seal.HOP else None


def _octets(source: Locator | None) -> bytes:
    """What a cookie is bound to besides the QNA."""
    return b"" if source is None else source.address + source.port.to_bytes(2, "big")

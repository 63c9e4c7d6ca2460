"""Which sessions there are: by epoch, by peer, by caller, and when each is to be looked at."""

from collections.abc import Iterator

from qstack.base.chance import Chance
from qstack.base.ids import Epoch, Qna, as_number
from qstack.base.locator import Locator
from qstack.machine.timers import Timers
from qstack.proto.session.halfopen import Caller, HalfOpen
from qstack.proto.session.params import SessionParameters
from qstack.proto.session.session import Role, Session
from qstack.proto.session.states import SessionState

__all__ = ["Register"]


class Register:
    """All sessions of a machine: each in one of `attempts`, `half_open` and `live`, and all in `by_epoch`."""

    def __init__(self, parameters: SessionParameters, chance: Chance) -> None:
        self.half_open = HalfOpen(parameters)
        self.attempts: dict[tuple[Qna, Locator | None], Session] = {}
        self.live: dict[Qna, Session] = {}
        self.by_epoch: dict[int, Session] = {}
        self._timers: Timers[Epoch] = Timers()
        self._chance = chance
        self._drawn = 0

    def draw_epoch(self) -> Epoch:
        """An epoch that no session here has (SESSION-5.1-2)."""
        while True:
            self._drawn += 1
            epoch = self._chance.integer(b"epoch:%d" % self._drawn, 32)
            if epoch and epoch not in self.by_epoch:
                return Epoch(epoch)

    def draw(self, what: bytes, count: int) -> bytes:
        """`count` octets that are drawn once."""
        self._drawn += 1
        return self._chance.octets(b"%s:%d" % (what, self._drawn), count)

    def add_attempt(self, session: Session) -> None:
        """A call of ours begins."""
        self.attempts[session.peer, session.locator] = session
        self.by_epoch[session.local_epoch] = session

    def add_half_open(self, caller: Caller, session: Session) -> None:
        """A call of somebody else begins."""
        self.half_open.add(caller, session)
        self.by_epoch[session.local_epoch] = session

    def refusal(self, caller: Qna, parameters: SessionParameters) -> str:
        """Why nobody new may call, the end of a counter's name: a CA can make any number of nodes (SESSION-6.1-3)."""
        if caller in self.live:
            return ""
        of_domain = sum(1 for peer in self.live if as_number(peer) == as_number(caller))
        full = len(self.live) >= parameters.live_limit or of_domain >= parameters.live_of_domain
        return "limited.live" if full else ""

    def make_live(self, session: Session) -> None:
        """The epoch of a session has begun; no other is live with this peer any more."""
        self._leave_tables(session)
        self.live[session.peer] = session

    def remove(self, session: Session) -> None:
        """Forget a session."""
        self._leave_tables(session)
        self.by_epoch.pop(session.local_epoch, None)
        self._timers.cancel(session.local_epoch)

    def attempts_to(self, peer: Qna) -> list[Session]:
        """Our calls to a peer."""
        return [session for session in self.attempts.values() if session.peer == peer]

    def others_with(self, session: Session) -> list[Session]:
        """What else is under way with the peer of `session`."""
        under_way = [*self.attempts_to(session.peer), *self.half_open.of_peer(session.peer)]
        return [other for other in under_way if other is not session]

    def schedule(self, session: Session, now_ns: int) -> None:
        """Set the session's timer to what it waits for."""
        deadline = None if session.state is SessionState.CLOSED else session.deadline_ns(now_ns)
        if deadline is None:
            self._timers.cancel(session.local_epoch)
        else:
            self._timers.set(session.local_epoch, deadline)

    def next_deadline(self) -> int | None:
        """When `due` next has something."""
        return self._timers.next_deadline()

    def due(self, now_ns: int) -> Iterator[Session]:
        """Sessions whose time has come."""
        for epoch in self._timers.pop_due(now_ns):
            session = self.by_epoch.get(epoch)
            if session is not None:
                yield session

    def everything(self) -> list[Session]:
        """All sessions."""
        return list(self.by_epoch.values())

    def _leave_tables(self, session: Session) -> None:
        if session.role is Role.INITIATOR and self.attempts.get((session.peer, session.locator)) is session:
            del self.attempts[session.peer, session.locator]
        self.half_open.discard(session)
        if self.live.get(session.peer) is session:
            del self.live[session.peer]

"""One neighbour: an entry of the cache, and what its table makes it do (rfc_notes/qarp.md section 3)."""

from dataclasses import dataclass
from typing import NamedTuple

from qstack.base.effects import Log, Severity
from qstack.base.ids import Qna, format_qna
from qstack.base.locator import Locator
from qstack.base.services import PeerResolved, PeerUnresolved
from qstack.proto.qarp.hints import Hint, HintClass
from qstack.proto.qarp.locators import listed_locators
from qstack.proto.qarp.states import NEIGHBOUR, NeighbourState
from qstack.proto.qarp.surroundings import Surroundings, Timer
from qstack.wire.qarp import Whereabouts

__all__ = ["Cue", "Neighbour"]


class Cue(NamedTuple):
    """What comes with an event: its instant, and the locator or the hint that it is about."""

    now_ns: int
    locator: Locator | None = None
    hint: Hint | None = None


@NEIGHBOUR.drives
@dataclass(slots=True, eq=False)
class Neighbour:
    """An entry. `configured`: its static locators. `locator`: the proved one, or the first configured one (QARP-3-2).

    `asked`: rounds of this search, or questions of this probe. `whereabouts`: what it said of itself under its seal.
    """

    peer: Qna
    around: Surroundings
    state: NeighbourState = NeighbourState.UNREACHABLE
    configured: tuple[Locator, ...] = ()
    locator: Locator | None = None
    connected: bool = False
    asked: int = 0
    failures: int = 0  # searches that failed in a row
    whereabouts: Whereabouts | None = None
    last_asked_ns: int | None = None
    heard_ns: int = 0
    reachable_for_ns: int = 0
    doubted_ns: int | None = None  # last time that a contradiction was looked into
    doubtful: bool = False  # since then nothing was heard

    @property
    def known_locators(self) -> tuple[Locator, ...]:
        """Where it may be according to whom we believe, best first, each once."""
        described = () if self.whereabouts is None else listed_locators(self.whereabouts)
        last = () if self.locator is None else (self.locator,)
        return tuple(dict.fromkeys((*last, *self.configured, *described)))

    def note_heard(self, now_ns: int) -> bool:
        """Confirm a REACHABLE neighbour without leaving its state; False when the table has to be asked."""
        if self.state is not NeighbourState.REACHABLE or self.doubtful:
            return False
        self.heard_ns = now_ns
        return True

    # --- guards ----------------------------------------------------------------------------------------------------

    def _may_be_connected(self, cue: Cue) -> bool:
        return self.connected

    def _may_be_elsewhere(self, cue: Cue) -> bool:
        assert cue.hint is not None
        return cue.hint.locator != self.locator

    def _may_have_moved(self, cue: Cue) -> bool:
        """Whether the neighbour itself shows up elsewhere, and that has not been looked into lately (QARP-5-5)."""
        assert cue.hint is not None
        return self.connected and cue.hint.rank is HintClass.HEARD and self._has_not_doubted_lately(cue.now_ns)

    def _may_doubt(self, cue: Cue) -> bool:
        """Whether what others say is reason enough to ask a live neighbour (QARP-5-5)."""
        if not self.connected or not self._may_be_elsewhere(cue) or cue.now_ns < self._next_question_ns():
            return False
        return self._has_not_doubted_lately(cue.now_ns)

    def _may_have_failed(self, cue: Cue) -> bool:
        """Whether it is the locator in use that was refuted, and no session holds it."""
        return not self.connected and cue.locator == self.locator

    def _may_ask_again(self, cue: Cue) -> bool:
        return self.asked < self.around.parameters.multicast_solicit

    def _may_be_proving(self, cue: Cue) -> bool:
        return self.around.proofs.open(self.peer, cue.now_ns)

    def _may_have_heard(self, cue: Cue) -> bool:
        return not self.doubtful and self.heard_ns + self.reachable_for_ns > cue.now_ns

    def _may_be_doubtful(self, cue: Cue) -> bool:
        return self.doubtful

    def _may_probe_again(self, cue: Cue) -> bool:
        return self.asked < self.around.parameters.unicast_solicit

    # --- actions: searching ----------------------------------------------------------------------------------------

    def _act_search(self, cue: Cue) -> None:
        self._settle()
        for locator in self.configured:
            self.around.hints.add(Hint(self.peer, locator, HintClass.CONFIGURED))
        self._act_ask_all(cue)
        self._act_prove(cue)

    def _act_ask_all(self, cue: Cue) -> None:
        """One round of questions, or, when it is too early for one, wait for it (QARP-3-7)."""
        if cue.now_ns < self._next_question_ns():
            self._wait_until(self._next_question_ns())
            return
        rumoured = [h.locator for h in self.around.hints.about(self.peer) if h.rank is HintClass.RUMOURED]
        asked = rumoured[: self.around.parameters.rumours_asked]
        self.asked += 1
        self.last_asked_ns = cue.now_ns
        self.around.count("rounds")
        self.around.questions.ask_all(self.peer, (*self.known_locators, *asked), cue.now_ns)
        self._wait_until(cue.now_ns + self.around.parameters.retransmit_ns)

    def _act_prove(self, cue: Cue) -> None:
        self.around.proofs.advance(self.peer, cue.now_ns)

    def _act_wait(self, cue: Cue) -> None:
        """All rounds are over: no more hints, so that a search ends whatever others send."""
        self.around.questions.close(self.peer)
        self._wait_until(cue.now_ns + self.around.parameters.retransmit_ns)

    def _act_give_up(self, cue: Cue) -> None:
        self._settle()
        self.around.hints.forget(self.peer)
        self.around.timers.cancel((Timer.NEIGHBOUR, self.peer))
        self.failures += 1
        self._log(Severity.INFO, "qarp.unreachable")
        self.around.count("unreachable")
        self.around.effects.append(PeerUnresolved(self.peer))

    def _act_forgive(self, cue: Cue) -> None:
        """A sign of life of a neighbour that could not be found: the next search need not be put off."""
        self.failures = 0

    def _act_hasten(self, cue: Cue) -> None:
        """The same in a search whose first round is being put off."""
        self.failures = 0
        if not self.asked:
            self._wait_until(max(self._next_question_ns(), cue.now_ns))

    # --- actions: hints about an entry -----------------------------------------------------------------------------

    def _act_keep_hint(self, cue: Cue) -> None:
        assert cue.hint is not None
        cue.hint.round = self.asked
        if self.state is NeighbourState.INCOMPLETE:
            self.around.hints.add(cue.hint)
        else:
            self.around.hints.renew(cue.hint)

    def _act_follow(self, cue: Cue) -> None:
        """Have it proved under the live keys that the neighbour is where it was heard."""
        self.doubted_ns = cue.now_ns
        self._act_prove(cue)

    def _act_doubt(self, cue: Cue) -> None:
        assert cue.hint is not None
        self.doubtful = True
        self.doubted_ns = cue.now_ns
        self._log(Severity.INFO, "qarp.contradicted", ("hint", str(cue.hint.locator)))
        self.around.count("contradicted")
        self.asked = 0
        self._ask_sealed(cue.now_ns)

    # --- actions: the known neighbour ------------------------------------------------------------------------------

    def _act_resolve(self, cue: Cue) -> None:
        assert self.locator is not None
        self.around.effects.append(PeerResolved(self.peer, self.locator))

    def _act_adopt(self, cue: Cue) -> None:
        """Take the proved locator, and with it the neighbour as reachable."""
        assert cue.locator is not None
        if self.locator is not None and self.locator != cue.locator:
            self._log(Severity.INFO, "qarp.moved", ("from", str(self.locator)), ("to", str(cue.locator)))
            self.around.count("moved")
        self.locator = cue.locator
        self.connected = True
        self._act_confirm(cue)

    def _act_confirm(self, cue: Cue) -> None:
        self._settle()
        self.around.hints.forget(self.peer)
        self.failures = 0
        self.heard_ns = cue.now_ns
        self._act_linger(cue)

    def _act_linger(self, cue: Cue) -> None:
        """Reachable until REACHABLE_TIME, drawn anew, has gone by since the neighbour was heard."""
        base_ns = self.around.parameters.reachable_time_ns
        self.reachable_for_ns = self.around.draws.between(base_ns // 2, base_ns + base_ns // 2)
        self._wait_until(max(self.heard_ns + self.reachable_for_ns, cue.now_ns + 1))

    def _act_rest(self, cue: Cue) -> None:
        self._settle()
        self.around.timers.cancel((Timer.NEIGHBOUR, self.peer))

    def _act_disconnect(self, cue: Cue) -> None:
        self.connected = False

    def _act_await_confirmation(self, cue: Cue) -> None:
        parameters = self.around.parameters
        delay_ns = parameters.delay_first_probe_ns if self.connected else parameters.connect_delay_ns
        self._wait_until(cue.now_ns + delay_ns)

    def _act_ask_peer(self, cue: Cue) -> None:
        """The next sealed question of a probe; the first one starts it, unless a doubt has."""
        if self.state is NeighbourState.DELAY and not self.doubtful:
            self.asked = 0
        self._ask_sealed(cue.now_ns)

    # --- what several actions do -----------------------------------------------------------------------------------

    def _ask_sealed(self, now_ns: int) -> None:
        self.asked += 1
        self.last_asked_ns = now_ns
        self.around.questions.ask_sealed(self.peer)
        self._wait_until(now_ns + self.around.parameters.retransmit_ns)

    def _settle(self) -> None:
        """End what search, probe or doubt is on."""
        self.asked = 0
        self.doubtful = False
        self.around.proofs.end(self.peer)
        self.around.questions.close(self.peer)

    def _has_not_doubted_lately(self, now_ns: int) -> bool:
        since = self.doubted_ns
        return since is None or now_ns >= since + self.around.parameters.doubt_interval_ns

    def _next_question_ns(self) -> int:
        """When the next question may go out at the earliest (QARP-3-7)."""
        if self.last_asked_ns is None:
            return 0
        parameters = self.around.parameters
        wait_ns = parameters.retransmit_ns
        if not self.asked and self.failures:
            wait_ns = min(wait_ns << min(self.failures - 1, 16), max(parameters.holdoff_max_ns, wait_ns))
        return self.last_asked_ns + wait_ns

    def _wait_until(self, deadline_ns: int) -> None:
        self.around.timers.set((Timer.NEIGHBOUR, self.peer), deadline_ns)

    def _log(self, severity: Severity, event: str, *fields: tuple[str, str]) -> None:
        self.around.effects.append(Log(severity, event, (("peer", format_qna(self.peer)), *fields)))

"""Which hints are being proved: in order, a few at a time (rfc_notes/qarp.md section 5)."""

from collections import Counter
from enum import Enum, unique
from typing import Any

from qstack.base.effects import Count
from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.base.services import ProveClaim
from qstack.machine.timers import Timers
from qstack.proto.qarp.hints import Hint, HintClass, HintStore, Trial
from qstack.proto.qarp.params import QarpParameters

__all__ = ["Proofs", "Timer"]


@unique
class Timer(Enum):
    """What a deadline is for; a key of the machine's timers is (kind, QNA)."""

    NEIGHBOUR = "neighbour"
    PROOF = "proof"
    OWN_ADDRESS = "own address"
    CHALLENGE = "challenge"


class Proofs:
    """The proofs that run, of all neighbours."""

    def __init__(
        self, hints: HintStore, parameters: QarpParameters, timers: Timers[tuple[Timer, Qna]], effects: list[Any]
    ) -> None:
        self._hints = hints
        self._parameters = parameters
        self._timers = timers
        self._effects = effects
        self._running: dict[tuple[Qna, Locator], int] = {}  # until when it counts
        self._started: dict[Qna, int] = {}

    def __len__(self) -> int:
        return len(self._running)

    def open(self, peer: Qna, now_ns: int) -> bool:
        """Whether a proof about `peer` runs, or could be begun, or may still succeed."""
        self._expire(now_ns)
        about = self._hints.about(peer)
        return self._count(peer) > 0 or any(hint.provable or self._may_come_late(hint, now_ns) for hint in about)

    def advance(self, peer: Qna, now_ns: int) -> None:
        """Begin as many proofs about `peer` as may run now, and see to it that the others get their turn."""
        self._expire(now_ns)
        waiting = [hint for hint in self._hints.about(peer) if hint.provable]
        while waiting and (hint := self._next(peer, waiting, now_ns)) is not None:
            waiting.remove(hint)
            self._begin(hint, now_ns)
        if waiting:
            self._timers.set((Timer.PROOF, peer), self._next_turn_ns(peer, now_ns))

    def refute(self, peer: Qna, locator: Locator) -> None:
        """`session` could not show that `peer` is at `locator`."""
        if self._running.pop((peer, locator), None) is not None:
            self._started.pop(peer, None)  # the next one need not wait
        hint = self._hints.find(peer, locator)
        if hint is not None:
            hint.trial, hint.begun_ns = Trial.SPENT, None

    def end(self, peer: Qna) -> None:
        """Nothing about `peer` is to be proved any more."""
        for key in [key for key in self._running if key[0] == peer]:
            del self._running[key]
        self._started.pop(peer, None)
        self._timers.cancel((Timer.PROOF, peer))

    def _begin(self, hint: Hint, now_ns: int) -> None:
        hint.trial, hint.begun_ns = Trial.RUNNING, now_ns
        self._running[hint.peer, hint.locator] = now_ns + self._parameters.proof_timeout_ns
        self._started[hint.peer] = now_ns
        self._effects += [Count("qarp.proofs"), ProveClaim(hint.peer, hint.locator)]

    def _next(self, peer: Qna, waiting: list[Hint], now_ns: int) -> Hint | None:
        """The hint whose turn it is now, if it is anybody's."""
        if self._count(peer) >= self._parameters.proofs_per_peer or len(self._running) >= self._parameters.proofs:
            return None
        if peer in self._started and now_ns < self._started[peer] + self._parameters.proof_stagger_ns:
            return None
        tried = Counter(hint.stranger for hint in self._hints.about(peer) if hint.trial is not Trial.WAITING)
        fair = sorted(waiting, key=lambda hint: (hint.rank, tried[hint.stranger]))  # stable: else as they came
        return next((hint for hint in fair if not self._too_many(hint)), None)

    def _too_many(self, hint: Hint) -> bool:
        """Whether as many proofs run for the address that hinted as may."""
        if hint.stranger is None:
            return False
        known = (self._hints.find(*key) for key in self._running if key[0] == hint.peer)
        same = sum(other is not None and other.stranger == hint.stranger for other in known)
        return same >= self._parameters.proofs_per_source

    def _count(self, peer: Qna) -> int:
        return sum(key[0] == peer for key in self._running)

    def _next_turn_ns(self, peer: Qna, now_ns: int) -> int:
        turn_ns = self._started.get(peer, now_ns) + self._parameters.proof_stagger_ns
        return turn_ns if turn_ns > now_ns else now_ns + self._parameters.proof_stagger_ns

    def _expire(self, now_ns: int) -> None:
        for key in [key for key, until_ns in self._running.items() if until_ns <= now_ns]:
            del self._running[key]
            hint = self._hints.find(*key)
            if hint is not None:
                hint.trial = Trial.SPENT

    def _may_come_late(self, hint: Hint, now_ns: int) -> bool:
        """Whether somebody is known to be there and the handshake with him may only be slow."""
        if hint.begun_ns is None or hint.rank not in (HintClass.HEARD, HintClass.ANSWERED):
            return False
        return now_ns < hint.begun_ns + self._parameters.proof_patience_ns

"""What has been said about where a neighbour may be, and has not been proved.

Laws
----
1. Room is bounded in total, for each neighbour and for each address that hints come from (QARP-7-4).
2. A hint never makes a better one give way: configured, heard, answered, rumoured.
3. Of more hints of one class than there is room for, those from the address that has sent most give way first; else
   each has the same chance to be kept, however late it came (Vitter's reservoir): whoever answers first and often
   cannot be sure to crowd out the right answer.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import Enum, IntEnum, unique

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.proto.qarp.draws import Draws
from qstack.proto.qarp.locators import source_key
from qstack.proto.qarp.params import QarpParameters

__all__ = ["Hint", "HintClass", "HintStore", "Trial"]


@unique
class HintClass(IntEnum):
    """How good a hint is; smaller is better."""

    CONFIGURED = 0
    HEARD = 1  # a sealed datagram of the neighbour came from there
    ANSWERED = 2  # has echoed the nonce of a question
    RUMOURED = 3  # may be asked, not proved (QARP-5-2)


@unique
class Trial(Enum):
    """How far the proof of a hint is."""

    WAITING = "waiting"
    RUNNING = "running"
    SPENT = "spent"


@dataclass(slots=True)
class Hint:
    """`peer` may be at `locator`. `teller`: who said so, None for our own configuration. `round`: the round of
    questions in which it came. `begun_ns`: when its proof began, as long as `session` has not reported."""

    peer: Qna
    locator: Locator
    rank: HintClass
    teller: Locator | None = None
    round: int = 0
    trial: Trial = Trial.WAITING
    begun_ns: int | None = None

    @property
    def provable(self) -> bool:
        """Whether a handshake may be tried."""
        return self.rank is not HintClass.RUMOURED and self.trial is Trial.WAITING

    @property
    def stranger(self) -> bytes | None:
        """Whom it is counted for; None when nobody else had a part in it."""
        return None if self.teller is None else source_key(self.teller)


class HintStore:
    """All hints of a node."""

    def __init__(self, parameters: QarpParameters, draws: Draws) -> None:
        self._parameters = parameters
        self._draws = draws
        self._hints: dict[Qna, dict[Locator, Hint]] = {}
        self._seen: Counter[tuple[Qna, HintClass]] = Counter()  # of strangers, since the last `forget`
        self._by_source: Counter[bytes] = Counter()
        self._order: OrderedDict[tuple[Qna, Locator], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def about(self, peer: Qna) -> list[Hint]:
        """The hints about `peer`, best first, in each class as they came."""
        return sorted(self._hints.get(peer, {}).values(), key=lambda hint: hint.rank)

    def find(self, peer: Qna, locator: Locator) -> Hint | None:
        """The hint that `peer` may be at `locator`."""
        return self._hints.get(peer, {}).get(locator)

    def add(self, hint: Hint) -> bool:
        """Keep `hint`, if there is room; tell whether something new is to be tried."""
        known = self.find(hint.peer, hint.locator)
        if known is not None and known.rank is HintClass.RUMOURED > hint.rank:
            self.drop(hint.peer, hint.locator)  # whoever spread the rumour has no part in what is known now
        elif known is not None:
            return _improve(known, hint)
        if not self._make_room(hint):
            return False
        self._hints.setdefault(hint.peer, {})[hint.locator] = hint
        self._order[hint.peer, hint.locator] = None
        if hint.stranger is not None:
            self._by_source[hint.stranger] += 1
        return True

    def renew(self, hint: Hint) -> bool:
        """As `add`, but what has been tried in vain is tried again."""
        known = self.find(hint.peer, hint.locator)
        if known is not None and known.trial is Trial.SPENT:
            self.drop(hint.peer, hint.locator)
        return self.add(hint)

    def drop(self, peer: Qna, locator: Locator) -> None:
        """Forget one hint, if it is known."""
        hint = self._hints.get(peer, {}).pop(locator, None)
        if hint is None:
            return
        del self._order[peer, locator]
        if hint.stranger is not None:
            self._by_source -= Counter({hint.stranger: 1})
        if not self._hints[peer]:
            del self._hints[peer]

    def forget(self, peer: Qna) -> None:
        """Forget all hints about `peer`."""
        for locator in list(self._hints.get(peer, ())):
            self.drop(peer, locator)
        for rank in HintClass:
            del self._seen[peer, rank]

    def _make_room(self, hint: Hint) -> bool:
        self._seen[hint.peer, hint.rank] += hint.stranger is not None
        if hint.stranger is not None and self._by_source[hint.stranger] >= self._parameters.hints_per_source:
            return False
        about = self.about(hint.peer)
        if len(about) >= self._parameters.hints_per_peer:
            victim = self._crowded_out(about, hint)
        elif len(self._order) >= self._parameters.hints:
            victim = self._oldest(hint)
        else:
            return True
        if victim is None:
            return False
        self.drop(victim.peer, victim.locator)
        return True

    def _crowded_out(self, about: list[Hint], hint: Hint) -> Hint | None:
        """Which hint about the same neighbour gives way; None when it is the newcomer."""
        spent = [other for other in about if other.trial is Trial.SPENT and other.rank >= hint.rank]
        worse = [other for other in about if other.trial is Trial.WAITING and other.rank > hint.rank]
        if spent or worse:
            return (spent or worse)[-1]
        equal = [other for other in about if other.trial is Trial.WAITING and other.rank == hint.rank]
        if not equal:
            return None
        source, most = Counter(other.stranger for other in equal).most_common(1)[0]
        if most > 1 + sum(other.stranger == hint.stranger for other in equal):
            return [other for other in equal if other.stranger == source][-1]
        place = self._draws.between(0, max(self._seen[hint.peer, hint.rank], len(equal)) - 1)
        return equal[place] if place < len(equal) else None

    def _oldest(self, newcomer: Hint) -> Hint | None:
        """The oldest hint that nobody is trying, no better than the newcomer."""
        for peer, locator in self._order:
            hint = self._hints[peer][locator]
            if hint.trial is not Trial.RUNNING and hint.rank >= newcomer.rank:
                return hint
        return None


def _improve(known: Hint, hint: Hint) -> bool:
    """Take from a repeated hint what is new: a better class, or a later round after a proof that failed."""
    known.rank = min(known.rank, hint.rank)
    if known.trial is not Trial.SPENT or hint.round <= known.round:
        return False
    known.round, known.trial = hint.round, Trial.WAITING
    return True

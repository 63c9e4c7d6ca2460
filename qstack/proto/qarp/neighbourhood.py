"""All neighbours of a node: which entries there are, and which events reach them."""

from collections.abc import Iterator, Mapping

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.base.services import PeerUnresolved
from qstack.proto.qarp.cache import NeighbourCache
from qstack.proto.qarp.hints import Hint, HintClass
from qstack.proto.qarp.locators import usable
from qstack.proto.qarp.neighbour import Cue, Neighbour
from qstack.proto.qarp.states import NEIGHBOUR, NeighbourEvent, NeighbourState
from qstack.proto.qarp.surroundings import Surroundings, Timer
from qstack.wire.qarp import Whereabouts

__all__ = ["Neighbourhood"]


class Neighbourhood:
    """The entries. Only `want`, `prove` and `configure` make new ones (QARP-3-1)."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._cache = NeighbourCache(around.parameters.neighbours, around.parameters.neighbours_per_locator)

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(self._cache)

    def want(self, peer: Qna, now_ns: int) -> None:
        """A session with `peer` is wanted."""
        neighbour = None if peer == self._around.own else self._cache.get(peer) or self._new(peer)
        if neighbour is None or (neighbour.state is NeighbourState.UNREACHABLE and self._searches_enough()):
            self._around.count("refused")
            self._around.effects.append(PeerUnresolved(peer))
            return
        self._cache.use(neighbour)
        NEIGHBOUR.fire(neighbour, NeighbourEvent.WANTED, Cue(now_ns))

    def prove(self, peer: Qna, locator: Locator, now_ns: int) -> None:
        """A handshake with `locator` has shown that `peer` is there."""
        neighbour = self._cache.get(peer) or self._new(peer)
        if neighbour is None:
            return self._around.count("refused")
        self._cache.use(neighbour)
        NEIGHBOUR.fire(neighbour, NeighbourEvent.PROVED, Cue(now_ns, locator))
        for other in self._cache.crowded_out(neighbour):
            self._forget(other)

    def refute(self, peer: Qna, locator: Locator, now_ns: int) -> None:
        """No handshake has."""
        self._around.count("refuted")
        self._around.proofs.refute(peer, locator)
        self.tell(peer, NeighbourEvent.REFUTED, Cue(now_ns, locator))

    def hear(self, peer: Qna, locator: Locator, now_ns: int) -> None:
        """A sealed datagram of `peer` came from `locator`."""
        neighbour = self._cache.get(peer)
        if neighbour is None:
            return
        if locator != neighbour.locator:
            hint = Hint(peer, locator, HintClass.HEARD, locator)
            NEIGHBOUR.fire(neighbour, NeighbourEvent.HINTED, Cue(now_ns, hint=hint))
        elif not neighbour.note_heard(now_ns):
            NEIGHBOUR.fire(neighbour, NeighbourEvent.HEARD, Cue(now_ns, locator))

    def hint(self, hint: Hint, now_ns: int) -> None:
        """Somebody says something about a peer: told to an entry, if there is one and it can be meant."""
        neighbour = self._cache.get(hint.peer)
        if neighbour is None:
            return
        if not usable(hint.locator, hint.teller) or self._around.questions.presence.owns(hint.locator):
            return self._around.count("unusable_hints")
        self._around.count("hints")
        NEIGHBOUR.fire(neighbour, NeighbourEvent.HINTED, Cue(now_ns, hint=hint))

    def describe(self, peer: Qna, whereabouts: Whereabouts) -> None:
        """`peer` has described itself under its seal."""
        neighbour = self._cache.get(peer)
        if neighbour is not None:
            neighbour.whereabouts = whereabouts

    def tell(self, peer: Qna, event: NeighbourEvent, cue: Cue) -> None:
        """Something happened to `peer`, if it is a neighbour."""
        neighbour = self._cache.get(peer)
        if neighbour is not None:
            NEIGHBOUR.fire(neighbour, event, cue)

    def configure(self, statics: Mapping[Qna, tuple[Locator, ...]]) -> None:
        """Take these static neighbours instead of those before; each has a locator."""
        for neighbour in self._cache:
            if neighbour.configured and neighbour.peer not in statics:
                self._make_dynamic(neighbour)
        for peer, locators in statics.items():
            known = self._cache.get(peer)
            if known is None:
                state = NeighbourState.STALE
                self._cache.add(Neighbour(peer, self._around, state, configured=locators, locator=locators[0]))
            else:
                known.configured = locators

    def _make_dynamic(self, neighbour: Neighbour) -> None:
        neighbour.configured = ()
        if not neighbour.connected and neighbour.state in (NeighbourState.STALE, NeighbourState.UNREACHABLE):
            self._forget(neighbour)

    def _new(self, peer: Qna) -> Neighbour | None:
        """An entry for `peer`, for which another may have to go; None when none may."""
        try:
            victim = self._cache.victim()
        except LookupError:
            return None
        if victim is not None:
            self._around.count("evicted")
            self._forget(victim)
        neighbour = Neighbour(peer, self._around)
        self._cache.add(neighbour)
        return neighbour

    def _searches_enough(self) -> bool:
        limit = self._around.parameters.incomplete_limit
        return len(self._cache) >= limit and self._cache.searching() >= limit

    def _forget(self, neighbour: Neighbour) -> None:
        """Forget a neighbour that nobody wants."""
        self._cache.remove(neighbour)
        self._around.proofs.end(neighbour.peer)
        self._around.hints.forget(neighbour.peer)
        self._around.questions.close(neighbour.peer)
        self._around.timers.cancel((Timer.NEIGHBOUR, neighbour.peer))

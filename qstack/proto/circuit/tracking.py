"""Following pairs through a circuit (CIRCUIT-4.5, CIRCUIT-4.6, CIRCUIT-5.2).

Laws
----
1. A link's pair belongs to one chain: itself and whatever it was swapped with, on and on. Both ends of a chain are
   qubits in some memory.
2. Each end of the circuit sends one Track for each pair of its link. It crosses a node when the node has swapped that
   pair, and waits there until then. A chain along which both Tracks have come through a node is whole as far as that
   node is concerned, and forgotten.
3. A chain that breaks at a qubit is told to its other end by Expire, link by link; every node on the way forgets its
   part. So each of the chain's pairs is forgotten once at either end of its link, and the upstream end asks for
   another one just when it forgets. (A pair revoked by the link layer is not asked for: the link makes it good.)
4. What comes for a pair that was forgotten, or will never be, changes nothing.

Expire therefore need not know a Track's origin: it follows the swaps, as the Track did.
"""

from dataclasses import dataclass, field

from qstack.base.ids import QubitId
from qstack.base.services import PairReady
from qstack.base.time import DomainTime
from qstack.proto.circuit.estimate import Composer
from qstack.proto.circuit.halves import Half, HalfState, Halves, Side, Tracked
from qstack.proto.circuit.params import MAXIMUM_PARKED

__all__ = ["EndTracker", "Outbox", "RepeaterTracker"]


@dataclass(slots=True)
class Outbox:
    """What tracking wants done at the end of a turn."""

    tracks: dict[Side, list[Tracked]] = field(default_factory=lambda: {side: [] for side in Side})
    expired: dict[Side, list[int]] = field(default_factory=lambda: {side: [] for side in Side})
    freed: list[QubitId] = field(default_factory=list)  # the device knows that they are empty
    discarded: list[QubitId] = field(default_factory=list)  # the device has to be told
    lost: int = 0  # pairs of the downstream link that are to be replaced
    delivered: list[tuple[Half, Tracked]] = field(default_factory=list)

    def discard(self, half: Half) -> None:
        """Give up a half's qubit, if it is still ours."""
        if half.qubit is not None:
            self.discarded.append(half.qubit)
            half.qubit = None

    def free(self, half: Half) -> None:
        """A half's qubit was consumed."""
        if half.qubit is not None:
            self.freed.append(half.qubit)
            half.qubit = None


class RepeaterTracker:
    """At a repeater: pairs of two links become one by swapping."""

    def __init__(self, composer: Composer) -> None:
        self.halves = {side: Halves(side, MAXIMUM_PARKED) for side in Side}
        self.outbox = Outbox()
        self.swaps = 0
        self._composer = composer

    def pair_ready(self, side: Side, ready: PairReady) -> None:
        """A link has made a pair."""
        halves = self.halves[side]
        half, doomed = halves.add(ready)
        if doomed:
            self._lose(half, tell=False)
        else:
            halves.waiting.append(half)

    def couples(self) -> list[tuple[Half, Half]]:
        """Halves that are to be swapped now, oldest with oldest, the one above first."""
        found = []
        above, below = self.halves[Side.ABOVE], self.halves[Side.BELOW]
        while (up := above.oldest_waiting()) is not None and (down := below.oldest_waiting()) is not None:
            up.state = down.state = HalfState.SWAPPING
            found.append((up, down))
        return found

    def swapped(self, up: Half, down: Half, outcome: int, instant: DomainTime) -> None:
        """The device has swapped."""
        self.swaps += 1
        self.outbox.free(up)
        self.outbox.free(down)
        lost = [half for half in (up, down) if half.state is HalfState.GONE]
        if lost:  # its chain broke meanwhile; what it has just been joined to breaks with it
            for half in (up, down):
                if half not in lost:
                    self._lose(half, tell=True)
            return
        for half, other in ((up, down), (down, up)):
            half.state, half.joined, half.outcome = HalfState.JOINED, other, outcome
            half.age_ns = instant - half.created
        for half in (up, down):
            if half.track is not None:
                self._pass(half, half.track)

    def swap_failed(self, up: Half, down: Half) -> None:
        """The device could not: nothing is known of either qubit."""
        for half in (up, down):
            self.outbox.discard(half)
            if half.state is not HalfState.GONE:
                self._lose(half, tell=True)

    def track(self, side: Side, tracked: Tracked) -> bool:
        """A track came over a pair. False when there is no such pair and will be none."""
        half = self.halves[side].find(tracked.sequence)
        if half is None:
            return self.halves[side].park(tracked)
        if half.track is not None or half.passed:
            return False
        half.track = tracked
        if half.state is HalfState.JOINED:
            self._pass(half, tracked)
        return True

    def expired_by_peer(self, side: Side, sequence: int) -> None:
        """The chain is broken further on."""
        half = self.halves[side].find(sequence)
        if half is None:
            self.halves[side].doom(sequence)
        else:
            self._lose(half, tell=False)

    def revoked(self, side: Side, sequence: int) -> None:
        """The link takes a pair back; its qubit is free already. The neighbour may have sent a track over it."""
        half = self.halves[side].find(sequence)
        if half is not None:
            half.qubit = None
            self._lose(half, tell=True, replace=False)

    def cut_off(self, born_before: DomainTime) -> int:
        """Give up pairs that found no partner in time. Returns how many."""
        count = 0
        for halves in self.halves.values():
            while (half := halves.oldest_waiting()) is not None and half.created < born_before:
                count += 1
                self._lose(half, tell=True)
        return count

    def oldest(self) -> DomainTime | None:
        """When the oldest pair without a partner was born."""
        waiting = [half.created for h in self.halves.values() if (half := h.oldest_waiting()) is not None]
        return min(waiting, default=None)

    def _pass(self, half: Half, tracked: Tracked) -> None:
        """Send a track on over the pair that its own was swapped with."""
        partner = half.joined
        assert partner is not None
        frame = tracked.frame ^ half.outcome ^ partner.bell_index
        if half.side is Side.ABOVE:
            ages = half.age_ns, partner.age_ns
            state = self._composer.join(tracked.state, partner.correlation, half.outcome, ages)
        else:
            ages = partner.age_ns, half.age_ns
            state = self._composer.join(partner.correlation, tracked.state, half.outcome, ages)
        on = Tracked(tracked.pair, partner.sequence, frame, state, tracked.created)
        self.outbox.tracks[partner.side].append(on)
        half.passed = True
        half.track = None
        if partner.passed:
            self._forget(half)
            self._forget(partner)

    def _lose(self, half: Half, *, tell: bool, replace: bool = True) -> None:
        partner = half.joined
        if half.state is HalfState.WAITING:
            self.outbox.discard(half)
        self._forget(half)
        self.outbox.lost += replace and half.side is Side.BELOW
        if tell:
            self.outbox.expired[half.side].append(half.sequence)
        if partner is not None and partner.state is HalfState.JOINED:
            self._forget(partner)
            self.outbox.lost += partner.side is Side.BELOW
            self.outbox.expired[partner.side].append(partner.sequence)

    def _forget(self, half: Half) -> None:
        self.halves[half.side].forget(half)


class EndTracker:
    """At the head or at the tail: a pair is delivered when the other end's track has come all the way."""

    def __init__(self, side: Side) -> None:
        self.halves = Halves(side, MAXIMUM_PARKED)
        self.outbox = Outbox()
        self.delivered = 0
        self._numbers = 0

    @property
    def is_head(self) -> bool:
        """Whether this is the head: its links are all below."""
        return self.halves.side is Side.BELOW

    def pair_ready(self, ready: PairReady) -> None:
        """The link has made a pair: send its track on its way."""
        half, doomed = self.halves.add(ready)
        if doomed:
            self._lose(half)
            return
        half.number = self._numbers if self.is_head else ready.sequence
        self._numbers += 1
        self.outbox.tracks[half.side].append(
            Tracked(half.number, half.sequence, half.bell_index, half.correlation, half.created)
        )
        if half.track is not None:
            self._deliver(half, half.track)

    def track(self, tracked: Tracked) -> bool:
        """The other end's track. False when there is no such pair and will be none."""
        half = self.halves.find(tracked.sequence)
        if half is None:
            return self.halves.park(tracked)
        self._deliver(half, tracked)
        return True

    def expired_by_peer(self, sequence: int) -> None:
        """The chain is broken further on."""
        half = self.halves.find(sequence)
        if half is None:
            self.halves.doom(sequence)
        else:
            self._lose(half)

    def revoked(self, sequence: int) -> None:
        """The link takes a pair back; its qubit is free already."""
        half = self.halves.find(sequence)
        if half is not None:
            half.qubit = None
            self.outbox.expired[half.side].append(sequence)
            self.halves.forget(half)

    def _lose(self, half: Half) -> None:
        self.outbox.lost += self.is_head
        self.outbox.discard(half)
        self.halves.forget(half)

    def _deliver(self, half: Half, tracked: Tracked) -> None:
        self.delivered += 1
        self.halves.forget(half)
        number = half.number if self.is_head else tracked.pair
        self.outbox.delivered.append((half, tracked._replace(pair=number)))


"""Tracks and Expires as messages: batches, and every state that occurs in a batch written once."""

from collections.abc import Iterable, Iterator
from itertools import islice

from qstack.base.bell import BellIndex
from qstack.base.errors import PeerViolation
from qstack.proto.circuit.estimate import from_wire, to_wire
from qstack.proto.circuit.halves import Tracked
from qstack.proto.circuit.params import TRACK_OCTETS
from qstack.quantum.formulas import Correlations
from qstack.wire.circuit import MAXIMUM_TRACKED, Estimate, Expire, Track, TrackedPair

__all__ = ["StateCache", "expire_messages", "read_track"]

_PAIR_OCTETS = TrackedPair.LAYOUT.minimum_size
_ESTIMATE_OCTETS = Estimate.LAYOUT.minimum_size
_CACHED = 4_096
_BELL = tuple(BellIndex)


class StateCache:
    """Remembers the wire form of states: ideal links make the same few for ever."""

    def __init__(self) -> None:
        self._written: dict[Correlations, Estimate] = {}

    def write(self, state: Correlations) -> Estimate:
        """The wire form of a state."""
        estimate = self._written.get(state)
        if estimate is None:
            if len(self._written) >= _CACHED:
                self._written.clear()
            estimate = self._written[state] = to_wire(state)
        return estimate

    def track_messages(self, pairs: Iterable[Tracked]) -> Iterator[Track]:
        """As few Tracks as hold these pairs and fit a datagram each."""
        items: list[TrackedPair] = []
        places: dict[Correlations, int] = {}
        room = TRACK_OCTETS
        for pair in pairs:
            needed = _PAIR_OCTETS + (0 if pair.state in places else _ESTIMATE_OCTETS)
            if items and (needed > room or len(items) == MAXIMUM_TRACKED):
                yield self._track(items, places)
                items, places, room = [], {}, TRACK_OCTETS
                needed = _PAIR_OCTETS + _ESTIMATE_OCTETS
            room -= needed
            place = places.setdefault(pair.state, len(places))
            items.append(TrackedPair(pair=pair.pair, sequence=pair.sequence, bell_index=_BELL[pair.frame],
                                     estimate=place, created=pair.created))  # fmt: skip
        if items:
            yield self._track(items, places)

    def _track(self, items: list[TrackedPair], places: dict[Correlations, int]) -> Track:
        return Track(estimates=tuple(self.write(state) for state in places), pairs=tuple(items))


def read_track(track: Track) -> list[Tracked]:
    """The pairs of a Track. Raises `PeerViolation` for one that names no Bell state or no estimate."""
    if any(pair.bell_index > 3 or pair.estimate >= len(track.estimates) for pair in track.pairs):
        raise PeerViolation("a Track whose pair is in no Bell state, or has no estimate")
    states = [from_wire(estimate) for estimate in track.estimates]
    return [Tracked(p.pair, p.sequence, p.bell_index, states[p.estimate], p.created) for p in track.pairs]


def expire_messages(sequences: Iterable[int]) -> Iterator[Expire]:
    """As few Expires as hold these pairs."""
    rest = iter(sequences)
    while batch := tuple(islice(rest, 256)):
        yield Expire(sequences=batch)

"""Test rounds: which pairs are sacrificed, and what both ends saw of them (ESTIMATION-3).

The master gives out *terms*: a seed and the share of pairs to be tested. From them, and from what names a pair (its
station, the station's number, its cycle), both ends draw alike whether it is a test and in which basis. The seed
travels encrypted, so the station, which names the pairs, cannot spare the tests. Both ends measure and tell each other;
what both have told is compared once.

Nothing here waits: a test of which one end never tells is forgotten when newer ones need its place.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from qstack.base.bell import FLIP, Basis
from qstack.base.ids import Cycle, Qna
from qstack.base.time import DomainTime
from qstack.proto.link.tally import TESTED_BASES

__all__ = ["SHARE_UNIT", "OwnSample", "PairName", "Sampler", "SamplingTerms", "Seen", "agrees", "draw_basis"]

SHARE_UNIT = 1 << 32
"""Shares of pairs are in parts of 2^32."""

Word = TypeVar("Word")
_WAITING = 4_096  # ESTIMATION-7: tests that one end has told and the other not
_TERMS = 16  # ESTIMATION-7: how many terms are remembered


class PairName(NamedTuple):
    """What names a pair of a link at both ends and its station."""

    station: Qna
    sequence: int
    cycle: Cycle


@dataclass(frozen=True, slots=True)
class SamplingTerms:
    """`number` of the terms on a link; `share`: of the pairs that are tested, in parts of 2^32."""

    number: int
    seed: bytes
    share: int


class Seen(NamedTuple):
    """What one end saw of a test."""

    basis: Basis
    bit: int
    measured: DomainTime


@dataclass(frozen=True, slots=True)
class OwnSample:
    """What this end knows of a test: what it saw, and what it was heralded as, at which setting."""

    seen: Seen
    bell_index: int
    bright: int
    born: DomainTime


def draw_basis(terms: SamplingTerms, pair: PairName) -> Basis | None:
    """The basis in which a pair is tested, None for one that is not."""
    name = pair.station.to_bytes(8, "big") + pair.sequence.to_bytes(4, "big") + pair.cycle.to_bytes(8, "big")
    drawn = blake2b(name, key=terms.seed, digest_size=8).digest()
    if int.from_bytes(drawn[:4], "big") >= terms.share:
        return None
    return TESTED_BASES[int.from_bytes(drawn[4:], "big") * len(TESTED_BASES) >> 32]


def agrees(bell_index: int, basis: Basis, mine: int, theirs: int) -> bool:
    """Whether two outcomes in one basis are as the Bell state would have them.

    Phi+ has equal outcomes in X and Z and opposite ones in Y; the frame turns them.
    """
    return mine ^ theirs ^ FLIP[bell_index][basis] == int(basis is Basis.Y)


class Sampler:
    """The test rounds of one end of one link, until both ends have told."""

    def __init__(self) -> None:
        self.unmatched = 0  # forgotten, told by one end only
        self._terms: OrderedDict[int, SamplingTerms] = OrderedDict()
        self._mine: OrderedDict[tuple[Qna, int], OwnSample] = OrderedDict()
        self._theirs: OrderedDict[tuple[Qna, int], Seen] = OrderedDict()

    def restart(self) -> None:
        """A new epoch with the other end."""
        self._terms.clear()
        self._mine.clear()
        self._theirs.clear()

    def agree(self, terms: SamplingTerms) -> None:
        """Terms that the master has given out; the oldest are forgotten."""
        self._terms[terms.number] = terms
        if len(self._terms) > _TERMS:
            self._terms.popitem(last=False)

    def basis_of(self, terms: int, pair: PairName) -> Basis | None:
        """Whether, and how, a pair is tested under terms of this number; terms 0 test nothing."""
        known = self._terms.get(terms)
        return None if known is None else draw_basis(known, pair)

    def knows(self, terms: int) -> bool:
        """Whether pairs can be made under these terms."""
        return not terms or terms in self._terms

    def measured(self, station: Qna, sequence: int, sample: OwnSample) -> tuple[OwnSample, Seen] | None:
        """This end has measured a test. Gives both ends' words when the other's was there."""
        theirs = self._theirs.pop((station, sequence), None)
        if theirs is not None:
            return sample, theirs
        self._keep(self._mine, (station, sequence), sample)
        return None

    def told(self, station: Qna, sequence: int, seen: Seen) -> tuple[OwnSample, Seen] | None:
        """The other end tells of a test. Gives both ends' words when this end has measured its half."""
        mine = self._mine.pop((station, sequence), None)
        if mine is not None:
            return mine, seen
        self._keep(self._theirs, (station, sequence), seen)
        return None

    def _keep(self, waiting: OrderedDict[tuple[Qna, int], Word], name: tuple[Qna, int], word: Word) -> None:
        waiting[name] = word
        if len(waiting) > _WAITING:
            waiting.popitem(last=False)
            self.unmatched += 1

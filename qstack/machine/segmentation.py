"""Byte strings longer than a datagram: divided into fragments, and put together again under bounds.

Laws
----
1. A fragment says where it lies (`offset`), of how much (`total`), and is not empty, unless the whole is.
2. What arrived first stands. A fragment that contradicts it, in its octets or in the total, is refused and changes
   nothing; one that agrees may overlap in any way, come twice, come in any order.
3. Room is bounded before it is used: by the largest message, by messages and octets of one peer, by octets of all, and
   in time by a deadline for each message. A message counts with its total from its first fragment on, so a claim
   costs the claimant what it would cost us.
4. A message is handed over once. Its number is remembered until its deadline, so a late copy does not begin it anew.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation, ResourceLimit
from qstack.base.units import SECOND_NS
from qstack.machine.timers import Timers

__all__ = ["Fragment", "Reassembler", "Reassembly", "ReassemblyLimits", "split"]

P = TypeVar("P", bound=Hashable)
M = TypeVar("M", bound=Hashable)

_MOST_SPANS: Final = 256
"""Separate pieces of one message; an honest sender of 64 KiB in datagrams of 1,232 octets makes at most 27."""


class Fragment(NamedTuple):
    """`data` lies at `offset` of a message of `total` octets."""

    offset: int
    total: int
    data: bytes


def split(message: bytes, limit: int) -> list[Fragment]:
    """Divide `message` into fragments of at most `limit` octets (>= 1), in order. An empty message is one fragment."""
    if limit < 1:
        raise LocalMisuse(f"fragments of {limit} octets: at least 1 is needed")
    starts = range(0, max(len(message), 1), limit)
    return [Fragment(start, len(message), message[start : start + limit]) for start in starts]


class Reassembly:
    """One message on its way. The caller bounds `total`."""

    __slots__ = ("_ends", "_octets", "_starts", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self._octets = bytearray(total)
        self._starts: list[int] = []  # the pieces that arrived: sorted, apart from one another
        self._ends: list[int] = []

    def add(self, fragment: Fragment) -> bool:
        """Put a fragment in its place; True when the message is whole. Raises `PeerViolation`, `ResourceLimit`."""
        _check_bounds(fragment)
        if fragment.total != self.total:
            raise PeerViolation(f"a fragment of {fragment.total} octets in a message of {self.total}")
        start, end = fragment.offset, fragment.offset + len(fragment.data)
        # The pieces that touch [start, end) become one with it.
        low, high = bisect_left(self._ends, start), bisect_right(self._starts, end)
        self._check_agreement(fragment, low, high)
        if low == high and len(self._starts) >= _MOST_SPANS:
            raise ResourceLimit(f"a message in more than {_MOST_SPANS} separate pieces")
        self._octets[start:end] = fragment.data
        self._starts[low:high] = [min(start, self._starts[low]) if low < high else start]
        self._ends[low:high] = [max(end, self._ends[high - 1]) if low < high else end]
        return self.whole

    @property
    def whole(self) -> bool:
        """Whether every octet has arrived."""
        return self._starts == [0] and self._ends == [self.total]

    def message(self) -> bytes:
        """The message; only when it is whole."""
        assert self.whole
        return bytes(self._octets)

    def _check_agreement(self, fragment: Fragment, low: int, high: int) -> None:
        base = fragment.offset
        for piece in range(low, high):
            start = max(base, self._starts[piece])
            end = min(base + len(fragment.data), self._ends[piece])
            if start < end and self._octets[start:end] != fragment.data[start - base : end - base]:
                raise PeerViolation(f"a fragment at {base} contradicts octets that arrived before")


@dataclass(frozen=True, slots=True)
class ReassemblyLimits:
    """Bounds of a `Reassembler`; octets count a message's total."""

    message_octets: int = 65_536
    peer_messages: int = 16
    peer_octets: int = 131_072
    all_octets: int = 4_194_304
    all_messages: int = 16_384  # unfinished or remembered
    timeout_ns: int = 10 * SECOND_NS
    remembered: int = 64  # messages of one peer that were handed over


@dataclass(slots=True)
class _Peer(Generic[M]):
    open: dict[M, Reassembly] = field(default_factory=dict)
    octets: int = 0
    done: OrderedDict[M, None] = field(default_factory=OrderedDict)


class Reassembler(Generic[P, M]):
    """Messages of many peers on their way, by (peer, message number).

    A peer is one whose address is proved: quotas by peer mean nothing where anybody can be any number of them.
    """

    def __init__(self, limits: ReassemblyLimits | None = None) -> None:
        self.limits = limits or ReassemblyLimits()
        self._peers: dict[P, _Peer[M]] = {}
        self._timers: Timers[tuple[P, M]] = Timers()
        self._octets = 0

    def __len__(self) -> int:
        """How many messages are begun and not whole."""
        return sum(len(peer.open) for peer in self._peers.values())

    @property
    def octets(self) -> int:
        """Octets claimed by the messages that are begun and not whole."""
        return self._octets

    def add(self, peer: P, number: M, fragment: Fragment, now_ns: int) -> bytes | None:
        """Take a fragment in; return the message when that makes it whole, once.

        Raises `PeerViolation` for a fragment that contradicts, `ResourceLimit` for a message there is no room for;
        neither changes anything.
        """
        known = self._peers.get(peer)
        if known is not None and number in known.done:
            return None
        reassembly = known.open.get(number) if known is not None else None
        if reassembly is None:
            reassembly = self._begin(peer, number, fragment, now_ns)
        if not reassembly.add(fragment):
            return None
        self._finish(peer, number)
        return reassembly.message()

    def next_deadline(self) -> int | None:
        """The next instant at which `expire` has something to do."""
        return self._timers.next_deadline()

    def expire(self, now_ns: int) -> list[tuple[P, M]]:
        """Drop what has taken too long; return the messages that were lost by it."""
        lost = []
        for peer, number in self._timers.pop_due(now_ns):
            if number in self._peers[peer].open:
                self._release(peer, number)
                lost.append((peer, number))
            else:
                del self._peers[peer].done[number]
            self._drop_if_idle(peer)
        return lost

    def forget(self, peer: P) -> None:
        """Drop all that is known of `peer`."""
        known = self._peers.pop(peer, None)
        if known is None:
            return
        self._octets -= known.octets
        for number in (*known.open, *known.done):
            self._timers.cancel((peer, number))

    def _begin(self, peer: P, number: M, fragment: Fragment, now_ns: int) -> Reassembly:
        _check_bounds(fragment)
        self._check_room(self._peers.get(peer), fragment.total)
        known = self._peers.setdefault(peer, _Peer())
        reassembly = known.open[number] = Reassembly(fragment.total)
        known.octets += fragment.total
        self._octets += fragment.total
        self._timers.set((peer, number), now_ns + self.limits.timeout_ns)
        return reassembly

    def _check_room(self, known: _Peer[M] | None, total: int) -> None:
        limits = self.limits
        messages, octets = (len(known.open), known.octets) if known is not None else (0, 0)
        if total > limits.message_octets:
            raise ResourceLimit(f"a message of {total} octets, at most {limits.message_octets}", ErrorCode.TOO_BIG)
        if messages >= limits.peer_messages or octets + total > limits.peer_octets:
            raise ResourceLimit(f"a peer with {messages} unfinished messages of {octets} octets begins another")
        if self._octets + total > limits.all_octets or len(self._timers) >= limits.all_messages:
            raise ResourceLimit(f"{len(self._timers)} messages, of {self._octets} octets where unfinished")

    def _finish(self, peer: P, number: M) -> None:
        self._release(peer, number)
        done = self._peers[peer].done
        done[number] = None
        if len(done) > self.limits.remembered:
            self._timers.cancel((peer, done.popitem(last=False)[0]))
            self._drop_if_idle(peer)

    def _release(self, peer: P, number: M) -> None:
        known = self._peers[peer]
        total = known.open.pop(number).total
        known.octets -= total
        self._octets -= total

    def _drop_if_idle(self, peer: P) -> None:
        known = self._peers[peer]
        if not known.open and not known.done:
            del self._peers[peer]


def _check_bounds(fragment: Fragment) -> None:
    """Law 1."""
    offset, total, data = fragment
    if offset < 0 or offset + len(data) > total:
        raise PeerViolation(f"a fragment [{offset}, {offset + len(data)}) outside its message of {total} octets")
    if not data and total:
        raise PeerViolation("an empty fragment of a message that is not empty")

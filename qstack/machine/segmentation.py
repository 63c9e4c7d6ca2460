"""Byte strings longer than a datagram: divided into fragments, and put together again under bounds.

Laws
----
1. A fragment says where it lies (`offset`), of how much (`total`), and is not empty, unless the whole is.
2. What arrived first stands. A fragment that contradicts it, in its octets or in the total, is refused and changes
   nothing; one that agrees may overlap in any way, come twice, come in any order.
3. Room is bounded before it is used: whoever begins a `Reassembly` bounds its total, and it bounds its pieces.
"""

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from qstack.base.errors import LocalMisuse, PeerViolation, ResourceLimit

__all__ = ["Fragment", "Reassembly", "split"]

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


def _check_bounds(fragment: Fragment) -> None:
    """Law 1."""
    offset, total, data = fragment
    if offset < 0 or offset + len(data) > total:
        raise PeerViolation(f"a fragment [{offset}, {offset + len(data)}) outside its message of {total} octets")
    if not data and total:
        raise PeerViolation("an empty fragment of a message that is not empty")

"""Token buckets: how often something may happen.

A bucket holds at most `burst` tokens and gains `rate_per_s` of them each second; an event takes one, or is refused
and takes none. Counting is in units of a billionth of a token, in which a nanosecond brings exactly `rate_per_s`
units: no rounding, whatever the pattern of calls. A clock that seems to go back brings nothing.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from qstack.base.errors import LocalMisuse
from qstack.base.units import SECOND_NS

__all__ = ["KeyedBuckets", "TokenBucket"]

K = TypeVar("K", bound=Hashable)

_TOKEN: Final = SECOND_NS  # units in one token


class TokenBucket:
    """One bucket, full at the beginning. `rate_per_s` >= 0, `burst` >= 1."""

    __slots__ = ("_burst", "_rate_per_s", "_units", "_updated_ns")

    def __init__(self, rate_per_s: int, burst: int) -> None:
        if rate_per_s < 0 or burst < 1:
            raise LocalMisuse(f"a rate of {rate_per_s}/s with a burst of {burst}: they must be >= 0 and >= 1")
        self._rate_per_s = rate_per_s
        self._burst = burst * _TOKEN
        self._units = self._burst
        self._updated_ns: int | None = None

    def take(self, now_ns: int, tokens: int = 1) -> bool:
        """Take `tokens`; False, and none is taken, when there are fewer."""
        self._refill(now_ns)
        if self._units < tokens * _TOKEN:
            return False
        self._units -= tokens * _TOKEN
        return True

    def _refill(self, now_ns: int) -> None:
        if self._updated_ns is None:
            self._updated_ns = now_ns
        elapsed_ns = now_ns - self._updated_ns
        if elapsed_ns > 0:
            self._units = min(self._burst, self._units + elapsed_ns * self._rate_per_s)
            self._updated_ns = now_ns


class KeyedBuckets(Generic[K]):
    """A bucket for each source, of which at most `capacity` are remembered.

    The one used least recently is forgotten first, so whoever can invent sources can have a fresh bucket for each:
    `newcomers`, when given, is one bucket that every source not remembered pays from besides its own.
    """

    def __init__(self, rate_per_s: int, burst: int, capacity: int, newcomers: TokenBucket | None = None) -> None:
        if capacity < 1:
            raise LocalMisuse(f"room for {capacity} sources: at least 1 is needed")
        TokenBucket(rate_per_s, burst)  # refuse bad numbers now, not at the first source
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._capacity = capacity
        self._newcomers = newcomers
        self._buckets: OrderedDict[K, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: K, now_ns: int, tokens: int = 1) -> bool:
        """Take `tokens` from the bucket of `key`; False, and none is taken, when there are fewer."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if self._newcomers is not None and not self._newcomers.take(now_ns):
                return False
            bucket = self._remember(key)
        self._buckets.move_to_end(key)
        return bucket.take(now_ns, tokens)

    def forget(self, key: K) -> None:
        """Drop the bucket of `key`, if there is one."""
        self._buckets.pop(key, None)

    def _remember(self, key: K) -> TokenBucket:
        if len(self._buckets) >= self._capacity:
            self._buckets.popitem(last=False)
        bucket = self._buckets[key] = TokenBucket(self._rate_per_s, self._burst)
        return bucket

"""Token buckets: never more than the rate and the burst allow, never less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.machine.bucket import KeyedBuckets, TokenBucket

SECOND = 1_000_000_000


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(SECOND // 10 - 1)
    assert bucket.take(SECOND // 10)
    assert [bucket.take(100 * SECOND) for _ in range(4)] == [True, True, True, False]


def test_bucket_several_tokens_are_taken_together_or_not_at_all() -> None:
    bucket = TokenBucket(rate_per_s=1, burst=3)
    assert not bucket.take(0, tokens=4)
    assert bucket.take(0, tokens=3)
    assert not bucket.take(2 * SECOND - 1, tokens=2)
    assert bucket.take(2 * SECOND, tokens=2)


def test_bucket_without_rate_is_a_fixed_allowance() -> None:
    bucket = TokenBucket(rate_per_s=0, burst=1)
    assert bucket.take(5)
    assert not bucket.take(10**18)


def test_bucket_clock_going_back_brings_nothing() -> None:
    bucket = TokenBucket(rate_per_s=1, burst=1)
    assert bucket.take(10 * SECOND)
    assert not bucket.take(0)
    assert not bucket.take(11 * SECOND - 1)
    assert bucket.take(11 * SECOND)


@given(st.integers(0, 10**7), st.integers(1, 50), st.lists(st.integers(0, 10**9), max_size=60), st.integers(0, 2**62))
def test_bucket_over_any_pattern_gives_exactly_what_is_due(rate: int, burst: int, gaps: list[int], start: int) -> None:
    bucket = TokenBucket(rate, burst)
    now, units = start, burst * SECOND
    for index, gap in enumerate([0, *gaps]):
        now += gap
        units = min(burst * SECOND, units + gap * rate)
        tokens = index % 3 + 1
        taken = bucket.take(now, tokens)
        assert taken is (units >= tokens * SECOND)
        units -= tokens * SECOND if taken else 0


def test_keyed_buckets_count_each_source_apart() -> None:
    buckets: KeyedBuckets[str] = KeyedBuckets(rate_per_s=1, burst=1, capacity=10)
    assert buckets.take("a", 0)
    assert not buckets.take("a", 0)
    assert buckets.take("b", 0)
    buckets.forget("a")
    buckets.forget("never seen")
    assert len(buckets) == 1
    assert buckets.take("a", 0)


def test_keyed_buckets_forget_the_one_used_least_recently() -> None:
    buckets: KeyedBuckets[int] = KeyedBuckets(rate_per_s=0, burst=2, capacity=2)
    assert buckets.take(1, 0)
    assert buckets.take(2, 0)
    assert buckets.take(1, 0)
    assert buckets.take(3, 0)  # 2 goes
    assert not buckets.take(1, 0)
    assert buckets.take(2, 0)
    assert buckets.take(2, 0)


@given(st.lists(st.integers(0, 50), max_size=200))
def test_keyed_buckets_stay_within_their_capacity(keys: list[int]) -> None:
    buckets: KeyedBuckets[int] = KeyedBuckets(rate_per_s=1, burst=1, capacity=7)
    for now_ns, key in enumerate(keys):
        buckets.take(key, now_ns)
        assert len(buckets) <= 7


def test_keyed_buckets_newcomers_share_one_bucket() -> None:
    buckets: KeyedBuckets[int] = KeyedBuckets(1, 5, capacity=3, newcomers=TokenBucket(1, 4))
    assert sum(buckets.take(source, 0) for source in range(1000)) == 4
    assert buckets.take(3, 0)  # known: pays from its own alone
    assert len(buckets) == 3
    assert not buckets.take(2000, SECOND - 1)
    assert buckets.take(2000, SECOND)


@pytest.mark.parametrize(("rate", "burst", "capacity"), [(-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_buckets_of_impossible_numbers_are_refused(rate: int, burst: int, capacity: int) -> None:
    with pytest.raises(LocalMisuse):
        KeyedBuckets(rate, burst, capacity)

"""Backoff and the round-trip estimate, number by number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.machine.retransmission import Backoff, RttEstimator

MS = 1_000_000


def test_backoff_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(initial_ns=50 * MS, maximum_ns=300 * MS)
    assert [backoff.delay_ns(attempt) // MS for attempt in range(1, 7)] == [50, 100, 200, 300, 300, 300]
    assert backoff.delay_ns(10**9) == 300 * MS


def test_backoff_of_factor_one_stays() -> None:
    assert Backoff(initial_ns=7, maximum_ns=900, factor=1).delay_ns(10**9) == 7


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(1, 5), st.integers(1, 80))
def test_backoff_never_shrinks_and_never_exceeds_its_maximum(
    initial: int, more: int, factor: int, attempt: int
) -> None:
    backoff = Backoff(initial, initial + more, factor=factor)
    assert backoff.delay_ns(attempt) == min(initial * factor ** (attempt - 1), initial + more)


@pytest.mark.parametrize("numbers", [(0, 1, 2), (2, 1, 2), (1, 1, 0)])
def test_backoff_of_impossible_numbers_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(LocalMisuse):
        Backoff(*numbers)


def test_rtt_follows_rfc_6298_step_by_step() -> None:
    rtt = RttEstimator(initial_ns=1000 * MS, minimum_ns=1 * MS, maximum_ns=60_000 * MS)
    assert (rtt.srtt_ns, rtt.rto_ns) == (None, 1000 * MS)
    rtt.sample(100 * MS)  # SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR
    assert (rtt.srtt_ns, rtt.rttvar_ns, rtt.rto_ns) == (100 * MS, 50 * MS, 300 * MS)
    rtt.sample(200 * MS)  # RTTVAR = 3/4 50 + 1/4 |100 - 200|, SRTT = 7/8 100 + 1/8 200
    assert (rtt.srtt_ns, rtt.rttvar_ns, rtt.rto_ns) == (112_500_000, 62_500_000, 362_500_000)


def test_rtt_doubles_for_one_message_alone() -> None:
    rtt = RttEstimator(initial_ns=50 * MS, minimum_ns=20 * MS, maximum_ns=300 * MS)
    assert [rtt.timeout_ns(attempt) // MS for attempt in (1, 2, 3, 4, 1000)] == [50, 100, 200, 300, 300]
    assert rtt.rto_ns == 50 * MS


def test_rtt_doubles_for_all_when_no_message_gives_a_sample_any_more() -> None:
    rtt = RttEstimator(initial_ns=50 * MS, minimum_ns=20 * MS, maximum_ns=300 * MS)
    timeouts = []
    for _ in range(7):
        rtt.miss(longest_ns=1000 * MS)
        timeouts.append(rtt.rto_ns // MS)
    assert timeouts == [50, 50, 50, 100, 200, 300, 300]
    rtt.sample(16 * MS)
    assert rtt.rto_ns == (16 + 4 * 8) * MS
    rtt.miss(longest_ns=1000 * MS)
    assert rtt.rto_ns == 48 * MS


def test_rtt_timeout_for_all_stays_near_the_longest_round_trip_there_can_have_been() -> None:
    rtt = RttEstimator(initial_ns=50 * MS, minimum_ns=20 * MS, maximum_ns=2000 * MS)
    for _ in range(20):
        rtt.miss(longest_ns=100 * MS)
    assert rtt.rto_ns == 125 * MS
    rtt.miss(longest_ns=30 * MS)
    assert rtt.rto_ns == 125 * MS


def test_rtt_steady_path_keeps_the_granularity_as_margin() -> None:
    rtt = RttEstimator(initial_ns=1000 * MS, minimum_ns=1 * MS, maximum_ns=60_000 * MS)
    for _ in range(200):
        rtt.sample(30 * MS)
    assert rtt.rto_ns == 31 * MS


@given(st.lists(st.integers(0, 10**11) | st.none()))
def test_rtt_timeout_stays_within_its_bounds(samples: list[int | None]) -> None:
    rtt = RttEstimator(initial_ns=50 * MS, minimum_ns=20 * MS, maximum_ns=2000 * MS)
    for sample in samples:
        rtt.miss(10**12) if sample is None else rtt.sample(sample)
        assert 20 * MS <= rtt.rto_ns <= 2000 * MS
        assert isinstance(rtt.rto_ns, int)


@pytest.mark.parametrize("numbers", [(5, 0, 9), (1, 2, 9), (9, 1, 5)])
def test_rtt_of_impossible_bounds_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(LocalMisuse):
        RttEstimator(*numbers)

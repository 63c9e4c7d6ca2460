"""The order of requests, as a pure function of what was admitted and served."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.proto.link.scheduler import Claim, Discipline, Scheduler


def served(scheduler: Scheduler, places: list[int], windows: int, cycles: int = 10) -> list[int]:
    """Who gets the next windows, when all of them always want one."""
    order = []
    for _ in range(windows):
        first = scheduler.order(places, 0)[0]
        scheduler.served(first, cycles, 0)
        order.append(first)
    return order


def test_priorities_go_to_queues_the_most_urgent_first() -> None:
    scheduler = Scheduler(Discipline.WFQ, (0.0, 2.0, 1.0))
    assert [scheduler.queue_of(priority) for priority in (0, 1, 2, 3, 255)] == [2, 1, 0, 0, 0]


def test_first_come_first_served_goes_by_place() -> None:
    scheduler = Scheduler(Discipline.FCFS, (1.0, 1.0))
    for place, priority in ((3, 1), (1, 0), (2, 1)):
        scheduler.admit(Claim(place, priority, 10.0), 0)
    assert scheduler.order([2, 3, 1], 0) == [1, 2, 3]
    assert served(scheduler, [1, 2], 3) == [1, 1, 1]


def test_strict_queue_comes_before_weighted_ones_and_by_place() -> None:
    scheduler = Scheduler(Discipline.WFQ, (0.0, 5.0))
    scheduler.admit(Claim(1, 0, 1.0), 0)
    scheduler.admit(Claim(3, 1, 1e9), 0)
    scheduler.admit(Claim(2, 1, 1e9), 0)
    assert scheduler.order([1, 2, 3], 0) == [2, 3, 1]


def test_weights_divide_the_link() -> None:
    scheduler = Scheduler(Discipline.WFQ, (3.0, 1.0))
    scheduler.admit(Claim(1, 1, 10.0), 0)
    scheduler.admit(Claim(2, 0, 10.0), 0)
    assert Counter(served(scheduler, [1, 2], 400)) == Counter({1: 300, 2: 100})


def test_weights_divide_the_link_whatever_the_number_of_requests_in_a_queue() -> None:
    scheduler = Scheduler(Discipline.WFQ, (1.0, 1.0))
    scheduler.admit(Claim(1, 1, 10.0), 0)
    for place in range(2, 6):
        scheduler.admit(Claim(place, 0, 10.0), 0)
    shares = Counter(served(scheduler, [1, 2, 3, 4, 5], 800))
    assert 380 <= shares[1] <= 420
    assert all(90 <= shares[place] <= 110 for place in (2, 3, 4, 5))


def test_equal_turns_go_to_the_lower_queue_and_then_to_the_lower_place() -> None:
    scheduler = Scheduler(Discipline.WFQ, (1.0, 1.0))
    scheduler.admit(Claim(1, 0, 10.0), 0)
    scheduler.admit(Claim(2, 1, 10.0), 0)
    assert scheduler.order([1, 2], 0) == [2, 1]


def test_queue_that_was_idle_has_saved_up_nothing() -> None:
    scheduler = Scheduler(Discipline.WFQ, (1.0, 1.0))
    scheduler.admit(Claim(1, 0, 10.0), 0)
    for now in range(0, 10_000, 10):
        scheduler.served(1, 10, now)
    scheduler.admit(Claim(2, 1, 10.0), 10_000)
    order = []
    for step in range(100):
        first = scheduler.order([1, 2], 0)[0]
        scheduler.served(first, 10, 10_000 + 10 * step)
        order.append(first)
    assert 45 <= order.count(2) <= 55


def test_consecutive_request_is_alone_once_it_was_served() -> None:
    scheduler = Scheduler(Discipline.WFQ, (0.0, 1.0))
    scheduler.admit(Claim(1, 0, 10.0, consecutive=True), 0)
    scheduler.admit(Claim(2, 1, 10.0), 0)
    assert scheduler.order([1, 2], 0) == [2, 1]
    scheduler.served(1, 10, 0)
    assert scheduler.order([1, 2], 0) == [1]
    assert scheduler.order([2], 0) == [], "what is planned for it already must come first"
    scheduler.forget(1)
    assert scheduler.order([1, 2], 0) == [2]


def test_consecutive_request_that_does_not_end_is_alone_for_its_time_only() -> None:
    scheduler = Scheduler(Discipline.WFQ, (1.0,), alone_cycles=100)
    scheduler.admit(Claim(1, 0, 10.0, consecutive=True), 0)
    scheduler.admit(Claim(2, 0, 10.0), 0)
    scheduler.served(1, 10, 1_000)
    scheduler.served(1, 10, 1_050)
    assert scheduler.order([2], 1_099) == []
    assert scheduler.order([1, 2], 1_100) == [2, 1], "the time counts from the first window"


@pytest.mark.parametrize("weights", [(), (-1.0,), (1.0, -0.5)])
def test_weights_that_mean_nothing_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(LocalMisuse):
        Scheduler(Discipline.WFQ, weights)


CLAIMS = st.lists(st.tuples(st.integers(0, 4), st.floats(1.0, 1e6), st.booleans()), min_size=1, max_size=12)
WEIGHTS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 10.0]), min_size=1, max_size=4).map(tuple)


@given(st.sampled_from(list(Discipline)), WEIGHTS, CLAIMS, st.lists(st.integers(0, 11), max_size=40))
def test_order_holds_each_request_once_and_depends_on_nothing_else(
    discipline: Discipline, weights: tuple[float, ...], claims: list[tuple[int, float, bool]], turns: list[int]
) -> None:
    one, two = Scheduler(discipline, weights), Scheduler(discipline, weights)
    places = list(range(1, len(claims) + 1))
    for scheduler in (one, two):
        for place, (priority, cost, consecutive) in zip(places, claims, strict=True):
            scheduler.admit(Claim(place, priority, cost, consecutive), 0)
        for now, turn in enumerate(turns):
            order = scheduler.order(places, 0)
            scheduler.served(order[turn % len(order)], 10, now)
    order = one.order(places, 0)
    assert order == two.order(list(reversed(places)), 0) and order
    assert len(set(order)) == len(order) and set(order) <= set(places)
    if not any(consecutive for _, _, consecutive in claims):
        assert set(order) == set(places)


@given(WEIGHTS, CLAIMS)
def test_nobody_of_a_weighted_queue_waits_for_ever(
    weights: tuple[float, ...], claims: list[tuple[int, float, bool]]
) -> None:
    scheduler = Scheduler(Discipline.WFQ, tuple(max(weight, 0.5) for weight in weights))
    places = list(range(1, len(claims) + 1))
    for place, (priority, _, _) in zip(places, claims, strict=True):
        scheduler.admit(Claim(place, priority, 10.0), 0)
    assert set(served(scheduler, places, 500)) == set(places)

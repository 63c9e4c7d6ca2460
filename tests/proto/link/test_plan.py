"""The arithmetic of plans, and the shape of windows."""

from itertools import pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.ids import Cycle
from qstack.proto.link.plan import Plan, expected_successes, shape_of_windows


@given(st.integers(0, 1 << 40), st.integers(1, 1_000), st.integers(0, 1_000), st.integers(1, 64))
def test_windows_of_a_plan_follow_one_another(first: int, cycles: int, gap: int, windows: int) -> None:
    plan = Plan(Cycle(first), cycles, cycles + gap, windows)
    begins = list(plan)
    assert plan.sound and len(begins) == windows and begins[0] == first
    assert all(later - sooner == cycles + gap for sooner, later in pairwise(begins))
    assert plan.end_cycle == begins[-1] + cycles


@pytest.mark.parametrize(("cycles", "stride", "windows"), [(0, 1, 1), (1, 1, 0), (2, 1, 2), (2, 0, 2)])
def test_plan_of_nothing_or_of_windows_that_overlap_is_not_sound(cycles: int, stride: int, windows: int) -> None:
    assert not Plan(Cycle(5), cycles, stride, windows).sound


@pytest.mark.parametrize(("probability", "cycles", "memories"), [(0.01, 100, 1), (0.01, 100, 3), (1e-3, 1_000, 2)])
def test_expected_successes_are_those_of_bernoulli_trials(probability: float, cycles: int, memories: int) -> None:
    terms = [comb(cycles, k) * probability**k * (1 - probability) ** (cycles - k) for k in range(memories)]
    exact = sum(k * term for k, term in enumerate(terms)) + memories * (1.0 - sum(terms))
    assert expected_successes(probability, cycles, memories) == pytest.approx(exact, rel=1e-2)


def test_certain_success_fills_every_memory() -> None:
    assert expected_successes(1.0, 5, 3) == 3.0
    assert expected_successes(1.0, 2, 3) == 2.0


PROBABILITY = st.floats(1e-7, 1.0)


@given(PROBABILITY, st.integers(1, 5_000), st.integers(1, 500), st.integers(0, 600), st.integers(0, 6_000))
def test_shape_fits_the_slot_and_the_memories(
    probability: float, slot: int, memories: int, turnaround: int, delayed: int
) -> None:
    shape = shape_of_windows(probability, slot, memories, turnaround, turnaround + delayed)
    assert 1 <= shape.memories <= memories
    assert 1 <= shape.cycles <= slot
    assert shape.slots >= 1


@given(PROBABILITY)
def test_single_memory_leaves_the_time_for_its_answer_when_that_is_short(probability: float) -> None:
    shape = shape_of_windows(probability, 1_000, 1, 100, 3_000)
    assert shape.slots == 1 and shape.cycles <= 900


def test_many_memories_keep_the_link_attempting_though_answers_are_late() -> None:
    shape = shape_of_windows(1e-3, 1_000, 32, 300, 3_000)
    assert (shape.cycles, shape.slots) == (1_000, 1)
    assert 32 // shape.memories >= 4  # windows in flight: one that runs, and 30 ms of answers that are still to come

"""The replay window against a model that remembers every number."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.machine.replay import REPLAY_WINDOW_SIZE, ReplayWindow

LARGEST = 2**64 - 1


class SetWindow:
    """The reference: all numbers committed, and the highest."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: set[int] = set()

    def check(self, number: int) -> bool:
        return number not in self.seen and (not self.seen or number > max(self.seen) - self.size)

    def commit(self, number: int) -> bool:
        admitted = self.check(number)
        if admitted:
            self.seen.add(number)
        return admitted


steps = st.integers(-400, 400) | st.sampled_from([63, 64, 65, 127, 128, 129, -63, -64, -65, 10**6, 2**32, 2**63])


@settings(max_examples=200)
@given(st.integers(0, LARGEST), st.lists(steps, max_size=120), st.sampled_from([1, 64, 65, 192, 448]))
def test_window_over_any_walk_agrees_with_the_model(start: int, walk: list[int], size: int) -> None:
    window = ReplayWindow(size)
    model = SetWindow(window.size)
    number = start
    for step in walk:
        assert window.check(number) is model.check(number)
        assert window.commit(number) is model.commit(number)
        assert window.highest == max(model.seen)
        number = min(max(number + step, 0), LARGEST)


@given(st.integers(0, 2**32 - 1))
def test_window_never_accepts_a_number_twice_and_takes_all_within_reach(seed: int) -> None:
    chance = random.Random(seed)
    base = chance.choice([0, 1, 2**32 - 4000, LARGEST - 9000])
    numbers = list(range(base, base + 3000)) * 2
    # Displaced by less than the window: nothing may be lost, nothing taken twice.
    shuffled = sorted(range(6000), key=lambda place: place % 3000 + chance.uniform(0, 4000))
    window = ReplayWindow()
    accepted = [numbers[place] for place in shuffled if window.commit(numbers[place])]
    assert sorted(accepted) == list(range(base, base + 3000))


def test_window_default_reaches_8128_numbers_back() -> None:
    window = ReplayWindow()
    assert window.size == REPLAY_WINDOW_SIZE == 8128
    assert window.highest is None
    assert window.commit(100_000)
    assert window.commit(100_000 - 8127)
    assert not window.check(100_000 - 8128)
    assert not window.commit(0)


def test_window_check_marks_nothing() -> None:
    window = ReplayWindow()
    assert window.check(LARGEST)
    assert window.highest is None
    assert window.commit(5)
    assert window.check(6)
    assert window.check(6)
    assert window.commit(6)
    assert not window.check(6)


def test_window_jump_over_everything_forgets_no_limit() -> None:
    window = ReplayWindow()
    for number in range(100):
        assert window.commit(number)
    assert window.commit(LARGEST)
    for number in (0, 50, 99, LARGEST - 8128, LARGEST):
        assert not window.commit(number)
    assert window.commit(LARGEST - 8127)
    assert window.highest == LARGEST


def test_window_ring_reused_after_a_jump_holds_no_old_marks() -> None:
    window = ReplayWindow()
    for number in range(8192):
        window.commit(number)
    window.commit(8192 * 3)
    assert all(window.check(number) for number in range(8192 * 3 - 8127, 8192 * 3))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_window_number_beyond_64_bits_is_refused(number: int) -> None:
    window = ReplayWindow()
    for act in (window.check, window.commit):
        with pytest.raises(OverflowError):
            act(number)
    assert window.highest is None


@pytest.mark.parametrize(("asked", "size"), [(1, 64), (64, 64), (65, 192), (8128, 8128), (8129, 16320)])
def test_window_size_is_at_least_what_was_asked(asked: int, size: int) -> None:
    assert ReplayWindow(asked).size == size


@pytest.mark.parametrize("size", [0, -1, 2**20 + 1])
def test_window_of_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(LocalMisuse):
        ReplayWindow(size)

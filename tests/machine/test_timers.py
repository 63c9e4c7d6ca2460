"""Timers against a model that a child could check: a list, sorted."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qstack.machine.timers import Timers

INT64_MAX = 2**63 - 1

keys = st.integers(0, 40)
instants = st.integers(-5, 60) | st.integers(-(2**63), INT64_MAX)


class SortedListTimers:
    """The reference: (deadline, order of setting, key), sorted."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, int]] = []
        self.sets = 0

    def set(self, key: int, deadline_ns: int) -> None:
        self.cancel(key)
        self.sets += 1
        self.entries = sorted([*self.entries, (deadline_ns, self.sets, key)])

    def cancel(self, key: int) -> bool:
        kept = [entry for entry in self.entries if entry[2] != key]
        known = len(kept) < len(self.entries)
        self.entries = kept
        return known

    def pop_due(self, now_ns: int) -> list[int]:
        due = [key for deadline_ns, _, key in self.entries if deadline_ns <= now_ns]
        self.entries = self.entries[len(due) :]
        return due


class TimersFollowTheModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.timers: Timers[int] = Timers()
        self.model = SortedListTimers()

    @rule(key=keys, deadline_ns=instants)
    def set(self, key: int, deadline_ns: int) -> None:
        self.timers.set(key, deadline_ns)
        self.model.set(key, deadline_ns)

    @rule(pairs=st.lists(st.tuples(keys, instants), max_size=60))
    def set_many(self, pairs: list[tuple[int, int]]) -> None:
        for key, deadline_ns in pairs:
            self.set(key, deadline_ns)

    @rule(key=keys)
    def cancel(self, key: int) -> None:
        assert self.timers.cancel(key) is self.model.cancel(key)

    @rule(now_ns=instants)
    def pop_due(self, now_ns: int) -> None:
        assert self.timers.pop_due(now_ns) == self.model.pop_due(now_ns)

    @rule()
    def clear(self) -> None:
        self.timers.clear()
        self.model.entries.clear()

    @invariant()
    def they_show_the_same(self) -> None:
        entries = self.model.entries
        assert len(self.timers) == len(entries)
        assert set(self.timers) == {key for _, _, key in entries}
        assert self.timers.next_deadline() == (entries[0][0] if entries else None)
        known = {key: deadline_ns for deadline_ns, _, key in entries}
        for key in range(41):
            assert self.timers.deadline(key) == known.get(key)
            assert (key in self.timers) is (key in known)


TestTimersFollowTheModel = TimersFollowTheModel.TestCase
TestTimersFollowTheModel.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), max_size=400))
def test_timers_drained_come_out_by_deadline_then_insertion(pairs: list[tuple[int, int]]) -> None:
    timers: Timers[int] = Timers()
    model = SortedListTimers()
    for key, deadline_ns in pairs:
        timers.set(key, deadline_ns)
        model.set(key, deadline_ns)
    drained = [key for now_ns in range(21) for key in timers.pop_due(now_ns)]
    assert drained == model.pop_due(20)
    assert len(timers) == 0


def test_timers_set_again_with_the_same_deadline_go_to_the_end_of_it() -> None:
    timers: Timers[str] = Timers()
    for key in ("a", "b", "a"):
        timers.set(key, 7)
    assert timers.pop_due(6) == []
    assert timers.pop_due(7) == ["b", "a"]
    assert timers.next_deadline() is None


def test_timers_may_be_set_while_those_due_are_handled() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1)
    for key in timers.pop_due(1):
        timers.set(key, 1)
    assert timers.pop_due(1) == ["a"]


@pytest.mark.parametrize("instant", [2**63, -(2**63) - 1])
def test_timers_instants_beyond_64_bits_are_refused_and_change_nothing(instant: int) -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1)
    with pytest.raises(OverflowError):
        timers.set("b", instant)
    with pytest.raises(OverflowError):
        timers.pop_due(instant)
    assert list(timers) == ["a"]


def test_timers_key_that_cannot_be_hashed_is_refused_and_changes_nothing() -> None:
    timers: Timers[object] = Timers()
    with pytest.raises(TypeError):
        timers.set([], 1)
    assert len(timers) == 0
    assert timers.next_deadline() is None


class Key:
    """Something that can be watched while it dies, and that can hold its own timers."""

    def __init__(self) -> None:
        self.timers: Timers[Key] = Timers()


def test_timers_keep_no_key_that_is_gone() -> None:
    timers: Timers[Key] = Timers()
    watched = []
    for act in (timers.cancel, lambda key: timers.pop_due(9), lambda key: timers.clear()):
        key = Key()
        watched.append(weakref.ref(key))
        timers.set(key, 9)
        act(key)
    del key
    assert [reference() for reference in watched] == [None] * 3


def test_timers_in_a_cycle_with_their_key_are_collected() -> None:
    key = Key()
    key.timers.set(key, 1)
    watched = weakref.ref(key)
    del key
    gc.collect()
    assert watched() is None


def test_timers_by_the_hundred_thousand_keep_their_order() -> None:
    timers: Timers[int] = Timers()
    for key in range(100_000):
        timers.set(key, (key * 7919) % 100_003)
    for key in range(0, 100_000, 2):
        assert timers.cancel(key)
    due = timers.pop_due(100_003)
    assert len(due) == 50_000
    assert due == sorted(due, key=lambda key: (key * 7919) % 100_003)

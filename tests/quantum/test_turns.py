"""Quantum windows and classical bursts: the arithmetic against a list of cycles, and what a backlog is given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.quantum.turns import Turns, burst_cycles_for

FRAMES = 12


@st.composite
def turns(draw):
    frame = draw(st.integers(2, 30))
    burst = draw(st.integers(0, frame - 1))
    most = draw(st.integers(burst, frame - 1))
    guard = draw(st.integers(0, frame - 1 - most))
    backlog = draw(st.integers(0, 40)) if most > burst else 0
    return Turns(frame, burst, guard, most, backlog, draw(st.integers(-3, 5)))


def listed(value):
    """Whether each cycle of some frames is quantum, frame by frame from a queue that is served step by step."""
    cycles, waiting = [], value.backlog_cycles
    for frame in range(value.first_frame, value.first_frame + FRAMES):
        extra = min(waiting, value.most_cycles - value.burst_cycles) if waiting else 0
        assert value.backlog(frame) == waiting
        assert value.burst(frame) == value.burst_cycles + extra
        waiting -= extra
        burst = value.burst_cycles + extra
        closed = burst + value.guard_cycles if burst else 0
        cycles += [False] * closed + [True] * (value.frame_cycles - closed)
    return cycles


@given(turns())
@settings(max_examples=200, deadline=None)
def test_turns_are_those_of_a_queue_served_frame_by_frame(value):
    cycles, first = listed(value), value.first_frame * value.frame_cycles
    quantum = [first + n for n, is_quantum in enumerate(cycles) if is_quantum]
    classical = [first + n for n, is_quantum in enumerate(cycles) if not is_quantum]
    for n, is_quantum in enumerate(cycles):
        cycle = first + n
        assert value.is_quantum(cycle) is is_quantum
        assert value.quantum_before(cycle) == sum(each < cycle for each in quantum)
        assert value.classical_before(cycle) == sum(each < cycle for each in classical)
        assert value.next_quantum(cycle) == next((each for each in quantum if each >= cycle), value.next_quantum(cycle))
        start, length = value.window(cycle)
        if start + length <= first + len(cycles):
            assert cycles[start - first : start - first + length] == [True] * length
    assert [value.nth_quantum(n, first) for n in range(len(quantum))] == quantum
    assert [value.nth_classical(n, first) for n in range(len(classical))] == classical


def test_turns_before_their_first_frame_have_no_backlog():
    value = Turns(10, 2, 1, 5, backlog_cycles=4, first_frame=3)
    assert [value.is_quantum(cycle) for cycle in range(20, 30)] == [False] * 3 + [True] * 7
    assert [value.nth_quantum(value.quantum_before(cycle), cycle) for cycle in (23, 29)] == [23, 29]
    assert value.nth_classical(value.classical_before(21), 21) == 21


def test_turns_serve_an_offered_backlog_from_the_next_frame_on():
    calm = Turns(100, 10, 5, 60)
    busy = calm.offer(120, now_cycle=250)
    assert [busy.burst(frame) for frame in range(1, 8)] == [10, 10, 60, 60, 30, 10, 10]
    assert [busy.backlog(frame) for frame in range(2, 7)] == [0, 120, 70, 20, 0]
    assert all(busy.is_quantum(cycle) == calm.is_quantum(cycle) for cycle in range(300))
    assert busy.changes_at(250) == 300 and busy.changes_at(300) is None
    more = busy.offer(50, now_cycle=330)
    assert [more.burst(frame) for frame in range(3, 8)] == [60, 60, 60, 30, 10]
    assert more.before is not None and more.before.before is None


def test_turns_leave_a_quantum_window_in_every_frame():
    busy = Turns(100, 10, 5, 60).offer(10_000, 0)
    assert all(any(busy.is_quantum(100 * frame + n) for n in range(100)) for frame in range(300))
    assert busy.share == 0.85


def test_turns_far_ahead_are_told_at_once():
    far = 10**18
    value = Turns(1_000, 100, 10, 500, backlog_cycles=123_456)
    assert value.quantum_before(far) == 890 * 10**15 - 123_456
    assert value.nth_quantum(value.quantum_before(far + 500), far) == far + 500
    assert value.is_quantum(far + 110) and not value.is_quantum(far + 109)


def test_turns_need_cycles_for_octets():
    assert burst_cycles_for(1_250_000, 10e9, 10_000) == 100
    assert burst_cycles_for(1, 10e9, 10_000) == 1
    assert burst_cycles_for(0, 10e9, 10_000) == 0


@pytest.mark.parametrize(
    "attempt",
    [lambda: Turns(10, 10), lambda: Turns(10, 5, 5), lambda: Turns(10, 1, 0, 10), lambda: Turns(10, -1),
     lambda: Turns(10, 5, backlog_cycles=1)],
)  # fmt: skip
def test_turns_that_cannot_be_are_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

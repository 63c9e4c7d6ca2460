"""An alarm at an instant of the monotonic clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from qstack.base.time import Instant
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns

MS = 1_000_000
PATIENCE_S = 5.0


@pytest.fixture
async def alarm() -> AsyncIterator[Alarm]:
    made = Alarm()
    yield made
    made.close()


def soon(ms: float) -> Instant:
    return Instant(now_ns() + round(ms * MS))


async def test_alarm_rings_at_its_instant_and_not_before(alarm: Alarm) -> None:
    lateness = []
    with trio.fail_after(PATIENCE_S):
        for _ in range(20):
            due = soon(3)
            alarm.set(due)
            await alarm.wait()
            lateness.append(now_ns() - due)
    assert min(lateness) >= 0
    assert sorted(lateness)[10] < 5 * MS, "half of them within milliseconds, on a machine that is busy too"


async def test_alarm_in_the_past_rings_at_once(alarm: Alarm) -> None:
    with trio.fail_after(PATIENCE_S):
        for instant in (Instant(0), Instant(1), soon(-1_000)):
            alarm.set(instant)
            await alarm.wait()


async def test_alarm_can_be_moved_while_somebody_waits(alarm: Alarm) -> None:
    far = soon(60_000)
    alarm.set(far)
    async with trio.open_nursery() as nursery:
        rung = trio.Event()

        async def wait() -> None:
            await alarm.wait()
            rung.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        due = soon(2)
        alarm.set(due)
        with trio.fail_after(PATIENCE_S):
            await rung.wait()
        assert now_ns() >= due


async def test_alarm_that_is_moved_away_after_it_was_due_does_not_ring(alarm: Alarm) -> None:
    alarm.set(soon(-1))
    alarm.set(soon(60_000))
    with trio.move_on_after(0.05) as scope:
        await alarm.wait()
    assert scope.cancelled_caught
    alarm.set(None)
    with trio.move_on_after(0.02) as scope:
        await alarm.wait()
    assert scope.cancelled_caught


async def test_alarm_rings_again_for_the_same_instant(alarm: Alarm) -> None:
    due = soon(1)
    with trio.fail_after(PATIENCE_S):
        alarm.set(due)
        await alarm.wait()
        alarm.set(due)
        await alarm.wait()

"""What the other end, or a station, can say of samples and calibration that it should not."""

from typing import Any

import pytest

from qstack.base.bell import Basis
from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, LinkId, Qna, make_qna
from qstack.base.time import DomainTime
from qstack.proto.link.rounds import SHARE_UNIT
from qstack.wire.link import (
    CalibrationPlan,
    CalibrationReport,
    ClickCount,
    ClockEcho,
    ClockProbe,
    EndFacts,
    SampleOutcome,
    SampleOutcomes,
    SampleTerms,
    Schedule,
    SettingTlv,
)
from qstack.wire.twin import Attempt, CountClicks
from qstack.wire.value import Message
from tests.proto.link.test_hostile import CYCLE_NS, EPOCH, HIGH, LOW, End

LINK = LinkId(1)
STRANGER = make_qna(64512, 99)
SOON = Cycle(EPOCH // CYCLE_NS + 3_000)
FAR = Cycle(EPOCH // CYCLE_NS + 100_000_000)


def terms(number: int) -> SampleTerms:
    return SampleTerms(link=LINK, terms=number, seed=bytes(16), share=SHARE_UNIT - 1)


def outcomes(basis: int, bit: int) -> SampleOutcomes:
    told = SampleOutcome(sequence=1, basis=basis, bit=bit, measured=DomainTime(EPOCH))
    return SampleOutcomes(link=LINK, station=LOW, outcomes=(told,))


def plan(number: int, first: Cycle = SOON, cycles: int = 300, station: Qna = HIGH) -> CalibrationPlan:
    return CalibrationPlan(link=LINK, station=station, number=number, first_cycle=first, cycles=cycles, bright=1 << 31)


def facts(**changes: int) -> EndFacts:
    fields: dict[str, Any] = {"t1_ns": 0, "t2_ns": 0, "depolarising_ns": 0, "p0": 0, "p1": 0, "move_ns": 0}
    return EndFacts(**{"link": LINK, "move_error": 0, **fields, **changes})


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        (LOW, HIGH, terms(1)),  # the master gives terms
        (HIGH, LOW, outcomes(Basis.Z_PLUS_X, 0)),
        (HIGH, LOW, outcomes(Basis.X, 2)),
        (HIGH, LOW, facts(t1_ns=1_000, t2_ns=3_000)),  # no memory dephases so slowly
        (HIGH, LOW, facts(p0=(1 << 32) - 1)),
        (LOW, HIGH, plan(1, station=LOW)),  # from the end that does not plan, to the station
        (LOW, HIGH, plan(1)),
        (HIGH, LOW, plan(1, cycles=0)),
        (HIGH, LOW, plan(1, FAR)),
        (HIGH, LOW, plan(1, Cycle(SOON - 90_000_000), cycles=30_000_000)),  # a device would go through a quarter hour
        (HIGH, LOW, plan(1, station=STRANGER)),
        (HIGH, LOW, CalibrationReport(link=LINK, station=LOW, number=1, first_cycle=SOON, cycles=3, bright=1)),
        (HIGH, LOW, ClockEcho(link=LINK, station=LOW, number=0, sent=DomainTime(0), received=DomainTime(0))),
        (HIGH, LOW, ClockProbe(link=LinkId(7), station=HIGH, number=1, sent=DomainTime(0))),
        (HIGH, LOW, Schedule(link=LINK, schedule=1, queue_sequence=1, first_cycle=SOON, cycles=5, stride=5, windows=1,
                             memories=1, allowance=1, options=(SettingTlv(terms=4),))),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_violation_and_changes_nothing(own: Qna, other: Qna, said: Message) -> None:
    end = End(own, other, (HIGH,))
    with pytest.raises(PeerViolation):
        end.receive(said)
    assert not end.done


def test_terms_come_in_order() -> None:
    end = End(HIGH, LOW, (HIGH,))
    end.receive(terms(3))
    for number in (3, 2):
        with pytest.raises(PeerViolation):
            end.receive(terms(number))
    end.receive(terms(4))


def test_outcomes_of_pairs_that_nobody_knows_are_kept_for_a_while_and_mean_nothing() -> None:
    end = End(HIGH, LOW, (HIGH,))
    for _ in range(3):
        end.receive(outcomes(Basis.X, 1))
    assert end.machine.describe().links[0].tests == 0


def test_plan_for_both_parts_of_a_node_has_it_attempt_and_count() -> None:
    end = End(HIGH, LOW, (HIGH,))
    end.receive(plan(1))
    [attempt] = end.called(Attempt)
    assert (attempt.first_cycle, attempt.cycles, attempt.bright) == (SOON + 300, 300, 1 << 31)
    assert [each.first_cycle for each in end.called(CountClicks)] == [SOON, SOON + 300, SOON + 600]
    with pytest.raises(PeerViolation):
        end.receive(plan(1))
    for number in range(2, 30):
        end.receive(plan(number, Cycle(SOON + 1_000 * number)))
    assert len(end.called(Attempt)) <= 4, "a memory each, and no more than there are"


def test_report_of_windows_in_which_others_attempted_than_were_meant_says_nothing() -> None:
    end = End(HIGH, LOW, (LOW,))
    unit = end.machine._ends[LINK].unit
    all_of_them = ClickCount(attempted=3, clicks=1_000_000, arrival_ns=4)
    for counts in ((), (all_of_them,), (all_of_them,) * 3):
        end.receive(CalibrationReport(link=LINK, station=LOW, number=1, first_cycle=SOON, cycles=300, bright=1 << 31,
                                      counts=counts))  # fmt: skip
    assert unit.calibration.factor(0) == unit.calibration.factor(1) == 1.0
    assert end.counted("link.calibrations_failed") == 2 and end.counted("link.calibrations") == 1


def test_clock_that_was_not_asked_for_is_not_believed() -> None:
    end = End(HIGH, LOW, (LOW,))
    echo = ClockEcho(link=LINK, station=LOW, number=77, sent=DomainTime(EPOCH), received=DomainTime(2 * EPOCH))
    end.receive(echo)
    assert end.machine.describe().links[0].clock_offset_ns is None


def test_station_tells_the_time_to_ends_alone() -> None:
    end = End(LOW, HIGH, (LOW,))
    end.receive(ClockProbe(link=LINK, station=LOW, number=5, sent=DomainTime(7)))
    [echo] = end.sent(ClockEcho)
    assert (echo.number, echo.sent, echo.received) == (5, 7, EPOCH)

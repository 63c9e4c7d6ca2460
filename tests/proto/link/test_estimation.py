"""The estimation unit: what it is told changes how the link is set and what its pairs are said to be worth."""

import random

import pytest

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.ids import Cycle
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime, Instant
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from qstack.proto.link.calibration import Count, Round
from qstack.proto.link.estimation import EstimationParameters, EstimationUnit
from qstack.proto.link.handling import EndHandling, expected_agreement
from qstack.proto.link.rounds import OwnSample, Seen, agrees
from qstack.proto.link.settings import bright_to_wire
from qstack.proto.link.tally import TESTED_BASES, TallyParameters
from qstack.quantum.detectors import Detector
from qstack.quantum.formulas import fidelity
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel
from qstack.quantum.schemes import SingleClick

NOW = DomainTime(1_000 * SECOND_NS)
CYCLE_NS = 10 * MICROSECOND_NS


def single_click(visibility: float = 0.9, detection: float = 1e-3) -> LinkHardware:
    return LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (detection, detection), visibility))


def unit(hardware: LinkHardware, *, own: EndHandling | None = None, is_lower: bool = True) -> EstimationUnit:
    parameters = EstimationParameters(tally=TallyParameters(remembered_tests=3_000))
    return EstimationUnit(hardware, own or EndHandling(), parameters, is_lower=is_lower, slot_cycles=1_000)


def observe(
    told: EstimationUnit, truth: LinkHardware, tests: int, *, ends: tuple[EndHandling, EndHandling] | None = None,
    waits_ns: tuple[int, int] = (0, 0), seed: int = 1, is_lower: bool = True,
) -> None:  # fmt: skip
    """Tests of pairs that the true hardware makes at the unit's own choice for F 0.8."""
    dice = random.Random(seed)
    ends = ends or (EndHandling(), EndHandling())
    for n in range(tests):
        found = told.setting(PairKind.KEEP, 0.8, NOW)
        bright = bright_to_wire(found.bright if found is not None else 0.01)
        bell, basis = dice.choice((BellIndex.PSI_PLUS, BellIndex.PSI_MINUS)), dice.choice(TESTED_BASES)
        state = truth.at(bright / 2**32 if bright else None).state(bell)
        same = expected_agreement(state, ends, waits_ns, basis)
        mine, other = 0, int(dice.random() >= (1.0 + same) / 2.0)
        measured = [DomainTime(NOW + wait_ns) for wait_ns in (waits_ns if is_lower else waits_ns[::-1])]
        told.note_sample(OwnSample(Seen(basis, mine, measured[0]), bell, bright, NOW), Seen(basis, other, measured[1]),
                         Instant(n))  # fmt: skip


def brightness(told: EstimationUnit, min_fidelity: float) -> float | None:
    found = told.setting(PairKind.KEEP, min_fidelity, NOW)
    return None if found is None else found.bright


@pytest.mark.parametrize("is_lower", [True, False])
def test_worse_device_is_noticed_and_the_link_is_driven_dimmer(is_lower: bool) -> None:
    told, truth = unit(single_click(), is_lower=is_lower), single_click(visibility=0.6)
    before = brightness(told, 0.8)
    observe(told, truth, 6_000, is_lower=is_lower)
    after = brightness(told, 0.8)
    assert before == pytest.approx(0.179, abs=0.002) and after is not None
    assert truth.at(after).fidelity == pytest.approx(0.8, abs=0.012)
    seen = told.fidelity(bright_to_wire(after), NOW)
    assert seen.low < truth.at(after).fidelity < seen.high and told.contradicted > 500


def test_fidelity_that_the_true_device_cannot_reach_is_refused_once_there_is_no_doubt() -> None:
    told, truth = unit(single_click()), single_click(visibility=0.4)  # at best (1 + sqrt 0.4) / 2 = 0.816
    assert brightness(told, 0.9) is not None
    observe(told, truth, 60)
    assert brightness(told, 0.9) is not None, "a few unlucky tests do not end a link"
    observe(told, truth, 4_000, seed=2)
    assert brightness(told, 0.9) is None and brightness(told, 0.75) is not None


def test_what_memory_and_readout_do_is_not_held_against_the_link() -> None:
    end, other = EndHandling(MemoryModel(0, 20 * MILLISECOND_NS)), EndHandling(MemoryModel(readout=(0.05, 0.02)))
    for ends, is_lower in (((end, other), True), ((other, end), False)):
        told = unit(single_click(), own=end, is_lower=is_lower)
        told.meet(other)
        observe(told, single_click(), 6_000, ends=ends, waits_ns=(4_000_000, 9_000_000), is_lower=is_lower)
        bright = bright_to_wire(0.1)
        assert told.fidelity(bright, NOW).value == pytest.approx(single_click().at(0.1).fidelity, abs=0.025)


def test_state_told_has_its_correction_and_the_lower_end_first() -> None:
    lopsided = LinkHardware(CYCLE_NS, SingleClick((0.1, 0.3), (1e-3, 3e-3), 0.9))
    told = unit(lopsided)
    state = told.state(0, BellIndex.PSI_PLUS, NOW)
    assert state == pytest.approx(lopsided.at().state(BellIndex.PSI_PLUS))
    assert state[3] != pytest.approx(state[12]), "the halves differ"


def test_lateness_of_the_station_is_followed_and_costs_brightness() -> None:
    told = unit(single_click(), own=EndHandling(MemoryModel(0, 50 * MILLISECOND_NS)))
    before, late_ns = brightness(told, 0.8), told.late_ns
    assert late_ns == pytest.approx(MILLISECOND_NS, rel=0.1)
    for _ in range(100):
        told.note_late(2_000_000)
    assert told.late_ns == pytest.approx(2_000_000, rel=0.2)
    after = brightness(told, 0.8)
    assert before is not None and after is not None and after < before


def test_other_ends_memories_count() -> None:
    told = unit(single_click())
    before = brightness(told, 0.8)
    told.meet(EndHandling(MemoryModel(0, 20 * MILLISECOND_NS)))
    after = brightness(told, 0.8)
    assert before is not None and after is not None and after < before


def test_calibrated_detection_changes_the_expected_rate() -> None:
    told = unit(single_click())
    before = told.setting(PairKind.KEEP, 0.8, NOW)
    for n in range(100):  # half of the light that was configured
        told.note_round(Round(Cycle(n), 0.5, Count(100_000, 25), Count(100_000, 25), Count(100_000, 0)))
    after = told.setting(PairKind.KEEP, 0.8, NOW)
    assert before is not None and after is not None
    assert after.cycles_per_pair == pytest.approx(2 * before.cycles_per_pair, rel=0.05)


def test_answers_are_kept_until_something_changes() -> None:
    told = unit(single_click())
    first = told.setting(PairKind.KEEP, 0.8, NOW)
    assert told.setting(PairKind.KEEP, 0.8, NOW) is first
    for n in range(200):
        told.setting(PairKind.KEEP, 0.5 + n / 1_000, NOW)
    assert told.setting(PairKind.KEEP, 0.8, NOW) == first


def test_link_that_cannot_be_set_and_whose_light_dims_with_noise() -> None:
    told = unit(LinkHardware.fixed(LinkModel.werner(cycle_ns=1_000, success_probability=0.1, fidelity=0.9)))
    found = told.setting(PairKind.KEEP, 0.85, NOW)
    assert found is not None and found.bright is None and told.setting(PairKind.KEEP, 0.95, NOW) is None
    noisy = LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (1e-3, 1e-3), 0.9),
                         detector=Detector(dark_count_probability=1e-6))  # fmt: skip
    assert fidelity(unit(noisy).state(bright_to_wire(0.1), 2, NOW), 2) < 0.875


def test_outcomes_in_two_bases_say_nothing() -> None:
    told = unit(single_click())
    told.note_sample(OwnSample(Seen(TESTED_BASES[0], 0, NOW), 2, 0, NOW), Seen(TESTED_BASES[1], 0, NOW), Instant(0))
    assert told.tally.tests == 0
    assert agrees(0, TESTED_BASES[0], 0, 0)


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.0}, {"late_ns": -1}])
def test_parameters_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalMisuse):
        EstimationParameters(**wrong)  # type: ignore[arg-type]

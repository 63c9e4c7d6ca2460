"""The choice of a setting: against published single-click vectors, and against what memory and readout take away."""

from dataclasses import replace
from math import sqrt

import pytest

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import ErrorCode, LocalMisuse
from qstack.base.pairs import PairKind
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS
from qstack.proto.link.handling import EndHandling, expected_agreement
from qstack.proto.link.settings import (
    BRIGHT_UNIT,
    Setting,
    SettingParameters,
    Terms,
    bright_to_wire,
    choose_setting,
    delivered,
    time_refusal,
)
from qstack.quantum.detectors import Detector
from qstack.quantum.formulas import bell_state, error_rates, fidelity
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel, Operation
from qstack.quantum.schemes import SingleClick

IDEAL = (EndHandling(), EndHandling())
SLOT = 1_000
PARAMETERS = SettingParameters()


def single_click(dark: float = 0.0, eta: float = 1e-3, visibility: float = 0.9) -> LinkHardware:
    return LinkHardware(10 * MICROSECOND_NS, SingleClick((0.1, 0.1), (eta, eta), visibility),
                        detector=Detector(dark_count_probability=dark))  # fmt: skip


def choose(
    hardware: LinkHardware, min_fidelity: float, ends: tuple[EndHandling, EndHandling] = IDEAL, *,
    kind: PairKind = PairKind.KEEP, late_ns: int = 0, parameters: SettingParameters = PARAMETERS,
) -> Setting | None:  # fmt: skip
    return choose_setting(Terms(hardware, ends, late_ns, kind, fidelity), min_fidelity, SLOT, parameters)


def forgetting(t1_ms: float = 0.0, t2_ms: float = 0.0, **more: object) -> tuple[EndHandling, EndHandling]:
    end = EndHandling(MemoryModel(round(t1_ms * MILLISECOND_NS), round(t2_ms * MILLISECOND_NS)), **more)  # type: ignore[arg-type]
    return end, end


@pytest.mark.parametrize(
    ("bright", "probability", "reached"),
    [(0.05, 9.9998e-5, 0.9256), (0.1, 1.9999e-4, 0.8770), (0.3, 5.9991e-4, 0.6821)],
)
def test_brightest_setting_is_that_of_the_published_vectors(bright: float, probability: float, reached: float) -> None:
    found = choose(single_click(), reached)
    assert found is not None and found.bright == pytest.approx(bright, abs=2e-4)
    assert found.model.success_probability == pytest.approx(probability, rel=2e-3)
    assert found.cycles_per_pair == pytest.approx(1.0 / probability, rel=2e-3)
    assert found.cycles == SLOT, "ideal memories: nothing is gained by shorter windows"
    assert reached <= found.fidelity <= reached + 1e-4


def test_what_no_setting_reaches_is_refused() -> None:
    best = (1.0 + sqrt(0.9)) / 2.0
    assert choose(single_click(), best - 0.005) is not None
    assert choose(single_click(), best) is None


def test_dark_counts_make_the_lowest_brightness_bad_too() -> None:
    """Between the brightness at which dark counts prevail and the one at which two photons do is one that will do."""
    hardware = single_click(dark=1e-6)
    assert hardware.at(hardware.bright_range[0]).fidelity < 0.5
    found = choose(hardware, 0.85)
    assert found is not None and found.bright is not None and 0.01 < found.bright < 0.15
    assert hardware.at(found.bright * 1.001).fidelity < 0.85 <= hardware.at(found.bright).fidelity


def test_forgetting_memories_ask_for_a_dimmer_setting_and_a_shorter_window() -> None:
    ideal, slow, fast = (choose(single_click(), 0.8, ends) for ends in (IDEAL, forgetting(0, 500), forgetting(0, 20)))
    assert ideal is not None and slow is not None and fast is not None
    assert ideal.bright is not None and slow.bright is not None and fast.bright is not None
    assert ideal.bright > slow.bright > fast.bright
    assert ideal.cycles == SLOT > fast.cycles
    for found, ends in ((slow, forgetting(0, 500)), (fast, forgetting(0, 20))):
        oldest = delivered(found.model.state(2), (False, False), ends, found.cycles * found.model.cycle_ns)
        assert fidelity(oldest, 2) == pytest.approx(0.8, abs=1e-3)


def test_memories_that_forget_before_anybody_can_know_are_refused() -> None:
    ends = forgetting(0, 5)
    assert choose(single_click(), 0.8, ends, late_ns=0) is not None
    assert choose(single_click(), 0.8, ends, late_ns=2 * MILLISECOND_NS) is None


def test_measuring_at_once_is_spared_the_memory_but_not_the_readout() -> None:
    ends = forgetting(0, 1)
    assert choose(single_click(), 0.85, ends) is None
    found = choose(single_click(), 0.85, ends, kind=PairKind.MEASURE)
    assert found is not None and found.fidelity == pytest.approx(0.85, abs=1e-4)
    blind = EndHandling(MemoryModel(readout=(0.05, 0.005)))
    dimmer = choose(single_click(), 0.85, (blind, blind), kind=PairKind.MEASURE)
    assert dimmer is not None and dimmer.bright is not None and found.bright is not None
    assert dimmer.bright < found.bright
    told = [fidelity(delivered(dimmer.model.state(bell), (True, True), (blind, blind), 0), bell) for bell in (2, 3)]
    assert min(told) == pytest.approx(0.85, abs=1e-4)


def test_one_half_measured_and_one_kept_is_the_worse_of_both_ways() -> None:
    ends = EndHandling(MemoryModel(0, 50 * MILLISECOND_NS)), EndHandling(MemoryModel(readout=(0.05, 0.05)))
    found = choose(single_click(), 0.8, ends, kind=PairKind.PREPARE)
    assert found is not None
    wait_ns = found.cycles * found.model.cycle_ns
    both = [fidelity(delivered(found.model.state(2), way, ends, wait_ns), 2) for way in ((True, False), (False, True))]
    assert min(both) == pytest.approx(found.fidelity) and min(both) >= 0.8


def test_move_to_storage_costs_fidelity() -> None:
    moving = forgetting(move=Operation(500 * MICROSECOND_NS, 0.02))
    found = choose(single_click(), 0.9, moving)
    plain = choose(single_click(), 0.9)
    assert found is not None and plain is not None and found.bright is not None and plain.bright is not None
    assert found.bright < plain.bright
    assert fidelity(found.model.state(2), 2) == pytest.approx((0.9 - 0.25) / 0.98**2 + 0.25, abs=1e-4)


def test_link_that_cannot_be_set_is_taken_or_refused_and_its_window_shortened() -> None:
    hardware = LinkHardware.fixed(LinkModel.werner(cycle_ns=10_000, success_probability=0.01, fidelity=0.95))
    found = choose(hardware, 0.9, forgetting(0, 100))
    assert found is not None and found.bright is None and found.cycles < SLOT
    assert choose(hardware, 0.96) is None


def test_depolarising_and_readout_show_in_the_expected_agreement() -> None:
    memory = MemoryModel(depolarising_ns=4 * MILLISECOND_NS, readout=(0.05, 0.01))
    ends = EndHandling(memory), EndHandling(memory)
    seen = expected_agreement(bell_state(0), ends, (MILLISECOND_NS, MILLISECOND_NS), Basis.X)
    assert seen == pytest.approx(0.94**2 * 0.6065306597 + 0.04**2)  # w = exp(-1/2), and the bias of the readout
    ideal = expected_agreement(bell_state(BellIndex.PSI_MINUS), IDEAL, (0, 0), Basis.Y)
    assert ideal == pytest.approx(-1.0) and error_rates(bell_state(3), 3).y == 0.0


def test_time_that_is_too_short_even_unloaded_and_time_that_load_takes() -> None:
    found = choose(single_click(), 0.877)
    assert found is not None
    fair = round(10 * found.cycles_per_pair)
    assert time_refusal(found, 10, 3 * fair, 0, 1e-3) is None
    assert time_refusal(found, 10, fair // 20, 0, 1e-3) is ErrorCode.FIDELITY_UNATTAINABLE
    assert time_refusal(found, 10, 3 * fair, 3 * fair - fair // 20, 1e-3) is ErrorCode.NO_TIME
    assert time_refusal(found, 10, 3 * fair, 5 * fair, 1e-3) is ErrorCode.NO_TIME
    assert time_refusal(found, 1, 1, 0, 1e-3) is ErrorCode.FIDELITY_UNATTAINABLE


def test_setting_travels_in_parts_and_never_as_the_links_own() -> None:
    assert bright_to_wire(None) == 0 and bright_to_wire(1e-12) == 1 and bright_to_wire(1.0) == BRIGHT_UNIT - 1
    assert bright_to_wire(0.25) == BRIGHT_UNIT // 4


@pytest.mark.parametrize("wrong", [{"shortest_window_ns": -1}, {"risk": 0.0}])
def test_parameters_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalMisuse):
        replace(PARAMETERS, **wrong)  # type: ignore[arg-type]


def test_shorter_windows_are_not_looked_at_for_ever() -> None:
    found = choose(single_click(), 0.8, forgetting(0, 20), parameters=SettingParameters(0))
    assert found is not None

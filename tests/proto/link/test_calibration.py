"""Calibration from counts: what is measured converges to what the device truly is, and few clicks change little."""

import random
from dataclasses import replace
from math import exp

import pytest

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Cycle
from qstack.proto.link.calibration import Calibration, CalibrationParameters, Count, Round, can_be_calibrated
from qstack.quantum.channels import Fibre
from qstack.quantum.detectors import Detector
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.raman import ClassicalLight
from qstack.quantum.schemes import SingleClick
from qstack.quantum.turns import Turns

CYCLES = 330
BRIGHT = 0.5
PARAMETERS = CalibrationParameters(bright=BRIGHT)


def single_click(detection: tuple[float, float], dark: float) -> LinkHardware:
    return LinkHardware(10_000, SingleClick((0.1, 0.1), detection), detector=Detector(dark_count_probability=dark))


def clicks(dice: random.Random, mean: float) -> int:
    """Poisson."""
    bound, product, found = exp(-mean), dice.random(), 0
    while product > bound:
        product *= dice.random()
        found += 1
    return found


def counted(truth: LinkHardware, dice: random.Random, *, cycles: int = CYCLES, number: int = 0) -> Round:
    """A round as a station of the true hardware counts it."""

    def count(bright: tuple[float, float], arrival_ns: int = 0) -> Count:
        return Count(cycles, clicks(dice, cycles * truth.at(bright).success_probability), arrival_ns)

    return Round(Cycle(3 * cycles * number), BRIGHT, count((BRIGHT, 0.0), 25_000), count((0.0, BRIGHT), 50_000),
                 count((0.0, 0.0)))  # fmt: skip


def test_uncalibrated_link_is_as_configured() -> None:
    hardware = single_click((1e-3, 2e-3), 1e-6)
    calibration = Calibration(hardware, PARAMETERS)
    assert calibration.hardware is hardware
    assert calibration.factor(0) == 1.0 and calibration.dark == pytest.approx(1e-6)
    assert calibration.arrival_ns(0) is None


def test_detection_and_dark_counts_converge_to_the_truth() -> None:
    truth = single_click((0.03, 0.08), 1e-4)
    calibration = Calibration(single_click((0.05, 0.05), 1e-6), replace(PARAMETERS, remembered_rounds=100_000))
    dice = random.Random(1)
    for n in range(3_000):
        calibration.note(counted(truth, dice, number=n))
    found = calibration.hardware
    assert isinstance(found.scheme, SingleClick)
    assert found.scheme.detection == pytest.approx((0.03, 0.08), rel=0.03)
    assert found.detector.dark == pytest.approx(1e-4, rel=0.2)
    assert found.at(0.1).success_probability == pytest.approx(truth.at(0.1).success_probability, rel=0.03)
    assert found.at(0.1).fidelity == pytest.approx(truth.at(0.1).fidelity, abs=0.005)
    assert calibration.arrival_ns(0) == pytest.approx(25_000) and calibration.arrival_ns(1) == pytest.approx(50_000)


@pytest.mark.parametrize("turns", [None, Turns(100, 30, 10)], ids=["always lit", "in turns"])
def test_shared_fibre_as_configured_stays_as_it_is(turns: Turns | None) -> None:
    """Light of classical channels is no dark count that comes on top, and cycles of their bursts are no attempts."""
    light, arms = ClassicalLight(-10.0), (Fibre(5.0), Fibre(5.0))
    truth = LinkHardware(
        10_000, SingleClick((0.1, 0.1), (0.05, 0.05)), arms, Detector(dark_count_probability=1e-5, window_ns=1_000.0),
        (light, light), turns,
    )  # fmt: skip
    assert (turns is None) == (truth.dark > 2e-5)
    calibration = Calibration(truth, replace(PARAMETERS, remembered_rounds=100_000))
    dice = random.Random(5)
    for n in range(600):
        counts = [
            Count(CYCLES, len(truth.sample(n * CYCLES, CYCLES, bright, CYCLES, lambda _: dice.random())), 0)
            for bright in ((BRIGHT, 0.0), (0.0, BRIGHT), (0.0, 0.0))
        ]
        calibration.note(Round(Cycle(n * CYCLES), BRIGHT, *counts))
    found = calibration.hardware
    assert found.at(0.1).cycle_probability == pytest.approx(truth.at(0.1).cycle_probability, rel=0.05)
    assert found.at(0.1).fidelity == pytest.approx(truth.at(0.1).fidelity, abs=0.02)


def test_few_clicks_change_little() -> None:
    calibration = Calibration(single_click((1e-3, 1e-3), 0.0), PARAMETERS)
    calibration.note(Round(Cycle(0), BRIGHT, Count(CYCLES, 3), Count(CYCLES, 0), Count(CYCLES, 0)))
    assert calibration.factor(0) == pytest.approx(1.05, abs=0.02)
    assert calibration.factor(1) == pytest.approx(1.0, abs=0.01)


def test_change_is_followed() -> None:
    calibration = Calibration(single_click((0.05, 0.05), 0.0), replace(PARAMETERS, remembered_rounds=200))
    dice = random.Random(2)
    for detection, tolerance in ((0.05, 0.1), (0.02, 0.15)):
        for n in range(1_500):
            calibration.note(counted(single_click((detection, 0.05), 1e-9), dice, number=n))
        assert calibration.factor(0) == pytest.approx(detection / 0.05, rel=tolerance)
    assert calibration.factor(1) == pytest.approx(1.0, rel=0.1)


def test_spoilt_windows_do_not_count() -> None:
    calibration = Calibration(single_click((0.05, 0.05), 0.0), PARAMETERS)
    calibration.note(Round(Cycle(0), BRIGHT, None, None, None))
    assert calibration.factor(0) == calibration.factor(1) == 1.0 and calibration.dark == 0.0


def test_dead_arm_is_seen_as_dark() -> None:
    calibration = Calibration(single_click((0.05, 0.05), 0.0), PARAMETERS)
    for n in range(200):
        calibration.note(Round(Cycle(n), BRIGHT, Count(CYCLES, 0), Count(CYCLES, 8), Count(CYCLES, 0)))
    assert calibration.factor(0) < 0.05 and calibration.factor(1) == pytest.approx(1.0, rel=0.1)
    assert calibration.hardware.at(0.1).success_probability > 0.0


def test_only_single_click_links_are_calibrated() -> None:
    assert can_be_calibrated(single_click((1e-3, 1e-3), 0.0))
    assert not can_be_calibrated(LinkHardware.fixed(LinkModel.werner(cycle_ns=1_000)))


@pytest.mark.parametrize(
    "wrong", [{"interval_ns": -1}, {"first_ns": 0}, {"bright": 0.0}, {"prior_clicks": 0.0}, {"remembered_rounds": 0}]
)
def test_parameters_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalMisuse):
        replace(PARAMETERS, **wrong)  # type: ignore[arg-type]

"""Links before a setting is chosen: what they are at a setting, which setting reaches a fidelity, what they yield."""

from itertools import pairwise
from math import exp, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.schemes import DoubleClick, SingleClick, Werner

CYCLE_NS = 10_000


def draws(name):
    chance = Chance(b"hardware")
    return lambda n: chance.uniform(name + n.to_bytes(4, "big"))


def single(**more):
    return LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (1e-3, 1e-3), 0.9), **more)


def test_hardware_at_its_own_setting_is_the_configured_link():
    model = single().at()
    assert model == single().at(0.1) == single().at((None, 0.1)) == single().at((0.1, 0.1))
    assert model == LinkModel.single_click(cycle_ns=CYCLE_NS, bright=(0.1, 0.1), detection=(1e-3, 1e-3), visibility=0.9)


def test_hardware_ends_may_choose_differently():
    state = single().at((0.3, 0.1)).state(BellIndex.PSI_PLUS)
    assert state[12] < 0 < state[3]


@pytest.mark.parametrize("scheme", [Werner(0.1, 0.9), DoubleClick((0.1, 0.1))])
def test_hardware_without_a_setting_ignores_it(scheme):
    link = LinkHardware(CYCLE_NS, scheme)
    assert not link.tunable and link.bright_range == (0.0, 0.0)
    assert link.at(0.3) == link.at((0.1, None), 10**18) == link.at()


def test_hardware_fixed_is_the_model_it_was_given():
    model = LinkModel.double_click(cycle_ns=7, detection=(0.5, 0.1), arm_delays_ns=(3, 4))
    link = LinkHardware.fixed(model)
    assert link.at() == link.at(0.2, 5) == model
    assert not link.tunable


def test_hardware_loses_light_in_arms_and_detectors():
    link = single(arms=(Fibre(10.0), Fibre(15.0)), detector=Detector(efficiency=0.5))
    eta = [1e-3 * 0.5 * 10 ** (-0.2 * length / 10) for length in (10, 15)]
    expected = LinkModel.single_click(cycle_ns=CYCLE_NS, bright=(0.1, 0.1), detection=(eta[0], eta[1]), visibility=0.9)
    model = link.at()
    assert model.success_probability == pytest.approx(expected.success_probability, rel=1e-12)
    assert model.arm_delays_ns == (48_967, 73_451)
    assert model.herald_delay_ns == 73_451


@pytest.mark.parametrize("wanted", [0.6, 0.68, 0.75, 0.877, 0.92, 0.9485])
def test_hardware_chooses_the_brightest_setting_that_suffices(wanted):
    link = single(detector=Detector(dark_count_probability=1e-8))
    chosen = link.choose(wanted)
    assert chosen is not None
    assert link.at(chosen).fidelity >= wanted
    assert chosen == link.bright_range[1] or link.at(chosen + 1e-9).fidelity < wanted


@given(wanted=st.floats(0.3, 1.0), dark=st.floats(0.0, 1e-4), seen=st.floats(1e-4, 1.0), visibility=st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_hardware_finds_a_setting_when_there_is_one(wanted, dark, seen, visibility):
    scheme = SingleClick((0.1, 0.1), (seen, seen), visibility)
    link = LinkHardware(CYCLE_NS, scheme, detector=Detector(dark_count_probability=dark))
    low, high = link.bright_range
    grid = [low + (high - low) * n / 200 for n in range(201)]
    enough = [bright for bright in grid if link.at(bright).fidelity >= wanted]
    chosen = link.choose(wanted)
    assert (chosen is not None) or not enough
    if chosen is not None:
        assert link.at(chosen).fidelity >= wanted
        assert not enough or chosen >= enough[-1]


def test_hardware_that_cannot_be_tuned_suffices_or_not():
    link = LinkHardware(CYCLE_NS, Werner(0.1, 0.9))
    assert link.choose(0.89) == 0.0
    assert link.choose(0.91) is None


def test_hardware_samples_what_its_model_says():
    link = LinkHardware(CYCLE_NS, SingleClick((0.3, 0.2), (0.05, 0.08), 0.9))
    model, cycles = link.at(), 400_000
    found = link.sample(1_000, cycles, None, cycles, draws(b"rate"))
    expected = cycles * model.success_probability
    assert abs(len(found) - expected) < 4 * sqrt(expected)
    plus = sum(success.state.bell_index is BellIndex.PSI_PLUS for success in found)
    assert abs(plus - len(found) / 2) < 4 * sqrt(len(found)) / 2
    assert all(formulas.fidelity(s.state.correlations, s.state.bell_index) == model.fidelity for s in found)


def test_hardware_blind_detector_misses_the_cycles_behind_a_success():
    link = LinkHardware(CYCLE_NS, Werner(0.2), detector=Detector(dead_ns=35_000))
    assert link.at().dead_cycles == 3
    cycles = 200_000
    offsets = [success.offset for success in link.sample(0, cycles, None, cycles, draws(b"dead"))]
    assert min(later - earlier for earlier, later in pairwise(offsets)) == 4
    expected = link.at().rate_hz * cycles * CYCLE_NS * 1e-9
    assert abs(len(offsets) - expected) < 4 * sqrt(expected)


@pytest.mark.parametrize(
    ("dead_ns", "window_ns", "missed"),
    [(0, 500.0, 0), (50, 10.0, 0), (9_990, 10.0, 0), (9_991, 10.0, 1), (10_000, 0.0, 0), (25_000, 0.0, 2)],
)
def test_hardware_blind_detector_misses_windows_that_open_too_early(dead_ns, window_ns, missed):
    assert Detector(window_ns=window_ns, dead_ns=dead_ns).dead_cycles(10_000) == missed


def test_hardware_samples_at_most_what_is_asked_for():
    link = LinkHardware(CYCLE_NS, Werner())
    assert [success.offset for success in link.sample(5, 10, None, 3, draws(b"few"))] == [0, 1, 2]
    assert link.sample(5, 10, None, 0, draws(b"few")) == []
    assert link.sample(5, 0, None, 3, draws(b"few")) == []


def test_hardware_dark_counts_come_with_the_window():
    assert Detector(dark_count_hz=100.0, window_ns=1_000).dark == pytest.approx(1e-4, rel=1e-3)
    both = Detector(dark_count_probability=0.5, dark_count_hz=1e9, window_ns=1)
    assert both.dark == pytest.approx(1 - 0.5 * exp(-1))


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: single().at(1.1),
        lambda: single(arms=(Fibre(-1.0), Lossless())),
        lambda: Fibre(1.0, group_index=0.9),
        lambda: Lossless(-1),
        lambda: Detector(efficiency=1.1),
        lambda: Detector(dark_count_hz=1.0),
        lambda: Detector(dead_ns=-1),
        lambda: SingleClick((0.1, 0.1), bright_range=(0.2, 0.1)),
        lambda: SingleClick((0.1, 1.1)),
        lambda: LinkHardware(0, Werner()),
    ],
)
def test_hardware_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

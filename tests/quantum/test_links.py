"""Link and memory models: closed forms, and sampling that agrees with them."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas, reference
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.heralding import HeraldedState
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel

probabilities = st.floats(0.0, 1.0)


def sample_successes(model, cycles, most, draw):
    return LinkHardware.fixed(model).sample(0, cycles, None, most, draw)


def draws(name):
    chance = Chance(b"models")
    return lambda n: chance.uniform(name + n.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("alpha", "success", "fidelity"), [(0.05, 9.9998e-5, 0.9256), (0.1, 1.9999e-4, 0.8770), (0.3, 5.9991e-4, 0.6821)]
)
def test_single_click_matches_the_vectors(alpha, success, fidelity):
    model = LinkModel.single_click(cycle_ns=10_000, bright=(alpha, alpha), detection=(1e-3, 1e-3), visibility=0.9)
    assert model.success_probability == pytest.approx(success, rel=2e-5)
    for herald in model.heralds:
        assert formulas.fidelity(herald.correlations, herald.bell_index) == pytest.approx(fidelity, abs=6e-5)


@given(bright=st.tuples(probabilities, probabilities), detection=st.tuples(probabilities, probabilities),
       dark=st.floats(0.01, 0.5), visibility=probabilities)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_single_click_always_leaves_a_state(bright, detection, dark, visibility):
    model = LinkModel.single_click(
        cycle_ns=1, bright=bright, detection=detection, dark_count_probability=dark, visibility=visibility
    )
    for herald in model.heralds:
        assert reference.is_state(np.array(herald.correlations).reshape(4, 4))


def test_single_click_keeps_which_end_is_brighter():
    model = LinkModel.single_click(cycle_ns=1, bright=(0.3, 0.1), detection=(0.1, 0.1))
    state = model.state(BellIndex.PSI_PLUS)
    assert state[12] < 0 < state[3]  # <Z I> leans to |1>, <I Z> to |0>


@pytest.mark.parametrize("visibility", (0.0, 0.5, 0.9, 1.0))
def test_double_click_has_the_closed_form(visibility):
    model = LinkModel.double_click(cycle_ns=1, detection=(0.2, 0.3), visibility=visibility)
    assert model.success_probability == pytest.approx(0.03)
    for herald in model.heralds:
        fidelity = formulas.fidelity(herald.correlations, herald.bell_index)
        assert fidelity == pytest.approx((1 + visibility) / 2)


def test_werner_link_heralds_what_linear_optics_can_tell_apart():
    model = LinkModel.werner(cycle_ns=1, fidelity=0.9)
    assert [herald.bell_index for herald in model.heralds] == [BellIndex.PSI_PLUS, BellIndex.PSI_MINUS]
    assert formulas.fidelity(model.state(BellIndex.PSI_MINUS), BellIndex.PSI_MINUS) == pytest.approx(0.9)
    with pytest.raises(LocalMisuse, match="never heralds"):
        model.state(BellIndex.PHI_PLUS)


def test_sampling_a_certain_link_succeeds_in_every_cycle_until_the_memories_are_full():
    model = LinkModel.werner(cycle_ns=1)
    assert [s.offset for s in sample_successes(model, 10, 100, draws(b"a"))] == list(range(10))
    assert [s.offset for s in sample_successes(model, 10, 3, draws(b"a"))] == [0, 1, 2]
    assert sample_successes(model, 10, 0, draws(b"a")) == []


@pytest.mark.parametrize("probability", (0.0, 1e-300, 5e-324))
def test_sampling_a_hopeless_link_ends(probability):
    model = LinkModel.werner(cycle_ns=1, success_probability=probability)
    assert sample_successes(model, 2**32 - 1, 10, draws(b"b")) == []


@given(
    probability=st.floats(0.001, 1.0), cycles=st.integers(0, 500), most=st.integers(0, 20), name=st.binary(max_size=4)
)
@settings(max_examples=100, deadline=None)
def test_sampling_gives_rising_offsets_inside_the_window(probability, cycles, most, name):
    model = LinkModel.werner(cycle_ns=1, success_probability=probability)
    offsets = [s.offset for s in sample_successes(model, cycles, most, draws(name))]
    assert offsets == sorted(set(offsets)) and len(offsets) <= most
    assert all(0 <= offset < cycles for offset in offsets)


def test_sampling_agrees_with_the_success_probability():
    model = LinkModel.werner(cycle_ns=1, success_probability=0.02)
    cycles, windows = 5_000, 40
    found = [s for n in range(windows) for s in sample_successes(model, cycles, cycles, draws(bytes([n])))]
    expected = cycles * windows * 0.02
    assert abs(len(found) - expected) < 5 * sqrt(expected * 0.98)
    plus = sum(s.state.bell_index is BellIndex.PSI_PLUS for s in found)
    assert abs(plus - len(found) / 2) < 5 * sqrt(len(found)) / 2


def test_sampling_chooses_heralds_by_their_shares():
    heralds = tuple(
        HeraldedState(bell, share, formulas.bell_state(bell))
        for bell, share in ((BellIndex.PHI_PLUS, 0.75), (BellIndex.PSI_MINUS, 0.25))
    )
    found = sample_successes(LinkModel(1, 1.0, heralds), 2_000, 2_000, draws(b"c"))
    share = sum(s.state.bell_index is BellIndex.PHI_PLUS for s in found) / 2_000
    assert share == pytest.approx(0.75, abs=5 * sqrt(0.75 * 0.25 / 2_000))


def test_a_link_knows_after_its_longer_arm():
    assert LinkModel.werner(cycle_ns=1, arm_delays_ns=(50_000, 75_000)).herald_delay_ns == 75_000


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: LinkModel.werner(cycle_ns=0),
        lambda: LinkModel.werner(cycle_ns=1, arm_delays_ns=(0, -1)),
        lambda: LinkModel.werner(cycle_ns=1, success_probability=1.1),
        lambda: LinkModel(1, 0.5, ()),
        lambda: LinkModel.single_click(cycle_ns=1, bright=(1.1, 0), detection=(1, 1)),
        lambda: LinkModel.single_click(cycle_ns=1, bright=(0, 0), detection=(1, 1)),
        lambda: LinkModel.single_click(cycle_ns=1, bright=(0.1, 0.1), detection=(1, 1), visibility=2),
        lambda: LinkModel.double_click(cycle_ns=1, detection=(1, 2)),
        lambda: MemoryModel(t1_ns=10, t2_ns=21),
        lambda: MemoryModel(readout=(0.0, 0.6)),
    ],
)
def test_a_model_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

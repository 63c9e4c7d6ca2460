"""Heralding: published values, limits, and a simulation in Fock space that knows none of the closed forms."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.quantum import formulas, reference
from qstack.quantum.heralding import double_click, single_click
from tests.quantum import fock

probabilities = st.floats(0.0, 1.0)
settings_of_a_midpoint = {
    "detection": st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)), "dark": st.floats(0.0, 0.3),
    "visibility": probabilities,
}  # fmt: skip


def of(heralds, bell):
    return np.array(next(each.correlations for each in heralds if each.bell_index == bell)).reshape(4, 4)


def spin(alpha):
    return np.array([sqrt(1 - alpha), sqrt(alpha)])


def check(simulated, heralding, signs):
    """`simulated`: unnormalised states by what clicked; `signs`: which Bell index each of them means."""
    assert sum(np.trace(state).real for state in simulated.values()) == pytest.approx(
        heralding.success_probability, abs=1e-12
    )
    for clicked, bell in signs.items():
        share = np.trace(simulated[clicked]).real / heralding.success_probability
        assert share == pytest.approx(1 / len(signs), abs=1e-9)
        np.testing.assert_allclose(fock.correlations(simulated[clicked]), of(heralding.heralds, bell), atol=1e-9)


@given(bright=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)), **settings_of_a_midpoint)
@settings(max_examples=15, deadline=None)
def test_single_click_is_what_happens_in_fock_space(bright, detection, dark, visibility):
    ends = np.kron(spin(bright[0]), spin(bright[1]))
    simulated = fock.midpoint(np.outer(ends, ends), detection, dark, visibility)
    signs = {0: BellIndex.PSI_PLUS, 1: BellIndex.PSI_MINUS}
    if fock.correlations(simulated[0])[1, 1] < 0:
        signs = {0: BellIndex.PSI_MINUS, 1: BellIndex.PSI_PLUS}
    check(simulated, single_click(bright, detection, dark, visibility), signs)


@given(**settings_of_a_midpoint)
@settings(max_examples=8, deadline=None)
def test_double_click_is_what_happens_in_fock_space(detection, dark, visibility):
    ends = np.full(4, 0.5)
    first = fock.midpoint(np.outer(ends, ends), detection, dark, visibility)
    simulated = {}
    for one, state in first.items():
        for other, left in fock.midpoint(state, detection, dark, visibility, flipped=True).items():
            simulated[one, other] = left
    signs = {(0, 0): BellIndex.PSI_PLUS, (1, 1): BellIndex.PSI_PLUS,
             (0, 1): BellIndex.PSI_MINUS, (1, 0): BellIndex.PSI_MINUS}  # fmt: skip
    check(simulated, double_click(detection, dark, visibility), signs)


@pytest.mark.parametrize(
    ("alpha", "success", "fidelity"), [(0.05, 9.9998e-5, 0.9256), (0.1, 1.9999e-4, 0.8770), (0.3, 5.9991e-4, 0.6821)]
)
def test_single_click_has_the_published_values(alpha, success, fidelity):
    found = single_click((alpha, alpha), (1e-3, 1e-3), visibility=0.9)
    assert found.success_probability == pytest.approx(success, rel=1e-5)
    for herald in found.heralds:
        assert formulas.fidelity(herald.correlations, herald.bell_index) == pytest.approx(fidelity, abs=5e-5)


@given(bright=st.floats(0.01, 0.5), seen=st.floats(1e-4, 0.01), dark=st.floats(0.0, 1e-6), visibility=probabilities)
@settings(max_examples=50, deadline=None)
def test_single_click_agrees_with_humphreys_where_photons_are_rare(bright, seen, dark, visibility):
    """Supplement of arXiv:1712.07567: there dark counts carry coherence and two photons always bunch."""
    quiet = (1 - dark) ** 2
    noisy = 1 - quiet
    up_up = bright**2 * (quiet * (2 * seen * (1 - seen) + seen**2) + noisy * (1 - seen) ** 2)
    up_down = bright * (1 - bright) * (quiet * seen + noisy * (1 - seen))
    down_down = (1 - bright) ** 2 * noisy
    success = up_up + 2 * up_down + down_down
    fidelity = (up_down + sqrt(visibility) * up_down) / success
    found = single_click((bright, bright), (seen, seen), dark, visibility)
    assert found.success_probability == pytest.approx(success, rel=seen / 2 + dark)
    herald = found.heralds[0]
    assert formulas.fidelity(herald.correlations, herald.bell_index) == pytest.approx(
        fidelity, abs=seen / 2 + 2 * dark / seen
    )


@given(bright=st.tuples(st.floats(0.01, 1.0), probabilities), **settings_of_a_midpoint)
@settings(max_examples=100, deadline=None)
def test_heralding_always_leaves_states(bright, detection, dark, visibility):
    for found in (single_click(bright, detection, dark + 1e-6, visibility), double_click(detection, dark, visibility)):
        assert 0.0 <= found.success_probability <= 1.0
        for herald in found.heralds:
            assert reference.is_state(np.array(herald.correlations).reshape(4, 4))


@given(better=st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.5)), lost=st.floats(0.01, 0.99),
       dark=st.floats(0.0, 0.1), visibility=probabilities, bright=st.floats(0.01, 0.5))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_more_loss_never_gives_more_pairs(better, lost, dark, visibility, bright):
    worse = (better[0] * lost, better[1] * lost)
    for scheme in (lambda seen: single_click((bright, bright), seen, dark, visibility),
                   lambda seen: double_click(seen, dark, visibility)):  # fmt: skip
        assert scheme(worse).success_probability <= scheme(better).success_probability * (1 + 1e-12)


@given(seen=st.floats(0.001, 1.0), lost=st.floats(0.01, 0.99), dark=st.floats(1e-6, 0.1))
@settings(max_examples=100, deadline=None)
def test_with_dark_counts_loss_costs_fidelity(seen, lost, dark):
    def fidelity(eta):
        found = double_click((eta, eta), dark)
        return formulas.fidelity(found.heralds[0].correlations, found.heralds[0].bell_index)

    assert fidelity(seen * lost) < fidelity(seen)


def test_double_click_that_cannot_succeed_tells_its_limit():
    never, hardly = double_click((0.0, 0.5), visibility=0.9), double_click((1e-9, 0.5), visibility=0.9)
    assert never.success_probability == 0.0
    np.testing.assert_allclose(never.heralds[0].correlations, hardly.heralds[0].correlations, atol=1e-9)

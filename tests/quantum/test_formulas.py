"""Closed forms, published vectors (Bell-diagonal states, swapping, memories), and equality with the NumPy mirror."""

import subprocess
import sys
from functools import reduce
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas, reference

EXACT = 1e-12
SIX_PLACES = 6e-7
T1_NS, T2_NS = 10_000_000, 4_000_000

weights = st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4).map(lambda w: tuple(x / sum(w) for x in w))
fidelity_values = st.floats(0.0, 1.0)


def random_state(seed):
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    rho = g @ g.conj().T
    return tuple(reference.correlations(rho / np.trace(rho).real).ravel().tolist())


def as_matrix(state):
    return np.array(state).reshape(4, 4)


@pytest.mark.parametrize(
    ("state", "z", "x", "y"),
    [
        (formulas.bell_diagonal((0.8, 0.1, 0.06, 0.04)), 0.10, 0.14, 0.16),
        (formulas.werner(0.95), 0.033333, 0.033333, 0.033333),
        (formulas.werner(0.90), 0.066667, 0.066667, 0.066667),
        (formulas.werner(0.85), 0.10, 0.10, 0.10),
    ],
)
def test_formulas_error_rates_match_the_vectors(state, z, x, y):
    assert formulas.error_rates(state) == pytest.approx((z, x, y), abs=SIX_PLACES)


@pytest.mark.parametrize(
    ("fidelities", "expected"),
    [
        ([0.95, 0.95], 0.903333),
        ([0.9, 0.9], 0.813333),
        ([0.95] * 3, 0.859778),
        ([0.95] * 4, 0.819126),
        ([0.98] * 8, 0.854163),
        ([0.9, 0.8], 0.726667),
    ],
)
def test_formulas_swapped_werner_chain_matches_the_vectors(fidelities, expected):
    state = reduce(formulas.swap_estimate, map(formulas.werner, fidelities))
    assert formulas.fidelity(state) == pytest.approx(expected, abs=SIX_PLACES)


def test_formulas_swapped_bell_diagonal_matches_the_vector():
    left, right = formulas.bell_diagonal((0.8, 0.1, 0.06, 0.04)), formulas.bell_diagonal((0.75, 0.15, 0.07, 0.03))
    state = formulas.swap_estimate(left, right)
    assert formulas.fidelities(state) == pytest.approx((0.6204, 0.1996, 0.1100, 0.0700), abs=SIX_PLACES)


@pytest.mark.parametrize(
    ("elapsed_ns", "phi_both", "phi_one", "psi_both"),
    [
        (1_000_000, 0.760212, 0.865610, 0.755684),
        (2_000_000, 0.609734, 0.757948, 0.593305),
        (4_000_000, 0.457172, 0.601520, 0.402828),
    ],
)
def test_formulas_memory_matches_the_vectors(elapsed_ns, phi_both, phi_one, psi_both):
    def aged(bell, halves):
        state = formulas.bell_state(bell)
        for half in halves:
            state = formulas.decohere_estimate(state, half, elapsed_ns, T1_NS, T2_NS)
        return formulas.fidelity(state, bell)

    assert aged(BellIndex.PHI_PLUS, (0, 1)) == pytest.approx(phi_both, abs=SIX_PLACES)
    assert aged(BellIndex.PHI_PLUS, (0,)) == aged(BellIndex.PHI_PLUS, (1,)) == pytest.approx(phi_one, abs=SIX_PLACES)
    assert aged(BellIndex.PSI_PLUS, (0, 1)) == pytest.approx(psi_both, abs=SIX_PLACES)


def test_formulas_dephasing_alone_mixes_neighbouring_bell_states():
    loss = exp(-1.0) ** 2
    state = formulas.bell_diagonal((0.8, 0.1, 0.06, 0.04))
    for half in (0, 1):
        state = formulas.decohere_estimate(state, half, 4_000_000, 0, 4_000_000)
    assert formulas.fidelities(state) == pytest.approx(
        (
            (0.8 * (1 + loss) + 0.1 * (1 - loss)) / 2,
            (0.1 * (1 + loss) + 0.8 * (1 - loss)) / 2,
            (0.06 * (1 + loss) + 0.04 * (1 - loss)) / 2,
            (0.04 * (1 + loss) + 0.06 * (1 - loss)) / 2,
        ),
        abs=EXACT,
    )


MEMORIES = [(T1_NS, T2_NS, 0), (T1_NS, T2_NS, 3_000_000), (0, T2_NS, 3_000_000), (0, 0, 3_000_000), (0, 0, 0)]


@given(
    seed=st.integers(0, 2**32), half=st.integers(0, 1), elapsed=st.integers(0, 10**9), memory=st.sampled_from(MEMORIES)
)
@settings(max_examples=60, deadline=None)
def test_formulas_decoherence_of_random_state_equals_reference(seed, half, elapsed, memory):
    state = random_state(seed)
    aged = formulas.decohere_estimate(state, half, elapsed, *memory)
    assert np.abs(as_matrix(aged) - reference.decohere(as_matrix(state), half, elapsed, *memory)).max() < EXACT


@given(seed=st.integers(0, 2**32), half=st.integers(0, 1), spans=st.tuples(*[st.integers(0, 10**7)] * 2))
@settings(max_examples=30, deadline=None)
def test_formulas_two_spans_in_a_row_are_one_long_span(seed, half, spans):
    state, memory = random_state(seed), (T1_NS, T2_NS, 3_000_000)
    stepped = formulas.decohere_estimate(
        formulas.decohere_estimate(state, half, spans[0], *memory), half, spans[1], *memory
    )
    assert stepped == pytest.approx(formulas.decohere_estimate(state, half, sum(spans), *memory), abs=EXACT)


@given(seed=st.integers(0, 2**32), outcome=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_formulas_swap_outcome_of_random_states_equals_reference(seed, outcome):
    left, right = random_state(seed), random_state(seed + 1)
    probability, state = formulas.swap_outcome(left, right, outcome)
    expected, joined = reference.swap(as_matrix(left), 1, as_matrix(right), 0, outcome)
    assert probability == pytest.approx(expected, abs=EXACT)
    assert np.abs(as_matrix(state) - joined).max() < EXACT


@given(seed=st.integers(0, 2**32), frame=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_formulas_swap_estimate_is_the_average_of_corrected_outcomes(seed, frame):
    left, right = random_state(seed), random_state(seed + 1)
    outcomes = [formulas.swap_outcome(left, right, k) for k in range(4)]
    assert sum(p for p, _ in outcomes) == pytest.approx(1.0, abs=EXACT)
    average = sum(p * as_matrix(formulas.apply_pauli(state, 1, k ^ frame)) for k, (p, state) in enumerate(outcomes))
    assert np.abs(as_matrix(formulas.swap_estimate(left, right, frame)) - average).max() < EXACT


@given(a=weights, b=weights)
@settings(max_examples=60, deadline=None)
def test_formulas_bell_diagonal_swap_is_xor_convolution_for_every_outcome(a, b):
    left, right = formulas.bell_diagonal(a), formulas.bell_diagonal(b)
    convolved = tuple(sum(a[i] * b[i ^ k] for i in range(4)) for k in range(4))
    assert formulas.fidelities(formulas.swap_estimate(left, right)) == pytest.approx(convolved, abs=EXACT)
    for outcome in range(4):
        probability, state = formulas.swap_outcome(left, right, outcome)
        assert probability == pytest.approx(0.25, abs=EXACT)
        corrected = formulas.apply_pauli(state, 1, outcome)
        assert formulas.fidelities(corrected) == pytest.approx(convolved, abs=EXACT)


@given(value=fidelity_values, bell=st.sampled_from(BellIndex))
def test_formulas_werner_state_has_the_fidelity_asked_for(value, bell):
    state = formulas.werner(value, bell)
    assert formulas.fidelity(state, bell) == pytest.approx(value, abs=EXACT)
    assert sum(formulas.fidelities(state)) == pytest.approx(1.0, abs=EXACT)
    assert reference.is_state(as_matrix(state))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_formulas_transpose_names_the_halves_the_other_way_round(seed):
    state = random_state(seed)
    assert formulas.transpose(formulas.transpose(state)) == state
    aged = formulas.decohere_estimate(state, 0, 10**6, T1_NS, T2_NS)
    mirrored = formulas.decohere_estimate(formulas.transpose(state), 1, 10**6, T1_NS, T2_NS)
    assert formulas.transpose(aged) == mirrored


@pytest.mark.parametrize(("t1", "t2"), [(10, 21), (10, 0), (-1, 0), (0, -1)])
def test_formulas_memory_that_cannot_be_is_refused(t1, t2):
    with pytest.raises(LocalMisuse):
        formulas.decohere_estimate(formulas.bell_state(), 0, 1, t1, t2)


@pytest.mark.parametrize(("t1", "t2"), [(10, 20), (0, 5), (0, 0)])
def test_formulas_memory_at_the_limit_is_accepted(t1, t2):
    formulas.check_lifetimes(t1, t2)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: formulas.werner(1.01),
        lambda: formulas.werner(-0.01),
        lambda: formulas.bell_diagonal((0.5, 0.5, 0.5, -0.5)),
        lambda: formulas.bell_diagonal((0.5, 0.4, 0.0, 0.0)),
        lambda: formulas.decohere_estimate(formulas.bell_state(), 0, -1, 0, 0),
        lambda: formulas.swap_outcome(
            tuple(np.outer((1, 0, 0, 1), (1, 0, 0, 1)).ravel().tolist()),
            tuple(np.outer((1, 0, 0, 1), (1, 0, 0, 1)).ravel().tolist()),
            2,
        ),
    ],
)
def test_formulas_what_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()


def test_formulas_and_models_import_no_numpy_and_no_engine():
    """A daemon that only estimates stays small."""
    code = (
        "import sys, qstack.quantum.formulas, qstack.quantum.hardware, qstack.quantum.memories, qstack.quantum.bell;"
        "sys.exit('numpy' in sys.modules or any(name.startswith('qstack._cext') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

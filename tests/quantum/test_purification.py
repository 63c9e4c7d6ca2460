"""Purification on live pairs: published numbers, and what the map of Bell weights says."""

import itertools

import numpy as np
import pytest

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas, reference
from qstack.quantum.engine import Axis, NewPair, Readout, StateEngine
from qstack.quantum.memories import MemoryModel
from qstack.quantum.purification import End, Purification, purify, twirl

IDEAL = MemoryModel()
LOW, HIGH = 0.0, 1.0 - 2**-53
# Fidelity of two Werner pairs; probability to keep; fidelity then (Bennett 1996).
BBPSSW = [
    (0.55, 0.580000, 0.560345), (0.6, 0.608889, 0.620438), (0.7, 0.680000, 0.735294), (0.75, 0.722222, 0.788462),
    (0.8, 0.768889, 0.838150), (0.85, 0.820000, 0.884146), (0.9, 0.875556, 0.926396), (0.95, 0.935556, 0.964964),
]  # fmt: skip
# Fidelity of Werner pairs; probability and fidelity of each round with pairs of the round before (Deutsch 1996).
DEJMPS = [
    (0.7, [(0.680000, 0.735294), (0.640138, 0.845946), (0.766253, 0.934395), (0.898387, 0.972004)]),
    (0.8, [(0.768889, 0.838150), (0.744596, 0.943639), (0.901313, 0.987974), (0.979175, 0.996854)]),
    (0.6, [(0.608889, 0.620438), (0.563962, 0.688616), (0.618130, 0.771930), (0.711697, 0.841271)]),
]
LEFT, RIGHT = (0.8, 0.1, 0.06, 0.04), (0.75, 0.15, 0.07, 0.03)  # weights of Phi+, Phi-, Psi+, Psi-


def rounds(protocol, kept, given_up, bits):
    """Purify two states with these outcomes: their joint probability, and the state kept."""
    engine = StateEngine()
    pairs = engine.create([NewPair(tuple(state), (0, 0), (IDEAL, IDEAL)) for state in (kept, given_up)])
    probability = 1.0
    for end, bit in zip(End, bits, strict=True):
        [x, y] = [pair[end] for pair in pairs]
        found = purify(engine, protocol, end, x, y, 10 * (end + 1), HIGH if bit else LOW)
        assert found.told == found.outcome == bit
        probability *= found.probability
    state = engine.inspect_pair(pairs[0][0], 20)
    assert engine.live == 1 and engine.partner(pairs[0][0]) == pairs[0][1]
    return probability, state


def kept(protocol, left, right):
    """Probability that the bits agree, and the state then, the same for both ways to agree."""
    (p00, state), (p11, other) = (rounds(protocol, left, right, bits) for bits in ((0, 0), (1, 1)))
    assert np.allclose(state, other, atol=1e-12)
    return p00 + p11, state


@pytest.mark.parametrize(("fidelity", "probability", "after"), BBPSSW)
def test_bbpssw_of_werner_pairs_gives_the_published_numbers(fidelity, probability, after):
    found, state = kept(Purification.BBPSSW, formulas.werner(fidelity), formulas.werner(fidelity))
    assert found == pytest.approx(probability, abs=5e-7)
    assert formulas.fidelity(state) == pytest.approx(after, abs=5e-7)


@pytest.mark.parametrize("fidelity", (0.25, 0.5, 1.0))
def test_bbpssw_fixed_points_stay(fidelity):
    _, state = kept(Purification.BBPSSW, formulas.werner(fidelity), formulas.werner(fidelity))
    assert formulas.fidelity(state) == pytest.approx(fidelity, abs=1e-12)


@pytest.mark.parametrize(("fidelity", "expected"), DEJMPS)
def test_dejmps_of_werner_pairs_gives_the_published_numbers_round_by_round(fidelity, expected):
    state = formulas.werner(fidelity)
    for probability, after in expected:
        found, state = kept(Purification.DEJMPS, state, state)
        assert found == pytest.approx(probability, abs=5e-7)
        assert formulas.fidelity(state) == pytest.approx(after, abs=5e-7)


def test_dejmps_first_round_gives_all_four_published_weights():
    _, state = kept(Purification.DEJMPS, formulas.werner(0.7), formulas.werner(0.7))
    assert formulas.fidelities(state) == pytest.approx((0.735294, 0.205882, 0.029412, 0.029412), abs=5e-7)


@pytest.mark.parametrize(
    ("protocol", "probability", "weights"),
    [
        (Purification.BBPSSW, 0.82, (0.75, 0.237805, 0.006585, 0.005610)),
        (Purification.DEJMPS, 0.6904, (0.870800, 0.078216, 0.027810, 0.023175)),
    ],
)
def test_purification_of_unequal_bell_diagonal_pairs_gives_the_published_numbers(protocol, probability, weights):
    found, state = kept(protocol, formulas.bell_diagonal(LEFT), formulas.bell_diagonal(RIGHT))
    assert found == pytest.approx(probability, abs=5e-7)
    assert formulas.fidelities(state) == pytest.approx(weights, abs=5e-7)


@pytest.mark.parametrize("seed", range(5))
def test_purification_weights_follow_deutsch_for_any_bell_diagonal_pairs(seed):
    rng = np.random.default_rng(seed)
    (a, d, c, b), (a2, d2, c2, b2) = rng.dirichlet((4, 1, 1, 1), size=2)  # Deutsch: Phi+, Psi-, Psi+, Phi- are A B C D
    left, right = formulas.bell_diagonal((a, d, c, b)), formulas.bell_diagonal((a2, d2, c2, b2))
    found, state = kept(Purification.DEJMPS, left, right)
    total = (a + b) * (a2 + b2) + (c + d) * (c2 + d2)
    expected = (a * a2 + b * b2, a * b2 + b * a2, c * c2 + d * d2, c * d2 + d * c2)
    assert found == pytest.approx(total, abs=1e-12)
    assert formulas.fidelities(state) == pytest.approx([weight / total for weight in expected], abs=1e-12)


def test_purification_bits_that_differ_have_the_rest_of_the_probability():
    left, right = formulas.bell_diagonal(LEFT), formulas.bell_diagonal(RIGHT)
    for protocol in Purification:
        chances = [rounds(protocol, left, right, bits)[0] for bits in itertools.product((0, 1), repeat=2)]
        assert sum(chances) == pytest.approx(1.0, abs=1e-12)


def test_purification_with_imperfect_operations_gains_less():
    state, fidelities = formulas.werner(0.8), []
    for error in (0.0, 0.01, 0.05):
        engine = StateEngine()
        pairs = engine.create([NewPair(state, (0, 0), (IDEAL, IDEAL))] * 2)
        for end in End:
            purify(engine, Purification.DEJMPS, end, pairs[0][end], pairs[1][end], 0, LOW,
                   one_qubit_error=error / 10, two_qubit_error=error)  # fmt: skip
        fidelities.append(formulas.fidelity(engine.inspect_pair(pairs[0][0], 0)))
    assert fidelities == sorted(fidelities, reverse=True)


def test_purification_bit_that_is_misread_is_told_wrongly():
    engine = StateEngine()
    pairs = engine.create([NewPair(formulas.bell_state(), (0, 0), (IDEAL, IDEAL))] * 2)
    found = purify(engine, Purification.BBPSSW, End.FIRST, pairs[0][0], pairs[1][0], 0, LOW, readout=Readout(1, 0, 0.5))
    assert (found.outcome, found.told) == (0, 1)


def test_purification_refused_changes_nothing():
    engine = StateEngine()
    pairs = engine.create([NewPair(formulas.werner(0.9), born, (IDEAL, IDEAL)) for born in ((0, 0), (50, 50))])
    with pytest.raises(LocalMisuse, match="EARLY"):
        purify(engine, Purification.DEJMPS, End.FIRST, pairs[0][0], pairs[1][0], 10, LOW)
    assert engine.inspect_pair(pairs[0][0], 0) == formulas.werner(0.9) and engine.touched_ns(pairs[0][0]) == 0


def random_pair(seed):
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    rho = g @ g.conj().T
    return (1.0, *reference.correlations(rho / np.trace(rho).real).ravel()[1:])


@pytest.mark.parametrize("seed", range(3))
def test_twirl_makes_a_werner_state_on_average_and_keeps_fidelity_in_each_case(seed):
    state, total = random_pair(seed), np.zeros(16)
    for number in range(24):
        engine = StateEngine()
        [halves] = engine.create([NewPair(state, (0, 0), (IDEAL, IDEAL))])
        twirl(engine, halves, (3, 5), (number + 0.5) / 24)
        turned = engine.inspect_pair(halves[0], 5)
        assert formulas.fidelity(turned) == pytest.approx(formulas.fidelity(state), abs=1e-12)
        total += np.array(turned) / 24
    assert total == pytest.approx(formulas.werner(formulas.fidelity(state)), abs=1e-12)


def test_twirl_leaves_phi_plus_as_it_is():
    engine = StateEngine()
    for number in range(24):
        [halves] = engine.create([NewPair(formulas.bell_state(BellIndex.PHI_PLUS), (0, 0), (IDEAL, IDEAL))])
        twirl(engine, halves, (0, 0), (number + 0.5) / 24)
        assert engine.inspect_pair(halves[0], 0) == pytest.approx(formulas.bell_state())
    lone = engine.prepare([Axis(0, 0, 1)], [0], [IDEAL])
    assert engine.partner(lone[0]) is None

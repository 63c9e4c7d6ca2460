"""Published and computed numbers, on live pairs: states, chains of swaps, frames, memories."""

import itertools
from functools import reduce
from math import exp, log2, sqrt

import numpy as np
import pytest

from qstack.base.bell import PAULI_BASES, Basis, BellIndex, Gate, compose
from qstack.quantum import bell, formulas, reference
from qstack.quantum.engine import Axis, GateCall, NewPair, Readout, StateEngine
from qstack.quantum.memories import MemoryModel

IDEAL = MemoryModel()
MS = 1_000_000
DIGITS = 5e-7


def pair(engine, state, memory=IDEAL):
    return engine.create([NewPair(tuple(state), (0, 0), (memory, memory))])[0]


def measured_together(state, first, second):
    """Expectation of the product of two outcomes, from the probabilities of all four."""
    total = 0.0
    for bits in itertools.product((0, 1), repeat=2):
        engine = StateEngine()
        halves = pair(engine, state)
        chance = 1.0
        for half, basis, bit in zip(halves, (first, second), bits, strict=True):
            [found] = engine.measure([half], [basis], [0], [1.0 - 2**-53 if bit else 0.0])
            if found.outcome != bit:  # cannot be
                chance = 0.0
                break
            chance *= found.probability
        total += chance * (-1) ** sum(bits)
    return total


# ---- states ----

WEIGHTS = (0.8, 0.1, 0.06, 0.04)  # of Phi+, Phi-, Psi+, Psi-


@pytest.mark.parametrize(
    ("state", "z", "x", "y"),
    [
        (formulas.bell_diagonal(WEIGHTS), 0.10, 0.14, 0.16),
        (formulas.werner(0.95), 0.033333, 0.033333, 0.033333),
        (formulas.werner(0.90), 0.066667, 0.066667, 0.066667),
        (formulas.werner(0.85), 0.10, 0.10, 0.10),
    ],
)
def test_state_measured_in_pauli_bases_errs_as_published(state, z, x, y):
    for basis, rate in zip(PAULI_BASES, (z, x, y), strict=True):
        agreement = measured_together(state, basis, basis) * (-1 if bell.disagrees(BellIndex.PHI_PLUS, basis) else 1)
        assert (1 - agreement) / 2 == pytest.approx(rate, abs=DIGITS)


@pytest.mark.parametrize(
    ("state", "published"),
    [
        (formulas.bell_state(), 2 * sqrt(2)),
        (formulas.werner(0.95), 2.639865),
        (formulas.werner(0.90), 2.4513),
        (formulas.werner(0.85), 2.2627),
        (formulas.werner((3 / sqrt(2) + 1) / 4), 2.0),  # the limit, F = .7803
    ],
)
def test_state_measured_in_chsh_bases_has_the_published_s(state, published):
    """S = <Z (Z+X)> + <Z (Z-X)> + <X (Z+X)> - <X (Z-X)>."""
    plus, minus = Basis.Z_PLUS_X, Basis.Z_MINUS_X
    s = sum(measured_together(state, Basis.Z, basis) for basis in (plus, minus))
    s += measured_together(state, Basis.X, plus) - measured_together(state, Basis.X, minus)
    assert s == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(("fidelity", "rate"), [(0.95, 0.5783), (0.90, 0.2933), (0.85, 0.0620)])
def test_state_gives_the_published_asymptotic_key_rate(fidelity, rate):
    """1 - h(Q_x) - h(Q_z), with error rates that the engine's measurements have."""
    total = 1.0
    for basis in (Basis.X, Basis.Z):
        error = (1 - measured_together(formulas.werner(fidelity), basis, basis)) / 2
        total += error * log2(error) + (1 - error) * log2(1 - error)
    assert total == pytest.approx(rate, abs=5e-5)


@pytest.mark.parametrize(("fidelity", "separable"), [(0.25, True), (0.499, True), (0.501, False), (0.9, False)])
def test_werner_state_is_entangled_above_one_half(fidelity, separable):
    """Positive partial transpose: mirroring Y of one half leaves a state, or does not."""
    engine = StateEngine()
    state = np.array(engine.inspect_pair(pair(engine, formulas.werner(fidelity))[0], 0)).reshape(4, 4)
    state[2] *= -1
    assert reference.is_state(state, tolerance=1e-12) is separable


def test_state_best_chsh_value_of_a_bell_diagonal_pair_is_the_published_one():
    engine = StateEngine()
    state = engine.inspect_pair(pair(engine, formulas.bell_diagonal(WEIGHTS))[0], 0)
    squares = sorted((state[5] ** 2, state[10] ** 2, state[15] ** 2))
    assert 2 * sqrt(squares[1] + squares[2]) == pytest.approx(2.152580, abs=DIGITS)
    assert (state[5], state[10], state[15]) == pytest.approx((0.72, -0.68, 0.80))


# ---- swapping ----


def swapped(states, draws):
    """A chain joined in order; the state of its ends, divided by the frame that the outcomes tell."""
    engine = StateEngine()
    pairs = [pair(engine, state) for state in states]
    frame = BellIndex.PHI_PLUS
    for (left, right), draw in zip(itertools.pairwise(pairs), draws, strict=True):
        [done] = engine.swap([(left[1], right[0])], [0], [draw])
        assert done.probability == pytest.approx(0.25)
        frame = compose(frame, done.outcome)
    engine.apply([GateCall(Gate(frame), (pairs[-1][1],))], [0])
    return engine.inspect_pair(pairs[0][0], 0)


@pytest.mark.parametrize(
    ("links", "fidelity", "published"),
    [(2, 0.95, 0.903333), (2, 0.9, 0.813333), (3, 0.95, 0.859778), (4, 0.95, 0.819126), (8, 0.98, 0.854163)],
)
@pytest.mark.parametrize("seed", range(3))
def test_swapped_chain_of_equal_werner_pairs_has_the_published_fidelity(links, fidelity, published, seed):
    draws = np.random.default_rng(seed).random(links - 1)
    state = swapped([formulas.werner(fidelity)] * links, draws)
    assert formulas.fidelity(state) == pytest.approx(published, abs=DIGITS)


@pytest.mark.parametrize("outcome", range(4))
def test_swapped_unequal_pairs_have_the_published_weights_for_every_outcome(outcome):
    draw = (outcome + 0.5) / 4
    mixed = swapped([formulas.werner(0.9), formulas.werner(0.8)], [draw])
    assert formulas.fidelity(mixed) == pytest.approx(0.726667, abs=DIGITS)
    diagonal = swapped([formulas.bell_diagonal(WEIGHTS), formulas.bell_diagonal((0.75, 0.15, 0.07, 0.03))], [draw])
    assert formulas.fidelities(diagonal) == pytest.approx((0.6204, 0.1996, 0.1100, 0.0700), abs=DIGITS)


@pytest.mark.parametrize(("gate", "reading"), [(0.99, 0.98), (0.97, 0.995), (1.0, 0.97)])
@pytest.mark.parametrize("fidelity", (1.0, 0.95, 0.8))
def test_swapped_pair_with_imperfect_operations_follows_briegel(gate, reading, fidelity):
    """F_2 = 1/4 + 3/4 p2 (4 eta^2 - 1) / 3 [(4 F - 1) / 3]^2: gate right with p2, each bit told rightly with eta."""
    total = 0.0
    for wrong in itertools.product((False, True), repeat=2):
        engine = StateEngine()
        left, right = pair(engine, formulas.werner(fidelity)), pair(engine, formulas.werner(fidelity))
        middle = [left[1], right[0]]
        engine.apply([GateCall(Gate.CNOT, tuple(middle), error=1 - gate), GateCall(Gate.H, (left[1],))], [0, 0])
        readouts = [Readout(1 - reading, 1 - reading, 0.0 if misread else 1.0) for misread in wrong]
        found = engine.measure(middle, [Basis.Z] * 2, [0, 0], [0.3, 0.6], readouts)
        assert [f.told ^ f.outcome for f in found] == list(wrong)
        engine.apply([GateCall(Gate(found[0].told | found[1].told << 1), (right[1],))], [0])
        chance = np.prod([1 - reading if misread else reading for misread in wrong])
        total += chance * formulas.fidelity(engine.inspect([left[0], right[1]], 0))
    werner = (4 * fidelity - 1) / 3
    assert total == pytest.approx(1 / 4 + 3 / 4 * gate * (4 * reading**2 - 1) / 3 * werner**2, abs=1e-12)


# ---- frames ----


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (Gate.H, lambda x, z: (z, x)),
        (Gate.S, lambda x, z: (x, x ^ z)),
    ],
)
@pytest.mark.parametrize("frame", BellIndex)
def test_frame_moves_past_a_gate_as_published(gate, expected, frame):
    """Gate then frame is frame then gate, with the frame changed: H swaps x and z, S adds x to z."""
    x, z = expected(frame >> 1, frame & 1)
    states = []
    for first, second in ((Gate(frame), gate), (gate, Gate(x << 1 | z))):
        engine = StateEngine()
        halves = pair(engine, formulas.werner(0.9))
        engine.apply([GateCall(first, halves[:1]), GateCall(second, halves[:1])], [0, 0])
        states.append(engine.inspect_pair(halves[0], 0))
    assert states[0] == pytest.approx(states[1], abs=1e-12)


@pytest.mark.parametrize(("control", "target"), list(itertools.product(BellIndex, BellIndex)))
def test_frames_move_past_a_cnot_as_published(control, target):
    """x of the target gains x of the control; z of the control gains z of the target."""
    after_control = (control & 2) | (control ^ target) & 1
    after_target = (control ^ target) & 2 | (target & 1)
    states = []
    for before, after in (((control, target), (0, 0)), ((0, 0), (after_control, after_target))):
        engine = StateEngine()
        left, right = pair(engine, formulas.werner(0.9)), pair(engine, formulas.werner(0.8))
        qubits = (left[0], right[0])
        paulis = [GateCall(Gate(pauli), (qubit,)) for pauli, qubit in zip(before, qubits, strict=True)]
        later = [GateCall(Gate(pauli), (qubit,)) for pauli, qubit in zip(after, qubits, strict=True)]
        engine.apply([*paulis, GateCall(Gate.CNOT, qubits), *later], [0] * 5)
        states.append(engine.inspect([*left, *right], 0))
    assert states[0] == pytest.approx(states[1], abs=1e-12)


@pytest.mark.parametrize(("basis", "bit"), [(Basis.Z, 2), (Basis.X, 1)])
@pytest.mark.parametrize("frame", BellIndex)
def test_frame_flips_what_is_measured_as_published(frame, basis, bit):
    """A Z outcome is turned by the X part, an X outcome by the Z part."""
    engine = StateEngine()
    [qubit] = engine.prepare([Axis(*reference.AXES[basis])], [0], [IDEAL])
    engine.apply([GateCall(Gate(frame), (qubit,))], [0])
    [found] = engine.measure([qubit], [basis], [0], [0.5])
    assert (found.outcome, found.probability) == (bool(frame & bit), 1.0)


@pytest.mark.parametrize("frame", BellIndex)
def test_frame_is_undone_by_its_own_pauli(frame):
    engine = StateEngine()
    halves = pair(engine, formulas.bell_state(frame))
    engine.apply([GateCall(Gate(frame), halves[1:])], [0])
    assert engine.inspect_pair(halves[0], 0) == formulas.bell_state()


# ---- memories ----


@pytest.mark.parametrize(
    ("elapsed", "phi_both", "phi_one", "psi_both"),
    [
        (1 * MS, 0.760212, 0.865610, 0.755684),
        (2 * MS, 0.609734, 0.757948, 0.593305),
        (4 * MS, 0.457172, 0.601520, 0.402828),
    ],
)
def test_memory_of_t1_10_ms_and_t2_4_ms_leaves_the_published_fidelities(elapsed, phi_both, phi_one, psi_both):
    memory = MemoryModel(10 * MS, 4 * MS)
    engine = StateEngine()
    phi, lone, psi = (pair(engine, formulas.bell_state(frame), memory) for frame in (0, 0, BellIndex.PSI_PLUS))
    engine.decohere([*phi, lone[0], *psi], [elapsed] * 5)
    assert formulas.fidelity(engine.inspect_pair(phi[0], 0)) == pytest.approx(phi_both, abs=DIGITS)
    assert formulas.fidelity(engine.inspect_pair(lone[0], 0)) == pytest.approx(phi_one, abs=DIGITS)
    assert formulas.fidelity(engine.inspect_pair(psi[0], 0), BellIndex.PSI_PLUS) == pytest.approx(psi_both, abs=DIGITS)


@pytest.mark.parametrize(("elapsed", "published"), [(1 * MS, 0.704898), (4 * MS, 0.351501)])
def test_memory_that_depolarises_leaves_the_published_fidelity(elapsed, published):
    engine = StateEngine()
    halves = pair(engine, formulas.bell_state(), MemoryModel(depolarising_ns=4 * MS))
    engine.decohere(halves, [elapsed] * 2)
    state = engine.inspect_pair(halves[0], 0)
    assert formulas.fidelity(state) == pytest.approx(published, abs=DIGITS)
    assert state == pytest.approx(formulas.werner(published), abs=1e-6)


def test_memory_that_dephases_mixes_neighbouring_bell_states():
    engine = StateEngine()
    memories = (MemoryModel(0, 4 * MS), MemoryModel(0, 7 * MS))
    [halves] = engine.create([NewPair(formulas.bell_diagonal(WEIGHTS), (0, 0), memories)])
    engine.decohere(halves, [2 * MS, 3 * MS])
    left = exp(-2 / 4) * exp(-3 / 7)
    a, b, c, d = WEIGHTS
    expected = [(p * (1 + left) + q * (1 - left)) / 2 for p, q in ((a, b), (b, a), (c, d), (d, c))]
    assert formulas.fidelities(engine.inspect_pair(halves[0], 0)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "memory", [MemoryModel(10, 4), MemoryModel(10, 20, 7), MemoryModel(0, 3, 5), MemoryModel(9, 2, 1)]
)
def test_memory_in_many_spans_equals_one_long_span(memory):
    engine = StateEngine()
    state = reduce(formulas.swap_estimate, [formulas.werner(0.9)] * 2)
    at_once, in_spans = pair(engine, state, memory), pair(engine, state, memory)
    for instant in (1, 2, 5, 9, 12):
        engine.decohere(in_spans, [instant] * 2)
    engine.decohere(at_once, [12] * 2)
    assert engine.inspect_pair(at_once[0], 0) == pytest.approx(engine.inspect_pair(in_spans[0], 0), abs=1e-14)


def test_memory_of_a_qubit_changes_when_it_is_relocated():
    engine = StateEngine()
    halves = pair(engine, formulas.bell_state(), MemoryModel(0, 4 * MS))
    engine.relocate(halves[:1], [MemoryModel(0, 8 * MS)], [MS])
    engine.decohere(halves[:1], [3 * MS])
    assert engine.inspect_pair(halves[0], 0)[5] == pytest.approx(exp(-1 / 4 - 2 / 8))

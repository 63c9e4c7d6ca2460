"""The engine against QuTiP, an independent witness: density matrices, Kraus operators, projectors, partial traces."""

import itertools
from math import exp, sqrt

import numpy as np
import pytest
import qutip

from qstack.base.bell import PAULI_BASES, Gate
from qstack.quantum.engine import GateCall, NewPair, StateEngine, Status
from qstack.quantum.memories import MemoryModel

EXACT = 1e-12
PAULIS = (Gate.I, Gate.Z, Gate.X, Gate.Y)
S = (qutip.qeye(2), qutip.sigmax(), qutip.sigmay(), qutip.sigmaz())
BELL = [qutip.bell_state(name) for name in ("00", "01", "10", "11")]  # Phi+, Phi-, Psi+, Psi-
MEMORY = MemoryModel(10_000_000, 4_000_000)
IDEAL = MemoryModel()


def random_rho(seed):
    return qutip.rand_dm([2, 2], seed=seed)


def correlations(rho):
    return tuple(float((rho * qutip.tensor(a, b)).tr().real) for a in S for b in S)


def pair(engine, rho, memory=IDEAL):
    state = (1.0, *correlations(rho)[1:])
    return engine.create([NewPair(state, (0, 0), (memory, memory))])[0]


def distance(engine, qubit, rho, instant=0):
    state = engine.inspect_pair(qubit, instant)
    assert state is not None
    return np.abs(np.array(state) - correlations(rho)).max()


def apply(rho, half, kraus):
    """A channel on one half."""
    embedded = [qutip.tensor(*((k, S[0]) if half == 0 else (S[0], k))) for k in kraus]
    return sum((k * rho * k.dag() for k in embedded), start=0 * rho)


def amplitude_damping(e1):
    return [qutip.Qobj([[1, 0], [0, sqrt(e1)]]), qutip.Qobj([[0, sqrt(1 - e1)], [0, 0]])]


def dephasing(p):
    return [sqrt(1 - p) * S[0], sqrt(p) * S[3]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("half", (0, 1))
@pytest.mark.parametrize("elapsed", (1_000, 1_000_000, 30_000_000))
def test_engine_memory_equals_amplitude_damping_and_dephasing_of_qutip(seed, half, elapsed):
    rho = random_rho(seed)
    engine = StateEngine()
    qubits = pair(engine, rho, MEMORY)
    engine.decohere([qubits[half]], [elapsed])
    e1, e2 = exp(-elapsed / MEMORY.t1_ns), exp(-elapsed / MEMORY.t2_ns)
    aged = apply(apply(rho, half, amplitude_damping(e1)), half, dephasing((1 - e2 / sqrt(e1)) / 2))
    assert distance(engine, qubits[0], aged) < EXACT


@pytest.mark.parametrize(("r_half", "s_half", "outcome"), list(itertools.product((0, 1), (0, 1), range(4))))
def test_engine_swap_equals_bell_projection_of_qutip(r_half, s_half, outcome):
    rho, sigma = random_rho(21), random_rho(22)
    whole = qutip.tensor(rho, sigma)
    # Order the four qubits as (left kept, left measured, right measured, right kept).
    whole = whole.permute([1 - r_half, r_half, 2 + s_half, 3 - s_half])
    after, probabilities = [], []
    for bell in BELL:
        projector = qutip.tensor(S[0], bell * bell.dag(), S[0])
        projected = projector * whole * projector
        probabilities.append(projected.tr().real)
        after.append(projected.ptrace([0, 3]) / projected.tr())
    engine = StateEngine()
    a, b = pair(engine, rho), pair(engine, sigma)
    draw = sum(probabilities[:outcome]) + probabilities[outcome] / 2
    [done] = engine.swap([(a[r_half], b[s_half])], [0], [draw])
    assert (done.status, done.outcome) == (Status.OK, outcome)
    assert done.probability == pytest.approx(probabilities[outcome], abs=EXACT)
    assert distance(engine, a[1 - r_half], after[outcome]) < EXACT


@pytest.mark.parametrize(("half", "basis", "outcome"), list(itertools.product((0, 1), PAULI_BASES, (0, 1))))
def test_engine_measurement_equals_projection_of_qutip(half, basis, outcome):
    rho = random_rho(23)
    pauli = S[(3, 1, 2)[basis]]
    projector = (S[0] + (1 - 2 * outcome) * pauli) / 2
    projected = apply(rho, half, [projector])
    plus = apply(rho, half, [(S[0] + pauli) / 2]).tr().real
    engine = StateEngine()
    qubits = pair(engine, rho)
    [found] = engine.measure([qubits[half]], [basis], [0], [plus / 2 if outcome == 0 else (1 + plus) / 2])
    assert found.outcome == outcome
    assert found.probability == pytest.approx(projected.tr().real, abs=EXACT)
    assert distance(engine, qubits[0], projected / projected.tr()) < EXACT


@pytest.mark.parametrize(("half", "gate"), list(itertools.product((0, 1), PAULIS)))
def test_engine_pauli_equals_that_of_qutip(half, gate):
    rho = random_rho(24)
    unitary = {Gate.I: S[0], Gate.Z: S[3], Gate.X: S[1], Gate.Y: S[2]}[gate]
    engine = StateEngine()
    qubits = pair(engine, rho)
    engine.apply([GateCall(gate, (qubits[half],))], [0])
    assert distance(engine, qubits[0], apply(rho, half, [unitary])) < EXACT


@pytest.mark.parametrize("seed", range(3))
def test_engine_chain_with_memories_equals_qutip(seed):
    """Three pairs, ageing between and after two swaps: the whole register as one density matrix in QuTiP."""
    rhos = [random_rho(100 * seed + n) for n in range(3)]
    rng = np.random.default_rng(seed)
    engine = StateEngine()
    pairs = [pair(engine, rho, MEMORY) for rho in rhos]
    first = engine.swap([(pairs[0][1], pairs[1][0])], [10**6], [float(rng.random())])[0]
    second = engine.swap([(pairs[1][1], pairs[2][0])], [3 * 10**6], [float(rng.random())])[0]

    def aged(rho, half, elapsed):
        e1, e2 = exp(-elapsed / MEMORY.t1_ns), exp(-elapsed / MEMORY.t2_ns)
        return apply(apply(rho, half, amplitude_damping(e1)), half, dephasing((1 - e2 / sqrt(e1)) / 2))

    def joined(left, right, outcome):
        projector = qutip.tensor(S[0], BELL[outcome] * BELL[outcome].dag(), S[0])
        projected = projector * qutip.tensor(left, right) * projector
        return projected.tr().real, projected.ptrace([0, 3]) / projected.tr()

    p1, state = joined(aged(rhos[0], 1, 10**6), aged(rhos[1], 0, 10**6), first.outcome)
    p2, state = joined(aged(state, 1, 3 * 10**6), aged(rhos[2], 0, 3 * 10**6), second.outcome)
    state = aged(aged(state, 0, 5 * 10**6), 1, 5 * 10**6)
    assert (first.probability, second.probability) == (pytest.approx(p1, abs=EXACT), pytest.approx(p2, abs=EXACT))
    assert distance(engine, pairs[0][0], state, 5 * 10**6) < EXACT

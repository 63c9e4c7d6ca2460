"""Density matrices into Pauli expectations and back, and what is refused."""

import numpy as np
import pytest

from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas, reference
from qstack.quantum.engine import NewPair, StateEngine
from qstack.quantum.memories import MemoryModel
from qstack.quantum.states import check_state, from_density, to_density


def random_density(seed, qubits, rank):
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(2**qubits, rank)) + 1j * rng.normal(size=(2**qubits, rank))
    rho = g @ g.conj().T
    return rho / np.trace(rho).real


@pytest.mark.parametrize("qubits", (1, 2, 3, 4))
@pytest.mark.parametrize("rank", (1, 2, 16))
def test_density_matrix_gives_the_expectations_of_the_reference_and_back(qubits, rank):
    rho = random_density(qubits, qubits, rank)
    state = from_density(rho.tolist())
    assert state == pytest.approx(reference.correlations(rho).ravel(), abs=1e-12)
    assert np.array(to_density(state)) == pytest.approx(rho, abs=1e-12)
    check_state(state)


def test_density_matrix_of_two_qubits_is_what_the_engine_makes_a_pair_of():
    rho = random_density(4, 2, 4)
    engine = StateEngine()
    [halves] = engine.create([NewPair(from_density(rho.tolist()), (0, 0), (MemoryModel(), MemoryModel()))])
    assert np.array(to_density(engine.inspect(halves, 0))) == pytest.approx(rho, abs=1e-12)


@pytest.mark.parametrize("state", [formulas.bell_state(), formulas.werner(0.0), formulas.werner(1.0)])
def test_state_at_the_limit_is_accepted(state):
    check_state(state)


@pytest.mark.parametrize(
    ("rho", "why"),
    [
        ([[1, 0]], "rows"),
        ([[1]], "rows"),
        ([[0.5, 0], [0, 0.5], [0, 0]], "rows"),
        ([[0.5, 0.1], [0.2, 0.5]], "transpose"),
        ([[0.5, 0.1j], [0.1j, 0.5]], "transpose"),
        ([[0.5, 0], [0, 0.6]], "trace"),
        ([[1.2, 0], [0, -0.2]], "eigenvalue"),
        ([[0.5, 0.6], [0.6, 0.5]], "eigenvalue"),
        ([[float("nan"), 0], [0, 1]], "transpose|trace|eigenvalue"),
    ],
)
def test_density_matrix_that_is_none_is_refused(rho, why):
    with pytest.raises(LocalMisuse, match=why):
        from_density(rho)


@pytest.mark.parametrize(
    "state",
    [(1.0,) * 3, (0.5,) + 15 * (0.0,), (1.0, 0.8, 0.8, 0.0), tuple(-v if v < 0 else v for v in formulas.bell_state())],
)
def test_state_that_is_none_is_refused(state):
    with pytest.raises(LocalMisuse):
        check_state(state)

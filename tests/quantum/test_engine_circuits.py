"""Random circuits against QuTiP: every Pauli expectation of every qubit, after every operation."""

from math import cos, sin

import numpy as np
import pytest
import qutip

from qstack.base.bell import Basis, Gate, has_angle, is_two_qubit
from qstack.quantum import reference
from qstack.quantum.engine import Axis, GateCall, NewPair, PauliNoise, StateEngine, Status
from qstack.quantum.memories import MemoryModel
from tests.quantum.qutip_network import QutipNetwork, axis_projector, bell_projector, pauli_tensor

EXACT = 1e-12
MEMORIES = (
    MemoryModel(),
    MemoryModel(10_000, 4_000),
    MemoryModel(3_000, 6_000),
    MemoryModel(0, 5_000),
    MemoryModel(0, 0, 7_000),
    MemoryModel(8_000, 9_000, 5_000),
)
ONE = [gate for gate in Gate if not is_two_qubit(gate)]
TWO = [gate for gate in Gate if is_two_qubit(gate)]


class Circuit:
    """The engine and QuTiP, doing the same; names of qubits are the engine's handles."""

    def __init__(self, seed, most):
        self.rng = np.random.default_rng(seed)
        self.most = most
        self.engine = StateEngine()
        self.network = QutipNetwork()
        self.now = 0

    def pick(self, count):
        return [self.network.names[i] for i in self.rng.permutation(len(self.network.names))[:count]]

    def memory(self):
        return MEMORIES[self.rng.integers(len(MEMORIES))]

    def advance(self, *names):
        """Time goes on, but only for those that are touched."""
        self.now += int(self.rng.integers(800)) if self.rng.random() < 0.5 else 0
        for name in names:
            self.network.advance(name, self.now)
        return [self.now]

    def prepare(self):
        if len(self.network.names) < self.most:
            vector = self.rng.normal(size=3)
            vector *= self.rng.random() / np.linalg.norm(vector)
            memory = self.memory()
            [name] = self.engine.prepare([Axis(*vector)], [self.now], [memory])
            rho = sum((v * s for v, s in zip((1, *vector), qutip_paulis(), strict=True)), start=0) / 2
            self.network.add(rho, [name], [memory], self.now)

    def create(self):
        if len(self.network.names) + 2 <= self.most:
            rho = qutip.rand_dm([2, 2], seed=int(self.rng.integers(1 << 30)))
            state = reference.correlations(rho.full()).ravel()
            memories = (self.memory(), self.memory())
            [names] = self.engine.create([NewPair((1.0, *state[1:]), (self.now, self.now), memories)])
            self.network.add(rho, list(names), memories, self.now)

    def gate(self, two):
        names = tuple(self.pick(1 + two))
        gate = (TWO if two else ONE)[self.rng.integers(len(TWO if two else ONE))]
        angle = float(self.rng.uniform(-7, 7)) if has_angle(gate) else float(self.rng.integers(24))
        error = float(self.rng.random()) * 0.2 if self.rng.random() < 0.3 else 0.0
        assert self.engine.apply([GateCall(gate, names, angle, error)], self.advance(*names)) == [Status.OK]
        self.network.gate(reference.unitary(gate, angle), names, error)

    def decohere(self):
        [name] = self.pick(1)
        self.engine.decohere([name], self.advance(name))

    def relocate(self):
        [name], memory = self.pick(1), self.memory()
        self.engine.relocate([name], [memory], self.advance(name))
        if not self.engine.erased(name):
            self.network.memories[name] = memory

    def scatter(self):
        [name], (x, y, z) = self.pick(1), self.rng.dirichlet((1, 1, 1, 5))[:3]
        self.engine.scatter([name], [PauliNoise(x, y, z)], self.advance(name))
        kraus = [p**0.5 * s for p, s in zip((1 - x - y - z, x, y, z), qutip_paulis(), strict=True)]
        self.network.channel(kraus, [name])

    def measure(self):
        [name] = self.pick(1)
        basis = Basis(self.rng.integers(5))
        axis = reference.AXES[basis]
        if self.rng.random() < 0.5:
            theta, phi = self.rng.uniform(0, 3.1), self.rng.uniform(0, 6.2)
            axis = basis = Axis(sin(theta) * cos(phi), sin(theta) * sin(phi), cos(theta))
        now, draw = self.advance(name), float(self.rng.random())
        [found] = self.engine.measure([name], [basis], now, [draw])
        assert found.outcome == (draw >= self.network.chance(axis_projector(axis, 0), [name]))
        probability = self.network.project(axis_projector(axis, found.outcome), [name])
        assert found.probability == pytest.approx(probability, abs=EXACT)

    def bell_measure(self):
        if len(self.network.names) < 2:
            return
        names, draw = self.pick(2), float(self.rng.random())
        [found] = self.engine.bell_measure([tuple(names)], self.advance(*names), [draw])
        below = sum(self.network.chance(bell_projector(k), names) for k in range(found.outcome))
        assert below - EXACT <= draw
        probability = self.network.project(bell_projector(found.outcome), names)
        assert found.probability == pytest.approx(probability, abs=EXACT) and draw < below + probability + EXACT
        self.network.forget(names)

    def swap(self):
        """As `bell_measure`, by the fast way, where it can be."""
        if len(self.network.names) < 2:
            return
        names, draw = self.pick(2), float(self.rng.random())
        if self.engine.partner(names[0]) == names[1] or names[1] in self.engine.companions(names[0]):
            return
        [found] = self.engine.swap([tuple(names)], self.advance(*names), [draw])
        probability = self.network.project(bell_projector(found.outcome), names)
        assert found.probability == pytest.approx(probability, abs=EXACT)
        self.network.forget(names)

    def release(self):
        names = self.pick(1)
        self.engine.release(names)
        self.network.forget(names)

    def erase(self):
        [name] = self.pick(1)
        self.engine.erase([name], self.advance(name))
        self.network.mix(name)

    def step(self):
        actions = [self.prepare, self.create] if len(self.network.names) < 3 else self.ALL
        actions = [getattr(self, name) for name in actions] if isinstance(actions[0], str) else actions
        actions[self.rng.integers(len(actions))]()

    ALL = (
        *(
            "prepare",
            "create",
            "create",
            "decohere",
            "relocate",
            "scatter",
            "measure",
            "measure",
            "bell_measure",
            "swap",
        ),
        *("release", "erase", "one", "one", "one", "two", "two", "two", "two", "two", "two", "two"),
    )

    def one(self):
        self.gate(0)

    def two(self):
        self.gate(1)

    def check(self):
        if not self.network.names:
            assert self.engine.live == 0
            return
        found = self.engine.inspect(self.network.names, -1)  # before everything: as it was last touched
        expected = pauli_tensor(self.network.rho).ravel()
        assert np.abs(np.array(found) - expected).max() < EXACT


def qutip_paulis():
    return qutip.qeye(2), qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()


@pytest.mark.parametrize("seed", range(30))
def test_engine_random_circuit_of_five_qubits_equals_qutip(seed):
    circuit = Circuit(seed, 5)
    for _ in range(60):
        circuit.step()
        circuit.check()


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "most"), [(seed, most) for most in (6, 7, 8) for seed in range(3)])
def test_engine_random_circuit_of_up_to_eight_qubits_equals_qutip(seed, most):
    circuit = Circuit(1000 + seed, most)
    for _ in range(60):
        circuit.step()
    circuit.check()


@pytest.mark.parametrize("gate", ONE + TWO)
def test_engine_gate_equals_its_unitary_in_qutip(gate):
    circuit = Circuit(int(gate), 3)
    circuit.create()
    circuit.prepare()
    names = tuple(circuit.network.names[1:] if is_two_qubit(gate) else circuit.network.names[:1])
    for number in range(24 if gate == Gate.CLIFFORD else 3):
        assert circuit.engine.apply([GateCall(gate, names, number)], [0]) == [Status.OK]
        circuit.network.gate(reference.unitary(gate, number), names, 0.0)
        circuit.check()

"""The engine against stim: every two-qubit Clifford, exact stabilizer trajectories, and statistics with noise."""

import itertools

import numpy as np
import pytest
import stim

from qstack.base.bell import Basis, Gate
from qstack.base.chance import Chance
from qstack.quantum import reference
from qstack.quantum.draws import Draws
from qstack.quantum.engine import CliffordCall, GateCall, PairEngine, StateEngine, Status
from qstack.quantum.memories import MemoryModel

IDEAL = MemoryModel()
NAMES = {
    Gate.I: "I", Gate.X: "X", Gate.Y: "Y", Gate.Z: "Z", Gate.H: "H", Gate.S: "S", Gate.S_DAGGER: "S_DAG",
    Gate.SQRT_X: "SQRT_X", Gate.SQRT_X_DAGGER: "SQRT_X_DAG", Gate.SQRT_Y: "SQRT_Y", Gate.SQRT_Y_DAGGER: "SQRT_Y_DAG",
    Gate.CNOT: "CX", Gate.CY: "CY", Gate.CZ: "CZ", Gate.SWAP: "SWAP", Gate.ISWAP: "ISWAP",
    Gate.ISWAP_DAGGER: "ISWAP_DAG", Gate.SQRT_ZZ: "SQRT_ZZ",
}  # fmt: skip
ONE, TWO = [g for g in NAMES if g < Gate.CNOT], [g for g in NAMES if g >= Gate.CNOT]
MEASURE = {Basis.Z: "M", Basis.X: "MX", Basis.Y: "MY"}
PEEK = {Basis.Z: "peek_z", Basis.X: "peek_x", Basis.Y: "peek_y"}
POSTSELECT = {Basis.Z: "postselect_z", Basis.X: "postselect_x", Basis.Y: "postselect_y"}


def number_of(string):
    """A PauliString of two qubits as a signed number."""
    return int(string.sign.real) * (4 * string[0] + string[1])


def images(tableau):
    outputs = (tableau.x_output(0), tableau.z_output(0), tableau.x_output(1), tableau.z_output(1))
    return tuple(number_of(output) for output in outputs)


@pytest.fixture(scope="module")
def tableaus():
    return list(stim.Tableau.iter_all(2))


def random_tensor(count):
    rng = np.random.default_rng(5)
    g = rng.normal(size=(2**count, 2**count)) + 1j * rng.normal(size=(2**count, 2**count))
    rho = g @ g.conj().T
    tensor = reference.correlations(rho / np.trace(rho).real)
    tensor.flat[0] = 1.0
    return tensor


def test_engine_all_cliffords_of_two_qubits_turn_every_pauli_as_stim_does(tableaus):
    assert len(tableaus) == 11520
    before = random_tensor(2).ravel()
    engine = PairEngine()
    count = len(tableaus)
    handles, none, zeros = np.zeros(2 * count, np.uint64), np.zeros(count), np.zeros(count, np.int64)
    engine.create(np.tile(before, count), np.zeros(2 * count, np.int64), np.zeros(2 * count, np.uint16), handles)
    statuses, after = np.zeros(count, np.uint8), np.zeros(16 * count)
    gates = np.array([images(tableau) for tableau in tableaus], np.int8).ravel()
    firsts, seconds = np.ascontiguousarray(handles[::2]), np.ascontiguousarray(handles[1::2])
    engine.clifford(gates, firsts, seconds, none, zeros, statuses)
    assert not statuses.any()
    engine.inspect_pairs(firsts, zeros, after, statuses)
    strings = [stim.PauliString([i, j]) for i, j in itertools.product(range(4), repeat=2)]
    for tableau, found in zip(tableaus, after.reshape(-1, 16), strict=True):
        for source, string in enumerate(strings):
            image = number_of(tableau(string))
            assert found[abs(image)] == (before[source] if image >= 0 else -before[source])


def test_engine_clifford_by_its_images_equals_its_unitary(tableaus):
    rng = np.random.default_rng(1)
    for k in rng.choice(len(tableaus), 40, replace=False):
        engine = StateEngine()
        start = random_tensor(3)
        trio = engine.create_register(start.ravel(), [0] * 3, [IDEAL] * 3)
        first, second = rng.permutation(3)[:2]
        call = CliffordCall(images(tableaus[k]), (trio[first], trio[second]), 0.1)
        assert engine.apply_clifford([call], [0]) == [Status.OK]
        unitary = tableaus[k].to_unitary_matrix(endian="big")
        expected = reference.apply(start, unitary, (first, second), 0.1)
        assert np.array(engine.inspect(trio, 0)) == pytest.approx(expected.ravel(), abs=1e-6)  # stim's are complex64


@pytest.mark.parametrize(
    "wrong",
    [(0, 12, 1, 15), (5, 5, 1, 15), (5, 12, 1, 16), (5, 12, 1, -16), (4, 12, 4, 3), (4, 8, 4, 12), (-128, 12, 1, 15)],
)
def test_engine_images_of_no_clifford_are_refused(wrong):
    engine = StateEngine()
    pair = engine.prepare(None, [0, 0], [IDEAL] * 2)
    assert engine.apply_clifford([CliffordCall(wrong, tuple(pair))], [0]) == [Status.UNKNOWN_OPERAND]
    assert engine.live == 2


@pytest.mark.parametrize("seed", range(40))
def test_engine_stabilizer_trajectory_equals_stim_exactly(seed):
    """Gates and measurements on seven qubits; each outcome the engine draws is forced on stim, and was as likely."""
    rng = np.random.default_rng(seed)
    engine, simulator = StateEngine(), stim.TableauSimulator()
    qubits = engine.prepare(None, [0] * 7, [IDEAL] * 7)
    simulator.set_num_qubits(7)
    for _ in range(80):
        a, b = (int(n) for n in rng.permutation(7)[:2])
        match rng.integers(5):
            case 0:
                basis = Basis(rng.integers(3))
                expectation = getattr(simulator, PEEK[basis])(a)
                [found] = engine.measure([qubits[a]], [basis], [0], [float(rng.random())])
                sign = 1 - 2 * found.outcome
                assert found.probability == (0.5 if expectation == 0 else 1.0) and expectation in (0, sign)
                getattr(simulator, POSTSELECT[basis])(a, desired_value=bool(found.outcome))
            case 1:
                gate = ONE[rng.integers(len(ONE))]
                engine.apply([GateCall(gate, (qubits[a],))], [0])
                simulator.do(stim.Circuit(f"{NAMES[gate]} {a}"))
            case _:
                gate = TWO[rng.integers(len(TWO))]
                engine.apply([GateCall(gate, (qubits[a], qubits[b]))], [0])
                simulator.do(stim.Circuit(f"{NAMES[gate]} {a} {b}"))
    state = np.array(engine.inspect(qubits, 0))
    assert set(np.unique(state)) <= {-1.0, 0.0, 1.0} and np.abs(state).sum() == 2**7
    for stabilizer in simulator.canonical_stabilizers():
        index = sum(stabilizer[n] << 2 * (6 - n) for n in range(7))
        assert state[index] == stabilizer.sign.real


def sampled(circuit_of, shots):
    """Outcomes of whole runs, told as numbers, with draws by event."""
    draws = Draws(Chance(b"statistics"))
    return np.array([circuit_of(lambda n, shot=shot: draws.uniform(shot, n)) for shot in range(shots)])


def test_engine_clifford_statistics_equal_those_of_stim():
    """All bits of a random circuit with measurements on the way: the joint distribution, by chi-square."""
    rng = np.random.default_rng(77)
    program, text = [], []
    for step in range(40):
        a, b = (int(n) for n in rng.permutation(4)[:2])
        if step % 8 == 7:
            basis = Basis(rng.integers(3))
            program.append((basis, (a,)))
            text.append(f"{MEASURE[basis]} {a}")
        else:
            gate = (ONE, TWO)[step % 2][rng.integers(len((ONE, TWO)[step % 2]))]
            program.append((gate, (a, b)[: 1 + step % 2]))
            text.append(" ".join([NAMES[gate], *map(str, (a, b)[: 1 + step % 2])]))

    def run(draw):
        engine, bits = StateEngine(), 0
        qubits = engine.prepare(None, [0] * 4, [IDEAL] * 4)
        for number, (what, where) in enumerate(program):
            if isinstance(what, Basis):
                [found] = engine.measure([qubits[where[0]]], [what], [0], [draw(number)])
                bits = bits << 1 | found.outcome
            else:
                engine.apply([GateCall(what, tuple(qubits[n] for n in where))], [0])
        return bits

    shots = 4000
    ours = np.bincount(sampled(run, shots), minlength=32)
    samples = stim.Circuit("\n".join(text)).compile_sampler(seed=3).sample(100_000)
    theirs = np.bincount(samples @ (1 << np.arange(4, -1, -1)), minlength=32) / len(samples)
    assert (ours[theirs == 0] == 0).all()
    possible = theirs > 0
    chi_square = ((ours - shots * theirs)[possible] ** 2 / (shots * theirs[possible])).sum()
    assert chi_square < 2 * possible.sum() + 30


@pytest.mark.parametrize("seed", range(4))
def test_engine_noisy_expectations_equal_stim_within_its_statistics(seed):
    """Depolarising errors after gates: the engine's exact <Z Z Z Z> beside an average of stim's shots."""
    rng = np.random.default_rng(seed)
    engine = StateEngine()
    qubits = engine.prepare(None, [0] * 4, [IDEAL] * 4)
    text = []
    for _ in range(12):
        a, b = (int(n) for n in rng.permutation(4)[:2])
        gate, error = TWO[rng.integers(len(TWO))], 0.02
        engine.apply([GateCall(gate, (qubits[a], qubits[b]), error=error)], [0])
        text += [f"{NAMES[gate]} {a} {b}", f"DEPOLARIZE2({error * 15 / 16}) {a} {b}"]
        engine.apply([GateCall(Gate.SQRT_Y, (qubits[a],), error=error)], [0])
        text += [f"SQRT_Y {a}", f"DEPOLARIZE1({error * 3 / 4}) {a}"]
    frame = stim.Circuit("\n".join(text))
    shots = 40_000
    state = np.array(engine.inspect(qubits, 0)).reshape((4,) * 4)
    strongest = sorted(np.ndindex(state.shape), key=lambda index: -abs(state[index]))[1:6]
    for index in strongest:
        parity = "MPP " + "*".join("IXYZ"[p] + str(n) for n, p in enumerate(index) if p)
        samples = (frame + stim.Circuit(parity)).compile_sampler(seed=seed).sample(shots)
        average = 1 - 2 * samples.mean()
        assert abs(average - state[index]) < 5 / shots**0.5

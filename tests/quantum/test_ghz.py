"""GHZ states: made, fused, and from imperfect pairs."""

import functools

import numpy as np
import pytest

from qstack.base.bell import Gate
from qstack.base.errors import ResourceLimit
from qstack.quantum import formulas, reference
from qstack.quantum.engine import GateCall, NewPair, StateEngine
from qstack.quantum.ghz import fuse, make_ghz, receive_fusion
from qstack.quantum.memories import MemoryModel

IDEAL = MemoryModel()
LOW, HIGH = 0.0, 1.0 - 2**-53


@functools.cache
def ghz(count):
    """Pauli tensor of |0...0> + |1...1>, as a flat array."""
    vector = np.zeros(2**count, complex)
    vector[0] = vector[-1] = 0.5**0.5
    return reference.correlations(np.outer(vector, vector)).ravel()


def fidelity(engine, qubits):
    return float(np.dot(engine.inspect(qubits, 0), ghz(len(qubits)))) / 2 ** len(qubits)


def made(engine, count):
    qubits = engine.prepare(None, [0] * count, [IDEAL] * count)
    make_ghz(engine, qubits, 0)
    return qubits


@pytest.mark.parametrize("count", range(1, 7))
def test_ghz_made_is_exact(count):
    engine = StateEngine()
    qubits = made(engine, count)
    assert engine.inspect(qubits, 0) == pytest.approx(ghz(count) if count > 1 else (1, 1, 0, 0), abs=1e-12)


@pytest.mark.parametrize("draw", (LOW, HIGH))
@pytest.mark.parametrize(("left", "right"), [(2, 2), (2, 3), (3, 3), (2, 4)])
def test_ghz_states_of_n_and_m_fuse_to_one_of_n_plus_m_minus_one(left, right, draw):
    engine = StateEngine()
    one, two = made(engine, left), made(engine, right)
    found = fuse(engine, one[0], two[0], 0, draw)
    assert found.probability == pytest.approx(0.5) and found.outcome == (draw == HIGH)
    receive_fusion(engine, two[1:], found.told, [0] * (right - 1))
    assert engine.inspect(one + two[1:], 0) == pytest.approx(ghz(left + right - 1), abs=1e-12)


@pytest.mark.parametrize(("left", "right", "expected"), [(0.95, 0.95, 0.902778), (0.9, 0.9, 0.811111),
                                                         (0.9, 0.8, 0.722222)])  # fmt: skip
@pytest.mark.parametrize("draw", (LOW, HIGH))
def test_ghz_of_three_from_two_werner_pairs_has_the_published_fidelity(left, right, expected, draw):
    engine = StateEngine()
    pairs = engine.create([NewPair(formulas.werner(f), (0, 0), (IDEAL, IDEAL)) for f in (left, right)])
    found = fuse(engine, pairs[0][1], pairs[1][0], 0, draw)
    receive_fusion(engine, [pairs[1][1]], found.told, [0])
    assert fidelity(engine, [*pairs[0], pairs[1][1]]) == pytest.approx(expected, abs=5e-7)
    w1, w2 = ((4 * f - 1) / 3 for f in (left, right))
    assert fidelity(engine, [*pairs[0], pairs[1][1]]) == pytest.approx((1 + w1 + w2 + 5 * w1 * w2) / 8, abs=1e-12)


@pytest.mark.parametrize("outcome", range(4))
def test_ghz_states_joined_by_a_bell_measurement_lose_two_qubits(outcome):
    engine = StateEngine()
    one, two = made(engine, 3), made(engine, 3)
    [found] = engine.bell_measure([(one[0], two[0])], [0], [(outcome + 0.5) / 4])
    frame = [GateCall(Gate.X, (qubit,)) for qubit in two[1:] if found.outcome & 2]
    frame += [GateCall(Gate.Z, (one[1],))] if found.outcome & 1 else []
    engine.apply(frame, [0] * len(frame))
    assert engine.inspect(one[1:] + two[1:], 0) == pytest.approx(ghz(4), abs=1e-12)


def test_ghz_measured_down_to_two_is_a_pair_again():
    engine = StateEngine()
    qubits = made(engine, 4)
    assert engine._pairs.registers == 1 and engine._pairs.register_octets == 8 * 4**4
    for qubit in qubits[2:]:
        engine.measure([qubit], [1], [0], [LOW])
        engine.release([qubit])
    assert engine._pairs.registers == 0 and engine._pairs.register_octets == 0
    assert engine.partner(qubits[0]) == qubits[1] and engine.live == 1
    assert engine.inspect_pair(qubits[0], 0) == pytest.approx(formulas.bell_state(), abs=1e-12)


def test_ghz_of_more_qubits_than_a_register_has_is_refused():
    engine = StateEngine()
    with pytest.raises(ResourceLimit):
        made(engine, 11)
    assert engine.live == 2  # ten in one register, and one that found no room

"""Teleportation and superdense coding on live qubits."""

import itertools

import numpy as np
import pytest

from qstack.base.bell import BellIndex, Gate
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas
from qstack.quantum.engine import Axis, GateCall, NewPair, QubitHandle, Readout, StateEngine
from qstack.quantum.memories import MemoryModel
from qstack.quantum.teleportation import decode_dense, encode_dense, receive, send

IDEAL = MemoryModel()
AXES = [Axis(0, 0, 1), Axis(0, 0, -1), Axis(1, 0, 0), Axis(0.6, 0.0, 0.8), Axis(0.48, -0.64, 0.6)]


def setting(state, qubit):
    engine = StateEngine()
    [sent] = engine.prepare([qubit], [0], [IDEAL])
    [(near, far)] = engine.create([NewPair(state, (0, 0), (IDEAL, IDEAL))])
    return engine, sent, near, far


@pytest.mark.parametrize(("frame", "outcome", "axis"), list(itertools.product(BellIndex, range(4), AXES)))
def test_teleported_qubit_arrives_as_it_was_in_every_frame_and_for_every_outcome(frame, outcome, axis):
    engine, sent, near, far = setting(formulas.bell_state(frame), axis)
    found = send(engine, sent, near, 5, (outcome + 0.5) / 4)
    assert found.outcome == found.told == outcome and found.probability == pytest.approx(0.25)
    receive(engine, far, found.told, 9, frame)
    assert engine.inspect([far], 9) == pytest.approx((1.0, *axis), abs=1e-12)
    assert engine.live == 1


@pytest.mark.parametrize(
    ("fidelity", "published"), [(0.95, 0.9667), (0.9, 0.9333), (0.85, 0.9000), (0.5, 0.6667), (0.25, 0.5)]
)
def test_teleported_fidelity_over_a_werner_pair_is_two_f_plus_one_by_three(fidelity, published):
    total = 0.0
    for axis in (s * v for s in (1, -1) for v in np.eye(3)):
        engine, sent, near, far = setting(formulas.werner(fidelity), Axis(*axis))
        receive(engine, far, send(engine, sent, near, 0, 0.6).told, 0)
        total += (1 + np.dot(engine.inspect([far], 0)[1:], axis)) / 2
    assert total / 6 == pytest.approx((2 * fidelity + 1) / 3, abs=1e-12)
    assert total / 6 == pytest.approx(published, abs=5e-5)


def test_teleported_half_of_a_pair_makes_the_receiver_its_partner():
    engine = StateEngine()
    pairs = engine.create([NewPair(formulas.werner(0.9), (0, 0), (IDEAL, IDEAL))] * 2)
    found = send(engine, pairs[0][1], pairs[1][0], 0, 0.4)
    receive(engine, pairs[1][1], found.told, 0)
    assert engine.partner(pairs[0][0]) == pairs[1][1]
    assert formulas.fidelity(engine.inspect_pair(pairs[0][0], 0)) == pytest.approx(0.813333, abs=5e-7)


def test_teleportation_keeps_a_register_entangled():
    engine = StateEngine()
    trio = engine.prepare(None, [0] * 3, [IDEAL] * 3)
    engine.apply([GateCall(Gate.H, trio[:1]), GateCall(Gate.CNOT, trio[:2]), GateCall(Gate.CNOT, trio[::2])], [0] * 3)
    before = engine.inspect(trio, 0)
    [(near, far)] = engine.create([NewPair(formulas.bell_state(), (0, 0), (IDEAL, IDEAL))])
    receive(engine, far, send(engine, trio[2], near, 0, 0.9).told, 0)
    assert engine.inspect([*trio[:2], far], 0) == pytest.approx(before, abs=1e-12)


@pytest.mark.parametrize(("frame", "bits"), list(itertools.product(BellIndex, range(4))))
def test_superdense_two_bits_arrive_in_every_frame(frame, bits):
    engine = StateEngine()
    [(near, far)] = engine.create([NewPair(formulas.bell_state(frame), (0, 0), (IDEAL, IDEAL))])
    encode_dense(engine, near, bits, 0, frame)
    found = decode_dense(engine, near, far, 3, 0.5)
    assert found.told == bits and found.probability == pytest.approx(1.0)
    assert engine.live == 0


def test_superdense_bits_over_a_bell_diagonal_pair_err_by_its_weights():
    weights = (0.8, 0.1, 0.06, 0.04)
    for bits, error in itertools.product(range(4), range(4)):
        engine = StateEngine()
        [(near, far)] = engine.create([NewPair(formulas.bell_diagonal(weights), (0, 0), (IDEAL, IDEAL))])
        encode_dense(engine, near, bits, 0)
        draw = sum(weights[k ^ bits] for k in range(bits ^ error)) + 1e-6
        found = decode_dense(engine, near, far, 0, draw)
        assert found.told == bits ^ error and found.probability == pytest.approx(weights[error])


def test_superdense_lost_half_is_known_to_be_lost_and_tells_nothing():
    engine = StateEngine()
    [(near, far)] = engine.create([NewPair(formulas.bell_state(), (0, 0), (IDEAL, IDEAL))])
    encode_dense(engine, near, 2, 0)
    engine.erase([near], [1])
    assert engine.erased(near)
    assert decode_dense(engine, near, far, 2, 0.1).probability == pytest.approx(0.25)


def test_bell_readout_errors_turn_each_bit_by_its_own_probability():
    wrong_z, wrong_x = Readout(1.0, 0.0, 0.3), Readout(0.0, 1.0, 0.3)
    for bits in range(4):
        engine = StateEngine()
        [(near, far)] = engine.create([NewPair(formulas.bell_state(bits), (0, 0), (IDEAL, IDEAL))])
        found = decode_dense(engine, near, far, 0, 0.5, (wrong_z, wrong_x))
        assert (found.outcome, found.told) == (bits, (bits & 1 | 1) | (bits & 2 and 0))


def test_teleportation_refused_changes_nothing():
    engine, sent, near, far = setting(formulas.bell_state(), AXES[3])
    engine.decohere([near], [10])
    with pytest.raises(LocalMisuse, match="EARLY"):
        send(engine, sent, near, 9, 0.5)
    assert engine.live == 2 and engine.partner(near) == far
    with pytest.raises(LocalMisuse, match="STALE"):
        receive(engine, QubitHandle(12345), 1, 9)

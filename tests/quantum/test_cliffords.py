"""The numbering of one-qubit Cliffords: a group, the engine's gates, and unitaries."""

import itertools

import numpy as np
import pytest

from qstack.base.bell import Gate
from qstack.quantum import reference
from qstack.quantum.cliffords import CLIFFORDS, conjugate, inverse, number_of, then
from qstack.quantum.engine import Axis, GateCall, StateEngine
from qstack.quantum.memories import MemoryModel


def test_cliffords_are_24_different_rotations():
    assert len(set(CLIFFORDS)) == 24
    assert all(number_of(turn) == number for number, turn in enumerate(CLIFFORDS))


@pytest.mark.parametrize("number", range(24))
def test_clifford_turns_axes_as_engine_and_unitary_do(number):
    transfer = reference.transfer(reference.unitary(Gate.CLIFFORD, number))
    engine = StateEngine()
    for source in range(3):
        vector = np.eye(3)[source]
        [qubit] = engine.prepare([Axis(*vector)], [0], [MemoryModel()])
        engine.apply([GateCall(Gate.CLIFFORD, (qubit,), number)], [0])
        axis = CLIFFORDS[number][source]
        expected = [1.0, 0.0, 0.0, 0.0]
        expected[abs(axis)] = 1.0 if axis > 0 else -1.0
        assert engine.inspect([qubit], 0) == tuple(expected)
        assert transfer[:, source + 1] == pytest.approx(expected[:1] and [0.0, *expected[1:]], abs=1e-12)


def test_cliffords_compose_and_invert():
    for first, second in itertools.product(range(24), repeat=2):
        both = reference.unitary(Gate.CLIFFORD, second) @ reference.unitary(Gate.CLIFFORD, first)
        assert reference.transfer(both) == pytest.approx(
            reference.transfer(reference.unitary(Gate.CLIFFORD, then(first, second))), abs=1e-12
        )
    assert all(then(number, inverse(number)) == 0 for number in range(24))


@pytest.mark.parametrize("number", range(24))
def test_clifford_conjugate_is_that_of_the_unitary(number):
    star = reference.unitary(Gate.CLIFFORD, number).conj()
    assert reference.transfer(star) == pytest.approx(
        reference.transfer(reference.unitary(Gate.CLIFFORD, conjugate(number))), abs=1e-12
    )


@pytest.mark.parametrize(("gate", "number"), [(Gate.I, 0), (Gate.Z, 1), (Gate.X, 2), (Gate.Y, 3), (Gate.H, 4),
                                              (Gate.S, 8), (Gate.SQRT_X, 20)])  # fmt: skip
def test_clifford_numbers_of_named_gates(gate, number):
    assert reference.transfer(reference.unitary(gate)) == pytest.approx(
        reference.transfer(reference.unitary(Gate.CLIFFORD, number)), abs=1e-12
    )

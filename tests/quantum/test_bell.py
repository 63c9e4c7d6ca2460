"""Frames against the states they name."""

import itertools

import pytest

from qstack.base.bell import PAULI_BASES, Basis, BellIndex, Gate, compose
from qstack.quantum import bell, formulas

ROW = (3, 1, 2)


@pytest.mark.parametrize(("frame", "basis"), list(itertools.product(BellIndex, PAULI_BASES)))
def test_bell_disagreement_is_the_sign_of_the_correlation(frame, basis):
    correlation = formulas.bell_state(frame)[5 * ROW[basis]]
    assert bell.disagrees(frame, basis) == (correlation < 0)


@pytest.mark.parametrize(("frame", "basis"), list(itertools.product(BellIndex, PAULI_BASES)))
def test_bell_flip_takes_the_frame_out(frame, basis):
    assert bell.FLIP[frame][basis] == bell.disagrees(frame, basis) ^ bell.disagrees(BellIndex.PHI_PLUS, basis)


@pytest.mark.parametrize(("frame", "half"), list(itertools.product(BellIndex, (0, 1))))
def test_bell_correction_turns_the_state_into_phi_plus(frame, half):
    corrected = formulas.apply_pauli(formulas.bell_state(frame), half, bell.correction(frame))
    assert corrected == formulas.bell_state(BellIndex.PHI_PLUS)


def test_bell_frames_compose_as_swaps_do():
    for left, right, outcome in itertools.product(BellIndex, repeat=3):
        _, state = formulas.swap_outcome(formulas.bell_state(left), formulas.bell_state(right), outcome)
        assert state == formulas.bell_state(compose(left, right, outcome))


def test_bell_numbers_are_those_of_qlink_interface():
    assert [b.name for b in BellIndex] == ["PHI_PLUS", "PHI_MINUS", "PSI_PLUS", "PSI_MINUS"]
    assert [b.name for b in Basis] == ["Z", "X", "Y", "Z_PLUS_X", "Z_MINUS_X"]
    assert (Gate.Z, Gate.X, Gate.Y) == (1, 2, 3)

"""Pauli frames: what a known Bell index does to outcomes.

A pair in frame k is |Bell k> = (1 x P_k)|Phi+>, P_k = X^x Z^z with x = bit 1 and z = bit 0 of k. |Phi+> gives equal
outcomes in Z and in X, and different ones in Y (its Y correlation is -1). The X part turns outcomes of Z and Y, the
Z part those of X and Y.
"""

from qstack.base.bell import FLIP, PAULI_BASES, Basis, BellIndex, Gate, compose

__all__ = ["DISAGREES", "FLIP", "PAULI_BASES", "Basis", "BellIndex", "Gate", "compose", "correction", "disagrees"]

DISAGREES: tuple[tuple[int, int, int], ...] = ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1))
"""DISAGREES[frame][Pauli basis]: 1 when the two ends' outcomes differ on an ideal pair measured by both in one."""


def disagrees(frame: int, basis: int) -> int:
    """0 or 1: XOR it into one end's outcome so that both ends hold the same bit."""
    return DISAGREES[frame][basis]


def correction(frame: int) -> Gate:
    """The Pauli that, applied to one half, turns |Bell frame> into |Phi+>."""
    return Gate(frame)

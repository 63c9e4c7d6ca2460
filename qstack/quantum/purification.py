"""Two pairs into one better pair: BBPSSW (Bennett 1996) and DEJMPS (Deutsch 1996), each node doing what it can.

Both pairs are expected in the frame of |Phi+> (correct them first). Each node turns its two qubits if the protocol says
so, lets the one that is kept control a CNOT on the one that is given up, and measures that one in Z. When the two bits,
which the nodes tell each other, agree, what is kept is better than it was; else it must be given up too.
"""

from collections.abc import Sequence
from enum import IntEnum, unique
from math import pi

from qstack.base.bell import Basis, Gate
from qstack.quantum.cliffords import CLIFFORDS, conjugate
from qstack.quantum.engine import GateCall, Measured, QubitHandle, Readout, StateEngine, require

__all__ = ["End", "Purification", "purify", "twirl"]


@unique
class Purification(IntEnum):
    """Which protocol. BBPSSW expects Werner states: `twirl` what is none, before and again after each round."""

    BBPSSW = 0
    DEJMPS = 1


@unique
class End(IntEnum):
    """Which of the two nodes: in DEJMPS they turn in opposite directions."""

    FIRST = 0
    SECOND = 1


def purify(
    engine: StateEngine, protocol: Purification, end: End, kept: QubitHandle, given_up: QubitHandle, instant_ns: int,
    uniform: float, *, one_qubit_error: float = 0.0, two_qubit_error: float = 0.0, readout: Readout | None = None,
) -> Measured:  # fmt: skip
    """What one node does, at one instant. Its bit is the `told` of the result; the qubit given up is released.

    Raises `LocalMisuse` for stale or early qubits, `ResourceLimit` without room.
    """
    require(engine.ready((kept, given_up), instant_ns))
    calls = [GateCall(Gate.CNOT, (kept, given_up), error=two_qubit_error)]
    if protocol is Purification.DEJMPS:
        angle = pi / 2 if end is End.FIRST else -pi / 2
        calls = [GateCall(Gate.RX, (qubit,), angle, one_qubit_error) for qubit in (kept, given_up)] + calls
    require(*engine.apply(calls, [instant_ns] * len(calls)))
    readouts = None if readout is None else [readout]
    [found] = engine.measure([given_up], [Basis.Z], [instant_ns], [uniform], readouts)
    require(found.status, *engine.release([given_up]))
    return found


def twirl(
    engine: StateEngine, halves: tuple[QubitHandle, QubitHandle], instants_ns: Sequence[int], uniform: float
) -> None:
    """Turn both halves by the same Clifford of 24, one by its conjugate, which |Phi+> survives: on average over the
    draw, that the two nodes share, the pair is a Werner state of the same fidelity. Raises as `purify` does."""
    number = int(uniform * len(CLIFFORDS))
    calls = [
        GateCall(Gate.CLIFFORD, (halves[0],), number),
        GateCall(Gate.CLIFFORD, (halves[1],), conjugate(number)),
    ]
    require(*engine.apply(calls, instants_ns))

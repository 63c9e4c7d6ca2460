"""Teleportation and superdense coding: a pair turns two classical bits into a qubit's way, and back.

The frame of the pair, a Bell index, need not be that of |Phi+>: both compose it with what they tell.
"""

from qstack.base.bell import BellIndex, Gate, compose
from qstack.quantum.engine import BellMeasured, GateCall, QubitHandle, Readout, StateEngine, require

__all__ = ["decode_dense", "encode_dense", "receive", "send"]


def send(
    engine: StateEngine, qubit: QubitHandle, half: QubitHandle, instant_ns: int, uniform: float,
    readouts: tuple[Readout, Readout] | None = None,
) -> BellMeasured:  # fmt: skip
    """The sender's Bell measurement of the qubit with its half of a pair; both are released.

    `told` goes to the receiver. Raises `LocalMisuse` for stale or early qubits, `ResourceLimit` without room.
    """
    [found] = engine.bell_measure([(qubit, half)], [instant_ns], [uniform], None if readouts is None else [readouts])
    require(found.status)
    return found


def receive(
    engine: StateEngine, half: QubitHandle, told: int, instant_ns: int, frame: int = BellIndex.PHI_PLUS,
    error: float = 0.0,
) -> None:  # fmt: skip
    """The receiver's correction, after which its half is the qubit that was sent. Raises as `send` does."""
    _pauli(engine, half, compose(told, frame), instant_ns, error)


def encode_dense(
    engine: StateEngine, half: QubitHandle, bits: int, instant_ns: int, frame: int = BellIndex.PHI_PLUS,
    error: float = 0.0,
) -> None:  # fmt: skip
    """Write two bits, 0..3, into a half that is then sent: the pair becomes the Bell state of that index."""
    _pauli(engine, half, compose(bits, frame), instant_ns, error)


def decode_dense(
    engine: StateEngine, arrived: QubitHandle, kept: QubitHandle, instant_ns: int, uniform: float,
    readouts: tuple[Readout, Readout] | None = None,
) -> BellMeasured:  # fmt: skip
    """Read the two bits, `told`, from both halves; they are released. A half known to be lost cannot be read: ask
    `erased` first. Raises as `send` does."""
    return send(engine, arrived, kept, instant_ns, uniform, readouts)


def _pauli(engine: StateEngine, qubit: QubitHandle, pauli: int, instant_ns: int, error: float) -> None:
    require(*engine.apply([GateCall(Gate(pauli), (qubit,), error=error if pauli else 0.0)], [instant_ns]))

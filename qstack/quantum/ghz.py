"""GHZ states |0...0> + |1...1>: made, and fused into larger ones."""

from collections.abc import Sequence

from qstack.base.bell import Basis, Gate
from qstack.quantum.engine import GateCall, Measured, QubitHandle, Readout, StateEngine, require

__all__ = ["fuse", "make_ghz", "receive_fusion"]


def make_ghz(engine: StateEngine, qubits: Sequence[QubitHandle], instant_ns: int, error: float = 0.0) -> None:
    """Entangle qubits, each in |0>, at one place: H, then a CNOT from the first to each other, with its error.

    Raises `LocalMisuse` for stale or early qubits, `ResourceLimit` without room.
    """
    require(engine.ready(qubits, instant_ns))
    first, *others = qubits
    calls = [GateCall(Gate.H, (first,)), *(GateCall(Gate.CNOT, (first, other), error=error) for other in others)]
    require(*engine.apply(calls, [instant_ns] * len(calls)))


def fuse(
    engine: StateEngine, kept: QubitHandle, given_up: QubitHandle, instant_ns: int, uniform: float, *,
    two_qubit_error: float = 0.0, readout: Readout | None = None,
) -> Measured:  # fmt: skip
    """Fuse the GHZ states of n and m qubits that `kept` and `given_up` belong to into one of n + m - 1.

    A CNOT, then the second is measured in Z and released. When the `told` bit is 1, all others of its state need an X:
    `receive_fusion`. |Phi+> is the GHZ state of two. Raises as `make_ghz` does.
    """
    require(*engine.apply([GateCall(Gate.CNOT, (kept, given_up), error=two_qubit_error)], [instant_ns]))
    readouts = None if readout is None else [readout]
    [found] = engine.measure([given_up], [Basis.Z], [instant_ns], [uniform], readouts)
    require(found.status, *engine.release([given_up]))
    return found


def receive_fusion(engine: StateEngine, others: Sequence[QubitHandle], told: int, instants_ns: Sequence[int]) -> None:
    """The correction at the other qubits of the state that gave one up. Raises as `make_ghz` does."""
    if told:
        require(*engine.apply([GateCall(Gate.X, (other,)) for other in others], instants_ns))

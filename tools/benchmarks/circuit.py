"""engine.circuit/qutip: one round of DEJMPS on two noisy pairs, through the typed door, beside QuTiP.

Four qubits age in memories with T1 and T2; each node turns its two, applies a noisy CNOT and measures one in Z. Ours
are six calls of `StateEngine`, pairs made and qubits released included. QuTiP's operators are made beforehand; timed is
what acts on the density matrix: Kraus operators, unitaries, projectors, partial trace. Both must agree to 1e-12.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.metadata import version
from math import exp, pi, sqrt
from typing import Any

import numpy as np

from qstack.base.bell import Basis, Gate
from qstack.quantum import reference
from qstack.quantum.engine import GateCall, NewPair, StateEngine
from qstack.quantum.formulas import werner
from qstack.quantum.memories import MemoryModel
from tools.benchmarks.comparison import Comparison, side_by_side_us

__all__ = ["ENTRIES"]

SECONDS = 4.0
MEMORY = MemoryModel(10_000_000, 4_000_000)
AGE_NS = 500_000
ERROR = 0.01


def ours() -> tuple[float, ...]:
    """The pair that is kept, when both bits are 0."""
    engine = ENGINE
    (a, b), (c, d) = engine.create([NewPair(werner(0.9), (0, 0), (MEMORY, MEMORY))] * 2)
    turns = [
        GateCall(Gate.RX, (qubit,), angle) for qubit, angle in ((a, pi / 2), (c, pi / 2), (b, -pi / 2), (d, -pi / 2))
    ]
    engine.apply(
        [*turns, GateCall(Gate.CNOT, (a, c), error=ERROR), GateCall(Gate.CNOT, (b, d), error=ERROR)], [AGE_NS] * 6
    )
    engine.measure([c, d], [Basis.Z] * 2, [AGE_NS] * 2, [0.0, 0.0])
    engine.release([c, d])
    state = engine.inspect([a, b], AGE_NS)
    engine.release([a, b])
    assert state is not None
    return state


ENGINE = StateEngine()


def theirs(qutip: Any) -> Callable[[], Any]:
    """The same on one density matrix of four qubits a, b, c, d."""
    eye, x, z = qutip.qeye(2), qutip.sigmax(), qutip.sigmaz()

    def on(operator: Any, qubit: int) -> Any:
        return qutip.tensor(*(operator if n == qubit else eye for n in range(4)))

    e1, e2 = exp(-AGE_NS / MEMORY.t1_ns), exp(-AGE_NS / MEMORY.t2_ns)
    flip = (1 - e2 / sqrt(e1)) / 2
    damping = [qutip.Qobj([[1, 0], [0, sqrt(e1)]]), qutip.Qobj([[0, sqrt(1 - e1)], [0, 0]])]
    dephasing = [sqrt(1 - flip) * eye, sqrt(flip) * z]
    ageing = [[on(q * p, qubit) for q in dephasing for p in damping] for qubit in range(4)]
    turn = [on((-1j * sign * pi / 4 * x).expm(), qubit) for qubit, sign in ((0, 1), (2, 1), (1, -1), (3, -1))]
    paulis = (eye, x, qutip.sigmay(), z)
    zero = (eye + z) / 2
    cnots = [(on(zero, c) + on(eye - zero, c) * on(x, t), [on(p, c) * on(q, t) / 4 for p in paulis for q in paulis])
             for c, t in ((0, 2), (1, 3))]  # fmt: skip
    found = on(zero, 2) * on(zero, 3)
    start = qutip.tensor(*[qutip.Qobj(reference.density(np.array(werner(0.9)).reshape(4, 4)), dims=[[2, 2]] * 2)] * 2)

    def act() -> Any:
        rho = start
        for kraus in ageing:
            rho = sum((k * rho * k.dag() for k in kraus[1:]), start=kraus[0] * rho * kraus[0].dag())
        for unitary in turn:
            rho = unitary * rho * unitary.dag()
        for unitary, mixing in cnots:
            rho = unitary * rho * unitary.dag()
            rho = (1 - ERROR) * rho + ERROR * sum(
                (k * rho * k.dag() for k in mixing[1:]), start=mixing[0] * rho * mixing[0]
            )
        rho = found * rho * found
        return (rho / rho.tr()).ptrace([0, 1])

    return act


def circuit() -> Comparison:
    """Against QuTiP's density matrices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses matplotlib, which nothing here needs
        import qutip  # noqa: PLC0415  (a peer, slow to import)

    act = theirs(qutip)
    expected = reference.correlations(act().full()).ravel()
    assert np.abs(np.array(ours()) - expected).max() < 1e-12
    times = side_by_side_us(ours, act, SECONDS)
    return Comparison("engine.circuit/qutip", *times, f"QuTiP {version('qutip')}", "us per DEJMPS round, 4 qubits")


ENTRIES: dict[str, Callable[[], Comparison]] = {"engine.circuit/qutip": circuit}

"""EPR sockets for programs without an event loop: the verbs of `qstack.sockets.epr`, blocking.

    with qstack.sockets.blocking.open_node() as node:
        socket = node.open_epr_socket("64512.2", purpose=7)
        [qubit] = socket.create_keep()
        print(qubit.measure())

Every call that waits takes `timeout` seconds (None: for ever) and raises `TimeoutError`. Out of time, a request for
pairs is cancelled.
"""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Self

from qstack.base.bell import Basis, Gate
from qstack.base.pairs import PairKind
from qstack.sockets import epr_verbs
from qstack.sockets.epr_core import GateAsked, QubitView, SocketView
from qstack.sockets.epr_facts import QubitFacts, SocketFacts, outcomes, qubit_views
from qstack.sockets.epr_values import (
    EprMeasured,
    MeasuredQubit,
    RandomBases,
    RandomBasis,
    half,
    read_any_basis,
    terms,
)  # fmt: skip
from qstack.sockets.errors import QubitLost

if TYPE_CHECKING:
    from qstack.sockets.blocking import Node

__all__ = ["EprSocket", "Qubit"]

Rotations = tuple[float, float, float]

_ANSWER_S = 10.0


class EprSocket(SocketFacts):
    """A purpose towards a neighbour, held by this connection alone. Made by `Node.open_epr_socket`.

    What is created here is received at the other end by the `recv_` of the same kind. `max_time`: seconds in which all
    pairs are to be there, None for as long as it takes. Larger `priority` is more urgent. `atomic`: all pairs exist at
    one time; `consecutive`: no other request's pairs in between.
    """

    def __init__(self, node: "Node", view: SocketView) -> None:
        super().__init__(view)
        self.node = node

    def wait_connected(self, timeout: float | None = None) -> int:
        """Until an application holds the purpose at the other end. Returns the number of the connection, from 1."""
        return self.node.do(epr_verbs.connected(self.node.core, self.view), timeout)

    # --- type K: keep ---------------------------------------------------------------------------------------------

    def create_keep(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        atomic: bool = False, consecutive: bool = False, timeout: float | None = None,
    ) -> list["Qubit"]:  # fmt: skip
        """Ask for pairs and wait for all of them. Raises `EprRequestFailed`, which holds those that came before."""
        asked = terms(PairKind.KEEP, number, min_fidelity, max_time, priority, atomic=atomic, consecutive=consecutive)
        verb = epr_verbs.create_all(self.node.core, self.view, asked)
        return self._qubits(qubit_views(self.node.do(verb, timeout)))

    def create_keep_each(
        self, number: int = 1, *, sequential: bool = False, min_fidelity: float = 0.0, max_time: float | None = None,
        priority: int = 0, timeout: float | None = None,
    ) -> Generator["Qubit", None, None]:  # fmt: skip
        """Ask for pairs and get one after the other.

        `sequential`: the next pair is only made when the last qubit is measured, freed or revoked, so that one memory
        is enough. Leaving the loop early cancels the rest.
        """
        asked = terms(PairKind.KEEP, number, min_fidelity, max_time, priority, atomic=False, consecutive=False,
                      sequential=sequential)  # fmt: skip
        core = self.node.core
        request = self.node.do(epr_verbs.create(core, self.view, asked), _ANSWER_S)
        try:
            while (found := self.node.do(epr_verbs.next_created(core, request), timeout)) is not None:
                yield self._qubits(qubit_views([found]))[0]
        finally:
            self.node.do(epr_verbs.abandon(core, request), _ANSWER_S)

    def recv_keep(self, number: int = 1, timeout: float | None = None) -> list["Qubit"]:
        """Wait for pairs that the other end creates. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.KEEP, number)
        return self._qubits(qubit_views(self.node.do(verb, timeout)))

    def recv_keep_each(
        self, number: int = 1, *, sequential: bool = False, timeout: float | None = None
    ) -> Generator["Qubit", None, None]:
        """One after the other; `sequential`: the next one when the last is measured, freed or revoked."""
        before: QubitView | None = None
        for _ in range(number):
            verb = epr_verbs.next_received(self.node.core, self.view, PairKind.KEEP, before if sequential else None)
            [before] = qubit_views([self.node.do(verb, timeout)])
            yield self._qubits([before])[0]

    # --- type M: measure ------------------------------------------------------------------------------------------

    def create_measure(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        consecutive: bool = False, basis_local: Basis | str | None = None, basis_remote: Basis | str | None = None,
        rotations_local: Rotations | None = None, rotations_remote: Rotations | None = None,
        random_basis_local: RandomBases = RandomBasis.NONE,
        random_basis_remote: RandomBases = RandomBasis.NONE, timeout: float | None = None,
    ) -> list[EprMeasured]:  # fmt: skip
        """Ask for pairs that are measured as they are made, at both ends.

        For each end a basis, or rotations (radians, about X, then Y, then X) before Z, or bases to draw from
        (`"XYZ"`, or each with its chance: `{"X": 0.9, "Z": 0.1}`).
        """
        asked = terms(
            PairKind.MEASURE, number, min_fidelity, max_time, priority, atomic=False, consecutive=consecutive,
            local=half(basis_local, rotations_local, random_basis_local),
            remote=half(basis_remote, rotations_remote, random_basis_remote),
        )  # fmt: skip
        return outcomes(self.node.do(epr_verbs.create_all(self.node.core, self.view, asked), timeout))

    def recv_measure(self, number: int = 1, timeout: float | None = None) -> list[EprMeasured]:
        """Wait for outcomes of pairs that the other end creates so. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.MEASURE, number)
        return outcomes(self.node.do(verb, timeout))

    # --- type R: remote state preparation -------------------------------------------------------------------------

    def create_rsp(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        consecutive: bool = False, basis_local: Basis | str | None = None, rotations_local: Rotations | None = None,
        random_basis_local: RandomBases = RandomBasis.NONE, timeout: float | None = None,
    ) -> list[EprMeasured]:  # fmt: skip
        """Prepare qubits at the other end by measuring the halves of this one."""
        asked = terms(
            PairKind.PREPARE, number, min_fidelity, max_time, priority, atomic=False, consecutive=consecutive,
            local=half(basis_local, rotations_local, random_basis_local),
        )  # fmt: skip
        return outcomes(self.node.do(epr_verbs.create_all(self.node.core, self.view, asked), timeout))

    def recv_rsp(self, number: int = 1, timeout: float | None = None) -> list["Qubit"]:
        """Wait for qubits that the other end prepares. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.PREPARE, number)
        return self._qubits(qubit_views(self.node.do(verb, timeout)))

    # --- qubits ---------------------------------------------------------------------------------------------------

    def apply(self, gates: Sequence[GateAsked], timeout: float | None = _ANSWER_S) -> None:
        """Apply gates in order, in one request; `qubit.gate(Gate.H)` makes them. Raises `QubitLost`."""
        self.node.do(epr_verbs.act(self.node.core, gates), timeout)

    def measure_all(
        self, qubits: Sequence["Qubit"], bases: Sequence[Basis | str] | Basis | str = Basis.Z,
        timeout: float | None = _ANSWER_S,
    ) -> list[MeasuredQubit | None]:  # fmt: skip
        """Measure qubits at once, each in its basis or all in one; None for those that were gone."""
        each = [bases] * len(qubits) if isinstance(bases, Basis | str) else list(bases)
        wanted, views = [read_any_basis(basis) for basis in each], [qubit.view for qubit in qubits]
        return self.node.do(epr_verbs.measure_qubits(self.node.core, views, wanted), timeout)

    def free_all(self, qubits: Sequence["Qubit"]) -> None:
        """Give qubits up unmeasured."""
        self.node.do(epr_verbs.free(self.node.core, [qubit.view for qubit in qubits]), None)

    def close(self) -> None:
        """Give the purpose back. Qubits of this socket are freed, requests cancelled."""
        self.node.do(epr_verbs.close_socket(self.node.core, self.view), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _qubits(self, views: Sequence[QubitView]) -> list["Qubit"]:
        return [Qubit(self, view) for view in views]


class Qubit(QubitFacts):
    """This end's half of a pair, kept in a memory of the node until it is measured or freed.

    Gates raise `QubitLost` when the pair was revoked, `LocalMisuse` when the qubit is measured or freed already, or the
    device has no such gate. Each takes the time that the device takes.
    """

    def __init__(self, socket: EprSocket, view: QubitView) -> None:
        super().__init__(view)
        self._socket = socket

    def x(self) -> None:
        """Pauli X: a bit flip."""
        self._socket.apply([self.gate(Gate.X)])

    def y(self) -> None:
        """Pauli Y."""
        self._socket.apply([self.gate(Gate.Y)])

    def z(self) -> None:
        """Pauli Z: a phase flip."""
        self._socket.apply([self.gate(Gate.Z)])

    def h(self) -> None:
        """Hadamard."""
        self._socket.apply([self.gate(Gate.H)])

    def s(self) -> None:
        """A quarter turn about Z."""
        self._socket.apply([self.gate(Gate.S)])

    def t(self) -> None:
        """An eighth of a turn about Z."""
        self._socket.apply([self.gate(Gate.T)])

    def k(self) -> None:
        """(Y + Z) / sqrt 2."""
        self._socket.apply(self._k())

    def rot_x(self, angle: float) -> None:
        """Turn about X by `angle` radians."""
        self._socket.apply([self.gate(Gate.RX, angle)])

    def rot_y(self, angle: float) -> None:
        """Turn about Y by `angle` radians."""
        self._socket.apply([self.gate(Gate.RY, angle)])

    def rot_z(self, angle: float) -> None:
        """Turn about Z by `angle` radians."""
        self._socket.apply([self.gate(Gate.RZ, angle)])

    def cnot(self, target: "Qubit") -> None:
        """Flip `target`, a qubit of the same node, if this one is 1."""
        self._socket.apply([self.gate_with(Gate.CNOT, target)])

    def cphase(self, target: "Qubit") -> None:
        """Controlled Z with a qubit of the same node."""
        self._socket.apply([self.gate_with(Gate.CZ, target)])

    def measure(self, basis: Basis | str = Basis.Z) -> MeasuredQubit:
        """Measure it; it is gone afterwards. Raises `QubitLost`."""
        [seen] = self._socket.measure_all([self], basis)
        if seen is None:
            raise QubitLost(f"qubit of pair {self.sequence} could not be measured", self.view.reason)
        return seen

    def free(self) -> None:
        """Give it up unmeasured. Twice does no harm."""
        self._socket.free_all([self])

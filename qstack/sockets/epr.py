"""EPR sockets for trio applications: pairs with a neighbour on a link, by the verbs of NetQASM's EPRSocket.

    async with qstack.sockets.open_node() as node:
        socket = await node.open_epr_socket("64512.2", purpose=7)
        [qubit] = await socket.create_keep()
        print(await qubit.measure())
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import trio

from qstack.base.bell import Basis, Gate
from qstack.base.pairs import PairKind
from qstack.sockets import epr_verbs
from qstack.sockets.epr_core import GateAsked, QubitView, RequestView, SocketView
from qstack.sockets.epr_facts import QubitFacts, SocketFacts, outcomes, qubit_views
from qstack.sockets.epr_values import (
    CreateTerms,
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
    from qstack.sockets.node import Node

__all__ = ["Arriving", "Created", "EprSocket", "Qubit"]

Rotations = tuple[float, float, float]


class EprSocket(SocketFacts):
    """A purpose towards a neighbour, held by this connection alone. Made by `Node.open_epr_socket`.

    What is created here is received at the other end by the `recv_` of the same kind. `max_time`: seconds in which all
    pairs are to be there, None for as long as it takes. Larger `priority` is more urgent. `atomic`: all pairs exist at
    one time; `consecutive`: no other request's pairs in between.
    """

    def __init__(self, node: "Node", view: SocketView) -> None:
        super().__init__(view)
        self.node = node

    async def wait_connected(self) -> int:
        """Until an application holds the purpose at the other end. Returns the number of the connection, from 1."""
        return await self.node.do(epr_verbs.connected(self.node.core, self.view))

    # --- type K: keep ---------------------------------------------------------------------------------------------

    async def create_keep(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        atomic: bool = False, consecutive: bool = False,
    ) -> list["Qubit"]:  # fmt: skip
        """Ask for pairs and wait for all of them. Raises `EprRequestFailed`, which holds those that came before."""
        asked = terms(PairKind.KEEP, number, min_fidelity, max_time, priority, atomic=atomic, consecutive=consecutive)
        verb = epr_verbs.create_all(self.node.core, self.view, asked)
        return self._qubits(qubit_views(await self.node.do(verb)))

    def create_keep_each(
        self, number: int = 1, *, sequential: bool = False, min_fidelity: float = 0.0, max_time: float | None = None,
        priority: int = 0,
    ) -> "Created":  # fmt: skip
        """Ask for pairs and get one after the other, for `async for`.

        `sequential`: the next pair is only made when the last qubit is measured, freed or revoked, so that one memory
        is enough. A loop inside `async with` cancels the rest when it is left early.
        """
        asked = terms(PairKind.KEEP, number, min_fidelity, max_time, priority, atomic=False, consecutive=False,
                      sequential=sequential)  # fmt: skip
        return Created(self, asked)

    async def recv_keep(self, number: int = 1) -> list["Qubit"]:
        """Wait for pairs that the other end creates. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.KEEP, number)
        return self._qubits(qubit_views(await self.node.do(verb)))

    def recv_keep_each(self, number: int = 1, *, sequential: bool = False) -> "Arriving":
        """Pairs that the other end creates, one after the other, for `async for`; `sequential`: the next one when the
        last is measured, freed or revoked."""
        return Arriving(self, number, sequential=sequential)

    # --- type M: measure ------------------------------------------------------------------------------------------

    async def create_measure(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        consecutive: bool = False, basis_local: Basis | str | None = None, basis_remote: Basis | str | None = None,
        rotations_local: Rotations | None = None, rotations_remote: Rotations | None = None,
        random_basis_local: RandomBases = RandomBasis.NONE,
        random_basis_remote: RandomBases = RandomBasis.NONE,
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
        return outcomes(await self.node.do(epr_verbs.create_all(self.node.core, self.view, asked)))

    async def recv_measure(self, number: int = 1) -> list[EprMeasured]:
        """Wait for outcomes of pairs that the other end creates so. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.MEASURE, number)
        return outcomes(await self.node.do(verb))

    # --- type R: remote state preparation -------------------------------------------------------------------------

    async def create_rsp(
        self, number: int = 1, *, min_fidelity: float = 0.0, max_time: float | None = None, priority: int = 0,
        consecutive: bool = False, basis_local: Basis | str | None = None, rotations_local: Rotations | None = None,
        random_basis_local: RandomBases = RandomBasis.NONE,
    ) -> list[EprMeasured]:  # fmt: skip
        """Prepare qubits at the other end by measuring the halves of this one."""
        asked = terms(
            PairKind.PREPARE, number, min_fidelity, max_time, priority, atomic=False, consecutive=consecutive,
            local=half(basis_local, rotations_local, random_basis_local),
        )  # fmt: skip
        return outcomes(await self.node.do(epr_verbs.create_all(self.node.core, self.view, asked)))

    async def recv_rsp(self, number: int = 1) -> list["Qubit"]:
        """Wait for qubits that the other end prepares. Raises `RemoteClosed`, `EprRequestFailed`."""
        verb = epr_verbs.receive_all(self.node.core, self.view, PairKind.PREPARE, number)
        return self._qubits(qubit_views(await self.node.do(verb)))

    # --- qubits ---------------------------------------------------------------------------------------------------

    async def apply(self, gates: Sequence[GateAsked]) -> None:
        """Apply gates in order, in one request; `qubit.gate(Gate.H)` makes them. Raises `QubitLost`."""
        await self.node.do(epr_verbs.act(self.node.core, gates))

    async def measure_all(
        self, qubits: Sequence["Qubit"], bases: Sequence[Basis | str] | Basis | str = Basis.Z
    ) -> list[MeasuredQubit | None]:  # fmt: skip
        """Measure qubits at once, each in its basis or all in one; None for those that were gone."""
        each = [bases] * len(qubits) if isinstance(bases, Basis | str) else list(bases)
        wanted, views = [read_any_basis(basis) for basis in each], [qubit.view for qubit in qubits]
        return await self.node.do(epr_verbs.measure_qubits(self.node.core, views, wanted))

    async def free_all(self, qubits: Sequence["Qubit"]) -> None:
        """Give qubits up unmeasured."""
        await self.node.do(epr_verbs.free(self.node.core, [qubit.view for qubit in qubits]))

    async def close(self) -> None:
        """Give the purpose back. Qubits of this socket are freed, requests cancelled."""
        await self.node.do(epr_verbs.close_socket(self.node.core, self.view))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.close()

    def _qubits(self, views: Sequence[QubitView]) -> list["Qubit"]:
        return [Qubit(self, view) for view in views]


class Created:
    """The pairs of one request, one after the other."""

    def __init__(self, socket: EprSocket, asked: CreateTerms) -> None:
        self._socket = socket
        self._asked = asked
        self._request: RequestView | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Qubit":
        node = self._socket.node
        if self._request is None:
            self._request = await node.do(epr_verbs.create(node.core, self._socket.view, self._asked))
        found = await node.do(epr_verbs.next_created(node.core, self._request))
        if found is None:
            raise StopAsyncIteration
        return Qubit(self._socket, *qubit_views([found]))

    async def aclose(self) -> None:
        """No more of them: what was asked for is cancelled, what has come and was not taken is freed."""
        if self._request is not None:
            node = self._socket.node
            await node.do(epr_verbs.abandon(node.core, self._request))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.aclose()


class Arriving:
    """A number of pairs that the other end creates."""

    def __init__(self, socket: EprSocket, number: int, *, sequential: bool) -> None:
        self._socket = socket
        self._left = number
        self._sequential = sequential
        self._before: QubitView | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Qubit":
        if self._left <= 0:
            raise StopAsyncIteration
        node, before = self._socket.node, self._before if self._sequential else None
        verb = epr_verbs.next_received(node.core, self._socket.view, PairKind.KEEP, before)
        [self._before] = qubit_views([await node.do(verb)])
        self._left -= 1
        return Qubit(self._socket, self._before)


class Qubit(QubitFacts):
    """This end's half of a pair, kept in a memory of the node until it is measured or freed.

    Gates raise `QubitLost` when the pair was revoked, `LocalMisuse` when the qubit is measured or freed already, or the
    device has no such gate. Each takes the time that the device takes.
    """

    def __init__(self, socket: EprSocket, view: QubitView) -> None:
        super().__init__(view)
        self._socket = socket

    async def x(self) -> None:
        """Pauli X: a bit flip."""
        await self._socket.apply([self.gate(Gate.X)])

    async def y(self) -> None:
        """Pauli Y."""
        await self._socket.apply([self.gate(Gate.Y)])

    async def z(self) -> None:
        """Pauli Z: a phase flip."""
        await self._socket.apply([self.gate(Gate.Z)])

    async def h(self) -> None:
        """Hadamard."""
        await self._socket.apply([self.gate(Gate.H)])

    async def s(self) -> None:
        """A quarter turn about Z."""
        await self._socket.apply([self.gate(Gate.S)])

    async def t(self) -> None:
        """An eighth of a turn about Z."""
        await self._socket.apply([self.gate(Gate.T)])

    async def k(self) -> None:
        """(Y + Z) / sqrt 2."""
        await self._socket.apply(self._k())

    async def rot_x(self, angle: float) -> None:
        """Turn about X by `angle` radians."""
        await self._socket.apply([self.gate(Gate.RX, angle)])

    async def rot_y(self, angle: float) -> None:
        """Turn about Y by `angle` radians."""
        await self._socket.apply([self.gate(Gate.RY, angle)])

    async def rot_z(self, angle: float) -> None:
        """Turn about Z by `angle` radians."""
        await self._socket.apply([self.gate(Gate.RZ, angle)])

    async def cnot(self, target: "Qubit") -> None:
        """Flip `target`, a qubit of the same node, if this one is 1."""
        await self._socket.apply([self.gate_with(Gate.CNOT, target)])

    async def cphase(self, target: "Qubit") -> None:
        """Controlled Z with a qubit of the same node."""
        await self._socket.apply([self.gate_with(Gate.CZ, target)])

    async def measure(self, basis: Basis | str = Basis.Z) -> MeasuredQubit:
        """Measure it; it is gone afterwards. Raises `QubitLost`."""
        [seen] = await self._socket.measure_all([self], basis)
        if seen is None:
            raise QubitLost(f"qubit of pair {self.sequence} could not be measured", self.view.reason)
        return seen

    async def free(self) -> None:
        """Give it up unmeasured. Twice does no harm."""
        await self._socket.free_all([self])

"""Graph states: a qubit in |+> for each vertex, a CZ for each edge; and what operations on vertices do to the graph.

Measuring a vertex, or turning it and its neighbours, leaves the graph state of another graph, up to Cliffords on single
qubits. Those are undone here at once, so that the qubits always are exactly the graph state that `edges` tells
(rules: Hein, Eisert, Briegel 2004, section III). Noise stays the engine's: a graph state of imperfect pairs is one with
errors, and the rules hold all the same.
"""

from collections.abc import Iterable

from qstack.base.bell import Basis, Gate
from qstack.base.errors import LocalMisuse
from qstack.quantum.engine import Axis, GateCall, Measured, QubitHandle, StateEngine, require

__all__ = ["PLUS", "GraphState"]

PLUS = Axis(1.0, 0.0, 0.0)
"""|+>, in which a vertex begins: a state for `StateEngine.prepare`."""


class GraphState:
    """Which qubits are vertices, and between which there are edges.

    Operations act at one instant on all qubits they need. They raise `LocalMisuse` for what is no vertex, for stale and
    early qubits, and `ResourceLimit` without room.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._near: dict[QubitHandle, set[QubitHandle]] = {}

    @property
    def vertices(self) -> frozenset[QubitHandle]:
        """All qubits of the graph."""
        return frozenset(self._near)

    def neighbours(self, vertex: QubitHandle) -> frozenset[QubitHandle]:
        """Vertices joined to this one."""
        return frozenset(self._at(vertex))

    def add_vertex(self, qubit: QubitHandle) -> None:
        """Let a qubit in |+> be a vertex without edges."""
        if qubit in self._near:
            raise LocalMisuse("this qubit is a vertex already")
        self._near[qubit] = set()

    def add_bell_pair(self, first: QubitHandle, second: QubitHandle, instant_ns: int) -> None:
        """Let the halves of |Phi+> be two vertices with an edge: a Hadamard on the second does it."""
        self._turn([(Gate.H, second)], instant_ns)
        self.add_vertex(first)
        self.add_vertex(second)
        self._flip(first, second)

    def toggle_edge(self, first: QubitHandle, second: QubitHandle, instant_ns: int, error: float = 0.0) -> None:
        """A CZ: makes the edge, or takes it away."""
        self._at(first), self._at(second)
        require(*self._engine.apply([GateCall(Gate.CZ, (first, second), error=error)], [instant_ns]))
        self._flip(first, second)

    def complement(self, vertex: QubitHandle, instant_ns: int) -> None:
        """Local complementation: edges among the neighbours of a vertex appear where there were none, and vanish."""
        near = self._ready(vertex, instant_ns)
        self._turn([(Gate.SQRT_X, vertex), *((Gate.S_DAGGER, other) for other in near)], instant_ns)
        self._complement(vertex)

    def measure_z(self, vertex: QubitHandle, instant_ns: int, uniform: float) -> Measured:
        """Delete a vertex with its edges."""
        near = self._ready(vertex, instant_ns)
        found = self._measure(vertex, Basis.Z, instant_ns, uniform)
        self._delete(vertex)
        self._turn([(Gate.Z, other) for other in near if found.outcome], instant_ns)
        return found

    def measure_y(self, vertex: QubitHandle, instant_ns: int, uniform: float) -> Measured:
        """Complement at a vertex, and delete it: its neighbours are joined past it."""
        near = self._ready(vertex, instant_ns)
        found = self._measure(vertex, Basis.Y, instant_ns, uniform)
        self._complement(vertex)
        self._delete(vertex)
        self._turn([(Gate.S if found.outcome else Gate.S_DAGGER, other) for other in near], instant_ns)
        return found

    def measure_x(
        self, vertex: QubitHandle, instant_ns: int, uniform: float, special: QubitHandle | None = None
    ) -> Measured:
        """Pivot on a neighbour, the `special` one or any, and delete the vertex. One without neighbours is deleted."""
        near = self._ready(vertex, instant_ns)
        if special is None:
            special = min(near, default=None)
        elif special not in near:
            raise LocalMisuse("the special vertex is no neighbour")
        found = self._measure(vertex, Basis.X, instant_ns, uniform)
        if special is None:
            self._delete(vertex)
            return found
        beyond = set(self._near[special])
        turned = beyond - near - {vertex} if found.outcome else near - beyond - {special}
        for one in (special, vertex, special):
            self._complement(one)
        self._delete(vertex)
        root = Gate.SQRT_Y_DAGGER if found.outcome else Gate.SQRT_Y
        self._turn([(root, special), *((Gate.Z, other) for other in turned)], instant_ns)
        return found

    def merge(self, kept: QubitHandle, given_up: QubitHandle, instant_ns: int, uniform: float) -> Measured:
        """Fuse two vertices that are not joined into one, by their parity: a CNOT, and the second measured in Z.

        What is joined to one of both is joined to the merged vertex; what is to both, to none.
        """
        near, other_near = self._ready(kept, instant_ns), self._ready(given_up, instant_ns)
        if given_up in near or given_up == kept:
            raise LocalMisuse("vertices that are joined, or one alone, cannot be merged")
        require(*self._engine.apply([GateCall(Gate.CNOT, (kept, given_up))], [instant_ns]))
        found = self._measure(given_up, Basis.Z, instant_ns, uniform)
        self._delete(given_up)
        for other in other_near:
            self._flip(kept, other)
        self._turn([(Gate.Z, other) for other in other_near if found.outcome], instant_ns)
        return found

    # ---- the graph ----

    def _at(self, vertex: QubitHandle) -> set[QubitHandle]:
        if vertex not in self._near:
            raise LocalMisuse("this qubit is no vertex of the graph")
        return set(self._near[vertex])

    def _flip(self, first: QubitHandle, second: QubitHandle) -> None:
        self._near[first] ^= {second}
        self._near[second] ^= {first}

    def _complement(self, vertex: QubitHandle) -> None:
        near = sorted(self._near[vertex])
        for n, first in enumerate(near):
            for second in near[n + 1 :]:
                self._flip(first, second)

    def _delete(self, vertex: QubitHandle) -> None:
        for other in self._near.pop(vertex):
            self._near[other] -= {vertex}

    # ---- the qubits ----

    def _ready(self, vertex: QubitHandle, instant_ns: int) -> set[QubitHandle]:
        """The neighbours of a vertex, when it and they can be acted on."""
        near = self._at(vertex)
        require(self._engine.ready([vertex, *near], instant_ns))
        return near

    def _measure(self, vertex: QubitHandle, basis: Basis, instant_ns: int, uniform: float) -> Measured:
        [found] = self._engine.measure([vertex], [basis], [instant_ns], [uniform])
        require(found.status, *self._engine.release([vertex]))
        return found

    def _turn(self, turns: Iterable[tuple[Gate, QubitHandle]], instant_ns: int) -> None:
        calls = [GateCall(gate, (qubit,)) for gate, qubit in turns]
        require(*self._engine.apply(calls, [instant_ns] * len(calls)))

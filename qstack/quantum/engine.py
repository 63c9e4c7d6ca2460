"""The door to the compiled state engine: typed values in, typed values out.

Laws and theory stand at the head of `_cext/engine.pyx`. `StateEngine` turns sequences into the buffers that the engine
works on; `PairEngine`, re-exported, is for callers that hold such buffers themselves (NumPy arrays, `array.array`).
No clock and no randomness: instants and uniform draws in [0, 1) are arguments.
"""

from array import array
from collections.abc import Callable, Sequence
from enum import IntEnum, unique
from typing import NamedTuple, NewType

from qstack._cext.engine import PairEngine
from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.quantum.formulas import Correlations
from qstack.quantum.memories import MemoryModel

__all__ = [
    "DEFAULT_PAIR_LIMIT", "DEFAULT_REGISTER_OCTETS", "MOST_QUBITS", "Axis", "BellMeasured", "CliffordCall", "GateCall",
    "Measured", "NewPair", "PairEngine", "PauliNoise", "QubitHandle", "Readout", "StateEngine", "Status", "Swapped",
    "require",
]  # fmt: skip

DEFAULT_PAIR_LIMIT = 1 << 20
"""Pairs an engine holds at most unless told otherwise: 192 MiB when full, grown to as needed."""
DEFAULT_REGISTER_OCTETS = 1 << 28
"""Memory of all registers of three qubits or more, unless told otherwise: 512 registers of eight."""
MOST_QUBITS = 10
"""Qubits of one register."""

QubitHandle = NewType("QubitHandle", int)  # 64 bits: index and generation; never 0


@unique
class Status(IntEnum):
    """What became of one item of a batch. Anything but OK changed nothing."""

    OK = 0
    STALE = 1  # the handle names no qubit, or no longer
    EARLY = 2  # the instant lies before the qubit's last
    SAME_PAIR = 3  # a swap of qubits that already share a state
    UNKNOWN_OPERAND = 4  # no such basis, gate, angle, probability or Clifford
    SAME_QUBIT = 5  # a qubit named twice where two are needed
    NO_ROOM = 6  # a register of more than MOST_QUBITS, or over the limits of the engine


def require(*statuses: Status) -> None:
    """Raise unless all are OK: `ResourceLimit` for NO_ROOM, `LocalMisuse` for the rest."""
    for status in statuses:
        if status is Status.NO_ROOM:
            raise ResourceLimit("no room for a register of so many qubits")
        if status is not Status.OK:
            raise LocalMisuse(f"the engine refuses: {status.name}")


class NewPair(NamedTuple):
    """A pair to be made: its state, when each half was born, and the memories that hold them."""

    state: Correlations
    born_ns: tuple[int, int]
    memories: tuple[MemoryModel, MemoryModel]


class Axis(NamedTuple):
    """A unit vector of the Bloch sphere: (0, 0, 1) is Z. As a state, no longer than 1."""

    x: float
    y: float
    z: float


class GateCall(NamedTuple):
    """A gate on one qubit or two. `angle`: radians (the number 0..23 of a CLIFFORD); `error`: probability p of the
    depolarisation after it, rho -> (1 - p) G rho + p I/2^n on its qubits."""

    gate: Gate
    qubits: tuple[QubitHandle, ...]
    angle: float = 0.0
    error: float = 0.0


class CliffordCall(NamedTuple):
    """Any Clifford gate of two qubits, by its images of XI, ZI, IX, IZ: each the number 4 i + j of a Pauli string, i
    and j over I, X, Y, Z, with its sign. CNOT is (5, 12, 1, 15)."""

    images: tuple[int, int, int, int]
    qubits: tuple[QubitHandle, QubitHandle]
    error: float = 0.0


class PauliNoise(NamedTuple):
    """Probabilities of an X, a Y and a Z; the rest is nothing. `z` alone is dephasing."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


class Readout(NamedTuple):
    """How a bit is told: `p0` is the probability of telling 1 of a 0, `p1` of telling 0 of a 1; `uniform` decides."""

    p0: float
    p1: float
    uniform: float

    def tell(self, bit: int) -> int:
        """The bit that is told."""
        return bit ^ (self.uniform < (self.p1 if bit else self.p0))


class Swapped(NamedTuple):
    """Outcome of one Bell measurement; only `status` counts unless it is OK."""

    status: Status
    outcome: BellIndex
    probability: float


class BellMeasured(NamedTuple):
    """As `Swapped`; `told` is the outcome after readout errors of its two bits."""

    status: Status
    outcome: BellIndex
    probability: float
    told: BellIndex


class Measured(NamedTuple):
    """Outcome of one measurement, 0 for eigenvalue +1; `told` is it after a readout error. Only `status` counts unless
    it is OK."""

    status: Status
    outcome: int
    probability: float
    told: int


class StateEngine:
    """Qubits alone, in pairs or in registers, each named by a handle from its creation to its release.

    Sequences of one call have one length; batches are done item after item.
    """

    def __init__(self, limit: int = DEFAULT_PAIR_LIMIT, register_octets: int = DEFAULT_REGISTER_OCTETS) -> None:
        self._pairs = PairEngine(limit, register_octets)
        self._kinds: dict[tuple[float, float, float], int] = {}

    @property
    def live(self) -> int:
        """Pairs, lone qubits and registers that are held."""
        return self._pairs.live

    @property
    def octets_per_pair(self) -> int:
        """Memory that one pair takes."""
        return self._pairs.octets_per_pair

    # ---- making ----

    def create(self, pairs: Sequence[NewPair]) -> list[tuple[QubitHandle, QubitHandle]]:
        """Make pairs. Raises `LocalMisuse` for what is no state or no memory, `ResourceLimit` when full."""
        handles = _words(2 * len(pairs))
        states = array("d", [value for pair in pairs for value in pair.state])
        born = array("q", [instant for pair in pairs for instant in pair.born_ns])
        kinds = self._kinds_of([memory for pair in pairs for memory in pair.memories])
        _made(lambda: self._pairs.create(states, born, kinds, handles), f"{len(pairs)} pairs")
        return [(QubitHandle(handles[n]), QubitHandle(handles[n + 1])) for n in range(0, len(handles), 2)]

    def prepare(
        self, states: Sequence[Axis] | None, born_ns: Sequence[int], memories: Sequence[MemoryModel]
    ) -> list[QubitHandle]:
        """Make lone qubits, each with its Bloch vector; |0> when `states` is None. Raises as `create` does."""
        handles = _words(len(born_ns))
        vectors = array("d", [value for state in states or [_AXES[Basis.Z]] * len(born_ns) for value in state])
        born, kinds = array("q", born_ns), self._kinds_of(memories)
        _made(lambda: self._pairs.prepare(vectors, born, kinds, handles), f"{len(born_ns)} qubits")
        return [QubitHandle(handle) for handle in handles]

    def create_register(
        self, tensor: Sequence[float], born_ns: Sequence[int], memories: Sequence[MemoryModel]
    ) -> list[QubitHandle]:
        """Make one state of n = 1..10 qubits from its 4^n Pauli expectations. Raises as `create` does."""
        handles = _words(len(born_ns))
        state, born, kinds = array("d", tensor), array("q", born_ns), self._kinds_of(memories)
        _made(lambda: self._pairs.create_register(state, born, kinds, handles), f"a register of {len(born_ns)}")
        return [QubitHandle(handle) for handle in handles]

    # ---- time and noise ----

    def decohere(self, qubits: Sequence[QubitHandle], instants_ns: Sequence[int]) -> list[Status]:
        """Bring qubits forward to their instants."""
        statuses = _octets(qubits)
        self._pairs.decohere(array("Q", qubits), array("q", instants_ns), statuses)
        return _statuses(statuses)

    def relocate(
        self, qubits: Sequence[QubitHandle], memories: Sequence[MemoryModel], instants_ns: Sequence[int]
    ) -> list[Status]:
        """Let qubits go on in other memories, from their instants on. Raises `LocalMisuse`, `ResourceLimit`."""
        statuses = _octets(qubits)
        self._pairs.relocate(array("Q", qubits), self._kinds_of(memories), array("q", instants_ns), statuses)
        return _statuses(statuses)

    def scatter(
        self, qubits: Sequence[QubitHandle], noise: Sequence[PauliNoise], instants_ns: Sequence[int]
    ) -> list[Status]:
        """Pauli noise on qubits."""
        statuses = _octets(qubits)
        probabilities = array("d", [value for item in noise for value in item])
        self._pairs.scatter(array("Q", qubits), probabilities, array("q", instants_ns), statuses)
        return _statuses(statuses)

    # ---- gates ----

    def apply(self, calls: Sequence[GateCall], instants_ns: Sequence[int]) -> list[Status]:
        """Gates. One of two qubits brings them, and all they are entangled with, into one register."""
        statuses = _octets(calls)
        self._pairs.apply(
            array("B", [call.gate for call in calls]),
            array("Q", [call.qubits[0] for call in calls]),
            array("Q", [call.qubits[1] if len(call.qubits) > 1 else 0 for call in calls]),
            array("d", [call.angle for call in calls]),
            array("d", [call.error for call in calls]),
            array("q", instants_ns),
            statuses,
        )
        return _statuses(statuses)

    def apply_clifford(self, calls: Sequence[CliffordCall], instants_ns: Sequence[int]) -> list[Status]:
        """Clifford gates of two qubits, any of the 11,520."""
        statuses = _octets(calls)
        self._pairs.clifford(
            array("b", [image for call in calls for image in call.images]),
            array("Q", [call.qubits[0] for call in calls]),
            array("Q", [call.qubits[1] for call in calls]),
            array("d", [call.error for call in calls]),
            array("q", instants_ns),
            statuses,
        )
        return _statuses(statuses)

    # ---- measurements ----

    def swap(
        self, couples: Sequence[tuple[QubitHandle, QubitHandle]], instants_ns: Sequence[int], uniforms: Sequence[float]
    ) -> list[Swapped]:
        """Bell measurements, each of qubits of two states. Both are released; what they were entangled with becomes
        one state, which is not corrected for the outcome, a Bell index."""
        found = self._bell(self._pairs.swap, couples, instants_ns, uniforms)
        return [Swapped(status, outcome, probability) for status, outcome, probability in found]

    def bell_measure(
        self, couples: Sequence[tuple[QubitHandle, QubitHandle]], instants_ns: Sequence[int],
        uniforms: Sequence[float], readouts: Sequence[tuple[Readout, Readout]] | None = None,
    ) -> list[BellMeasured]:  # fmt: skip
        """As `swap`, of any two qubits: those of one pair or register as well.

        `readouts`: of the Z bit and of the X bit, which a CNOT and a Hadamard bring to the first and second qubit.
        """
        found = self._bell(self._pairs.bell_measure, couples, instants_ns, uniforms)
        told = [outcome for _, outcome, _ in found]
        if readouts is not None:
            told = [
                _BELLS[z.tell(outcome & 1) | x.tell(outcome >> 1) << 1]
                for outcome, (z, x) in zip(told, readouts, strict=True)
            ]
        return [BellMeasured(*item, tell) for item, tell in zip(found, told, strict=True)]

    def _bell(
        self, measure: Callable[..., None], couples: Sequence[tuple[QubitHandle, QubitHandle]],
        instants_ns: Sequence[int], uniforms: Sequence[float],
    ) -> list[tuple[Status, BellIndex, float]]:  # fmt: skip
        statuses, outcomes = _octets(couples), _octets(couples)
        probabilities = array("d", bytes(8 * len(couples)))
        firsts, seconds = array("Q", [c[0] for c in couples]), array("Q", [c[1] for c in couples])
        measure(firsts, seconds, array("q", instants_ns), array("d", uniforms), outcomes, probabilities, statuses)
        return [
            (_STATUSES[status], _BELLS[outcome], probability)
            for status, outcome, probability in zip(statuses, outcomes, probabilities, strict=True)
        ]

    def measure(
        self, qubits: Sequence[QubitHandle], bases: Sequence[Basis | Axis], instants_ns: Sequence[int],
        uniforms: Sequence[float], readouts: Sequence[Readout] | None = None,
    ) -> list[Measured]:  # fmt: skip
        """Projective measurements. A measured qubit stays held, in the eigenstate that was found, whatever is told."""
        statuses, outcomes = _octets(qubits), _octets(qubits)
        probabilities = array("d", bytes(8 * len(qubits)))
        filled = (array("q", instants_ns), array("d", uniforms), outcomes, probabilities, statuses)
        if any(isinstance(basis, Axis) for basis in bases):
            axes = [basis if isinstance(basis, Axis) else _AXES[basis] for basis in bases]
            self._pairs.measure_along(array("Q", qubits), array("d", [v for axis in axes for v in axis]), *filled)
        else:
            named = [basis for basis in bases if isinstance(basis, int)]
            self._pairs.measure(array("Q", qubits), array("B", named), *filled)
        told = outcomes if readouts is None else [r.tell(bit) for bit, r in zip(outcomes, readouts, strict=True)]
        return [
            Measured(_STATUSES[status], outcome, probability, tell)
            for status, outcome, probability, tell in zip(statuses, outcomes, probabilities, told, strict=True)
        ]

    # ---- the end of qubits ----

    def erase(self, qubits: Sequence[QubitHandle], instants_ns: Sequence[int]) -> list[Status]:
        """Lose qubits: each stays held, maximally mixed, with its erasure flag set."""
        statuses = _octets(qubits)
        self._pairs.erase(array("Q", qubits), array("q", instants_ns), statuses)
        return _statuses(statuses)

    def release(self, qubits: Sequence[QubitHandle]) -> list[Status]:
        """Let go of qubits; their handles are stale from now on."""
        statuses = _octets(qubits)
        self._pairs.release(array("Q", qubits), statuses)
        return _statuses(statuses)

    # ---- looking ----

    def inspect(self, qubits: Sequence[QubitHandle], instant_ns: int) -> tuple[float, ...] | None:
        """The true joint state of 1..10 qubits at an instant, as 4^n Pauli expectations, wherever they live and without
        touching them; None for a stale handle. Raises `LocalMisuse` for a qubit named twice, or too many."""
        if not 1 <= len(set(qubits)) == len(qubits) <= MOST_QUBITS:
            raise LocalMisuse(f"one to {MOST_QUBITS} different qubits can be inspected together")
        state = array("d", bytes(8 << 2 * len(qubits)))
        return None if self._pairs.inspect(array("Q", qubits), instant_ns, state) else tuple(state)

    def inspect_pair(self, qubit: QubitHandle, instant_ns: int) -> Correlations | None:
        """The true state of a qubit and its partner at an instant, this qubit's index first, without touching it; None
        for a stale handle. The second index is maximally mixed when there is no partner."""
        state, statuses = array("d", bytes(128)), array("B", b"\0")
        self._pairs.inspect_pairs(array("Q", [qubit]), array("q", [instant_ns]), state, statuses)
        return None if statuses[0] else tuple(state)

    def ready(self, qubits: Sequence[QubitHandle], instant_ns: int) -> Status:
        """Whether all of these are held and none is past the instant: OK, STALE or EARLY."""
        try:
            last = max(self._pairs.touched_ns(qubit) for qubit in qubits)
        except KeyError:
            return Status.STALE
        return Status.EARLY if last > instant_ns else Status.OK

    def partner(self, qubit: QubitHandle) -> QubitHandle | None:
        """The other qubit of the pair; None when it is released or in a register, or the handle stale."""
        return QubitHandle(self._pairs.partner(qubit)) or None

    def companions(self, qubit: QubitHandle) -> list[QubitHandle]:
        """All qubits that share this one's state, itself among them; none for a stale handle."""
        return [QubitHandle(handle) for handle in self._pairs.companions(qubit)]

    def touched_ns(self, qubit: QubitHandle) -> int:
        """The qubit's last instant. Raises KeyError for a stale handle."""
        return self._pairs.touched_ns(qubit)

    def erased(self, qubit: QubitHandle) -> bool:
        """Whether the qubit is lost. Raises KeyError for a stale handle."""
        return self._pairs.erased(qubit)

    def _kinds_of(self, memories: Sequence[MemoryModel]) -> "array[int]":
        return array("H", [self._kind(memory) for memory in memories])

    def _kind(self, memory: MemoryModel) -> int:
        lifetimes = (memory.t1_ns, memory.t2_ns, memory.depolarising_ns)
        if lifetimes not in self._kinds:
            try:
                self._kinds[lifetimes] = self._pairs.kind(*lifetimes)
            except ValueError as error:
                raise LocalMisuse(f"no such memory: {error}") from error
            except MemoryError as error:
                raise ResourceLimit(str(error)) from error
        return self._kinds[lifetimes]


_STATUSES, _BELLS = tuple(Status), tuple(BellIndex)  # by number: quicker than calling the enumeration
_HALF = 0.5**0.5
_AXES = {
    Basis.Z: Axis(0.0, 0.0, 1.0),
    Basis.X: Axis(1.0, 0.0, 0.0),
    Basis.Y: Axis(0.0, 1.0, 0.0),
    Basis.Z_PLUS_X: Axis(_HALF, 0.0, _HALF),
    Basis.Z_MINUS_X: Axis(-_HALF, 0.0, _HALF),
}


def _made(make: Callable[[], None], what: str) -> None:
    try:
        make()
    except ValueError as error:
        raise LocalMisuse(f"{what} cannot be made: {error}") from error
    except MemoryError as error:
        raise ResourceLimit(f"{what}: {error}") from error


def _words(count: int) -> "array[int]":
    return array("Q", bytes(8 * count))


def _octets(items: Sequence[object]) -> "array[int]":
    return array("B", bytes(len(items)))


def _statuses(statuses: "array[int]") -> list[Status]:
    return [_STATUSES[status] for status in statuses]

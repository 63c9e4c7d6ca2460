"""The door to the compiled state engine: typed values in, typed values out.

Laws and theory stand at the head of `_cext/engine.pyx`. `StateEngine` turns sequences into the buffers that the engine
works on; `PairEngine`, re-exported, is for callers that hold such buffers themselves (NumPy arrays, `array.array`).
No clock and no randomness: instants and uniform draws in [0, 1) are arguments.
"""

from array import array
from collections.abc import Sequence
from enum import IntEnum, unique
from typing import NamedTuple, NewType

from qstack._cext.engine import PairEngine
from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.quantum.formulas import Correlations
from qstack.quantum.memories import MemoryModel

__all__ = ["DEFAULT_PAIR_LIMIT", "Measured", "NewPair", "PairEngine", "QubitHandle", "StateEngine", "Status", "Swapped"]

DEFAULT_PAIR_LIMIT = 1 << 20
"""Pairs an engine holds at most unless told otherwise: 208 MiB when full, grown to as needed."""

QubitHandle = NewType("QubitHandle", int)  # 64 bits: index and generation; never 0


@unique
class Status(IntEnum):
    """What became of one item of a batch. Anything but OK changed nothing."""

    OK = 0
    STALE = 1  # the handle names no qubit, or no longer
    EARLY = 2  # the instant lies before the qubit's last
    SAME_PAIR = 3  # a swap of a pair with itself
    UNKNOWN_OPERAND = 4  # no such basis, no such Pauli


class NewPair(NamedTuple):
    """A pair to be made: its state, when each half was born, and the memories that hold them."""

    state: Correlations
    born_ns: tuple[int, int]
    memories: tuple[MemoryModel, MemoryModel]


class Swapped(NamedTuple):
    """Outcome of one Bell measurement; only `status` counts unless it is OK."""

    status: Status
    outcome: BellIndex
    probability: float


class Measured(NamedTuple):
    """Outcome of one measurement, 0 for eigenvalue +1; only `status` counts unless it is OK."""

    status: Status
    outcome: int
    probability: float


class StateEngine:
    """Pairs of qubits, each qubit named by a handle from its creation to its release.

    Sequences of one call have one length; batches are done item after item.
    """

    def __init__(self, limit: int = DEFAULT_PAIR_LIMIT) -> None:
        self._pairs = PairEngine(limit)

    @property
    def live(self) -> int:
        """Pairs of which at least one qubit is held."""
        return self._pairs.live

    @property
    def octets_per_pair(self) -> int:
        """Memory that one pair takes."""
        return self._pairs.octets_per_pair

    def create(self, pairs: Sequence[NewPair]) -> list[tuple[QubitHandle, QubitHandle]]:
        """Make pairs. Raises `LocalMisuse` for what is no state or no memory, `ResourceLimit` when full."""
        handles = array("Q", bytes(16 * len(pairs)))
        states = array("d", [value for pair in pairs for value in pair.state])
        born = array("q", [instant for pair in pairs for instant in pair.born_ns])
        lifetimes = array("d", [life for pair in pairs for m in pair.memories for life in (m.t1_ns, m.t2_ns)])
        try:
            self._pairs.create(states, born, lifetimes, handles)
        except ValueError as error:
            raise LocalMisuse(f"no such pair can be made: {error}") from error
        except MemoryError as error:
            raise ResourceLimit(f"{len(pairs)} more pairs: {error}") from error
        return [(QubitHandle(handles[n]), QubitHandle(handles[n + 1])) for n in range(0, len(handles), 2)]

    def decohere(self, qubits: Sequence[QubitHandle], instants_ns: Sequence[int]) -> list[Status]:
        """Bring qubits forward to their instants."""
        statuses = _octets(qubits)
        self._pairs.decohere(array("Q", qubits), array("q", instants_ns), statuses)
        return _statuses(statuses)

    def swap(
        self, couples: Sequence[tuple[QubitHandle, QubitHandle]], instants_ns: Sequence[int], uniforms: Sequence[float]
    ) -> list[Swapped]:
        """Bell measurements, each of qubits of two pairs. Both are released; their partners become one pair.

        The outcome is a Bell index; the pair that stays is not corrected for it.
        """
        statuses, outcomes = _octets(couples), _octets(couples)
        probabilities = array("d", bytes(8 * len(couples)))
        firsts, seconds = array("Q", [c[0] for c in couples]), array("Q", [c[1] for c in couples])
        self._pairs.swap(
            firsts, seconds, array("q", instants_ns), array("d", uniforms), outcomes, probabilities, statuses
        )
        return [
            Swapped(Status(status), BellIndex(outcome), probability)
            for status, outcome, probability in zip(statuses, outcomes, probabilities, strict=True)
        ]

    def measure(
        self,
        qubits: Sequence[QubitHandle],
        bases: Sequence[Basis],
        instants_ns: Sequence[int],
        uniforms: Sequence[float],
    ) -> list[Measured]:
        """Projective measurements. A measured qubit stays held, in the eigenstate that was found."""
        statuses, outcomes = _octets(qubits), _octets(qubits)
        probabilities = array("d", bytes(8 * len(qubits)))
        self._pairs.measure(
            array("Q", qubits), array("B", bases), array("q", instants_ns), array("d", uniforms),
            outcomes, probabilities, statuses,
        )  # fmt: skip
        return [
            Measured(Status(status), outcome, probability)
            for status, outcome, probability in zip(statuses, outcomes, probabilities, strict=True)
        ]

    def correct(self, qubits: Sequence[QubitHandle], paulis: Sequence[int], instants_ns: Sequence[int]) -> list[Status]:
        """Apply Paulis, each by its frame bits (`qstack.base.bell.Gate`)."""
        statuses = _octets(qubits)
        self._pairs.correct(array("Q", qubits), array("B", paulis), array("q", instants_ns), statuses)
        return _statuses(statuses)

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

    def inspect(self, qubit: QubitHandle, instant_ns: int) -> Correlations | None:
        """The true state at an instant, this qubit's index first, without touching it; None for a stale handle."""
        state, statuses = array("d", bytes(128)), array("B", b"\0")
        self._pairs.inspect(array("Q", [qubit]), array("q", [instant_ns]), state, statuses)
        return None if statuses[0] else tuple(state)

    def partner(self, qubit: QubitHandle) -> QubitHandle | None:
        """The other qubit of the pair; None when it is released, or the handle stale."""
        return QubitHandle(self._pairs.partner(qubit)) or None

    def touched_ns(self, qubit: QubitHandle) -> int:
        """The qubit's last instant. Raises KeyError for a stale handle."""
        return self._pairs.touched_ns(qubit)

    def erased(self, qubit: QubitHandle) -> bool:
        """Whether the qubit is lost. Raises KeyError for a stale handle."""
        return self._pairs.erased(qubit)


def _octets(items: Sequence[object]) -> "array[int]":
    return array("B", bytes(len(items)))


def _statuses(statuses: "array[int]") -> list[Status]:
    return [Status(status) for status in statuses]

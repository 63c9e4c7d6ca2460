"""A node's device: memories that forget, gates that take time and fail, and how much of each there is (HARDWARE-7)."""

from dataclasses import dataclass, field
from typing import NamedTuple

from qstack.base.errors import LocalMisuse
from qstack.quantum.formulas import check_lifetimes

__all__ = ["DeviceModel", "GateSet", "MemoryBank", "MemoryModel", "Operation"]

_MOST_MEMORIES = 1 << 20


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """How a memory forgets and is read. Lifetimes in nanoseconds, 0 for infinite; T2 > 2 T1 is refused.

    T1 relaxes towards |0>, T2 dephases, `depolarising_ns` is the time in which all of a qubit's correlations shrink to
    1/e. `readout`: probability of telling 1 when it is 0, and of telling 0 when it is 1; each 0..0.5.
    """

    t1_ns: int = 0
    t2_ns: int = 0
    depolarising_ns: int = 0
    readout: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        check_lifetimes(self.t1_ns, self.t2_ns)
        if self.depolarising_ns < 0:
            raise LocalMisuse(f"a depolarising time of {self.depolarising_ns} ns is negative")
        if not all(0.0 <= error <= 0.5 for error in self.readout):
            raise LocalMisuse(f"readout errors {self.readout} are not in 0..0.5")


class Operation(NamedTuple):
    """What an operation costs: its duration, and the probability `error` with which it leaves its qubits
    completely mixed: rho becomes (1 - error) G(rho) + error I/2^n."""

    duration_ns: int = 0
    error: float = 0.0


_AT_ONCE = Operation()


@dataclass(frozen=True, slots=True)
class GateSet:
    """What operations of a device cost.

    `move` takes a qubit from a communication memory to a storage memory. Where storage memories are slower to
    initialise or to turn than communication memories, `storage_initialise` and `storage_one_qubit` say so. `measure`
    and `bell_measure` have their readout errors in the memories, besides the depolarising error given here.
    """

    initialise: Operation = _AT_ONCE
    one_qubit: Operation = _AT_ONCE
    two_qubit: Operation = _AT_ONCE
    measure: Operation = _AT_ONCE
    bell_measure: Operation = _AT_ONCE
    move: Operation = _AT_ONCE
    storage_initialise: Operation | None = None
    storage_one_qubit: Operation | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            operation = getattr(self, name)
            if operation is not None and (operation.duration_ns < 0 or not 0.0 <= operation.error <= 1.0):
                raise LocalMisuse(f"{name} {operation}: durations are not negative, errors are in 0..1")

    def initialising(self, *, storage: bool) -> Operation:
        """Putting |0> into a memory."""
        return self.initialise if not storage or self.storage_initialise is None else self.storage_initialise

    def turning(self, *, storage: bool) -> Operation:
        """A gate on one qubit."""
        return self.one_qubit if not storage or self.storage_one_qubit is None else self.storage_one_qubit


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """`count` memories of one kind."""

    count: int = 0
    model: MemoryModel = field(default_factory=MemoryModel)


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """The device of a node. Its memories are numbered through, communication memories first.

    Communication memories receive from links, storage memories only keep what is moved into them. A node that is only
    a station has none.
    """

    communication: MemoryBank = field(default_factory=MemoryBank)
    storage: MemoryBank = field(default_factory=MemoryBank)
    gates: GateSet = field(default_factory=GateSet)

    def __post_init__(self) -> None:
        if min(self.communication.count, self.storage.count) < 0 or self.qubits >= _MOST_MEMORIES:
            raise LocalMisuse(f"a device has 0..{_MOST_MEMORIES - 1} memories")

    @property
    def qubits(self) -> int:
        """How many memories there are."""
        return self.communication.count + self.storage.count

    def is_storage(self, qubit: int) -> bool:
        """Whether the memory of this number only keeps. The number is in range."""
        return qubit >= self.communication.count

    def memory(self, qubit: int) -> MemoryModel:
        """How the memory of this number forgets. The number is in range."""
        return self.communication.model if qubit < self.communication.count else self.storage.model

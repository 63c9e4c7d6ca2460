"""What the circuits of a node have in common: the node around them, and by which names they are found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qstack.base.effects import Count, Seal, SendMessage
from qstack.base.ids import CircuitId, Label, Qna
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.machine.timers import Timers
from qstack.proto.circuit.estimate import Composer
from qstack.proto.circuit.halves import Side
from qstack.proto.circuit.labels import LabelTable
from qstack.proto.circuit.params import CircuitParameters
from qstack.wire.circuit import MemoryTimes
from qstack.wire.value import Message

if TYPE_CHECKING:
    from qstack.proto.circuit.reservation import Circuit

__all__ = ["Surroundings", "TimerKey"]

TimerKey = tuple[str, CircuitId]
"""(what is waited for, of which circuit)."""


@dataclass(slots=True)
class Surroundings:
    """The node as its circuits see it, and the effects of the present turn."""

    own: Qna
    parameters: CircuitParameters
    timescale: Callable[[], Timescale]
    labels: "LabelTable[tuple[Circuit, Side]]"
    composer: Composer
    effects: list[Any] = field(default_factory=list)
    timers: Timers[TimerKey] = field(default_factory=Timers)
    now_ns: Instant = Instant(0)
    circuits: "dict[CircuitId, Circuit]" = field(default_factory=dict)
    by_link: "dict[tuple[Qna, Label], tuple[Circuit, Side]]" = field(default_factory=dict)
    touched: "dict[CircuitId, Circuit]" = field(default_factory=dict)  # those that have something in their outbox

    @property
    def memory(self) -> MemoryTimes:
        """How this node's memories forget."""
        return self.parameters.memory

    def domain_now(self) -> DomainTime:
        """The present instant in domain time."""
        return self.timescale().domain(self.now_ns)

    def local(self, domain_ns: int) -> Instant:
        """A domain instant on the local clock; one that is centuries away counts as a century away."""
        bounded = min(domain_ns, self.domain_now() + 3_155_760_000 * 1_000_000_000)
        return self.timescale().local(bounded)

    def emit(self, effect: Any) -> None:
        """Yield an effect or a service."""
        self.effects.append(effect)

    def send(self, neighbour: Qna, message: Message, label: Label) -> None:
        """Send to a neighbour, under the label by which it knows the circuit."""
        self.effects.append(SendMessage(neighbour, message, Seal.HOP, label))

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a counter of this protocol."""
        self.effects.append(Count(f"circuit.{what}", amount))

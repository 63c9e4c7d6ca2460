"""What the parts of the link layer have in common: the node around them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import CallDevice, Count, Seal, SendMessage
from qstack.base.ids import Qna
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.machine.timers import Timers
from qstack.proto.link.params import LinkParameters
from qstack.wire.protocols import Protocol
from qstack.wire.twin import request_id
from qstack.wire.value import Message

__all__ = ["Surroundings", "TimerKey"]

TimerKey = tuple[str, int, int]
"""(what is waited for, link, window or request)."""


@dataclass(slots=True)
class Surroundings:
    """The node as the link layer sees it, and the effects of the present turn."""

    own: Qna
    parameters: LinkParameters
    timescale: Callable[[], Timescale]
    chance: Chance
    effects: list[Any] = field(default_factory=list)
    timers: Timers[TimerKey] = field(default_factory=Timers)
    now_ns: Instant = Instant(0)
    asked: dict[int, tuple[str, int, Any]] = field(default_factory=dict)  # device requests that a result is awaited for
    device_calls: int = 0
    has_device: bool = True  # until told otherwise

    def domain_now(self) -> DomainTime:
        """The present instant in domain time."""
        return self.timescale().domain(self.now_ns)

    def local(self, domain_ns: int) -> Instant:
        """A domain instant on the local clock."""
        return self.timescale().local(domain_ns)

    def emit(self, effect: Any) -> None:
        """Yield an effect or a service."""
        self.effects.append(effect)

    def send(self, destination: Qna, message: Message) -> None:
        """Send to a neighbour."""
        self.effects.append(SendMessage(destination, message, Seal.HOP))

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a counter of this protocol."""
        self.effects.append(Count(f"link.{what}", amount))

    def call(self, request: Callable[..., Message], owner: tuple[str, int, Any], **fields: Any) -> int:
        """Ask the device. `owner` (what, link, which) is whom its result is for. Returns the request's number."""
        self.device_calls += 1
        number = request_id(Protocol.LINK, self.device_calls)
        self.asked[number] = owner
        self.effects.append(CallDevice(request(request_id=number, **fields)))
        return number

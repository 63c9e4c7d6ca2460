"""What a protocol machine asks of the world: values that `node` carries out.

A machine is driven by messages, deadlines, services and device results; whatever it wants done it appends to the list
that `take_effects()` hands over. Besides the effects below, a machine may yield any service value of
`qstack.base.services`, which `node` gives to the protocol that serves it.
"""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Protocol as Interface

from qstack.base.ids import Label, Qna
from qstack.base.locator import Arrival, Locator

__all__ = ["NO_LABEL", "CallDevice", "Count", "Encodable", "Log", "Seal", "SendDatagram", "SendMessage",
           "SendUnsealed", "Sender", "Severity", "TellClient"]  # fmt: skip

NO_LABEL = Label(0)


class Encodable(Interface):
    """A declared message."""

    @property
    def PROTOCOL(self) -> int: ...
    @property
    def CONFIDENTIAL(self) -> bool: ...
    @property
    def RELIABLE(self) -> bool: ...
    def encode(self) -> bytes: ...


@unique
class Seal(Enum):
    """Between whom a message is protected (ARCHITECTURE.md, two seals)."""

    HOP = "hop"  # between UDP neighbours, opened and sealed again by every forwarder
    END = "end"  # between the two ends, inside the hop seals


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send `message` to the node `destination`, under `seal`.

    HOP with a neighbour as destination goes there directly; with any other node it is forwarded by QNA. A message
    declared reliable goes through the exchange with the neighbour (HOP) or the far end (END).
    """

    destination: Qna
    message: Encodable
    seal: Seal = Seal.HOP
    label: Label = NO_LABEL


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom a received message is from. `seal` None: unsealed, so `qna` is only claimed; HOP or END: proved.

    With HOP, `qna` is the header's source: the neighbour itself, or, for what is forwarded by QNA, an end in whose name
    the neighbour speaks (`neighbour` then differs).
    """

    qna: Qna
    seal: Seal | None
    arrival: Arrival
    neighbour: Qna
    label: Label = NO_LABEL


@dataclass(frozen=True, slots=True)
class SendUnsealed:
    """Send before there is a session: `session` flights between neighbours, and `qarp`.

    Either to `locator`, or, when it is None, to everybody on `segment`.
    """

    message: Encodable
    destination: Qna
    locator: Locator | None = None
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send a datagram as it is: `session` has sealed it itself, to try a locator that somebody claims."""

    datagram: bytes
    locator: Locator


@dataclass(frozen=True, slots=True)
class CallDevice:
    """Ask the quantum device: `request` is a message of the twin table. Its `request_id` has the asking protocol's
    number in its top 8 bits, by which the result finds its way back."""

    request: Encodable


@dataclass(frozen=True, slots=True)
class TellClient:
    """Send `message` (of the control table) to the application `client`."""

    client: int
    message: Encodable


@unique
class Severity(Enum):
    """Log levels by blame."""

    DEBUG = "debug"  # nobody's fault: what happened
    INFO = "info"  # a change an operator wants to know of
    PEER = "warning"  # a peer's fault
    LOCAL = "error"  # our user's or our own fault


@dataclass(frozen=True, slots=True)
class Log:
    """Something to tell the operator. `fields` must never hold secrets."""

    severity: Severity
    event: str
    fields: tuple[tuple[str, str | int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """Add to a counter named `<protocol>.<what>`."""

    name: str
    amount: int = 1

"""What is known of EPR sockets and their qubits without asking: the part that all forms of the API share."""

from collections.abc import Sequence
from math import pi
from typing import TypeVar

from qstack.base.bell import BellIndex, Gate
from qstack.base.errors import LocalMisuse
from qstack.base.ids import PurposeId, Qna, format_qna
from qstack.base.time import DomainTime
from qstack.sockets.epr_core import GateAsked, Half, QubitState, QubitView, SocketView
from qstack.sockets.epr_values import EprMeasured, angle_to_wire

__all__ = ["QubitFacts", "SocketFacts", "outcomes", "qubit_views"]

Q = TypeVar("Q", bound="QubitFacts")


class SocketFacts:
    """A socket of a purpose."""

    def __init__(self, view: SocketView) -> None:
        self.view = view

    def __repr__(self) -> str:
        there = f"connection {self.view.connection}" if self.view.connection else "nobody there"
        return f"<{type(self).__name__} {self.purpose} with {format_qna(self.remote)}, {there}>"

    @property
    def local(self) -> Qna:
        """This end's node."""
        return self.view.local

    @property
    def remote(self) -> Qna:
        """Node at the other end of the link."""
        return self.view.remote

    @property
    def purpose(self) -> PurposeId:
        """The same at both ends."""
        return self.view.purpose

    @property
    def is_connected(self) -> bool:
        """Whether an application holds the purpose at the other end, as far as was told."""
        return bool(self.view.connection)


class QubitFacts:
    """This end's half of a pair, kept in a memory."""

    def __init__(self, view: QubitView) -> None:
        self.view = view

    def __repr__(self) -> str:
        told = self.view.told
        return f"<Qubit of pair {told.sequence} {told.bell_state.name}, {self.view.state.value}>"

    @property
    def bell_state(self) -> BellIndex:
        """Which Bell state the pair is, up to noise. The frame is never corrected implicitly."""
        return self.view.told.bell_state

    @property
    def goodness(self) -> float:
        """Estimated fidelity towards that Bell state, at `created`."""
        return self.view.told.goodness

    @property
    def created(self) -> DomainTime:
        """Instant of the estimate (TAI nanoseconds)."""
        return self.view.told.created

    @property
    def remote(self) -> Qna:
        """Node of the other half."""
        return self.view.told.remote

    @property
    def sequence(self) -> int:
        """Number of the pair, the same at the other end."""
        return self.view.told.sequence

    @property
    def create_id(self) -> int:
        """Number of the request between the nodes, the same at the other end."""
        return self.view.told.create_id

    @property
    def number(self) -> int:
        """The node's number of the qubit, as `qstackctl memories` shows it."""
        return self.view.told.number

    @property
    def is_held(self) -> bool:
        """Whether it is neither measured nor freed nor revoked."""
        return self.view.state is QubitState.HELD

    @property
    def is_revoked(self) -> bool:
        """Whether the pair has expired (EGP EXPIRE): nothing is left of this qubit."""
        return self.view.state is QubitState.REVOKED

    def gate(self, gate: Gate, angle: float = 0.0) -> GateAsked:
        """A gate on this qubit, as `apply` takes it. `angle`: radians, of a rotation."""
        return GateAsked(gate, self.view, None, angle_to_wire(angle))

    def gate_with(self, gate: Gate, target: "QubitFacts", angle: float = 0.0) -> GateAsked:
        """A gate that this qubit controls, as `apply` takes it."""
        return GateAsked(gate, self.view, target.view, angle_to_wire(angle))

    def _k(self) -> tuple[GateAsked, GateAsked]:
        """(Y + Z) / sqrt 2, NetQASM's K: a quarter turn about X, then Z."""
        return self.gate(Gate.RX, pi / 2), self.gate(Gate.Z)


def qubit_views(halves: Sequence[Half]) -> list[QubitView]:
    """Of requests that keep their halves."""
    views = [half for half in halves if isinstance(half, QubitView)]
    if len(views) < len(halves):
        raise LocalMisuse("the other end asked for pairs that are measured: receive them with recv_measure")
    return views


def outcomes(halves: Sequence[Half]) -> list[EprMeasured]:
    """Of requests that measure them."""
    return [half for half in halves if isinstance(half, EprMeasured)]

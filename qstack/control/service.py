"""What a daemon offers to operators. `answering` asks it; `qstack.daemon` is it."""

from typing import Protocol

from qstack.base.ids import Qna
from qstack.control.replies import (
    CircuitsReply,
    CountersReply,
    EchoReply,
    LinksReply,
    MemoriesReply,
    NeighboursReply,
    SessionsReply,
    StatusReply,
    UnitsReply,
)  # fmt: skip

__all__ = ["ControlService"]


class ControlService(Protocol):
    """A daemon. All methods may raise `qstack.base.errors.QstackError`, which is told to whoever asked."""

    def is_admin(self, user: int) -> bool:
        """Whether a user id may change things."""

    def status(self) -> StatusReply:
        """How it is."""

    def neighbours(self) -> NeighboursReply:
        """With whom it speaks directly, configured ones first known or not."""

    def sessions(self) -> SessionsReply:
        """Key establishment, both scopes."""

    def links(self) -> LinksReply:
        """Its quantum links."""

    def memories(self) -> MemoriesReply:
        """Memories of its links."""

    def circuits(self) -> CircuitsReply:
        """Circuits through it."""

    def units(self) -> UnitsReply:
        """Service units and served endpoints."""

    def counters(self) -> CountersReply:
        """All counters."""

    async def echo(self, node: Qna, sequence: int, octets: int, timeout_s: float) -> EchoReply:
        """Send one echo request with `octets` octets of data; returns with its answer, its failure, or in time."""

    async def changed(self) -> None:
        """Returns when something that the methods above tell may have become different."""

    def reload(self) -> str:
        """Read the configuration again; "" when it was taken over, else why not (and nothing has changed)."""

    def stop(self, why: str) -> None:
        """Begin to end; returns at once."""

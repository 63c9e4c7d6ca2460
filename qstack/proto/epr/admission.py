"""Who may hold which purpose, and how much: rules of the configuration, and limits."""

from collections.abc import Callable
from dataclasses import dataclass

from qstack.base.errors import ErrorCode, LocalMisuse, ResourceLimit
from qstack.base.ids import PurposeId, Qna, format_qna
from qstack.proto.epr.ledger import Ledger
from qstack.wire.control import CreateEpr, OpenDataSocket, OpenEprSocket

__all__ = ["Admission", "PurposeRule"]


@dataclass(frozen=True, slots=True)
class PurposeRule:
    """Users allowed to hold the purposes `first` to `last`; None allows every local user."""

    first: PurposeId
    last: PurposeId
    users: frozenset[int] | None


class Admission:
    """The rules of one node. `is_linked` tells whether a node is at the other end of a link."""

    def __init__(self, rules: tuple[PurposeRule, ...], ledger: Ledger, is_linked: Callable[[Qna], bool]) -> None:
        self.rules = rules
        self._ledger = ledger
        self._is_linked = is_linked

    def check_opening(self, asked: OpenEprSocket | OpenDataSocket, user: int) -> None:
        """Raise `LocalMisuse` or `ResourceLimit` unless `user` may open this socket now."""
        if not asked.purpose:
            raise LocalMisuse("purpose 0 is the circuits' own: take one of 1..65535")
        if not self._is_linked(asked.remote):
            raise LocalMisuse(f"{format_qna(asked.remote)} is at the other end of no link of this node: an EPR socket "
                              "reaches neighbours on a link; for nodes farther away open a unit of kind pairs",
                              ErrorCode.NO_ROUTE)  # fmt: skip
        if not any(rule.first <= asked.purpose <= rule.last and (rule.users is None or user in rule.users)
                   for rule in self.rules):  # fmt: skip
            raise LocalMisuse(f"user id {user} may not hold purpose {asked.purpose}: add a [[purpose]] with it and "
                              "this user to the node's configuration", ErrorCode.POLICY)  # fmt: skip
        if self._ledger.holder(asked.remote, asked.purpose) is not None:
            raise LocalMisuse(f"purpose {asked.purpose} towards {format_qna(asked.remote)} is held by another "
                              "connection of this node; close that one first, or take another purpose")  # fmt: skip
        self._check_room(user)

    def check_creating(self, asked: CreateEpr, live: int) -> None:
        """Raise `LocalMisuse` or `ResourceLimit` unless a socket with `live` requests may have this one too."""
        if not asked.number:
            raise LocalMisuse("number 0: ask for at least one pair", ErrorCode.NOT_ALLOWED)
        limit = self._ledger.parameters.requests_of_socket
        if live >= limit:
            raise ResourceLimit(f"this socket has {limit} requests that are not over, which is the limit")

    def _check_room(self, user: int) -> None:
        parameters = self._ledger.parameters
        if sum(1 for socket in self._ledger if socket.user == user) >= parameters.sockets_of_user:
            raise ResourceLimit(f"user id {user} has {parameters.sockets_of_user} sockets open, which is the limit")
        if len(self._ledger) >= parameters.sockets:
            raise ResourceLimit(f"this node has {parameters.sockets} sockets open, which is the limit")

"""The routes of one node, from its configuration (ROUTE-3, ROUTE-4, ROUTE-5).

Two questions are kept apart, as MPA 5.3.2 keeps services and networks apart: which node serves an endpoint (URN
prefixes of whole labels, the longest wins), and which neighbour is towards a node (a route to the node itself wins over
one to its quantum AS). Classical and quantum neighbours differ: datagrams go to any UDP neighbour, circuits along
links.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from qstack.base.errors import LocalMisuse
from qstack.base.ids import AsNumber, Qna, as_number, format_qna
from qstack.wire.urn import Urn, parse_urn

__all__ = ["AsRoute", "NodeRoute", "PrefixRoute", "RouteTable"]


K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class PrefixRoute:
    """Endpoints below `prefix` are served by `node` (for another domain: it may be the border that announced them)."""

    prefix: Urn
    node: Qna


@dataclass(frozen=True, slots=True)
class NodeRoute:
    """`destination` is reached through the neighbour `next_hop`."""

    destination: Qna
    next_hop: Qna


@dataclass(frozen=True, slots=True)
class AsRoute:
    """All nodes of the quantum AS `domain` are reached through the neighbour `next_hop`."""

    domain: AsNumber
    next_hop: Qna


class RouteTable:
    """Answers for the node `own` (`qstack.base.services.Routes`). Raises `LocalMisuse` for routes that contradict."""

    def __init__(
        self, own: Qna, *, neighbours: Iterable[Qna], linked: Iterable[Qna],
        prefixes: Iterable[PrefixRoute] = (), nodes: Iterable[NodeRoute] = (), domains: Iterable[AsRoute] = (),
    ) -> None:  # fmt: skip
        self.own = own
        self._linked = frozenset(linked)
        self._neighbours = frozenset(neighbours) | self._linked
        self._prefixes: dict[str, Qna] = {}
        self._nodes: dict[int, Qna] = {}
        self._domains: dict[int, Qna] = {}
        for prefix in prefixes:
            _enter(self._prefixes, prefix.prefix.canonical, prefix.node, prefix.prefix.canonical)
        for node in nodes:
            self._check_hop(node.next_hop, format_qna(node.destination))
            _enter(self._nodes, node.destination, node.next_hop, format_qna(node.destination))
        for domain in domains:
            self._check_hop(domain.next_hop, f"AS {domain.domain}")
            _enter(self._domains, domain.domain, domain.next_hop, f"AS {domain.domain}")

    def become(self, other: "RouteTable") -> None:
        """Take over the routes of another table of the same node: who holds this one sees them at once."""
        assert other.own == self.own
        self._neighbours, self._linked = other._neighbours, other._linked
        self._prefixes, self._nodes, self._domains = other._prefixes, other._nodes, other._domains

    def next_hop(self, destination: Qna) -> Qna | None:
        """The UDP neighbour towards `destination`; itself when it is a neighbour; None when there is no way."""
        if destination == self.own:
            return None
        if destination in self._neighbours:
            return destination
        return self._nodes.get(destination) or self._domains.get(as_number(destination))

    def quantum_next_hop(self, destination: Qna) -> Qna | None:
        """The neighbour over a link on the way to `destination`."""
        if destination in self._linked:
            return destination
        hop = self._nodes.get(destination) or self._domains.get(as_number(destination))
        return hop if hop in self._linked else None

    def destination_of(self, urn: str) -> Qna | None:
        """The node that serves the longest announced prefix of an endpoint's name."""
        name = parse_urn(urn).canonical
        while True:
            if name in self._prefixes:
                return self._prefixes[name]
            name, colon, _ = name.rpartition(":")
            if not colon or name.count(":") < 2:
                return None

    def _check_hop(self, hop: Qna, destination: str) -> None:
        if hop not in self._neighbours:
            raise LocalMisuse(f"route to {destination}: next hop {format_qna(hop)} is not a neighbour of this node")


def _enter(table: dict[K, Qna], key: K, value: Qna, name: str) -> None:
    if table.setdefault(key, value) != value:
        raise LocalMisuse(f"route to {name}: given twice, to {format_qna(table[key])} and to {format_qna(value)}")

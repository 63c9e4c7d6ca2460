"""A network in a few words: nodes, links, stations, endpoints; and from it what every node and the twin are told.

A topology says who there is and what lies between them. Routes follow from it (fewest links, then order of mention),
as do the memories of each link's port, the stations' configurations and the URN prefixes that everybody knows. `chain`
makes the usual one, `DEMO` is the network of the demonstration:

    simulation = DEMO.simulate(b"seed")
    simulation.boot_all()
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.base.ids import LinkId, PurposeId, Qna, QubitId, as_number, make_qna
from qstack.base.locator import Locator, parse_locator
from qstack.node.configuration import NodeConfiguration
from qstack.proto.epr.admission import PurposeRule
from qstack.proto.link.handling import EndHandling
from qstack.proto.link.params import LinkConfiguration, StationConfiguration
from qstack.proto.qarp.segment import Segment
from qstack.proto.route.table import AsRoute, NodeRoute, PrefixRoute
from qstack.proto.unit.admission import ClaimRule
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import DeviceModel, GateSet, MemoryBank, MemoryModel, Operation
from qstack.quantum.schemes import SingleClick
from qstack.testing.simulation import Place, Simulation
from qstack.testing.weather import CALM, Partition, Weather, WeatherReport
from qstack.twin.configuration import TwinConfiguration, TwinLink
from qstack.wire.urn import parse_urn

__all__ = ["DEMO", "LINK_PORT", "SEGMENT", "Topology", "TopologyLink", "TopologyNode", "chain"]

SEGMENT = "lab"
LINK_PORT = 4560
_GROUP = Locator(bytes((239, 64, 64, 1)), LINK_PORT)
_CLOCK_STEP_NS = 7_777_777_777  # between the clocks of two nodes, so that none can be mistaken for another


@dataclass(frozen=True, slots=True)
class TopologyNode:
    """A node. `endpoints`: URN prefixes whose units are delivered here, to any user. `move`: into storage."""

    name: str
    qna: Qna
    endpoints: tuple[str, ...] = ()
    memory: MemoryModel = field(default_factory=MemoryModel)
    move: Operation = field(default_factory=Operation)


@dataclass(frozen=True, slots=True)
class TopologyLink:
    """A link between two nodes, by name. `station`: whose device hears the heralds, an end or any other node.

    `memories`, `storage`: at each end, those in which pairs are born and those that they can be moved into; what a
    move costs say the nodes. `success_probability`, `fidelity`: of an attempt, of a fresh pair (Werner). `hardware`:
    what the link truly is, instead of those; `believed`: what its ends are told that it is, if not that.
    """

    ends: tuple[str, str]
    station: str
    memories: int = 32
    storage: int = 0
    success_probability: float = 1.0
    fidelity: float = 1.0
    cycle_ns: int = 10_000
    slot_cycles: int = 1_000
    arm_delays_ns: tuple[int, int] = (0, 0)
    hardware: LinkHardware | None = None
    believed: LinkHardware | None = None

    def device(self) -> LinkHardware:
        """What the twin makes of attempts."""
        if self.hardware is not None:
            return self.hardware
        return LinkHardware.fixed(LinkModel.werner(
            cycle_ns=self.cycle_ns, success_probability=self.success_probability, fidelity=self.fidelity,
            arm_delays_ns=self.arm_delays_ns,
        ))  # fmt: skip


@dataclass(frozen=True)
class Topology:
    """Nodes and links. Raises `LocalMisuse` for names that occur twice or not at all.

    `static`: neighbours' locators are configured; else they are found by address resolution on one segment.
    `roaming`: nodes do not say where they are, so they may move.
    `template`: what all nodes have in common (parameters).
    """

    nodes: tuple[TopologyNode, ...]
    links: tuple[TopologyLink, ...]
    static: bool = False
    roaming: bool = False
    template: NodeConfiguration = field(default_factory=lambda: NodeConfiguration(qna=Qna(0)))

    def __post_init__(self) -> None:
        names = {node.name for node in self.nodes}
        if len(names) < len(self.nodes) or len({node.qna for node in self.nodes}) < len(self.nodes):
            raise LocalMisuse("two nodes of the topology have one name or one address")
        for link in self.links:
            if not names.issuperset((*link.ends, link.station)) or link.ends[0] == link.ends[1]:
                raise LocalMisuse(f"link {link.ends[0]} - {link.ends[1]}: its two ends and its station must be nodes")

    # --- who and where ---------------------------------------------------------------------------------------------

    def node(self, name: str) -> TopologyNode:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    def qna(self, name: str) -> Qna:
        """The address of the node of that name."""
        return self.node(name).qna

    def name(self, qna: Qna) -> str:
        """The name of the node at that address."""
        return next(node.name for node in self.nodes if node.qna == qna)

    def locator(self, name: str) -> Locator:
        """Where the node is on the classical network."""
        position = [node.name for node in self.nodes].index(name)
        return parse_locator(f"127.0.{position // 200}.{position % 200 + 11}:{LINK_PORT}")

    def neighbours(self, name: str) -> tuple[str, ...]:
        """UDP neighbours: the other ends of its links, and stations and ends of links that it has to do with."""
        near = dict[str, None]()
        for link in self.links:
            party = (*link.ends, link.station)
            if name in party:
                near |= dict.fromkeys(party)
        near.pop(name, None)
        return tuple(near)

    def path(self, source: str, destination: str) -> tuple[str, ...]:
        """The nodes of the way with fewest links, both ends included; empty when there is none."""
        came_from: dict[str, str | None] = {source: None}
        frontier = deque([source])
        while frontier and destination not in came_from:
            here = frontier.popleft()
            for there in self._linked(here):
                if there not in came_from:
                    came_from[there] = here
                    frontier.append(there)
        steps: list[str] = []
        at: str | None = destination if destination in came_from else None
        while at is not None:
            steps.append(at)
            at = came_from[at]
        return tuple(reversed(steps))

    # --- what everybody is told --------------------------------------------------------------------------------------

    def configuration(self, name: str) -> NodeConfiguration:
        """The configuration of one node."""
        node, neighbours = self.node(name), self.neighbours(name)
        routes, domains = self._routes(name)
        statics = {self.qna(each): (self.locator(each),) for each in neighbours} if self.static else {}
        return replace(
            self.template, qna=node.qna, name=name, neighbours=tuple(self.qna(each) for each in neighbours),
            statics=statics, segments=(Segment(SEGMENT, multicast=_GROUP),),
            locators={} if self.roaming else {SEGMENT: (self.locator(name),)}, links=self._link_configurations(name),
            stations=self._station_configurations(name), prefixes=self._prefixes(), nodes=routes, domains=domains,
            circuit=replace(
                self.template.circuit, t1_ns=node.memory.t1_ns, t2_ns=node.memory.t2_ns,
                depolarising_ns=node.memory.depolarising_ns,
            ),
            rules=tuple(ClaimRule(parse_urn(prefix), None) for prefix in node.endpoints),
            purposes=(PurposeRule(PurposeId(1), PurposeId(0xFFFF), None),),
        )  # fmt: skip

    def places(self) -> tuple[Place, ...]:
        """All nodes, each with a clock of its own."""
        return tuple(
            Place(self.configuration(node.name), self.locator(node.name), SEGMENT, (number + 1) * _CLOCK_STEP_NS)
            for number, node in enumerate(self.nodes)
        )

    def twin(self) -> TwinConfiguration:
        """The devices."""
        nodes = {
            node.qna: DeviceModel(MemoryBank(self._qubits(node.name), node.memory),
                                  MemoryBank(self._stores(node.name), node.memory), GateSet(move=node.move))
            for node in self.nodes
        }  # fmt: skip
        links = {
            LinkId(number): TwinLink((self.qna(link.ends[0]), self.qna(link.ends[1])), self.qna(link.station),
                                     link.device())
            for number, link in enumerate(self.links, 1)
        }  # fmt: skip
        return TwinConfiguration(nodes, links)

    def simulate(
        self, seed: bytes, report: WeatherReport = CALM, partitions: tuple[Partition, ...] = ()
    ) -> Simulation:
        """The network in one process; no node is booted yet."""
        chance = Chance(seed)
        weather = Weather(report, chance.derive(b"weather"), partitions)
        return Simulation(self.places(), self.twin(), weather, chance.derive(b"simulation"))

    # --- parts -------------------------------------------------------------------------------------------------------

    def _linked(self, name: str) -> list[str]:
        return [link.ends[link.ends[0] == name] for link in self.links if name in link.ends]

    def _prefixes(self) -> tuple[PrefixRoute, ...]:
        return tuple(PrefixRoute(parse_urn(urn), node.qna) for node in self.nodes for urn in node.endpoints)

    def _routes(self, name: str) -> tuple[tuple[NodeRoute, ...], tuple[AsRoute, ...]]:
        """One route for a foreign AS that lies behind one neighbour, a route for each node otherwise.

        A station of a link further on is a UDP neighbour, and yet circuits to it need a route.
        """
        own = self.qna(name)
        hops: dict[Qna, Qna] = {}
        for node in self.nodes:
            path = self.path(name, node.name)
            if len(path) > 2:
                hops[node.qna] = self.qna(path[1])
        by_domain: dict[int, set[Qna]] = {}
        for destination, hop in hops.items():
            by_domain.setdefault(as_number(destination), set()).add(hop)
        whole = {domain for domain, towards in by_domain.items() if domain != as_number(own) and len(towards) == 1}
        nodes = tuple(NodeRoute(node, hop) for node, hop in hops.items() if as_number(node) not in whole)
        domains = {as_number(node): hop for node, hop in hops.items() if as_number(node) in whole}
        return nodes, tuple(AsRoute(domain, hop) for domain, hop in domains.items())

    def _ports(self, name: str) -> Mapping[int, tuple[QubitId, ...]]:
        """The memories of each link's port, numbered through."""
        ports: dict[int, tuple[QubitId, ...]] = {}
        first = 0
        for number, link in enumerate(self.links, 1):
            if name in link.ends:
                ports[number] = tuple(QubitId(qubit) for qubit in range(first, first + link.memories))
                first += link.memories
        return ports

    def _qubits(self, name: str) -> int:
        return sum(len(port) for port in self._ports(name).values())

    def _stores(self, name: str) -> int:
        return sum(link.storage for link in self.links if name in link.ends)

    def _storage(self, name: str, number: int) -> tuple[QubitId, ...]:
        """The storage memories of one link's port: they are numbered behind all others."""
        before = sum(link.storage for link in self.links[: number - 1] if name in link.ends)
        first = self._qubits(name) + before
        return tuple(QubitId(qubit) for qubit in range(first, first + self.links[number - 1].storage))

    def _link_configurations(self, name: str) -> tuple[LinkConfiguration, ...]:
        ports = self._ports(name)
        node = self.node(name)
        return tuple(
            LinkConfiguration(
                link=LinkId(number), neighbour=self.qna(link.ends[link.ends[0] == name]),
                stations=(self.qna(link.station),), memories=ports[number], cycle_ns=link.cycle_ns,
                slot_cycles=link.slot_cycles, success_probability=link.success_probability, fidelity=link.fidelity,
                hardware=_lower_first(link.believed or link.hardware, self.qna(link.ends[0]) < self.qna(link.ends[1])),
                handling=EndHandling(node.memory, node.move if link.storage else Operation()),
                storage=self._storage(name, number),
            )
            for number, link in enumerate(self.links, 1) if name in link.ends
        )  # fmt: skip

    def _station_configurations(self, name: str) -> tuple[StationConfiguration, ...]:
        return tuple(
            StationConfiguration(LinkId(number), (self.qna(link.ends[0]), self.qna(link.ends[1])), link.cycle_ns)
            for number, link in enumerate(self.links, 1) if name == link.station
        )  # fmt: skip


def _lower_first(hardware: LinkHardware | None, is_ordered: bool) -> LinkHardware | None:
    """Of links that are set, the arm of the end with the lower address first, as its ends count."""
    if hardware is None or is_ordered:
        return hardware
    scheme = hardware.scheme
    if isinstance(scheme, SingleClick):
        scheme = replace(scheme, bright=scheme.bright[::-1], detection=scheme.detection[::-1])
    return replace(hardware, scheme=scheme, arms=hardware.arms[::-1])


def chain(
    domains: Sequence[int] = (3, 2), *, station: str = "left", link: TopologyLink | None = None,
    first_domain: int = 64512, memory: MemoryModel | None = None, static: bool = False,
) -> Topology:  # fmt: skip
    """Nodes n1 - n2 - ... in a row; `domains` says how many of them each quantum AS has.

    `station`: "left" or "right" end of each link, "third": a node of its own for each, or "behind": the node before the
    left end. `link`: what every link is like (its ends and station do not count). Every node serves
    `urn:qkd:net:<name>`.
    """
    addresses = [
        make_qna(domain, place + 1) for domain, size in enumerate(domains, first_domain) for place in range(size)
    ]
    kind = memory or MemoryModel()
    nodes = [TopologyNode(f"n{n}", qna, (f"urn:qkd:net:n{n}",), kind) for n, qna in enumerate(addresses, 1)]
    model = link or TopologyLink(("", ""), "")
    links: list[TopologyLink] = []
    stations: list[TopologyNode] = []
    for n in range(1, len(addresses)):
        ends = (f"n{n}", f"n{n + 1}")
        at = {"left": ends[0], "right": ends[1], "third": f"s{n}", "behind": f"n{max(1, n - 1)}"}[station]
        if station == "third":
            stations.append(TopologyNode(at, make_qna(int(as_number(addresses[n - 1])), 100 + n)))
        links.append(replace(model, ends=ends, station=at))
    return Topology((*nodes, *stations), tuple(links), static)


DEMO = Topology(
    nodes=(
        TopologyNode("alice", make_qna(64512, 1), ("urn:qkd:madqci:ccips",)),
        TopologyNode("repeater", make_qna(64512, 2)),
        TopologyNode("border", make_qna(64512, 3)),
        TopologyNode("far-border", make_qna(64513, 1)),
        TopologyNode("bob", make_qna(64513, 2), ("urn:qkd:quditto:emulator:ipsec:controller",)),
    ),
    links=(
        TopologyLink(("alice", "repeater"), "repeater"),
        TopologyLink(("repeater", "border"), "repeater"),
        TopologyLink(("border", "far-border"), "border"),
        TopologyLink(("far-border", "bob"), "far-border"),
    ),
)
"""madqci (AS 64512) and quditto (AS 64513), with the endpoints of MPA 5.3.1."""

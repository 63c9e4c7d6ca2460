"""From the topology of a laboratory to the files of its nodes and of its twin.

Laws:

* All paths in what comes out are relative: the files belong into one folder, next to `pki/`.
* Inside a quantum AS the way between two nodes stays in it; towards another AS each hop comes nearer to that AS. So no
  datagram goes in circles. Ways along quantum links are preferred, since circuits can take no others.
* A chosen seed of the laboratory gives each process its own; without one, each has its own from the operating system.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar, get_args

from msgspec import structs

from qstack.base.chance import Chance as ChanceSource
from qstack.base.ids import AsNumber, Qna, as_number
from qstack.base.locator import Locator, parse_locator
from qstack.config.broker import Broker
from qstack.config.devices import Device as QuantumDevice
from qstack.config.hardware import PhysicalLink, turned_round
from qstack.config.node import (
    MAXIMUM_PURPOSE,
    Anchor,
    CapabilityName,
    Capture,
    Chance,
    Device,
    Endpoint,
    Link,
    Listen,
    Metrics,
    Neighbour,
    NodeFile,
    Own,
    Purpose,
    Route,
    Segment,
    Session,
    Station,
)  # fmt: skip
from qstack.config.topology import LabLink, LabNode, Laboratory, TopologyFile
from qstack.config.twin import Pace, TwinFile, TwinLink, TwinListen, TwinNode
from qstack.config.value import BrokerUrl, InputFile, ListenAddress, Section, Seed, SocketPath, UrnPrefix
from qstack.quantum.repeaters import GENERATIONS

__all__ = ["BROKER_HOST", "BROKER_NAME", "OPERATOR_SOCKET", "TWIN_NAME", "TWIN_SOCKET", "Expansion", "broker_cas",
           "ca_folder", "consecutive_addresses", "expand", "loopback_start", "node_folder"]  # fmt: skip

TWIN_NAME, BROKER_NAME = "qtwind", "mosquitto"
TWIN_SOCKET = "qtwind.sock"
OPERATOR_SOCKET = "qtwind-operator.sock"
BROKER_HOST = "127.0.0.1"
SEGMENT = "lab"
_CLASSICAL_COST = 1_000  # of a hop without a quantum link, in hops with one
_SEED_OCTETS = 32

_Part = TypeVar("_Part", bound=Section)


@dataclass(frozen=True, slots=True)
class Expansion:
    """`nodes` by name; `authorities`: for each quantum AS the URN prefixes that its CA speaks for."""

    nodes: dict[str, NodeFile]
    twin: TwinFile
    authorities: dict[AsNumber, tuple[str, ...]]


def ca_folder(as_: int) -> Path:
    """Where the CA of a quantum AS is kept."""
    return Path("pki") / f"as{as_}"


def node_folder(name: str) -> Path:
    """Where certificate and key of a node are kept."""
    return Path("pki") / name


def broker_cas(folder: Path) -> Path:
    """The file with the certificates of all CAs of a laboratory, whom its broker believes."""
    return folder / "cas.pem"


def loopback_start(folder: Path) -> IPv4Address:
    """Where the addresses of the laboratory in `folder` begin: another place of 127.64.0.0/10 for another folder."""
    digest = blake2b(bytes(folder.absolute()), digest_size=2).digest()
    return IPv4Address("127.64.0.0") + ((digest[0] & 63) << 16 | digest[1] << 8)


def consecutive_addresses(topology: TopologyFile, start: IPv4Address) -> dict[str, str]:
    """An address for each node by name: the one that it names, else the next one after `start` that nobody names."""
    named = {node.address for node in topology.nodes}
    free = (text for n in range(1, 1 << 16) if (text := str(start + n)) not in named)
    return {node.name: node.address or next(free) for node in topology.nodes}


def expand(topology: TopologyFile, addresses: Mapping[str, str]) -> Expansion:
    """The files of all nodes, of the twin, and what is asked of the CAs. `addresses`: IP addresses by name."""
    plan = _Plan(topology, addresses)
    nodes = {node.name: _node_file(plan, node) for node in topology.nodes}
    return Expansion(nodes, _twin_file(plan, nodes), plan.authorities())


class _Plan:
    """A topology with what follows from it looked up."""

    def __init__(self, topology: TopologyFile, addresses: Mapping[str, str]) -> None:
        self.topology = topology
        self.by_name = {node.name: node for node in topology.nodes}
        self.links = [(n, link) for n, link in enumerate(topology.links, 1)]
        self._addresses = addresses
        self._costs = self._adjacency()

    def qna(self, name: str) -> Qna:
        return self.by_name[name].qna

    def station(self, link: LabLink) -> str:
        return link.station or link.between[1]

    @property
    def twin_socket(self) -> SocketPath | None:
        return None if self.topology.lab.mqtt_port else SocketPath(Path(TWIN_SOCKET))

    def broker(self, service: str | None) -> Broker | None:
        """The broker as a service sees it that has a certificate of its own, or as a node does."""
        if not self.topology.lab.mqtt_port:
            return None
        own = None if service is None else node_folder(service)
        return Broker(
            url=BrokerUrl(BROKER_HOST, self.topology.lab.mqtt_port), device=self.topology.lab.name,
            ca=InputFile(broker_cas(node_folder(BROKER_NAME))),
            certificate=None if own is None else InputFile(own / "service.pem"),
            key=None if own is None else InputFile(own / "service.key"),
        )  # fmt: skip

    def locator(self, name: str) -> Locator:
        address = self._addresses[name]
        return parse_locator(f"[{address}]" if ":" in address else address, self.topology.lab.port)

    def near(self, name: str) -> list[str]:
        """With whom a node speaks directly, in the order of the file."""
        return [other for other in self.by_name if other in self._costs[name]]

    def authorities(self) -> dict[AsNumber, tuple[str, ...]]:
        scopes: dict[AsNumber, list[str]] = {}
        for node in self.topology.nodes:
            scopes.setdefault(as_number(node.qna), []).extend(str(urn) for urn in node.urns)
        named = {AsNumber(each.as_number): each.urn_prefixes for each in self.topology.domains}
        return {as_: tuple(map(str, named.get(as_, ()))) or tuple(own) for as_, own in scopes.items()}

    def seed(self, name: str) -> Chance:
        """The chance of one process."""
        seed = self.topology.chance.seed
        if seed is None:
            return Chance()
        return Chance(seed=Seed(ChanceSource(seed).octets(b"laboratory:" + name.encode(), _SEED_OCTETS)))

    def first_hops(self, start: str, *, inside: bool) -> dict[str, str]:
        """For each node that can be reached the neighbour towards it, nearest nodes first."""
        hops: dict[str, str] = {}
        ahead = [(cost, near, near) for near, cost in self._costs[start].items()]
        ahead.sort()
        while ahead:
            cost, name, hop = heappop(ahead)
            if name == start or name in hops or (inside and self._domain(name) != self._domain(start)):
                continue
            hops[name] = hop
            for near, more in self._costs[name].items():
                heappush(ahead, (cost + more, near, hop))
        return hops

    def _domain(self, name: str) -> AsNumber:
        return as_number(self.qna(name))

    def _adjacency(self) -> dict[str, dict[str, int]]:
        costs: dict[str, dict[str, int]] = {name: {} for name in self.by_name}
        for _, link in self.links:
            first, second, station = *link.between, self.station(link)
            for one, other, cost in ((first, second, 1), (first, station, _CLASSICAL_COST),
                                     (second, station, _CLASSICAL_COST)):  # fmt: skip
                if one != other:
                    costs[one][other] = min(cost, costs[one].get(other, cost))
                    costs[other][one] = min(cost, costs[other].get(one, cost))
        return costs


def _node_file(plan: _Plan, node: LabNode) -> NodeFile:
    lab, name = plan.topology.lab, node.name
    links = [(n, link) for n, link in plan.links if name in link.between]
    return NodeFile(
        node=Own(qna=node.qna, name=name, capabilities=_capabilities(node)),
        listen=Listen(control=SocketPath(Path(f"{name}.sock"))),
        segments=(_segment(plan, name),),
        session=_session(plan, name),
        neighbours=tuple(Neighbour(qna=plan.qna(other)) for other in plan.near(name)),
        links=tuple(_link(plan, n, link, name) for n, link in links),
        stations=tuple(
            Station(link=n, ends=_ends(plan, link), cycle_ns=link.cycle_ns)
            for n, link in plan.links if plan.station(link) == name and name not in link.between
        ),
        routes=tuple(_routes(plan, node)),
        endpoints=tuple(Endpoint(prefix=urn, users=lab.users) for urn in node.urns),
        purposes=(Purpose(first=1, last=MAXIMUM_PURPOSE, users=lab.users),) if links else (),
        twin=Device(socket=plan.twin_socket, mqtt=plan.broker(None)),
        chance=plan.seed(name),
        log=plan.topology.log,
        capture=Capture(file=Path(f"{name}.pcapng")) if lab.capture else None,
        metrics=_metrics(lab, name),
        tuning=plan.topology.tuning,
    )  # fmt: skip


def _capabilities(node: LabNode) -> tuple[CapabilityName, ...]:
    told = frozenset({"memory", "swap"}) if node.generation is None else GENERATIONS[node.generation].capabilities
    return tuple(name for name in get_args(CapabilityName) if name == "station" or name in told)


def _segment(plan: _Plan, name: str) -> Segment:
    multicast = plan.topology.lab.multicast
    ask = () if multicast else tuple(plan.locator(other) for other in plan.near(name))
    return Segment(name=SEGMENT, locator=plan.locator(name), multicast=multicast, ask=ask)


def _session(plan: _Plan, name: str) -> Session:
    anchors = [
        Anchor(ca=InputFile(ca_folder(as_) / "ca.pem"), as_number=as_)
        for as_ in plan.authorities()
    ]  # fmt: skip
    folder = node_folder(name)
    return Session(
        certificate=InputFile(folder / "node.pem"), key=InputFile(folder / "node.key"), anchors=tuple(anchors)
    )


def _ends(plan: _Plan, link: LabLink) -> tuple[Qna, Qna]:
    return plan.qna(link.between[0]), plan.qna(link.between[1])


def _link(plan: _Plan, number: int, link: LabLink, name: str) -> Link:
    ends = _ends(plan, link)
    physical = _part(PhysicalLink, link)
    return Link(
        id=number, neighbour=ends[1] if plan.qna(name) == ends[0] else ends[0],
        stations=(plan.qna(plan.station(link)),), memories=link.memories, cycle_ns=link.cycle_ns,
        slot_cycles=link.slot_cycles, hardware=physical if ends[0] < ends[1] else turned_round(physical),
    )  # fmt: skip


def _part(kind: type[_Part], whole: _Part) -> _Part:
    """What a section of a file inherits from `kind`."""
    return kind(**{name: getattr(whole, name) for name in kind.__struct_fields__})


def _routes(plan: _Plan, node: LabNode) -> Iterator[Route]:
    for other in plan.topology.nodes:
        for urn in other.urns:
            yield Route(prefix=UrnPrefix(urn), node=other.qna)
    near = {plan.qna(name) for name in plan.near(node.name)}
    for name, hop in plan.first_hops(node.name, inside=True).items():
        if plan.qna(name) not in near:
            yield Route(destination=plan.qna(name), next_hop=plan.qna(hop))
    towards: dict[AsNumber, Qna] = {}
    for name, hop in plan.first_hops(node.name, inside=False).items():
        towards.setdefault(as_number(plan.qna(name)), plan.qna(hop))
    for as_, next_hop in towards.items():
        if as_ != as_number(node.qna):
            yield Route(as_number=as_, next_hop=next_hop)


def _metrics(lab: Laboratory, name: str) -> Metrics | None:
    return Metrics(listen=ListenAddress(Path(f"{name}.metrics"))) if lab.metrics else None


def _twin_file(plan: _Plan, nodes: Mapping[str, NodeFile]) -> TwinFile:
    devices = [
        TwinNode(
            qna=node.qna, qubits=sum(len(numbers) for numbers in nodes[node.name].memories),
            **structs.asdict(_part(QuantumDevice, node)),
        )
        for node in plan.topology.nodes
    ]  # fmt: skip
    links = [
        TwinLink(id=n, ends=_ends(plan, link), station=plan.qna(plan.station(link)), cycle_ns=link.cycle_ns,
                 **structs.asdict(_part(PhysicalLink, link)))
        for n, link in plan.links
    ]  # fmt: skip
    return TwinFile(
        listen=TwinListen(socket=plan.twin_socket, mqtt=plan.broker(TWIN_NAME),
                          operator=SocketPath(Path(OPERATOR_SOCKET))),
        time=Pace(pace=plan.topology.lab.pace),
        nodes=tuple(devices),
        links=tuple(links),
        chance=plan.seed("qtwind"),
        log=plan.topology.log,
        metrics=_metrics(plan.topology.lab, "qtwind"),
    )

"""Making a node's protocol machines from its configuration, and finding them again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Seal
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Qna
from qstack.base.time import Timescale
from qstack.node.configuration import NodeConfiguration
from qstack.node.switchboard import Server
from qstack.proto.circuit.machine import CircuitMachine
from qstack.proto.epr.machine import EprMachine
from qstack.proto.header.machine import HeaderMachine
from qstack.proto.link.machine import LinkMachine
from qstack.proto.qarp.machine import QarpMachine
from qstack.proto.route.table import RouteTable
from qstack.proto.session.machine import SessionMachine
from qstack.proto.unit.machine import UnitMachine
from qstack.wire.protocols import Protocol

__all__ = ["Machines", "assemble", "make_routes"]


@dataclass(frozen=True, slots=True)
class Machines:
    """The machines of one node."""

    routes: RouteTable
    header: HeaderMachine
    hop_session: SessionMachine
    end_session: SessionMachine
    qarp: QarpMachine
    link: LinkMachine
    circuit: CircuitMachine
    unit: UnitMachine
    epr: EprMachine
    by_server: dict[Server, Any]
    by_protocol: dict[int, Any]
    all: tuple[Any, ...]


def assemble(
    configuration: NodeConfiguration, chance: Chance, handshakes: HandshakeFactory, *,
    timescale: Callable[[], Timescale], is_secret: Callable[[], bool], key_log: Callable[[str], None] | None = None,
) -> Machines:  # fmt: skip
    """Make the machines. Raises `LocalMisuse` for a configuration that contradicts itself."""
    own = configuration.qna
    routes = make_routes(configuration)
    hop = SessionMachine(own, Seal.HOP, configuration.session, chance.derive(b"hop"), handshakes, key_log=key_log)
    end = SessionMachine(own, Seal.END, configuration.session, chance.derive(b"end"), handshakes, key_log=key_log)

    def end_secret(peer: Qna, context: bytes, length: int) -> bytes:
        return end.exporter(peer, b"unit", context, length)

    header = HeaderMachine(own, configuration.header)
    qarp = QarpMachine(
        own, configuration.qarp, configuration.segments, configuration.statics, chance.derive(b"qarp"),
        locators=configuration.locators, device_port=configuration.device_port, capabilities=configuration.capabilities,
    )  # fmt: skip
    link = LinkMachine(own, configuration.link, chance.derive(b"link"), timescale=timescale, links=configuration.links,
                       stations=configuration.stations)  # fmt: skip
    circuit = CircuitMachine(own, configuration.circuit, chance.derive(b"circuit"), routes=routes, timescale=timescale)
    unit = UnitMachine(
        own, configuration.unit, chance.derive(b"unit"), rules=configuration.rules, routes=routes,
        end_secret=end_secret, is_secret=is_secret, timescale=timescale,
    )  # fmt: skip
    linked = frozenset(each.neighbour for each in configuration.links)
    epr = EprMachine(own, configuration.epr, rules=configuration.purposes, neighbours=linked, timescale=timescale)
    by_server = {
        Server.HEADER: header, Server.HOP_SESSION: hop, Server.END_SESSION: end, Server.QARP: qarp, Server.LINK: link,
        Server.CIRCUIT: circuit, Server.UNIT: unit, Server.EPR: epr,
    }  # fmt: skip
    by_protocol = {
        int(Protocol.HEADER): header, int(Protocol.QARP): qarp, int(Protocol.LINK): link,
        int(Protocol.CIRCUIT): circuit, int(Protocol.UNIT): unit, int(Protocol.EPR): epr,
    }  # fmt: skip
    every = tuple(by_server.values())
    return Machines(routes, header, hop, end, qarp, link, circuit, unit, epr, by_server, by_protocol, every)


def make_routes(configuration: NodeConfiguration) -> RouteTable:
    """The routes of a configuration. Raises `LocalMisuse` for routes that contradict."""
    return RouteTable(
        configuration.qna, neighbours=configuration.neighbours, linked=(each.neighbour for each in configuration.links),
        prefixes=configuration.prefixes, nodes=configuration.nodes, domains=configuration.domains,
    )  # fmt: skip

"""From a checked configuration file to what a daemon is made of."""

import dataclasses

from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.base.ids import AsNumber, LinkId, Qna
from qstack.base.locator import Locator
from qstack.config.hardware import link_hardware
from qstack.config.node import Link, NodeFile, Route
from qstack.config.tuning import tuned
from qstack.daemon.credentials import Credentials
from qstack.io.clock import sample_timescale
from qstack.io.entropy import system_seed
from qstack.node.configuration import NodeConfiguration
from qstack.node.node import Node
from qstack.proto.circuit.params import CircuitParameters
from qstack.proto.epr.admission import PurposeRule
from qstack.proto.epr.params import EprParameters
from qstack.proto.header.params import HeaderParameters
from qstack.proto.link.handling import EndHandling
from qstack.proto.link.params import LinkConfiguration, LinkParameters, StationConfiguration
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.segment import Segment
from qstack.proto.route.table import AsRoute, NodeRoute, PrefixRoute
from qstack.proto.session.params import SessionParameters
from qstack.proto.unit.admission import ClaimRule
from qstack.proto.unit.params import UnitParameters
from qstack.quantum.memories import MemoryModel, Operation
from qstack.wire.qarp import Capability
from qstack.wire.twin import PROBABILITY_UNIT, Attached, MemoryRole
from qstack.wire.twin import Operation as OperationName

__all__ = ["PARAMETERS", "check", "make_chance", "make_node"]

PARAMETERS = {
    "header": HeaderParameters, "session": SessionParameters, "qarp": QarpParameters, "link": LinkParameters,
    "circuit": CircuitParameters, "unit": UnitParameters, "epr": EprParameters,
}  # fmt: skip
"""What stands behind `[tuning.<name>]`."""


def make_chance(file: NodeFile) -> Chance:
    """The operating system's chance; a seed that a person chose marks all keys as not secret."""
    seed = file.chance.seed
    return Chance(system_seed(), secret=True) if seed is None else Chance(bytes(seed), secret=False)


def check(file: NodeFile) -> None:
    """Make everything that can be made of a file without touching the world. Raises `LocalMisuse`."""
    credentials = Credentials(file)
    if credentials.loaded.expired:
        raise LocalMisuse(f"{file.session.certificate} has expired: have another one issued (qstackctl pki issue)")
    Node(make_node(file, None), make_chance(file), credentials, sample_timescale(file.clock.max_error_ns))


def make_node(file: NodeFile, device: Attached | None) -> NodeConfiguration:
    """The sans-IO node's configuration. `device` tells how long its memories last."""
    statics: dict[Qna, tuple[Locator, ...]] = {
        each.qna: (each.locator,) for each in file.neighbours if each.locator is not None
    }
    circuit = tuned(CircuitParameters, file.tuning.get("circuit", {}))
    if device is not None and device.memories and not any((circuit.t1_ns, circuit.t2_ns, circuit.depolarising_ns)):
        first = device.memories[0]  # pairs are made in these
        circuit = dataclasses.replace(
            circuit, t1_ns=first.t1_ns, t2_ns=first.t2_ns, depolarising_ns=first.depolarising_ns
        )
    return NodeConfiguration(
        qna=file.node.qna,
        name=file.name,
        neighbours=tuple(each.qna for each in file.neighbours),
        statics=statics,
        segments=tuple(Segment(each.name, each.multicast, each.ask) for each in file.segments),
        locators={each.name: (each.locator,) for each in file.segments},
        device_port=file.node.device_port,
        capabilities=_capabilities(file),
        links=_links(file, device),
        stations=_stations(file),
        prefixes=tuple(PrefixRoute(route.prefix, route.node) for route in file.routes if route.prefix and route.node),
        nodes=tuple(_node_routes(file.routes)),
        domains=tuple(_domain_routes(file.routes)),
        purposes=tuple(PurposeRule(each.range[0], each.range[1], each.users.ids) for each in file.purposes),
        rules=tuple(ClaimRule(each.prefix, each.users.ids) for each in file.endpoints),
        header=tuned(HeaderParameters, file.tuning.get("header", {})),
        session=tuned(SessionParameters, file.tuning.get("session", {})),
        qarp=tuned(QarpParameters, file.tuning.get("qarp", {})),
        link=tuned(LinkParameters, file.tuning.get("link", {})),
        circuit=circuit,
        unit=tuned(UnitParameters, file.tuning.get("unit", {})),
        epr=tuned(EprParameters, file.tuning.get("epr", {})),
    )


def _capabilities(file: NodeFile) -> Capability:
    found = Capability(0)
    for name in file.node.capabilities:
        found |= Capability[name.replace("-", "_").upper()]
    return found


def _links(file: NodeFile, device: Attached | None) -> tuple[LinkConfiguration, ...]:
    """Of what a link names, the device says what is for storage; storage that no link names is there for all."""
    kinds = () if device is None else device.memories
    stores = {
        number for each in kinds if each.role == MemoryRole.STORAGE
        for number in range(each.first, each.first + each.count)
    }  # fmt: skip
    named = stores & {number for numbers in file.memories for number in numbers}
    return tuple(
        _link(link, tuple(number for number in numbers if number not in stores), device,
              tuple(sorted(stores & set(numbers) if named else stores)))
        for link, numbers in zip(file.links, file.memories, strict=True)
    )  # fmt: skip


def _link(
    link: Link, memories: tuple[int, ...], device: Attached | None, storage: tuple[int, ...]
) -> LinkConfiguration:
    states = None if link.states is None else tuple(link.states)
    hardware = None if link.hardware is None else link_hardware(link.hardware, link.cycle_ns)
    return LinkConfiguration(
        link=LinkId(link.id), neighbour=link.neighbour, stations=link.stations, memories=memories,  # type: ignore[arg-type]
        cycle_ns=link.cycle_ns, slot_cycles=link.slot_cycles, success_probability=link.success_probability,
        fidelity=link.fidelity, states=states, hardware=hardware,  # type: ignore[arg-type]
        handling=_handling(memories, device, bool(storage)), storage=storage,  # type: ignore[arg-type]
    )  # fmt: skip


def _handling(memories: tuple[int, ...], device: Attached | None, moves: bool) -> EndHandling:
    """What the device says of the memories in which a link's pairs are born, and of the move into storage."""
    kinds = () if device is None else device.memories
    kind = next((each for each in kinds if memories and each.first <= memories[0] < each.first + each.count), None)
    if kind is None:
        return EndHandling()
    readout = kind.p0 / PROBABILITY_UNIT, kind.p1 / PROBABILITY_UNIT
    costs = () if device is None or not moves else device.operations
    move = next((Operation(each.duration_ns, each.error / PROBABILITY_UNIT) for each in costs
                 if each.operation == OperationName.MOVE), Operation())  # fmt: skip
    return EndHandling(MemoryModel(kind.t1_ns, kind.t2_ns, kind.depolarising_ns, readout), move)


def _stations(file: NodeFile) -> tuple[StationConfiguration, ...]:
    """Links of others that this node heralds, and its own links of which it is a station."""
    own = tuple(
        StationConfiguration(LinkId(link.id), (file.node.qna, link.neighbour), link.cycle_ns)
        for link in file.links if file.node.qna in link.stations
    )  # fmt: skip
    others = tuple(
        StationConfiguration(LinkId(each.link), (each.ends[0], each.ends[1]), each.cycle_ns) for each in file.stations
    )
    return own + others


def _node_routes(routes: tuple[Route, ...]) -> list[NodeRoute]:
    return [
        NodeRoute(route.destination, route.next_hop)
        for route in routes if route.destination is not None and route.next_hop is not None
    ]  # fmt: skip


def _domain_routes(routes: tuple[Route, ...]) -> list[AsRoute]:
    return [
        AsRoute(AsNumber(route.as_number), route.next_hop)
        for route in routes if route.as_number is not None and route.next_hop is not None
    ]  # fmt: skip

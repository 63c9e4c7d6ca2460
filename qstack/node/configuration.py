"""What a node is made of: checked values. `daemon` makes it from a file, `testing` from a topology."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.machine.exchange import ExchangeParameters
from qstack.proto.circuit.params import CircuitParameters
from qstack.proto.epr.admission import PurposeRule
from qstack.proto.epr.params import EprParameters
from qstack.proto.header.params import HeaderParameters
from qstack.proto.link.params import LinkConfiguration, LinkParameters, StationConfiguration
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.segment import Segment
from qstack.proto.route.table import AsRoute, NodeRoute, PrefixRoute
from qstack.proto.session.params import SessionParameters
from qstack.proto.unit.admission import ClaimRule
from qstack.proto.unit.params import UnitParameters

__all__ = ["NodeConfiguration"]


@dataclass(frozen=True, slots=True)
class NodeConfiguration:
    """One node.

    `neighbours`: UDP neighbours, called at the start; `statics`: configured locators of some of them, the others are
    found through qarp on `segments`, on which this node is at `locators`. `rules`: which users speak
    for which endpoints; `purposes`: which users may hold which purposes of links.
    """

    qna: Qna
    name: str = ""
    neighbours: tuple[Qna, ...] = ()
    statics: Mapping[Qna, tuple[Locator, ...]] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    locators: Mapping[str, tuple[Locator, ...]] = field(default_factory=dict)
    device_port: int = 0
    capabilities: int = 0
    links: tuple[LinkConfiguration, ...] = ()
    stations: tuple[StationConfiguration, ...] = ()
    prefixes: tuple[PrefixRoute, ...] = ()
    nodes: tuple[NodeRoute, ...] = ()
    domains: tuple[AsRoute, ...] = ()
    rules: tuple[ClaimRule, ...] = ()
    purposes: tuple[PurposeRule, ...] = ()
    exchange: ExchangeParameters = field(default_factory=ExchangeParameters)
    header: HeaderParameters = field(default_factory=HeaderParameters)
    session: SessionParameters = field(default_factory=SessionParameters)
    qarp: QarpParameters = field(default_factory=QarpParameters)
    link: LinkParameters = field(default_factory=LinkParameters)
    circuit: CircuitParameters = field(default_factory=CircuitParameters)
    unit: UnitParameters = field(default_factory=UnitParameters)
    epr: EprParameters = field(default_factory=EprParameters)

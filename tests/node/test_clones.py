"""Two nodes with one address, one certificate and one configuration on a segment, and an honest neighbour of both."""

from collections.abc import Iterable
from dataclasses import replace

from qstack.base.chance import Chance
from qstack.base.effects import Log
from qstack.base.ids import Qna, make_qna
from qstack.base.locator import Locator, parse_locator
from qstack.base.units import SECOND_NS
from qstack.node.node import Node
from qstack.proto.qarp.states import AddressState
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import SEGMENT, Topology, TopologyLink, TopologyNode
from qstack.testing.weather import CALM, Partition, Weather
from qstack.wire.header import decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.qarp import Announcement, Conflict, Probe, Question
from qstack.wire.value import decode_message_untrusted

ADDRESS, NEIGHBOUR, ALIAS = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 999)
CLONE_AT = parse_locator("127.0.0.66:4560")


class Clone(Place):
    """A place whose node has another one's address: the simulation knows it by an alias."""

    @property
    def qna(self) -> Qna:
        return ALIAS


class Heard(Weather):
    """Weather that remembers the address resolution that it carries: (instant, source, message)."""

    said: list[tuple[int, Locator, object]]

    def fates(self, datagram: bytes, source: Locator, destination: Locator, now_ns: int) -> list[tuple[int, bytes]]:
        header, offset = decode_header_untrusted(datagram)
        if header.next_protocol == Protocol.QARP and not header.epoch:
            said = (now_ns, source, decode_message_untrusted(Protocol.QARP, datagram[offset:]))
            if said not in self.said:  # one for all that it goes to
                self.said.append(said)
        return super().fates(datagram, source, destination, now_ns)


class Segment:
    """`first` and its neighbour, connected; the clone is not there yet."""

    def __init__(self, seed: int = 1) -> None:
        topology = Topology(
            (TopologyNode("first", ADDRESS), TopologyNode("neighbour", NEIGHBOUR)),
            (TopologyLink(("first", "neighbour"), "first"),),
        )
        self.first, self.neighbour = topology.places()
        configuration = replace(self.first.configuration, links=(), stations=(), locators={SEGMENT: (CLONE_AT,)})
        self.clone = Clone(configuration, CLONE_AT, SEGMENT, 99 * SECOND_NS)
        chance = Chance(b"clones:%d" % seed)
        self.weather = Heard(CALM, chance.derive(b"weather"))
        self.weather.said = []
        self.simulation = Simulation(
            (self.first, self.neighbour, self.clone), topology.twin(), self.weather, chance,
            handshakes=lambda place, own: FakeHandshakeFactory(fake_identity(place.configuration.qna), own),
        )  # fmt: skip
        self.simulation.boot(ADDRESS)
        self.simulation.boot(NEIGHBOUR)

    def run(self, seconds: float) -> None:
        self.simulation.run_for(int(seconds * SECOND_NS))

    def said(self, place: Place, kind: type) -> list[int]:
        """The instants at which a node has said something of a kind."""
        return [at_ns for at_ns, source, message in self.weather.said if source == place.locator and type(message) is kind]


def node(place: Place) -> Node:
    assert place.node is not None
    return place.node


def state(place: Place) -> AddressState:
    return node(place).machines.qarp.describe_address().state


def logged(place: Place, names: Iterable[str]) -> list[str]:
    return [event.event for event in place.events if isinstance(event, Log) and event.event in names]


def epoch(place: Place, peer: Qna) -> object:
    """What names the live epoch with a peer."""
    views = [view for view in node(place).machines.hop_session.describe() if view.peer == peer]
    return [(view.state, view.local_epoch, view.remote_epoch, view.locator) for view in views]

CONFLICTS = ("qarp.conflict", "qarp.ceased", "own address proved by another")

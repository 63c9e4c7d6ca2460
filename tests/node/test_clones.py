"""Two nodes with one address, one certificate and one configuration on a segment, and an honest neighbour of both."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import Log
from qstack.base.events import EchoAnswered
from qstack.base.ids import Qna, make_qna
from qstack.base.locator import Locator, parse_locator
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.node import Node
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.presence import padded
from qstack.proto.qarp.states import AddressState
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import SEGMENT, Topology, TopologyLink, TopologyNode
from qstack.testing.weather import CALM, Partition, Weather
from qstack.wire.header import Header, decode_header_untrusted, encode_datagram
from qstack.wire.protocols import Protocol
from qstack.wire.qarp import Announcement, Answer, Conflict, Probe, Question, Whereabouts
from qstack.wire.session import CookieChallenge, Flight, Initiate
from qstack.wire.value import Message, decode_message_untrusted
from tests.proto.session.rewriter import Rewriter, handshake_datagram, handshake_message

ADDRESS, NEIGHBOUR, ALIAS = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 999)
CLONE_AT = parse_locator("127.0.0.66:4560")
FRONT, BACK = parse_locator("203.0.113.1:4560"), parse_locator("203.0.113.2:4560")


class Clone(Place):
    """A place whose node has another one's address: the simulation knows it by an alias."""

    @property
    def qna(self) -> Qna:
        return ALIAS


class Heard(Weather):
    """Weather that remembers the address resolution that it carries, and shows a spy everything.

    `said`: (instant, source, message). The spy is told datagram, source and destination.
    """

    said: list[tuple[int, Locator, object]]
    spy: Callable[[bytes, Locator, Locator], None]

    def fates(self, datagram: bytes, source: Locator, destination: Locator, now_ns: int) -> list[tuple[int, bytes]]:
        header, offset = decode_header_untrusted(datagram)
        if header.next_protocol == Protocol.QARP and not header.epoch:
            said = (now_ns, source, decode_message_untrusted(Protocol.QARP, datagram[offset:]))
            if said not in self.said:  # one for all that it goes to
                self.said.append(said)
        self.spy(datagram, source, destination)
        return super().fates(datagram, source, destination, now_ns)


class Segment:
    """`first` and its neighbour, connected, `first` holding its address. The clone has not come yet."""

    def __init__(self, seed: int = 1, clone: QarpParameters | None = None) -> None:
        topology = Topology(
            (TopologyNode("first", ADDRESS), TopologyNode("neighbour", NEIGHBOUR)),
            (TopologyLink(("first", "neighbour"), "first"),),
        )
        self.first, self.neighbour = topology.places()
        configuration = replace(
            self.first.configuration, links=(), stations=(), locators={SEGMENT: (CLONE_AT,)},
            qarp=clone or QarpParameters(),
        )  # fmt: skip
        self.clone = Clone(configuration, CLONE_AT, SEGMENT, 99 * SECOND_NS)
        chance = Chance(b"clones:%d" % seed)
        self.weather = Heard(CALM, chance.derive(b"weather"))
        self.weather.said, self.weather.spy = [], lambda datagram, source, destination: None
        self.simulation = Simulation(
            (self.first, self.neighbour, self.clone), topology.twin(), self.weather, chance,
            handshakes=lambda place, own: FakeHandshakeFactory(fake_identity(place.configuration.qna), own),
        )  # fmt: skip
        self.simulation.boot(ADDRESS)
        self.simulation.boot(NEIGHBOUR)
        self.run(15)
        assert state(self.first) is AddressState.HELD
        self.weather.said.clear()
        self.before = self.epochs()
        assert len(self.before) == 2

    def run(self, seconds: float) -> None:
        self.simulation.run_for(int(seconds * SECOND_NS))

    def join(self) -> None:
        """The clone starts."""
        self.simulation.boot(ALIAS)

    def join_unheard(self) -> None:
        """The clone starts (again), and nobody hears its probes; then it announces itself."""
        self.simulation.crash(ALIAS)
        self.weather.partitions = (Partition(0, 1 << 62, frozenset({CLONE_AT})),)
        self.join()
        before = len(self.said(self.clone, Probe))
        assert self.simulation.run_for(10 * SECOND_NS, lambda: len(self.said(self.clone, Probe)) == before + 3)
        self.weather.partitions = ()
        self.run(2.5)

    def said(self, place: Place, kind: type) -> list[int]:
        """The instants at which a node has said something of a kind."""
        here = place.locator
        return [at_ns for at_ns, source, message in self.weather.said if source == here and type(message) is kind]

    def epochs(self) -> list[object]:
        """What names the live epochs between first and neighbour; they may be SUSPECT for a moment."""
        return [
            (view.peer, view.local_epoch, view.remote_epoch, view.locator)
            for place in (self.first, self.neighbour)
            for view in node(place).machines.hop_session.describe() if view.generation or view.sent
        ]  # fmt: skip

    def assert_neighbours_undisturbed(self) -> None:
        assert self.epochs() == self.before
        for source, destination in ((self.first, NEIGHBOUR), (self.neighbour, ADDRESS)):
            before = len(source.events)
            self.simulation.ping(source.qna, destination, sequence=self.simulation.steps)
            self.run(1)
            assert [each for each in source.events[before:] if isinstance(each, EchoAnswered)]


def node(place: Place) -> Node:
    assert place.node is not None
    return place.node


def state(place: Place) -> AddressState:
    return node(place).machines.qarp.describe_address().state


def conflicts(place: Place) -> int:
    return node(place).machines.qarp.describe_address().conflicts


def logged(place: Place, *names: str) -> list[str]:
    return [event.event for event in place.events if isinstance(event, Log) and event.event in names]


# --- a clone ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_clone_that_joins_gives_way_and_operators_are_told(seed: int) -> None:
    segment = Segment(seed)
    segment.join()
    segment.run(8)
    assert (state(segment.first), state(segment.clone)) == (AddressState.HELD, AddressState.CEASED)
    assert logged(segment.clone, "qarp.conflict", "qarp.ceased") == ["qarp.conflict", "qarp.ceased"]
    assert logged(segment.first, "qarp.conflict", "own address proved by another") == ["own address proved by another"]
    assert len(segment.said(segment.first, Conflict)) == 1 and not segment.said(segment.first, Announcement)
    assert not segment.said(segment.clone, Announcement)
    segment.assert_neighbours_undisturbed()


def test_clone_that_calls_the_neighbour_is_refused_while_first_is_alive_and_let_in_when_it_is_not() -> None:
    segment = Segment()
    segment.join()
    segment.run(60)
    assert "handshake refused" in logged(segment.neighbour, "handshake refused")
    assert not logged(segment.neighbour, "session lost") and not logged(segment.first, "session lost")
    assert not node(segment.clone).machines.hop_session.is_up(NEIGHBOUR)
    segment.assert_neighbours_undisturbed()
    segment.simulation.crash(ADDRESS)
    segment.run(60)
    assert node(segment.clone).machines.hop_session.is_up(NEIGHBOUR)


def test_clone_that_keeps_probing_is_told_each_time_and_first_never_has_a_conflict() -> None:
    segment = Segment()
    segment.join()
    segment.run(100)
    assert 7 <= conflicts(segment.clone) <= 10
    assert (state(segment.first), conflicts(segment.first)) == (AddressState.HELD, 0)
    assert len(segment.said(segment.first, Conflict)) == conflicts(segment.clone)
    segment.assert_neighbours_undisturbed()


@pytest.mark.parametrize("seed", range(4))
def test_clone_whose_probes_were_lost_is_defended_against_once_and_gives_way(seed: int) -> None:
    segment = Segment(seed)
    segment.join_unheard()
    segment.run(8)
    assert (state(segment.first), conflicts(segment.first)) == (AddressState.HELD, 1)
    assert len(segment.said(segment.first, Announcement)) == 1
    assert state(segment.clone) is AddressState.CEASED
    assert logged(segment.first, "qarp.conflict", "qarp.ceased") == ["qarp.conflict"]
    segment.assert_neighbours_undisturbed()


def test_clone_that_comes_again_and_again_is_defended_against_once_in_each_interval() -> None:
    segment = Segment()
    for _ in range(3):
        segment.join_unheard()
        segment.simulation.crash(ALIAS)
        segment.run(10)
    defended_ns = segment.said(segment.first, Announcement)
    assert len(defended_ns) == conflicts(segment.first) == 3
    assert all(b - a >= 10 * SECOND_NS for a, b in pairwise(defended_ns))
    assert state(segment.first) is AddressState.HELD
    segment.assert_neighbours_undisturbed()


def test_clone_that_never_gives_way_makes_first_cease_and_keeps_no_neighbour() -> None:
    """RFC 5227 section 2.4 (b): the second conflict within DEFEND_INTERVAL. What is connected stays connected."""
    segment = Segment(clone=QarpParameters(defend_interval_ns=1, announce_interval_ns=SECOND_NS))
    segment.join_unheard()
    segment.run(3)
    assert (state(segment.first), state(segment.clone)) == (AddressState.CEASED, AddressState.HELD)
    assert logged(segment.first, "qarp.conflict", "qarp.ceased") == ["qarp.conflict", "qarp.conflict", "qarp.ceased"]
    assert len(segment.said(segment.first, Announcement)) == 1
    segment.assert_neighbours_undisturbed()


def test_clones_that_start_together_do_not_both_hold_the_address() -> None:
    segment = Segment()
    segment.simulation.crash(ADDRESS)
    segment.simulation.boot(ADDRESS)
    segment.join()
    segment.run(8)
    assert [state(segment.first), state(segment.clone)].count(AddressState.CEASED) == 1
    assert logged(segment.first, "qarp.ceased") + logged(segment.clone, "qarp.ceased") == ["qarp.ceased"]


# --- ourselves -------------------------------------------------------------------------------------------------------


def test_own_datagrams_that_come_back_are_no_rival() -> None:
    """A group loops back to its sender; a mirror on the way does so too, with its own address."""
    segment = Segment()
    to_mirror = []

    def echo(datagram: bytes, source: Locator, destination: Locator) -> None:
        if destination == FRONT:
            to_mirror.append(datagram)
        elif source == segment.first.locator:
            for origin in (source, FRONT):
                segment.simulation.after(
                    MILLISECOND_NS, lambda origin=origin: segment.simulation.inject(datagram, origin, source)
                )  # fmt: skip

    segment.weather.spy = echo
    segment.simulation.crash(ADDRESS)
    segment.simulation.boot(ADDRESS)
    segment.run(30)
    assert (state(segment.first), conflicts(segment.first)) == (AddressState.HELD, 0)
    assert not logged(segment.first, "qarp.conflict", "own address proved by another")
    assert node(segment.first).machines.hop_session.is_up(NEIGHBOUR) and not to_mirror


class Relay:
    """An attacker at FRONT and BACK who announces the victim's own address and has it shake hands with itself."""

    def __init__(self, segment: Segment, name: Qna) -> None:
        self.segment = segment
        self.name = name
        self.rewriter = Rewriter()
        self.seen: Counter[tuple[Locator, type]] = Counter()
        segment.weather.spy = self.spy

    def announce(self) -> None:
        self.say(padded(Announcement(nonce=bytes(16), target=ADDRESS, whereabouts=Whereabouts())))

    def say(self, message: Message) -> None:
        header = Header(next_protocol=Protocol.QARP, source=ADDRESS, destination=ADDRESS)
        self.inject(encode_datagram(header, message), FRONT)

    def inject(self, datagram: bytes, source: Locator) -> None:
        victim = self.segment.first.locator
        self.segment.simulation.after(MILLISECOND_NS, lambda: self.segment.simulation.inject(datagram, source, victim))

    def spy(self, datagram: bytes, source: Locator, destination: Locator) -> None:
        if destination not in (FRONT, BACK):
            return
        header, offset = decode_header_untrusted(datagram)
        message = decode_message_untrusted(header.next_protocol, datagram[offset:])
        self.seen[destination, type(message)] += 1
        if isinstance(message, Question):
            self.say(Answer(nonce=message.nonce, target=ADDRESS, whereabouts=Whereabouts()))
        elif header.next_protocol == Protocol.SESSION and destination == FRONT:
            forth = self.rewriter.forth(handshake_message(datagram))
            self.inject(handshake_datagram(forth, self.name, ADDRESS), BACK)
        elif header.next_protocol == Protocol.SESSION:
            back = self.rewriter.back(handshake_message(datagram))
            self.inject(handshake_datagram(back, ADDRESS, ADDRESS), FRONT)


@pytest.mark.parametrize("name", [ADDRESS, NEIGHBOUR], ids=["own-name", "other-name"])
def test_own_handshake_relayed_back_by_an_attacker_is_no_rival(name: Qna) -> None:
    segment = Segment()
    relay = Relay(segment, name)
    for _ in range(5):
        relay.announce()
        segment.run(3)
    segment.run(60)
    assert relay.seen[FRONT, Question] == 5, "it was challenged"
    assert relay.seen[FRONT, Initiate] and relay.seen[BACK, CookieChallenge], "a handshake was tried"
    assert not relay.seen[BACK, Flight]
    assert (state(segment.first), conflicts(segment.first)) == (AddressState.HELD, 0)
    assert not logged(segment.first, "qarp.conflict", "own address proved by another")
    assert not segment.said(segment.first, Announcement)
    segment.assert_neighbours_undisturbed()

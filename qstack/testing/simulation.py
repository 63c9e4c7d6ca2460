"""A whole network in one process: real nodes, a real twin, a virtual clock and bad weather, all from one seed.

Time is an integer that jumps to the next event. Every node has a monotonic clock of its own, with an offset, so that
no instant of one can be mistaken for an instant of another. What a node sends passes the weather; what it asks of the
device goes to the twin at once and comes back at its `deliver_at`. A run is a function of its seed: the same seed
gives the same events in the same order.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from qstack.node.configuration import NodeConfiguration

from qstack.base.chance import Chance
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Qna
from qstack.base.locator import Arrival, Locator
from qstack.base.time import Instant, Timescale
from qstack.base.units import SECOND_NS
from qstack.node.egress import Outbound
from qstack.node.node import Event, Node
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.testing.weather import Weather
from qstack.twin.configuration import TwinConfiguration
from qstack.twin.machine import Twin
from qstack.wire.twin import Attach, Attached
from qstack.wire.value import Message

__all__ = ["EPOCH_NS", "Place", "Simulation"]

EPOCH_NS = 1_790_000_000 * SECOND_NS
"""Domain time at the beginning of every simulation (TAI, in 2026)."""

_DEVICE_DELAY_NS = 20_000  # node to device and back, besides `deliver_at`


@dataclass(slots=True, eq=False)
class Place:
    """Where a node lives: its configuration outlives it, a crash takes the node alone."""

    configuration: NodeConfiguration
    locator: Locator
    segment: str
    clock_offset_ns: int
    node: Node | None = None
    lives: int = 0
    session: int = 0
    alarm_ns: int | None = None
    heard: list[tuple[int, int, Message]] = field(default_factory=list)  # (global instant, client, message)
    events: list[Event] = field(default_factory=list)

    def local(self, global_ns: int) -> Instant:
        """The node's own clock."""
        return Instant(global_ns + self.clock_offset_ns)


class Simulation:
    """Run a network. `places` in any order; `handshakes` makes a node's factory, deterministic ones by default."""

    def __init__(
        self, places: Iterable[Place], twin: TwinConfiguration, weather: Weather, chance: Chance, *,
        handshakes: Callable[[Place, Chance], HandshakeFactory] | None = None,
    ) -> None:  # fmt: skip
        self.now_ns = 0
        self.steps = 0
        self.places = {place.configuration.qna: place for place in places}
        self.twin = Twin(twin, chance.derive(b"twin"))
        self.weather = weather
        self._chance = chance
        self._handshakes = handshakes or _deterministic
        self._by_locator = {place.locator: place for place in self.places.values()}
        self._by_session: dict[int, Place] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._sessions = 0
        self._twin_alarm_ns: int | None = None

    # --- what a scenario does --------------------------------------------------------------------------------------

    def boot(self, qna: Qna) -> Node:
        """Start (again) the node at an address."""
        place = self.places[qna]
        place.lives += 1
        chance = self._chance.derive(qna.to_bytes(8, "big") + place.lives.to_bytes(4, "big"))
        timescale = Timescale(place.local(0), EPOCH_NS, 0, 0)
        place.node = Node(place.configuration, chance, self._handshakes(place, chance.derive(b"tls")), timescale)
        self._sessions += 1
        place.session = self._sessions
        self._by_session[place.session] = place
        self.twin.receive(place.session, Attach(node=qna), self._domain())
        place.node.start(place.local(self.now_ns))
        self._settle(place)
        self._settle_twin()
        return place.node

    def crash(self, qna: Qna) -> None:
        """End a node as `kill -9` does: nobody is told."""
        place = self.places[qna]
        place.node = None
        place.alarm_ns = None
        self._by_session.pop(place.session, None)
        self.twin.close_session(place.session, self._domain())
        self._settle_twin()

    def request(self, qna: Qna, message: Message, client: int = 1, user: int = 1000) -> None:
        """An application asks its node."""
        place = self.places[qna]
        assert place.node is not None
        place.node.request(message, client, user, place.local(self.now_ns))
        self._settle(place)

    def at(self, instant_ns: int, action: Callable[[], None]) -> None:
        """Do something later."""
        self._scheduled += 1
        heappush(self._events, (max(instant_ns, self.now_ns), self._scheduled, action))

    def run(self, until_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `until_ns`, or until `done` holds; tell whether it did."""
        while self._events and self._events[0][0] <= until_ns:
            self.now_ns, _, action = heappop(self._events)
            self.steps += 1
            action()
            if done is not None and done():
                return True
        self.now_ns = max(self.now_ns, until_ns)
        return done is not None and done()

    # --- carrying out ------------------------------------------------------------------------------------------------

    def _settle(self, place: Place) -> None:
        node = place.node
        if node is None:
            return
        for outbound in node.take_datagrams():
            self._send(place, outbound)
        calls = node.take_device_calls()
        for call in calls:
            self.twin.receive(place.session, call, self._domain())
        if calls:
            self._settle_twin()
        place.heard += [(self.now_ns, client, message) for client, message in node.take_client_messages()]
        place.events += node.take_events()
        self._set_alarm(place, node)

    def _set_alarm(self, place: Place, node: Node) -> None:
        deadline = node.next_deadline()
        if deadline is None:
            place.alarm_ns = None
            return
        due_ns = max(self.now_ns, deadline - place.clock_offset_ns)
        if place.alarm_ns is None or place.alarm_ns > due_ns or place.alarm_ns < self.now_ns:
            place.alarm_ns = due_ns
            self.at(due_ns, lambda: self._ring(place, node, due_ns))

    def _ring(self, place: Place, node: Node, due_ns: int) -> None:
        if place.node is not node or place.alarm_ns != due_ns:
            return
        place.alarm_ns = None
        node.handle_deadline(place.local(self.now_ns))
        self._settle(place)

    def _send(self, place: Place, outbound: Outbound) -> None:
        for locator in (outbound.locator,) if outbound.locator is not None else self._segment(place, outbound.segment):
            for instant_ns, octets in self.weather.fates(outbound.datagram, place.locator, locator, self.now_ns):
                arrival = Arrival(place.segment, place.locator, outbound.locator is None)
                self.at(instant_ns, self._arrival(locator, octets, arrival))

    def _segment(self, sender: Place, segment: str | None) -> list[Locator]:
        return [each.locator for each in self.places.values() if each.segment == segment and each is not sender]

    def _arrival(self, locator: Locator, octets: bytes, arrival: Arrival) -> Callable[[], None]:
        def arrive() -> None:
            place = self._by_locator.get(locator)
            if place is not None and place.node is not None:
                place.node.receive_datagram(octets, arrival, place.local(self.now_ns))
                self._settle(place)

        return arrive

    def _settle_twin(self) -> None:
        for session, message in self.twin.take_results():
            place = self._by_session.get(session)
            if place is None or place.node is None:
                continue
            if isinstance(message, Attached):
                place.node.device_is_secret = bool(message.secret)
                continue
            due_ns = max(self.now_ns + _DEVICE_DELAY_NS, getattr(message, "deliver_at", 0) - EPOCH_NS)
            self.at(due_ns, self._delivery(place, place.node, message))
        deadline = self.twin.next_deadline()
        if deadline is not None and self._twin_alarm_ns != deadline:
            self._twin_alarm_ns = deadline
            self.at(max(self.now_ns, deadline - EPOCH_NS), self._ring_twin)

    def _delivery(self, place: Place, node: Node, message: Message) -> Callable[[], None]:
        def deliver() -> None:
            if place.node is node:
                node.device_result(message, place.local(self.now_ns))
                self._settle(place)

        return deliver

    def _ring_twin(self) -> None:
        self._twin_alarm_ns = None
        self.twin.handle_deadline(self._domain())
        self._settle_twin()

    def _domain(self) -> int:
        return EPOCH_NS + self.now_ns


def _deterministic(place: Place, chance: Chance) -> HandshakeFactory:
    return FakeHandshakeFactory(fake_identity(place.configuration.qna), chance)

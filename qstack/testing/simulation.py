"""A whole network in one process: real nodes, a real twin, a virtual clock and bad weather, all from one seed.

Time is an integer that jumps to the next event. Every node has a monotonic clock of its own, with an offset, so that
no instant of one can be mistaken for an instant of another. What a node sends passes the weather; what it asks of the
device goes to the twin at once and comes back at its `deliver_at`. A run is a function of its seed: the same seed
gives the same events in the same order, and the same `trace`.

A node dies as `kill -9` kills it: between two inputs (`crash`), or in the middle of carrying out what an input has made
it want (`doom`): what it had handed to the operating system by then is on its way, the rest never was.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any
from typing import Protocol as Interface

from qstack.base.chance import Chance
from qstack.base.effects import Sender
from qstack.base.errors import LocalMisuse
from qstack.base.handshake import HandshakeFactory
from qstack.base.ids import Qna, QubitId
from qstack.base.locator import Arrival, Locator
from qstack.base.time import Instant, Timescale
from qstack.base.units import SECOND_NS
from qstack.node.configuration import NodeConfiguration
from qstack.node.egress import Outbound
from qstack.node.node import Event, Node
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.testing.weather import Weather
from qstack.twin.configuration import TwinConfiguration
from qstack.twin.machine import Twin
from qstack.wire.twin import Attach, Attached, InspectPair, PairInspected
from qstack.wire.value import Message

__all__ = ["DEVICE_DELAY_NS", "EPOCH_NS", "Place", "Simulation", "Witness"]

EPOCH_NS = 1_790_000_000 * SECOND_NS
"""Domain time at the beginning of every simulation (TAI, in 2026)."""

DEVICE_DELAY_NS = 20_000
_OPERATOR = 0  # the session that inspects the devices; nodes have 1, 2, ...
_TIE_LIMIT = 100_000  # events at one instant: more of them is a network that has stopped the clock


@dataclass(slots=True, eq=False)
class Place:
    """Where a node lives: its configuration outlives it, a crash takes the node alone.

    `clock_error_ns`: by how much its idea of domain time is ahead of the device's. `stalled_ns`: until then it does
    not run. `doom`: see `Simulation.doom`.
    """

    configuration: NodeConfiguration
    locator: Locator
    segment: str
    clock_offset_ns: int
    clock_error_ns: int = 0
    node: Node | None = None
    lives: int = 0
    session: int = 0
    alarm_ns: int | None = None
    stalled_ns: int = 0
    doom: int | None = None
    heard: list[tuple[int, int, Message]] = field(default_factory=list)  # (global instant, client, message)
    events: list[Event] = field(default_factory=list)

    @property
    def qna(self) -> Qna:
        """The node's address."""
        return self.configuration.qna

    def local(self, global_ns: int) -> Instant:
        """The node's own clock."""
        return Instant(global_ns + self.clock_offset_ns)


class Witness(Interface):
    """Sees what happens in a simulation, and may plan more by it. All calls come before the simulation goes on."""

    def booted(self, place: Place) -> None:
        """A node has started."""

    def died(self, place: Place) -> None:
        """A node has been killed."""

    def receives(self, place: Place, message: Message, sender: Sender) -> None:
        """A node is given a message that passed its seals."""

    def told(self, place: Place, client: int, message: Message) -> None:
        """An application is told something."""


class Simulation:
    """Run a network. `places` in any order; `handshakes` makes a node's factory, deterministic ones by default."""

    def __init__(
        self, places: Iterable[Place], twin: TwinConfiguration, weather: Weather, chance: Chance, *,
        handshakes: Callable[[Place, Chance], HandshakeFactory] | None = None, witness: Witness | None = None,
    ) -> None:  # fmt: skip
        self.now_ns = 0
        self.steps = 0
        self.places = {place.qna: place for place in places}
        self.twin = Twin(twin, chance.derive(b"twin"))
        self.weather = weather
        self.device_delay_ns = DEVICE_DELAY_NS  # from a node to the device and back, when `deliver_at` is earlier
        self.witness = witness
        self._chance = chance
        self._handshakes = handshakes or _deterministic
        self._by_locator = {place.locator: place for place in self.places.values()}
        self._by_session: dict[int, Place] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._sessions = 0
        self._twin_alarm_ns: int | None = None
        self._trace = blake2b(digest_size=16)

    @property
    def trace(self) -> str:
        """A digest of everything that has happened so far: every input of every node, and its instant."""
        return self._trace.copy().hexdigest()

    # --- what a scenario does --------------------------------------------------------------------------------------

    def boot(self, qna: Qna) -> Node:
        """Start (again) the node at an address."""
        place = self.places[qna]
        if place.node is not None:
            raise LocalMisuse("this node is running; crash it first")
        place.lives += 1
        place.doom = None
        chance = self._chance.derive(qna.to_bytes(8, "big") + place.lives.to_bytes(4, "big"))
        node = Node(place.configuration, chance, self._handshakes(place, chance.derive(b"tls")), _timescale(place))
        place.node = node
        if self.witness is not None:
            for number, machine in node.machines.by_protocol.items():
                node.machines.by_protocol[number] = _Watched(machine, place, self.witness)
            self.witness.booted(place)
        self._note("boot", qna.to_bytes(8, "big"))
        self._attach(place)
        node.start(place.local(self.now_ns))
        self._settle(place)
        return node

    def boot_all(self) -> None:
        """Start every node."""
        for qna in self.places:
            self.boot(qna)

    def crash(self, qna: Qna) -> None:
        """End a node as `kill -9` does: nobody is told. One that does not run stays so."""
        place = self.places[qna]
        if place.node is None:
            return
        self._note("crash", qna.to_bytes(8, "big"))
        place.node = None
        place.alarm_ns = place.doom = None
        place.stalled_ns = 0
        self._detach(place)
        if self.witness is not None:
            self.witness.died(place)

    def doom(self, qna: Qna, outputs: int) -> None:
        """Kill a node in the middle of its next (or present) input: only the first `outputs` of what it wants happen.

        Outputs are datagrams, then device calls, then what applications are told, as the daemon carries them out.
        """
        self.places[qna].doom = outputs

    def stop(self, qna: Qna) -> None:
        """End a node as SIGTERM does: it says goodbye."""
        place = self.places[qna]
        if place.node is not None:
            place.node.stop(place.local(self.now_ns))
            self._settle(place)
            self.crash(qna)

    def stall(self, qna: Qna, duration_ns: int) -> None:
        """A node does not run for a while, as when its machine is busy: what is for it waits."""
        place = self.places[qna]
        if place.node is not None:
            place.stalled_ns = self.now_ns + duration_ns

    def step_clock(self, qna: Qna, error_ns: int) -> None:
        """What a node takes for domain time changes all at once."""
        place = self.places[qna]
        place.clock_error_ns = error_ns
        if place.node is not None:
            place.node.timescale = _timescale(place)

    def lose_device(self, qna: Qna) -> None:
        """A node's device goes away, and all quantum states in it."""
        place = self.places[qna]
        if place.node is not None and place.session in self._by_session:
            self._detach(place)
            place.node.device_gone(place.local(self.now_ns))
            self._settle(place)

    def return_device(self, qna: Qna) -> None:
        """It is there again, empty."""
        place = self.places[qna]
        if place.node is not None and place.session not in self._by_session:
            self._attach(place)
            place.node.device_ready(place.node.device_is_secret, place.local(self.now_ns))
            self._settle(place)

    def move(self, qna: Qna, locator: Locator) -> None:
        """A node is at another address from now on, as behind a NAT that forgets."""
        place = self.places[qna]
        del self._by_locator[place.locator]
        place.locator = locator
        self._by_locator[locator] = place

    def reconfigure(self, qna: Qna) -> None:
        """An operator has the configuration read again."""
        place = self.places[qna]
        if place.node is not None:
            place.node.reconfigure(place.configuration, place.local(self.now_ns))
            self._settle(place)

    def inspect(self, qna: Qna, qubit: QubitId) -> PairInspected | None:
        """The true state of the pair that a memory holds half of now."""
        self._settle_twin()  # results of nodes are not ours to take
        self.twin.admit_operator(_OPERATOR)
        self.twin.receive(_OPERATOR, InspectPair(request_id=0, node=qna, qubit=qubit), self._domain())
        answers = [message for session, message in self.twin.take_results() if session == _OPERATOR]
        return next((answer for answer in answers if isinstance(answer, PairInspected)), None)

    def request(self, qna: Qna, message: Message, client: int = 1, user: int = 1000) -> None:
        """An application asks its node. Nothing happens when the node does not run."""
        place = self.places[qna]
        if place.node is not None:
            self._note("request", message.encode())
            place.node.request(message, client, user, place.local(self.now_ns))
            self._settle(place)

    def drop_client(self, qna: Qna, client: int = 1) -> None:
        """An application goes away."""
        place = self.places[qna]
        if place.node is not None:
            place.node.drop_client(client, place.local(self.now_ns))
            self._settle(place)

    def ping(self, qna: Qna, node: Qna, identifier: int = 1, sequence: int = 1, data: bytes = b"") -> None:
        """An operator asks whether `node` is there; the answer is among the `events` of the place."""
        place = self.places[qna]
        if place.node is not None:
            place.node.ping(node, identifier, sequence, data, place.local(self.now_ns))
            self._settle(place)

    def inject(self, datagram: bytes, source: Locator, destination: Locator) -> None:
        """A datagram arrives now, whoever may have sent it."""
        place = self._by_locator.get(destination)
        self._arrive(destination, datagram, Arrival("" if place is None else place.segment, source))

    def at(self, instant_ns: int, action: Callable[[], None]) -> None:
        """Do something later."""
        self._scheduled += 1
        heappush(self._events, (max(instant_ns, self.now_ns), self._scheduled, action))

    def after(self, duration_ns: int, action: Callable[[], None]) -> None:
        """Do something in `duration_ns`."""
        self.at(self.now_ns + duration_ns, action)

    def run(self, until_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `until_ns`, or until `done` holds; tell whether it did."""
        ties = 0
        while self._events and self._events[0][0] <= until_ns:
            instant_ns, _, action = heappop(self._events)
            ties = ties + 1 if instant_ns == self.now_ns else 0
            assert ties < _TIE_LIMIT, f"time stands still at {self.now_ns} ns"
            self.now_ns = instant_ns
            self.steps += 1
            action()
            if done is not None and done():
                return True
        self.now_ns = max(self.now_ns, until_ns)
        return done is not None and done()

    def run_for(self, duration_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Let `duration_ns` pass, or less if `done` holds before; tell whether it does."""
        return self.run(self.now_ns + duration_ns, done)

    # --- carrying out ------------------------------------------------------------------------------------------------

    def _settle(self, place: Place) -> None:
        node = place.node
        if node is None:
            return
        outbound, calls, told = node.take_datagrams(), node.take_device_calls(), node.take_client_messages()
        place.events += node.take_events()
        doom, allowed = place.doom, place.doom
        if allowed is not None:
            outbound, allowed = outbound[:allowed], max(0, allowed - len(outbound))
            calls, allowed = calls[:allowed], max(0, allowed - len(calls))
            told = told[:allowed]
        for datagram in outbound:
            self._send(place, datagram)
        for call in calls:
            self.twin.receive(place.session, call, self._domain())
        for client, message in told:
            place.heard.append((self.now_ns, client, message))
            if self.witness is not None:
                self.witness.told(place, client, message)
        if calls:
            self._settle_twin()
        if doom is not None:
            self.crash(place.qna)
        else:
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
        if self._postponed(place, lambda: self._ring(place, node, due_ns)):
            return
        place.alarm_ns = None
        self._note("deadline", place.locator.address)
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
        return lambda: self._arrive(locator, octets, arrival)

    def _arrive(self, locator: Locator, octets: bytes, arrival: Arrival) -> None:
        place = self._by_locator.get(locator)
        if place is not None and place.node is not None:
            if self._postponed(place, lambda: self._arrive(locator, octets, arrival)):
                return
            self._note("datagram", octets)
            place.node.receive_datagram(octets, arrival, place.local(self.now_ns))
            self._settle(place)

    def _attach(self, place: Place) -> None:
        self._sessions += 1
        place.session = self._sessions
        self._by_session[place.session] = place
        self.twin.receive(place.session, Attach(node=place.qna), self._domain())
        self._settle_twin()

    def _detach(self, place: Place) -> None:
        if self._by_session.pop(place.session, None) is not None:
            self.twin.close_session(place.session, self._domain())
            self._settle_twin()

    def _settle_twin(self) -> None:
        for session, message in self.twin.take_results():
            place = self._by_session.get(session)
            if place is None or place.node is None:
                continue
            if isinstance(message, Attached):
                place.node.device_is_secret = bool(message.secret)
                continue
            due_ns = max(self.now_ns + self.device_delay_ns, getattr(message, "deliver_at", 0) - EPOCH_NS)
            self.at(due_ns, self._delivery(place, place.node, session, message))
        self._set_twin_alarm()

    def _set_twin_alarm(self) -> None:
        deadline = self.twin.next_deadline()
        if deadline is None:
            self._twin_alarm_ns = None
            return
        due_ns = max(self.now_ns, deadline - EPOCH_NS)
        if self._twin_alarm_ns is None or self._twin_alarm_ns > due_ns:
            self._twin_alarm_ns = due_ns
            self.at(due_ns, lambda: self._ring_twin(due_ns))

    def _ring_twin(self, due_ns: int) -> None:
        if self._twin_alarm_ns == due_ns:
            self._twin_alarm_ns = None
            self.twin.handle_deadline(self._domain())
            self._settle_twin()

    def _delivery(self, place: Place, node: Node, session: int, message: Message) -> Callable[[], None]:
        def deliver() -> None:
            attached = self._by_session.get(session) is place  # what a device said that has gone is lost
            if place.node is node and attached and not self._postponed(place, deliver):
                self._note("device", message.encode())
                node.device_result(message, place.local(self.now_ns))
                self._settle(place)

        return deliver

    def _postponed(self, place: Place, action: Callable[[], None]) -> bool:
        """Whether the node is stalled; the action then comes after that."""
        if place.stalled_ns <= self.now_ns:
            return False
        self.at(place.stalled_ns, action)
        return True

    def _note(self, what: str, octets: bytes) -> None:
        self._trace.update(b"%d %s %d " % (self.now_ns, what.encode("ascii"), len(octets)) + octets)

    def _domain(self) -> int:
        return EPOCH_NS + self.now_ns


class _Watched:
    """A protocol's machine whose messages a witness sees first."""

    def __init__(self, machine: Any, place: Place, witness: Witness) -> None:
        self._machine = machine
        self._place = place
        self._witness = witness

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        self._witness.receives(self._place, message, sender)
        self._machine.receive(message, sender, now_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)


def _timescale(place: Place) -> Timescale:
    return Timescale(place.local(0), EPOCH_NS + place.clock_error_ns, 0, abs(place.clock_error_ns))


def _deterministic(place: Place, chance: Chance) -> HandshakeFactory:
    return FakeHandshakeFactory(fake_identity(place.qna), chance)

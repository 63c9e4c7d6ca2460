"""Link and circuit layers of several nodes in one process: virtual time, a bad network, a device that knows the truth.

The device makes perfect pairs with random Bell indices and keeps the frame of every chain by XOR, so that a test can
hold what both ends believe against what is. Between nodes there is nothing but the reliable exchange over a network
that loses, duplicates and delays by a seed. Nodes settle in turns, as a real node does.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import CallDevice, Count, Seal, Sender, SendMessage
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Label, LinkId, Qna, QubitId
from qstack.base.locator import Arrival, Locator
from qstack.base.services import (
    CancelCreate,
    CancelPairs,
    CircuitClosed,
    CircuitFailed,
    CircuitReady,
    CreateAccepted,
    CreateDone,
    CreateFailed,
    CreatePairs,
    DeviceGone,
    DeviceReady,
    EndPairReady,
    LinkRefused,
    LinkReserved,
    ListenPairs,
    PairExpired,
    PairOk,
    PairReady,
    PairsFailed,
    PairsRevoked,
    PeerDown,
    PeerUp,
    QubitsFreed,
    ReleaseCircuit,
    ReleaseLink,
    RequestCircuit,
    RequestPairs,
    ReserveLink,
    UnlistenPairs,
)
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.machine.exchange import Exchange
from qstack.proto.circuit.machine import CircuitMachine
from qstack.proto.circuit.params import CircuitParameters
from qstack.proto.link.handling import EndHandling
from qstack.proto.link.machine import LinkMachine
from qstack.proto.link.params import LinkConfiguration, LinkParameters, StationConfiguration
from qstack.quantum.memories import Operation
from qstack.wire import twin
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Status
from qstack.wire.value import Message, decode_message_untrusted
from tests.proto.circuit.device import Device

EPOCH = 1_790_000_000 * SECOND_NS
ARRIVAL = Arrival("lab", Locator(bytes(4), 4560))
TO_LINK = (DeviceGone, DeviceReady, ReserveLink, ReleaseLink, RequestPairs, CancelPairs, QubitsFreed, CreatePairs,
           CancelCreate, ListenPairs, UnlistenPairs)  # fmt: skip
TO_APPLICATION = (CreateAccepted, PairOk, CreateFailed, CreateDone, PairsRevoked)
TO_CIRCUIT = (LinkReserved, LinkRefused, PairReady, PairsFailed, PairExpired, RequestCircuit, ReleaseCircuit)


class Lines:
    """The fewest routes that a row of nodes needs."""

    def __init__(self, nodes: list[Qna], own: Qna) -> None:
        self.nodes, self.own = nodes, own

    def quantum_next_hop(self, destination: Qna) -> Qna | None:
        if destination not in self.nodes or destination == self.own:
            return None
        here, there = self.nodes.index(self.own), self.nodes.index(destination)
        return self.nodes[here + (1 if there > here else -1)]

    def next_hop(self, destination: Qna) -> Qna | None:
        return destination

    def destination_of(self, urn: str) -> Qna | None:
        return None


@dataclass
class Place:
    """One node: two machines and what they told their unit. `hold`: keep delivered qubits, do not discard them."""

    own: Qna
    link: LinkMachine
    circuit: CircuitMachine
    offset_ns: int
    clock_error_ns: int
    alive: bool = True
    hold: bool = False
    queue: deque[Any] = field(default_factory=deque)
    ready: list[CircuitReady] = field(default_factory=list)
    failed: list[CircuitFailed] = field(default_factory=list)
    closed: list[CircuitClosed] = field(default_factory=list)
    delivered: list[EndPairReady] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)  # services of the link layer to the circuit

    def of(self, kind: Any) -> list[Any]:
        """What the link layer told of one kind."""
        return [service for service in self.told if isinstance(service, kind)]


class Fabric:
    """A row of nodes. `stations`: for each link the QNA of its station (default: the left end). `links_only`: what
    links tell is kept for the test, and no circuit hears it. `shared`: a node's links share their memories.
    `storage`: memories of each end that pairs are moved into, which takes 0.3 ms and depolarises a tenth of them."""

    def __init__(
        self, qnas: list[Qna], seed: bytes = b"fabric", *, memories: int = 8, stations: list[Qna] | None = None,
        loss: float = 0.0, duplication: float = 0.0, delay_ns: tuple[int, int] = (200_000, 400_000),
        probability: float = 1.0, swap_failures: float = 0.0, link: LinkParameters | None = None,
        circuit: CircuitParameters | None = None, fidelity: float = 1.0, slot_cycles: int = 1_000,
        links_only: bool = False, shared: bool = False, storage: int = 0,
    ) -> None:  # fmt: skip
        self.chance = Chance(seed)
        self.links_only = links_only
        self.qnas = qnas
        self.now = 0
        self.loss, self.duplication, self.delay_ns = loss, duplication, delay_ns
        self.counters: Counter[str] = Counter()
        self.violations: list[str] = []
        self.sent: list[tuple[Qna, Qna, Message]] = []
        self.truth: dict[Any, tuple[Qna, EndPairReady]] = {}
        self.matched = 0
        self.gates: list[twin.GateItem] = []
        self.gate_status = Status.OK
        self._events: list[tuple[int, int, Any]] = []
        self._order = count()
        self._draws = count()
        self._flows: dict[tuple[Qna, Qna], Exchange] = {}
        self.drop: Any = None  # a test may name messages that never arrive
        ends = {n + 1: (qnas[n], qnas[n + 1]) for n in range(len(qnas) - 1)}
        where = stations or [pair[0] for pair in ends.values()]
        self.device = Device(self.chance.derive(b"device"), ends, 10_000, probability, swap_failures)
        nodes = list(dict.fromkeys([*qnas, *where]))
        self.places = {}
        for number, own in enumerate(nodes):
            configurations, roles, first = [], [], 0
            for link_id, pair in ends.items():
                if own in pair:
                    other = pair[pair[0] == own]
                    qubits = tuple(QubitId(q) for q in range(first, first + memories))
                    stores = tuple(QubitId(q) for q in range(first + memories, first + memories + storage))
                    first += 0 if shared else memories + storage
                    configurations.append(LinkConfiguration(
                        link=LinkId(link_id), neighbour=other, stations=(where[link_id - 1],), memories=qubits,
                        success_probability=probability, fidelity=fidelity, slot_cycles=slot_cycles, storage=stores,
                        handling=EndHandling(move=Operation(300_000, 0.1)) if storage else EndHandling(),
                    ))  # fmt: skip
                if own == where[link_id - 1]:
                    roles.append(StationConfiguration(LinkId(link_id), pair))
            offset, error = (number + 1) * 7_777_777_777, (number % 3 - 1) * 50_000
            scale = Timescale(reference_local_ns=offset, reference_domain_ns=EPOCH + error)
            machine = LinkMachine(own, link or LinkParameters(), self.chance.derive(b"link %d" % own),
                                  timescale=lambda s=scale: s, links=configurations, stations=roles)  # fmt: skip
            circuits = CircuitMachine(own, circuit or CircuitParameters(), self.chance.derive(b"node %d" % own),
                                      routes=Lines(qnas, own), timescale=lambda s=scale: s)  # fmt: skip
            self.places[own] = Place(own, machine, circuits, offset, error)

    # --- driving ---------------------------------------------------------------------------------------------------

    def at(self, delay_ns: int, action: Any) -> None:
        heappush(self._events, (self.now + delay_ns, next(self._order), action))

    def run(self, seconds: float = 5.0, until: Any = None) -> None:
        """Let time pass; `until` may end it early."""
        end = self.now + int(seconds * 1e9)
        while until is None or not until():
            due = self._next()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            while self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
            for place in self.places.values():
                if place.alive:
                    self._tick(place)
            for (a, b), flow in list(self._flows.items()):
                self._pump(a, b, flow)

    def _next(self) -> int | None:
        times = [self._events[0][0]] if self._events else []
        for place in self.places.values():
            if place.alive:
                for machine in (place.link, place.circuit):
                    deadline = machine.next_deadline()
                    if deadline is not None:
                        times.append(deadline - place.offset_ns)
        times += [at for flow in self._flows.values() if (at := flow.next_deadline()) is not None]
        return min(times, default=None)

    def _tick(self, place: Place) -> None:
        local = self.local(place)
        for machine in (place.link, place.circuit):
            deadline = machine.next_deadline()
            if deadline is not None and deadline <= local:
                machine.handle_deadline(local)
                self.settle(place)

    def local(self, place: Place) -> Instant:
        return Instant(self.now + place.offset_ns)

    def domain(self) -> int:
        return EPOCH + self.now

    def settle(self, place: Place) -> None:
        place.queue += [*place.link.take_effects(), *place.circuit.take_effects()]
        while place.queue:
            for _ in range(len(place.queue)):
                self._carry_out(place, place.queue.popleft())
            place.queue += [*place.link.take_effects(), *place.circuit.take_effects()]

    def serve(self, own: Qna, service: Any) -> None:
        """A service that the unit, or the session, of a node yields."""
        self.places[own].queue.append(service)
        self.settle(self.places[own])

    def _carry_out(self, place: Place, effect: Any) -> None:
        now = self.local(place)
        match effect:
            case SendMessage():
                self._send(place.own, effect)
            case CallDevice():
                self._call(place, effect.request)
            case Count():
                self.counters[effect.name] += effect.amount
            case CircuitReady():
                place.ready.append(effect)
            case CircuitFailed():
                place.failed.append(effect)
            case CircuitClosed():
                place.closed.append(effect)  # and with it go the qubits of pairs that were delivered at this end alone
                self._forget_truth(place.own, effect.circuit)
            case EndPairReady():
                self._delivered(place, effect)
            case PeerDown() | PeerUp():
                place.link.on_service(effect, now)
                place.circuit.on_service(effect, now)
            case _ if isinstance(effect, TO_LINK):
                place.link.on_service(effect, now)
            case _ if isinstance(effect, TO_APPLICATION):
                place.told.append(effect)
            case _ if isinstance(effect, TO_CIRCUIT):
                place.told.append(effect)
                if not self.links_only:
                    place.circuit.on_service(effect, now)
            case _:
                raise AssertionError(f"nobody serves {effect}")

    def _delivered(self, place: Place, ready: EndPairReady) -> None:
        place.delivered.append(ready)
        key = (ready.circuit, ready.pair)
        other = self.truth.pop(key, None)
        if other is None:
            self.truth[key] = (place.own, ready)
        else:
            self._check_truth(place.own, ready, *other)
        if not place.hold and other is not None:
            for own, qubit in ((place.own, ready.qubit), (other[0], other[1].qubit)):
                self.places[own].queue.append(QubitsFreed((qubit,), discard=True))
                if own != place.own:
                    self.settle(self.places[own])

    def _forget_truth(self, own: Qna, circuit: Any = None) -> None:
        gone = [k for k, (node, _) in self.truth.items() if node == own and circuit in (None, k[0])]
        for key in gone:
            del self.truth[key]

    def _check_truth(self, own: Qna, mine: EndPairReady, other: Qna, theirs: EndPairReady) -> None:
        pair = self.device.pairs.get((own, mine.qubit))
        assert pair is not None and sorted(pair.ends) == sorted([(own, mine.qubit), (other, theirs.qubit)]), (
            f"pair {mine.pair}: the two ends do not hold one pair"
        )
        assert mine.bell_index == theirs.bell_index == pair.frame, f"pair {mine.pair}: a frame is wrong"
        self.matched += 1

    # --- the network -------------------------------------------------------------------------------------------------

    def _send(self, own: Qna, effect: SendMessage) -> None:
        message: Any = effect.message
        assert effect.seal is Seal.HOP
        payload = message.encode()
        assert len(payload) <= 1_160, f"{message.NAME} of {len(payload)} octets does not fit a datagram"
        self.sent.append((own, effect.destination, message))
        if not self.places[effect.destination].alive:
            return
        flow = self._flow(own, effect.destination)
        if not message.RELIABLE:
            context = (effect.label, int(message.PROTOCOL))
            self._transmit(own, effect.destination, (0, payload, context, flow.acknowledgement()))
            return
        flow.send(payload, self.now, (effect.label, int(message.PROTOCOL)))
        self._pump(own, effect.destination, flow)

    def _flow(self, a: Qna, b: Qna) -> Exchange:
        return self._flows.setdefault((a, b), Exchange())

    def _pump(self, a: Qna, b: Qna, flow: Exchange) -> None:
        messages = flow.outgoing(self.now)
        assert not flow.failed, "the exchange gave up: the weather of this test is too bad for it"
        for message in messages:
            self._transmit(a, b, (message.sequence, message.payload, message.context, flow.acknowledgement()))
        if not messages and flow.ack_due(self.now):
            self._transmit(a, b, (0, b"", None, flow.acknowledgement()))

    def _draw(self) -> float:
        return self.chance.uniform(b"network %d" % next(self._draws))

    def _transmit(self, a: Qna, b: Qna, datagram: Any) -> None:
        life = self._flow(b, a)
        low, high = self.delay_ns
        for _ in range(1 + (self._draw() < self.duplication)):
            if self.loss and self._draw() < self.loss:
                continue
            self.at(low + int(self._draw() * (high - low)), lambda: self._arrive(a, b, datagram, life))

    def _arrive(self, a: Qna, b: Qna, datagram: Any, life: Exchange) -> None:
        place, flow = self.places[b], self._flow(b, a)
        if not place.alive or flow is not life:
            return  # sealed with the keys of an epoch that is over
        sequence, payload, context, acknowledged = datagram
        flow.acknowledge(acknowledged, self.now)
        if not sequence and payload:
            self._hand_over(a, place, decode_message_untrusted(context[1], payload), context[0])
        for delivery in flow.receive(sequence, payload, context, self.now) if sequence else ():
            label, protocol = delivery.context
            self._hand_over(a, place, decode_message_untrusted(protocol, delivery.payload), label)
        self._pump(b, a, flow)

    def _hand_over(self, source: Qna, place: Place, message: Message, label: Label) -> None:
        if self.drop is not None and self.drop(source, place.own, message):
            return
        machine: Any = place.link if message.PROTOCOL == Protocol.LINK else place.circuit
        try:
            machine.receive(message, Sender(source, Seal.HOP, ARRIVAL, source, label), self.local(place))
        except PeerViolation as violation:
            self.violations.append(f"{message.NAME}: {violation}")
        self.settle(place)

    def peer_up(self, a: Qna, b: Qna) -> None:
        """A session between two nodes begins."""
        for own, other in ((a, b), (b, a)):
            self.serve(own, PeerUp(other, Seal.HOP))

    def peer_down(self, a: Qna, b: Qna) -> None:
        """The session between two nodes is over, at both."""
        for own, other in ((a, b), (b, a)):
            self._flows.pop((own, other), None)
            if self.places[own].alive:
                self.serve(own, PeerDown(other, Seal.HOP, "test"))

    def crash(self, own: Qna) -> None:
        """A node is gone, with its qubits; the others find out a little later."""
        self.places[own].alive = False
        self._forget_truth(own)
        for node, qubit in [place for place in self.device.pairs if place[0] == own]:
            self.device.release(node, qubit)
        others = {b for a, b in self._flows if a == own} | {a for a, b in self._flows if b == own}
        for other in others:
            self.at(50 * MILLISECOND_NS, lambda other=other: self.peer_down(own, other))

    # --- the device --------------------------------------------------------------------------------------------------

    def _call(self, place: Place, request: Any) -> None:
        now = self.domain()
        common = {"request_id": request.request_id, "completed_at": now, "deliver_at": now}
        match request:
            case twin.Attempt():
                status = self.device.attempt(place.own, request, now)
                result: Any = (twin.AttemptAccepted(**common) if status is Status.OK
                               else twin.Refused(status=status, **common))  # fmt: skip
                self._answer(place, result, 20_000)
            case twin.AwaitHeralds():
                self._await(place, request)
            case twin.Swap():
                outcomes = tuple(
                    twin.SwapOutcome(status=status, bell_index=twin.BellIndex(bell))
                    for couple in request.couples
                    for status, bell in (self.device.swap(place.own, couple.first, couple.second, request.instant),)
                )  # fmt: skip
                self._answer(place, twin.Swapped(outcomes=outcomes, **common), 50_000)
            case twin.FetchOutcomes():
                found = tuple(self.device.fetch(place.own, request))
                self._answer(place, twin.OutcomesFetched(outcomes=found, **common), 20_000)
            case twin.ApplyGates():
                self.gates += request.gates
                statuses = (self.gate_status,) * len(request.gates)
                self._answer(place, twin.GatesApplied(statuses=statuses, **common), 20_000)
            case twin.Measure():
                measured = tuple(self.device.measure(place.own, item) for item in request.measurements)
                self._answer(place, twin.Measured(outcomes=measured, **common), 50_000)
            case twin.Move():
                statuses = tuple(self.device.move(place.own, item) for item in request.moves)
                self._answer(place, twin.Moved(statuses=statuses, **common), 300_000)
            case twin.Release():
                statuses = tuple(self.device.release(place.own, qubit) for qubit in request.qubits)
                self._answer(place, twin.Released(statuses=statuses, **common), 50_000)

    def _await(self, place: Place, request: twin.AwaitHeralds) -> None:
        end = (request.first_cycle + request.cycles) * self.device.cycle_ns
        wait = max(end - self.domain(), 0) + 1_000
        deadline = max(end + self.device.grace_ns, self.domain())

        def look() -> None:
            heralds = self.device.heralds(request)
            if heralds is None and self.domain() < deadline:
                self.at(5 * MILLISECOND_NS, look)
                return
            self._answer(place, twin.Heralds(
                request_id=request.request_id, completed_at=DomainTime(end), deliver_at=DomainTime(end),
                status=Status.NO_PARTNER if heralds is None else Status.OK, link=request.link,
                first_cycle=request.first_cycle, cycles=request.cycles, attempted=3, heralds=tuple(heralds or ()),
            ), 20_000)  # fmt: skip

        self.at(wait, look)

    def _answer(self, place: Place, result: Message, delay_ns: int) -> None:
        def deliver() -> None:
            if place.alive:
                machine: Any = place.link if result.request_id >> 56 == Protocol.LINK else place.circuit
                machine.on_device_result(result, self.local(place))
                self.settle(place)

        self.at(delay_ns, deliver)

    # --- what tests ask ----------------------------------------------------------------------------------------------

    def open(
        self, number: int = 8, *, head: Qna | None = None, tail: Qna | None = None, min_fidelity: float = 0.0,
        seconds: float = 5.0, context: bytes = bytes(16),
    ) -> None:  # fmt: skip
        """A unit at the head asks for a circuit."""
        own = self.qnas[0] if head is None else head
        deadline = Instant(self.local(self.places[own]) + int(seconds * 1e9))
        destination = self.qnas[-1] if tail is None else tail
        self.serve(own, RequestCircuit(destination, context, number, min_fidelity, deadline))

    def release(self, own: Qna, reason: ErrorCode = ErrorCode.UNSPECIFIED) -> None:
        """The unit of a node is through with all its circuits."""
        for ready in list(self.places[own].ready):
            self.serve(own, ReleaseCircuit(ready.circuit, reason))

    def leaks(self) -> list[str]:
        """What is still held, at nodes that live."""
        found = []
        for place in self.places.values():
            if not place.alive:
                continue
            for link in place.link.describe().links:
                if link.free != link.memories or link.labels or link.queued_requests or link.open_windows:
                    found.append(f"{place.own}: {link}")
            for station in place.link.describe().stations:
                if station.waiting:
                    found.append(f"{place.own}: {station}")
            if place.circuit.describe() or len(place.circuit._around.labels) or place.circuit._around.by_link:
                found.append(f"{place.own}: circuits or labels")
            for name, machine in (("link", place.link), ("circuit", place.circuit)):
                if machine.next_deadline() is not None:
                    found.append(f"{place.own}: {name} timers {list(machine._around.timers)}")
            if place.link._around.asked and any(what == "release" for what, *_ in place.link._around.asked.values()):
                found.append(f"{place.own}: device calls")
        alive = [where for where in self.device.pairs if self.places[where[0]].alive]
        return found + [f"device: {where}" for where in alive]

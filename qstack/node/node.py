"""A node: its protocols, joined.

The driver gives it datagrams, device results, requests of applications and the passing of time, each with `now_ns`; it
yields datagrams, device calls, messages for applications and events, and says when it next wants to be called. It
touches no clock, no socket and no randomness: the same node runs on real sockets and, by the hundred, in one process
under a virtual clock.

Every input is followed by one settling: effects are carried out, and the effects of those, until none is left; then the
reliable flows transmit what is due. So between two calls a node owes nothing to anybody.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import (
    CallDevice,
    Count,
    Log,
    Seal,
    SendDatagram,
    Sender,
    SendMessage,
    SendUnsealed,
    Severity,
    TellClient,
)
from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.handshake import HandshakeFactory, PeerIdentity
from qstack.base.ids import Qna, format_qna
from qstack.base.locator import Arrival
from qstack.base.services import DeviceGone, DeviceReady, EnsurePeer, PeerDown, PeerHeard, PeerUnresolved, PeerUp
from qstack.base.time import Instant, Timescale
from qstack.base.units import SECOND_NS
from qstack.node.assembly import Machines, assemble, make_routes
from qstack.node.configuration import NodeConfiguration
from qstack.node.counters import Counters
from qstack.node.egress import Egress, Outbound
from qstack.node.flows import Flows
from qstack.node.forwarding import Forwarder
from qstack.node.ingress import Forgotten, Forwardable, Ingress, Received, Undecodable
from qstack.node.recall import Recall
from qstack.node.reports import Reporter
from qstack.node.switchboard import SERVED_BY, Server
from qstack.proto.epr.asking import REQUESTS as EPR_REQUESTS
from qstack.wire.protocols import Protocol
from qstack.wire.session import Close, Established, Probe, ProbeReply
from qstack.wire.twin import asking_protocol
from qstack.wire.value import Message

__all__ = ["Event", "Node"]

Event = Log | EchoAnswered | EchoFailed
_FIXED = ("qna", "links", "stations", "device_port", "capabilities", "exchange", "header", "session", "qarp", "link",
          "circuit")  # fmt: skip
_SEALED_SESSION = (Established, Probe, ProbeReply, Close)
_HEARD_INTERVAL_NS = SECOND_NS  # how often qarp is told that a neighbour was heard


class Node:
    """One node.

    `handshakes` establishes keys; `chance` is the source of every choice it makes; `key_log` gets a line for every
    session key (session note, section 7.7).
    """

    def __init__(
        self, configuration: NodeConfiguration, chance: Chance, handshakes: HandshakeFactory, timescale: Timescale, *,
        key_log: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.own = configuration.qna
        self.timescale = timescale
        self.counters = Counters()
        self._chance_is_secret = chance.secret
        self.device_is_secret = False  # until the device says that its chance is the operating system's
        self.machines: Machines = assemble(
            configuration, chance, handshakes, timescale=lambda: self.timescale,
            is_secret=lambda: self.is_secret, key_log=key_log,
        )  # fmt: skip
        self._flows = Flows(configuration.exchange)
        hop, end = self.machines.hop_session, self.machines.end_session
        self._ingress = Ingress(self.own, self.machines.routes, hop, end, self._flows, self.counters)
        self._egress = Egress(self.own, self.machines.routes, hop, end, self._flows, self.counters)
        self._forwarder = Forwarder(self.own, self.machines.routes)
        self._reporter = Reporter(self.own, self.machines.header)
        self._effects: deque[Any] = deque()
        self._device_calls: list[Message] = []
        self._client_messages: list[tuple[int, Message]] = []
        self._events: list[Event] = []
        self._heard: dict[Qna, Instant] = {}
        self._recall = Recall()

    @property
    def is_secret(self) -> bool:
        """Whether no chosen seed takes part in the keys that are made here."""
        return self._chance_is_secret and self.device_is_secret

    # --- inputs -----------------------------------------------------------------------------------------------

    def start(self, now_ns: Instant) -> None:
        """Begin: announce the address, call the configured neighbours."""
        self.machines.qarp.start(now_ns)
        for neighbour in self.configuration.neighbours:
            self._effects.append(EnsurePeer(neighbour, Seal.HOP))
            self._recall.down(neighbour, now_ns)
        self._settle(now_ns)

    def receive_datagram(self, datagram: bytes, arrival: Arrival, now_ns: Instant) -> None:
        """Any octets from the network."""
        row = False
        for found in self._ingress.take_untrusted(datagram, arrival, now_ns):
            if row:  # it may be about what the message before it has begun
                self._calm_down(now_ns)
            row = True
            match found:
                case Received():
                    self._dispatch(found, now_ns)
                case Forwardable():
                    self._forward(found, now_ns)
                case Undecodable():
                    self._reporter.undecodable(found, now_ns)
                case Forgotten():
                    self._reporter.forgotten(found.header, now_ns)
        self._settle(now_ns)

    def device_result(self, result: Message, now_ns: Instant) -> None:
        """A result of the device, at its `deliver_at` or later."""
        machine = self._by_protocol(asking_protocol(getattr(result, "request_id", 0)))
        if machine is None:
            self.counters.add("device.stray_results")
        else:
            machine.on_device_result(result, now_ns)
        self._settle(now_ns)

    def device_gone(self, now_ns: Instant) -> None:
        """There is no device, or none any more: what its memories held is lost, and with it the circuits."""
        self._effects.append(DeviceGone())
        self._settle(now_ns)

    def device_ready(self, secret: bool, now_ns: Instant) -> None:
        """There is a device again. `secret`: its chance is the operating system's."""
        self.device_is_secret = secret
        self._effects.append(DeviceReady())
        self._settle(now_ns)

    def request(self, message: Message, client: int, user: int, now_ns: Instant) -> None:
        """What application `client` of user id `user` asks (control table)."""
        machine = self.machines.epr if isinstance(message, EPR_REQUESTS) else self.machines.unit
        machine.request(message, client, user, now_ns)
        self._settle(now_ns)

    def drop_client(self, client: int, now_ns: Instant) -> None:
        """An application has gone."""
        self.machines.unit.drop_client(client, now_ns)
        self.machines.epr.drop_client(client, now_ns)
        self._settle(now_ns)

    def ping(self, node: Qna, identifier: int, sequence: int, data: bytes, now_ns: Instant) -> None:
        """Send an echo request; `EchoAnswered` or `EchoFailed` follows. Raises `ResourceLimit`, `LocalMisuse`."""
        if node == self.own:
            raise LocalMisuse(f"{format_qna(node)} is this node itself: echo another one")
        self.machines.header.ask(node, identifier, sequence, data, now_ns)
        self._settle(now_ns)

    def reconfigure(self, configuration: NodeConfiguration, now_ns: Instant) -> None:
        """Take over a changed configuration as a whole, or refuse it as a whole.

        Routes, neighbours, segments, endpoint rules and unit parameters change under way. Raises `LocalMisuse` naming
        what cannot (addresses, links, stations, parameters of the other protocols): those want a restart.
        """
        fixed = [name for name in _FIXED if getattr(configuration, name) != getattr(self.configuration, name)]
        if fixed:
            raise LocalMisuse(f"{', '.join(fixed)}: cannot change while the daemon runs; restart it to have the change")
        routes = make_routes(configuration)
        self.machines.qarp.reconfigure(configuration.segments, configuration.statics, now_ns)
        self.machines.routes.become(routes)
        self.machines.unit.reconfigure(configuration.unit, configuration.rules)
        self.machines.epr.reconfigure(configuration.epr, configuration.purposes)
        self.machines.hop_session.reconsider(self._no_neighbour_any_more, now_ns)
        self.configuration = configuration
        self._recall.keep(configuration.neighbours)
        for neighbour in configuration.neighbours:
            if not self.machines.hop_session.is_up(neighbour):
                self._effects.append(EnsurePeer(neighbour, Seal.HOP))
                self._recall.down(neighbour, now_ns)
        self._settle(now_ns)

    def _no_neighbour_any_more(self, identity: PeerIdentity) -> str:
        near = self.machines.routes.next_hop(identity.qna) == identity.qna
        return "" if near else "not a neighbour any more"

    def reconsider(self, judge: Callable[[PeerIdentity], str], now_ns: Instant) -> None:
        """Trust has changed: close the sessions whose peer `judge` gives a reason against (SESSION-4.2-5)."""
        for machine in (self.machines.end_session, self.machines.hop_session):
            machine.reconsider(judge, now_ns)
        self._settle(now_ns)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Time has passed."""
        for machine in self.machines.all:
            deadline = machine.next_deadline()
            if deadline is not None and deadline <= now_ns:
                machine.handle_deadline(now_ns)
        self._effects.extend(EnsurePeer(peer, Seal.HOP) for peer in self._recall.due(now_ns))
        self._settle(now_ns)

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called; None: not before another input."""
        deadlines = [at for machine in self.machines.all if (at := machine.next_deadline()) is not None]
        deadlines += [at for each in (self._flows, self._recall) if (at := each.next_deadline()) is not None]
        return Instant(min(deadlines)) if deadlines else None

    def stop(self, now_ns: Instant) -> None:
        """End: tell the peers. What is to be sent is there to be taken once more."""
        for machine in (self.machines.end_session, self.machines.hop_session):
            machine.close_all(ErrorCode.CANCELLED, now_ns)
            self._settle(now_ns)

    # --- outputs ------------------------------------------------------------------------------------------------

    def take_datagrams(self) -> list[Outbound]:
        """Datagrams to be sent, in order."""
        return self._egress.take()

    def take_device_calls(self) -> list[Message]:
        """Requests to the device, in order."""
        taken, self._device_calls = self._device_calls, []
        return taken

    def take_client_messages(self) -> list[tuple[int, Message]]:
        """Messages for applications, in order."""
        taken, self._client_messages = self._client_messages, []
        return taken

    def take_events(self) -> list[Event]:
        """What an operator is told."""
        taken, self._events = self._events, []
        return taken

    # --- carrying out effects -------------------------------------------------------------------------------------

    def _settle(self, now_ns: Instant) -> None:
        while True:
            self._calm_down(now_ns)
            self._egress.pump(now_ns)
            self._drop_failed_flows(now_ns)
            if not self._effects and not self._egress.wanted:
                return

    def _calm_down(self, now_ns: Instant) -> None:
        """Carry out effects, and the effects of those, until none is left."""
        self._collect()
        while self._effects:
            self._carry_out_all(now_ns)
            self._collect()

    def _collect(self) -> None:
        for machine in self.machines.all:
            effects = machine.take_effects()
            if effects:
                self._effects.extend(effects)
        wanted, self._egress.wanted = self._egress.wanted, []
        self._effects.extend(dict.fromkeys(wanted))

    def _carry_out_all(self, now_ns: Instant) -> None:
        """One generation of effects.

        What they lead to is collected afterwards, so that a machine sees all that concerns it before it speaks:
        sixty-four pairs of one window become one swap request and one Track.
        """
        generation, self._effects = self._effects, deque()
        for effect in generation:
            self._carry_out(effect, now_ns)

    def _carry_out(self, effect: Any, now_ns: Instant) -> None:
        match effect:
            case SendMessage():
                self._egress.send(effect, now_ns)
            case SendUnsealed():
                self._egress.send_unsealed(effect)
            case SendDatagram():
                self._egress.send_datagram(effect)
            case CallDevice():
                self._device_calls.append(effect.request)  # type: ignore[arg-type]
            case TellClient():
                self._client_messages.append((effect.client, effect.message))  # type: ignore[arg-type]
            case Count():
                self.counters.add(effect.name, effect.amount)
            case Log() | EchoAnswered() | EchoFailed():
                self._events.append(effect)
            case EnsurePeer(seal=Seal.HOP):
                self.machines.qarp.on_service(effect, now_ns)
            case EnsurePeer() if self.machines.routes.next_hop(effect.peer) is None:
                self.counters.add("egress.no_route")
                self._effects.append(PeerDown(effect.peer, Seal.END, "no route leads there"))
            case EnsurePeer():
                self.machines.end_session.on_service(effect, now_ns)
            case _:
                self._serve(effect, now_ns)

    def _serve(self, service: Any, now_ns: Instant) -> None:
        for server in SERVED_BY[type(service)]:
            if server is Server.NODE:
                self._on_service(service, now_ns)
            else:
                self.machines.by_server[server].on_service(service, now_ns)

    def _on_service(self, service: Any, now_ns: Instant) -> None:
        match service:
            case PeerUp():
                if service.seal is Seal.HOP:
                    self._recall.up(service.peer)
                self._flows.begin((service.peer, service.seal))
                self._egress.session_up(service.peer, service.seal, now_ns)
            case PeerDown():
                self._flows.end((service.peer, service.seal))
                self._egress.give_up(service.peer, service.seal)
                if service.seal is Seal.HOP and service.peer in self.configuration.neighbours:
                    self._recall.down(service.peer, now_ns)
            case PeerUnresolved():
                self._egress.give_up(service.peer, Seal.HOP)

    def _drop_failed_flows(self, now_ns: Instant) -> None:
        for peer, seal in self._flows.failed():
            self._flows.end((peer, seal))
            session = self.machines.hop_session if seal is Seal.HOP else self.machines.end_session
            session.drop(peer, "does not acknowledge", now_ns)
            self._collect()

    # --- messages -------------------------------------------------------------------------------------------------

    def _dispatch(self, received: Received, now_ns: Instant) -> None:
        message, sender = received.message, received.sender
        try:
            machine = self._receiver(message, sender)
            if machine is None:
                self.counters.add("header.unserved_protocol")
                return
            machine.receive(message, sender, now_ns)
        except PeerViolation as violation:
            self.counters.add(f"{message.PROTOCOL.name.lower()}.violations")
            by = () if sender.neighbour == sender.qna else (("said_by", format_qna(sender.neighbour)),)
            self._events.append(Log(Severity.PEER, "violation", (
                ("peer", format_qna(sender.qna)), *by, ("what", str(violation)[:200]),
            )))  # fmt: skip
        self._note_heard(received, now_ns)

    def _receiver(self, message: Message, sender: Sender) -> Any:
        """The machine for a message. A session message's seal tells its scope (session note, section 5.1)."""
        if message.PROTOCOL != Protocol.SESSION:
            return self._by_protocol(message.PROTOCOL)
        between_neighbours = sender.seal is None or (sender.seal is Seal.HOP and isinstance(message, _SEALED_SESSION))
        return self.machines.hop_session if between_neighbours else self.machines.end_session

    def _note_heard(self, received: Received, now_ns: Instant) -> None:
        sender = received.sender
        last = self._heard.get(sender.neighbour)
        if sender.seal is not None and (last is None or now_ns - last >= _HEARD_INTERVAL_NS):
            self._heard[sender.neighbour] = now_ns
            self._effects.append(PeerHeard(sender.neighbour, sender.arrival.source))

    def _forward(self, found: Forwardable, now_ns: Instant) -> None:
        decided = self._forwarder.decide(found.header, found.neighbour, self.timescale.domain(now_ns))
        if isinstance(decided, ErrorCode):
            self.counters.add(f"forward.{decided.name.lower()}")
            self._reporter.not_forwarded(found, decided, now_ns)
            return
        self.counters.add("datagrams.forwarded")
        self._egress.forward(decided.header, found.payload, decided.next_hop, now_ns)

    def _by_protocol(self, protocol: int) -> Any:
        return self.machines.by_protocol.get(protocol)

"""A node between two neighbours, all sessions up, and everything a hostile one among them could make."""

from dataclasses import dataclass
from typing import Any

from qstack.base.effects import Seal
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.ids import Epoch, Qna
from qstack.base.locator import Arrival, Locator, parse_locator
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.egress import Outbound
from qstack.node.node import Node
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import SEGMENT, Topology, chain
from qstack.testing.weather import Weather
from qstack.wire.header import EndHeader, Header, decode_header_untrusted
from qstack.wire.value import Message

STRANGER = parse_locator("198.51.100.7:4560")


@dataclass
class Crossing:
    """A datagram that crossed the network."""

    datagram: bytes
    source: Locator
    destination: Locator

    @property
    def header(self) -> Header:
        return decode_header_untrusted(self.datagram)[0]


class Tapped(Weather):
    """Weather that remembers what it was asked about."""

    crossings: list[Crossing]

    def fates(self, datagram: bytes, source: Locator, destination: Locator, now_ns: int) -> list[tuple[int, bytes]]:
        self.crossings.append(Crossing(datagram, source, destination))
        return super().fates(datagram, source, destination, now_ns)


class Rig:
    """n1 - n2 - n3. Tests look at n2; n1 is the neighbour that may be hostile."""

    def __init__(self, topology: Topology | None = None, seed: bytes = b"rig") -> None:
        self.topology = topology or chain((2, 1))
        self.simulation: Simulation = self.topology.simulate(seed)
        weather = self.simulation.weather
        tapped = Tapped(weather.report, weather._chance)
        tapped.crossings = self.crossings = []
        self.simulation.weather = tapped
        self.simulation.boot_all()
        self.simulation.run_for(SECOND_NS // 2)

    # --- who is who --------------------------------------------------------------------------------------------------

    def qna(self, name: str) -> Qna:
        return self.topology.qna(name)

    def locator(self, name: str) -> Locator:
        return self.topology.locator(name)

    def place(self, name: str) -> Place:
        return self.simulation.places[self.qna(name)]

    def node(self, name: str = "n2") -> Node:
        node = self.place(name).node
        assert node is not None
        return node

    def now(self, name: str = "n2") -> int:
        return self.place(name).local(self.simulation.now_ns)

    def run(self, seconds: float) -> None:
        self.simulation.run_for(int(seconds * SECOND_NS))

    def ping(self, source: str = "n1", destination: str = "n3") -> Any:
        """The answer, or the failure."""
        place = self.place(source)
        before = len(place.events)
        self.simulation.ping(self.qna(source), self.qna(destination), sequence=self.simulation.steps)
        answers: list[Any] = []

        def answered() -> bool:
            answers[:] = [each for each in place.events[before:] if isinstance(each, EchoAnswered | EchoFailed)]
            return bool(answers)

        self.simulation.run_for(10 * SECOND_NS, answered)
        return answers[0] if answers else None

    def is_up(self, name: str, peer: str, seal: Seal = Seal.HOP) -> bool:
        machines = self.node(name).machines
        return (machines.hop_session if seal is Seal.HOP else machines.end_session).is_up(self.qna(peer))

    # --- what is given to a node -------------------------------------------------------------------------------------

    def give(self, datagram: bytes, source: Locator, name: str = "n2") -> list[Outbound]:
        """Give a node a datagram, and take what it makes of it."""
        node = self.node(name)
        node.receive_datagram(datagram, Arrival(SEGMENT, source), self.now(name))
        return node.take_datagrams()

    def seal(
        self, payload: bytes | Message, protocol: int | None = None, *, encrypt: bool = False, by: str = "n1",
        to: str = "n2", **fields: Any,
    ) -> bytes:  # fmt: skip
        """A datagram that `by` has sealed for its neighbour `to`, with whatever it likes in it."""
        if isinstance(payload, Message):
            protocol, payload = int(payload.PROTOCOL), payload.encode()
        header = Header(**({"next_protocol": protocol, "source": self.qna(by), "destination": self.qna(to)} | fields))
        return self.node(by).machines.hop_session.seal_hop(self.qna(to), header, payload, encrypt, self.now(by))

    def seal_end(
        self, message: Message, *, encrypt: bool = False, by: str = "n1", to: str = "n3", over: str = "n2",
        **fields: Any,
    ) -> bytes:  # fmt: skip
        """A datagram for `to` under the end seal of `by`, sealed for the neighbour `over`."""
        header = Header(next_protocol=8, source=self.qna(by), destination=self.qna(to))
        end = EndHeader(next_protocol=int(message.PROTOCOL), epoch=Epoch(0), packet_number=0, **fields)
        inner = self.node(by).machines.end_session.seal_end(
            self.qna(to), header, end, message.encode(), encrypt, self.now(by)
        )
        return self.node(by).machines.hop_session.seal_hop(self.qna(over), header, inner, False, self.now(by))

    def open(self, outbound: Outbound, name: str = "n1") -> tuple[Header, bytes]:
        """What a neighbour reads in a datagram of n2."""
        header, offset = decode_header_untrusted(outbound.datagram)
        opened = self.node(name).machines.hop_session.open_hop_untrusted(
            outbound.datagram, header, offset, self.locator("n2"), self.now(name)
        )
        assert opened is not None
        return header, opened[1]

    # --- what may not change -----------------------------------------------------------------------------------------

    def state(self, name: str = "n2") -> dict[str, Any]:
        """Everything a node shows of itself, but for its counters and what names the present instant."""
        node = self.node(name)
        machines = node.machines
        sessions = [
            (view.peer, view.state, view.local_epoch, view.remote_epoch, view.locator, view.generation)
            for machine in (machines.hop_session, machines.end_session) for view in machine.describe()
        ]  # fmt: skip
        flows = {
            party: (flow._received, flow._next_receive, sorted(flow._early), flow.unacknowledged, flow.failed)
            for party, flow in node._flows._exchanges.items()
        }
        return {
            "sessions": sessions, "flows": flows, "waiting": {k: len(v) for k, v in node._egress._waiting.items()},
            "neighbours": [(each.peer, each.state, each.locator) for each in machines.qarp.describe()],
            "link": machines.link.describe(), "circuit": machines.circuit.describe(), "unit": machines.unit.describe(),
            "header": machines.header.next_deadline(), "client": node._client_messages, "device": node._device_calls,
        }  # fmt: skip

    def gained(self, name: str = "n2") -> "Gained":
        return Gained(self.node(name))


class Gained:
    """Counters that have grown since."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = dict(node.counters)

    def __call__(self) -> dict[str, int]:
        return {
            name: count - self._before.get(name, 0) for name, count in self._node.counters.items()
            if count != self._before.get(name, 0) and name != "datagrams.received"
        }  # fmt: skip


def settle_flows(rig: Rig) -> None:
    """Let acknowledgements and whatever else was under way come to rest."""
    rig.simulation.run_for(300 * MILLISECOND_NS)

"""Data between two neighbours, in virtual time: in qubits where there are pairs in stock, as messages where not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Cycle, PurposeId, Qna
from qstack.base.services import DataArrived, DataFailed, DataSent, ListenData, SendData, UnlistenData
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.configuration import NodeConfiguration
from qstack.node.switchboard import Server
from qstack.proto.link.params import LinkParameters
from qstack.quantum.channels import Fibre
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.memories import MemoryModel
from qstack.quantum.schemes import Werner
from qstack.testing.topology import Topology, TopologyLink, TopologyNode
from qstack.wire.link import DenseReady, Expire
from tests.proto.circuit.fabric import ARRIVAL
from tests.sim.test_link_estimate import CYCLE_NS, HIGH, LOW, STATION

PURPOSE, OTHER = PurposeId(17), PurposeId(18)


class Application:
    """In the place of applications at one end."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_service(self, service: Any, now_ns: Instant) -> None:
        self.told.append(service)

    def take_effects(self) -> list[Any]:
        return []

    def next_deadline(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None

    def arrived(self, purpose: PurposeId = PURPOSE) -> list[bytes]:
        return [each.octets for each in self.told if isinstance(each, DataArrived) and each.purpose == purpose]


class Net:
    """Two ends and a station of their own, whose link keeps pairs in stock."""

    def __init__(
        self, *, stock: int = 128, memories: int = 512, fidelity: float = 1.0, arms_km: float = 0.0,
        memory: MemoryModel | None = None, station: str = "station", seed: bytes = b"data",
    ) -> None:  # fmt: skip
        arms = (Fibre(arms_km), Fibre(arms_km))
        hardware = LinkHardware(CYCLE_NS, Werner(1.0, fidelity), arms)
        kind = memory or MemoryModel()
        template = NodeConfiguration(qna=Qna(0), link=LinkParameters(stock_pairs=stock))
        topology = Topology(
            (TopologyNode("low", LOW, memory=kind), TopologyNode("high", HIGH, memory=kind),
             TopologyNode("station", STATION)),
            (TopologyLink(("low", "high"), station, memories=memories, cycle_ns=CYCLE_NS, hardware=hardware),),
            static=True, template=template,
        )  # fmt: skip
        self.simulation = topology.simulate(seed)
        self.simulation.boot_all()
        self.ends = {own: Application() for own in (LOW, HIGH)}
        for own, application in self.ends.items():
            self.node(own).machines.by_server[Server.EPR] = application
        self.simulation.run_for(SECOND_NS)
        for own, other in ((LOW, HIGH), (HIGH, LOW)):
            self.serve(own, ListenData(other, PURPOSE))
        self.simulation.run_for(300 * MILLISECOND_NS)

    def node(self, own: Qna) -> Any:
        return self.simulation.places[own].node

    def serve(self, own: Qna, service: Any) -> None:
        place = self.simulation.places[own]
        assert place.node is not None
        place.node._effects.append(service)
        place.node._settle(place.local(self.simulation.now_ns))
        self.simulation._settle(place)

    def send(self, own: Qna, octets: bytes, number: int = 1, purpose: PurposeId = PURPOSE) -> None:
        self.serve(own, SendData(HIGH if own == LOW else LOW, purpose, number, octets))

    def counters(self, own: Qna) -> Counter[str]:
        return Counter({name.removeprefix("link."): many for name, many in self.node(own).counters.items()})

    def link(self, own: Qna) -> Any:
        [link] = self.node(own).machines.link.describe().links
        return link


def text(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("sender", [LOW, HIGH])
@pytest.mark.parametrize("sizes", [(0,), (1,), (1_000, 5, 0, 2_500), (65_535,)])
def test_messages_without_stock_go_plain_whole_and_in_order(sender: Qna, sizes: tuple[int, ...]) -> None:
    net = Net(stock=0)
    for number, size in enumerate(sizes):
        net.send(sender, text(size, number), number)
    net.simulation.run_for(2 * SECOND_NS)
    receiver = HIGH if sender == LOW else LOW
    assert net.ends[receiver].arrived() == [text(size, number) for number, size in enumerate(sizes)]
    sent = [each.number for each in net.ends[sender].told if isinstance(each, DataSent)]
    assert sent == list(range(len(sizes)))


def test_message_for_nobody_is_refused_and_the_others_arrive() -> None:
    net = Net(stock=0)
    net.send(LOW, text(3_000), 1, OTHER)
    net.send(LOW, b"second", 2)
    net.simulation.run_for(SECOND_NS)
    failed = [each for each in net.ends[LOW].told if isinstance(each, DataFailed)]
    assert [(each.number, each.reason) for each in failed] == [(1, ErrorCode.NO_ENDPOINT)]
    assert net.ends[HIGH].arrived() == [b"second"]
    net.serve(HIGH, ListenData(LOW, OTHER))
    net.serve(HIGH, UnlistenData(LOW, PURPOSE))
    net.send(LOW, b"third", 3, OTHER)
    net.send(LOW, b"fourth", 4)
    net.simulation.run_for(SECOND_NS)
    assert net.ends[HIGH].arrived(OTHER) == [b"third"] and net.ends[HIGH].arrived() == [b"second"]


def test_too_much_and_too_far_is_refused_at_once() -> None:
    net = Net(stock=0)
    net.send(LOW, bytes(65_536))
    net.serve(LOW, SendData(STATION, PURPOSE, 2, b"no link"))
    failed = [each.reason for each in net.ends[LOW].told if isinstance(each, DataFailed)]
    assert failed == [ErrorCode.TOO_BIG, ErrorCode.NO_ROUTE]


def test_lost_session_fails_what_was_not_acknowledged() -> None:
    net = Net(stock=0)
    net.simulation.weather.report = replace(net.simulation.weather.report, loss=1.0)
    net.send(LOW, text(100_00), 5)
    net.simulation.run_for(200 * SECOND_NS)
    failed = [each for each in net.ends[LOW].told if isinstance(each, DataFailed)]
    assert [(each.number, each.reason) for each in failed] == [(5, ErrorCode.SESSION_LOST)]


def sent_and_arrived(net: Net, sender: Qna, messages: list[bytes], seconds: float = 20.0) -> Counter[str]:
    """Send messages one after the other; what was counted at both ends."""
    receiver = HIGH if sender == LOW else LOW
    for number, message in enumerate(messages):
        net.send(sender, message, number)
        net.simulation.run_for(round(seconds * SECOND_NS / len(messages)))
    assert net.ends[receiver].arrived() == messages
    sent = [each.number for each in net.ends[sender].told if isinstance(each, DataSent)]
    assert sent == list(range(len(messages)))
    return net.counters(sender) + net.counters(receiver)


def assert_at_rest(net: Net) -> None:
    """No memory is held, but those of the stock."""
    for own in (LOW, HIGH):
        link = net.link(own)
        assert link.held == link.stocked, link
        assert link.free + link.held + link.offered + link.emptying == link.memories
        [end] = net.node(own).machines.link._ends.values()
        assert not end.dense._theirs and end.dense._sending is None and end.dense._receiving is None


@pytest.mark.parametrize("station", ["station", "low", "high"])
@pytest.mark.parametrize("sender", [LOW, HIGH])
def test_short_messages_go_in_qubits_two_bits_each(sender: Qna, station: str) -> None:
    net = Net(station=station)
    assert net.link(LOW).stocked == net.link(HIGH).stocked == 128
    messages = [text(size, size) for size in (2, 7, 20, 32, 1)]
    counted = sent_and_arrived(net, sender, messages)
    assert counted["data_dense_octets"] == 62 and counted["data_plain_octets"] == 0
    assert counted["data_qubits"] == 4 * 62, "ideal pairs need no parity"
    assert_at_rest(net)


def test_long_message_goes_both_ways_and_arrives_in_order() -> None:
    net = Net()
    counted = sent_and_arrived(net, LOW, [text(5_000), text(3_000, 2)], 4.0)
    assert counted["data_dense_octets"] > 0 and counted["data_plain_octets"] > 0
    assert counted["data_dense_octets"] + counted["data_plain_octets"] == 8_000
    assert_at_rest(net)


def test_both_directions_at_once() -> None:
    net = Net()
    for number in range(20):
        net.send(LOW, text(30, number), number)
        net.send(HIGH, text(31, number), number)
        net.simulation.run_for(200 * MILLISECOND_NS)
    net.simulation.run_for(2 * SECOND_NS)
    assert net.ends[HIGH].arrived() == [text(30, n) for n in range(20)]
    assert net.ends[LOW].arrived() == [text(31, n) for n in range(20)]
    counted = net.counters(LOW) + net.counters(HIGH)
    assert counted["data_dense_octets"] > 200
    assert_at_rest(net)


def test_lost_qubits_are_erasures_that_the_code_fills_in() -> None:
    """Arms of 0.6 km at 0.2 dB/km: 5.4 % of the qubits do not arrive."""
    net = Net(arms_km=0.6)
    counted = sent_and_arrived(net, LOW, [text(12, n) for n in range(30)], 30.0)
    assert counted["data_blocks_read"] >= 20, counted
    assert counted["data_dense_octets"] > counted["data_plain_octets"], counted
    assert counted["data_qubits"] > 4 * counted["data_dense_octets"], "there is parity"
    assert_at_rest(net)


def test_noisy_pairs_are_put_right_or_go_plain_and_never_arrive_wrong() -> None:
    net = Net(fidelity=0.97)
    counted = sent_and_arrived(net, HIGH, [text(12, n) for n in range(30)], 30.0)
    assert counted["data_blocks_read"] >= 15, counted
    assert counted["data_dense_octets"] + counted["data_plain_octets"] == 360
    assert_at_rest(net)


def test_line_that_is_too_bad_is_not_used() -> None:
    net = Net(fidelity=0.7)
    counted = sent_and_arrived(net, LOW, [text(20, n) for n in range(20)], 20.0)
    assert counted["data_plain_octets"] == 400 and counted["data_qubits"] == 0
    assert_at_rest(net)


def test_messages_lost_on_the_way_lose_no_data() -> None:
    net = Net()
    net.simulation.weather.report = replace(net.simulation.weather.report, loss=0.1)
    counted = sent_and_arrived(net, LOW, [text(25, n) for n in range(40)], 60.0)
    assert counted["data_dense_octets"] > 0
    net.simulation.run_for(5 * SECOND_NS)
    assert_at_rest(net)


def test_device_that_goes_away_in_the_middle_costs_no_data() -> None:
    net = Net()
    for number in range(10):
        net.send(LOW, text(30, number), number)
        net.simulation.run_for(15 * MILLISECOND_NS)
        if number == 4:
            net.simulation.lose_device(HIGH)
            net.simulation.run_for(30 * MILLISECOND_NS)
            net.simulation.return_device(HIGH)
    net.simulation.run_for(10 * SECOND_NS)
    assert net.ends[HIGH].arrived() == [text(30, n) for n in range(10)]
    net.simulation.run_for(5 * SECOND_NS)
    assert_at_rest(net)


def everything_expires(net: Net, own: Qna) -> None:
    """The other end says that it never learned of any pair that `own` has."""
    other = HIGH if own == LOW else LOW
    [end] = net.node(own).machines.link._ends.values()
    windows = tuple(end.windows._filled)
    for start in range(0, len(windows), 16):
        place = net.simulation.places[own]
        expire = Expire(link=end.configuration.link, expected_sequence=0, windows=windows[start : start + 16])
        place.node.machines.link.receive(expire, Sender(other, Seal.HOP, ARRIVAL, other),
                                         place.local(net.simulation.now_ns))  # fmt: skip


def coder(net: Net, own: Qna) -> Any:
    [end] = net.node(own).machines.link._ends.values()
    return end.dense


def test_receiver_whose_pairs_are_revoked_measures_nothing_in_their_memories() -> None:
    """They may hold other pairs by the time the qubits are here."""
    net = Net()
    net.send(LOW, text(30))
    assert net.simulation.run_for(SECOND_NS, lambda: coder(net, HIGH)._receiving is not None)
    everything_expires(net, HIGH)
    assert coder(net, HIGH)._receiving is None
    net.simulation.run_for(5 * SECOND_NS)
    assert net.ends[HIGH].arrived() == [text(30)] and not net.counters(HIGH)["data_dense_octets"]
    assert_at_rest(net)


def test_second_leave_to_send_is_not_taken() -> None:
    net = Net()
    net.send(LOW, text(30))
    assert net.simulation.run_for(SECOND_NS, lambda: is_away(net, LOW))
    place, block = net.simulation.places[LOW], coder(net, LOW)._sending.block
    [link] = net.node(LOW).machines.link._ends
    ready = DenseReady(link=link, block=block.number, accepted=1,
                       first_cycle=Cycle(net.simulation._domain() // CYCLE_NS + 5_000))  # fmt: skip
    said = Sender(HIGH, Seal.HOP, ARRIVAL, HIGH)
    place.node.machines.link.receive(ready, said, place.local(net.simulation.now_ns))
    net.simulation.run_for(SECOND_NS)
    assert net.ends[HIGH].arrived() == [text(30)] and net.counters(LOW)["stray_dense"] == 1


@pytest.mark.parametrize("first", [1_000_000, 1 << 63])
def test_leave_to_send_in_cycles_of_the_receivers_choice_is_a_violation(first: int) -> None:
    """The master chooses them: far ahead, they would keep its device from the link until then."""
    net = Net()
    net.send(LOW, text(30))
    sending = coder(net, LOW)
    assert net.simulation.run_for(SECOND_NS, lambda: getattr(sending._sending, "block", None) is not None)
    place = net.simulation.places[LOW]
    [link] = net.node(LOW).machines.link._ends
    now = net.simulation._domain() // CYCLE_NS
    ready = DenseReady(link=link, block=sending._sending.block.number, accepted=1, first_cycle=Cycle(now + first))
    with pytest.raises(PeerViolation):
        place.node.machines.link.receive(ready, Sender(HIGH, Seal.HOP, ARRIVAL, HIGH),
                                         place.local(net.simulation.now_ns))  # fmt: skip


def is_away(net: Net, own: Qna) -> bool:
    """Whether a block is on its way in qubits."""
    sending = coder(net, own)._sending
    return sending is not None and sending.block is not None and not sending.halves

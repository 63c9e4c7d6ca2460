"""The twin's end of the broker, with a broker that says anything: nothing escapes, and honest hosts are served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.chance import Chance
from qstack.base.ids import make_qna
from qstack.base.units import SECOND_NS
from qstack.daemon import twin_broker
from qstack.daemon.topics import place_of, topic
from qstack.daemon.twin_broker import TwinBroker
from qstack.daemon.twin_server import TwinServer
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.mqtt import Arrived, BrokerAddress
from qstack.quantum.memories import DeviceModel, MemoryBank
from qstack.twin.configuration import TwinConfiguration
from qstack.twin.machine import Twin
from qstack.wire.broker import Envelope, Presence
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, Initialise, Initialised, Refused, Status
from qstack.wire.value import Message, decode_message_untrusted

ALICE, BOB, NOBODY = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 9)
NOWHERE = BrokerAddress("nowhere", 1, Path("ca"), Path("certificate"), Path("key"))


class Line:
    """Stands in for `MqttLine`: what is published is kept, what arrives is said by the test."""

    def __init__(self, *_: Any, on_messages: Callable[[list[Arrived]], None], **__: Any) -> None:
        self.arrive = on_messages
        self.published: list[tuple[str, bytes]] = []

    def publish(self, name: str, payload: bytes, *, retained: bool = False) -> bool:
        self.published.append((name, payload))
        return True


class Host:
    """An honest host of a node, on a line."""

    def __init__(self, line: Line, node: int, epoch: int) -> None:
        self.line, self.node, self.epoch, self.sent, self.heard = line, node, epoch, 0, 0

    def ask(self, message: Message) -> list[Message]:
        """Send the next primitive; what is told in this epoch."""
        self.sent += 1
        return self.say(Envelope(epoch=self.epoch, number=self.sent, acknowledged=self.heard,
                                 primitive=message.encode()))  # fmt: skip

    def say(self, envelope: Envelope) -> list[Message]:
        self.line.published.clear()
        self.line.arrive([Arrived(topic("lab", self.node, "ask"), envelope.encode())])
        told = []
        for name, payload in self.line.published:
            found: Any = decode_message_untrusted(Protocol.BROKER, payload)
            if name == topic("lab", self.node, "tell") and found.epoch == self.epoch and found.primitive:
                self.heard = max(self.heard, found.number)
                told.append(decode_message_untrusted(Protocol.TWIN, found.primitive))
        return told


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(twin_broker, "MqttLine", Line)
    device = DeviceModel(MemoryBank(4))
    server = TwinServer(Twin(TwinConfiguration({ALICE: device, BOB: device}, {}), Chance(b"seed")), 1_000)
    nodes = frozenset((ALICE, BOB))
    broker = TwinBroker(server, NOWHERE, "lab", nodes, "qtwind", structlog.get_logger())
    try:
        yield broker._line  # type: ignore[misc]
    finally:
        broker._alarm.close()
        server._alarm.close()


@pytest.fixture
async def line(monkeypatch: pytest.MonkeyPatch):
    with serving(monkeypatch) as found:
        yield found


def initialise(number: int, qubit: int) -> Initialise:
    soon = sample_timescale(1_000).domain(now_ns()) + SECOND_NS  # after what has emptied the memory
    return Initialise(request_id=number, instant=soon, qubits=(qubit,))


async def test_host_is_served_in_order_and_what_is_repeated_is_done_once(line: Line) -> None:
    alice = Host(line, ALICE, 7)
    [attached] = alice.ask(Attach(node=ALICE))
    assert isinstance(attached, Attached)
    second = Envelope(epoch=7, number=2, acknowledged=1, primitive=initialise(2, 0).encode())
    third = Envelope(epoch=7, number=3, acknowledged=1, primitive=initialise(3, 0).encode())
    assert alice.say(third) == []
    both = alice.say(second)
    assert [each.request_id for each in both] == [2, 3]  # type: ignore[attr-defined]
    assert [each.statuses for each in both] == [(Status.OK,), (Status.BUSY,)]  # type: ignore[attr-defined]
    assert alice.say(second) == alice.say(third) == []


async def test_host_attaches_as_the_node_of_its_topic_and_as_no_other(line: Line) -> None:
    [refused] = Host(line, ALICE, 7).ask(Attach(node=BOB))
    assert isinstance(refused, Refused) and refused.status == Status.NOT_ALLOWED


async def test_epoch_that_is_unknown_or_over_is_sent_away_and_a_new_one_takes_over(line: Line) -> None:
    lost = Host(line, ALICE, 5)
    lost.sent = 3
    [away] = lost.ask(initialise(1, 0))
    assert isinstance(away, Refused) and away.status == Status.NOT_ATTACHED
    former, present = Host(line, ALICE, 6), Host(line, ALICE, 7)
    former.ask(Attach(node=ALICE))
    former.ask(initialise(1, 0))
    assert isinstance(present.ask(Attach(node=ALICE))[0], Attached)
    [away] = former.ask(initialise(2, 1))
    assert isinstance(away, Refused) and away.status == Status.NOT_ATTACHED
    [away] = former.say(Envelope(epoch=6, number=1, acknowledged=0, primitive=Attach(node=ALICE).encode()))
    assert isinstance(away, Refused)  # an old Attach that the broker has kept does not bring the old epoch back
    [done] = present.ask(initialise(3, 0))
    assert isinstance(done, Initialised) and done.statuses == (Status.OK,)  # the former one's qubit is gone


async def test_host_that_is_gone_loses_its_qubits_if_it_is_of_that_life(line: Line) -> None:
    life = 9 << 32
    alice = Host(line, ALICE, life | 1)
    alice.ask(Attach(node=ALICE))
    alice.ask(initialise(1, 0))
    for identity in (8 << 32, life):
        assert alice.ask(initialise(2, 0))[0].statuses == (Status.BUSY,)  # type: ignore[attr-defined]
        gone = Presence(identity=identity, here=0)
        line.arrive([Arrived(topic("lab", ALICE, "host"), gone.encode())])
    [away] = alice.ask(initialise(3, 0))
    assert isinstance(away, Refused)


def test_topics_that_are_no_nodes_mean_nothing() -> None:
    assert place_of("qstack/lab/qna:64512.1/ask") == (ALICE, "ask")
    for name in ("qstack/lab/qna:064512.1/ask", "qstack/lab/qtwind/ask", "qstack/lab/ask", "a/b/qna:x/c", "", "////"):
        assert place_of(name) is None


names = st.sampled_from([topic("lab", node, what) for node in (ALICE, NOBODY) for what in ("ask", "host", "tell", "x")])
envelopes = st.builds(
    Envelope, epoch=st.sampled_from([0, 7, 1 << 63]), number=st.integers(0, 4) | st.integers(0, 2**32 - 1),
    acknowledged=st.integers(0, 4) | st.integers(0, 2**32 - 1),
    primitive=st.binary(max_size=40) | st.just(Attach(node=ALICE).encode()) | st.just(initialise(1, 0).encode()),
)  # fmt: skip
presences = st.builds(Presence, identity=st.integers(0, 2**64 - 1), here=st.integers(0, 1))
payloads = st.binary(max_size=60) | (envelopes | presences).map(lambda message: message.encode())


@given(st.lists(st.tuples(names, payloads), max_size=30))
def test_anything_that_a_node_may_publish_harms_nobody_else(messages: list[tuple[str, bytes]]) -> None:
    async def run() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch, serving(monkeypatch) as line:
            bob = Host(line, BOB, 3)
            assert isinstance(bob.ask(Attach(node=BOB))[0], Attached)
            for name, payload in messages:
                line.arrive([Arrived(name, payload)])
            [done] = bob.ask(initialise(1, 0))
            assert isinstance(done, Initialised) and done.statuses == (Status.OK,)

    trio.run(run)

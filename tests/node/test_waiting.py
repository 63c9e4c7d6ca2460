"""Messages that wait for a session: bounded, in order, and not for ever."""

import pytest

from qstack.base.effects import Seal, SendMessage
from qstack.base.events import EchoFailed
from qstack.base.ids import Qna
from qstack.base.units import SECOND_NS
from qstack.node.egress import Egress
from qstack.testing.topology import chain
from qstack.testing.weather import Partition
from qstack.wire.link import Cancel
from qstack.wire.protocols import Protocol
from qstack.wire.unit import UnitClose
from tests.node.rig import Rig


@pytest.fixture
def rig() -> Rig:
    """n1 is cut off before anything could be established."""
    topology = chain((2, 1))
    made = Rig.__new__(Rig)
    made.topology = topology
    made.simulation = topology.simulate(
        b"waiting", partitions=(Partition(0, 2 * SECOND_NS, frozenset({topology.locator("n1")})),)
    )
    made.crossings = []
    made.simulation.boot_all()
    made.run(0.1)
    return made


def send(rig: Rig, *messages: SendMessage) -> None:
    egress: Egress = rig.node("n1")._egress
    for message in messages:
        egress.send(message, rig.now("n1"))


def test_messages_wait_for_the_session_and_then_arrive_once_and_in_order(rig: Rig) -> None:
    heard: list[int] = []
    machine = rig.node("n2").machines.link
    rig.node("n2").machines.by_protocol[Protocol.LINK] = type("Listener", (), {
        "receive": lambda self, message, sender, now_ns: heard.append(message.label),
        "__getattr__": lambda self, name: getattr(machine, name),
    })()  # fmt: skip
    send(rig, *(SendMessage(rig.qna("n2"), Cancel(link=1, label=n, reason=1)) for n in range(1, 21)))
    rig.run(1.5)
    assert heard == []
    rig.run(30)
    assert heard == list(range(1, 21))


def test_messages_beyond_the_bound_are_dropped_and_counted(rig: Rig) -> None:
    send(rig, *(SendMessage(rig.qna("n2"), Cancel(link=1, label=1, reason=1)) for _ in range(300)))
    assert rig.state("n1")["waiting"] == {(rig.qna("n2"), Seal.HOP): 256}
    assert rig.node("n1").counters["egress.waiting_full"] == 44


def test_messages_to_one_that_never_answers_are_dropped(rig: Rig) -> None:
    """The other end does not exist, so its end session fails, and what waits for it goes."""
    rig.run(10)
    send(rig, SendMessage(Qna(rig.qna("n3") + 50), UnitClose(request=1, by_head=1, reason=1), Seal.END))
    rig.run(90)
    assert rig.state("n1")["waiting"] == {}


def test_messages_to_one_without_a_route_are_dropped_at_once(rig: Rig) -> None:
    send(rig, SendMessage(Qna(1), UnitClose(request=1, by_head=1, reason=1)))
    assert rig.state("n1")["waiting"] == {}
    assert rig.node("n1").counters["egress.no_route"] == 1


def test_ping_to_a_neighbour_that_is_cut_off_fails_in_time(rig: Rig) -> None:
    rig.simulation.weather.partitions = (Partition(0, 60 * SECOND_NS, frozenset({rig.locator("n1")})),)
    rig.simulation.ping(rig.qna("n1"), rig.qna("n2"))
    rig.run(6)
    assert [event.node for event in rig.place("n1").events if isinstance(event, EchoFailed)] == [rig.qna("n2")]

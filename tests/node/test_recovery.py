"""Peers that fall silent, come back, or say goodbye; and a node that is stopped."""

from functools import partial

import pytest

from qstack.base.effects import Seal, SendMessage
from qstack.base.errors import ErrorCode
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.ids import make_qna
from qstack.base.units import SECOND_NS
from qstack.testing.topology import chain
from qstack.testing.weather import Partition
from qstack.wire.header import ErrorReport
from qstack.wire.link import Cancel
from qstack.wire.protocols import Protocol
from tests.node.rig import Rig, settle_flows


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    assert isinstance(made.ping(), EchoAnswered)
    settle_flows(made)
    return made


def cut(rig: Rig, name: str, seconds: float, *, one_way: bool = False) -> None:
    now_ns = rig.simulation.now_ns
    partition = Partition(now_ns, now_ns + int(seconds * SECOND_NS), frozenset({rig.locator(name)}), one_way)
    rig.simulation.weather.partitions = (partition,)


def say(rig: Rig, source: str, destination: str, number: int = 1) -> None:
    """Something that must arrive."""
    node, message = rig.node(source), Cancel(link=1, label=number, reason=1)
    node._effects.append(SendMessage(rig.qna(destination), message))
    node._settle(rig.now(source))
    rig.simulation._settle(rig.place(source))


@pytest.mark.parametrize("silent", ["n2", "n1"])
def test_flow_that_is_not_acknowledged_ends_the_session_and_a_new_one_recovers(rig: Rig, silent: str) -> None:
    """One way only: either the message or its acknowledgement is lost."""
    epoch = rig.state("n1")["sessions"][0][2]
    cut(rig, silent, 20, one_way=True)
    say(rig, "n1", "n2")
    rig.run(19)
    assert not rig.is_up("n1", "n2")
    assert (rig.qna("n2"), Seal.HOP) not in rig.state("n1")["flows"]
    rig.run(40)
    assert rig.is_up("n1", "n2") and rig.is_up("n2", "n1")
    assert epoch not in [session[2] for session in rig.state("n1")["sessions"]]
    assert isinstance(rig.ping(), EchoAnswered)


def test_flow_that_is_interrupted_briefly_goes_on_in_the_same_session(rig: Rig) -> None:
    before = rig.state("n1")["sessions"]
    cut(rig, "n1", 3)
    say(rig, "n1", "n2")
    rig.run(6)
    assert rig.state("n1")["sessions"] == before
    assert rig.state("n1")["flows"][rig.qna("n2"), Seal.HOP][3] == 0


def test_peer_that_was_killed_is_noticed_and_met_again(rig: Rig) -> None:
    rig.simulation.crash(rig.qna("n2"))
    rig.run(30)
    assert not rig.is_up("n1", "n2") and not rig.is_up("n3", "n2")
    rig.simulation.boot(rig.qna("n2"))
    rig.run(3)
    assert rig.is_up("n1", "n2") and rig.is_up("n3", "n2")
    assert isinstance(rig.ping(), EchoAnswered)


def test_peer_that_was_killed_and_is_back_at_once_is_met_again_at_once(rig: Rig) -> None:
    rig.simulation.crash(rig.qna("n2"))
    rig.simulation.boot(rig.qna("n2"))
    rig.run(1)
    assert rig.is_up("n1", "n2") and rig.is_up("n3", "n2") and rig.is_up("n2", "n1")
    assert isinstance(rig.ping(), EchoAnswered)


def test_far_end_that_was_killed_and_is_back_at_once_is_met_again_within_a_second(rig: Rig) -> None:
    """Nobody but the far end itself knows that it has forgotten the epoch: it says so, and is believed once proved."""
    rig.simulation.crash(rig.qna("n3"))
    rig.simulation.boot(rig.qna("n3"))
    rig.run(1)
    lost = rig.ping()
    assert isinstance(lost, EchoFailed) and lost.reason is ErrorCode.SESSION_LOST
    rig.run(1)
    assert isinstance(rig.ping(), EchoAnswered)


def test_rumour_that_the_far_end_has_forgotten_us_costs_a_probe_and_nothing_else(rig: Rig) -> None:
    before = [session[:4] for session in rig.state("n1")["sessions"]]
    rumour = ErrorReport(reason=ErrorCode.SESSION_LOST, protocol=Protocol.END, reporter=rig.qna("n3"),
                         destination=rig.qna("n3"))  # fmt: skip
    gained = rig.gained("n1")
    for _ in range(5):
        rig.simulation.inject(rig.seal(rumour, by="n2", to="n1"), rig.locator("n2"), rig.locator("n1"))
    rig.run(2)
    assert gained()["header.errors_received"] == 5
    assert [session[:4] for session in rig.state("n1")["sessions"]] == before
    assert isinstance(rig.ping(), EchoAnswered)


def test_rumours_cost_the_far_end_a_probe_a_second_however_many_there_are(rig: Rig) -> None:
    rumour = ErrorReport(reason=ErrorCode.SESSION_LOST, protocol=Protocol.END, reporter=rig.qna("n3"),
                         destination=rig.qna("n3"))  # fmt: skip
    before = rig.node("n3").counters["datagrams.received"]
    for _ in range(200):
        rig.simulation.inject(rig.seal(rumour, by="n2", to="n1"), rig.locator("n2"), rig.locator("n1"))
        rig.run(0.01)
    assert 2 <= rig.node("n3").counters["datagrams.received"] - before <= 8  # in two seconds


def test_node_that_is_stopped_says_goodbye_to_neighbours_and_ends(rig: Rig) -> None:
    assert rig.is_up("n3", "n1", Seal.END)
    rig.simulation.stop(rig.qna("n1"))
    rig.run(0.1)
    assert not rig.is_up("n2", "n1")
    assert not rig.is_up("n3", "n1", Seal.END)
    assert rig.is_up("n2", "n3")


def test_node_that_is_stopped_twice_has_nothing_more_to_say(rig: Rig) -> None:
    node, now_ns = rig.node("n2"), rig.now()
    node.stop(now_ns)
    assert {outbound.locator for outbound in node.take_datagrams()} == {rig.locator("n1"), rig.locator("n3")}
    node.handle_deadline(now_ns)
    node.stop(now_ns)
    assert node.take_datagrams() == []


def test_nodes_that_start_in_any_order_meet() -> None:
    topology = chain((3, 2), station="third")
    for seed in range(5):
        simulation = topology.simulate(b"order %d" % seed)
        names = [node.name for node in topology.nodes]
        for place, name in enumerate(names[seed:] + names[:seed]):
            simulation.at(place * SECOND_NS, partial(simulation.boot, topology.qna(name)))
        simulation.run(25 * SECOND_NS)
        for name in names:
            node = simulation.places[topology.qna(name)].node
            assert node is not None
            for neighbour in topology.neighbours(name):
                assert node.machines.hop_session.is_up(topology.qna(neighbour)), (seed, name, neighbour)


def test_flow_that_takes_no_more_ends_the_session_rather_than_lose_one_message_of_a_row(rig: Rig) -> None:
    heard: list[int] = []
    machine = rig.node("n2").machines.link
    rig.node("n2").machines.by_protocol[Protocol.LINK] = type("Listener", (), {
        "receive": lambda self, message, sender, now_ns: heard.append(message.label),
        "__getattr__": lambda self, name: getattr(machine, name),
    })()  # fmt: skip
    epoch = rig.state("n1")["sessions"][0][2]
    cut(rig, "n1", 2)
    for number in range(1, 301):
        say(rig, "n1", "n2", number)
    assert rig.node("n1").counters["egress.flow_full"] >= 1
    rig.run(10)
    assert rig.is_up("n1", "n2") and epoch not in [session[2] for session in rig.state("n1")["sessions"]]
    assert heard == list(range(301 - len(heard), 301))  # the end of the row, in the new epoch, or nothing
    say(rig, "n1", "n2", 301)
    rig.run(1)
    assert heard[-1] == 301


def test_ping_to_a_node_without_a_route_fails_at_once(rig: Rig) -> None:
    node = rig.node("n1")
    node.ping(make_qna(65_000, 9), 7, 1, b"", rig.now("n1"))
    [event] = [event for event in node.take_events() if isinstance(event, EchoFailed)]
    assert event.reason is ErrorCode.UNREACHABLE and "route" in event.text

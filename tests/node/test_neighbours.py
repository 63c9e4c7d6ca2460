"""Who is let in: configured neighbours, for as long as they are configured."""

from dataclasses import replace

import pytest

from qstack.base.effects import Log
from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna
from qstack.testing.topology import chain
from qstack.wire.header import EchoRequest
from tests.node.rig import Rig


def test_session_with_a_neighbour_that_is_configured_no_more_is_closed() -> None:
    rig = Rig(chain((2, 1), station="third"))
    assert rig.is_up("n2", "s1") and rig.is_up("n2", "s2")
    node = rig.node("n2")
    near = tuple(qna for qna in node.configuration.neighbours if qna != rig.qna("s1"))
    node.reconfigure(replace(node.configuration, neighbours=near), rig.now("n2"))
    rig.simulation._settle(rig.place("n2"))
    rig.run(30.0)
    assert not rig.is_up("n2", "s1") and not rig.is_up("s1", "n2")
    assert rig.is_up("n2", "s2") and rig.is_up("n2", "n1")


def test_node_that_knows_a_neighbour_which_does_not_know_it_never_gets_in() -> None:
    topology = chain((2, 1), station="third")
    rig = Rig(topology)
    rig.simulation.crash(rig.qna("n2"))
    place = rig.place("n2")
    near = tuple(qna for qna in place.configuration.neighbours if qna != rig.qna("s1"))
    place.configuration = replace(place.configuration, neighbours=near)
    rig.simulation.boot(rig.qna("n2"))
    rig.run(60.0)
    assert not rig.is_up("n2", "s1") and not rig.is_up("s1", "n2")
    assert rig.node("n2").counters["header.strangers"] > 0
    assert not [view for view in rig.node("n2").machines.hop_session.describe() if view.peer == rig.qna("s1")]


def test_violation_is_told_with_the_neighbour_that_said_it_whomever_it_names() -> None:
    rig = Rig()
    rig.give(rig.seal(EchoRequest(identifier=1, sequence=1), source=rig.qna("n3")), rig.locator("n1"))
    events = [event for event in rig.node().take_events() if isinstance(event, Log)]
    [told] = [dict(event.fields) for event in events if event.event == "violation"]
    assert (told["peer"], told["said_by"]) == ("64513.1", "64512.1")


def test_echo_to_the_node_itself_is_refused_and_changes_nothing() -> None:
    rig = Rig()
    before = rig.state()
    with pytest.raises(LocalMisuse):
        rig.node().ping(Qna(rig.qna("n2")), 1, 1, b"", rig.now())
    assert rig.state() == before

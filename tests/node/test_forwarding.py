"""Datagrams for other nodes: sealed again for the next hop, or refused with a reason."""

import pytest

from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.ids import Qna, make_qna
from qstack.testing.topology import chain
from qstack.wire.header import EchoRequest, EndHeader, ErrorReport, ExchangeTlv
from qstack.wire.protocols import Protocol
from qstack.wire.value import decode_message_untrusted
from tests.node.rig import Rig, settle_flows


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    assert made.ping() is not None
    settle_flows(made)
    return made


def report_in(rig: Rig, outbound) -> ErrorReport:
    header, payload = rig.open(outbound)
    report = decode_message_untrusted(header.next_protocol, payload)
    assert isinstance(report, ErrorReport)
    assert (header.source, header.destination) == (rig.qna("n2"), rig.qna("n1"))
    return report


def end_header() -> bytes:
    position = ExchangeTlv(sequence=0, acknowledged=0)  # as every node writes it
    return EndHeader(next_protocol=Protocol.HEADER, epoch=1, packet_number=1, options=(position,)).encode() + bytes(16)


def test_forwarder_takes_one_hop_and_the_label_and_leaves_the_ends(rig: Rig) -> None:
    sealed = rig.seal(end_header(), Protocol.END, destination=rig.qna("n3"), label=77, hop_limit=9, traffic_class=2)
    [outbound] = rig.give(sealed, rig.locator("n1"))
    assert outbound.locator == rig.locator("n3")
    header, payload = rig.open(outbound, "n3")
    assert (header.source, header.destination) == (rig.qna("n1"), rig.qna("n3"))
    assert (header.hop_limit, header.label, header.traffic_class) == (8, 0, 2)
    assert payload == end_header()


def test_forwarder_leaves_what_the_end_seal_protects(rig: Rig) -> None:
    request = EchoRequest(identifier=3, sequence=3, data=b"through")
    [outbound] = rig.give(rig.seal_end(request), rig.locator("n1"))
    [answer] = rig.give(outbound.datagram, rig.locator("n2"), "n3")
    assert answer.locator == rig.locator("n2")


@pytest.mark.parametrize("hop_limit", [0, 1])
def test_forwarder_at_the_last_hop_refuses_and_tells(rig: Rig, hop_limit: int) -> None:
    sealed = rig.seal(end_header(), Protocol.END, destination=rig.qna("n3"), hop_limit=hop_limit)
    [answer] = rig.give(sealed, rig.locator("n1"))
    report = report_in(rig, answer)
    assert (report.reason, report.protocol) == (ErrorCode.HOP_LIMIT, Protocol.END)
    assert (report.reporter, report.destination) == (rig.qna("n2"), rig.qna("n3"))


@pytest.mark.parametrize("destination", [make_qna(64999, 1), make_qna(64512, 9), make_qna(64512, 1)])
def test_forwarder_without_a_way_on_refuses_and_tells(rig: Rig, destination: Qna) -> None:
    """Unknown to it, or back to where it came from."""
    [answer] = rig.give(rig.seal(end_header(), Protocol.END, destination=destination), rig.locator("n1"))
    assert report_in(rig, answer).reason == ErrorCode.NO_ROUTE


@pytest.mark.parametrize("protocol", [Protocol.LINK, Protocol.CIRCUIT, Protocol.UNIT, Protocol.QARP, Protocol.NONE])
def test_forwarder_does_not_carry_what_is_between_neighbours(rig: Rig, protocol: Protocol) -> None:
    [answer] = rig.give(rig.seal(bytes(50), protocol, destination=rig.qna("n3")), rig.locator("n1"))
    assert report_in(rig, answer).reason == ErrorCode.NOT_ALLOWED


def test_forwarder_tells_nothing_of_what_is_for_everybody(rig: Rig) -> None:
    gained = rig.gained()
    assert rig.give(rig.seal(end_header(), Protocol.END, destination=Qna(0)), rig.locator("n1")) == []
    assert gained() == {"forward.no_route": 1}


@pytest.mark.parametrize("source", ["n1", "n3"])
def test_error_is_never_longer_than_what_it_is_about_whoever_is_named_as_its_source(rig: Rig, source: str) -> None:
    """The neighbour can name anybody: none must get more of us than the neighbour has spent."""
    told = 0
    for size in range(120):
        for protocol in (Protocol.LINK, Protocol.END):
            for destination in (rig.qna("n2"), rig.qna("n1")):
                fields = {"source": rig.qna(source), "destination": destination}
                datagram = rig.seal(b"\xff" * size, protocol, **fields)
                answers = rig.give(datagram, rig.locator("n1"))
                assert sum(len(each.datagram) for each in answers) <= len(datagram)
                told += len(answers)
                rig.run(0.2)  # not to be silenced by the limit
    assert told > 50


def test_errors_for_ever_new_nodes_are_limited_too(rig: Rig) -> None:
    answers = []
    for number in range(300):
        fields = {"source": make_qna(64513, number), "destination": make_qna(64999, 1)}
        answers += rig.give(rig.seal(end_header(), Protocol.END, **fields), rig.locator("n1"))
    assert 0 < len(answers) <= 100


def test_forwarder_tells_at_most_ten_a_second(rig: Rig) -> None:
    def refused() -> int:
        sealed = rig.seal(end_header(), Protocol.END, destination=Qna(99))
        return sum(len(rig.give(sealed, rig.locator("n1"))) for sealed in [sealed])

    assert sum(refused() for _ in range(50)) == 10
    rig.run(1.0)
    assert sum(refused() for _ in range(50)) == 10


def test_forwarder_never_answers_an_error(rig: Rig) -> None:
    report = ErrorReport(reason=ErrorCode.NO_ROUTE, protocol=8, reporter=rig.qna("n1"), destination=Qna(9))
    for fields in ({"destination": Qna(99)}, {"destination": rig.qna("n3"), "hop_limit": 1}):
        assert rig.give(rig.seal(report, **fields), rig.locator("n1")) == []


def test_ping_of_a_node_that_does_not_exist_fails_with_the_reason_of_the_last_node_on_the_way() -> None:
    rig = Rig(chain((3, 2)))
    place = rig.place("n1")
    nowhere = make_qna(64513, 77)
    rig.simulation.ping(rig.qna("n1"), nowhere)
    rig.run(6)
    [failed] = [event for event in place.events if isinstance(event, EchoFailed)]
    assert (failed.reason, failed.reporter, failed.node) == (ErrorCode.NO_ROUTE, rig.qna("n4"), nowhere)


def test_ping_over_six_nodes_is_answered_in_two_directions() -> None:
    rig = Rig(chain((2, 2, 2)))
    for source, destination in (("n1", "n6"), ("n6", "n1"), ("n3", "n5")):
        assert isinstance(rig.ping(source, destination), EchoAnswered)
        assert rig.is_up(source, destination, Seal.END) or destination in rig.topology.neighbours(source)

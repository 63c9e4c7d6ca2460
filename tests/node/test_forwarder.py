"""What a forwarder decides by the header alone."""

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import AsNumber, Qna, make_qna
from qstack.base.time import DomainTime
from qstack.base.units import SECOND_NS
from qstack.node.forwarding import Forwarder, Onward
from qstack.proto.route.table import AsRoute, NodeRoute, RouteTable
from qstack.wire.header import ExchangeTlv, Header, QuantumPayloadTlv, TraceHop, TraceTlv
from qstack.wire.protocols import Protocol
from qstack.wire.value import UnknownTlv

OWN, LEFT, RIGHT = (make_qna(64512, n) for n in (2, 1, 3))
OUTSIDE, FAR = make_qna(64513, 1), make_qna(64512, 9)
NOW = DomainTime(1_790_000_000 * SECOND_NS)


def forwarder() -> Forwarder:
    return Forwarder(OWN, RouteTable(OWN, neighbours=(LEFT, RIGHT, OUTSIDE), linked=(), nodes=(NodeRoute(FAR, RIGHT),),
                                     domains=(AsRoute(AsNumber(64513), OUTSIDE),)))  # fmt: skip


def header(**changes: object) -> Header:
    values = {"next_protocol": Protocol.END, "source": LEFT, "destination": FAR, "hop_limit": 9, "label": 7}
    return Header(**(values | changes))


def onward(given: Header, neighbour: Qna = LEFT) -> Header:
    decided = forwarder().decide(given, neighbour, NOW)
    assert isinstance(decided, Onward), decided
    assert decided.next_hop == RIGHT
    return decided.header


def frame(leaves: int, **changes: object) -> QuantumPayloadTlv:
    values = {"qui": 1, "count": 1, "encoding": 1, "channel": 193_100, "guard_ns": 1000, "duration_ns": 10}
    return QuantumPayloadTlv(leaves=leaves, **(values | changes))


def test_forwarder_takes_a_hop_and_the_label_and_leaves_the_exchange_behind() -> None:
    kept = UnknownTlv(code=0x123, value=b"kept")
    sent = onward(header(options=(ExchangeTlv(sequence=1, acknowledged=0), kept)))
    assert (sent.hop_limit, sent.label, sent.options) == (8, 0, (kept,))


@pytest.mark.parametrize("protocol", [Protocol.LINK, Protocol.CIRCUIT, Protocol.QARP, Protocol.UNIT, Protocol.NONE])
def test_forwarder_refuses_what_is_between_neighbours(protocol: Protocol) -> None:
    assert forwarder().decide(header(next_protocol=protocol), LEFT, NOW) is ErrorCode.NOT_ALLOWED


def test_forwarder_refuses_spent_datagrams_and_ways_that_do_not_lead_on() -> None:
    assert forwarder().decide(header(hop_limit=1), LEFT, NOW) is ErrorCode.HOP_LIMIT
    assert forwarder().decide(header(destination=make_qna(9, 9)), LEFT, NOW) is ErrorCode.NO_ROUTE
    assert forwarder().decide(header(), RIGHT, NOW) is ErrorCode.NO_ROUTE


def test_forwarder_writes_itself_into_a_trace_of_its_own_domain() -> None:
    before = TraceHop(node=LEFT, arrived=NOW)
    (trace,) = onward(header(options=(TraceTlv(limit=3, hops=(before,)),))).options
    assert isinstance(trace, TraceTlv) and trace.hops == (before, TraceHop(node=OWN, arrived=NOW))
    (full,) = onward(header(options=(TraceTlv(limit=1, hops=(before,)),))).options
    assert isinstance(full, TraceTlv) and full.hops == (before,)


def test_forwarder_shows_outsiders_the_border_alone() -> None:
    foreign = header(source=OUTSIDE, options=(TraceTlv(limit=9),))
    (at_the_border,) = onward(foreign, OUTSIDE).options
    (inside,) = onward(foreign, LEFT).options
    assert isinstance(at_the_border, TraceTlv) and isinstance(inside, TraceTlv)
    assert [hop.node for hop in at_the_border.hops] == [OWN] and inside.hops == ()


def test_forwarder_drops_the_frame_whose_payload_has_left_but_not_its_trailer() -> None:
    late, trailer = frame(NOW - 1), frame(NOW - 1, trailer=1)
    assert forwarder().decide(header(options=(late,)), LEFT, NOW) is ErrorCode.PAYLOAD_LOST
    assert onward(header(options=(trailer,))).options == (trailer,)


def test_forwarder_reserves_no_switch_for_ever_and_no_foreign_one() -> None:
    soon = frame(NOW + SECOND_NS)
    assert onward(header(options=(soon,), next_protocol=Protocol.PAYLOAD)).options == (soon,)
    assert forwarder().decide(header(options=(frame(NOW + 61 * SECOND_NS),)), LEFT, NOW) is ErrorCode.POLICY
    outward = header(options=(soon,), destination=OUTSIDE)
    assert forwarder().decide(outward, LEFT, NOW) is ErrorCode.NOT_ALLOWED

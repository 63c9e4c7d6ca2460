"""Messages of circuits: reservation hop by hop, and the tracking of swapped pairs.

rfc_notes/circuit.md is the text of which this file is the table. All travel between quantum neighbours, under the hop
seal. Reservation learns from RSVP-TE (RFC 3209), tracking from QNP (Kozlowski, Dahlberg, Wehner 2020).
"""

from qstack.base.bell import BellIndex
from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, Qna, Qui
from qstack.base.time import DomainTime
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    boolean,
    domain_time,
    enum,
    fidelity,
    items,
    label,
    octets,
    qna,
    qui,
    record,
    reserved,
    u8,
    u16,
    u32,
    u64,
)  # fmt: skip
from qstack.wire.value import Message, Record

__all__ = [
    "MAXIMUM_ENDPOINTS", "MAXIMUM_ROUTE", "MAXIMUM_TRACKED", "Estimate", "Expire", "MemoryTimes", "Refused", "Release",
    "Reserve", "Reserved", "RouteHop", "Track", "TrackedPair",
]  # fmt: skip

MAXIMUM_ENDPOINTS = 16
MAXIMUM_ROUTE = 32
MAXIMUM_TRACKED = 255

_LINK_LABEL = "name of the circuit on this link, given by its upstream end"


class RouteHop(Record):
    """One element of an explicit route (RFC 3209 section 4.3)."""

    node: Qna = qna("to be visited", req="CIRCUIT-4.1-8")
    loose: int = boolean("others may be visited before it", req="CIRCUIT-4.1-8")
    _spare: int = reserved(7)


class MemoryTimes(Record):
    """How a node's memories forget."""

    t1_ns: int = u64("relaxation time, 0 for infinite", unit="ns", req="CIRCUIT-5.3-3", default=0)
    t2_ns: int = u64("dephasing time, 0 for infinite", unit="ns", req="CIRCUIT-5.3-3", default=0)
    depolarising_ns: int = u64("depolarising time, 0 for infinite", unit="ns", req="CIRCUIT-5.3-3", default=0)


class Reserve(Message, protocol=Protocol.CIRCUIT, code=1, reliable=True):
    """Downstream: keep memories and link time for a circuit, and ask on."""

    link_label: Label = label(_LINK_LABEL, req="CIRCUIT-4.1-1")
    circuit: int = u32("number that the head gave the circuit", req="CIRCUIT-4.1-2")
    context: bytes = octets(16, "what the circuit is for, to the ends", req="CIRCUIT-4.1-3")
    qui: Qui = qui("the circuit's name in this domain", req="CIRCUIT-4.1-4")
    number: int = u32("end-to-end pairs that are wanted", req="CIRCUIT-4.1-5")
    memories: int = u16("memories that every link keeps for it at least", unit="memories", req="CIRCUIT-4.1-6")
    min_fidelity: int = fidelity("of an end-to-end pair", req="CIRCUIT-4.1-7")
    path_fidelity: int = fidelity("expected from the head to the receiver", req="CIRCUIT-4.1-7")
    hops_left: int = u8("quantum links that may follow this one", req="CIRCUIT-4.1-9")
    deadline: DomainTime = domain_time("all is released after it", req="CIRCUIT-4.1-10")
    head_memory: MemoryTimes = record(MemoryTimes, "of the head", req="CIRCUIT-5.3-3")
    endpoints: tuple[Qna, ...] = items(8, qna("end"), "nodes that share the state, the head first", minimum=2,
                                       maximum=MAXIMUM_ENDPOINTS, req="CIRCUIT-4.1-11")  # fmt: skip
    route: tuple[RouteHop, ...] = items(8, RouteHop, "what is left of the route", minimum=1, maximum=MAXIMUM_ROUTE,
                                        req="CIRCUIT-4.1-8")  # fmt: skip


class Reserved(
    Message, protocol=Protocol.CIRCUIT, code=2, reliable=True, answers=("Reserve",), matched_by=("link_label",)
):
    """Upstream: all downstream of here is kept."""

    link_label: Label = label(_LINK_LABEL, req="CIRCUIT-4.2-1")
    downstream_label: Label = label("for what travels downstream on this link", req="CIRCUIT-4.2-2")
    qui: Qui = qui("of the Reserve on this link", req="CIRCUIT-4.1-4")
    path_fidelity: int = fidelity("expected between the ends", req="CIRCUIT-4.2-3")
    tail_memory: MemoryTimes = record(MemoryTimes, "of the tail", req="CIRCUIT-5.3-3")


class Refused(
    Message, protocol=Protocol.CIRCUIT, code=3, reliable=True, answers=("Reserve",), matched_by=("link_label",)
):
    """Upstream: nothing is kept downstream of here."""

    link_label: Label = label(_LINK_LABEL, req="CIRCUIT-4.2-1")
    reason: int = enum(8, ErrorCode, "why", req="CIRCUIT-4.3-1")
    refused_by: Qna = qna("node, or the border that speaks for its domain", req="CIRCUIT-4.3-2")


class Release(Message, protocol=Protocol.CIRCUIT, code=4, reliable=True):
    """Either way: the circuit is over; give back what is kept, and tell it on."""

    link_label: Label = label(_LINK_LABEL, req="CIRCUIT-4.2-1")
    reason: int = enum(8, ErrorCode, "why", req="CIRCUIT-4.4-1")


class Estimate(Record):
    """An estimated two-qubit state."""

    correlation: tuple[int, ...] = items(
        8, u32("R_ij", unit="1/(2^31-1) above 2^31"), "R_ij row by row, the upstream qubit first, without R_II",
        minimum=15, maximum=15, req="CIRCUIT-5.3-1",
    )  # fmt: skip


class TrackedPair(Record):
    """A pair between the origin of a Track and the near end of the link it crosses next."""

    pair: int = u32("number given by the origin", req="CIRCUIT-4.5-2")
    sequence: int = u32("of the pair on the link that this message crosses", req="CIRCUIT-4.5-3")
    bell_index: BellIndex = enum(8, BellIndex, "frame so far, that link's pair included", req="CIRCUIT-4.5-4")
    estimate: int = u8("place of its estimate in the list", req="CIRCUIT-5.3-1")
    created: DomainTime = domain_time("instant at which the origin's qubit was born", req="CIRCUIT-5.3-3")


class Track(Message, protocol=Protocol.CIRCUIT, code=5, reliable=True):
    """Away from its origin: where these pairs have got to."""

    estimates: tuple[Estimate, ...] = items(8, Estimate, "states that occur below", minimum=1, maximum=MAXIMUM_TRACKED,
                                            req="CIRCUIT-5.3-1")  # fmt: skip
    pairs: tuple[TrackedPair, ...] = items(8, TrackedPair, "pairs", minimum=1, maximum=MAXIMUM_TRACKED,
                                           req="CIRCUIT-4.5-1")  # fmt: skip


class Expire(Message, protocol=Protocol.CIRCUIT, code=6, reliable=True):
    """Either way: these pairs of the link that this message crosses belong to a broken chain."""

    sequences: tuple[int, ...] = items(16, u32("of a pair on this link"), "pairs", minimum=1, maximum=256,
                                       req="CIRCUIT-4.6-1")  # fmt: skip

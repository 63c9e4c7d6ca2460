"""Datagrams for other nodes: whether they go on, where to, and what changes on the way (header note, section 8).

A forwarder decides by the header alone. What it changes: hop limit, label, trace; the Exchange TLV belongs to the hop
that is over and is left behind.
"""

from dataclasses import dataclass

from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna, as_number
from qstack.base.services import Routes
from qstack.base.time import DomainTime
from qstack.base.units import SECOND_NS
from qstack.wire.header import ExchangeTlv, Header, QuantumPayloadTlv, TraceHop, TraceTlv
from qstack.wire.protocols import Protocol
from qstack.wire.value import Tlv

__all__ = ["FORWARDED", "Forwarder", "Onward"]

FORWARDED = frozenset({Protocol.END, Protocol.SESSION, Protocol.HEADER, Protocol.PAYLOAD})
"""All other protocols are between neighbours (HEADER-8-4)."""

_FURTHEST_AHEAD_NS = 60 * SECOND_NS  # header note, section 4.5
_MAXIMUM_HOPS = 32  # HEADER-6.3-2


@dataclass(frozen=True, slots=True)
class Onward:
    """What is sent on, and to whom."""

    header: Header
    next_hop: Qna


class Forwarder:
    """Decides for the node `own`."""

    def __init__(self, own: Qna, routes: Routes) -> None:
        self.own = own
        self._routes = routes

    def decide(self, header: Header, neighbour: Qna, now: DomainTime) -> Onward | ErrorCode:
        """What becomes of a datagram that came from `neighbour` and is for another node."""
        if header.hop_limit <= 1:
            return ErrorCode.HOP_LIMIT
        if header.next_protocol not in FORWARDED:
            return ErrorCode.NOT_ALLOWED
        next_hop = self._routes.next_hop(header.destination)
        if next_hop is None or next_hop == neighbour:
            return ErrorCode.NO_ROUTE
        refusal = self._refuse_payload(header, next_hop, now)
        if refusal is not None:
            return refusal
        options = tuple(self._rewrite(tlv, neighbour, header.source, now) for tlv in header.options
                        if not isinstance(tlv, ExchangeTlv))  # fmt: skip
        return Onward(header.replace(hop_limit=header.hop_limit - 1, label=0, options=options), next_hop)

    def _refuse_payload(self, header: Header, next_hop: Qna, now: DomainTime) -> ErrorCode | None:
        """Why a hybrid frame goes no further; None: it goes on, or it is none."""
        frame = next((tlv for tlv in header.options if isinstance(tlv, QuantumPayloadTlv)), None)
        if frame is None:
            return None
        if frame.leaves <= now and not frame.trailer:
            return ErrorCode.PAYLOAD_LOST  # light does not wait (HEADER-4.5-5)
        if frame.leaves > now + _FURTHEST_AHEAD_NS:
            return ErrorCode.POLICY
        if as_number(next_hop) != as_number(self.own):
            return ErrorCode.NOT_ALLOWED  # its QUI means nothing there, and no border of this version translates it
        return None

    def _rewrite(self, tlv: Tlv, neighbour: Qna, source: Qna, now: DomainTime) -> Tlv:
        if not isinstance(tlv, TraceTlv) or len(tlv.hops) >= min(tlv.limit, _MAXIMUM_HOPS):
            return tlv
        from_outside = as_number(source) != as_number(self.own)
        enters_here = as_number(neighbour) != as_number(self.own)
        if from_outside and not enters_here:
            return tlv  # the inside of a domain stays its own (HEADER-6.3-1)
        return tlv.replace(hops=(*tlv.hops, TraceHop(node=self.own, arrived=now)))

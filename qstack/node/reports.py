"""Error reports: which datagram went no further, and why (header note, section 6.2).

Nothing answers an error, and nothing is told about what was not sealed; how often a node is told is the business of
`proto.header`.
"""

from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna
from qstack.base.time import Instant
from qstack.node.ingress import Forwardable, Undecodable
from qstack.proto.header.machine import HeaderMachine
from qstack.wire.header import HEADER_SIZE, SEAL_OCTETS, ErrorReport, ExchangeTlv, Header
from qstack.wire.protocols import Protocol

__all__ = ["Reporter"]

_AROUND = HEADER_SIZE + 4 + ExchangeTlv.LAYOUT.minimum_size + SEAL_OCTETS  # octets of a report's datagram around it
_OFFSET_MAXIMUM = 0xFFFF
_TEXT_MAXIMUM = 200


class Reporter:
    """Reports in the name of the node `own`."""

    def __init__(self, own: Qna, header_machine: HeaderMachine) -> None:
        self.own = own
        self._header_machine = header_machine

    def not_forwarded(self, found: Forwardable, reason: ErrorCode, now_ns: Instant) -> None:
        """A datagram for another node goes no further."""
        report = ErrorReport(
            reason=reason, protocol=found.header.next_protocol, reporter=self.own,
            destination=found.header.destination, packet_number=found.header.packet_number,
        )  # fmt: skip
        self._tell(found.header, report, now_ns)

    def undecodable(self, found: Undecodable, now_ns: Instant) -> None:
        """A sealed message did not decode."""
        report = ErrorReport(
            reason=found.error.code, protocol=found.protocol, offset=min(found.error.offset, _OFFSET_MAXIMUM),
            reporter=self.own, destination=self.own, packet_number=found.header.packet_number,
            text=found.error.field[:_TEXT_MAXIMUM],
        )  # fmt: skip
        self._tell(found.header, report, now_ns)

    def forgotten(self, header: Header, now_ns: Instant) -> None:
        """An END datagram names an epoch that is not known here: the far end takes it for a hint (SESSION-6.3-4)."""
        report = ErrorReport(reason=ErrorCode.SESSION_LOST, protocol=Protocol.END, reporter=self.own,
                             destination=self.own, packet_number=header.packet_number)  # fmt: skip
        self._tell(header, report, now_ns)

    def _tell(self, header: Header, report: ErrorReport, now_ns: Instant) -> None:
        """Not about errors nor about what is for everybody (HEADER-6.2-6).

        And never more than was sent (HEADER-6.2-8): the node that it goes to is the one that the neighbour has named.
        """
        if report.protocol == Protocol.HEADER or not header.destination:
            return
        fitting = [each for each in (report, report.replace(text="")) if _AROUND + len(each.encode()) <= header.length]
        if fitting:
            self._header_machine.report(fitting[0], header.source, now_ns)
        else:
            self._header_machine.suppress()

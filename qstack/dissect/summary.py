"""What crossed the wire: `python -m qstack.dissect.summary CAPTURE [--markdown]`.

Counts the messages of a capture file by protocol, name and seal. Nothing is decrypted: what is encrypted is counted as
such. Datagrams on other ports count when they decode.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import qstack.wire.tables  # noqa: F401  (fills the registries)
from qstack.base.errors import WireError
from qstack.dissect.capture import UdpDatagram, read_capture
from qstack.wire.header import SEAL_OCTETS, EndHeader, ExchangeTlv, HeaderFlag, decode_header_untrusted
from qstack.wire.protocols import UDP_PORT, Protocol
from qstack.wire.value import decode_message_untrusted, decode_record_untrusted, message_classes

__all__ = ["Row", "Traffic", "classify", "main", "render", "summarise"]


@dataclass(frozen=True, slots=True, order=True)
class Traffic:
    """What a datagram carries. `seal`: none, hop or end; `message` in parentheses where there is no name."""

    protocol: int
    message: str
    seal: str

    @property
    def protocol_name(self) -> str:
        """`CIRCUIT`, the number where it has no name, `-` for what is no protocol's."""
        if self.protocol == Protocol.NONE:
            return "-"
        return Protocol(self.protocol).name if self.protocol in set(Protocol) else str(self.protocol)


@dataclass(frozen=True, slots=True)
class Row:
    """How many datagrams of one kind, and their octets (UDP payload)."""

    traffic: Traffic
    packets: int
    octets: int


def classify(datagram: bytes) -> Traffic:
    """What a datagram carries. Raises `WireError` when its header does not decode."""
    header, offset = decode_header_untrusted(datagram)
    seal, end = ("hop", len(datagram) - SEAL_OCTETS) if header.epoch else ("none", len(datagram))
    flags, protocol = header.flags, int(header.next_protocol)
    if protocol == Protocol.END and not flags & HeaderFlag.ENCRYPTED:
        nested, offset = decode_record_untrusted(EndHeader, datagram, offset, end)
        seal, end, flags, protocol = "end", end - SEAL_OCTETS, nested.flags, int(nested.next_protocol)
    if flags & HeaderFlag.ENCRYPTED:
        return Traffic(protocol, "(encrypted)", seal)
    if protocol == Protocol.NONE:
        acknowledges = any(isinstance(option, ExchangeTlv) for option in header.options)
        return Traffic(Protocol.HEADER, "(acknowledgement)" if acknowledges else "(header alone)", seal)
    return Traffic(protocol, _named(protocol, datagram[offset : max(offset, end)]), seal)


def _named(protocol: int, payload: bytes) -> str:
    if protocol not in set(Protocol) or not message_classes(Protocol(protocol)):
        return "(payload)"
    try:
        return str(decode_message_untrusted(protocol, payload).NAME)
    except WireError:
        return "(malformed)"


def summarise(datagrams: Iterable[UdpDatagram]) -> tuple[Row, ...]:
    """Rows in the order of protocol numbers. On the default port what is not ours counts as malformed."""
    packets: dict[Traffic, int] = {}
    octets: dict[Traffic, int] = {}
    for datagram in datagrams:
        try:
            traffic = classify(datagram.payload)
        except WireError:
            if UDP_PORT not in (datagram.source[1], datagram.destination[1]):
                continue
            traffic = Traffic(Protocol.NONE, "(malformed)", "none")
        packets[traffic] = packets.get(traffic, 0) + 1
        octets[traffic] = octets.get(traffic, 0) + len(datagram.payload)
    return tuple(Row(traffic, packets[traffic], octets[traffic]) for traffic in sorted(packets))


def render(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """The rows as a table, with their sum; no last newline."""
    head = ("protocol", "message", "seal", "packets", "octets")
    body = [(r.traffic.protocol_name, r.traffic.message, r.traffic.seal, str(r.packets), str(r.octets)) for r in rows]
    body.append(("all", "", "", str(sum(r.packets for r in rows)), str(sum(r.octets for r in rows))))
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = [_line(line, widths, markdown=markdown) for line in (head, *body)]
    lines.insert(1, _rule(widths, markdown=markdown))
    return "\n".join(lines)


_NUMBERS_FROM = 3  # column; numbers stand on the right


def _line(cells: Sequence[str], widths: Sequence[int], *, markdown: bool) -> str:
    padded = [
        cell.ljust(width) if column < _NUMBERS_FROM else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()


def _rule(widths: Sequence[int], *, markdown: bool) -> str:
    if not markdown:
        return "  ".join("-" * width for width in widths)
    rules = ["-" * (width - 1) + ("-" if column < _NUMBERS_FROM else ":") for column, width in enumerate(widths)]
    return f"| {' | '.join(rules)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of one capture."""
    parser = argparse.ArgumentParser(prog="python -m qstack.dissect.summary", description="What crossed the wire.")
    parser.add_argument("capture", type=Path, help="pcap or pcapng file")
    parser.add_argument("--markdown", action="store_true", help="as a Markdown table")
    chosen = parser.parse_args(arguments)
    try:
        rows = summarise(read_capture(chosen.capture))
    except (OSError, ValueError) as error:
        print(f"cannot read {chosen.capture}: {error}", file=sys.stderr)
        return 1
    print(render(rows, markdown=chosen.markdown))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

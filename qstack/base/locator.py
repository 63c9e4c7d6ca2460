"""Locators: where a node is reached on the classical network, and how a datagram arrived."""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from qstack.base.errors import LocalMisuse

__all__ = ["Arrival", "Ecn", "Locator", "parse_locator"]


class Locator(NamedTuple):
    """A UDP address. `address`: 4 octets (IPv4) or 16 (IPv6), network order; `port` 1..65535."""

    address: bytes
    port: int

    def __str__(self) -> str:
        ip = self.ip
        return f"[{ip}]:{self.port}" if ip.version == 6 else f"{ip}:{self.port}"

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address as the standard library's value."""
        return IPv4Address(self.address) if len(self.address) == 4 else IPv6Address(self.address)


def parse_locator(text: str, default_port: int | None = None) -> Locator:
    """Read `192.0.2.1:4560` or `[2001:db8::1]:4560`; the port may be left out when there is a default."""
    host, separator, port_text = text.rpartition(":")
    if (text.startswith("[") and text.endswith("]")) or not separator or (host.count(":") and not host.startswith("[")):
        host, port_text = text, ""
    try:
        port = int(port_text) if port_text else default_port
        address = ip_address(host.strip("[]")).packed
    except ValueError as error:
        raise LocalMisuse(f"{text!r} is not a locator: write 192.0.2.1:4560 or [2001:db8::1]:4560") from error
    if port is None or not 0 < port < 65536:
        raise LocalMisuse(f"{text!r}: a port in 1..65535 is missing")
    return Locator(address, port)


class Ecn(IntEnum):
    """ECN codepoint of the IP header (RFC 3168 section 5)."""

    NOT_ECT = 0
    ECT_1 = 1
    ECT_0 = 2
    CE = 3


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a datagram came in.

    `segment` is the configured name of the segment whose socket received it; `source` the sender's locator as the
    kernel saw it (unproved); `timestamp_ns` the kernel's receive time in its own clock, None where it gave none.
    """

    segment: str
    source: Locator
    multicast: bool = False
    ecn: Ecn = Ecn.NOT_ECT
    timestamp_ns: int | None = None

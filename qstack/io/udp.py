"""UDP sockets of a node: one for each locator it listens on, one more for each multicast group it hears.

Datagrams come inward with their arrival metadata: segment, source, ECN codepoint, kernel timestamp. A datagram that the
kernel does not take at once is dropped and counted: the protocols above repeat what matters, and none may block.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import trio

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Arrival, Ecn, Locator

__all__ = ["UdpPort", "open_multicast", "open_unicast", "source_towards"]

_BATCH = 64  # datagrams taken from one socket before others get their turn
_BUFFER_OCTETS = 4 << 20
_MAXIMUM_DATAGRAM = 65_535
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_IPV6_RECVTCLASS = 66
_IPV6_TCLASS = 67


@dataclass(slots=True, eq=False)
class UdpPort:
    """A bound socket and what it is for."""

    sock: socket.socket
    segment: str
    locator: Locator
    multicast: bool = False

    def send(self, datagram: bytes, to: Locator) -> bool:
        """Send at once or not at all; tell whether the kernel took it."""
        try:
            self.sock.sendto(datagram, (str(to.ip), to.port))
        except OSError:  # full buffer, unreachable network, refused earlier: all are the network's weather
            return False
        return True

    async def receive(self, take: Callable[[bytes, Arrival], None], settle: Callable[[], None]) -> None:
        """For ever: give each datagram to `take`; call `settle` after each batch."""
        while True:
            await trio.lowlevel.wait_readable(self.sock)
            for datagram, arrival in self._batch():
                take(datagram, arrival)
            settle()
            await trio.lowlevel.checkpoint()

    def _batch(self) -> Iterator[tuple[bytes, Arrival]]:
        for _ in range(_BATCH):
            try:
                datagram, ancillary, _flags, address = self.sock.recvmsg(_MAXIMUM_DATAGRAM, 128)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error about something sent earlier
                continue
            yield datagram, self._arrival(ancillary, address)

    def _arrival(self, ancillary: list[tuple[int, int, bytes]], address: tuple[str, int]) -> Arrival:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        source = Locator(socket.inet_pton(family, address[0].partition("%")[0]), address[1])
        ecn, timestamp_ns = Ecn.NOT_ECT, None
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                timestamp_ns = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) in ((socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, _IPV6_TCLASS)):
                ecn = Ecn(data[0] & 3)
        return Arrival(self.segment, source, self.multicast, ecn, timestamp_ns)

    def close(self) -> None:
        """Close the socket."""
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()


def open_unicast(locator: Locator, segment: str) -> UdpPort:
    """Bind a socket to `locator`. Raises `LocalMisuse` that says what stands in the way."""
    sock = _socket(locator)
    _bind(sock, locator)
    _prepare_multicast_sending(sock, locator)
    return UdpPort(sock, segment, locator)


def source_towards(locator: Locator) -> bytes | None:
    """The address from which this host would send to `locator`; None when there is no way there."""
    version = locator.ip.version
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(locator.ip), locator.port))
        except OSError:
            return None
        return socket.inet_pton(probe.family, probe.getsockname()[0].partition("%")[0])


def open_multicast(group: Locator, segment: str, interface: Locator) -> UdpPort:
    """Hear the datagrams that are sent to `group` on the interface that has the address of `interface`."""
    sock = _socket(group)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(sock, group, 0 if group.ip.version == 4 else _interface_index(interface))
    try:
        if group.ip.version == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.address + interface.address)
        else:
            membership = group.address + struct.pack("@I", _interface_index(interface))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    except OSError as error:
        sock.close()
        raise LocalMisuse(f"segment {segment!r}: cannot join {group} on {interface.ip}: {error.strerror}") from error
    return UdpPort(sock, segment, group, multicast=True)


def _socket(locator: Locator) -> socket.socket:
    version = locator.ip.version
    try:
        sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    except OSError as error:
        raise LocalMisuse(f"cannot listen on {locator}: this host has no IPv{version} ({error.strerror})") from error
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_OCTETS)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    if version == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVTCLASS, 1)
    return sock


def _bind(sock: socket.socket, locator: Locator, scope: int = 0) -> None:
    """`scope`: index of the interface, without which an IPv6 group of link-local scope is no place."""
    address = (str(locator.ip), locator.port)
    try:
        sock.bind(address if locator.ip.version == 4 else (*address, 0, scope))
    except OSError as error:
        sock.close()
        raise LocalMisuse(
            f"cannot listen on {locator}: {error.strerror}; is another daemon there, or the address not on this host?"
        ) from error


def _prepare_multicast_sending(sock: socket.socket, locator: Locator) -> None:
    if locator.ip.version == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, locator.address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _interface_index(locator))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)


def _interface_index(interface: Locator) -> int:
    """Index of the interface that has an IPv6 address (from /proc/net/if_inet6); 0 lets the kernel choose."""
    wanted = interface.address.hex()
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            rows = (line.split() for line in table)
            return next((int(row[1], 16) for row in rows if row[0] == wanted), 0)
    except OSError:
        return 0

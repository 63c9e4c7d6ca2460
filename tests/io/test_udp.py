"""UDP sockets and what they tell of a datagram beside its octets."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Arrival, Ecn, Locator, parse_locator
from qstack.io.udp import UdpPort, open_multicast, open_unicast, source_towards

PATIENCE_S = 5.0
V4, V6 = "127.0.77.1:1", "[::1]:1"


def free(text: str) -> Locator:
    """A locator with a port that nobody uses just now."""
    wanted = parse_locator(text)
    family = socket.AF_INET if wanted.ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(wanted.ip), 0))
        except OSError:
            pytest.skip(f"this host has no {wanted.ip}")
        return Locator(wanted.address, probe.getsockname()[1])


class Inbox:
    """What a port receives, and how often it was settled."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, Arrival]] = []
        self.settled = 0
        self._come, self._coming = trio.open_memory_channel[None](10_000)

    def take(self, datagram: bytes, arrival: Arrival) -> None:
        self.got.append((datagram, arrival))
        self._come.send_nowait(None)

    def settle(self) -> None:
        self.settled += 1

    async def until(self, number: int) -> list[tuple[bytes, Arrival]]:
        with trio.fail_after(PATIENCE_S):
            while len(self.got) < number:
                await self._coming.receive()
        return self.got


@asynccontextmanager
async def receiving(port: UdpPort) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.receive, inbox.take, inbox.settle)
        yield inbox
        nursery.cancel_scope.cancel()
    port.close()


@contextmanager
def sender(text: str) -> Iterator[socket.socket]:
    locator = parse_locator(text)
    with socket.socket(socket.AF_INET if locator.ip.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((str(locator.ip), 0))
        yield sock


@pytest.mark.parametrize("text", [V4, V6])
@pytest.mark.parametrize("ecn", list(Ecn))
async def test_datagram_comes_with_segment_source_ecn_and_kernel_timestamp(text: str, ecn: Ecn) -> None:
    here = free(text)
    async with receiving(open_unicast(here, "lab")) as inbox:
        with sender(text) as other:
            if here.ip.version == 4:
                other.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x28 | ecn)
            else:
                other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x28 | ecn)
            before = time.time_ns()
            other.sendto(b"hello", (str(here.ip), here.port))
            ((datagram, arrival),) = await inbox.until(1)
            source = Locator(here.address, other.getsockname()[1])
    assert datagram == b"hello"
    assert (arrival.segment, arrival.source, arrival.multicast, arrival.ecn) == ("lab", source, False, ecn)
    assert arrival.timestamp_ns is not None
    assert before <= arrival.timestamp_ns <= time.time_ns()


async def test_batch_is_settled_once_and_keeps_its_order() -> None:
    here = free(V4)
    port = open_unicast(here, "")
    with sender(V4) as other:
        for number in range(200):
            other.sendto(struct.pack("!I", number), (str(here.ip), here.port))
        async with receiving(port) as inbox:
            got = await inbox.until(200)
    assert [struct.unpack("!I", datagram)[0] for datagram, _ in got] == list(range(200))
    assert inbox.settled < 20


async def test_empty_and_longest_datagrams_come_whole() -> None:
    here = free(V4)
    async with receiving(open_unicast(here, "")) as inbox:
        with sender(V4) as other:
            for octets in (b"", b"x" * 65_507):
                other.sendto(octets, (str(here.ip), here.port))
            got = await inbox.until(2)
    assert [len(datagram) for datagram, _ in got] == [0, 65_507]


@pytest.mark.parametrize("text", [V4, V6])
async def test_port_sends_from_its_own_locator(text: str) -> None:
    one, other = open_unicast(free(text), "a"), open_unicast(free(text), "b")
    async with receiving(other) as inbox:
        assert one.send(b"x", other.locator)
        ((_, arrival),) = await inbox.until(1)
    assert arrival.source == one.locator
    one.close()


async def test_send_that_the_kernel_refuses_is_told_and_no_error() -> None:
    port = open_unicast(free(V4), "")
    assert not port.send(b"x" * 70_000, parse_locator("127.0.77.1:9"))
    assert not port.send(b"x", parse_locator("[::1]:9"))
    port.close()


async def test_peer_that_is_not_there_disturbs_nothing() -> None:
    """Whatever ICMP says about what was sent, the next datagram is received."""
    port = open_unicast(free(V4), "")
    async with receiving(port) as inbox:
        for _ in range(3):
            port.send(b"anybody?", free(V4))
        with sender(V4) as other:
            other.sendto(b"yes", (str(port.locator.ip), port.locator.port))
            assert (await inbox.until(1))[0][0] == b"yes"


async def test_multicast_is_heard_by_every_member_and_said_to_be() -> None:
    here = free(V4)
    everybody = Locator(parse_locator("239.64.64.9:1").address, here.port)
    port = open_unicast(here, "lab")
    members = [open_multicast(everybody, "lab", here) for _ in range(2)]
    async with receiving(members[0]) as first, receiving(members[1]) as second:
        assert port.send(b"all", everybody)
        for inbox in (first, second):
            ((datagram, arrival),) = await inbox.until(1)
            assert (datagram, arrival.segment, arrival.multicast, arrival.source) == (b"all", "lab", True, here)
    port.close()


LINK_LOCAL = """
import trio
from qstack.base.locator import parse_locator
from qstack.io.udp import open_multicast, open_unicast
async def main():
    here, group = parse_locator("[fd00:64::1]:4560"), parse_locator("[ff12::6464]:4560")
    port, member = open_unicast(here, "lab"), open_multicast(group, "lab", here)
    async with trio.open_nursery() as nursery:
        def take(datagram, arrival):
            print(datagram.decode(), arrival.source, arrival.multicast)
            nursery.cancel_scope.cancel()
        nursery.start_soon(member.receive, take, lambda: None)
        assert port.send(b"hello", group)
    port.close()
    member.close()
trio.run(main)
"""
NETWORK = """
ip link set lo up
for name in near far; do
    ip link add $name type veth peer name of-$name
    ip link set $name up
    ip link set of-$name up
done
ip address add fd00:64::1/64 dev far nodad
exec "$0" "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
                    reason="needs root, unshare (util-linux) and ip (iproute2)")  # fmt: skip
def test_multicast_of_link_local_scope_goes_over_the_interface_of_the_locator() -> None:
    """In a network of its own with two interfaces: without being told, the kernel would take the first."""
    command = ["unshare", "-n", "sh", "-ec", NETWORK, sys.executable, "-c", LINK_LOCAL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("network namespaces are not allowed here")
    assert done.stdout == "hello [fd00:64::1]:4560 True\n", done.stderr


async def test_locator_that_is_taken_or_not_ours_is_refused_with_the_reason() -> None:
    port = open_unicast(free(V4), "")
    with pytest.raises(LocalMisuse, match=f"cannot listen on {port.locator}"):
        open_unicast(port.locator, "")
    with pytest.raises(LocalMisuse, match="not on this host"):
        open_unicast(parse_locator("192.0.2.77:4560"), "")
    with pytest.raises(LocalMisuse, match="cannot join"):
        open_multicast(free(V4), "lab", parse_locator("127.0.0.1:4560"))
    port.close()


def test_source_towards_a_locator_is_the_hosts_choice() -> None:
    assert source_towards(parse_locator("127.0.0.1:4560")) == bytes((127, 0, 0, 1))
    assert source_towards(parse_locator("255.255.255.255:1")) is None

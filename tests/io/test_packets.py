"""Datagrams over a Unix socket: in bursts, in order, bounded, and whoever is at the other end."""

from __future__ import annotations

import os
import socket

import pytest
import trio
import trio.testing

from qstack.io.packets import PacketSocket


def pair() -> tuple[PacketSocket, PacketSocket]:
    return tuple(map(PacketSocket, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)))  # type: ignore[return-value]


async def test_packets_sent_before_anybody_reads_arrive_in_order_and_in_bursts() -> None:
    ours, theirs = pair()
    for number in range(100):
        assert ours.send(number.to_bytes(2, "big"))
    bursts: list[list[bytes]] = []

    def take(burst: list[bytes]) -> bool:
        bursts.append(burst)
        return sum(map(len, bursts)) < 100

    with trio.fail_after(5):
        await theirs.run(take)
    assert [octets for burst in bursts for octets in burst] == [number.to_bytes(2, "big") for number in range(100)]
    assert 1 < len(bursts) < 100
    ours.close()
    theirs.close()


async def test_packets_that_the_kernel_has_no_room_for_wait_and_are_bounded() -> None:
    ours, theirs = pair()
    octets, sent = bytes(4_000), 0
    while ours.send(octets):
        sent += 1
    got: list[int] = []

    def take(burst: list[bytes]) -> bool:
        got.append(len(burst))
        return sum(got) < sent

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.run, lambda burst: True)  # its task sends on what waits
        with trio.fail_after(5):
            await theirs.run(take)
        nursery.cancel_scope.cancel()
    assert sum(got) == sent > 4_096
    ours.close()
    theirs.close()


async def test_packets_end_when_the_other_end_has_gone() -> None:
    ours, theirs = pair()
    ours.send(b"last words")
    ours.close()
    said: list[bytes] = []

    def take(burst: list[bytes]) -> bool:
        said.extend(burst)
        return True

    with trio.fail_after(5):
        await theirs.run(take)
    assert said == [b"last words"]
    assert theirs.send(b"to nobody")
    theirs.close()
    theirs.close()


async def test_packets_close_wakes_who_reads() -> None:
    ours, theirs = pair()

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_one()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        ours.close()
    theirs.close()


def test_packets_know_the_user_at_the_other_end() -> None:
    ours, theirs = pair()
    assert ours.peer_uid == os.getuid()
    ours._sock.close()
    theirs._sock.close()

"""The client of a device: results are held until their instant, lateness is counted, nothing is left unanswered."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, make_qna
from qstack.base.time import DomainTime, Timescale
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.device import DeviceClient, connect_device
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, AttemptAccepted, Refused, Release, Released, Status
from qstack.wire.value import Message, decode_message_untrusted

MS = 1_000_000
ALICE = make_qna(64512, 1)
PATIENCE_S = 5.0


class Device:
    """The other end: a listening socket, and the connection that has come."""

    def __init__(self, path: Path) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.bind(str(path))
        sock.listen(4)
        self._listener = trio.socket.from_stdlib_socket(sock)
        self.connection: trio.socket.SocketType | None = None
        self.asked: list[Message] = []

    async def accept(self, answer: Message | bytes | None = None) -> None:
        self.connection, _ = await self._listener.accept()
        if answer is not None:
            await self.connection.recv(4_096)
            await self.say(answer)

    async def say(self, message: Message | bytes) -> None:
        assert self.connection is not None
        await self.connection.send(message if isinstance(message, bytes) else message.encode())

    async def hear(self) -> Message:
        assert self.connection is not None
        return decode_message_untrusted(Protocol.TWIN, await self.connection.recv(4_096))

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def end(self) -> None:
        self.close()
        self._listener.close()


class Desk:
    """Where results are delivered: what, when, and how to wait for them."""

    def __init__(self) -> None:
        self.scale: Timescale = sample_timescale(1_000)
        self.got: list[tuple[Message, int]] = []
        self._in, self._out = trio.open_memory_channel[None](100)

    def deliver(self, message: Message) -> None:
        self.got.append((message, now_ns()))
        self._in.send_nowait(None)

    async def until(self, number: int) -> None:
        with trio.fail_after(PATIENCE_S):
            while len(self.got) < number:
                await self._out.receive()

    def domain(self, in_ms: float) -> DomainTime:
        return DomainTime(self.scale.domain(now_ns()) + round(in_ms * MS))


def attached(**changes: int) -> Attached:
    return Attached(**({"request_id": 0, "identity": 7, "secret": 1, "qubits": 4} | changes))


def released(number: int, deliver_at: int) -> Released:
    return Released(request_id=number, completed_at=DomainTime(deliver_at), deliver_at=DomainTime(deliver_at),
                    statuses=(Status.OK,))  # fmt: skip


def release(number: int) -> Release:
    return Release(request_id=number, instant=DomainTime(1), qubits=(1,))


async def connect(path: Path, desk: Desk, patience_s: float = PATIENCE_S, node: Qna = ALICE) -> DeviceClient:
    return await connect_device(path, node, lambda: desk.scale, desk.deliver, patience_s)


@asynccontextmanager
async def together(tmp_path: Path) -> AsyncIterator[tuple[Device, DeviceClient, Desk]]:
    """A client that runs, and its device."""
    device, desk, clients = Device(tmp_path / "d"), Desk(), []
    async with trio.open_nursery() as both:
        both.start_soon(device.accept, attached())
        clients.append(await connect(tmp_path / "d", desk))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clients[0].run)
        yield device, clients[0], desk
        nursery.cancel_scope.cancel()
    device.end()


async def test_result_is_held_until_its_instant_and_then_in_order(tmp_path: Path) -> None:
    async with together(tmp_path) as (device, client, desk):
        due = {number: desk.domain(30 - 10 * number) for number in (0, 1, 2)}  # the later said, the earlier due
        for number, at in due.items():
            await device.say(released(number, at))
        await desk.until(3)
    assert [message.request_id for message, _ in desk.got] == [2, 1, 0]
    for message, at in desk.got:
        lateness = desk.scale.domain(now_ns()) - now_ns() + at - due[message.request_id]
        assert -1_000 <= lateness < 200 * MS
    assert (client.lateness.results, client.lateness.late) == (3, 0)


async def test_late_result_is_delivered_at_once_and_counted_with_its_lateness(tmp_path: Path) -> None:
    async with together(tmp_path) as (device, client, desk):
        await device.say(released(1, desk.domain(-50)))
        await device.say(released(2, desk.domain(-20)))
        await desk.until(2)
    assert [message.request_id for message, _ in desk.got] == [1, 2]
    lateness = client.lateness
    assert (lateness.results, lateness.late) == (2, 2)
    assert 50 * MS <= lateness.worst_ns < 1_000 * MS


async def test_calls_go_out_in_order_and_garbage_is_counted(tmp_path: Path) -> None:
    async with together(tmp_path) as (device, client, desk):
        assert client.call(release(1))
        assert client.call(release(2))
        assert [(await device.hear()).request_id, (await device.hear()).request_id] == [1, 2]
        await device.say(b"\xff" * 30)
        await device.say(released(1, desk.domain(0)))
        await desk.until(1)
        assert client.lateness.malformed == 1


async def test_device_that_goes_leaves_no_request_unanswered(tmp_path: Path) -> None:
    device, desk = Device(tmp_path / "d"), Desk()
    clients: list[DeviceClient] = []
    async with trio.open_nursery() as both:
        both.start_soon(device.accept, attached())
        clients.append(await connect(tmp_path / "d", desk))
    (client,) = clients
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        for number in (1, 2, 3):
            client.call(release(number))
        for _ in range(3):
            await device.hear()
        await device.say(released(1, desk.domain(0)))
        await desk.until(1)
        await device.say(released(2, desk.domain(60_000)))  # known to the client, and not yet due
        await device.say(AttemptAccepted(request_id=9, completed_at=DomainTime(0), deliver_at=DomainTime(0)))
        await desk.until(2)
        device.end()
    client.refuse_open()
    refused = [message for message, _ in desk.got if isinstance(message, Refused)]
    assert [(each.request_id, each.status) for each in refused] == [(2, Status.NOT_ATTACHED), (3, Status.NOT_ATTACHED)]


async def test_device_that_serves_another_host_now_is_gone(tmp_path: Path) -> None:
    device, desk = Device(tmp_path / "d"), Desk()
    clients: list[DeviceClient] = []
    async with trio.open_nursery() as both:
        both.start_soon(device.accept, attached())
        clients.append(await connect(tmp_path / "d", desk))
    clients[0].call(release(5))
    await device.say(Refused(request_id=5, status=Status.NOT_ATTACHED, completed_at=DomainTime(0),
                             deliver_at=DomainTime(0)))  # fmt: skip
    with trio.fail_after(PATIENCE_S):
        await clients[0].run()
    clients[0].refuse_open()
    assert [message.request_id for message, _ in desk.got] == [5]
    device.end()


async def test_device_that_comes_late_or_goes_while_attaching_is_tried_again(tmp_path: Path) -> None:
    path, desk = tmp_path / "d", Desk()

    async def come() -> None:
        await trio.testing.wait_all_tasks_blocked(0.01)
        device = Device(path)
        await device.accept()
        device.end()
        path.unlink()
        device = Device(path)
        await device.accept(attached(qubits=12))
        device.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        client = await connect(path, desk)
    assert client.attached.qubits == 12
    await client.run()  # it has gone again: ends at once


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Refused(request_id=0, status=Status.UNKNOWN_NODE, completed_at=0, deliver_at=0), "refuses node 64512.1"),
        (b"\xff\xff\xff", "is no device"),
    ],
)
async def test_device_that_will_not_have_us_is_refused_with_the_reason(
    tmp_path: Path, answer: Message | bytes, said: str
) -> None:
    device = Device(tmp_path / "d")
    with pytest.raises(LocalMisuse, match=said):
        await accept_and_connect(device, answer, tmp_path / "d")
    device.end()


async def accept_and_connect(device: Device, answer: Message | bytes, path: Path) -> None:
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device.accept, answer)
            await connect(path, Desk())
    except* LocalMisuse as group:
        raise group.exceptions[0] from None


async def test_nobody_there_is_said_after_the_patience_is_over(tmp_path: Path) -> None:
    with pytest.raises(LocalMisuse, match="start qtwind first"):
        await connect(tmp_path / "nobody", Desk(), patience_s=0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(tmp_path / "stream"))
        stream.listen()
        with pytest.raises(LocalMisuse, match="socket"):
            await connect(tmp_path / "stream", Desk(), patience_s=0.05)


async def test_attach_names_the_node(tmp_path: Path) -> None:
    device, seen = Device(tmp_path / "d"), []

    async def serve() -> None:
        await device.accept()
        seen.append(await device.hear())
        await device.say(attached())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        client = await connect(tmp_path / "d", Desk())
    assert isinstance(seen[0], Attach)
    assert seen[0].node == ALICE
    device.end()
    await client.run()

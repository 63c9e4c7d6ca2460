"""A daemon that exists in its replies only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import trio
from msgspec.structs import replace

from qstack.base.ids import Qna, format_qna
from qstack.control.answering import answers
from qstack.control.replies import (
    Circuit,
    CircuitHop,
    CircuitsReply,
    CountersReply,
    Device,
    EchoReply,
    Endpoint,
    EprRequest,
    EprSocket,
    Link,
    LinksReply,
    MemoriesReply,
    Memory,
    Neighbour,
    NeighboursReply,
    Session,
    SessionsReply,
    Station,
    StatusReply,
    Unit,
    UnitsReply,
)  # fmt: skip
from qstack.io.frames import Connection, serve_control

STATUS = StatusReply(
    node="64512.1", name="alice", version="0.0.1", pid=7, state="starting", uptime_s=1.5, configuration="alice.toml",
    listen=("127.0.0.11:4560",), address_state="announced", conflicts=0, neighbours=2, neighbours_up=1, links=1,
    circuits=1, units=1, endpoints=1, max_error_ns=1_000_000, secret=True,
    device=Device(socket="qtwind.sock", identity="abcd", qubits=32, secret=True),
)  # fmt: skip
NEAR = Neighbour(node="64512.2", up=True, resolution="reachable", session="established", locator="127.0.0.12:4560",
                 configured=True, capabilities=("memory", "swap"), device_port=0, heard_s=0.2, up_s=3.0)  # fmt: skip
AWAY = Neighbour(node="64512.3", up=False, resolution="incomplete", session="", locator="", configured=True,
                 capabilities=(), device_port=0)  # fmt: skip
SESSION = Session(node="64512.2", scope="hop", state="established", role="initiator", locator="127.0.0.12:4560",
                  local_epoch="1", remote_epoch="2", fingerprint="ab" * 32, urn_prefixes=("urn:qkd:a",),
                  certificate_until=2_000_000_000, generation=0, sent=12, age_s=3.0, heard_s=0.2)  # fmt: skip
LINK = Link(link=1, neighbour="64512.2", up=True, master=True, stations=("64512.2",), memories=32, free=30, offered=0,
            held=2, queued_requests=0, open_windows=0, circuits=1, pairs=5, cycles_attempted=100, rate_hz=2.5,
            fidelity=0.98, asked_fidelity=0.95, oldest_request_s=61.0, errors=3,
            stocked=1, tests=40, fidelity_low=0.965, fidelity_high=0.991, error_rates=(0.01, 0.02, 0.03))  # fmt: skip
EPR_SOCKET = EprSocket(
    socket="5", neighbour="64512.2", purpose=7, user=1000, state="connected", connection=2, held=1,
    requests=(EprRequest(kind="keep", state="queued", number=10, told=4, min_fidelity=0.95, age_s=61.0, left_s=9.0),),
)
MEMORIES = (
    Memory(qubit=0, link=1, neighbour="64512.2", place="held", holder="purpose 7 of user 1000", number=17, sequence=99,
           bell_index=2, fidelity=0.97, age_s=0.25, acts=1),
    Memory(qubit=1, link=1, neighbour="64512.2", place="held", holder="circuit 1a"),
    Memory(qubit=2, link=1, neighbour="64512.2", place="free"),
)  # fmt: skip
STATION = Station(link=9, ends=("64512.2", "64512.3"), waiting=0, windows_heralded=4, windows_failed=1, pairs=7)
CIRCUIT = Circuit(circuit="64512.1/1", role="head", state="open", endpoints=("64512.1", "64513.2"), wanted=448,
                  made=12, path_fidelity=1.0, left_s=9.5,
                  downstream=CircuitHop(neighbour="64512.2", label="1a", qui="ff", pairs=2))  # fmt: skip
UNIT = Unit(unit="00ab", role="head", state="measuring", kind="KEY", remote="64513.2",
            urns=("urn:qkd:a?=nonce=1", "urn:qkd:b", "urn:qkd:lifecycle?=size=256"), pairs=12, mean_fidelity=0.97,
            left_s=9.0)  # fmt: skip


class FakeDaemon:
    """What tests set is what is told. Admins are the users in `admins`."""

    def __init__(self) -> None:
        self.now = STATUS
        self.near: tuple[Neighbour, ...] = (NEAR, AWAY)
        self.live_units: tuple[Unit, ...] = (UNIT,)
        self.figures = {"unit.started": 1, "datagrams.received": 20}
        self.admins: set[int] = set()
        self.lost: set[int] = set()
        self.reload_refused = ""
        self.stopped = ""
        self.looked = trio.Event()
        self._changed = trio.Event()

    def tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def is_admin(self, user: int) -> bool:
        return user in self.admins

    def status(self) -> StatusReply:
        return replace(self.now, neighbours_up=sum(each.up for each in self.near))

    def neighbours(self) -> NeighboursReply:
        return NeighboursReply(neighbours=self.near)

    def sessions(self) -> SessionsReply:
        return SessionsReply(sessions=(SESSION,))

    def links(self) -> LinksReply:
        return LinksReply(links=(LINK,), stations=(STATION,), sockets=(EPR_SOCKET,))

    def memories(self) -> MemoriesReply:
        return MemoriesReply(node="64512.1", memories=MEMORIES)

    def circuits(self) -> CircuitsReply:
        return CircuitsReply(circuits=(CIRCUIT,))

    def units(self) -> UnitsReply:
        return UnitsReply(units=self.live_units, endpoints=(Endpoint(urn="urn:qkd:a", user=1000),))

    def counters(self) -> CountersReply:
        return CountersReply(counters=self.figures)

    async def echo(self, node: Qna, sequence: int, octets: int, timeout_s: float) -> EchoReply:
        if sequence in self.lost:
            await trio.sleep(timeout_s)
            return EchoReply(node=format_qna(node), sequence=sequence, reason="TIMEOUT", text="no answer")
        return EchoReply(node=format_qna(node), sequence=sequence, round_trip_ns=1_000 * (sequence + 1))

    async def changed(self) -> None:
        self.looked.set()
        await self._changed.wait()

    def reload(self) -> str:
        return self.reload_refused

    def stop(self, why: str) -> None:
        self.stopped = why


async def serve(daemon: FakeDaemon, connection: Connection) -> None:
    """As a daemon serves an operator."""
    while (line := await connection.receive_line()) is not None:
        async with aclosing(answers(line, connection.credentials.uid, daemon)) as replies:  # type: ignore[type-var]
            async for reply in replies:
                await connection.send_line(reply)


@asynccontextmanager
async def serving(path: Path, daemon: FakeDaemon) -> AsyncIterator[trio.Nursery]:
    """The daemon on a real control socket."""

    async def on_client(connection: Connection) -> None:
        await serve(daemon, connection)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, 0o600, on_client)
        yield nursery
        nursery.cancel_scope.cancel()

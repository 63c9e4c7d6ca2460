"""The daemon as operators know it (`qstack.control.service.ControlService`)."""

import os
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import trio

from qstack import __version__
from qstack.base.errors import ErrorCode, WireError
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.ids import Qna, format_qna
from qstack.base.units import SECOND_NS
from qstack.config.node import NodeFile
from qstack.control import replies
from qstack.control.answering import answers
from qstack.daemon import link_pictures, pictures
from qstack.daemon.driver import Driver
from qstack.io.clock import now_ns
from qstack.io.frames import Connection

__all__ = ["Operators", "Process"]

_ECHO_SERIES = 1 << 31  # identifiers of an operator's echoes lie above it


@dataclass(frozen=True, slots=True)
class Process:
    """What operators may ask of the process around the node."""

    path: Path
    file: Callable[[], NodeFile]
    reload: Callable[[], str]
    stop: Callable[[str], None]


class Operators:
    """Answers operators."""

    def __init__(self, process: Process, driver: Driver) -> None:
        self._process = process
        self._driver = driver
        self._started_ns = now_ns()
        self._echoes: dict[tuple[int, int], trio.Event] = {}
        self._echoed: dict[tuple[int, int], EchoAnswered | EchoFailed] = {}
        self._series = _ECHO_SERIES
        driver.on_echo = self._on_echo

    async def serve(self, connection: Connection) -> None:
        """Answer one operator, line by line, until it leaves."""
        user = connection.credentials.uid
        while True:
            try:
                line = await connection.receive_line()
            except WireError:
                self._driver.node.counters.add("operators.malformed")
                return
            if line is None:
                return
            async with aclosing(answers(line, user, self)) as replies_to_line:
                async for reply in replies_to_line:
                    await connection.send_line(reply)

    # --- ControlService -----------------------------------------------------------------------------------------

    def is_admin(self, user: int) -> bool:
        """Root, the daemon's own user, and whom the configuration names."""
        admins = self._process.file().control.admins.ids
        return user in (0, os.geteuid()) or admins is None or user in admins

    def status(self) -> replies.StatusReply:
        """The daemon as a whole."""
        node, file = self._driver.node, self._process.file()
        address = node.machines.qarp.describe_address()
        around = self.neighbours().neighbours
        return replies.StatusReply(
            node=format_qna(node.own), name=file.name, version=__version__, pid=os.getpid(),
            state=self._state(),
            uptime_s=round((now_ns() - self._started_ns) / SECOND_NS, 3), configuration=str(self._process.path),
            listen=tuple(str(locator) for locator in file.locators), address_state=address.state.name.lower(),
            conflicts=address.conflicts, neighbours=len(around), neighbours_up=sum(each.up for each in around),
            links=len(node.configuration.links), circuits=len(node.machines.circuit.describe()),
            units=len(node.machines.unit.describe()), endpoints=len(node.machines.unit.admission.claims),
            max_error_ns=node.timescale.max_error_ns, secret=node.is_secret, device=self._device(),
        )  # fmt: skip

    def neighbours(self) -> replies.NeighboursReply:
        return pictures.neighbours(self._driver.node, now_ns())

    def sessions(self) -> replies.SessionsReply:
        return pictures.sessions(self._driver.node, now_ns())

    def links(self) -> replies.LinksReply:
        return link_pictures.links(self._driver.node, now_ns())

    def memories(self) -> replies.MemoriesReply:
        return link_pictures.memories(self._driver.node, now_ns())

    def circuits(self) -> replies.CircuitsReply:
        return pictures.circuits(self._driver.node, now_ns())

    def units(self) -> replies.UnitsReply:
        return pictures.units(self._driver.node, now_ns())

    def counters(self) -> replies.CountersReply:
        device = self._driver.device
        return pictures.counters(self._driver.node, 0 if device is None else device.lateness.malformed)

    async def echo(self, node: Qna, sequence: int, octets: int, timeout_s: float) -> replies.EchoReply:
        """One echo request, under the end seal."""
        self._series = _ECHO_SERIES | (self._series + 1) & (_ECHO_SERIES - 1)
        key = (self._series, sequence)
        self._echoes[key] = trio.Event()
        try:
            self._driver.node.ping(node, *key, bytes(octets), now_ns())
            self._driver.settle()
            with trio.move_on_after(timeout_s):
                await self._echoes[key].wait()
        finally:
            del self._echoes[key]
        return _echo_reply(node, sequence, self._echoed.pop(key, None))

    async def changed(self) -> None:
        await self._driver.changed.wait()

    def reload(self) -> str:
        return self._process.reload()

    def stop(self, why: str) -> None:
        self._process.stop(why)

    def _state(self) -> str:
        if self._driver.stopping:
            return "stopping"
        return "waiting" if self._driver.device is None and self._process.file().twin is not None else "ready"

    def _on_echo(self, event: EchoAnswered | EchoFailed) -> None:
        key = (event.identifier, event.sequence)
        if key in self._echoes:
            self._echoed[key] = event
            self._echoes[key].set()

    def _device(self) -> replies.Device | None:
        device, file = self._driver.device, self._process.file()
        if device is None or file.twin is None:
            return None
        lateness = device.lateness
        return replies.Device(
            socket=file.twin.place, identity=f"{device.attached.identity:016x}", qubits=device.attached.qubits,
            secret=bool(device.attached.secret), results=lateness.results, late_results=lateness.late,
            worst_lateness_ns=lateness.worst_ns,
        )  # fmt: skip


def _echo_reply(node: Qna, sequence: int, event: EchoAnswered | EchoFailed | None) -> replies.EchoReply:
    name = format_qna(node)
    match event:
        case EchoAnswered():
            return replies.EchoReply(node=name, sequence=sequence, round_trip_ns=event.round_trip_ns)
        case EchoFailed():
            text = event.text or (f"reported by {format_qna(event.reporter)}" if event.reporter else "")
            return replies.EchoReply(node=name, sequence=sequence, reason=event.reason.name, text=text)
        case None:
            return replies.EchoReply(node=name, sequence=sequence, reason=ErrorCode.TIMEOUT.name,
                                     text="no answer in time")  # fmt: skip

"""The process of one node: opens what the configuration names, joins it, and ends cleanly."""

from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from qstack.base.errors import LocalMisuse, QstackError
from qstack.base.handshake import PeerIdentity
from qstack.base.ids import format_qna
from qstack.base.locator import Locator
from qstack.config.loading import load_node
from qstack.config.node import NodeFile
from qstack.daemon.build import PARAMETERS, make_chance, make_node
from qstack.daemon.clients import Clients
from qstack.daemon.credentials import Credentials
from qstack.daemon.device import DeviceKeeper
from qstack.daemon.driver import Driver, SegmentPort
from qstack.daemon.keylog import KeyLog
from qstack.daemon.log import NodeLog
from qstack.daemon.metrics import NodeMetrics
from qstack.daemon.notify import notify
from qstack.daemon.service import Operators, Process
from qstack.io.capture import Capture
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.frames import Connection, serve_control
from qstack.io.pages import listen_for_pages, serve_pages
from qstack.io.udp import UdpPort, open_multicast, open_unicast
from qstack.node.node import Node
from qstack.wire.twin import Attached

__all__ = ["NodeProcess"]

_STOP_GRACE_S = 0.05
_EXPIRY_INTERVAL_S = 60.0


class NodeProcess:
    """One running `qstackd`."""

    def __init__(self, file: NodeFile, path: Path, logger: structlog.stdlib.BoundLogger) -> None:
        self.file = file
        self.path = path
        self.logger = logger
        self.credentials = Credentials(file)
        self.chance = make_chance(file)
        self.driver: Driver | None = None
        self._device: DeviceKeeper | None = None
        self._key_log: KeyLog | None = None
        self._stopping = trio.CancelScope()

    async def run(self) -> None:
        """Until stopped. Raises `LocalMisuse` when something that the configuration names cannot be had."""
        ports, segments = _open_ports(self.file)
        if self.credentials.loaded.expired:
            self.logger.error("own certificate has expired: nobody will believe this node",
                              certificate=str(self.file.session.certificate))  # fmt: skip
        capture = None if self.file.capture is None else Capture(self.file.capture.file, self.file.name)
        if self.file.session.key_log is not None:
            self._key_log = KeyLog(self.file.session.key_log, self.logger)
            self.logger.warning("session keys are logged", file=str(self.file.session.key_log))
        metrics = None if self.file.metrics is None else listen_for_pages(self.file.metrics.listen.place)
        with self._stopping:
            async with trio.open_nursery() as nursery:
                await self._attach(nursery)
                driver = self._make_driver(ports, segments, capture)
                nursery.start_soon(self._watch_certificates, driver)
                if self._device is not None:
                    nursery.start_soon(self._device.run, driver)
                clients = Clients(driver)
                process = Process(self.path, lambda: self.file, self.reload, self._stop_soon(nursery))
                operators = Operators(process, driver)

                async def serve(connection: Connection) -> None:
                    json = await connection.speaks_json()
                    if json is not None:
                        await (operators.serve(connection) if json else clients.serve(connection))

                await nursery.start(serve_control, self.file.listen.control, self.file.control.mode, serve)
                if metrics is not None:
                    nursery.start_soon(serve_pages, metrics, NodeMetrics(driver.node, operators).page)
                self.logger.info("ready", control=str(self.file.listen.control),
                                 listen=[str(port.locator) for port in ports])  # fmt: skip
                notify("READY=1")
                await driver.run()

    def reload(self) -> str:
        """Read the configuration again, all or nothing; what is wrong is logged and returned, else ""."""
        notify("RELOADING=1")
        try:
            self._reload()
        except QstackError as error:
            self.logger.error("reload refused, the old configuration stays", reason=str(error))
            return str(error)
        finally:
            notify("READY=1")
        self.logger.info("reloaded")
        return ""

    def _reload(self) -> None:
        if self.driver is None:
            raise LocalMisuse("the daemon is still starting: try again")
        file = load_node(self.path, PARAMETERS)
        self._check_fixed(file)
        loaded = self.credentials.prepare(file)
        self.driver.node.reconfigure(make_node(file, self._attached), now_ns())  # the last that can refuse
        self.file, self.credentials.loaded = file, loaded
        self.driver.node.reconsider(self._judge, now_ns())
        self.driver.settle()

    async def stop(self, why: str) -> None:
        """Tell the peers and end."""
        notify("STOPPING=1")
        self.logger.info("stopping", why=why)
        if self.driver is not None:
            self.driver.stop()
            await trio.sleep(_STOP_GRACE_S)
        self._stopping.cancel()

    def _stop_soon(self, nursery: trio.Nursery) -> Callable[[str], None]:
        def stop(why: str) -> None:
            nursery.start_soon(self.stop, why)

        return stop

    async def _attach(self, nursery: trio.Nursery) -> None:
        if self.file.twin is None:
            return
        timescale = sample_timescale(self.file.clock.max_error_ns)
        self._device = DeviceKeeper(
            self.file, self.logger,
            lambda: self.driver.node.timescale if self.driver is not None else timescale,
            lambda result: self.driver.deliver(result) if self.driver is not None else None,
        )  # fmt: skip
        await self._device.attach(nursery)

    @property
    def _attached(self) -> Attached | None:
        return None if self._device is None else self._device.attached

    def _make_driver(self, ports: list[UdpPort], segments: list[SegmentPort], capture: Capture | None) -> Driver:
        key_log = None if self._key_log is None else self._key_log.write
        node = Node(make_node(self.file, self._attached), self.chance, self.credentials,
                    sample_timescale(self.file.clock.max_error_ns), key_log=key_log)  # fmt: skip
        self.driver = Driver(node, ports, segments, log=NodeLog(self.logger), capture=capture,
                             max_error_ns=self.file.clock.max_error_ns)  # fmt: skip
        return self.driver

    async def _watch_certificates(self, driver: Driver) -> None:
        """Close sessions whose peer's certificate has expired (SESSION-4.2-3)."""
        while True:
            await trio.sleep(_EXPIRY_INTERVAL_S)
            driver.node.reconsider(self._judge, now_ns())
            driver.settle()

    def _judge(self, identity: PeerIdentity) -> str:
        why = self.credentials.judge(identity)
        if why:
            self.logger.warning("session closed", peer=format_qna(identity.qna), reason=why)
        return why

    def _check_fixed(self, file: NodeFile) -> None:
        for name in ("listen", "control", "twin", "clock", "chance", "log", "capture", "metrics"):
            if getattr(file, name) != getattr(self.file, name):
                raise LocalMisuse(f"[{name}] cannot change while the daemon runs; restart it to have the change")
        if _places(file) != _places(self.file):
            raise LocalMisuse("name, locator and multicast of a [[segment]] cannot change while the daemon runs; "
                              "restart it to have the change")  # fmt: skip
        if file.session.key_log != self.file.session.key_log:
            raise LocalMisuse("[session] key-log cannot change while the daemon runs; restart it to have the change")


def _places(file: NodeFile) -> list[tuple[str, Locator, Locator | None]]:
    return [(segment.name, segment.locator, segment.multicast) for segment in file.segments]


def _open_ports(file: NodeFile) -> tuple[list[UdpPort], list[SegmentPort]]:
    """Bind every locator; join every group. Raises `LocalMisuse` with nothing left open."""
    named = {segment.locator: segment.name for segment in file.segments}
    ports: list[UdpPort] = []
    segments: list[SegmentPort] = []
    try:
        ports += [open_unicast(locator, named.get(locator, "")) for locator in file.locators]
        for segment in file.segments:
            port = next(each for each in ports if each.locator == segment.locator)
            segments.append(SegmentPort(segment.name, port, segment.multicast))
            if segment.multicast is not None:
                ports.append(open_multicast(segment.multicast, segment.name, segment.locator))
    except LocalMisuse:
        for port in ports:
            port.sock.close()
        raise
    return ports, segments

"""The process of one node: opens what the configuration names, joins it, and ends cleanly."""

from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from qstack.base.errors import LocalMisuse, QstackError
from qstack.base.handshake import PeerIdentity
from qstack.config.loading import load_node
from qstack.config.node import NodeFile
from qstack.daemon.build import PARAMETERS, make_chance, make_handshakes, make_node, make_trust
from qstack.daemon.clients import Clients
from qstack.daemon.device import DeviceKeeper
from qstack.daemon.driver import Driver, SegmentGroup
from qstack.daemon.keylog import KeyLog
from qstack.daemon.log import NodeLog
from qstack.daemon.notify import notify
from qstack.daemon.service import Operators, Process
from qstack.io.capture import Capture
from qstack.io.clock import now_ns, sample_timescale, unix_s
from qstack.io.frames import Connection, serve_control
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
        self.trust = make_trust(file)
        self.chance = make_chance(file)
        self.handshakes = make_handshakes(file, lambda: self.trust)
        self.driver: Driver | None = None
        self._device: DeviceKeeper | None = None
        self._key_log: KeyLog | None = None
        self._stopping = trio.CancelScope()

    async def run(self) -> None:
        """Until stopped. Raises `LocalMisuse` when something that the configuration names cannot be had."""
        ports, groups = _open_ports(self.file)
        capture = None if self.file.capture is None else Capture(self.file.capture.file, self.file.name)
        if self.file.session.key_log is not None:
            self._key_log = KeyLog(self.file.session.key_log)
            self.logger.warning("session keys are logged", file=str(self.file.session.key_log))
        with self._stopping:
            async with trio.open_nursery() as nursery:
                await self._attach()
                driver = self._make_driver(ports, groups, capture)
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
                self.logger.info("ready", control=str(self.file.listen.control),
                                 listen=[str(port.locator) for port in ports])  # fmt: skip
                notify("READY=1")
                await driver.run()

    def reload(self) -> str:
        """Read the configuration again, all or nothing; what is wrong is logged and returned, else ""."""
        notify("RELOADING=1")
        try:
            file = load_node(self.path, PARAMETERS)
            self._check_fixed(file)
            trust = make_trust(file)
            assert self.driver is not None
            self.driver.node.reconfigure(make_node(file, self._attached), now_ns())
        except QstackError as error:
            self.logger.error("reload refused, the old configuration stays", reason=str(error))
            notify("READY=1")
            return str(error)
        self.file, self.trust = file, trust
        self.driver.node.reconsider(self._judge, now_ns())
        self.driver.settle()
        self.logger.info("reloaded")
        notify("READY=1")
        return ""

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

    async def _attach(self) -> None:
        if self.file.twin is None:
            return
        timescale = sample_timescale(self.file.clock.max_error_ns)
        self._device = DeviceKeeper(
            self.file, self.logger,
            lambda: self.driver.node.timescale if self.driver is not None else timescale,
            lambda result: self.driver.deliver(result) if self.driver is not None else None,
        )  # fmt: skip
        await self._device.attach()

    @property
    def _attached(self) -> Attached | None:
        return None if self._device is None else self._device.attached

    def _make_driver(self, ports: list[UdpPort], groups: list[SegmentGroup], capture: Capture | None) -> Driver:
        key_log = None if self._key_log is None else self._key_log.write
        node = Node(make_node(self.file, self._attached), self.chance, self.handshakes,
                    sample_timescale(self.file.clock.max_error_ns), key_log=key_log)  # fmt: skip
        self.driver = Driver(node, ports, groups, log=NodeLog(self.logger), capture=capture,
                             max_error_ns=self.file.clock.max_error_ns)  # fmt: skip
        return self.driver

    async def _watch_certificates(self, driver: Driver) -> None:
        """Close sessions whose peer's certificate has expired (SESSION-4.2-3)."""
        while True:
            await trio.sleep(_EXPIRY_INTERVAL_S)
            driver.node.reconsider(self._judge, now_ns())
            driver.settle()

    def _judge(self, identity: PeerIdentity) -> str:
        """Why a peer is not believed any more, as far as dates, pins and revocations tell without its certificate."""
        if identity.not_after_unix < unix_s():
            return "its certificate has expired"
        if identity.fingerprint in self.trust.revoked:
            return "its certificate is revoked"
        pinned = self.trust.pinned.get(identity.qna)
        return "" if pinned in (None, identity.fingerprint) else "another certificate is pinned"

    def _check_fixed(self, file: NodeFile) -> None:
        for name in ("listen", "control", "twin", "chance", "capture"):
            if getattr(file, name) != getattr(self.file, name):
                raise LocalMisuse(f"[{name}] cannot change while the daemon runs; restart it to have the change")


def _open_ports(file: NodeFile) -> tuple[list[UdpPort], list[SegmentGroup]]:
    """Bind every locator; join every group. Raises `LocalMisuse` with nothing left open."""
    segments = {segment.locator: segment.name for segment in file.segments}
    ports: list[UdpPort] = []
    groups: list[SegmentGroup] = []
    try:
        ports += [open_unicast(locator, segments.get(locator, "")) for locator in file.locators]
        for segment in file.segments:
            port = next(each for each in ports if each.locator == segment.locator)
            if segment.multicast is not None:
                ports.append(open_multicast(segment.multicast, segment.name, segment.locator))
                groups.append(SegmentGroup(segment.name, port, [segment.multicast]))
            else:
                groups.append(SegmentGroup(segment.name, port, segment.ask))
    except LocalMisuse:
        for port in ports:
            port.sock.close()
        raise
    return ports, groups

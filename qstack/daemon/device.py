"""Keeps a node attached to its quantum device.

A device that goes takes all quantum states with it: the node fails its circuits and refuses new ones, and goes on with
everything that is classical. It is attached again as soon as a device answers, unless that is of another kind: then the
daemon ends, so that its service manager starts it anew with what the new device says of itself.
"""

from collections.abc import Callable
from math import inf

import structlog
import trio

from qstack.base.errors import LocalMisuse
from qstack.base.time import Timescale
from qstack.config.broker import Broker
from qstack.config.node import NodeFile
from qstack.daemon.device_broker import DeviceBroker
from qstack.daemon.driver import Driver
from qstack.daemon.notify import notify
from qstack.io.device import DeviceClient, connect_device
from qstack.io.mqtt import BrokerAddress
from qstack.wire.twin import Attached
from qstack.wire.value import Message

__all__ = ["DeviceKeeper"]

_REFUSED_PAUSE_S = 1.0


class DeviceKeeper:
    """The device of one node. `file` must have a [twin] section."""

    def __init__(
        self, file: NodeFile, logger: structlog.stdlib.BoundLogger, timescale: Callable[[], Timescale],
        deliver: Callable[[Message], None],
    ) -> None:  # fmt: skip
        assert file.twin is not None
        self._file = file
        self._logger = logger
        self._broker: DeviceBroker | None = None
        self._place = file.twin.place
        if file.twin.mqtt is not None:
            address = _address(file, file.twin.mqtt)
            self._broker = DeviceBroker(address, file.twin.mqtt.device, file.node.qna, logger)
        self._timescale = timescale
        self._deliver = deliver
        self._client: DeviceClient | None = None

    @property
    def attached(self) -> Attached:
        """What the device is; after `attach`."""
        assert self._client is not None
        return self._client.attached

    async def attach(self, nursery: trio.Nursery) -> None:
        """For the first time; what keeps the way to the device runs in `nursery`. Raises `LocalMisuse` when the device
        does not answer in time, or does not fit."""
        assert self._file.twin is not None
        if self._broker is not None:
            nursery.start_soon(self._broker.run)
        self._client = await self._connect(self._file.twin.patience_s)
        wanted = max((number + 1 for numbers in self._file.memories for number in numbers), default=0)
        if self.attached.qubits < wanted:
            raise LocalMisuse(f"the device at {self._place} has {self.attached.qubits} memories, and [[link]] names "
                              f"{wanted}: correct memories there, or qubits of the node in qtwind's file")  # fmt: skip

    async def run(self, driver: Driver) -> None:
        """For ever: serve, and attach again. Raises `LocalMisuse` when the new device is of another kind."""
        assert self._client is not None
        driver.attach(self._client)
        while True:
            await self._client.run()
            driver.detach()
            self._logger.warning("the device has gone, and with it all quantum states", device=self._place)
            notify("STATUS=waiting for the quantum device")
            client = await self._connect_again()
            self._check_kind(client.attached)
            self._client = client
            driver.attach(client)
            self._logger.info("attached to a device again", identity=f"{client.attached.identity:016x}")
            notify("STATUS=")

    async def _connect(self, patience_s: float) -> DeviceClient:
        if self._broker is not None:
            return await self._broker.connect(self._timescale, self._deliver, patience_s)
        assert self._file.twin is not None and self._file.twin.socket is not None
        socket = self._file.twin.socket
        return await connect_device(socket, self._file.node.qna, self._timescale, self._deliver, patience_s)

    async def _connect_again(self) -> DeviceClient:
        told = ""
        while True:
            try:
                return await self._connect(inf)
            except LocalMisuse as error:
                if str(error) != told:
                    told = str(error)
                    self._logger.error("cannot attach to the device", reason=told)
                await trio.sleep(_REFUSED_PAUSE_S)

    def _check_kind(self, new: Attached) -> None:
        for name in ("qubits", "memories", "operations"):
            before, now = getattr(self.attached, name), getattr(new, name)
            if before != now:
                raise LocalMisuse(f"the device at {self._place} is another one now ({name} was {before}, is {now}): "
                                  "start the daemon anew")  # fmt: skip


def _address(file: NodeFile, broker: Broker) -> BrokerAddress:
    """With the node's own certificate where the broker wants no other."""
    certificate, key = broker.certificate or file.session.certificate, broker.key or file.session.key
    return BrokerAddress(broker.url.host, broker.url.port, broker.ca, certificate, key)

"""A host's way to its device over a broker (TWIN-9): epochs, repetition, and how the device's end is noticed.

`DeviceBroker` keeps the line for the daemon's whole life; each attachment is an epoch of its own, a `BrokerCarrier`.
"""

from collections.abc import Callable

import structlog
import trio

from qstack.base.errors import LocalMisuse, PeerViolation, WireError
from qstack.base.ids import Qna
from qstack.base.time import Timescale
from qstack.daemon.carriage import Carriage
from qstack.daemon.topics import ASK, HOST, TELL, device_topic, node_name, topic
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns
from qstack.io.device import DeviceClient, read_attached
from qstack.io.entropy import system_seed
from qstack.io.mqtt import Arrived, BrokerAddress, MqttLine, Will
from qstack.wire.broker import Envelope, Presence
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["BrokerCarrier", "DeviceBroker"]


class BrokerCarrier:
    """One epoch, as `io.device.Carrier`."""

    def __init__(self, epoch: int, publish: Callable[[bytes], bool]) -> None:
        self.carriage = Carriage(epoch)
        self.identity: int | None = None  # of the device that has answered
        self._publish = publish
        self._alarm = Alarm()
        self._arrived: list[bytes] = []
        self._awake = trio.Event()
        self._gone = False

    def send(self, octets: bytes) -> bool:
        """Publish, and again until it is acknowledged."""
        taken = self.carriage.send(octets, now_ns())
        self.flush()
        return taken

    async def run(self, take: Callable[[list[bytes]], bool]) -> None:
        """Until the device is gone, or has been silent for too long."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.repeat)
            while (burst := await self.next()) and take(burst):
                pass
            nursery.cancel_scope.cancel()

    async def next(self) -> list[bytes]:
        """What has arrived, as soon as there is something; nothing when the device is gone."""
        while not self._arrived and not self._gone:
            await self._awake.wait()
            self._awake = trio.Event()
        await trio.lowlevel.checkpoint()
        arrived, self._arrived = self._arrived, []
        return arrived

    async def repeat(self) -> None:
        """Publish again what has not been acknowledged."""
        while not self._gone:
            await self._alarm.wait()
            self.flush()

    def close(self) -> None:
        """Nothing is sent any more."""
        self.end()
        self._alarm.close()

    def end(self) -> None:
        """The device is gone."""
        self._gone = True
        self._awake.set()

    def receive(self, envelope: Envelope) -> None:
        """An envelope of this epoch."""
        if not envelope.number and envelope.primitive:  # the device does not know this epoch (TWIN-9.2-5)
            self._arrived.append(envelope.primitive)
        else:
            try:
                self._arrived += self.carriage.receive(envelope, now_ns())
            except PeerViolation:
                self.end()
        self._awake.set()
        self.flush()

    def flush(self) -> None:
        """Publish what is due now."""
        if self._gone:
            return
        now = now_ns()
        for octets in self.carriage.outgoing(now):
            self._publish(octets)
        if self.carriage.failed:
            self.end()
        else:
            self._alarm.set(self.carriage.next_deadline())


class DeviceBroker:
    """The line of one node to the broker, and the epoch that is live on it. `device`: its name in topics."""

    def __init__(
        self, broker: BrokerAddress, device: str, node: Qna, logger: structlog.stdlib.BoundLogger
    ) -> None:
        self.malformed = 0
        self._attachments = 0
        self._node = node
        self._device = device
        self._logger = logger
        self._carrier: BrokerCarrier | None = None
        self._life = int.from_bytes(system_seed()[:4], "big") << 32
        self._ask = topic(device, node, ASK)
        self._tell = topic(device, node, TELL)
        self._presence = device_topic(device)
        self._line = MqttLine(
            broker, node_name(node), (self._tell, self._presence),
            Will(topic(device, node, HOST), Presence(identity=self._life, here=0).encode()),
            on_connected=self._connected, on_messages=self._take, on_trouble=self._trouble,
        )  # fmt: skip

    async def run(self) -> None:
        """Keep the line until cancelled; the device then learns that this host has ended."""
        await self._line.run()

    async def connect(
        self, timescale: Callable[[], Timescale], deliver: Callable[[Message], None], patience_s: float
    ) -> DeviceClient:
        """Attach in a new epoch. Raises `LocalMisuse` when the device refuses, or nobody answers in time."""
        place = f"{self._line.broker}, device {self._device}"
        with trio.move_on_after(patience_s):
            while True:
                self._attachments += 1
                epoch = self._life | self._attachments & 0xFFFFFFFF
                carrier = self._carrier = BrokerCarrier(epoch, lambda octets: self._line.publish(self._ask, octets))
                try:
                    octets = await self._first_answer(carrier)
                    if octets:
                        attached = read_attached(octets[0], self._node, place)
                        carrier.identity = attached.identity
                        return DeviceClient(carrier, attached, timescale, deliver)
                except BaseException:
                    carrier.close()
                    raise
                carrier.close()
        raise LocalMisuse(f"nothing answers at {place} within {patience_s} s: start broker and qtwind first, or "
                          "correct [twin.mqtt]")  # fmt: skip

    async def _first_answer(self, carrier: BrokerCarrier) -> list[bytes]:
        carrier.send(Attach(node=self._node).encode())
        found: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carrier.repeat)
            found += await carrier.next()
            nursery.cancel_scope.cancel()
        return found

    def _connected(self) -> None:
        if self._carrier is not None:
            self._carrier.flush()

    def _take(self, messages: list[Arrived]) -> None:
        for arrived in messages:
            try:
                message = decode_message_untrusted(Protocol.BROKER, arrived.payload)
            except WireError:
                self.malformed += 1
                continue
            carrier = self._carrier
            if carrier is None:
                continue
            if arrived.topic == self._tell and isinstance(message, Envelope):
                if message.epoch == carrier.carriage.epoch:
                    carrier.receive(message)
            elif arrived.topic == self._presence and isinstance(message, Presence):
                self._judge(carrier, message)

    def _judge(self, carrier: BrokerCarrier, presence: Presence) -> None:
        """TWIN-9.3-2. Before it has answered, a device that was there formerly does not matter."""
        if carrier.identity is not None and (not presence.here or presence.identity != carrier.identity):
            carrier.end()

    def _trouble(self, reason: str) -> None:
        if reason:
            self._logger.warning("no way to the broker of the quantum device", reason=reason)
        else:
            self._logger.info("connected to the broker of the quantum device", broker=str(self._line.broker))

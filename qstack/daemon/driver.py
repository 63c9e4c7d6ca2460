"""Joins a sans-IO node with sockets, alarm, device and applications.

Every input is followed by `settle`, which carries the node's outputs out and sets the alarm to its next deadline.
There is no state here that the node does not know better.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from qstack.base.effects import Log, Severity
from qstack.base.errors import LocalMisuse
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.locator import Arrival, Locator
from qstack.daemon.log import NodeLog
from qstack.io.alarm import Alarm
from qstack.io.capture import Capture
from qstack.io.clock import now_ns, sample_timescale
from qstack.io.device import DeviceClient
from qstack.io.udp import UdpPort, source_towards
from qstack.node.egress import Outbound
from qstack.node.node import Node
from qstack.wire.value import Message

__all__ = ["Driver", "SegmentPort"]

_TIMESCALE_INTERVAL_S = 10.0
_KNOWN_SOURCES = 4_096


@dataclass(frozen=True, slots=True)
class SegmentPort:
    """Where the node is on a segment, and the segment's multicast group if it has one."""

    name: str
    port: UdpPort
    multicast: Locator | None = None


class Driver:
    """Runs one node. `tell_client` takes what the node says to an application."""

    def __init__(
        self, node: Node, ports: Sequence[UdpPort], segments: Sequence[SegmentPort], *, log: NodeLog,
        max_error_ns: int, capture: Capture | None = None,
    ) -> None:  # fmt: skip
        self.node = node
        self.device: DeviceClient | None = None
        self.tell_client: Callable[[int, Message], None] = _nobody
        self.on_echo: Callable[[EchoAnswered | EchoFailed], None] = _ignore
        self.stopping = False
        self.changed = trio.Event()  # set, and replaced, at every settling: who waits for a condition looks again
        self._ports = tuple(ports)
        self._segments = {segment.name: segment for segment in segments}
        self._log = log
        self._capture = capture
        self._max_error_ns = max_error_ns
        self._alarm = Alarm()
        self._heard_on: dict[Locator, UdpPort] = {}
        self._routed: dict[Locator, UdpPort | None] = {}

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                for port in self._ports:
                    nursery.start_soon(port.receive, self._receiver(port), self.settle)
                nursery.start_soon(self._watch_alarm)
                nursery.start_soon(self._watch_clock)
                self.node.start(now_ns())
                if self.device is None:
                    self.node.device_gone(now_ns())
                self.settle()
        finally:
            self.close()

    def attach(self, device: DeviceClient) -> None:
        """There is a device, its memories empty."""
        self.device = device
        self.node.device_ready(bool(device.attached.secret), now_ns())
        self.settle()

    def detach(self) -> None:
        """It has gone: what it was asked is refused."""
        device, self.device = self.device, None
        self.node.device_gone(now_ns())
        self.settle()
        if device is not None:
            device.refuse_open()

    def deliver(self, result: Message) -> None:
        """A result of the device."""
        self.node.device_result(result, now_ns())
        self.settle()

    def settle(self) -> None:
        """Carry out what the node wants."""
        for outbound in self.node.take_datagrams():
            self._send(outbound)
        for call in self.node.take_device_calls():
            if self.device is None or not self.device.call(call):
                self.node.counters.add("device.calls_dropped")
        for client, message in self.node.take_client_messages():
            self.tell_client(client, message)
        for event in self.node.take_events():
            if isinstance(event, Log):
                self._log.write(event, now_ns())
            else:
                self.on_echo(event)
        self._alarm.set(self.node.next_deadline())
        self._flush_capture()
        self.changed.set()
        self.changed = trio.Event()

    def stop(self) -> None:
        """Tell the peers that this node ends."""
        self.stopping = True
        self.node.stop(now_ns())
        for outbound in self.node.take_datagrams():
            self._send(outbound)

    def close(self) -> None:
        """Close what `run` used."""
        for port in self._ports:
            port.close()
        self._alarm.close()
        if self._capture is not None:
            self._capture.close()

    def _receiver(self, port: UdpPort) -> Callable[[bytes, Arrival], None]:
        answer_on = port if not port.multicast else next(
            (each for each in self._ports if each.segment == port.segment and not each.multicast), port
        )  # fmt: skip

        def take(datagram: bytes, arrival: Arrival) -> None:
            self._note_source(arrival.source, answer_on)
            self.node.receive_datagram(datagram, arrival, now_ns())

        return take

    def _note_source(self, source: Locator, answer_on: UdpPort) -> None:
        """Those heard last are remembered, so that invented ones cannot keep the others out for long."""
        self._heard_on.pop(source, None)
        self._heard_on[source] = answer_on
        if len(self._heard_on) > _KNOWN_SOURCES:
            del self._heard_on[next(iter(self._heard_on))]

    def _send(self, outbound: Outbound) -> None:
        segment = self._segments.get(outbound.segment or "")
        if outbound.locator is not None:
            port = self._port_for(outbound.locator) if segment is None else segment.port
            self._send_to(outbound.datagram, outbound.locator, port)
        elif segment is not None and segment.multicast is not None:
            self._send_to(outbound.datagram, segment.multicast, segment.port)

    def _send_to(self, datagram: bytes, locator: Locator, port: UdpPort | None) -> None:
        instant_ns = 0 if self._capture is None else self._capture.instant()
        if port is None:
            self.node.counters.add("datagrams.no_port")
        elif port.send(datagram, locator):
            self.node.counters.add("datagrams.sent")
            if self._capture is not None:
                self._capture.sent(datagram, port.locator, locator, instant_ns)
        else:
            self.node.counters.add("datagrams.not_sent")

    def _port_for(self, locator: Locator) -> UdpPort | None:
        """The port on which that address was heard, else the one that the host would send from, else any."""
        heard = self._heard_on.get(locator)
        if heard is not None:
            return heard
        if locator not in self._routed:
            if len(self._routed) >= _KNOWN_SOURCES:
                self._routed.clear()
            self._routed[locator] = self._route(locator)
        return self._routed[locator]

    def _route(self, locator: Locator) -> UdpPort | None:
        able = [each for each in self._ports
                if len(each.locator.address) == len(locator.address) and not each.multicast]  # fmt: skip
        source = source_towards(locator) if len(able) > 1 else None
        return next((each for each in able if each.locator.address == source), able[0] if able else None)

    def _flush_capture(self) -> None:
        """What was sent is in the file before anything else happens, so that a killed node's capture is whole."""
        if self._capture is not None and not self._capture.flush():
            self._log.write(Log(Severity.LOCAL, "capture stopped", (("reason", self._capture.failure),)), now_ns())
            self._capture.close()
            self._capture = None

    async def _watch_alarm(self) -> None:
        while True:
            await self._alarm.wait()
            self.node.handle_deadline(now_ns())
            self.settle()

    async def _watch_clock(self) -> None:
        """Until a clock protocol feeds the timescale, follow the system's clock."""
        while True:
            self.node.timescale = sample_timescale(self._max_error_ns)
            await trio.sleep(_TIMESCALE_INTERVAL_S)


def _nobody(client: int, message: Message) -> None:
    raise LocalMisuse(f"{message.NAME} for application {client}: nobody serves applications yet")


def _ignore(event: EchoAnswered | EchoFailed) -> None:
    del event

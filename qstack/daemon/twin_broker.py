"""The twin's way to hosts on other machines, over a broker (TWIN-9).

A host is known by the topic on which it asks, and that the broker lets nobody else publish there. Each of its
attachments is an epoch, and a session of the twin.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
import trio

from qstack.base.errors import PeerViolation, WireError
from qstack.base.ids import Qna, format_qna
from qstack.base.time import DomainTime, Instant
from qstack.daemon.carriage import Carriage
from qstack.daemon.topics import ASK, HOST, TELL, Place, device_topic, place_of, topic
from qstack.daemon.twin_server import Outlet, TwinServer
from qstack.io.alarm import Alarm
from qstack.io.clock import now_ns
from qstack.io.mqtt import Arrived, BrokerAddress, MqttLine, Will
from qstack.wire.broker import Envelope, Presence
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Refused, Status
from qstack.wire.value import decode_message_untrusted

__all__ = ["TwinBroker"]

_FORMER_EPOCHS = 64
_NEVER = DomainTime(0)
_LIFE = 0xFFFFFFFF << 32


@dataclass(slots=True)
class _Epoch:
    """One attachment of a host: its numbers, and its session of the twin."""

    carriage: Carriage
    session: int = 0
    over: bool = False


@dataclass(slots=True)
class _Host:
    """A node's host: the epoch that is live, and those that have ended."""

    tell: str
    live: _Epoch | None = None
    former: deque[int] = field(default_factory=lambda: deque(maxlen=_FORMER_EPOCHS))


class TwinBroker:
    """Hosts of the nodes `nodes` behind a broker. `device`: the twin's name in topics."""

    def __init__(
        self, server: TwinServer, broker: BrokerAddress, device: str, nodes: frozenset[Qna], client_name: str,
        logger: structlog.stdlib.BoundLogger,
    ) -> None:  # fmt: skip
        self.malformed = 0
        self._server = server
        self._logger = logger
        self._hosts = {node: _Host(topic(device, node, TELL)) for node in nodes}
        self._alarm = Alarm()
        self._touched: set[Qna] = set()  # hosts for which something may be due
        self._due: dict[Qna, Instant] = {}
        self._presence = device_topic(device)
        gone = Presence(identity=server.twin.identity, here=0)
        self._line = MqttLine(
            broker, client_name, (topic(device, None, ASK), topic(device, None, HOST)),
            Will(self._presence, gone.encode(), retained=True),
            on_connected=self._connected, on_messages=self._take, on_trouble=self._trouble,
        )  # fmt: skip

    async def run(self) -> None:
        """Serve until cancelled; hosts then learn that the device is gone."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._repeat)
                await self._line.run()
        finally:
            self._alarm.close()

    # ---- what comes ----

    def _connected(self) -> None:
        here = Presence(identity=self._server.twin.identity, here=1)
        self._line.publish(self._presence, here.encode(), retained=True)
        self._flush(self._hosts)

    def _take(self, messages: list[Arrived]) -> None:
        for arrived in messages:
            place = place_of(arrived.topic)
            try:
                message = decode_message_untrusted(Protocol.BROKER, arrived.payload)
            except WireError:
                self.malformed += 1
                continue
            if place is None or place.node not in self._hosts:
                continue
            self._touched.add(place.node)
            if place.what == ASK and isinstance(message, Envelope):
                self._asked(place, message)
            elif place.what == HOST and isinstance(message, Presence) and not message.here:
                self._gone(place.node, message.identity)
        self._flush(self._touched)
        self._touched.clear()

    def _asked(self, place: Place, envelope: Envelope) -> None:
        host, now = self._hosts[place.node], now_ns()
        epoch = host.live
        if epoch is None or epoch.carriage.epoch != envelope.epoch:
            if envelope.epoch in host.former or not _begins(envelope):
                self._send_away(host, envelope.epoch)
                return
            epoch = self._begin(host, place.node, envelope.epoch)
        try:
            requests = epoch.carriage.receive(envelope, now)
        except PeerViolation:
            self._end(host)
            return
        if requests:
            self._server.take(epoch.session, requests)

    def _begin(self, host: _Host, node: Qna, number: int) -> _Epoch:
        former = host.live
        epoch = host.live = _Epoch(Carriage(number))

        def send(octets: bytes) -> bool:
            taken = epoch.carriage.send(octets, now_ns())
            self._wake(node)
            return taken

        def drop() -> None:
            epoch.over = True
            self._wake(node)

        epoch.session = self._server.open(Outlet(send, drop), frozenset((node,)))
        if former is not None:  # after the new one has its session: the twin tells the former that it is over
            self._forget(host, former)
        return epoch

    def _gone(self, node: Qna, life: int) -> None:
        host = self._hosts[node]
        if host.live is not None and host.live.carriage.epoch & _LIFE == life:
            self._logger.info("a host is gone", node=format_qna(node))
            self._end(host)

    def _end(self, host: _Host) -> None:
        former, host.live = host.live, None
        if former is not None:
            self._forget(host, former)

    def _forget(self, host: _Host, former: _Epoch) -> None:
        host.former.append(former.carriage.epoch)
        self._server.close(former.session)

    def _send_away(self, host: _Host, epoch: int) -> None:
        """TWIN-9.2-5"""
        refused = Refused(request_id=0, status=Status.NOT_ATTACHED, completed_at=_NEVER, deliver_at=_NEVER)
        envelope = Envelope(epoch=epoch, number=0, acknowledged=0, primitive=refused.encode())
        self._line.publish(host.tell, envelope.encode())

    # ---- what goes ----

    def _wake(self, node: Qna) -> None:
        """Something of a node's is to be published soon: when what has come is settled, or when the alarm rings."""
        if not self._touched:
            self._alarm.set(Instant(0))
        self._touched.add(node)

    def _flush(self, nodes: Iterable[Qna]) -> None:
        """Publish what is due of these, and set the alarm to when something is next."""
        now = now_ns()
        for node in nodes:
            host = self._hosts[node]
            self._due.pop(node, None)
            if host.live is None:
                continue
            for octets in host.live.carriage.outgoing(now):
                self._line.publish(host.tell, octets)
            if host.live.over or host.live.carriage.failed:
                self._end(host)
                continue
            deadline = host.live.carriage.next_deadline()
            if deadline is not None:
                self._due[node] = deadline
        self._alarm.set(min(self._due.values(), default=None))

    async def _repeat(self) -> None:
        while True:
            await self._alarm.wait()
            now = now_ns()
            due = self._touched | {node for node, deadline in self._due.items() if deadline <= now}
            self._touched.clear()
            self._flush(due)

    def _trouble(self, reason: str) -> None:
        if reason:
            self._logger.warning("no way to the broker", reason=reason)
        else:
            self._logger.info("connected to the broker", broker=str(self._line.broker))


def _begins(envelope: Envelope) -> bool:
    """Whether it is the first of an epoch."""
    return envelope.number == 1 and envelope.primitive[:1] == bytes((Attach.CODE,))

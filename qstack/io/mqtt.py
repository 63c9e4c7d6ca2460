"""A client of an MQTT 5 broker under trio: TLS with a certificate, connected again for ever, no thread but to connect.

paho-mqtt speaks the protocol; here its socket is waited for by the event loop, so a message is handed over as soon as
it has arrived. Publishing is a matter of the present: nothing is kept for a broker that is not there, because who
uses this repeats what must not be lost (`daemon.carriage`).

paho-mqtt is the extra `qstack[mqtt]` and is imported when a line is made.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import trio

from qstack.base.errors import LocalMisuse

__all__ = ["Arrived", "BrokerAddress", "MqttLine", "Will"]

_KEEPALIVE_S = 10
_CONNECT_TIMEOUT_S = 5.0
_SESSION_EXPIRY_S = 300  # TWIN-9.1-4
_MESSAGE_EXPIRY_S = 30
_WILL_DELAY_S = 5  # TWIN-9.3-1
_PAUSE_S = 0.1  # before the second attempt to connect; doubled with each
_LONGEST_PAUSE_S = 2.0
_MISC_INTERVAL_S = 1.0
_INFLIGHT = 1_000
_AT_LEAST_ONCE = 1


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, whom to believe that it is it, and who we are (PEM files)."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path

    def __str__(self) -> str:
        return f"mqtts://{self.host}:{self.port}"


class Will(NamedTuple):
    """What is published when this client ends, or is lost and does not come back."""

    topic: str
    payload: bytes
    retained: bool = False


class Arrived(NamedTuple):
    """A message of the broker."""

    topic: str
    payload: bytes


class MqttLine:
    """One client. Callbacks run in the event loop, never inside one another.

    `on_connected`: after each connection, when subscriptions are on their way. `on_messages`: what has arrived, in
    bursts. `on_trouble`: in words, once for each new reason; "" when a connection stands again.
    """

    def __init__(
        self, broker: BrokerAddress, name: str, filters: Sequence[str], will: Will, *,
        on_connected: Callable[[], None], on_messages: Callable[[list[Arrived]], None],
        on_trouble: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.broker = broker
        self.connected = False
        self._will = will
        self._filters = tuple(filters)
        self._on_connected = on_connected
        self._on_messages = on_messages
        self._on_trouble = on_trouble
        self._inbox: list[Arrived] = []
        self._announce = False
        self._trouble = "not connected yet"
        self._writing = trio.Event()
        self._client = _make_client(broker, name, will)
        self._expiring = _properties("PUBLISH", MessageExpiryInterval=_MESSAGE_EXPIRY_S)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._arrived
        self._client.on_publish = self._published
        self._client.on_socket_open = _set_no_delay
        self._client.on_socket_close = _notify_closing

    def publish(self, topic: str, payload: bytes, *, retained: bool = False) -> bool:
        """Publish now; False when there is no connection, and then nothing is kept."""
        if not self.connected:
            return False
        properties = None if retained else self._expiring
        self._client.publish(topic, payload, _AT_LEAST_ONCE, retained, properties)
        self._write_on()
        return True

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        pause_s = _PAUSE_S
        try:
            while True:
                if await self._connect():
                    pause_s = _PAUSE_S
                    await self._serve()
                self.connected = False
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            self._on_trouble = lambda reason: None  # that the connection ends now is as it should be
            if self.connected:
                self._client.publish(self._will.topic, self._will.payload, _AT_LEAST_ONCE, self._will.retained)
            self._client.disconnect()
            self._client.loop_write()
            self._client._sock_close()  # paho closes when the broker answers, and nobody waits for that
            self.connected = False

    async def _connect(self) -> bool:
        try:
            await trio.to_thread.run_sync(self._open, abandon_on_cancel=True)
        except (OSError, ValueError) as error:
            self._say(f"{self.broker}: {getattr(error, 'strerror', None) or error}")
            return False
        return True

    def _open(self) -> None:
        """In a thread: the name is looked up, and TLS shakes hands."""
        properties = _properties("CONNECT", SessionExpiryInterval=_SESSION_EXPIRY_S)
        if self._client.host:
            self._client.reconnect()
        else:
            self._client.connect(self.broker.host, self.broker.port, _KEEPALIVE_S, properties=properties)

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive)
            nursery.start_soon(self._write)
            await self._read()
            nursery.cancel_scope.cancel()

    async def _read(self) -> None:
        while (sock := self._client.socket()) is not None:
            try:
                await trio.lowlevel.wait_readable(sock)
            except trio.ClosedResourceError:
                return
            self._client.loop_read()
            while self._client.socket() is sock and sock.pending():  # decrypted already: the kernel would not wake us
                self._client.loop_read()
            self._hand_over()

    def _hand_over(self) -> None:
        """What callbacks of paho have left: outside of them messages are written without delay."""
        if self._announce:
            self._announce, self.connected = False, True
            self._say("")
            self._on_connected()
        if self._inbox:
            arrived, self._inbox = self._inbox, []
            self._on_messages(arrived)
        if self._client.want_write():
            self._client.loop_write()
            self._write_on()

    async def _write(self) -> None:
        """Send on what the kernel had no room for."""
        while True:
            await self._writing.wait()
            sock = self._client.socket()  # the one that there is now: meanwhile it may have been closed
            if sock is None:
                return
            try:
                await trio.lowlevel.wait_writable(sock)
            except trio.ClosedResourceError:
                return
            self._client.loop_write()
            if not self._client.want_write():
                self._writing = trio.Event()

    def _write_on(self) -> None:
        if self._client.want_write():
            self._writing.set()

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(_MISC_INTERVAL_S)
            self._client.loop_misc()
            self._write_on()

    # ---- called by paho, inside loop_read and loop_misc ----

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._say(f"{self.broker} does not let us in: {reason}")
            return
        for each in self._filters:
            client.subscribe(each, _AT_LEAST_ONCE)
        self._announce = True

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.connected = self._announce = False
        self._say(f"the connection to {self.broker} has ended: {reason}")

    def _arrived(self, client: Any, userdata: Any, message: Any) -> None:
        self._inbox.append(Arrived(message.topic, bytes(message.payload)))

    def _published(self, client: Any, userdata: Any, number: int, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._say(f"{self.broker} does not let us publish ({reason}): its access list must name our certificate's "
                      "common name")  # fmt: skip

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_trouble(trouble)


def _make_client(broker: BrokerAddress, name: str, will: Will) -> Any:
    try:
        from paho.mqtt import client as mqtt  # noqa: PLC0415 - an extra
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
    except ImportError as error:
        raise LocalMisuse("MQTT needs paho-mqtt: pip install 'qstack[mqtt]'") from error
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(_INFLIGHT)
    client.connect_timeout = _CONNECT_TIMEOUT_S
    try:
        client.tls_set(str(broker.ca), str(broker.certificate), str(broker.key), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    except (OSError, ValueError) as error:
        raise LocalMisuse(f"certificate {broker.certificate}, key {broker.key} or CA {broker.ca}: {error}") from error
    client.will_set(will.topic, will.payload, _AT_LEAST_ONCE, will.retained,
                    _properties("WILLMESSAGE", WillDelayInterval=_WILL_DELAY_S))  # fmt: skip
    return client


def _properties(packet: str, **values: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    made: Any = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _set_no_delay(client: Any, userdata: Any, sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _notify_closing(client: Any, userdata: Any, sock: socket.socket) -> None:
    """Wake whoever waits for it. In the thread that connects nobody does."""
    if trio.lowlevel.in_trio_run():
        trio.lowlevel.notify_closing(sock)

"""A broker's client that has no broker: what is said, and that nothing is kept."""

from __future__ import annotations

import gc
import socket
import sys
from pathlib import Path

import pytest
import trio

from qstack.base.errors import LocalMisuse
from qstack.io.mqtt import BrokerAddress, MqttLine, Will
from qstack.pki.files import init_ca, issue_service


@pytest.fixture
def address(tmp_path: Path) -> BrokerAddress:
    """Of a port at which nobody listens."""
    init_ca(tmp_path / "ca", 64512)
    issue_service(tmp_path / "ca", "client", tmp_path / "own")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = tmp_path / "own"
    return BrokerAddress("127.0.0.1", port, tmp_path / "ca/ca.pem", own / "service.pem", own / "service.key")


def line(address: BrokerAddress, troubles: list[str]) -> MqttLine:
    return MqttLine(address, "client", ("a/b",), Will("a/gone", b""), on_connected=lambda: None,
                    on_messages=lambda messages: None, on_trouble=troubles.append)  # fmt: skip


async def test_broker_that_is_not_there_is_told_once_and_tried_again(address: BrokerAddress) -> None:
    troubles: list[str] = []
    client = line(address, troubles)
    with trio.move_on_after(0.6):
        await client.run()
    assert len(troubles) == 1 and f"127.0.0.1:{address.port}" in troubles[0]
    assert not client.publish("a/b", b"nothing is kept for later")
    client._client._reset_sockets()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_broker_that_is_none_is_told(address: BrokerAddress) -> None:
    troubles: list[str] = []
    with socket.create_server(("127.0.0.1", address.port)) as server:
        client = line(address, troubles)

        async def serve() -> None:
            listener = trio.socket.from_stdlib_socket(server)
            server.setblocking(False)
            while True:
                connection, _ = await listener.accept()
                await connection.send(b"220 mail.example ESMTP\r\n" * 10)
                connection.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(client.run)
            with trio.fail_after(5):
                while not troubles:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert not client.connected
    client._client._reset_sockets()
    del client
    gc.collect()  # paho leaves the socket of a handshake that failed to the collector, which warns of it


def test_certificate_that_is_none_is_named(address: BrokerAddress, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    wrong = BrokerAddress(address.host, address.port, address.ca, tmp_path / "bad.pem", address.key)
    with pytest.raises(LocalMisuse, match=r"bad\.pem"):
        line(wrong, [])


def test_library_that_is_not_installed_is_said_with_the_remedy(
    address: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(LocalMisuse, match=r"pip install 'qstack\[mqtt\]'"):
        line(address, [])

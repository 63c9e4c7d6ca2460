"""A page over HTTP, asked by the standard library's client, by hand, and by those who mean no good."""

from __future__ import annotations

import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator, parse_locator
from qstack.io.pages import CONNECTIONS, Page, listen_for_pages, serve_pages

ANYWHERE = Locator(socket.inet_aton("127.0.0.1"), 0)


@asynccontextmanager
async def serving(made: list[int] | None = None) -> AsyncIterator[int]:
    """A page on a free port of the loopback."""
    count = made if made is not None else []

    def make() -> bytes:
        count.append(1)
        return b"figure %d\n" % len(count)

    listener = listen_for_pages(ANYWHERE)
    port: int = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_pages, listener, Page("/metrics", "text/plain; version=0.0.4", make))
        yield port
        nursery.cancel_scope.cancel()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str | None, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request(method, path)
    answer = client.getresponse()
    told = answer.status, answer.headers["Content-Type"], answer.read()
    client.close()
    return told


async def spoken(port: int, octets: bytes) -> bytes:
    """What comes back, to the end of the connection."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(octets)
        told = b""
        with suppress(trio.BrokenResourceError):  # closed while octets of ours were on their way
            while part := await stream.receive_some():
                told += part
    return told


async def test_page_is_made_anew_for_each_request_of_one_connection() -> None:
    def work(port: int) -> list[bytes]:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        pages = []
        for _ in range(3):
            client.request("GET", "/metrics?x=1")
            pages.append(client.getresponse().read())
        client.close()
        return pages

    async with serving() as port:
        assert await trio.to_thread.run_sync(work, port) == [b"figure 1\n", b"figure 2\n", b"figure 3\n"]
        told = await trio.to_thread.run_sync(ask, port, "/metrics")
        assert told == (200, "text/plain; version=0.0.4", b"figure 4\n")


@pytest.mark.parametrize(("path", "method", "status"), [
    ("/", "GET", 404), ("/metrics", "POST", 405), ("/metrics", "DELETE", 405), ("/metricsx", "GET", 404),
])  # fmt: skip
async def test_anything_else_is_refused(path: str, method: str, status: int) -> None:
    made: list[int] = []
    async with serving(made) as port:
        assert (await trio.to_thread.run_sync(ask, port, path, method))[0] == status
    assert not made


async def test_head_has_no_body() -> None:
    async with serving() as port:
        assert (await trio.to_thread.run_sync(ask, port, "/metrics", "HEAD"))[::2] == (200, b"")


@pytest.mark.parametrize("octets", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", b"GET /metrics\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000,
    b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"\r\n" * 5_000 + b"x\r\n\r\n",
])  # fmt: skip
async def test_bad_request_is_told_and_ends_its_connection_alone(octets: bytes) -> None:
    async with serving() as port:
        with trio.fail_after(5):
            told = await spoken(port, octets)
        assert told.startswith(b"HTTP/1.1 4") or (not told and len(octets) > 8_192)
        assert (await trio.to_thread.run_sync(ask, port, "/metrics"))[0] == 200


async def test_connection_that_says_nothing_ends(autojump_clock: trio.testing.MockClock) -> None:
    async with serving() as port:
        assert await spoken(port, b"GET /metr") == b""


async def test_connections_beyond_the_limit_are_closed_and_others_are_served_when_they_leave() -> None:
    async with serving() as port:
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(CONNECTIONS)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await spoken(port, b"") == b""
        await held.pop().aclose()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (await trio.to_thread.run_sync(ask, port, "/metrics"))[0] == 200
        for stream in held:
            await stream.aclose()


async def test_unix_socket_of_a_dead_process_is_replaced_and_of_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    listener = listen_for_pages(path)
    with pytest.raises(LocalMisuse, match="cannot serve metrics"):
        listen_for_pages(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_pages, listener, Page("/metrics", "text/plain", lambda: b"here\n"))
        stream = await trio.open_unix_socket(str(path))
        async with stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await stream.receive_some()).endswith(b"here\n")
        nursery.cancel_scope.cancel()


def test_address_of_another_host_is_refused_by_name() -> None:
    with pytest.raises(LocalMisuse, match=r"192\.0\.2\.1"):
        listen_for_pages(parse_locator("192.0.2.1:9460", 0))

"""A page over HTTP/1.1 (RFC 9112, by h11): for metrics that others fetch now and then.

Laws:

* Only `GET` and `HEAD` of one path are answered with the page; what cannot be read gets 400 and the connection ends.
* A connection has so long for each request, and so many octets for its head; there are so many connections at once, and
  one beyond is closed at once. Nobody who does not read, or does not ask, holds up anything else.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import h11
import trio

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator

__all__ = ["CONNECTIONS", "Page", "listen_for_pages", "serve_pages"]

CONNECTIONS = 32
_REQUEST_S = 10.0
_HEAD_OCTETS = 8_192
_READ_OCTETS = 4_096
_REQUESTS_A_CONNECTION = 1_000


class Page:
    """What is served: `make` gives it anew for each request."""

    def __init__(self, path: str, content_type: str, make: Callable[[], bytes]) -> None:
        self.path = path
        self.content_type = content_type
        self.make = make


def listen_for_pages(place: Locator | Path) -> trio.SocketListener:
    """Listen on a TCP address or at the path of a Unix socket. Raises `LocalMisuse`."""
    is_path = isinstance(place, Path)
    family = socket.AF_UNIX if is_path else socket.AF_INET6 if place.ip.version == 6 else socket.AF_INET  # type: ignore[union-attr]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if isinstance(place, Path):
            _remove_dead(place)
            sock.bind(str(place))
            place.chmod(0o666)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(place.ip), place.port))
        sock.listen(CONNECTIONS)
    except OSError as error:
        sock.close()
        raise LocalMisuse(f"cannot serve metrics at {place}: {error.strerror}") from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_dead(path: Path) -> None:
    """A socket at which nobody listens is one that a dead process left there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


async def serve_pages(listener: trio.SocketListener, page: Page) -> None:
    """Serve `page` until cancelled."""
    live = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal live
        async with stream:
            if live >= CONNECTIONS:
                return
            live += 1
            try:
                await _serve_connection(stream, page)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # it has gone
            finally:
                live -= 1

    await trio.serve_listeners(serve, [listener])


async def _serve_connection(stream: trio.SocketStream, page: Page) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_OCTETS)
    for _ in range(_REQUESTS_A_CONNECTION):
        with trio.move_on_after(_REQUEST_S) as scope:
            try:
                request = await _request(stream, connection)
                if request is None:
                    return
                await _answer(stream, connection, request, page)
            except h11.RemoteProtocolError as error:
                await _refuse(stream, connection, error.error_status_hint)
                return
        if scope.cancelled_caught or connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _request(stream: trio.SocketStream, connection: h11.Connection) -> h11.Request | None:
    """The head of the next request, its body read and thrown away; None at the end."""
    request: h11.Request | None = None
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(_READ_OCTETS))
            case h11.Request() as request:
                pass
            case h11.EndOfMessage():
                return request
            case h11.ConnectionClosed() | h11.PAUSED:
                return None


async def _answer(stream: trio.SocketStream, connection: h11.Connection, request: h11.Request, page: Page) -> None:
    if request.target.split(b"?")[0] != page.path.encode():
        await _send(stream, connection, request.method, 404, "text/plain", f"see {page.path}\n".encode())
    elif request.method not in (b"GET", b"HEAD"):
        await _send(stream, connection, request.method, 405, "text/plain", b"only GET\n", (("Allow", "GET, HEAD"),))
    else:
        await _send(stream, connection, request.method, 200, page.content_type, page.make())


async def _refuse(stream: trio.SocketStream, connection: h11.Connection, status: int) -> None:
    if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        with trio.move_on_after(_REQUEST_S):
            close = (("Connection", "close"),)
            await _send(stream, connection, b"GET", status, "text/plain", b"not understood\n", close)


async def _send(
    stream: trio.SocketStream, connection: h11.Connection, method: bytes, status: int, content_type: str, body: bytes,
    more: tuple[tuple[str, str], ...] = (),
) -> None:  # fmt: skip
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *more]
    octets = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    if method != b"HEAD":
        octets += connection.send(h11.Data(data=body)) or b""
    octets += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(octets)

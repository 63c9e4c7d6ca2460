"""Asking a daemon: one request line, its reply lines. Blocking, so that commands start quickly."""


from collections.abc import Iterator
from pathlib import Path

from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.control.replies import ErrorReply, Reply, decode_reply_untrusted
from qstack.control.requests import Request, encode_request
from qstack.io.framing import MAXIMUM_REPLY, Framing, Line, connect_blocking, encode_line

__all__ = ["ask", "ask_once"]

_READ_OCTETS = 1 << 16
_PATIENCE_S = 10.0


def ask(path: Path, request: Request, patience_s: float = _PATIENCE_S) -> Iterator[Reply]:
    """The replies to a request, as they come. Raises `LocalMisuse` when the daemon is not there or refuses.

    `patience_s`: longest silence that is borne.
    """
    framing = Framing(MAXIMUM_REPLY)
    with connect_blocking(path, patience_s) as sock:
        sock.sendall(encode_line(encode_request(request)))
        while True:
            found = framing.next()
            if isinstance(found, Line):
                reply = decode_reply_untrusted(found.text)
                if isinstance(reply, ErrorReply):
                    raise LocalMisuse(f"the daemon at {path} refuses: {reply.text}")
                yield reply
                if not reply.more:
                    return
                continue
            try:
                octets = sock.recv(_READ_OCTETS)
            except TimeoutError as error:
                raise ResourceLimit(f"the daemon at {path} has said nothing for {patience_s:g} s") from error
            if not octets:
                raise LocalMisuse(f"the daemon at {path} ended in the middle of its answer")
            framing.feed(octets)


def ask_once(path: Path, request: Request, patience_s: float = _PATIENCE_S) -> Reply:
    """The only reply to a request."""
    return next(ask(path, request, patience_s))



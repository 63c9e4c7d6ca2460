"""How octets of a control socket's stream divide into frames and lines, and a blocking client of it.

One Unix stream socket serves applications and operators. A frame is a 16-bit length (1..0x3FFF, big-endian) and that
many octets: one message of the control table. A line is a JSON object that ends with a newline. The first octet tells
the two apart: a length begins below 0x40, an object with `{` (0x7B).

Nothing here needs an event loop, so that commands start quickly.
"""

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from qstack.base.errors import LocalMisuse, WireError
from qstack.wire.control import MAXIMUM_FRAME

__all__ = ["MAXIMUM_LINE", "MAXIMUM_REPLY", "Credentials", "Frame", "Framing", "Line", "connect_blocking",
           "encode_frame", "encode_line", "unreachable"]  # fmt: skip

MAXIMUM_LINE = 1 << 16
"""Octets of a JSON request; replies are the daemon's and may be longer."""

MAXIMUM_REPLY = 1 << 24

_BRACE = 0x7B
_NEWLINE = b"\n"
_LENGTH_OCTETS = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is at the other end of a Unix socket, by the kernel's word (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A message of the control table, encoded."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A JSON object, encoded, without its newline."""

    text: bytes


def encode_frame(payload: bytes) -> bytes:
    """The octets of a frame. Raises `LocalMisuse` for an empty payload and for one that is too long."""
    if not 1 <= len(payload) <= MAXIMUM_FRAME:
        raise LocalMisuse(f"a control message of {len(payload)} octets: 1 to {MAXIMUM_FRAME} fit a frame")
    return len(payload).to_bytes(_LENGTH_OCTETS, "big") + payload


def encode_line(text: bytes) -> bytes:
    """The octets of a line."""
    assert text[:1] == b"{" and _NEWLINE not in text
    return text + _NEWLINE


class Framing:
    """Collects the octets of one direction of a connection. `maximum_line`: longest line that is believed."""

    def __init__(self, maximum_line: int = MAXIMUM_LINE) -> None:
        self._maximum_line = maximum_line
        self._octets = bytearray()
        self._searched = 0  # octets of the line at the front that are known to hold no newline

    @property
    def kind(self) -> type[Frame] | type[Line] | None:
        """What comes next; None as long as nothing of it is there."""
        if not self._octets:
            return None
        return Line if self._octets[0] == _BRACE else Frame

    @property
    def empty(self) -> bool:
        """Whether the stream may end here."""
        return not self._octets

    def feed(self, octets: bytes) -> None:
        """Take octets in."""
        self._octets += octets

    def next(self) -> Frame | Line | None:
        """The next frame or line; None when it is not whole yet. Raises `WireError`, after which the stream is lost."""
        kind = self.kind
        if kind is None:
            return None
        return self._next_line() if kind is Line else self._next_frame()

    def _next_line(self) -> Line | None:
        end = self._octets.find(_NEWLINE, self._searched)
        if (len(self._octets) if end < 0 else end) > self._maximum_line:
            raise WireError(self._maximum_line, "line", f"longer than {self._maximum_line} octets")
        if end < 0:
            self._searched = len(self._octets)
            return None
        return Line(self._take(end, 1))

    def _next_frame(self) -> Frame | None:
        if len(self._octets) < _LENGTH_OCTETS:
            return None
        length = int.from_bytes(self._octets[:_LENGTH_OCTETS], "big")
        if not 1 <= length <= MAXIMUM_FRAME:
            raise WireError(0, "length", f"{length} is not in 1..{MAXIMUM_FRAME}")
        if len(self._octets) < _LENGTH_OCTETS + length:
            return None
        del self._octets[:_LENGTH_OCTETS]
        return Frame(self._take(length, 0))

    def _take(self, length: int, behind: int) -> bytes:
        taken = bytes(self._octets[:length])
        del self._octets[: length + behind]
        self._searched = 0
        return taken


def connect_blocking(path: Path, timeout_s: float | None = None) -> socket.socket:
    """A connected blocking socket. Raises `LocalMisuse` naming the socket and what to do."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(str(path))
    except OSError as error:
        sock.close()
        raise unreachable(path, error) from error
    return sock


def unreachable(path: Path, error: OSError) -> LocalMisuse:
    """What to tell somebody who cannot connect to a daemon."""
    if isinstance(error, FileNotFoundError):
        return LocalMisuse(f"no daemon at {path}: start qstackd, or name its control socket (--socket, QSTACK_SOCKET)")
    if error.errno == errno.EPROTOTYPE or (path.exists() and not path.is_socket()):
        return LocalMisuse(f"{path} is no control socket of a daemon: name that one (--socket, QSTACK_SOCKET)")
    if isinstance(error, ConnectionRefusedError):
        return LocalMisuse(f"the daemon of {path} has gone and left its socket behind: start qstackd again")
    if isinstance(error, PermissionError):
        return LocalMisuse(f"you may not open {path}: ask for the group of the socket, or see [control] mode")
    return LocalMisuse(f"cannot connect to {path}: {error.strerror or error}")

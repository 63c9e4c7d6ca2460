"""An alarm at an absolute instant of CLOCK_MONOTONIC, by timerfd.

It is late by tens of microseconds, where the event loop's own timeouts are late by up to a millisecond (epoll counts
milliseconds).
"""

import ctypes
import ctypes.util
import os
import struct

import trio

from qstack.base.time import Instant

__all__ = ["Alarm"]

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_SECOND_NS = 1_000_000_000
_LIBC = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)


class Alarm:
    """One timer descriptor. `set` may be called at any time, also while somebody waits."""

    def __init__(self) -> None:
        self._fd = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._deadline_ns: Instant | None = None

    def set(self, deadline_ns: Instant | None) -> None:
        """Ring at `deadline_ns`, at once when it has passed; None: not at all."""
        if deadline_ns == self._deadline_ns:
            return
        self._deadline_ns = deadline_ns
        at = 0 if deadline_ns is None else max(1, deadline_ns)
        setting = struct.pack("qqqq", 0, 0, at // _SECOND_NS, at % _SECOND_NS)
        if _LIBC.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, setting, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    async def wait(self) -> None:
        """Until it rings."""
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            try:
                os.read(self._fd, 8)
            except BlockingIOError:
                continue  # moved to a later instant between waking and reading
            self._deadline_ns = None
            return

    def close(self) -> None:
        """Give the descriptor back."""
        trio.lowlevel.notify_closing(self._fd)
        os.close(self._fd)

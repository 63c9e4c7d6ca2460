"""The two clocks of the machine, read in one place.

`now_ns` is CLOCK_MONOTONIC: deadlines never jump. Domain time is TAI; until a clock protocol gives it, it is
sampled from CLOCK_REALTIME with a configured bound of its error.
"""

import time

from qstack.base.time import Instant, Timescale
from qstack.base.units import SECOND_NS

__all__ = ["TAI_MINUS_UTC_S", "now_ns", "sample_timescale", "unix_s"]

TAI_MINUS_UTC_S = 37
"""Since 1 January 2017 (IERS Bulletin C 52); no leap second has been announced since."""

_SAMPLES = 5


def now_ns() -> Instant:
    """The local monotonic clock."""
    return Instant(time.monotonic_ns())


def unix_s() -> int:
    """Unix UTC seconds: what certificates are dated in."""
    return int(time.time())


def sample_timescale(max_error_ns: int) -> Timescale:
    """Relate CLOCK_REALTIME to CLOCK_MONOTONIC by the tightest of a few samples."""
    best: tuple[int, int, int] | None = None
    for _ in range(_SAMPLES):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, real)
    assert best is not None
    width, local, real = best
    return Timescale(local, real + TAI_MINUS_UTC_S * SECOND_NS, 0, max_error_ns + width)

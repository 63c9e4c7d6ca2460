"""Deadlines by key: `Timers[K]`. The door to the compiled heap; its laws stand in `_cext/timers.pyx`."""

from qstack._cext.timers import Timers

__all__ = ["Timers"]

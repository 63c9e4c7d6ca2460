"""The replay window: `check` before a packet is opened, `commit` after it was authenticated.

The door to the compiled ring of bits; its laws stand in `_cext/window.pyx`.
"""

from typing import Final

from qstack._cext.window import ReplayWindow

__all__ = ["REPLAY_WINDOW_SIZE", "ReplayWindow"]

REPLAY_WINDOW_SIZE: Final = 8128
"""The default: (128 - 1) * 64 packet numbers, as in WireGuard."""

"""Which daemon is meant when none is named."""

import os
from pathlib import Path

from qstack.config.place import DEFAULT_CONTROL, SOCKET_VARIABLE

__all__ = ["default_socket"]


def default_socket() -> Path:
    """The control socket that QSTACK_SOCKET names, else that of the host's daemon."""
    return Path(os.environ.get(SOCKET_VARIABLE) or DEFAULT_CONTROL)

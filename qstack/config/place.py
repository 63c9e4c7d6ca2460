"""Where things are when nobody says otherwise."""

import os
from pathlib import Path

__all__ = ["DEFAULT_CONTROL", "SOCKET_VARIABLE", "default_socket"]

DEFAULT_CONTROL = "/run/qstack/qstackd.sock"
"""The control socket of a host's daemon."""

SOCKET_VARIABLE = "QSTACK_SOCKET"
"""Environment variable that names another one to commands and applications."""


def default_socket() -> Path:
    """The control socket that QSTACK_SOCKET names, else that of the host's daemon."""
    return Path(os.environ.get(SOCKET_VARIABLE) or DEFAULT_CONTROL)

"""Where things are when nobody says otherwise."""

__all__ = ["DEFAULT_CONTROL", "SOCKET_VARIABLE"]

DEFAULT_CONTROL = "/run/qstack/qstackd.sock"
"""The control socket of a host's daemon."""

SOCKET_VARIABLE = "QSTACK_SOCKET"
"""Environment variable that names another one to commands and applications."""

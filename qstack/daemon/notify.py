"""Telling the service manager (sd_notify(3)): a datagram to the socket that it names in the environment."""

import os
import socket

__all__ = ["notify"]


def notify(state: str) -> bool:
    """Send `READY=1`, `STATUS=...`, `STOPPING=1`, `RELOADING=1`; tell whether anybody was there to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.sendall(state.encode())
        except OSError:
            return False
    return True

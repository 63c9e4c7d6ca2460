"""Numbers of the namespaces in which messages are declared."""

from enum import IntEnum, unique

__all__ = ["UDP_PORT", "Protocol"]

UDP_PORT = 4560
"""Default port of the quantum packet header; configurable."""


@unique
class Protocol(IntEnum):
    """Values of the header's `next_protocol`; those above 63 never cross UDP."""

    NONE = 0  # no payload: the datagram only carries header TLVs
    HEADER = 1  # echo, errors
    SESSION = 2  # TLS flights
    QARP = 3
    LINK = 4
    CIRCUIT = 5
    UNIT = 6
    ROUTE = 7
    END = 8  # a message under the end seal
    PAYLOAD = 9  # a hybrid frame's classical payload (quantum datagram)
    EPR = 10  # sockets of applications on a link
    TWIN = 64  # device primitives, on Unix sockets
    CONTROL = 65  # applications to the daemon, on Unix sockets
    BROKER = 66  # device primitives in MQTT messages

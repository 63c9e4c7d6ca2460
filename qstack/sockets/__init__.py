"""What an application imports: service units by URN.

    import qstack.sockets as qs

    async with qs.open_node("/run/qstack/qstackd.sock") as node:
        unit = await node.open_unit([ENDPOINT, PEER, LIFECYCLE])
        key = await unit.key()

`qstack.sockets` is the trio form; `qstack.sockets.blocking` has the same verbs for programs without an event loop. Both
are thin: what is said and what it means is in `conversation`, which touches no socket.
"""

from qstack.sockets.conversation import ConnectionLost, RequestRefused, UnitFailed
from qstack.sockets.node import Node, Unit, open_node
from qstack.sockets.values import Key, MeasuredPair, Pair, Quality, UnitKind

__all__ = ["ConnectionLost", "Key", "MeasuredPair", "Node", "Pair", "Quality", "RequestRefused", "Unit", "UnitFailed",
           "UnitKind", "open_node"]  # fmt: skip

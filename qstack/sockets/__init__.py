"""What an application imports: service units by URN.

    import qstack.sockets as qs

    async with qs.open_node() as node:
        unit = await node.open_unit([ENDPOINT, PEER, LIFECYCLE])
        key = await unit.key()

`open_node` is for trio, `qstack.sockets.blocking` has the same verbs without an event loop, `qstackctl unit` is the
form for shells. All run the generators of `verbs` on the sans-IO `client`; `node` is the trio form,
`facts` what both forms tell of a unit, `values` what an application receives, `errors` what can go wrong.
"""

from qstack.sockets.errors import ConnectionLost, EndpointRefused, PairLost, RequestRefused, UnitFailed, UnitRefused
from qstack.sockets.node import Node, Pair, Unit, open_node
from qstack.sockets.values import Key, MeasuredPair, Quality, UnitKind

__all__ = ["ConnectionLost", "EndpointRefused", "Key", "MeasuredPair", "Node", "Pair", "PairLost", "Quality",
           "RequestRefused", "Unit", "UnitFailed", "UnitKind", "UnitRefused", "open_node"]  # fmt: skip

"""What an application imports: service units by URN, and EPR sockets on links.

    import qstack.sockets as qs

    async with qs.open_node() as node:
        unit = await node.open_unit([ENDPOINT, PEER, LIFECYCLE])
        key = await unit.key()

    socket = await node.open_epr_socket("64512.2", purpose=7)
    [qubit] = await socket.create_keep()

    line = await node.open_data_socket("64512.2", purpose=9)
    ways = await line.send(b"octets")

`open_node` is for trio, `qstack.sockets.blocking` has the same verbs without an event loop, `qstackctl unit` is the
form for shells. All run the generators of `verbs` on the sans-IO `client`; `node` is the trio form,
`facts` what both forms tell of a unit, `values` what an application receives, `errors` what can go wrong. Of EPR
sockets, `epr_core` is the sans-IO part, `epr_verbs` the verbs, `epr` the trio form and `epr_blocking` the other one,
`epr_facts` and `epr_values` as above; data sockets share the first, and have `data_verbs`, `data` and `data_blocking`.
"""

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.sockets.data import DataSocket
from qstack.sockets.data_verbs import DataWays
from qstack.sockets.epr import EprSocket, Qubit
from qstack.sockets.epr_values import EprMeasured, MeasuredQubit, RandomBasis
from qstack.sockets.errors import (
    ConnectionLost,
    DataLost,
    EndpointRefused,
    EprRequestFailed,
    PairLost,
    QubitLost,
    RemoteClosed,
    RequestRefused,
    SocketRefused,
    UnitFailed,
    UnitRefused,
)
from qstack.sockets.node import Node, Pair, Unit, open_node
from qstack.sockets.values import Key, MeasuredPair, Quality, UnitKind

__all__ = ["Basis", "BellIndex", "ConnectionLost", "DataLost", "DataSocket", "DataWays",
           "EndpointRefused", "EprMeasured", "EprRequestFailed", "EprSocket",
           "Gate", "Key", "MeasuredPair", "MeasuredQubit", "Node", "Pair", "PairLost", "Quality", "Qubit", "QubitLost",
           "RandomBasis", "RemoteClosed", "RequestRefused", "SocketRefused", "Unit", "UnitFailed", "UnitKind",
           "UnitRefused", "open_node"]  # fmt: skip

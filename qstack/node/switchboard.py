"""Which protocol serves which service: one table by which protocols, that never import one another, work together."""

from enum import Enum, unique

from qstack.base import services

__all__ = ["SERVED_BY", "Server"]


@unique
class Server(Enum):
    """The protocol machines of a node; NODE is the composition itself."""

    NODE = "node"
    HEADER = "header"
    HOP_SESSION = "hop session"
    END_SESSION = "end session"
    QARP = "qarp"
    LINK = "link"
    CIRCUIT = "circuit"
    UNIT = "unit"
    EPR = "epr"


SERVED_BY: dict[type, tuple[Server, ...]] = {
    services.PeerResolved: (Server.HOP_SESSION,),
    services.PeerUnresolved: (Server.NODE, Server.HEADER, Server.CIRCUIT),
    services.ProveClaim: (Server.HOP_SESSION,),
    services.ClaimProved: (Server.QARP,),
    services.ClaimRefuted: (Server.QARP,),
    # The composition comes first: exchanges begin and end before a protocol sends on them.
    services.PeerUp: (Server.NODE, Server.QARP, Server.LINK, Server.CIRCUIT, Server.UNIT, Server.EPR),
    services.PeerDown: (Server.NODE, Server.HEADER, Server.QARP, Server.LINK, Server.CIRCUIT, Server.UNIT, Server.EPR),
    services.PeerHeard: (Server.QARP,),
    services.PeerDoubted: (Server.END_SESSION,),
    services.DeviceGone: (Server.LINK, Server.EPR),
    services.DeviceReady: (Server.LINK, Server.EPR),
    services.ReserveLink: (Server.LINK,),
    services.LinkReserved: (Server.CIRCUIT,),
    services.LinkRefused: (Server.CIRCUIT,),
    services.ReleaseLink: (Server.LINK,),
    services.RequestPairs: (Server.LINK,),
    services.CancelPairs: (Server.LINK,),
    services.PairReady: (Server.CIRCUIT,),
    services.PairsFailed: (Server.CIRCUIT,),
    services.PairExpired: (Server.CIRCUIT,),
    services.QubitsFreed: (Server.LINK,),
    services.ListenPairs: (Server.LINK,),
    services.UnlistenPairs: (Server.LINK,),
    services.CreatePairs: (Server.LINK,),
    services.ListenData: (Server.LINK,),
    services.UnlistenData: (Server.LINK,),
    services.SendData: (Server.LINK,),
    services.DataSent: (Server.EPR,),
    services.DataFailed: (Server.EPR,),
    services.DataArrived: (Server.EPR,),
    services.CancelCreate: (Server.LINK,),
    services.CreateAccepted: (Server.EPR,),
    services.PairOk: (Server.EPR,),
    services.CreateFailed: (Server.EPR,),
    services.CreateDone: (Server.EPR,),
    services.PairsRevoked: (Server.EPR,),
    services.RequestCircuit: (Server.CIRCUIT,),
    services.CircuitReady: (Server.UNIT,),
    services.EndPairReady: (Server.UNIT,),
    services.CircuitFailed: (Server.UNIT,),
    services.CircuitClosed: (Server.UNIT,),
    services.ReleaseCircuit: (Server.CIRCUIT,),
}
"""`EnsurePeer` is not in it: whom it is for depends on its seal."""

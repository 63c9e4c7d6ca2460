"""Which protocol serves which service: one table by which protocols, that never import one another, work together."""

from enum import Enum, unique

from qstack.base import services

__all__ = ["SERVED_BY", "Room"]


@unique
class Room(Enum):
    """The protocol machines of a node; NODE is the composition itself."""

    NODE = "node"
    HEADER = "header"
    HOP_SESSION = "hop session"
    END_SESSION = "end session"
    QARP = "qarp"
    LINK = "link"
    CIRCUIT = "circuit"
    UNIT = "unit"


SERVED_BY: dict[type, tuple[Room, ...]] = {
    services.PeerResolved: (Room.HOP_SESSION,),
    services.PeerUnresolved: (Room.NODE, Room.HEADER, Room.CIRCUIT),
    services.ProveClaim: (Room.HOP_SESSION,),
    services.ClaimProved: (Room.QARP,),
    services.ClaimRefuted: (Room.QARP,),
    # The composition comes first: exchanges begin and end before a protocol sends on them.
    services.PeerUp: (Room.NODE, Room.QARP, Room.LINK, Room.CIRCUIT, Room.UNIT),
    services.PeerDown: (Room.NODE, Room.QARP, Room.LINK, Room.CIRCUIT, Room.UNIT),
    services.PeerHeard: (Room.QARP,),
    services.PeerDoubted: (Room.END_SESSION,),
    services.DeviceGone: (Room.LINK,),
    services.DeviceReady: (Room.LINK,),
    services.ReserveLink: (Room.LINK,),
    services.LinkReserved: (Room.CIRCUIT,),
    services.LinkRefused: (Room.CIRCUIT,),
    services.ReleaseLink: (Room.LINK,),
    services.RequestPairs: (Room.LINK,),
    services.CancelPairs: (Room.LINK,),
    services.PairReady: (Room.CIRCUIT,),
    services.PairsFailed: (Room.CIRCUIT,),
    services.PairExpired: (Room.CIRCUIT,),
    services.QubitsFreed: (Room.LINK,),
    services.RequestCircuit: (Room.CIRCUIT,),
    services.CircuitReady: (Room.UNIT,),
    services.EndPairReady: (Room.UNIT,),
    services.CircuitFailed: (Room.UNIT,),
    services.CircuitClosed: (Room.UNIT,),
    services.ReleaseCircuit: (Room.CIRCUIT,),
}
"""`EnsurePeer` is not in it: whom it is for depends on its seal."""

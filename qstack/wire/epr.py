"""Messages between two nodes on whose link applications share pairs: rfc_notes/epr.md.

They travel under the hop seal, in the same ordered flow as the link's messages: what was sent before one of them is
there before it.
"""

from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId
from qstack.wire.protocols import Protocol
from qstack.wire.schema import boolean, enum, items, reserved, u16, u32, u64
from qstack.wire.value import Message, Record

__all__ = ["MAXIMUM_FINISHED", "MAXIMUM_GIVEN_UP", "DataLives", "DataTaken", "GivenUp", "PairsGivenUp", "SocketClose",
           "SocketOpen"]  # fmt: skip

MAXIMUM_FINISHED = 64  # EPR-7
MAXIMUM_GIVEN_UP = 64  # EPR-7

_PURPOSE = "of the socket, 1..65535"
_LIFE = "sender's number of its socket"


class SocketOpen(Message, protocol=Protocol.EPR, code=1, reliable=True):
    """An application of the sender holds this purpose."""

    purpose: PurposeId = u16(_PURPOSE, req="EPR-4.1-1")
    life: int = u32(_LIFE, req="EPR-4.1-2")
    known: int = u32("receiver's number of its socket as the sender heard it last, 0: not heard", req="EPR-4.1-3",
                     default=0)  # fmt: skip


class SocketClose(Message, protocol=Protocol.EPR, code=2, reliable=True):
    """The sender's socket is no more."""

    purpose: PurposeId = u16(_PURPOSE, req="EPR-4.1-1")
    life: int = u32(_LIFE, req="EPR-4.1-2")
    reason: int = enum(8, ErrorCode, "why", req="EPR-4.2-1", default=0)
    finished: tuple[int, ...] = items(8, u32("request of the sender"), "requests of which the sender has all pairs, "
                                      "newest last", maximum=MAXIMUM_FINISHED, req="EPR-4.2-2", default=())  # fmt: skip
    served: tuple[int, ...] = items(8, u32("request of the receiver"), "requests of which the sender has all pairs, "
                                    "newest last", maximum=MAXIMUM_FINISHED, req="EPR-4.2-3", default=())  # fmt: skip


class GivenUp(Record):
    """A pair of which one half is no more, unmeasured."""

    create_id: int = u32("of the request", req="EPR-4.3-1")
    mine: int = boolean("the sender asked", req="EPR-4.3-1")
    _spare: int = reserved(7)
    sequence: int = u32("of the pair", req="EPR-4.3-1")


class PairsGivenUp(Message, protocol=Protocol.EPR, code=3, reliable=True):
    """The sender's halves of these pairs were emptied before anybody used them."""

    purpose: PurposeId = u16(_PURPOSE, req="EPR-4.1-1")
    pairs: tuple[GivenUp, ...] = items(8, GivenUp, "what is void", minimum=1, maximum=MAXIMUM_GIVEN_UP,
                                       req="EPR-4.3-1")  # fmt: skip


class DataTaken(Message, protocol=Protocol.EPR, code=4, reliable=True):
    """The sender's application has taken messages of a data socket: as many more may come."""

    purpose: PurposeId = u16(_PURPOSE, req="EPR-4.1-1")
    life: int = u32(_LIFE, req="EPR-4.1-2")
    known: int = u32("receiver's number of its socket", req="DATA-7.1-3")
    taken: int = u64("messages of this connection", req="DATA-7.1-3")


class DataLives(Record):
    """What stands before each message of a data socket: from which socket to which."""

    life: int = u32(_LIFE, req="DATA-7.1-2")
    known: int = u32("receiver's number of its socket", req="DATA-7.1-2")

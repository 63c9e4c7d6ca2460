"""Messages of key establishment: rfc_notes/session.md.

The first five carry a handshake and are outside the keys that it makes: between neighbours they are unsealed, between
ends they travel under the hop seals. The others are sealed with the keys of the epoch that they are about.
"""

from qstack.base.errors import ErrorCode
from qstack.base.ids import Epoch
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Form, enum, octets, prefixed, rest, u8, u16, u32, u64
from qstack.wire.value import Message, Tlv

__all__ = ["CHECK_OCTETS", "COOKIE_OCTETS", "MAXIMUM_FRAGMENT_OCTETS", "NONCE_OCTETS", "Abort", "Close",
           "CookieChallenge", "CookieTlv", "Established", "Flight", "FlightAck", "Initiate", "PaddingTlv", "Probe",
           "ProbeReply"]  # fmt: skip

CHECK_OCTETS = 8
NONCE_OCTETS = 16
COOKIE_OCTETS = 16
MAXIMUM_FRAGMENT_OCTETS = 1_200
"""No fragment of a flight is longer, whatever the path carries."""


class CookieTlv(Tlv, namespace=Protocol.SESSION, code=1):
    """Gives back a cookie: the initiator is where it says it is."""

    cookie: bytes = octets(COOKIE_OCTETS, "as it came in the CookieChallenge", req="SESSION-5.2-3")


class PaddingTlv(Tlv, namespace=Protocol.SESSION, code=2):
    """Fills a question up to the size of its answer."""

    filler: bytes = rest("zeros", req="SESSION-5.1-3", default=b"")


class Initiate(Message, protocol=Protocol.SESSION, code=1):
    """Begin a handshake; without a cookie: ask for one."""

    check: bytes = octets(CHECK_OCTETS, "over this message and the two QNAs", req="SESSION-5.1-1", default=bytes(8))
    initiator_epoch: Epoch = u32("name of the session at the initiator", req="SESSION-5.2-1", form=Form.HEX)
    nonce: bytes = octets(NONCE_OCTETS, "makes this attempt unlike all others", req="SESSION-5.2-2")
    offset: int = u16("of the fragment in the first flight", unit="octets", req="SESSION-5.4-2", default=0)
    total: int = u16("length of the first flight", unit="octets", req="SESSION-5.4-2", default=0)
    data: bytes = prefixed(16, "fragment of the first flight", maximum=MAXIMUM_FRAGMENT_OCTETS, req="SESSION-5.4-2",
                           default=b"")  # fmt: skip


class CookieChallenge(
    Message, protocol=Protocol.SESSION, code=2, answers=("Initiate",), matched_by=("initiator_epoch", "nonce")
):
    """Come again with this cookie. The responder keeps nothing."""

    check: bytes = octets(CHECK_OCTETS, "over this message and the two QNAs", req="SESSION-5.1-1", default=bytes(8))
    initiator_epoch: Epoch = u32("of the Initiate", req="SESSION-5.3-1", form=Form.HEX)
    nonce: bytes = octets(NONCE_OCTETS, "of the Initiate", req="SESSION-5.3-1")
    cookie: bytes = octets(COOKIE_OCTETS, "to be given back", req="SESSION-5.3-2")


class Flight(Message, protocol=Protocol.SESSION, code=3):
    """A fragment of a flight of the handshake; flight 0 travels in Initiate."""

    check: bytes = octets(CHECK_OCTETS, "over this message and the two QNAs", req="SESSION-5.1-1", default=bytes(8))
    receiver_epoch: Epoch = u32("name of the session at the receiver", req="SESSION-5.4-1", form=Form.HEX)
    sender_epoch: Epoch = u32("name of the session at the sender", req="SESSION-5.4-1", form=Form.HEX)
    flight: int = u8("number of the flight, odd from the responder", req="SESSION-5.4-3")
    offset: int = u16("of the fragment in its flight", unit="octets", req="SESSION-5.4-2")
    total: int = u16("length of the flight", unit="octets", req="SESSION-5.4-2")
    data: bytes = prefixed(16, "fragment", maximum=MAXIMUM_FRAGMENT_OCTETS, minimum=1, req="SESSION-5.4-2")


class FlightAck(Message, protocol=Protocol.SESSION, code=4):
    """A flight is not whole yet; goes on from `received`."""

    check: bytes = octets(CHECK_OCTETS, "over this message and the two QNAs", req="SESSION-5.1-1", default=bytes(8))
    receiver_epoch: Epoch = u32("name of the session at the receiver", req="SESSION-5.4-1", form=Form.HEX)
    sender_epoch: Epoch = u32("name of the session at the sender", req="SESSION-5.4-1", form=Form.HEX)
    flight: int = u8("number of the receiver's flight", req="SESSION-5.5-1")
    received: int = u16("octets that have arrived without a gap", unit="octets", req="SESSION-5.5-1")


class Abort(Message, protocol=Protocol.SESSION, code=5):
    """A handshake will not be completed. Unproved, so it never ends an epoch."""

    check: bytes = octets(CHECK_OCTETS, "over this message and the two QNAs", req="SESSION-5.1-1", default=bytes(8))
    receiver_epoch: Epoch = u32("name of the session at the receiver", req="SESSION-5.4-1", form=Form.HEX)
    sender_epoch: Epoch = u32("name of the session at the sender", req="SESSION-5.4-1", form=Form.HEX)
    reason: int = enum(8, ErrorCode, "why", req="SESSION-5.6-1")


class Established(Message, protocol=Protocol.SESSION, code=6):
    """The responder has the keys and believes the initiator; the first sealed message of an epoch."""


class Probe(Message, protocol=Protocol.SESSION, code=7):
    """Are you there, and do you receive here?"""

    token: int = u64("from chance", req="SESSION-5.8-1", form=Form.HEX)


class ProbeReply(Message, protocol=Protocol.SESSION, code=8, answers=("Probe",), matched_by=("token",)):
    """I am."""

    token: int = u64("of the probe", req="SESSION-5.8-1", form=Form.HEX)


class Close(Message, protocol=Protocol.SESSION, code=9):
    """The sender has erased the keys of this epoch."""

    reason: int = enum(8, ErrorCode, "why", req="SESSION-5.9-1", default=ErrorCode.UNSPECIFIED)

"""Messages of service units between their ends: rfc_notes/unit.md.

All travel under the end seal, so nobody between the ends can alter them; what tells outcomes or confirms a key is
encrypted as well.
"""

from enum import IntEnum, unique

from qstack.base.errors import ErrorCode
from qstack.base.time import DomainTime
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    Form,
    domain_time,
    enum,
    fidelity,
    items,
    octets,
    prefixed,
    text,
    u8,
    u16,
    u32,
    unsigned,
)  # fmt: skip
from qstack.wire.value import Message

__all__ = ["MAXIMUM_ENDPOINTS", "KeyConfirm", "KeyConfirmed", "Rounds", "UnitAccept", "UnitClose", "UnitDelivered",
           "UnitKind", "UnitRefuse", "UnitRequest"]  # fmt: skip

MAXIMUM_ENDPOINTS = 15


@unique
class UnitKind(IntEnum):
    """What the ends share at the end (MPA 5.3.1, 5.3.2)."""

    KEY = 1  # a bit string, measured and confirmed
    PAIRS = 2  # the entangled pairs themselves


class UnitRequest(Message, protocol=Protocol.UNIT, code=1, reliable=True):
    """Ask the node of the other endpoint to share a unit."""

    request: int = u32("asker's number of the unit", req="UNIT-4.1-1", form=Form.HEX)
    kind: int = enum(8, UnitKind, "what is shared", req="UNIT-4.1-2")
    tests: int = u8("one round in this many is a test, 0 for none", req="UNIT-4.1-3", default=0)
    pairs: int = u32("end-to-end pairs to be made", req="UNIT-4.1-4")
    min_fidelity: int = fidelity("of each pair", req="UNIT-4.1-5", default=0)
    deadline: DomainTime = domain_time("the unit is established by then or given up", req="UNIT-4.1-6")
    nonce: bytes = octets(16, "makes this establishment unlike all others", req="UNIT-4.1-7")
    urn: tuple[str, ...] = items(8, text(8, "URN", maximum=255, minimum=8), "the endpoints, then the lifecycle",
                                 maximum=MAXIMUM_ENDPOINTS + 1, minimum=3, req="UNIT-4.1-8")  # fmt: skip


class UnitAccept(
    Message, protocol=Protocol.UNIT, code=2, reliable=True, answers=("UnitRequest",), matched_by=("request",)
):
    """The endpoint is served here and the unit is wanted."""

    request: int = u32("of the request", req="UNIT-4.2-1", form=Form.HEX)
    nonce: bytes = octets(16, "of the answering end", req="UNIT-4.2-2")


class UnitRefuse(
    Message, protocol=Protocol.UNIT, code=3, reliable=True, answers=("UnitRequest",), matched_by=("request",)
):
    """No. Whether the endpoint does not exist or may not be known is not told apart."""

    request: int = u32("of the request", req="UNIT-4.2-1", form=Form.HEX)
    reason: int = enum(8, ErrorCode, "why", req="UNIT-4.2-3")


class Rounds(Message, protocol=Protocol.UNIT, code=4, reliable=True, confidential=True):
    """Which rounds an end has measured, and what it saw in those that are tests.

    `present` and `outcomes` are bit strings, most significant bit first: bit n of `present` says whether round
    `first + n` was measured; `outcomes` has one bit for each present test round, in order. Told by the head first; the
    tail answers with the rounds that both have.
    """

    request: int = u32("of the request", req="UNIT-4.3-1", form=Form.HEX)
    sender_is_head: int = unsigned(8, "1: told by the head, 0: answered by the tail", req="UNIT-4.3-1")
    first: int = u32("pair number of the first bit", req="UNIT-4.3-2")
    count: int = u16("bits of `present` that count", req="UNIT-4.3-2")
    present: bytes = prefixed(16, "rounds that were measured", maximum=512, req="UNIT-4.3-2")
    outcomes: bytes = prefixed(16, "outcomes of the test rounds", maximum=512, req="UNIT-4.3-3")


class KeyConfirm(Message, protocol=Protocol.UNIT, code=5, reliable=True, confidential=True):
    """Head to tail: a universal hash of the key under a one-time pad. Reveals nothing of the key."""

    request: int = u32("of the request", req="UNIT-4.4-1", form=Form.HEX)
    tag: bytes = octets(16, "hash of the key, padded", req="UNIT-4.4-2")


class KeyConfirmed(
    Message, protocol=Protocol.UNIT, code=6, reliable=True, confidential=True,
    answers=("KeyConfirm",), matched_by=("request",),
):  # fmt: skip
    """Tail to head: the tag was right, both hold the same key."""

    request: int = u32("of the request", req="UNIT-4.4-3", form=Form.HEX)


class UnitDelivered(Message, protocol=Protocol.UNIT, code=7, reliable=True):
    """Head to tail: the head has seen the confirmation, so the tail may call its own copy confirmed."""

    request: int = u32("of the request", req="UNIT-4.4-4", form=Form.HEX)


class UnitClose(Message, protocol=Protocol.UNIT, code=8, reliable=True):
    """Either end: the unit is over or given up."""

    request: int = u32("of the request", req="UNIT-4.5-1", form=Form.HEX)
    by_head: int = unsigned(8, "1: told by the head, 0: by the tail", req="UNIT-4.5-1")
    reason: int = enum(8, ErrorCode, "why", req="UNIT-4.5-1")

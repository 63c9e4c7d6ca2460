"""Errors, divided by blame.

Four concrete types, and one root that nobody raises:

* `WireError`: bytes that do not decode. Costs a counter, never more.
* `PeerViolation`: a peer sent something that decodes but that its state did not allow.
* `LocalMisuse`: our own user (application, operator, configuration) asked for what cannot be.
* `ResourceLimit`: nobody is guilty; a bound was reached and new work is refused.

The class carries the wire code with which the fault is told to a peer, so raising the right error is sending the
right code.
"""

from enum import IntEnum, unique
from typing import ClassVar

__all__ = ["ErrorCode", "LocalMisuse", "PeerViolation", "QstackError", "ResourceLimit", "WireError"]


@unique
class ErrorCode(IntEnum):
    """Reason codes shared by all protocols (header note, section 7)."""

    UNSPECIFIED = 0
    MALFORMED = 1  # bytes do not decode
    NOT_ALLOWED = 2  # decodes, but this state or this peer does not allow it
    UNKNOWN_PROTOCOL = 3
    UNKNOWN_MESSAGE = 4
    UNKNOWN_CRITICAL_TLV = 5
    HOP_LIMIT = 6
    NO_ROUTE = 7
    UNREACHABLE = 8  # a neighbour on the way does not answer
    NO_RESOURCES = 9  # memories, labels, link time, quota
    FIDELITY_UNATTAINABLE = 10
    TIMEOUT = 11
    POLICY = 12  # admission refused
    NO_ENDPOINT = 13  # nobody serves this URN, or the asker may not know (one code for both)
    EXPIRED = 14
    SESSION_LOST = 15
    CANCELLED = 16
    PAYLOAD_LOST = 17  # a hybrid frame whose header came too late
    TOO_BIG = 18
    CONFIRMATION_FAILED = 19  # two ends did not show that they hold the same key
    NO_TIME = 20  # it could be done in time, but not with the present load


class QstackError(Exception):
    """Root of all errors of qstack. Never raised itself."""

    code: ClassVar[ErrorCode] = ErrorCode.UNSPECIFIED


class WireError(QstackError):
    """Bytes that do not decode.

    `offset` is counted in octets from the start of what was given to the decoder; `field` is the name of the field
    in the wire table (or of the structure when no field was reached).
    """

    code = ErrorCode.MALFORMED

    def __init__(self, offset: int, field: str, reason: str) -> None:
        super().__init__(f"octet {offset}, {field}: {reason}")
        self.offset = offset
        self.field = field
        self.reason = reason


class _CodedError(QstackError):
    """An error whose wire code may be made more exact than that of its class."""

    def __init__(self, message: str, code: ErrorCode | None = None) -> None:
        super().__init__(message)
        self.reason: ErrorCode = type(self).code if code is None else code


class PeerViolation(_CodedError):
    """A peer did what its state does not allow. The event is refused and changes nothing."""

    code = ErrorCode.NOT_ALLOWED


class LocalMisuse(_CodedError):
    """Our own user asked for something that cannot be. The text says what, where and how to mend it."""

    code = ErrorCode.POLICY


class ResourceLimit(_CodedError):
    """A bound was reached: new work is refused, what was promised is kept."""

    code = ErrorCode.NO_RESOURCES

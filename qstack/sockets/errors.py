"""What can go wrong for an application, by blame.

`RequestRefused` and its kinds are `LocalMisuse`: the node did not do what was asked, its text says how to mend it, and
nothing has changed. The others are nobody's misuse.
"""

from collections.abc import Iterable
from typing import Any, Self

from qstack.base.errors import ErrorCode, LocalMisuse, QstackError
from qstack.base.ids import Qna, format_qna

__all__ = ["ConnectionLost", "DataLost", "EndpointRefused", "EprRequestFailed", "PairLost", "QubitLost", "RemoteClosed",
           "RequestRefused", "SocketRefused", "UnitFailed", "UnitRefused"]  # fmt: skip

_WHY = {
    ErrorCode.NO_ENDPOINT: "no application serves the endpoint there, or it is not for you to know",
    ErrorCode.SESSION_LOST: "the other node, or one on the way, has gone; open the unit again",
    ErrorCode.TIMEOUT: "not established in time; give it longer, or look at qstackctl links",
}
"""What a code says to people, where the node says no more than the code."""


class RequestRefused(LocalMisuse):
    """The node refused a request. `reason`: why, as a code; `text`: what, where, and how to mend it."""

    def __init__(self, reason: ErrorCode, text: str) -> None:
        super().__init__(f"{text or 'refused'} ({reason.name})", reason)
        self.text = text


class EndpointRefused(RequestRefused):
    """This application may not serve the endpoint."""


class UnitRefused(RequestRefused):
    """The node did not begin to establish the unit."""


class SocketRefused(RequestRefused):
    """The node did not open the EPR socket."""


class UnitFailed(QstackError):
    """A unit ended without its delivery; all that it held is released.

    `reason`: why, as a code; `text`: for people; `refused_by`: the node that refused, or the border that speaks for its
    domain, None where nobody did.
    """

    def __init__(self, reason: ErrorCode, text: str, refused_by: Qna | None) -> None:
        place = "" if refused_by is None else f", by {format_qna(refused_by)}"
        super().__init__(f"{text or _WHY.get(reason, 'unit failed')} ({reason.name}{place})")
        self.reason = reason
        self.text = text
        self.refused_by = refused_by


class PairLost(QstackError):
    """The device could not measure a pair any more."""

    code = ErrorCode.NO_RESOURCES


_WHY_NO_PAIRS = {
    ErrorCode.FIDELITY_UNATTAINABLE: "never on this link: such a fidelity, or so many pairs in that time",
    ErrorCode.TIMEOUT: "not all pairs came in time; give it longer, or look at qstackctl links",
    ErrorCode.NO_RESOURCES: "no memory or place in the queue is free; look at qstackctl memories",
    ErrorCode.NO_ENDPOINT: "nobody holds the purpose at the other end any more",
    ErrorCode.SESSION_LOST: "the other node has gone",
}


class EprRequestFailed(QstackError):
    """A request for pairs ended without all of them (EGP ERR).

    `reason`: why, as a code; `text`: for people; `delivered`: what came before and was not taken, still to be used.
    """

    def __init__(self, reason: ErrorCode, text: str) -> None:
        super().__init__(f"{text or _WHY_NO_PAIRS.get(reason, 'request failed')} ({reason.name})")
        self.reason = reason
        self.text = text
        self.delivered: list[Any] = []

    def holding(self, delivered: Iterable[Any]) -> Self:
        """The same error, with what came before."""
        self.delivered = list(delivered)
        return self


class RemoteClosed(QstackError):
    """The application at the other end of an EPR socket has closed it; the next one there makes a new connection."""

    code = ErrorCode.CANCELLED


class QubitLost(QstackError):
    """A qubit is no half of a pair any more: the pair was revoked (EGP EXPIRE), or the device has lost it."""

    code = ErrorCode.EXPIRED

    def __init__(self, text: str, reason: ErrorCode) -> None:
        super().__init__(f"{text} ({reason.name})")
        self.reason = reason


_WHY_NO_DATA = {
    ErrorCode.NO_ENDPOINT: "nobody takes data for this purpose at the other end",
    ErrorCode.NO_RESOURCES: "too many messages wait for this link",
    ErrorCode.SESSION_LOST: "the other node has gone; it may have the message",
}


class DataLost(QstackError):
    """A message was not sent, as far as is known; the other application may have it all the same.

    `reason`: why, as a code; `text`: for people.
    """

    def __init__(self, reason: ErrorCode, text: str) -> None:
        super().__init__(f"{text or _WHY_NO_DATA.get(reason, 'not sent')} ({reason.name})")
        self.reason = reason
        self.text = text


class ConnectionLost(QstackError):
    """The connection to the daemon is over, and with it all units that it carried."""

    code = ErrorCode.SESSION_LOST

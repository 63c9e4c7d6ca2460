"""The rules of a socket and of a request, as tables (rfc_notes/epr.md section 3)."""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["REQUEST", "SOCKET", "RequestEvent", "RequestState", "SocketEvent", "SocketState"]


@unique
class SocketState(Enum):
    """A purpose in the hands of an application."""

    WAITING = "waiting"
    CONNECTED = "connected"
    DRAINING = "draining"
    CLOSED = "closed"


@unique
class SocketEvent(Enum):
    """What happens to it."""

    HEARD = "SocketOpen"
    LEFT = "SocketClose"
    DRAINED = "drained, or drain_timeout"
    LOST = "PeerDown"
    FOUND = "PeerUp"
    CLOSED = "CloseEprSocket"


_S, _E = SocketState, SocketEvent
_OPEN = frozenset({_S.WAITING, _S.CONNECTED, _S.DRAINING})

SOCKET = TransitionTable("epr socket", (
    Row(_S.WAITING, _E.HEARD, "be_known", ("connect", "answer"), _S.CONNECTED),
    Row(_S.WAITING, _E.HEARD, "be_unknown", ("answer",), None),
    # Its close has been lost with its node: a new session would have told, a new life tells as well.
    Row(_S.CONNECTED, _E.HEARD, "meet_successor", ("abandon", "disconnect", "answer"), _S.WAITING),
    Row(_S.DRAINING, _E.HEARD, None, ("note_successor",), None),
    Row(_S.CONNECTED, _E.LEFT, "await_pairs", ("abandon", "drain"), _S.DRAINING),
    Row(_S.CONNECTED, _E.LEFT, "mean_it", ("abandon", "disconnect"), _S.WAITING),
    # A successor that came and went while pairs of the former one were awaited.
    Row(_S.DRAINING, _E.LEFT, None, ("forget_successor",), None),
    Row(_S.DRAINING, _E.DRAINED, "know_successor", ("abandon", "disconnect", "answer_successor"), _S.WAITING),
    Row(_S.DRAINING, _E.DRAINED, None, ("abandon", "disconnect"), _S.WAITING),
    Row(frozenset({_S.CONNECTED, _S.DRAINING}), _E.LOST, None, ("abandon", "disconnect"), _S.WAITING),
    Row(_S.WAITING, _E.FOUND, None, ("announce",), None),
    Row(_OPEN, _E.CLOSED, None, ("leave",), _S.CLOSED),
), {
    _E.HEARD: Blame.NOBODY, _E.LEFT: Blame.NOBODY, _E.DRAINED: Blame.NOBODY, _E.LOST: Blame.NOBODY,
    _E.FOUND: Blame.NOBODY, _E.CLOSED: Blame.LOCAL,
})  # fmt: skip


@unique
class RequestState(Enum):
    """A CreateEpr of an application of this node."""

    PENDING = "pending"
    ASKED = "asked"
    QUEUED = "queued"
    HELD = "held"
    OVER = "over"


@unique
class RequestEvent(Enum):
    """What happens to it."""

    CONNECTED = "connected"
    ACCEPTED = "CreateAccepted"
    PAIR = "PairOk"
    DONE = "CreateDone"
    FREED = "the last qubit is gone"
    FAILED = "CreateFailed"
    LEFT = "disconnected"
    CANCELLED = "CancelEpr"
    EXPIRED = "deadline"


_R, _F = RequestState, RequestEvent
_ON_LINK = frozenset({_R.ASKED, _R.QUEUED})
_LIVE = frozenset(_R) - {_R.OVER}

REQUEST = TransitionTable("epr request", (
    Row(_R.PENDING, _F.CONNECTED, None, ("ask",), _R.ASKED),
    Row(_R.ASKED, _F.ACCEPTED, None, ("tell_queued",), _R.QUEUED),
    Row(_ON_LINK, _F.PAIR, None, ("take",), None),
    Row(_ON_LINK, _F.DONE, "go_on_later", ("note_finished",), _R.HELD),
    Row(_ON_LINK, _F.DONE, "go_on_now", ("note_finished", "ask"), _R.ASKED),
    # Some of its pairs were given up at the other end before they came.
    Row(_ON_LINK, _F.DONE, "be_short", ("note_finished", "fail_short"), _R.OVER),
    Row(_ON_LINK, _F.DONE, None, ("note_finished", "tell_done"), _R.OVER),
    Row(_R.HELD, _F.FREED, None, ("ask",), _R.ASKED),
    Row(_ON_LINK, _F.FAILED, None, ("fail",), _R.OVER),
    Row(_ON_LINK, _F.LEFT, None, ("withdraw", "fail"), _R.OVER),
    Row(_R.HELD, _F.LEFT, None, ("fail",), _R.OVER),
    Row(_ON_LINK, _F.CANCELLED, None, ("withdraw", "fail"), _R.OVER),
    Row(frozenset({_R.PENDING, _R.HELD}), _F.CANCELLED, None, ("fail",), _R.OVER),
    Row(_ON_LINK, _F.EXPIRED, None, ("withdraw", "fail"), _R.OVER),
    Row(frozenset({_R.PENDING, _R.HELD}), _F.EXPIRED, None, ("fail",), _R.OVER),
), {event: Blame.NOBODY for event in RequestEvent})  # fmt: skip

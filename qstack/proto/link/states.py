"""The rules of the link layer as tables (rfc_notes/link.md section 3).

Three small machines: a request in the queue of one end, a window as an end sees it, a window as the station sees it.
They meet only in messages: a request never asks in which state its windows are.
"""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["MATCH", "REQUEST", "WINDOW", "MatchEvent", "MatchState", "RequestEvent", "RequestState", "WindowEvent",
           "WindowState"]  # fmt: skip


@unique
class RequestState(Enum):
    """A request in the queue of an end."""

    ASKED = "asked"  # the other end has not answered
    QUEUED = "queued"  # in both queues
    OVER = "over"


@unique
class RequestEvent(Enum):
    """What happens to a request."""

    ACKNOWLEDGED = "CreateAck"
    REJECTED = "CreateReject"
    HERALDED = "pairs"
    DONE = "all pairs told"
    REVOKED = "revoked"
    CANCELLED = "CancelPairs"
    CANCELLED_BY_PEER = "Cancel"
    EXPIRED = "deadline"
    LOST = "PeerDown"


_R, _E = RequestState, RequestEvent
_LIVE = frozenset({_R.ASKED, _R.QUEUED})

REQUEST = TransitionTable("link request", (
    Row(_R.ASKED, _E.ACKNOWLEDGED, None, ("enqueue",), _R.QUEUED),
    Row(_R.ASKED, _E.REJECTED, None, ("fail",), _R.OVER),
    Row(_R.QUEUED, _E.HERALDED, None, ("count",), None),
    Row(_R.QUEUED, _E.REVOKED, None, ("uncount",), None),
    Row(_R.QUEUED, _E.DONE, None, (), _R.OVER),
    Row(_LIVE, _E.CANCELLED, None, (), _R.OVER),
    Row(_LIVE, _E.CANCELLED_BY_PEER, None, ("fail",), _R.OVER),
    Row(_LIVE, _E.EXPIRED, None, ("fail",), _R.OVER),
    Row(_LIVE, _E.LOST, None, ("fail",), _R.OVER),
), {
    _E.ACKNOWLEDGED: Blame.PEER, _E.REJECTED: Blame.PEER, _E.HERALDED: Blame.NOBODY, _E.REVOKED: Blame.NOBODY,
    _E.DONE: Blame.NOBODY,
    _E.CANCELLED: Blame.NOBODY, _E.CANCELLED_BY_PEER: Blame.NOBODY, _E.EXPIRED: Blame.NOBODY, _E.LOST: Blame.NOBODY,
})  # fmt: skip


@unique
class WindowState(Enum):
    """A window as an end sees it."""

    PLANNED = "planned"  # announced; it takes no memory yet
    OFFERED = "offered"  # memories wait for its successes
    OVER = "over"


@unique
class WindowEvent(Enum):
    """What happens to it."""

    BEGINS = "offer_lead"  # it is about to begin
    REPLY = "Reply"
    REFUSED = "Refused"  # by the device
    UNANSWERED = "reply_timeout"
    VOIDED = "Reply to another"  # its request has been granted all that it is allowed
    EXPIRED_BY_PEER = "Expire"
    DROPPED = "label or peer gone"


_W, _V = WindowState, WindowEvent

WINDOW = TransitionTable("link window", (
    Row(_W.PLANNED, _V.BEGINS, "offer", ("offer",), _W.OFFERED),
    Row(_W.PLANNED, _V.BEGINS, None, ("pass_on",), _W.OVER),
    Row(_W.PLANNED, _V.REPLY, None, ("note_failure",), _W.OVER),
    Row(_W.PLANNED, _V.VOIDED, None, (), _W.OVER),
    Row(_W.PLANNED, _V.EXPIRED_BY_PEER, None, (), _W.OVER),
    Row(_W.PLANNED, _V.DROPPED, None, (), _W.OVER),
    Row(_W.OFFERED, _V.REPLY, "be_heralded", ("fill", "free_rest"), _W.OVER),
    Row(_W.OFFERED, _V.REPLY, None, ("note_failure", "release"), _W.OVER),
    Row(_W.OFFERED, _V.REFUSED, None, ("release",), _W.OVER),
    Row(_W.OFFERED, _V.UNANSWERED, None, ("tell_peer", "release"), _W.OVER),
    Row(_W.OFFERED, _V.VOIDED, None, ("release",), _W.OVER),
    Row(_W.OFFERED, _V.EXPIRED_BY_PEER, None, ("release",), _W.OVER),
    Row(_W.OFFERED, _V.DROPPED, None, ("release",), _W.OVER),
), {
    _V.BEGINS: Blame.NOBODY, _V.REPLY: Blame.NOBODY, _V.REFUSED: Blame.NOBODY, _V.UNANSWERED: Blame.NOBODY,
    _V.VOIDED: Blame.NOBODY, _V.EXPIRED_BY_PEER: Blame.NOBODY, _V.DROPPED: Blame.NOBODY,
})  # fmt: skip


@unique
class MatchState(Enum):
    """A window of which the station has heard."""

    WAITING = "waiting"  # for the other end's Gen
    AGREED = "agreed"  # both attempt; it has not begun
    HERALDING = "heralding"  # for the device
    OVER = "over"


@unique
class MatchEvent(Enum):
    """What happens to it."""

    GEN = "Gen"
    PASSED = "Pass"
    ALONE = "partner_timeout"
    BEGINS = "begins"
    HERALDS = "Heralds"
    REFUSED = "Refused"
    SILENT = "herald_timeout"
    EXHAUSTED = "granted all"
    LOST = "PeerDown"


_M, _G = MatchState, MatchEvent
_ALIVE = frozenset({_M.WAITING, _M.AGREED, _M.HERALDING})

MATCH = TransitionTable("link station", (
    Row(_M.WAITING, _G.GEN, "decline", ("answer_declined",), _M.OVER),
    Row(_M.WAITING, _G.GEN, "lack_other", ("wait_for_other",), None),
    Row(_M.WAITING, _G.GEN, "agree", ("wait_for_beginning",), _M.AGREED),
    Row(_M.WAITING, _G.GEN, None, ("answer_mismatch",), _M.OVER),
    Row(_M.WAITING, _G.ALONE, None, ("answer_alone",), _M.OVER),
    Row(_M.AGREED, _G.BEGINS, None, ("ask_device",), _M.HERALDING),
    Row(_M.HERALDING, _G.HERALDS, "be_complete", ("answer_heralds",), _M.OVER),
    Row(_M.HERALDING, _G.HERALDS, None, ("answer_failed",), _M.OVER),
    Row(_M.HERALDING, _G.REFUSED, None, ("answer_failed",), _M.OVER),
    Row(_M.HERALDING, _G.SILENT, None, ("answer_silent",), _M.OVER),
    Row(_ALIVE, _G.PASSED, None, ("answer_passed",), _M.OVER),
    Row(_ALIVE, _G.EXHAUSTED, None, (), _M.OVER),
    Row(_ALIVE, _G.LOST, None, (), _M.OVER),
), {
    _G.GEN: Blame.PEER, _G.PASSED: Blame.PEER, _G.ALONE: Blame.NOBODY, _G.BEGINS: Blame.NOBODY,
    _G.HERALDS: Blame.NOBODY, _G.REFUSED: Blame.NOBODY, _G.SILENT: Blame.NOBODY, _G.EXHAUSTED: Blame.NOBODY,
    _G.LOST: Blame.NOBODY,
})  # fmt: skip

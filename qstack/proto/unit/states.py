"""The rules of a unit at its two ends, as tables (rfc_notes/unit.md section 3)."""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["HEAD", "TAIL", "HeadEvent", "HeadState", "TailEvent", "TailState"]


@unique
class HeadState(Enum):
    """A unit at the node whose application asked for it."""

    REQUESTED = "requested"
    RESERVING = "reserving"
    MEASURING = "measuring"
    AGREEING = "agreeing"
    CONFIRMING = "confirming"
    SHARING = "sharing"
    OVER = "over"


@unique
class HeadEvent(Enum):
    """What happens to a unit at its head."""

    ACCEPTED = "UnitAccept"
    REFUSED = "UnitRefuse"
    RESERVED = "CircuitReady"
    NOT_RESERVED = "CircuitFailed"
    PAIR = "EndPairReady"
    MEASURED = "Measured"
    ROUNDS = "Rounds"
    CONFIRMED = "KeyConfirmed"
    CLOSED = "UnitClose"
    CANCELLED = "CloseUnit"
    CIRCUIT_CLOSED = "CircuitClosed"
    LOST = "PeerDown"
    EXPIRED = "deadline"


_H, _E = HeadState, HeadEvent
_HEAD_LIVE = frozenset(_H) - {_H.OVER}
_HEAD_OF_CIRCUIT = frozenset({_H.MEASURING, _H.AGREEING, _H.SHARING})  # a unit that cannot go on without it

HEAD = TransitionTable("unit head", (
    Row(_H.REQUESTED, _E.ACCEPTED, None, ("ask_circuit",), _H.RESERVING),
    Row(_H.REQUESTED, _E.REFUSED, None, ("fail",), _H.OVER),
    Row(_H.RESERVING, _E.RESERVED, "share_key", ("bind",), _H.MEASURING),
    Row(_H.RESERVING, _E.RESERVED, None, ("bind",), _H.SHARING),
    Row(_H.RESERVING, _E.NOT_RESERVED, None, ("close_peer", "fail"), _H.OVER),
    Row(_H.MEASURING, _E.PAIR, None, ("measure",), None),
    Row(_H.MEASURING, _E.MEASURED, "have_enough", ("keep", "tell_rounds"), _H.AGREEING),
    Row(_H.MEASURING, _E.MEASURED, None, ("keep",), None),
    Row(_H.AGREEING, _E.ROUNDS, "have_enough_in_common", ("release", "send_tag"), _H.CONFIRMING),
    Row(_H.AGREEING, _E.ROUNDS, None, ("release", "close_peer", "fail"), _H.OVER),
    Row(_H.CONFIRMING, _E.CONFIRMED, None, ("tell_delivered", "deliver"), _H.OVER),
    Row(_H.SHARING, _E.PAIR, None, ("hand_over",), None),
    Row(_H.SHARING, _E.MEASURED, None, ("tell_outcomes",), None),
    Row(_HEAD_OF_CIRCUIT, _E.CIRCUIT_CLOSED, None, ("release", "close_peer", "fail"), _H.OVER),
    Row(_HEAD_LIVE, _E.CLOSED, None, ("release", "fail"), _H.OVER),
    Row(_HEAD_LIVE, _E.CANCELLED, None, ("release", "close_peer"), _H.OVER),
    # The other end may have restarted: the old epoch's request is gone with the epoch, and there is a new one.
    Row(_H.REQUESTED, _E.LOST, "ask_again", ("ask_again",), None),
    Row(_HEAD_LIVE, _E.LOST, None, ("release", "fail"), _H.OVER),
    Row(_HEAD_LIVE, _E.EXPIRED, None, ("release", "close_peer", "fail"), _H.OVER),
), {
    _E.ACCEPTED: Blame.PEER, _E.REFUSED: Blame.PEER, _E.ROUNDS: Blame.PEER, _E.CONFIRMED: Blame.PEER,
    _E.CLOSED: Blame.NOBODY, _E.CANCELLED: Blame.LOCAL, _E.RESERVED: Blame.NOBODY, _E.NOT_RESERVED: Blame.NOBODY,
    _E.PAIR: Blame.NOBODY, _E.MEASURED: Blame.NOBODY, _E.CIRCUIT_CLOSED: Blame.NOBODY, _E.LOST: Blame.NOBODY,
    _E.EXPIRED: Blame.NOBODY,
})  # fmt: skip


@unique
class TailState(Enum):
    """A unit at the node of the other endpoint."""

    ACCEPTED = "accepted"
    MEASURING = "measuring"
    ANSWERING = "answering"
    VERIFYING = "verifying"
    CONFIRMED = "confirmed"
    SHARING = "sharing"
    OVER = "over"


@unique
class TailEvent(Enum):
    """What happens to a unit at its tail."""

    RESERVED = "CircuitReady"
    PAIR = "EndPairReady"
    MEASURED = "Measured"
    ROUNDS = "Rounds"
    WAITED = "rounds_timeout"
    TAG = "KeyConfirm"
    DELIVERED = "UnitDelivered"
    CLOSED = "UnitClose"
    CANCELLED = "CloseUnit"
    CIRCUIT_CLOSED = "CircuitClosed"
    LOST = "PeerDown"
    EXPIRED = "deadline"


_T, _F = TailState, TailEvent
_TAIL_LIVE = frozenset(_T) - {_T.OVER, _T.CONFIRMED}
_TAIL_OF_CIRCUIT = frozenset({_T.MEASURING, _T.ANSWERING, _T.SHARING})

TAIL = TransitionTable("unit tail", (
    Row(_T.ACCEPTED, _F.RESERVED, "share_key", ("bind",), _T.MEASURING),
    Row(_T.ACCEPTED, _F.RESERVED, None, ("bind",), _T.SHARING),
    Row(frozenset({_T.MEASURING, _T.ANSWERING}), _F.PAIR, None, ("measure",), None),
    Row(_T.MEASURING, _F.MEASURED, None, ("keep",), None),
    Row(_T.MEASURING, _F.ROUNDS, "have_all", ("note_rounds", "answer_rounds"), _T.VERIFYING),
    Row(_T.MEASURING, _F.ROUNDS, None, ("note_rounds", "wait_for_rounds"), _T.ANSWERING),
    Row(_T.ANSWERING, _F.MEASURED, "complete_rounds", ("keep", "answer_rounds"), _T.VERIFYING),
    Row(_T.ANSWERING, _F.MEASURED, None, ("keep",), None),
    Row(_T.ANSWERING, _F.WAITED, None, ("answer_rounds",), _T.VERIFYING),
    Row(_T.VERIFYING, _F.TAG, "find_tag_right", ("send_confirmed",), _T.CONFIRMED),
    Row(_T.VERIFYING, _F.TAG, None, ("release", "close_peer", "fail"), _T.OVER),
    Row(_T.CONFIRMED, _F.DELIVERED, None, ("release", "deliver_confirmed"), _T.OVER),
    Row(_T.CONFIRMED, _F.CLOSED, None, ("release", "deliver_unconfirmed"), _T.OVER),
    Row(_T.CONFIRMED, _F.CANCELLED, None, ("release", "deliver_unconfirmed"), _T.OVER),
    Row(_T.CONFIRMED, _F.LOST, None, ("release", "deliver_unconfirmed"), _T.OVER),
    Row(_T.CONFIRMED, _F.EXPIRED, None, ("release", "deliver_unconfirmed"), _T.OVER),
    Row(_T.SHARING, _F.PAIR, None, ("hand_over",), None),
    Row(_T.SHARING, _F.MEASURED, None, ("tell_outcomes",), None),
    Row(_TAIL_OF_CIRCUIT, _F.CIRCUIT_CLOSED, None, ("release", "close_peer", "fail"), _T.OVER),
    Row(_TAIL_LIVE, _F.CLOSED, None, ("release", "fail"), _T.OVER),
    Row(_TAIL_LIVE, _F.CANCELLED, None, ("release", "close_peer"), _T.OVER),
    Row(_TAIL_LIVE, _F.LOST, None, ("release", "fail"), _T.OVER),
    Row(_TAIL_LIVE, _F.EXPIRED, None, ("release", "close_peer", "fail"), _T.OVER),
), {
    _F.ROUNDS: Blame.PEER, _F.TAG: Blame.PEER, _F.DELIVERED: Blame.PEER, _F.CLOSED: Blame.NOBODY,
    _F.CANCELLED: Blame.LOCAL, _F.RESERVED: Blame.NOBODY, _F.PAIR: Blame.NOBODY, _F.MEASURED: Blame.NOBODY,
    _F.WAITED: Blame.NOBODY, _F.CIRCUIT_CLOSED: Blame.NOBODY, _F.LOST: Blame.NOBODY, _F.EXPIRED: Blame.NOBODY,
})  # fmt: skip

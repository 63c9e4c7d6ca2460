"""The rules of a circuit at its head, at its repeaters and at its tail, as tables (rfc_notes/circuit.md section 3).

"Above" is towards the head, "below" towards the tail. What happens to pairs is not in here: `tracking` follows them,
and only while the circuit is OPEN.
"""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["HEAD", "REPEATER", "TAIL", "CircuitEvent", "CircuitState", "TailState"]


@unique
class CircuitState(Enum):
    """A circuit at one node."""

    CHECKING = "checking"  # whether this node's own links have room; they answer in the same turn, or the next
    ASKING = "asking"  # the rest of the way
    OPEN = "open"
    OVER = "over"


@unique
class TailState(Enum):
    """A circuit at its tail, which has nobody to ask."""

    CHECKING = "checking"
    OPEN = "open"
    OVER = "over"


@unique
class CircuitEvent(Enum):
    """What happens to a circuit at one node."""

    KEPT = "LinkReserved"
    NOT_KEPT = "LinkRefused"
    RESERVED = "Reserved"
    REFUSED = "Refused"
    UNANSWERED = "setup_timeout"
    RELEASED_ABOVE = "Release from above"
    RELEASED_BELOW = "Release from below"
    LOST_ABOVE = "PeerDown above"
    LOST_BELOW = "PeerDown below"
    CANCELLED = "ReleaseCircuit"
    BROKEN = "PairsFailed"
    EXPIRED = "deadline"


_S, _E = CircuitState, CircuitEvent
_BLAME = {event: Blame.NOBODY for event in _E} | {
    _E.RESERVED: Blame.PEER, _E.REFUSED: Blame.PEER, _E.RELEASED_ABOVE: Blame.PEER, _E.RELEASED_BELOW: Blame.PEER,
    _E.CANCELLED: Blame.LOCAL,
}  # fmt: skip

HEAD = TransitionTable("circuit head", (
    Row(_S.CHECKING, _E.KEPT, "fall_short", ("give_back", "tell_short"), _S.OVER),
    Row(_S.CHECKING, _E.KEPT, None, ("note_kept", "ask_downstream"), _S.ASKING),
    Row(_S.CHECKING, _E.NOT_KEPT, None, ("give_back", "tell_failed"), _S.OVER),
    Row(_S.CHECKING, _E.LOST_BELOW, None, ("give_back", "tell_failed"), _S.OVER),
    Row(_S.CHECKING, _E.EXPIRED, None, ("give_back", "tell_failed"), _S.OVER),
    Row(_S.ASKING, _E.RESERVED, None, ("bind", "tell_ready", "ask_pairs"), _S.OPEN),
    Row(_S.ASKING, _E.REFUSED, None, ("give_back", "tell_failed"), _S.OVER),
    Row(_S.ASKING, _E.UNANSWERED, None, ("release_below", "give_back", "tell_failed"), _S.OVER),
    Row(_S.ASKING, _E.EXPIRED, None, ("release_below", "give_back", "tell_failed"), _S.OVER),
    Row(_S.ASKING, _E.LOST_BELOW, None, ("give_back", "tell_failed"), _S.OVER),
    Row(_S.OPEN, _E.RELEASED_BELOW, None, ("give_back", "tell_closed"), _S.OVER),
    Row(_S.OPEN, _E.LOST_BELOW, None, ("give_back", "tell_closed"), _S.OVER),
    Row(_S.OPEN, _E.CANCELLED, None, ("release_below", "give_back", "tell_closed"), _S.OVER),
    Row(_S.OPEN, _E.BROKEN, None, ("release_below", "give_back", "tell_closed"), _S.OVER),
    Row(_S.OPEN, _E.EXPIRED, None, ("release_below", "give_back", "tell_closed"), _S.OVER),
), _BLAME)  # fmt: skip

REPEATER = TransitionTable("circuit repeater", (
    Row(_S.CHECKING, _E.KEPT, "fall_short", ("give_back", "refuse_short"), _S.OVER),
    Row(_S.CHECKING, _E.KEPT, "have_both", ("note_kept", "ask_downstream"), _S.ASKING),
    Row(_S.CHECKING, _E.KEPT, None, ("note_kept",), None),
    Row(_S.CHECKING, _E.NOT_KEPT, None, ("give_back", "refuse_above"), _S.OVER),
    Row(_S.CHECKING, _E.LOST_BELOW, None, ("give_back", "refuse_above"), _S.OVER),
    Row(_S.CHECKING, _E.EXPIRED, None, ("give_back", "refuse_above"), _S.OVER),
    Row(_S.CHECKING, _E.RELEASED_ABOVE, None, ("give_back",), _S.OVER),
    Row(_S.CHECKING, _E.LOST_ABOVE, None, ("give_back",), _S.OVER),
    Row(_S.ASKING, _E.RESERVED, None, ("bind", "answer_above", "ask_pairs"), _S.OPEN),
    Row(_S.ASKING, _E.REFUSED, None, ("give_back", "refuse_above"), _S.OVER),
    Row(_S.ASKING, _E.UNANSWERED, None, ("release_below", "give_back", "refuse_above"), _S.OVER),
    Row(_S.ASKING, _E.EXPIRED, None, ("release_below", "give_back", "refuse_above"), _S.OVER),
    Row(_S.ASKING, _E.LOST_BELOW, None, ("give_back", "refuse_above"), _S.OVER),
    Row(frozenset({_S.ASKING, _S.OPEN}), _E.RELEASED_ABOVE, None, ("release_below", "give_back"), _S.OVER),
    Row(frozenset({_S.ASKING, _S.OPEN}), _E.LOST_ABOVE, None, ("release_below", "give_back"), _S.OVER),
    Row(_S.OPEN, _E.RELEASED_BELOW, None, ("release_above", "give_back"), _S.OVER),
    Row(_S.OPEN, _E.LOST_BELOW, None, ("release_above", "give_back"), _S.OVER),
    Row(_S.OPEN, _E.BROKEN, None, ("release_above", "release_below", "give_back"), _S.OVER),
    Row(_S.OPEN, _E.EXPIRED, None, ("release_above", "release_below", "give_back"), _S.OVER),
), _BLAME)  # fmt: skip

_T = TailState

TAIL = TransitionTable("circuit tail", (
    Row(_T.CHECKING, _E.KEPT, None, ("note_kept", "answer_above", "tell_ready"), _T.OPEN),
    Row(_T.CHECKING, _E.NOT_KEPT, None, ("give_back", "refuse_above"), _T.OVER),
    Row(_T.CHECKING, _E.EXPIRED, None, ("give_back", "refuse_above"), _T.OVER),
    Row(_T.CHECKING, _E.RELEASED_ABOVE, None, ("give_back",), _T.OVER),
    Row(_T.CHECKING, _E.LOST_ABOVE, None, ("give_back",), _T.OVER),
    Row(_T.OPEN, _E.RELEASED_ABOVE, None, ("give_back", "tell_closed"), _T.OVER),
    Row(_T.OPEN, _E.LOST_ABOVE, None, ("give_back", "tell_closed"), _T.OVER),
    Row(_T.OPEN, _E.CANCELLED, None, ("release_above", "give_back", "tell_closed"), _T.OVER),
    Row(_T.OPEN, _E.BROKEN, None, ("release_above", "give_back", "tell_closed"), _T.OVER),
    Row(_T.OPEN, _E.EXPIRED, None, ("release_above", "give_back", "tell_closed"), _T.OVER),
), _BLAME)  # fmt: skip

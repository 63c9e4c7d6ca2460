"""The rules of address resolution as tables (rfc_notes/qarp.md sections 3, 5 and 6).

Laws
----
1. Every event a neighbour can meet comes from this node: its wishes, its timers, what `session` has proved, or a hint
   that has passed its checks. None of them can be a peer's violation, so nothing here raises.
2. REACHABLE and PROBE imply that a hop session is up. A hint alone never leads from one state to another.
3. UNREACHABLE is also where an entry without a locator begins; it has no timer, and neither has STALE. An own address
   that is HELD has one only after a defence.
"""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["NEIGHBOUR", "OWN_ADDRESS", "AddressEvent", "AddressState", "NeighbourEvent", "NeighbourState"]


@unique
class NeighbourState(Enum):
    """What is known of a neighbour (RFC 4861 section 7.3.2; UNREACHABLE: RFC 7048)."""

    UNREACHABLE = "unreachable"
    INCOMPLETE = "incomplete"
    REACHABLE = "reachable"
    STALE = "stale"
    DELAY = "delay"
    PROBE = "probe"


@unique
class NeighbourEvent(Enum):
    """What happens to a neighbour."""

    WANTED = "EnsurePeer"
    PROVED = "ClaimProved or PeerUp"
    HEARD = "sealed datagram from its locator"
    HINTED = "hint"
    REFUTED = "ClaimRefuted"
    LOST = "PeerDown"
    EXPIRED = "deadline"


_S, _E = NeighbourState, NeighbourEvent
_KNOWN = frozenset({_S.REACHABLE, _S.STALE, _S.DELAY, _S.PROBE})

NEIGHBOUR = TransitionTable("qarp neighbour", (
    Row(_S.UNREACHABLE, _E.WANTED, None, ("search",), _S.INCOMPLETE),
    Row(_S.INCOMPLETE, _E.WANTED, None, (), None),
    Row(_S.STALE, _E.WANTED, None, ("resolve", "await_confirmation"), _S.DELAY),
    Row(frozenset({_S.REACHABLE, _S.DELAY, _S.PROBE}), _E.WANTED, None, ("resolve",), None),

    Row(_S.INCOMPLETE, _E.PROVED, None, ("adopt", "resolve"), _S.REACHABLE),
    Row(_KNOWN | {_S.UNREACHABLE}, _E.PROVED, None, ("adopt",), _S.REACHABLE),

    Row(_S.INCOMPLETE, _E.HEARD, "be_connected", ("confirm", "resolve"), _S.REACHABLE),
    Row(frozenset(_S) - {_S.INCOMPLETE}, _E.HEARD, "be_connected", ("confirm",), _S.REACHABLE),

    Row(_KNOWN | {_S.UNREACHABLE}, _E.HINTED, "have_moved", ("keep_hint", "follow"), None),
    Row(_S.UNREACHABLE, _E.HINTED, None, ("forgive",), None),
    Row(_S.INCOMPLETE, _E.HINTED, None, ("keep_hint", "hasten", "prove"), None),
    Row(frozenset({_S.REACHABLE, _S.DELAY}), _E.HINTED, "doubt", ("keep_hint", "doubt"), None),
    Row(_KNOWN, _E.HINTED, "be_elsewhere", ("keep_hint",), None),
    Row(_KNOWN, _E.HINTED, None, (), None),

    Row(_S.INCOMPLETE, _E.REFUTED, None, ("prove",), None),
    Row(_S.DELAY, _E.REFUTED, "have_failed", ("search",), _S.INCOMPLETE),

    Row(frozenset({_S.REACHABLE, _S.PROBE}), _E.LOST, None, ("disconnect", "rest"), _S.STALE),
    Row(_S.DELAY, _E.LOST, "be_connected", ("disconnect", "rest"), _S.STALE),
    Row(_S.DELAY, _E.LOST, None, ("search",), _S.INCOMPLETE),
    Row(frozenset({_S.UNREACHABLE, _S.INCOMPLETE, _S.STALE}), _E.LOST, None, ("disconnect",), None),

    Row(_S.INCOMPLETE, _E.EXPIRED, "ask_again", ("ask_all", "prove"), None),
    Row(_S.INCOMPLETE, _E.EXPIRED, "be_proving", ("wait", "prove"), None),
    Row(_S.INCOMPLETE, _E.EXPIRED, None, ("give_up",), _S.UNREACHABLE),
    Row(_S.REACHABLE, _E.EXPIRED, "have_heard", ("linger",), None),
    Row(_S.REACHABLE, _E.EXPIRED, "be_doubtful", ("ask_peer",), _S.PROBE),
    Row(_S.REACHABLE, _E.EXPIRED, None, ("rest",), _S.STALE),
    Row(_S.DELAY, _E.EXPIRED, "be_connected", ("ask_peer",), _S.PROBE),
    Row(_S.DELAY, _E.EXPIRED, None, ("search",), _S.INCOMPLETE),
    Row(_S.PROBE, _E.EXPIRED, "probe_again", ("ask_peer",), None),
    Row(_S.PROBE, _E.EXPIRED, None, ("search",), _S.INCOMPLETE),
), dict.fromkeys(NeighbourEvent, Blame.NOBODY))  # fmt: skip


@unique
class AddressState(Enum):
    """How firmly this node holds its own address (RFC 5227 section 2)."""

    PROBING = "probing"
    ANNOUNCING = "announcing"
    HELD = "held"
    CEASED = "ceased"


@unique
class AddressEvent(Enum):
    """What happens to the own address."""

    CONFLICT = "a rival is proved"
    EXPIRED = "deadline"


_A, _F = AddressState, AddressEvent

OWN_ADDRESS = TransitionTable("qarp own address", (
    Row(_A.PROBING, _F.EXPIRED, "probe_again", ("probe",), None),
    Row(_A.PROBING, _F.EXPIRED, None, ("announce",), _A.ANNOUNCING),
    Row(_A.ANNOUNCING, _F.EXPIRED, "announce_again", ("announce",), None),
    Row(_A.ANNOUNCING, _F.EXPIRED, None, ("settle",), _A.HELD),
    Row(_A.HELD, _F.EXPIRED, None, ("settle",), None),
    Row(_A.PROBING, _F.CONFLICT, None, ("count_conflict", "cease"), _A.CEASED),
    Row(frozenset({_A.ANNOUNCING, _A.HELD}), _F.CONFLICT, "defend", ("count_conflict", "defend"), None),
    Row(frozenset({_A.ANNOUNCING, _A.HELD}), _F.CONFLICT, None, ("count_conflict", "cease"), _A.CEASED),
    Row(_A.CEASED, _F.CONFLICT, None, ("count_conflict",), None),
    Row(_A.CEASED, _F.EXPIRED, None, ("start_over",), _A.PROBING),
), dict.fromkeys(AddressEvent, Blame.NOBODY))  # fmt: skip

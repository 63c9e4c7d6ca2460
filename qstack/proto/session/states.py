"""The rules of one session: an attempt or a half-open session, and the epoch that it becomes (session note, section 3).

    initiator:  ASKING -> OFFERING -> CONFIRMING -+
                                                  +-> ESTABLISHED <-> SUSPECT -> CLOSED
    responder:               GATHERING -----------+

What `PROVED` and `RIVAL` are decided by is the handshake: the machine looks at it after a fragment and fires them.
Nobody is to blame for what comes unsealed, so what has no row is dropped.
"""

from enum import Enum, unique

from qstack.machine.table import Blame, Row, TransitionTable

__all__ = ["ATTEMPTING", "LIVE", "SESSIONS", "SessionEvent", "SessionState"]


@unique
class SessionState(Enum):
    """Where a session stands."""

    ASKING = "asking"  # initiator: for a cookie
    OFFERING = "offering"  # initiator: its first flight goes out, the responder's comes in
    CONFIRMING = "confirming"  # initiator: the responder is proved; has it got the last flight?
    GATHERING = "gathering"  # responder: half-open
    ESTABLISHED = "established"  # an epoch is live
    SUSPECT = "suspect"  # live, but the peer is silent
    CLOSING = "closing"  # live until what says goodbye is out
    CLOSED = "closed"


@unique
class SessionEvent(Enum):
    """What happens to a session."""

    CHALLENGED = "a cookie has come"
    FRAGMENT = "a fragment of a flight has come"
    ACKNOWLEDGED = "the peer tells how much it has of our flight"
    PROVED = "the handshake is done"
    RIVAL = "the handshake is done, and the peer has our own address"
    HEARD = "a datagram of the peer has opened"
    RETRANSMIT_DUE = "no answer yet"
    SILENCE_DUE = "nothing was heard for long"
    CLOSE = "our node or its operator ends it"
    LOST = "it cannot or need not go on"


ATTEMPTING = frozenset({SessionState.ASKING, SessionState.OFFERING, SessionState.CONFIRMING})
_HEARD = frozenset({SessionState.ESTABLISHED, SessionState.SUSPECT})
LIVE = _HEARD | {SessionState.CLOSING}
_HALF_OPEN = frozenset({SessionState.GATHERING})

_S, _E = SessionState, SessionEvent

SESSIONS: TransitionTable[SessionState, SessionEvent] = TransitionTable(
    "session",
    [
        Row(_S.ASKING, _E.CHALLENGED, None, ("keep_cookie", "send_flight"), _S.OFFERING),
        # A responder whose secret has changed asks again.
        Row(_S.OFFERING, _E.CHALLENGED, "renew_cookie", ("keep_cookie", "send_flight"), None),
        Row(_S.OFFERING, _E.FRAGMENT, None, ("take_answer",), None),
        Row(_S.OFFERING, _E.ACKNOWLEDGED, "resume", ("resume_flight",), None),
        Row(_S.OFFERING, _E.PROVED, None, ("derive_keys", "send_flight"), _S.CONFIRMING),
        Row(_S.CONFIRMING, _E.ACKNOWLEDGED, "resume", ("resume_flight",), None),
        Row(_S.CONFIRMING, _E.HEARD, None, ("settle",), _S.ESTABLISHED),
        Row(_S.GATHERING, _E.FRAGMENT, None, ("take_offer",), None),
        Row(_S.GATHERING, _E.ACKNOWLEDGED, "resume", ("repay_flight",), None),
        Row(_S.GATHERING, _E.PROVED, None, ("derive_keys", "settle"), _S.ESTABLISHED),
        # With a rival there is no epoch: the last flight goes out once, so that it knows as well.
        Row(_S.OFFERING, _E.RIVAL, None, ("send_flight", "erase"), _S.CLOSED),
        Row(_S.GATHERING, _E.RIVAL, None, ("erase",), _S.CLOSED),
        # The last flight once more: the initiator has not heard that we are here.
        Row(_HEARD, _E.FRAGMENT, "greet", ("greet",), None),
        Row(_S.SUSPECT, _E.HEARD, None, ("settle",), _S.ESTABLISHED),
        Row(_S.ASKING, _E.RETRANSMIT_DUE, None, ("ask",), None),
        Row(_S.OFFERING, _E.RETRANSMIT_DUE, "pull", ("pull_answer",), None),
        Row(_S.OFFERING, _E.RETRANSMIT_DUE, None, ("send_flight",), None),
        Row(_S.CONFIRMING, _E.RETRANSMIT_DUE, None, ("send_flight",), None),
        Row(_S.SUSPECT, _E.RETRANSMIT_DUE, "probe", ("probe",), None),
        Row(_S.ESTABLISHED, _E.SILENCE_DUE, None, ("begin_probing", "probe"), _S.SUSPECT),
        Row(_HEARD, _E.CLOSE, None, ("say_goodbye",), _S.CLOSING),
        Row(ATTEMPTING | _HALF_OPEN, _E.CLOSE, None, ("erase",), _S.CLOSED),
        Row(ATTEMPTING | _HALF_OPEN | LIVE, _E.LOST, None, ("erase",), _S.CLOSED),
    ],
    dict.fromkeys(SessionEvent, Blame.NOBODY),
)

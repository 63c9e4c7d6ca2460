"""The table: every (state, event) pair, and that a refused event changes nothing."""

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.ids import Epoch
from qstack.machine.segmentation import Fragment
from qstack.proto.session.carrier import Carrier
from qstack.proto.session.params import SessionParameters
from qstack.proto.session.session import Part, Role, Session, Surroundings
from qstack.proto.session.states import LIVE, SESSIONS, SessionEvent, SessionState
from qstack.testing.handshake import FakeHandshakeFactory, fake_identity
from qstack.wire.session import CookieChallenge, FlightAck
from tests.proto.session.network import at, home

NOW = 10**12


def session(role: Role, effects: list[object]) -> Session:
    carrier = Carrier(at(1), Seal.HOP, effects)
    factory = FakeHandshakeFactory(fake_identity(at(1)), Chance(b"a"))
    partner = FakeHandshakeFactory(fake_identity(at(2)), Chance(b"b"))
    ours, theirs = (
        (factory.client(at(2)), partner.server())
        if role is Role.INITIATOR
        else (factory.server(), partner.client(at(1)))
    )
    made = Session(
        Surroundings(carrier, SessionParameters(), Chance(b"c")), role, ours, peer=at(2), locator=home(at(2)),
        local_epoch=Epoch(11), nonce=bytes(16), now_ns=NOW,
    )  # fmt: skip
    made.remote_epoch = Epoch(12)
    # A handshake that is done, so that keys can be derived wherever the table wants to.
    ends = [theirs, ours] if role is Role.RESPONDER else [ours, theirs]
    if role is Role.INITIATOR:
        first = b"".join(fragment.data for fragment in made._flights.fragments)
        ends[1].feed(first)
    else:
        ours.feed(theirs.take())
    flight = theirs.take() if role is Role.INITIATOR else ours.take()
    (ours if role is Role.INITIATOR else theirs).feed(flight)
    if role is Role.RESPONDER:
        ours.feed(theirs.take())
    assert ours.done
    return made


ARGUMENTS = {
    SessionEvent.CHALLENGED: (CookieChallenge(initiator_epoch=Epoch(11), nonce=bytes(16), cookie=b"c" * 16),),
    SessionEvent.FRAGMENT: (Part(1, Fragment(0, 9, b"a"), Epoch(12), 100),),
    SessionEvent.ACKNOWLEDGED: (FlightAck(receiver_epoch=Epoch(11), sender_epoch=Epoch(12), flight=0, received=0), 90),
    SessionEvent.PROVED: (),
    SessionEvent.RIVAL: (),
    SessionEvent.HEARD: (),
    SessionEvent.RETRANSMIT_DUE: (),
    SessionEvent.SILENCE_DUE: (),
    SessionEvent.CLOSE: (ErrorCode.CANCELLED,),
    SessionEvent.LOST: ("reason",),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("state", "event"), list(SESSIONS.pairs()), ids=lambda member: member.name)
def test_states_every_pair_moves_as_the_table_says_or_changes_nothing(
    role: Role, state: SessionState, event: SessionEvent
) -> None:
    effects: list[object] = []
    subject = session(role, effects)
    SESSIONS.fire(subject, SessionEvent.CHALLENGED, *ARGUMENTS[SessionEvent.CHALLENGED], now_ns=NOW)
    effects.clear()
    if state in LIVE:
        subject._act_derive_keys(now_ns=NOW)
    subject.state = state
    taken = SESSIONS.fire(subject, event, *ARGUMENTS[event], now_ns=NOW + 1)
    rows = SESSIONS.steps(state, event)
    if taken:
        assert subject.state in {row.next_state or state for row in rows}
    else:
        assert subject.state is state and not effects


def test_states_every_state_is_reached_and_closed_is_the_end() -> None:
    reached = SESSIONS.reachable(SessionState.ASKING) | SESSIONS.reachable(SessionState.GATHERING)
    assert reached == set(SessionState)
    assert not any(SESSIONS.allows(SessionState.CLOSED, event) for event in SessionEvent)
    assert SESSIONS.reachable(SessionState.CLOSED) == {SessionState.CLOSED}


def test_states_loss_ends_every_state_but_the_last() -> None:
    for state in SessionState:
        assert SESSIONS.allows(state, SessionEvent.LOST) is (state is not SessionState.CLOSED)


def test_states_nothing_that_comes_unsealed_moves_a_live_epoch() -> None:
    unsealed = {
        SessionEvent.CHALLENGED, SessionEvent.ACKNOWLEDGED, SessionEvent.PROVED, SessionEvent.RIVAL,
        SessionEvent.FRAGMENT,
    }  # fmt: skip
    for state in LIVE:
        for event in unsealed:
            assert all(row.next_state is None for row in SESSIONS.steps(state, event))

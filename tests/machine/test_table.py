"""Transition tables: what they run, what they refuse, what they print."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.machine.table import Blame, Row, TransitionTable


class State(Enum):
    CLOSED = auto()
    OPENING = auto()
    OPEN = auto()


class Event(Enum):
    OPEN_REQUESTED = auto()
    ANSWER_RECEIVED = auto()
    CLOSE_RECEIVED = auto()
    REPLY_DEADLINE = auto()


BLAME = {
    Event.OPEN_REQUESTED: Blame.LOCAL,
    Event.ANSWER_RECEIVED: Blame.PEER,
    Event.CLOSE_RECEIVED: Blame.PEER,
    Event.REPLY_DEADLINE: Blame.NOBODY,
}
ANY_OPEN = frozenset({State.OPENING, State.OPEN})
ROWS = [
    Row(State.CLOSED, Event.OPEN_REQUESTED, None, ("ask", "wait"), State.OPENING),
    Row(State.OPENING, Event.ANSWER_RECEIVED, "trust", ("tell",), State.OPEN),
    Row(State.OPENING, Event.ANSWER_RECEIVED, "doubt", (), None),
    Row(State.OPENING, Event.REPLY_DEADLINE, None, ("ask",), None),
    Row(ANY_OPEN, Event.CLOSE_RECEIVED, None, ("tell",), State.CLOSED),
]
TABLE = TransitionTable("door", ROWS, BLAME)


@TABLE.drives
class Door:
    def __init__(self, state: State = State.CLOSED, trusting: bool = True, doubting: bool = True) -> None:
        self.state = state
        self.trusting = trusting
        self.doubting = doubting
        self.done: list[tuple[Any, ...]] = []

    def _may_trust(self, *arguments: Any, **named: Any) -> bool:
        return self.trusting

    def _may_doubt(self, *arguments: Any, **named: Any) -> bool:
        return self.doubting

    def _act_ask(self, *arguments: Any, **named: Any) -> None:
        self.done.append(("ask", self.state, arguments, named))

    def _act_wait(self, *arguments: Any, **named: Any) -> None:
        self.done.append(("wait", self.state, arguments, named))

    def _act_tell(self, *arguments: Any, **named: Any) -> None:
        self.done.append(("tell", self.state, arguments, named))


def test_table_row_taken_runs_its_actions_in_order_and_then_moves() -> None:
    door = Door()
    assert TABLE.fire(door, Event.OPEN_REQUESTED, "message", now_ns=5)
    given_on = (State.CLOSED, ("message",), {"now_ns": 5})
    assert door.done == [("ask", *given_on), ("wait", *given_on)]
    assert door.state is State.OPENING


def test_table_row_for_a_set_of_states_speaks_for_each() -> None:
    for state in ANY_OPEN:
        door = Door(state)
        assert TABLE.fire(door, Event.CLOSE_RECEIVED)
        assert door.state is State.CLOSED


def test_table_first_row_whose_guard_holds_is_taken() -> None:
    sure, unsure = Door(State.OPENING), Door(State.OPENING, trusting=False)
    assert TABLE.fire(sure, Event.ANSWER_RECEIVED)
    assert sure.state is State.OPEN
    assert TABLE.fire(unsure, Event.ANSWER_RECEIVED)
    assert unsure.state is State.OPENING
    assert unsure.done == []


def test_table_row_without_next_state_stays() -> None:
    door = Door(State.OPENING)
    assert TABLE.fire(door, Event.REPLY_DEADLINE)
    assert door.state is State.OPENING
    assert [act for act, *_ in door.done] == ["ask"]


@pytest.mark.parametrize(("state", "event"), list(TABLE.pairs()))
@pytest.mark.parametrize(("trusting", "doubting"), [(True, True), (False, True), (False, False)])
def test_table_every_pair_is_run_or_refused_by_blame_without_moving(
    state: State, event: Event, trusting: bool, doubting: bool
) -> None:
    door = Door(state, trusting, doubting)
    guards = {"trust": trusting, "doubt": doubting, None: True}
    row = next((row for row in TABLE.steps(state, event) if guards[row.guard]), None)
    assert TABLE.allows(state, event) is bool(TABLE.steps(state, event))
    if row is not None:
        assert TABLE.fire(door, event)
        assert door.state is (row.next_state or state)
        assert tuple(act for act, *_ in door.done) == row.actions
        return
    match BLAME[event]:
        case Blame.NOBODY:
            assert not TABLE.fire(door, event)
        case blame:
            guilty = PeerViolation if blame is Blame.PEER else LocalMisuse
            with pytest.raises(guilty, match=f"door: {event.name} in state {state.name}"):
                TABLE.fire(door, event)
    assert door.state is state
    assert door.done == []


@given(st.lists(st.sampled_from(list(Event))))
def test_table_any_walk_ends_where_the_rows_lead(events: list[Event]) -> None:
    door, state = Door(), State.CLOSED
    for event in events:
        rows = TABLE.steps(state, event)
        try:
            assert TABLE.fire(door, event) is bool(rows)
        except (PeerViolation, LocalMisuse):
            assert not rows
        state = (rows[0].next_state or state) if rows else state
        assert door.state is state


def test_table_action_that_fails_leaves_the_state() -> None:
    class Stuck(Door):
        def _act_wait(self, *arguments: Any, **named: Any) -> None:
            raise LocalMisuse("no")

    door = Stuck()
    with pytest.raises(LocalMisuse):
        TABLE.fire(door, Event.OPEN_REQUESTED)
    assert door.state is State.CLOSED


def test_table_action_that_moves_the_machine_is_our_own_bug() -> None:
    class Sly(Door):
        def _act_wait(self, *arguments: Any, **named: Any) -> None:
            TABLE.fire(self, Event.OPEN_REQUESTED) if len(self.done) < 2 else setattr(self, "state", State.OPEN)

    with pytest.raises(AssertionError, match="behind the table's back"):
        TABLE.fire(Sly(), Event.OPEN_REQUESTED)


def test_table_machine_that_lacks_a_method_is_refused() -> None:
    class Half:
        _act_ask = Door._act_ask
        _act_tell = None

    with pytest.raises(
        TypeError, match="Half, driven by table door, lacks _act_tell, _act_wait, _may_doubt, _may_trust"
    ):
        TABLE.drives(Half)


def row(
    state: State | frozenset[State], event: Event = Event.CLOSE_RECEIVED, guard: str | None = None
) -> Row[State, Event]:
    return Row(state, event, guard, (), State.CLOSED)


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        ([row(State.OPEN)], "CLOSE_RECEIVED in OPEN, guard None: an earlier row is always taken"),
        ([row(State.OPENING, guard="late")], "CLOSE_RECEIVED in OPENING, guard late: an earlier row"),
        ([row(State.CLOSED, guard="a"), row(State.CLOSED, guard="a")], "guard a: an earlier row"),
        ([row(frozenset())], "speaks for no state"),
    ],
)
def test_table_with_a_row_that_is_never_taken_is_refused(added: list[Row[State, Event]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TransitionTable("door", [*ROWS, *added], BLAME)


def test_table_with_an_event_nobody_is_to_blame_for_is_refused() -> None:
    with pytest.raises(ValueError, match="to blame for CLOSE_RECEIVED, REPLY_DEADLINE"):
        TransitionTable("door", ROWS, {event: BLAME[event] for event in list(Event)[:2]})


def test_table_with_a_state_that_no_row_mentions_is_refused() -> None:
    with pytest.raises(ValueError, match="no row mentions OPENING, OPEN"):
        TransitionTable("door", [row(State.CLOSED)], BLAME)


def test_table_guarded_rows_before_an_unguarded_one_are_taken() -> None:
    table = TransitionTable("door", [*ROWS, row(State.CLOSED, guard="trust"), row(State.CLOSED)], BLAME)
    assert [step.guard for step in table.steps(State.CLOSED, Event.CLOSE_RECEIVED)] == ["trust", None]


def test_table_pairs_are_all_states_by_all_events() -> None:
    assert list(TABLE.pairs()) == [(state, event) for state in State for event in Event]


def test_table_reachable_states_follow_the_rows() -> None:
    assert TABLE.reachable(State.CLOSED) == set(State)
    table = TransitionTable("door", [row(frozenset(State)), row(State.OPEN, Event.ANSWER_RECEIVED)], BLAME)
    assert table.reachable(State.OPEN) == {State.OPEN, State.CLOSED}


def test_table_prints_as_markdown() -> None:
    assert TABLE.markdown() == (
        "| state | event | guard | actions | next state |\n"
        "|---|---|---|---|---|\n"
        "| CLOSED | OPEN_REQUESTED |  | ask, wait | OPENING |\n"
        "| OPENING | ANSWER_RECEIVED | trust | tell | OPEN |\n"
        "| OPENING | ANSWER_RECEIVED | doubt |  | (stays) |\n"
        "| OPENING | REPLY_DEADLINE |  | ask | (stays) |\n"
        "| OPENING, OPEN | CLOSE_RECEIVED |  | tell | CLOSED |\n"
    )


def test_table_prints_as_dot() -> None:
    assert TABLE.dot() == (
        'digraph "door" {\n  rankdir=LR;\n  "CLOSED";\n  "OPENING";\n  "OPEN";\n'
        '  "CLOSED" -> "OPENING" [label="OPEN_REQUESTED\\nask\\nwait"];\n'
        '  "OPENING" -> "OPEN" [label="ANSWER_RECEIVED [trust]\\ntell"];\n'
        '  "OPENING" -> "OPENING" [label="ANSWER_RECEIVED [doubt]"];\n'
        '  "OPENING" -> "OPENING" [label="REPLY_DEADLINE\\nask"];\n'
        '  "OPENING" -> "CLOSED" [label="CLOSE_RECEIVED\\ntell"];\n'
        '  "OPEN" -> "CLOSED" [label="CLOSE_RECEIVED\\ntell"];\n}\n'
    )

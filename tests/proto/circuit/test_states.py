"""Every state and event of a circuit's tables."""

from typing import Any

import pytest

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.machine.table import Blame, TransitionTable
from qstack.proto.circuit.states import HEAD, REPEATER, TAIL, CircuitEvent

TABLES = [HEAD, REPEATER, TAIL]
_E = CircuitEvent


class Dummy:
    """Driven by a table; its guards say `answer`, its actions are written down."""

    def __init__(self, state: Any, answer: bool) -> None:
        self.state = state
        self.answer = answer
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_may_"):
            return lambda *_: self.answer
        if name.startswith("_act_"):
            return lambda *_: self.done.append(name)
        raise AttributeError(name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("answer", [True, False])
def test_every_pair_moves_by_its_row_or_changes_nothing(table: TransitionTable[Any, Any], answer: bool) -> None:
    for state, event in table.pairs():
        machine = Dummy(state, answer)
        try:
            taken = table.fire(machine, event)
        except PeerViolation:
            assert table.blame[event] is Blame.PEER
            taken = False
        except LocalMisuse:
            assert table.blame[event] is Blame.LOCAL
            taken = False
        rows = [row for row in table.steps(state, event) if row.guard is None or answer]
        assert taken == bool(rows)
        assert machine.state is (rows[0].next_state or state if rows else state)
        assert machine.done == ([f"_act_{action}" for action in rows[0].actions] if rows else [])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_end_is_final_and_everything_is_given_back_on_the_way_there(table: TransitionTable[Any, Any]) -> None:
    over = table.states[-1]
    assert over.value == "over"
    assert not any(table.allows(over, event) for event in table.events)
    assert all("give_back" in row.actions for row in table.rows if row.next_state is over)
    assert all("give_back" not in row.actions for row in table.rows if row.next_state is not over)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_circuit_that_waits_or_is_open_ends_at_its_deadline(table: TransitionTable[Any, Any]) -> None:
    for state in table.states:
        if state.value != "over":
            assert table.allows(state, _E.EXPIRED)


def test_every_neighbour_that_knows_of_a_circuit_is_told_of_its_end() -> None:
    """Or it is the one that told us, or that is gone."""
    for table, above, below in ((HEAD, False, True), (REPEATER, True, True), (TAIL, True, False)):
        for row in table.rows:
            for state in row.states:
                if row.next_state is not table.states[-1]:
                    continue
                knows_below = below and state.value in ("asking", "open")
                if knows_below and row.event not in (_E.RELEASED_BELOW, _E.LOST_BELOW, _E.REFUSED):
                    assert "release_below" in row.actions, row
                if above and row.event not in (_E.RELEASED_ABOVE, _E.LOST_ABOVE):
                    told = {"release_above"} if state.value == "open" else {"refuse_above", "refuse_short"}
                    assert told & set(row.actions), row


def test_unit_is_told_of_every_end() -> None:
    for table in (HEAD, TAIL):
        for row in table.rows:
            if row.next_state is not table.states[-1]:
                continue
            if any(state.value == "open" for state in row.states):
                assert "tell_closed" in row.actions
            elif table is HEAD:
                assert {"tell_failed", "tell_short"} & set(row.actions)

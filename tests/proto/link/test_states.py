"""Every state and event of the link layer's tables."""

from typing import Any

import pytest

from qstack.base.errors import PeerViolation
from qstack.machine.table import Blame, TransitionTable
from qstack.proto.link.states import MATCH, REQUEST, WINDOW, MatchState, RequestState, WindowEvent, WindowState

TABLES = [(REQUEST, RequestState.OVER), (WINDOW, WindowState.OVER), (MATCH, MatchState.OVER)]


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


@pytest.mark.parametrize(("table", "over"), TABLES, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("answer", [True, False])
def test_every_pair_moves_by_its_row_or_changes_nothing(
    table: TransitionTable[Any, Any], over: Any, answer: bool
) -> None:
    for state, event in table.pairs():
        machine = Dummy(state, answer)
        try:
            taken = table.fire(machine, event)
        except PeerViolation:
            assert table.blame[event] is Blame.PEER
            taken = False
        rows = [row for row in table.steps(state, event) if row.guard is None or answer]
        assert taken == bool(rows)
        assert machine.state is (rows[0].next_state or state if rows else state)
        assert machine.done == ([f"_act_{action}" for action in rows[0].actions] if rows else [])


@pytest.mark.parametrize(("table", "over"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_end_is_reached_from_everywhere_and_final(table: TransitionTable[Any, Any], over: Any) -> None:
    for state in table.states:
        assert over in table.reachable(state)
    assert not any(table.allows(over, event) for event in table.events)


def test_window_always_lets_go_of_its_memories() -> None:
    for row in WINDOW.rows:
        if WindowState.OFFERED in row.states:
            assert row.next_state is WindowState.OVER
            assert {"release"} & set(row.actions) or {"fill", "free_rest"} <= set(row.actions)
        else:
            assert (row.next_state is WindowState.OFFERED) == ("offer" in row.actions)
    assert {row.event for row in WINDOW.rows} == set(WindowEvent)

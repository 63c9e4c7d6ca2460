"""Every state and event of a socket's and a request's table."""

from __future__ import annotations

from typing import Any

import pytest

from qstack.machine.table import TransitionTable
from qstack.proto.epr.states import REQUEST, SOCKET, RequestEvent, RequestState, SocketEvent, SocketState

TABLES = [SOCKET, REQUEST]


@pytest.mark.parametrize(("table", "first"), [(SOCKET, SocketState.WAITING), (REQUEST, RequestState.PENDING)])
def test_every_state_is_reached_and_the_last_one_is_final(table: TransitionTable[Any, Any], first: Any) -> None:
    assert table.reachable(first) == frozenset(table.states)
    assert not any(table.allows(table.states[-1], event) for event in table.events)


def test_request_that_is_asked_of_the_link_is_withdrawn_unless_the_link_ended_it() -> None:
    for state in (RequestState.ASKED, RequestState.QUEUED):
        for event in (RequestEvent.LEFT, RequestEvent.CANCELLED, RequestEvent.EXPIRED):
            [row] = REQUEST.steps(state, event)
            assert row.actions[0] == "withdraw"


def test_socket_in_any_state_leaves_when_it_is_closed() -> None:
    for state in SocketState:
        assert state is SocketState.CLOSED or SOCKET.steps(state, SocketEvent.CLOSED)[0].actions == ("leave",)


def test_connection_that_ends_is_told_and_its_requests_are_abandoned() -> None:
    for row in SOCKET.rows:
        if SocketState.CONNECTED in row.states and row.next_state is SocketState.WAITING:
            assert "abandon" in row.actions and "disconnect" in row.actions

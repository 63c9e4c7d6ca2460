"""Transition tables: a protocol's rules as data.

Laws
----
1. A table is a list of rows (states, event, guard, actions, next state), and nothing outside it moves a machine. Read
   for one (state, event) from top to bottom, the first row whose guard holds is taken.
2. An absent pair, or one whose guards all fail, is a refusal: an error that names the guilty, and *nothing* changes.
   Who is guilty depends on the event alone: what a peer sends is the peer's violation, what our user asks for is
   local misuse, and a deadline or a late device result is nobody's fault: it is dropped.
3. A table that contradicts itself does not come into being: a row that could never be taken, an event without blame,
   a state that no row mentions are refused when the module is imported.

Guards and actions are names, so that the table prints as a table. The machine has a method `_may_<guard>` or
`_act_<action>` for each, which gets what `fire` was given; `drives` checks that when the class is made. A guard only
looks. Actions run before the move, in order; they emit effects and do not fire events on the same machine, since the
table would no longer be the whole truth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any, Generic, Protocol, TypeVar

from qstack.base.errors import LocalMisuse, PeerViolation

__all__ = ["Blame", "Row", "Stateful", "TransitionTable"]

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
M = TypeVar("M")


@unique
class Blame(Enum):
    """Whose fault it is when an event comes in a state that has no row for it."""

    PEER = "peer"
    LOCAL = "local"
    NOBODY = "nobody"


class Stateful(Protocol[S]):
    """What a table drives: an object whose `state` only the table writes after construction."""

    state: S


@dataclass(frozen=True, slots=True)
class Row(Generic[S, E]):
    """One rule. `state` may be a set of states; `guard` None always holds; `next_state` None stays."""

    state: S | frozenset[S]
    event: E
    guard: str | None
    actions: tuple[str, ...]
    next_state: S | None

    @property
    def states(self) -> frozenset[S]:
        """The states this row speaks for."""
        return self.state if isinstance(self.state, frozenset) else frozenset({self.state})


class TransitionTable(Generic[S, E]):
    """The rows of one kind of machine. `blame` has an entry for each event."""

    def __init__(self, name: str, rows: Sequence[Row[S, E]], blame: Mapping[E, Blame]) -> None:
        self.name = name
        self.rows = tuple(rows)
        self.blame = dict(blame)
        self._steps: dict[tuple[S, E], tuple[Row[S, E], ...]] = {}
        for row in self.rows:
            self._add(row)
        self.states = _members(next(iter(self.rows[0].states)))
        self.events = _members(self.rows[0].event)
        self._check_whole()

    def fire(self, machine: Stateful[S], event: E, *arguments: Any, **named: Any) -> bool:
        """Take the row for `event`, if there is one: run its actions, then move. True when a row was taken.

        Otherwise nothing changes: raises `PeerViolation` or `LocalMisuse`, or returns False where nobody is to blame.
        """
        before = machine.state
        for row in self._steps.get((before, event), ()):
            if row.guard is None or getattr(machine, f"_may_{row.guard}")(*arguments, **named):
                break
        else:
            return self._refuse(before, event)
        for action in row.actions:
            getattr(machine, f"_act_{action}")(*arguments, **named)
        assert machine.state is before, f"{self.name}: an action moved the machine behind the table's back"
        if row.next_state is not None:
            machine.state = row.next_state
        return True

    def allows(self, state: S, event: E) -> bool:
        """Tell whether any row speaks for `event` in `state`; a guard may still refuse."""
        return (state, event) in self._steps

    def steps(self, state: S, event: E) -> tuple[Row[S, E], ...]:
        """The rows for `event` in `state`, in the order in which they are tried; () is a refusal."""
        return self._steps.get((state, event), ())

    def pairs(self) -> Iterator[tuple[S, E]]:
        """Every (state, event), whether allowed or not."""
        return ((state, event) for state in self.states for event in self.events)

    def reachable(self, initial: S) -> frozenset[S]:
        """The states that rows lead to from `initial`, itself included."""
        found, edge = {initial}, {initial}
        while edge:
            edge = {row.next_state for row in self.rows if row.next_state is not None and row.states & edge} - found
            found |= edge
        return frozenset(found)

    def methods(self) -> tuple[str, ...]:
        """The methods a machine must have, sorted."""
        guards = {f"_may_{row.guard}" for row in self.rows if row.guard is not None}
        return tuple(sorted(guards | {f"_act_{action}" for row in self.rows for action in row.actions}))

    def drives(self, machine: type[M]) -> type[M]:
        """Class decorator: refuse, with TypeError, a machine that lacks a method the table names."""
        missing = [method for method in self.methods() if not callable(getattr(machine, method, None))]
        if missing:
            raise TypeError(f"{machine.__name__}, driven by table {self.name}, lacks {', '.join(missing)}")
        return machine

    def markdown(self) -> str:
        """The table as a Markdown table, one line a row, with a line break at the end."""
        lines = ["| state | event | guard | actions | next state |", "|---|---|---|---|---|"]
        lines += [_markdown_row(row, self.states) for row in self.rows]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """The table as a Graphviz digraph, one edge for each state and row."""
        lines = [f'digraph "{self.name}" {{', "  rankdir=LR;"]
        lines += [f'  "{state.name}";' for state in self.states]
        lines += [line for row in self.rows for line in _dot_edges(row, self.states)]
        return "\n".join([*lines, "}"]) + "\n"

    def _add(self, row: Row[S, E]) -> None:
        if not row.states:
            raise ValueError(f"{self.name}: a row for {row.event.name} speaks for no state")
        for state in row.states:
            known = self._steps.get((state, row.event), ())
            if any(earlier.guard in (None, row.guard) for earlier in known):
                where = f"{self.name}: {row.event.name} in {state.name}, guard {row.guard}"
                raise ValueError(f"{where}: an earlier row is always taken instead")
            self._steps[state, row.event] = (*known, row)

    def _check_whole(self) -> None:
        without = [event.name for event in self.events if event not in self.blame]
        if without:
            raise ValueError(f"{self.name}: nobody is named to blame for {', '.join(without)}")
        mentioned = {state for row in self.rows for state in (*row.states, row.next_state)}
        unused = [state.name for state in self.states if state not in mentioned]
        if unused:
            raise ValueError(f"{self.name}: no row mentions {', '.join(unused)}")

    def _refuse(self, state: S, event: E) -> bool:
        why = "not now" if self.allows(state, event) else "not allowed"
        message = f"{self.name}: {event.name} in state {state.name}: {why}"
        match self.blame[event]:
            case Blame.PEER:
                raise PeerViolation(message)
            case Blame.LOCAL:
                raise LocalMisuse(message)
            case Blame.NOBODY:
                return False


def _members(sample: S) -> tuple[S, ...]:
    """All members of the enumeration that `sample` is from, in their order."""
    return tuple(type(sample))


def _markdown_row(row: Row[S, E], order: Sequence[S]) -> str:
    states = ", ".join(state.name for state in order if state in row.states)
    following = "(stays)" if row.next_state is None else row.next_state.name
    cells = (states, row.event.name, row.guard or "", ", ".join(row.actions), following)
    return "| " + " | ".join(cells) + " |"


def _dot_edges(row: Row[S, E], order: Sequence[S]) -> Iterator[str]:
    label = row.event.name + (f" [{row.guard}]" if row.guard else "")
    label += "".join(f"\\n{action}" for action in row.actions)
    for state in (state for state in order if state in row.states):
        following = state if row.next_state is None else row.next_state
        yield f'  "{state.name}" -> "{following.name}" [label="{label}"];'

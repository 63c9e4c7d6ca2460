"""The whole tables: every state meets every event, and random walks keep the invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender, SendMessage, SendUnsealed
from qstack.base.locator import Arrival, Locator
from qstack.base.services import (
    ClaimProved,
    ClaimRefuted,
    EnsurePeer,
    PeerDown,
    PeerHeard,
    PeerResolved,
    PeerUnresolved,
    PeerUp,
    ProveClaim,
)
from qstack.proto.qarp.description import NeighbourEntry
from qstack.proto.qarp.machine import QarpMachine
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.states import NEIGHBOUR, OWN_ADDRESS, AddressState, NeighbourEvent, NeighbourState
from qstack.wire.qarp import Announcement, Answer, Question, Whereabouts
from tests.proto.qarp.world import ALICE, BOB, SECOND, SEGMENT, at

U, I, R = NeighbourState.UNREACHABLE, NeighbourState.INCOMPLETE, NeighbourState.REACHABLE  # noqa: E741
S, D, P = NeighbourState.STALE, NeighbourState.DELAY, NeighbourState.PROBE
E = NeighbourEvent

# By state and whether a session is up. RFC 4861 section 7.3.2, with our deviations: no hint leads anywhere; PROBE needs
# a session, and ends in a search; what is lost without a session having been up was an attempt that failed.
EXPECTED = {
    (U, False): {E.WANTED: I, E.PROVED: R, E.HEARD: U, E.HINTED: U, E.REFUTED: U, E.LOST: U, E.EXPIRED: U},
    (U, True): {E.WANTED: I, E.PROVED: R, E.HEARD: R, E.HINTED: U, E.REFUTED: U, E.LOST: U, E.EXPIRED: U},
    (I, False): {E.WANTED: I, E.PROVED: R, E.HEARD: I, E.HINTED: I, E.REFUTED: I, E.LOST: I, E.EXPIRED: I},
    (I, True): {E.WANTED: I, E.PROVED: R, E.HEARD: R, E.HINTED: I, E.REFUTED: I, E.LOST: I, E.EXPIRED: I},
    (R, True): {E.WANTED: R, E.PROVED: R, E.HEARD: R, E.HINTED: R, E.REFUTED: R, E.LOST: S, E.EXPIRED: S},
    (S, False): {E.WANTED: D, E.PROVED: R, E.HEARD: S, E.HINTED: S, E.REFUTED: S, E.LOST: S, E.EXPIRED: S},
    (S, True): {E.WANTED: D, E.PROVED: R, E.HEARD: R, E.HINTED: S, E.REFUTED: S, E.LOST: S, E.EXPIRED: S},
    (D, False): {E.WANTED: D, E.PROVED: R, E.HEARD: D, E.HINTED: D, E.REFUTED: I, E.LOST: I, E.EXPIRED: I},
    (D, True): {E.WANTED: D, E.PROVED: R, E.HEARD: R, E.HINTED: D, E.REFUTED: D, E.LOST: S, E.EXPIRED: P},
    (P, True): {E.WANTED: P, E.PROVED: R, E.HEARD: R, E.HINTED: P, E.REFUTED: P, E.LOST: S, E.EXPIRED: P},
}


class Bench:
    """One machine and its one neighbour, without a network."""

    def __init__(self, seed: int = 0) -> None:
        self.machine = QarpMachine(ALICE, QarpParameters(), (SEGMENT,), {}, Chance(b"bench%d" % seed))
        self.now_ns = 1_000 * SECOND
        self.effects: list[Any] = []
        self.asked_ns: list[int] = []

    def serve(self, service: Any) -> None:
        self.machine.on_service(service, self.now_ns)
        self._drain()

    def receive(self, message: Any, source: Locator, sealed: bool = False) -> None:
        seal = Seal.HOP if sealed else None
        self.machine.receive(message, Sender(BOB, seal, Arrival("lan", source), BOB), self.now_ns)
        self._drain()

    def expire(self) -> None:
        """The next deadline comes."""
        self.now_ns = max(self.now_ns, self.machine.next_deadline() or self.now_ns)
        self.machine.handle_deadline(self.now_ns)
        self._drain()

    def entry(self) -> NeighbourEntry:
        return self.machine.describe()[0]

    def expire_until(self, state: NeighbourState) -> None:
        for _ in range(12):
            if self.entry().state is state:
                return
            self.expire()
        raise AssertionError(state)

    def last_question(self) -> Question:
        asked = [message for effect in self.effects if isinstance(message := getattr(effect, "message", 0), Question)]
        return asked[-1]

    def _drain(self) -> None:
        effects = self.machine.take_effects()
        if any(isinstance(e, SendUnsealed | SendMessage) and isinstance(e.message, Question) for e in effects):
            self.asked_ns.append(self.now_ns)
        self.effects += effects


def bench_in(state: NeighbourState, connected: bool) -> Bench:
    """A bench whose neighbour is in a state, last proved at locator 2."""
    bench = Bench()
    bench.serve(PeerUp(BOB, Seal.HOP, at(2)))
    if state is R:
        return bench
    if connected:
        bench.expire_until(S)
    else:
        bench.serve(PeerDown(BOB, Seal.HOP))
    if state is not S:
        bench.serve(EnsurePeer(BOB))
        bench.expire_until(state)
    assert bench.entry().state is state and bench.entry().connected is connected
    return bench


ANNOUNCEMENT = Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts())
MEET: dict[NeighbourEvent, Callable[[Bench], None]] = {
    E.WANTED: lambda bench: bench.serve(EnsurePeer(BOB)),
    E.PROVED: lambda bench: bench.serve(ClaimProved(BOB, at(9))),
    E.HEARD: lambda bench: bench.serve(PeerHeard(BOB, at(2))),
    E.HINTED: lambda bench: bench.receive(ANNOUNCEMENT, at(8)),
    E.REFUTED: lambda bench: bench.serve(ClaimRefuted(BOB, at(2), "no")),
    E.LOST: lambda bench: bench.serve(PeerDown(BOB, Seal.HOP)),
    E.EXPIRED: lambda bench: bench.expire(),
}


def test_expectation_is_complete() -> None:
    assert {state for state, _ in EXPECTED} == set(NeighbourState)
    assert all(set(row) == set(NeighbourEvent) for row in EXPECTED.values())
    assert all(row in EXPECTED for row in [(R, True), (P, True)])


@pytest.mark.parametrize(("state", "connected"), EXPECTED)
@pytest.mark.parametrize("event", NeighbourEvent)
def test_table_every_state_meets_every_event_as_expected(
    state: NeighbourState, connected: bool, event: NeighbourEvent
) -> None:
    bench = bench_in(state, connected)
    MEET[event](bench)
    assert bench.entry().state is EXPECTED[state, connected][event]
    assert bench.entry().locator == (at(9) if event is E.PROVED else at(2))
    if event is E.LOST:
        assert not bench.entry().connected


def test_tables_reach_all_their_states() -> None:
    assert NEIGHBOUR.reachable(U) == frozenset(NeighbourState)
    assert OWN_ADDRESS.reachable(AddressState.PROBING) == frozenset(AddressState)


def test_table_draws_as_a_table() -> None:
    assert NEIGHBOUR.markdown().count("\n") == len(NEIGHBOUR.rows) + 2


# --- random walks ------------------------------------------------------------------------------------------------

WALK: dict[str, Callable[[Bench], None]] = {
    **{event.name: meet for event, meet in MEET.items()},
    "UP": lambda bench: bench.serve(PeerUp(BOB, Seal.HOP, at(2))),
    "HEARD_ELSEWHERE": lambda bench: bench.serve(PeerHeard(BOB, at(7))),
    "REFUTED_ELSEWHERE": lambda bench: bench.serve(ClaimRefuted(BOB, at(8), "no")),
    "ANSWERED": lambda bench: _answer(bench, at(8), sealed=False),
    "ANSWERED_SEALED": lambda bench: _answer(bench, at(2), sealed=True),
}
HARMLESS = {"HINTED", "HEARD_ELSEWHERE", "REFUTED_ELSEWHERE", "ANSWERED"}


def _answer(bench: Bench, source: Locator, sealed: bool) -> None:
    if bench.asked_ns:
        nonce = bench.last_question().nonce
        bench.receive(Answer(nonce=nonce, target=BOB, whereabouts=Whereabouts()), source, sealed)


def check(before: NeighbourEntry, name: str, bench: Bench) -> None:
    """What holds after every step."""
    after = bench.entry()
    timed = after.state in (I, R, D, P)
    assert (bench.machine.next_deadline() is not None) or not timed
    assert after.connected or after.state not in (R, P)
    assert after.locator is not None or after.state in (U, I)
    if name in HARMLESS:
        assert (after.state, after.locator, after.connected) == (before.state, before.locator, before.connected)
    if after.locator != before.locator:
        assert name in ("PROVED", "UP")
    gaps = zip(bench.asked_ns, bench.asked_ns[1:], strict=False)
    assert all(later - earlier >= SECOND for earlier, later in gaps)
    for effect in bench.effects:
        if isinstance(effect, PeerResolved):
            assert effect.locator in (at(2), at(9))


STEPS = st.lists(st.tuples(st.sampled_from(sorted(WALK)), st.integers(0, 12 * SECOND)), min_size=4, max_size=60)


@given(STEPS, st.integers(0, 9))
def test_walk_keeps_the_invariants(steps: list[tuple[str, int]], seed: int) -> None:
    bench = Bench(seed)
    bench.serve(EnsurePeer(BOB))
    for name, pause_ns in steps:
        before = bench.entry()
        deadline_ns = bench.machine.next_deadline()
        bench.now_ns += pause_ns if deadline_ns is None else min(pause_ns, max(0, deadline_ns - 1 - bench.now_ns))
        WALK[name](bench)
        check(before, name, bench)
    _quiet_at_last(bench)


def _quiet_at_last(bench: Bench) -> None:
    """Left alone, a neighbour comes to rest, and whoever waited has been told."""
    waited = bench.entry().state is I
    for _ in range(200):
        if bench.machine.next_deadline() is None:
            break
        bench.expire()
    assert bench.machine.next_deadline() is None
    assert bench.entry().state in (U, S)
    if waited:
        assert any(isinstance(effect, PeerUnresolved) for effect in bench.effects)


@given(st.lists(st.sampled_from(sorted(HARMLESS)), min_size=1, max_size=30), st.integers(0, 2 * SECOND))
def test_live_entry_is_not_disturbed_by_what_is_not_proved(names: list[str], pause_ns: int) -> None:
    bench = bench_in(R, True)
    for name in names:
        before = bench.entry()
        WALK[name](bench)
        check(before, name, bench)
        bench.now_ns += pause_ns // len(names)
    assert bench.entry().state is R
    elsewhere = {effect.locator for effect in bench.effects if isinstance(effect, ProveClaim)}
    assert elsewhere <= {at(7)}, "only what its own sealed datagrams hint at is proved"

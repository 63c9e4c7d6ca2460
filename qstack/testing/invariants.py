"""What must hold in every simulation, whatever went wrong in it.

Keys (rfc_notes/unit.md, UNIT-3-3 and 4.4)
------------------------------------------
1. All keys that were delivered for one unit are the same, and of the size asked for.
2. A head delivers its key as confirmed or has none.
3. When a tail delivers as confirmed, the head had heard that the tail has the key (KeyConfirmed) and has said so
   (UnitDelivered); it has delivered the same key before, unless it died in that instant.
4. When a head delivers, the tail delivers the same key, confirmed or not, unless it died.
5. A tail delivers as unconfirmed when, and only when, it was not told before that the head has the key.

Ends
----
6. A living end of a unit ends once, at its deadline at the latest: a key, a failure, or its application gave it up.
   Nothing is told about it afterwards.
7. Nobody is given a request twice, not even in another life.
8. Pairs have the same number and the same frame at both ends, a fidelity not below what was asked for that is
   estimated as it truly is, and on ideal links outcomes that fit.
9. On ideal links no test round shows an error, and no confirmation fails.

Rest
----
10. After the last deadline (and the time that releases take) nothing is held: units, circuits, labels, memories,
    windows, requests, timers, messages on their way; in the devices neither pairs nor windows.
11. Honest nodes never accuse one another, and never themselves.
12. Once the network is whole again neighbours meet again, and a new unit succeeds.
"""

from collections.abc import Iterator
from typing import Any

from qstack.base.effects import Log, Severity
from qstack.base.errors import ErrorCode
from qstack.base.units import MILLISECOND_NS, fidelity_from_wire
from qstack.node.node import Node
from qstack.quantum.bell import disagrees
from qstack.testing.record import End, Record, Unit
from qstack.testing.scenario import Mood, Scenario
from qstack.testing.simulation import Simulation
from qstack.wire.unit import UnitKind

__all__ = ["busy", "check_devices", "check_nodes", "check_units", "held"]

_LATE_NS = 100 * MILLISECOND_NS  # what clocks that differ, and the way to an application, may add to a deadline
_WIRE_ERROR = 2e-5  # of a fidelity, 16 bits
_ROUNDING_ERROR = 2e-4  # of an estimate that has come over five links
_NOTHING_IN_COMMON = "0 of 0 test rounds"  # a tail that has waited in vain for rounds that the head has
_ACCUSATIONS = (".violations", ".not_encrypted", ".source_refused", ".unserved_protocol", "end.refused")


def check_units(scenario: Scenario, record: Record) -> Iterator[str]:
    """Invariants 1 to 9."""
    for unit in record.units.values():
        name = f"unit {unit.plan.number} ({unit.plan.opener} to {unit.plan.server})"
        for fault in (*_keys(unit), *_ending(unit), *_pairs(unit)):
            yield f"{name}: {fault}"
        for fault in () if scenario.noisy else _ideal(unit):
            yield f"{name}: {fault}"
        for fault in (*_deadlines(unit), *_estimates(unit, _tolerance(scenario))) if scenario.timely else ():
            yield f"{name}: {fault}"
        if scenario.mood is Mood.CALM:
            for fault in _calm(unit):
                yield f"{name}: {fault}"
    for (node, what, mark), times in record.acted.items():
        if times > 1:
            yield f"{node} was given the same {what} {times} times: {mark.hex()}"


def _keys(unit: Unit) -> Iterator[str]:
    keys = {end.key for end in unit.ends if end.key is not None}
    if len(keys) > 1:
        yield f"two different keys: {sorted(key.hex() for key in keys)}"
    if any(len(key) != -(-unit.plan.size // 8) for key in keys):
        yield f"a key of the wrong size: {sorted(key.hex() for key in keys)}"
    for head in unit.heads:
        if head.delivered and not head.confirmed:
            yield "the head delivered an unconfirmed key"
        if head.delivered and not any(tail.delivered or _died(tail) for tail in unit.tails):
            yield f"the head has a key, the tail {_outcomes(unit.tails)}"
    for tail in unit.tails:
        before = [head for head in unit.heads if head.delivered and head.delivered[0][0] <= tail.delivered[0][0]] \
            if tail.delivered else []  # fmt: skip
        if tail.confirmed and not before and not any(_died(head) for head in unit.heads):
            yield f"the tail has a confirmed key, the head {_outcomes(unit.heads)}"
        known = [name for name, at_ns in unit.passed.items() if tail.delivered and at_ns <= tail.delivered[0][0]]
        if tail.confirmed and len(known) < 2:
            yield f"the tail calls its key confirmed and cannot know: came through have only {known}"
        if tail.delivered and not tail.confirmed and "UnitDelivered" in known:
            yield "the tail calls its key unconfirmed and was told that the head has it"


def _ending(unit: Unit) -> Iterator[str]:
    # A request may be repeated in a new epoch; what it had led to in the old one has ended with that.
    tails = [tail for tail in unit.tails if tail.outcome not in ("failed session_lost", "died")]
    if len(unit.heads) > 1 or len(tails) > 1:
        yield f"it was started {len(unit.heads)} times at its head and {len(unit.tails)} times at its tail"
    for end in unit.ends:
        where = "head" if end.is_head else "tail"
        words = len(end.delivered) + len(end.failed)
        if words > 1:
            yield f"the {where} was told {words} times that it is over"
        if not words and end.gave_up_ns is None and not _died(end):
            yield f"the {where} was never told that it is over"


def _deadlines(unit: Unit) -> Iterator[str]:
    for end in unit.ends:
        for at_ns, _ in (*end.delivered, *end.failed):
            if at_ns > unit.plan.end_ns + _LATE_NS:
                late_ms = (at_ns - unit.plan.end_ns) / 1e6
                yield f"the {'head' if end.is_head else 'tail'} was told {late_ms:.1f} ms after the deadline"


def _tolerance(scenario: Scenario) -> float:
    """What an estimate may be wrong by: what it is rounded to, and what memories forget while clocks disagree."""
    wrong_ns = max(0, *scenario.clock_errors_ns) - min(0, *scenario.clock_errors_ns)  # the device's clock is right
    memory = scenario.topology.nodes[0].memory
    fastest_ns = min((time for time in (memory.t1_ns, memory.t2_ns, memory.depolarising_ns) if time), default=0)
    return _ROUNDING_ERROR + (2.0 * wrong_ns / fastest_ns if fastest_ns else 0.0)


def _estimates(unit: Unit, tolerance: float) -> Iterator[str]:
    for end in unit.ends:
        for pair in end.pairs:
            told, truth = fidelity_from_wire(pair.fidelity), end.truths.get(pair.pair)
            if told < unit.plan.min_fidelity - _WIRE_ERROR:
                yield f"pair {pair.pair} has fidelity {told}, asked for is {unit.plan.min_fidelity}"
            if truth is not None and abs(told - truth) > tolerance:
                yield f"pair {pair.pair} has fidelity {truth:.4f}, estimated is {told:.4f}"


def _pairs(unit: Unit) -> Iterator[str]:
    for end in unit.ends:
        numbers = [pair.pair for pair in end.pairs]
        if len(set(numbers)) < len(numbers):
            yield f"a pair was delivered twice: {numbers}"
        if unit.plan.kind is UnitKind.PAIRS and len(numbers) > unit.plan.size:
            yield f"{len(numbers)} pairs were delivered, {unit.plan.size} are wanted"
    for head in unit.heads:
        for tail in unit.tails:
            yield from _entanglement(unit, head, tail)


def _entanglement(unit: Unit, head: End, tail: End) -> Iterator[str]:
    frames = {pair.pair: pair.bell_index for pair in tail.pairs}
    for pair in head.pairs:
        theirs = frames.get(pair.pair)
        if theirs is None:
            continue
        if theirs != pair.bell_index:
            yield f"pair {pair.pair} has frame {pair.bell_index} at the head, {theirs} at the tail"


def _ideal(unit: Unit) -> Iterator[str]:
    for head in unit.heads:
        for tail in unit.tails:
            yield from _correlations(unit, head, tail)
    for _, delivered in (each for end in unit.ends for each in end.delivered):
        if delivered.errors:
            yield f"{delivered.errors} of {delivered.tests} test rounds disagree on ideal links"
    failures = [failed for end in unit.ends for _, failed in end.failed]
    if not any(_NOTHING_IN_COMMON in failed.text for failed in failures):
        for failed in failures:
            if failed.reason == ErrorCode.CONFIRMATION_FAILED:
                yield f"no confirmation on ideal links: {failed.text}"


def _correlations(unit: Unit, head: End, tail: End) -> Iterator[str]:
    for pair in head.pairs:
        outcomes = [end.outcomes[pair.pair] for end in (head, tail) if pair.pair in end.outcomes]
        if len(outcomes) == 2 and outcomes[0] ^ outcomes[1] != disagrees(pair.bell_index, unit.plan.basis):
            yield f"pair {pair.pair} in frame {pair.bell_index}, basis {unit.plan.basis}: outcomes {outcomes}"


def _calm(unit: Unit) -> Iterator[str]:
    if len(unit.ends) != 2:
        yield f"calm, and {len(unit.ends)} ends were told of it"
    for end in unit.ends:
        if unit.plan.kind is UnitKind.KEY and not end.confirmed:
            yield f"calm, and it ended {end.outcome} at the {'head' if end.is_head else 'tail'}"
        if unit.plan.kind is UnitKind.PAIRS and len(end.outcomes) != unit.plan.size:
            yield f"calm, and {len(end.outcomes)} of {unit.plan.size} pairs were measured"


def _died(end: End) -> bool:
    return end.life.died_ns is not None


def _outcomes(ends: list[End]) -> str:
    return ", ".join(end.outcome for end in ends) or "was never told"


# --- rest ------------------------------------------------------------------------------------------------------------


def held(node: Node) -> dict[str, int]:
    """What of a unit, a circuit or a link a node holds; empty after the last deadline."""
    machines: Any = node.machines
    link = machines.link.describe()
    kept = {
        "units": len(machines.unit.describe()),
        "measurements": machines.unit.open_measurements,
        "unit timers": int(machines.unit.next_deadline() is not None),
        "circuits": len(machines.circuit.describe()),
        "labels": len(machines.circuit._around.labels),
        "swaps": len(machines.circuit._swapper),
        "circuit timers": int(machines.circuit.next_deadline() is not None),
        "link labels": sum(len(end.labels) for end in link.links),
        "link requests": sum(end.queued_requests for end in link.links),
        "windows": sum(end.open_windows for end in link.links),
        "memories": sum(end.memories - end.free for end in link.links),
        "matches": sum(station.waiting for station in link.stations),
        "device questions": len(machines.link._around.asked),
        "link timers": int(machines.link.next_deadline() is not None),
    }
    return {what: count for what, count in kept.items() if count}


def busy(node: Node) -> dict[str, int]:
    """What else a node is at besides keeping sessions and its neighbours alive; empty in a network at rest."""
    flows: Any = node._flows
    egress: Any = node._egress
    machines = node.machines
    sessions = (*machines.hop_session.describe(), *machines.end_session.describe())
    at_work = {
        "unacknowledged": sum(flows.unacknowledged(party) for party in flows._exchanges),
        "flow timers": int(flows.next_deadline() is not None),
        "waiting for a session": sum(len(waiting) for waiting in egress._waiting.values()),
        "header timers": int(machines.header.next_deadline() is not None),
        "handshakes": sum(session.state not in ("established", "suspect") for session in sessions),
    }
    return {what: count for what, count in at_work.items() if count}


def check_nodes(record: Record, *, at_rest: bool) -> Iterator[str]:
    """Invariants 10 and 11 for nodes: now that nothing may be held any more, or, `at_rest`, even be under way."""
    for life in record.lives:
        where = f"{life.name} (life {life.number})"
        if life.died_ns is None:
            for what, count in (held(life.node) | (busy(life.node) if at_rest else {})).items():
                yield f"{where}: {count} {what}"
        for counter, count in life.node.counters.items():
            if counter.endswith(_ACCUSATIONS):
                yield f"{where}: counted {counter} {count} times"


def check_devices(simulation: Simulation) -> Iterator[str]:
    """Invariant 10 for the devices, and 11 for what is told to operators."""
    twin = simulation.twin
    if twin.live_pairs:
        yield f"the devices hold {twin.live_pairs} pairs"
    if twin.open_windows:
        yield f"the devices wait for {twin.open_windows} windows or flights"
    for place in simulation.places.values():
        for event in place.events:
            if isinstance(event, Log) and event.severity is Severity.LOCAL:
                yield f"{place.configuration.name} blames itself: {event.event} {dict(event.fields)}"

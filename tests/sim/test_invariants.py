"""The checker finds what it is there for: each fault is planted, and must be named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from qstack.machine.exchange import Delivery, Exchange
from qstack.proto.circuit.machine import CircuitMachine
from qstack.proto.link.memory import MemoryPool
from qstack.proto.unit.end import UnitEnd
from qstack.proto.unit.machine import UnitMachine
from qstack.testing.scenario import CrashPlan, Mood, Scenario, UnitPlan
from qstack.testing.topology import chain
from qstack.testing.trial import Result, try_scenario
from qstack.testing.weather import CALM, WeatherReport
from qstack.wire.unit import UnitKind

SECOND = 1_000_000_000


def scenario(
    *, kind: UnitKind = UnitKind.KEY, crashes: tuple[CrashPlan, ...] = (), weather: WeatherReport = CALM
) -> Scenario:
    """One unit from n1 to n3."""
    topology = chain((2, 1))
    unit = UnitPlan(0, "n1", "n3", kind, 16, SECOND // 2, 5_000, 0)
    return Scenario(0, Mood.CRASHES, topology, (0, 0, 0), (0, 0, 0), weather, (unit,), crashes, (), (), 6 * SECOND)


def faults(of: Scenario) -> str:
    return "\n".join(try_scenario(of).faults)


def killed_at(point: str, node: str, outputs: int = 0) -> Scenario:
    return scenario(crashes=(CrashPlan(node, 0, point, outputs=outputs),))


@pytest.fixture
def deliveries(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., tuple[bytes, bool] | None]], None]:
    """Alter what is delivered: give the key and whether it is confirmed, or None to deliver nothing."""
    deliver = UnitEnd.deliver_key

    def alter(altered: Callable[[UnitEnd, bytes, bool], tuple[bytes, bool] | None]) -> None:
        def planted(self: UnitEnd, key: bytes, confirmed: bool) -> None:
            told = altered(self, key, confirmed)
            if told is not None:
                deliver(self, *told)

        monkeypatch.setattr(UnitEnd, "deliver_key", planted)

    return alter


def test_checker_scenario_without_a_fault_is_clean() -> None:
    result: Result = try_scenario(scenario())
    assert result.faults == () and result.outcomes == {"confirmed": 1}


@pytest.mark.parametrize("point, node", [("KeyConfirmed", "n1"), ("UnitDelivered", "n3"), ("KeyConfirm", "n3")])
@pytest.mark.parametrize("outputs", [0, 1, 2, 9])
def test_checker_node_killed_around_the_confirmation_is_clean(point: str, node: str, outputs: int) -> None:
    result = try_scenario(killed_at(point, node, outputs))
    assert result.points == {point: 1}
    assert result.faults == ()


def test_checker_key_with_one_bit_flipped_is_found(deliveries) -> None:
    deliveries(lambda end, key, confirmed: (key if end.IS_HEAD else bytes([key[0] ^ 1]) + key[1:], confirmed))
    assert "two different keys" in faults(scenario())


def test_checker_key_cut_short_is_found(deliveries) -> None:
    deliveries(lambda end, key, confirmed: (key[:-1], confirmed))
    assert "a key of the wrong size" in faults(scenario())


def test_checker_tail_that_calls_confirmed_what_it_cannot_know_is_found(deliveries) -> None:
    deliveries(lambda end, key, confirmed: (key, True))
    assert "cannot know" in faults(killed_at("KeyConfirmed", "n1"))


def test_checker_tail_that_calls_unconfirmed_what_it_knows_is_found(deliveries) -> None:
    deliveries(lambda end, key, confirmed: (key, end.IS_HEAD))
    assert "was told that the head has it" in faults(scenario())


def test_checker_tail_that_keeps_its_key_to_itself_is_found(deliveries) -> None:
    deliveries(lambda end, key, confirmed: (key, confirmed) if end.IS_HEAD else None)
    assert "the head has a key, the tail open" in faults(scenario())


def test_checker_end_that_is_told_twice_is_found(deliveries) -> None:
    def twice(end: UnitEnd, key: bytes, confirmed: bool) -> tuple[bytes, bool]:
        end._act_fail(None)
        return key, confirmed

    deliveries(twice)
    assert "was told 2 times that it is over" in faults(scenario())


def test_checker_frames_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    note = UnitEnd._note_pair
    monkeypatch.setattr(UnitEnd, "_note_pair", lambda self, pair: note(
        self, pair if self.IS_HEAD else replace(pair, bell_index=pair.bell_index ^ 1)))
    assert "at the tail" in faults(scenario(kind=UnitKind.PAIRS))


def test_checker_frames_that_are_both_wrong_are_found_by_their_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    note = UnitEnd._note_pair
    monkeypatch.setattr(UnitEnd, "_note_pair", lambda self, pair: note(
        self, replace(pair, bell_index=pair.bell_index ^ 2)))
    assert "outcomes [" in faults(scenario(kind=UnitKind.PAIRS))


def test_checker_request_acted_on_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: Exchange, sequence: int, payload: bytes, context, now_ns: int) -> list[Delivery]:
        return [Delivery(payload, context)]

    monkeypatch.setattr(Exchange, "receive", receive)
    found = faults(scenario(weather=replace(CALM, duplication=1.0)))
    assert "was given the same UnitRequest" in found and "was given the same Reserve" in found


def test_checker_memories_that_are_not_given_back_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryPool, "give_back", lambda self, qubit: True)
    monkeypatch.setattr(MemoryPool, "emptied", lambda self, qubits: None)
    assert "memories" in faults(scenario())


def test_checker_circuit_that_is_not_released_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnitEnd, "_act_release", lambda self, *_: None)
    monkeypatch.setattr(CircuitMachine, "handle_deadline", lambda self, now_ns: None)
    monkeypatch.setattr(CircuitMachine, "next_deadline", lambda self: None)
    found = faults(scenario(kind=UnitKind.PAIRS))
    assert "circuits" in found and "labels" in found


def test_checker_node_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: UnitMachine, message, sender, now_ns: int) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(UnitMachine, "receive", receive)
    assert "ZeroDivisionError: planted" in faults(scenario())


def test_checker_unit_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnitMachine, "handle_deadline", lambda self, now_ns: None)
    monkeypatch.setattr(UnitMachine, "next_deadline", lambda self: None)
    monkeypatch.setattr(UnitMachine, "on_service", lambda self, service, now_ns: None)
    found = faults(scenario())
    assert "was never told that it is over" in found and "1 units" in found

"""A link that lives for a day, in virtual time, and keeps no memory; and proof that it would be seen if it did."""

from typing import Any

import pytest

from qstack.base.pairs import PairKind
from qstack.proto.link import delivery, window
from qstack.testing.life import live

KINDS = tuple(PairKind)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hours_of_a_links_life_leak_nothing_and_mistake_no_pair_for_another(seed: int) -> None:
    report = live(2.0, seed, KINDS)
    assert not report.faults, report
    assert report.compared > 200 and report.from_stock > 0 and report.ended["done"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_a_day_of_a_links_life_leaks_nothing_and_mistakes_no_pair_for_another(seed: int) -> None:
    report = live(24.0, seed, KINDS)
    assert not report.faults, report
    assert report.compared > 4_000 and report.ended["done"] > 1_000
    assert min(report.troubles[what] for what in ("crash", "device", "partition", "stall")) > 2


def test_memory_that_is_not_given_back_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.Windows, "release_again", lambda self: None)
    released = window.Windows.released

    def forgetful(self: Any, qubits: tuple[int, ...], statuses: tuple[int, ...]) -> None:
        released(self, qubits[1:], statuses[1:])  # type: ignore[arg-type]

    monkeypatch.setattr(window.Windows, "released", forgetful)
    assert any("not at rest" in fault for fault in live(0.3, 5, KINDS).faults)


def test_pair_that_is_taken_for_another_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = delivery.Delivery.receive

    def confused(self: Any, heralded: Any, reply: Any) -> list[Any]:
        halves = receive(self, heralded, reply)
        if len(halves) > 1 and self._is_lower and halves[0].qubit is not None:
            first, second, *rest = halves
            swapped = [delivery.replace(first, qubit=second.qubit), delivery.replace(second, qubit=first.qubit)]
            return [*swapped, *rest]
        return halves

    monkeypatch.setattr(delivery.Delivery, "receive", confused)
    assert any("different pairs" in fault for fault in live(1.0, 6, (PairKind.KEEP,)).faults)

"""Links that can be set: brightness by window and end, and clicks counted while one end or none emits."""

from __future__ import annotations

from math import sqrt

import pytest

from qstack.base.ids import Cycle, QubitId
from qstack.base.units import MILLISECOND_NS
from qstack.quantum.channels import Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.schemes import SingleClick
from qstack.wire.twin import (
    MAXIMUM_COUNTED_CYCLES,
    PROBABILITY_UNIT,
    Attempt,
    AttemptAccepted,
    AwaitHeralds,
    ClicksCounted,
    CountClicks,
    Heralds,
    LinkEnd,
    PairInspected,
    Refused,
    Status,
)
from qstack.wire.value import Message
from tests.twin.network import ALICE, CYCLE_NS, FIRST, REPEATER, SESSION, WEST, Network, configuration

CYCLES = 20_000
LINK = LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (0.02, 0.04), 0.9), (Lossless(20_000), Lossless(50_000)),
                    Detector(dark_count_probability=1e-4))  # fmt: skip


def network(hardware: LinkHardware = LINK) -> Network:
    return Network(configuration(hardware=hardware, qubits=900))  # type: ignore[no-untyped-call]


def ask(net: Network, node: int, message: Message) -> list[Message]:
    return [result for _, result in net.ask(SESSION[node], message)]  # type: ignore[no-untyped-call]


def attempt(net: Network, node: int, bright: float, first: int = FIRST, memories: int = 1) -> None:
    made = ask(net, node, Attempt(request_id=1, link=WEST, first_cycle=Cycle(first), cycles=CYCLES,
                                  bright=round(bright * PROBABILITY_UNIT),
                                  qubits=tuple(map(QubitId, range(memories)))))  # fmt: skip
    assert any(isinstance(result, AttemptAccepted) for result in made)


def counted(net: Network, bright: dict[int, float], first: int = FIRST) -> ClicksCounted:
    assert not ask(net, REPEATER, CountClicks(request_id=2, link=WEST, first_cycle=Cycle(first), cycles=CYCLES))
    for node, alpha in bright.items():
        attempt(net, node, alpha, first)
    net.now_ns = (first + CYCLES) * CYCLE_NS + 501 * MILLISECOND_NS
    net.twin.handle_deadline(net.now_ns)
    [(session, result)] = net.twin.take_results()
    assert session == SESSION[REPEATER] and isinstance(result, ClicksCounted)
    return result


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_brightness_asked_for_sets_rate_and_state(alpha: float) -> None:
    net = network()
    for node in (ALICE, REPEATER):
        attempt(net, node, alpha, memories=900)
    [heralds] = ask(net, REPEATER, AwaitHeralds(request_id=3, link=WEST, first_cycle=FIRST, cycles=CYCLES))
    assert isinstance(heralds, Heralds)
    model = LINK.at(alpha)
    mean = CYCLES * model.success_probability
    assert len(heralds.heralds) == pytest.approx(mean, abs=4 * sqrt(mean))
    found = net.inspect(ALICE, 0)  # type: ignore[no-untyped-call]
    assert isinstance(found, PairInspected)
    bell = heralds.heralds[0].bell_index
    assert found.fidelities[bell] * 1e-9 == pytest.approx(model.fidelity, abs=1e-8)


def test_no_brightness_is_the_links_own() -> None:
    net = network()
    for node in (ALICE, REPEATER):
        attempt(net, node, 0.0, memories=900)
    [heralds] = ask(net, REPEATER, AwaitHeralds(request_id=3, link=WEST, first_cycle=FIRST, cycles=CYCLES))
    assert isinstance(heralds, Heralds)
    mean = CYCLES * LINK.at().success_probability
    assert len(heralds.heralds) == pytest.approx(mean, abs=4 * sqrt(mean))


@pytest.mark.parametrize(
    ("bright", "attempted", "arrival_ns"),
    [({ALICE: 0.5}, LinkEnd.LOWER, 20_000), ({REPEATER: 0.5}, LinkEnd.HIGHER, 50_000), ({}, LinkEnd(0), 5_000)],
)
def test_clicks_of_one_end_or_none_are_counted(bright: dict[int, float], attempted: LinkEnd, arrival_ns: int) -> None:
    result = counted(network(), bright)
    model = LINK.at((bright.get(ALICE, 0.0), bright.get(REPEATER, 0.0)))
    mean = CYCLES * model.success_probability
    assert result.attempted == attempted and result.clicks == pytest.approx(mean, abs=4 * sqrt(mean))
    assert result.arrival_ns == pytest.approx(arrival_ns, rel=0.05)


def test_link_without_dark_counts_counts_nothing_in_the_dark() -> None:
    hardware = LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (0.02, 0.04), 0.9))
    result = counted(network(hardware), {})
    assert (result.clicks, result.arrival_ns) == (0, 0)


def test_counted_window_fills_no_memory_and_frees_them() -> None:
    net = network()
    counted(net, {ALICE: 0.5, REPEATER: 0.5})
    later = FIRST + 200_000
    attempt(net, ALICE, 0.5, later)
    assert net.twin.live_pairs == 0 and net.twin.statistics.unmatched == 0


def test_window_too_long_to_be_counted_is_refused() -> None:
    question = CountClicks(request_id=2, link=WEST, first_cycle=FIRST, cycles=MAXIMUM_COUNTED_CYCLES + 1)
    [refused] = ask(network(), REPEATER, question)
    assert isinstance(refused, Refused) and refused.status == Status.NO_ROOM


def test_counting_is_refused_to_others_and_of_links_that_have_nothing_to_count() -> None:
    question = CountClicks(request_id=2, link=WEST, first_cycle=FIRST, cycles=CYCLES)
    for net, node, status in (
        (network(), ALICE, Status.UNKNOWN_LINK),
        (Network(configuration()), REPEATER, Status.UNSUPPORTED),  # type: ignore[no-untyped-call]
    ):
        [refused] = ask(net, node, question)
        assert isinstance(refused, Refused) and refused.status == status

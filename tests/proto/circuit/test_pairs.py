"""End-to-end pairs through whole rows of nodes: what both ends are told is true, and nothing stays behind."""

import random

import pytest

from qstack.base.ids import Qna, make_qna
from qstack.proto.circuit.params import CircuitParameters
from qstack.wire.circuit import Track
from qstack.wire.twin import Swap
from tests.proto.circuit.fabric import Fabric

ROW = [make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3), make_qna(64513, 1), make_qna(64513, 2)]


def finish(fabric: Fabric) -> None:
    for own in list(fabric.places):
        fabric.release(own)
    fabric.run(30)
    assert fabric.leaks() == []
    assert fabric.violations == []


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_pairs_are_the_same_at_both_ends_and_true(nodes: int) -> None:
    fabric = Fabric(ROW[:nodes])
    fabric.open(20)
    fabric.run(2, lambda: fabric.matched >= 20)
    assert fabric.matched == 20
    head, tail = fabric.places[ROW[0]].delivered, fabric.places[ROW[nodes - 1]].delivered
    assert {p.pair for p in head} == {p.pair for p in tail} == set(range(20))
    assert all(p.fidelity == pytest.approx(1.0) and p.expires_ns == 0 for p in head + tail)
    fabric.run(1)
    assert len(head) == len(tail) == 20
    finish(fabric)


def test_number_is_not_exceeded_by_any_link() -> None:
    fabric = Fabric(list(ROW))
    fabric.open(20)
    fabric.run(3)
    made = {link.link: link.pairs for place in fabric.places.values() for link in place.link.describe().links}
    assert set(made.values()) == {20}
    finish(fabric)


def test_swaps_and_tracks_travel_in_batches() -> None:
    fabric = Fabric(list(ROW), memories=64)
    calls: list[int] = []
    call = fabric._call

    def counting(place: object, request: object) -> None:
        if isinstance(request, Swap):
            calls.append(len(request.couples))
        call(place, request)  # type: ignore[arg-type]

    fabric._call = counting  # type: ignore[method-assign]
    fabric.open(64)
    fabric.run(2, lambda: fabric.matched >= 64)
    assert sum(calls) == 3 * 64 and len(calls) <= 6
    tracks = [message for _, _, message in fabric.sent if isinstance(message, Track)]
    assert len(tracks) <= 2 * 4 * 4 and all(len(track.estimates) <= 4 for track in tracks)


def test_pairs_below_a_failed_swap_are_replaced() -> None:
    fabric = Fabric(list(ROW), swap_failures=0.2)
    fabric.open(30, seconds=30)
    fabric.run(20, lambda: fabric.matched >= 30)
    assert fabric.matched == 30
    assert fabric.counters["circuit.pairs_replaced"] > 10
    finish(fabric)


def test_cutoff_drops_old_pairs_and_the_rest_goes_on() -> None:
    fabric = Fabric(list(ROW), probability=0.0005, circuit=CircuitParameters(cutoff_ns=100_000_000))
    fabric.open(10, seconds=60)
    fabric.run(50, lambda: fabric.matched >= 10)
    assert fabric.matched == 10
    assert fabric.counters["circuit.pairs_cut_off"] > 0
    finish(fabric)


def test_delivered_pairs_are_given_back_with_the_circuit() -> None:
    fabric = Fabric(list(ROW))
    fabric.places[ROW[0]].hold = fabric.places[ROW[-1]].hold = True
    fabric.open(5)
    fabric.run(1)
    assert fabric.matched == 5 and len(fabric.device.pairs) == 10
    finish(fabric)


def scenario(seed: int) -> tuple[Fabric, int]:
    """A row, its weather, and one or two circuits through it."""
    dice = random.Random(seed)
    count = dice.randint(2, 5)
    border = dice.randint(1, count)
    numbers = dice.sample(range(1, 20), count)
    row = [make_qna(64512 + (n >= border), number) for n, number in enumerate(numbers)]
    stations: list[Qna] | None = dice.choice([
        None, row[1:], [make_qna(64512, 100 + n) for n in range(count - 1)],
    ])  # fmt: skip
    fabric = Fabric(
        row, b"%d" % seed, memories=dice.choice([5, 8, 32]), stations=stations, loss=dice.choice([0, 0, 0.05, 0.2]),
        duplication=dice.choice([0, 0.1]), delay_ns=dice.choice([(100_000, 300_000), (1_000_000, 8_000_000)]),
        probability=dice.choice([1.0, 1.0, 0.3, 0.01]), swap_failures=dice.choice([0, 0, 0.1]),
        circuit=CircuitParameters(cutoff_ns=dice.choice([0, 300_000_000, 5 * 10**9]), memories=dice.choice([1, 2])),
    )  # fmt: skip
    number = dice.randint(1, 40)
    fabric.open(number, seconds=40)
    if dice.random() < 0.3:
        fabric.open(number, seconds=40, head=row[-1], tail=row[0], context=bytes([1] * 16))
        return fabric, 2 * number
    return fabric, number


@pytest.mark.parametrize("seed", range(40))
def test_bad_network_delays_pairs_and_spoils_none(seed: int) -> None:
    fabric, wanted = scenario(seed)
    fabric.run(40, lambda: fabric.matched >= wanted)
    assert fabric.matched == wanted
    finish(fabric)


@pytest.mark.parametrize("seed", range(100, 130))
def test_crash_or_lost_session_at_any_moment_leaves_nothing_behind(seed: int) -> None:
    fabric, _ = scenario(seed)
    dice = random.Random(seed)
    fabric.run(dice.random() * 0.4)
    place = dice.randrange(len(fabric.qnas) - 1)
    if dice.random() < 0.6:
        fabric.crash(fabric.qnas[place])
    else:
        fabric.peer_down(fabric.qnas[place], fabric.qnas[place + 1])
    fabric.run(60)
    assert fabric.leaks() == [] and fabric.violations == []

"""Attempts that are measured at once: outcomes as quantum mechanics has them, bases by chance, fetched later."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import pytest

from qstack.base.bell import Basis, BellIndex
from qstack.base.ids import QubitId
from qstack.base.pairs import DRAWN_FROM, BasisChoice, PairKind
from qstack.quantum.bell import disagrees
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import GateSet, MemoryModel, Operation
from qstack.twin.attempts import OUTCOMES_KEPT_NS
from qstack.twin.configuration import GRACE_NS
from qstack.wire.twin import Attempt, AttemptAccepted, FetchOutcomes, Heralds, OutcomesFetched, Refused, Status
from tests.twin.network import ALICE, BOB, CYCLE_NS, EAST, FIRST, REPEATER, SESSION, START, WEST, Network, configuration

PHI = LinkModel.werner(cycle_ns=CYCLE_NS, bells=(BellIndex.PHI_PLUS,))
QUARTER = 1 << 14


def attempt(net, node, kind=PairKind.MEASURE, choice=BasisChoice.NONE, first=FIRST, cycles=100, qubits=(0,), most=0,
            rotation=(0, 0, 0), link=WEST, chances=(0, 0)):  # fmt: skip
    x1, y, x2 = rotation
    message = Attempt(
        request_id=net.number(), link=link, first_cycle=first, cycles=cycles, kind=kind, choice=choice, x1=x1, y=y,
        x2=x2, first=chances[0], second=chances[1], most=most, qubits=tuple(map(QubitId, qubits)),
    )  # fmt: skip
    return net.ask(SESSION[node], message)


def heralds_of(net, left, right, **options):
    """Both ends attempt, each with options of its own; the heralds."""
    attempt(net, ALICE, **left, **options)
    attempt(net, REPEATER, **right, **options)
    shared = {key: value for key, value in options.items() if key in ("first", "cycles")}
    [(_, heralds)] = net.await_heralds(WEST, **shared)
    assert isinstance(heralds, Heralds)
    return heralds.heralds


def fetch(net, node, offsets, first=FIRST, link=WEST):
    message = FetchOutcomes(request_id=net.number(), link=link, first_cycle=first, offsets=tuple(offsets))
    return net.one(SESSION[node], message)


def outcomes(net, node, heralds, first=FIRST):
    found = fetch(net, node, [herald.offset for herald in heralds], first)
    assert isinstance(found, OutcomesFetched)
    assert all(each.status == Status.OK for each in found.outcomes)
    return found.outcomes


@pytest.mark.parametrize(
    ("choice", "bases"),
    [
        (BasisChoice.NONE, {Basis.Z}), (BasisChoice.XZ, {Basis.X, Basis.Z}), (BasisChoice.XYZ, {*list(Basis)[:3]}),
        (BasisChoice.CHSH, {Basis.Z_PLUS_X, Basis.Z_MINUS_X}),
    ],
)  # fmt: skip
def test_measured_attempts_draw_bases_of_their_choice_with_equal_chances(choice, bases):
    net = Network()
    heralds = heralds_of(net, {"choice": choice}, {"choice": choice}, cycles=1_200)
    for node in (ALICE, REPEATER):
        found = Counter(each.basis for each in outcomes(net, node, heralds))
        assert set(found) == bases
        assert all(abs(n - 1_200 / len(bases)) < 5 * sqrt(1_200) for n in found.values())
    assert net.twin.live_pairs == 0


def test_measured_attempts_agree_as_the_heralded_frame_says_and_are_else_random():
    net = Network()
    heralds = heralds_of(net, {"choice": BasisChoice.XYZ}, {"choice": BasisChoice.XYZ}, cycles=1_500)
    left, right = (outcomes(net, node, heralds) for node in (ALICE, REPEATER))
    crossed = Counter()
    for herald, ours, theirs in zip(heralds, left, right, strict=True):
        if ours.basis == theirs.basis:
            assert ours.bit ^ theirs.bit == disagrees(herald.bell_index, ours.basis)
        else:
            crossed[ours.bit ^ theirs.bit] += 1
    assert abs(crossed[0] - crossed[1]) < 5 * sqrt(crossed.total())
    assert abs(sum(each.bit for each in left) - 750) < 5 * sqrt(1_500)


def test_measured_attempts_violate_the_chsh_inequality_as_far_as_the_state_does():
    net = Network(configuration(model=PHI))
    heralds = heralds_of(net, {"choice": BasisChoice.XZ}, {"choice": BasisChoice.CHSH}, cycles=4_000)
    left, right = (outcomes(net, node, heralds) for node in (ALICE, REPEATER))
    sums, counts = Counter(), Counter()
    for ours, theirs in zip(left, right, strict=True):
        setting = (Basis(ours.basis), Basis(theirs.basis))
        counts[setting] += 1
        sums[setting] += 1 - 2 * (ours.bit ^ theirs.bit)
    mean = {setting: sums[setting] / counts[setting] for setting in counts}
    s = (mean[Basis.Z, Basis.Z_PLUS_X] + mean[Basis.Z, Basis.Z_MINUS_X] + mean[Basis.X, Basis.Z_PLUS_X]
         - mean[Basis.X, Basis.Z_MINUS_X])  # fmt: skip
    assert s == pytest.approx(2 * sqrt(2), abs=0.2)
    assert s > 2


def test_rotations_before_a_measurement_make_it_another_basis():
    net = Network(configuration(model=PHI))
    # About Y by a quarter turns X into Z and Z into -X: measuring Z then is measuring -X before.
    heralds = heralds_of(net, {"rotation": (0, 3 * QUARTER, 0)}, {"rotation": (0, 3 * QUARTER, 0)}, cycles=200)
    left, right = (outcomes(net, node, heralds) for node in (ALICE, REPEATER))
    assert all(ours.bit == theirs.bit for ours, theirs in zip(left, right, strict=True))
    net = Network(configuration(model=PHI))
    heralds = heralds_of(net, {"rotation": (QUARTER, 0, 0)}, {"rotation": (0, 0, QUARTER)}, cycles=200)
    left, right = (outcomes(net, node, heralds) for node in (ALICE, REPEATER))
    assert all(ours.bit != theirs.bit for ours, theirs in zip(left, right, strict=True))  # both in Y


def test_one_end_measures_and_the_other_keeps_what_that_prepares():
    net = Network(configuration(model=PHI))
    memories = tuple(range(8))
    attempt(net, ALICE, choice=BasisChoice.XYZ)
    attempt(net, REPEATER, PairKind.KEEP, qubits=memories)
    [(_, answer)] = net.await_heralds(WEST)
    assert len(answer.heralds) == 8
    told = outcomes(net, ALICE, answer.heralds)
    at = START + 10**9
    for memory, ours in zip(memories, told, strict=True):
        [found] = net.measure(REPEATER, [(memory, Basis(ours.basis))], at).outcomes
        assert found.bit == ours.bit ^ (ours.basis == Basis.Y)
    assert net.twin.live_pairs == 0


@pytest.mark.parametrize(("choice", "first", "second"), [
    (BasisChoice.XZ, 230, 0), (BasisChoice.CHSH, 0, 0), (BasisChoice.XYZ, 128, 96), (BasisChoice.XYZ, 1, 255),
])  # fmt: skip
def test_bases_are_drawn_with_the_chances_that_are_asked_for(choice, first, second):
    net = Network(configuration(model=PHI))
    unequal = {"choice": choice, "chances": (first, second)}
    heralds = heralds_of(net, unequal, {}, cycles=3_000)
    drawn = Counter(each.basis for each in outcomes(net, ALICE, heralds))
    bases, total = DRAWN_FROM[choice], len(heralds)
    parts = (first, second, 256 - first - second)[: len(bases)] if len(bases) == 3 else (first, 256 - first)
    for basis, part in zip(bases, parts if first or second else (256 / len(bases),) * len(bases), strict=True):
        chance = part / 256
        assert abs(drawn[basis] - chance * total) <= 4.0 * (chance * (1.0 - chance) * total) ** 0.5 + 1e-9
    assert {each.basis for each in outcomes(net, REPEATER, heralds)} == {Basis.Z}


@pytest.mark.parametrize(("choice", "first", "second"), [
    (BasisChoice.NONE, 1, 0), (BasisChoice.XZ, 100, 1), (BasisChoice.XYZ, 200, 57),
])  # fmt: skip
def test_chances_that_are_no_distribution_are_refused(choice, first, second):
    [(_, refused)] = attempt(Network(configuration(model=PHI)), ALICE, choice=choice, chances=(first, second))
    assert refused.status == Status.UNSUPPORTED


def test_measured_attempts_occupy_one_memory_until_the_window_is_over_and_fill_none():
    net = Network()
    assert heralds_of(net, {}, {}, cycles=10)
    assert [each.status for each in net.measure(ALICE, [(0, Basis.Z)], START + 10**6).outcomes] == [Status.EMPTY]
    [(_, early)] = attempt(net, ALICE, first=FIRST + 5)
    assert early.status == Status.EARLY
    [(_, accepted)] = attempt(net, ALICE, first=FIRST + 10)
    assert isinstance(accepted, AttemptAccepted)
    [(_, busy)] = attempt(net, ALICE, first=FIRST + 200)
    assert busy.status == Status.BUSY


@pytest.mark.parametrize(
    "wrong", [{"qubits": (0, 1)}, {"kind": PairKind.PREPARE}, {"kind": 9}, {"choice": 7}]
)
def test_attempt_of_a_kind_that_a_device_does_not_have_is_refused(wrong):
    [(_, refused)] = attempt(Network(), ALICE, **wrong)
    assert isinstance(refused, Refused) and refused.status == Status.UNSUPPORTED


def test_attempts_end_with_the_lowest_bound_of_both_ends():
    net = Network()
    assert len(heralds_of(net, {"most": 7}, {"most": 0})) == 7
    assert len(heralds_of(net, {"most": 0}, {"most": 5}, first=FIRST + 200)) == 5


def test_outcomes_are_early_before_the_heralds_and_the_same_whenever_they_are_fetched():
    net = Network()
    attempt(net, ALICE)
    assert fetch(net, ALICE, [0]).status == Status.EARLY
    attempt(net, REPEATER)
    assert fetch(net, ALICE, [0]).status == Status.EARLY
    net.await_heralds(WEST)
    first = fetch(net, ALICE, [0, 1, 2, 99, 100, 3])
    assert [each.status for each in first.outcomes] == [Status.OK] * 4 + [Status.EMPTY, Status.OK]
    assert first.deliver_at == START + 99 * CYCLE_NS  # the last of them was measured then
    net.now_ns += GRACE_NS + 200 * CYCLE_NS
    net.twin.handle_deadline(net.now_ns)
    again = fetch(net, ALICE, [3, 2, 1, 0])
    assert again.outcomes == (first.outcomes[5], *reversed(first.outcomes[:3]))
    assert again.deliver_at == net.now_ns
    net.now_ns = START + 100 * CYCLE_NS + OUTCOMES_KEPT_NS + 1
    assert fetch(net, ALICE, [0]).status == Status.NO_WINDOW
    assert fetch(net, REPEATER, [0], first=FIRST + 1).status == Status.NO_WINDOW
    assert fetch(net, BOB, [0]).status == Status.UNKNOWN_LINK


def test_outcomes_are_not_for_another_host_of_the_node_nor_of_a_memory_that_was_given_up():
    net = Network()
    attempt(net, ALICE)
    attempt(net, REPEATER)
    assert net.release(ALICE, [0], START).statuses == (Status.OK,)
    net.await_heralds(WEST)
    assert fetch(net, ALICE, [0]).status == Status.NO_WINDOW
    assert fetch(net, REPEATER, [0]).outcomes[0].status == Status.OK
    net.attach(REPEATER, 2)
    assert fetch(net, REPEATER, [0]).status == Status.NO_WINDOW


def test_outcomes_have_the_errors_of_measuring_and_reading():
    noisy = configuration(MemoryModel(readout=(0.2, 0.2)), model=PHI, gates=GateSet(measure=Operation(3_700, 0.1)))
    net = Network(noisy)
    heralds = heralds_of(net, {}, {}, cycles=4_000)
    left, right = (outcomes(net, node, heralds) for node in (ALICE, REPEATER))
    wrong = sum(ours.bit != theirs.bit for ours, theirs in zip(left, right, strict=True)) / len(heralds)
    kept = (0.9 * 0.6) ** 2  # of the correlation: two depolarisations and two bad readouts
    assert wrong == pytest.approx((1 - kept) / 2, abs=0.04)


def test_outcomes_kept_are_bounded_and_the_oldest_go_first():
    net = Network()
    starts = [FIRST + 4_100 * n for n in range(18)]
    for first in starts:
        net.now_ns = first * CYCLE_NS
        assert len(heralds_of(net, {}, {}, first=first, cycles=4_096)) == 4_096
    net.now_ns = starts[-1] * CYCLE_NS
    assert fetch(net, ALICE, [0], starts[0]).status == Status.NO_WINDOW
    assert fetch(net, ALICE, [0], starts[-1]).outcomes[0].status == Status.OK


def test_measured_attempts_with_the_same_seed_are_the_same_whatever_else_happens():
    def run(before):
        net = Network(seed=b"x")
        if before:
            net.make(EAST, [2], [1], first=FIRST + 3, cycles=4)
        heralds = heralds_of(net, {"choice": BasisChoice.XYZ}, {"choice": BasisChoice.XYZ})
        return heralds, outcomes(net, ALICE, heralds), outcomes(net, REPEATER, heralds)

    assert run(False) == run(True)

"""What the twin does to qubits against theory: fidelity of a noisy chain, correlations, error rates, success rates."""

from math import sqrt

import pytest

from qstack.base.bell import PAULI_BASES, Basis, BellIndex, compose
from qstack.base.units import MILLISECOND_NS
from qstack.quantum import bell, formulas
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel
from qstack.wire.twin import FIDELITY_UNIT, Status
from tests.twin.network import ALICE, BOB, CYCLE_NS, EAST, FIRST, REPEATER, START, WEST, Network, configuration

MEMORY = MemoryModel(10 * MILLISECOND_NS, 4 * MILLISECOND_NS)
LATER = START + 10 * MILLISECOND_NS


def chain(net, count, first=FIRST, cycles=4096):
    """End-to-end pairs in memories 0..count-1 of Alice and Bob; their Bell indices."""
    west = net.make(WEST, range(count), range(count), first, cycles)
    east = net.make(EAST, range(count, 2 * count), range(count), first, cycles)
    assert len(west) == len(east) == count
    swapped = net.swap([(n, count + n) for n in range(count)], START + (first - FIRST + cycles) * CYCLE_NS)
    assert all(outcome.status == Status.OK for outcome in swapped.outcomes)
    return [
        compose(w.bell_index, e.bell_index, outcome.bell_index)
        for w, e, outcome in zip(west, east, swapped.outcomes, strict=True)
    ]


def disagreements(net, frames, basis):
    """Rounds in which both ends, the frame taken into account, hold different bits."""
    items = [(n, basis) for n in range(len(frames))]
    here = net.measure(ALICE, items, LATER + 40 * MILLISECOND_NS).outcomes
    there = net.measure(BOB, items, LATER + 40 * MILLISECOND_NS).outcomes
    assert all(outcome.status == Status.OK for outcome in here + there)
    return sum(a.bit ^ b.bit ^ bell.disagrees(frame, basis) for a, b, frame in zip(here, there, frames, strict=True))


@pytest.mark.parametrize("basis", PAULI_BASES)
def test_twin_ideal_chain_gives_equal_bits_in_every_basis(basis):
    net = Network(configuration(qubits=500))
    frames = chain(net, 250)
    assert set(frames) == set(BellIndex)
    assert disagreements(net, frames, basis) == 0
    assert net.twin.live_pairs == 0


def test_twin_outcomes_of_an_ideal_pair_are_fair():
    net = Network(configuration(qubits=4000))
    net.make(WEST, range(4000), range(4000), cycles=4096)
    outcomes = net.measure(ALICE, [(n, Basis.X) for n in range(4000)], LATER + 40 * MILLISECOND_NS).outcomes
    assert all(outcome.status == Status.OK for outcome in outcomes)
    assert abs(sum(outcome.bit for outcome in outcomes) - 2000) < 5 * sqrt(1000)


def test_twin_noisy_chain_has_the_state_that_theory_gives_in_the_order_of_events():
    link = LinkModel.single_click(cycle_ns=CYCLE_NS, bright=(0.1, 0.2), detection=(0.9, 0.8), visibility=0.9)
    net = Network(configuration(MEMORY, model=link))
    [west] = net.make(WEST, [0], [0])
    [east] = net.make(EAST, [1], [0])
    swap_at, seen_at = START + 2 * MILLISECOND_NS, START + 3 * MILLISECOND_NS
    [swapped] = net.swap([(0, 1)], swap_at).outcomes
    net.now_ns = seen_at
    seen = net.inspect(ALICE, 0)

    def aged(state, half, since_ns, until_ns):
        return formulas.decohere_estimate(state, half, until_ns - since_ns, MEMORY.t1_ns, MEMORY.t2_ns)

    west_born, east_born = START + west.offset * CYCLE_NS, START + east.offset * CYCLE_NS
    left = aged(link.state(west.bell_index), 1, west_born, swap_at)
    right = aged(link.state(east.bell_index), 0, east_born, swap_at)
    _, state = formulas.swap_outcome(left, right, swapped.bell_index)
    state = aged(aged(state, 0, west_born, seen_at), 1, east_born, seen_at)
    told = [value / FIDELITY_UNIT for value in seen.fidelities]
    assert told == pytest.approx(formulas.fidelities(state), abs=1e-9)
    assert max(told) == told[compose(west.bell_index, east.bell_index, swapped.bell_index)]


def test_twin_delay_of_a_request_does_not_age_the_qubit():
    fidelities = []
    for delay in (0, 400 * MILLISECOND_NS):
        net = Network(configuration(MEMORY))
        net.make(WEST, [0], [0])
        net.make(EAST, [1], [0])
        net.now_ns = START + delay
        net.swap([(0, 1)], START + MILLISECOND_NS)
        net.now_ns = START + 500 * MILLISECOND_NS
        fidelities.append(net.inspect(BOB, 0).fidelities)
    assert fidelities[0] == fidelities[1]


@pytest.mark.parametrize("basis", PAULI_BASES)
def test_twin_error_rate_of_a_werner_chain_is_that_of_theory(basis):
    net = Network(configuration(qubits=4000, model=LinkModel.werner(cycle_ns=CYCLE_NS, fidelity=0.9)))
    count = 2000
    expected = formulas.error_rates(formulas.swap_estimate(formulas.werner(0.9), formulas.werner(0.9)))[basis]
    errors = disagreements(net, chain(net, count), basis)
    assert abs(errors - count * expected) < 5 * sqrt(count * expected * (1 - expected))


def test_twin_readout_errors_turn_what_is_told():
    net = Network(configuration(MemoryModel(readout=(0.05, 0.05)), qubits=4000))
    count = 2000
    errors = disagreements(net, chain(net, count), Basis.Z)
    # Alice's bit, Bob's bit, and the X part of the swap outcome are each told wrongly with probability 0.05.
    expected = (1 - (1 - 2 * 0.05) ** 3) / 2
    assert abs(errors - count * expected) < 5 * sqrt(count * expected * (1 - expected))


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_twin_single_click_link_has_rate_and_fidelity_of_its_model(alpha):
    link = LinkModel.single_click(cycle_ns=1_000, bright=(alpha, alpha), detection=(1e-3, 1e-3), visibility=0.9)
    net = Network(configuration(model=link, qubits=4000, horizon_ns=10**11))
    cycles = 5_000_000
    heralds = net.make(WEST, range(4000), range(4000), START // 1_000, cycles)
    expected = 2 * alpha * 1e-3 * cycles
    assert abs(len(heralds) - expected) < 5 * sqrt(expected) + 0.001 * expected
    seen = net.inspect(ALICE, 0)
    theory = (1 - alpha) * (1 + sqrt(0.9)) / 2
    assert seen.fidelities[heralds[0].bell_index] / FIDELITY_UNIT == pytest.approx(theory, abs=6e-4)


def test_twin_same_seed_gives_the_same_run_and_another_seed_another():
    def run(seed):
        net = Network(configuration(qubits=100), seed)
        frames = chain(net, 50)
        return frames, net.measure(ALICE, [(n, Basis.X) for n in range(50)], LATER + 40 * MILLISECOND_NS)

    assert run(b"one") == run(b"one")
    assert run(b"one") != run(b"two")


def test_twin_draws_of_one_node_do_not_depend_on_other_nodes():
    def run(others):
        net = Network(configuration(qubits=100))
        net.make(WEST, range(50), range(50))
        net.make(EAST, range(50, 100), range(50))
        if others:
            net.measure(BOB, [(n, Basis.Z) for n in range(50)], LATER)
            net.release(REPEATER, range(50, 60), LATER)
        return net.measure(ALICE, [(n, Basis.X) for n in range(50)], LATER).outcomes

    assert run(False) == run(True)

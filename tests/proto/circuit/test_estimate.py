"""Estimates against the plain formulas, and on the wire."""

from functools import reduce
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.bell import compose
from qstack.proto.circuit.estimate import Composer, fidelity_after, from_wire, time_above, to_wire
from qstack.quantum.formulas import (
    MAXIMALLY_MIXED,
    Correlations,
    apply_pauli,
    bell_state,
    decohere_estimate,
    fidelity,
    swap_outcome,
    werner,
)
from qstack.wire.circuit import Estimate, MemoryTimes

MS = 1_000_000
NEVER = MemoryTimes()


def noisy(f: float, bell: int, pauli: int, ages: tuple[int, int]) -> Correlations:
    first = decohere_estimate(apply_pauli(werner(f, bell), 0, pauli), 0, ages[0], 10 * MS, 4 * MS)
    return decohere_estimate(first, 1, ages[1], 9 * MS, 7 * MS)


ages = st.tuples(st.integers(0, 5 * MS), st.integers(0, 5 * MS))
states = st.builds(noisy, st.floats(0.3, 1.0), st.integers(0, 3), st.integers(0, 3), ages)


@given(states)
def test_state_survives_the_wire_within_its_resolution(state: Correlations) -> None:
    again = from_wire(Estimate.decode_untrusted(to_wire(state).encode()))
    assert max(abs(a - b) for a, b in zip(state, again, strict=True)) < 2.4e-10


@pytest.mark.parametrize("bell", range(4))
def test_ideal_state_survives_the_wire_exactly(bell: int) -> None:
    assert from_wire(to_wire(bell_state(bell))) == bell_state(bell)


def test_numbers_that_no_sender_makes_stay_in_bounds() -> None:
    state = from_wire(Estimate(correlation=(0, 0xFFFF_FFFF) * 7 + (0,)))
    assert min(state) == -1.0 and max(state) == 1.0


@given(states, states, st.integers(0, 3), st.integers(0, 3 * MS), st.integers(0, 3 * MS))
def test_join_ages_the_inner_halves_then_swaps(
    above: Correlations, below: Correlations, outcome: int, age_above: int, age_below: int
) -> None:
    expected = swap_outcome(
        decohere_estimate(above, 1, age_above, 10 * MS, 4 * MS),
        decohere_estimate(below, 0, age_below, 10 * MS, 4 * MS), outcome,
    )[1]  # fmt: skip
    found = Composer(MemoryTimes(t1_ns=10 * MS, t2_ns=4 * MS)).join(above, below, outcome, (age_above, age_below))
    assert found == pytest.approx(expected, abs=1e-12)


def test_join_with_ideal_memories_does_not_age() -> None:
    composer = Composer(NEVER)
    for _ in range(2):  # the second time from memory
        assert composer.join(werner(0.9, 2), werner(0.8, 3), 1, (5 * MS, 9 * MS)) == pytest.approx(
            swap_outcome(werner(0.9, 2), werner(0.8, 3), 1)[1]
        )


@pytest.mark.parametrize(("links", "expected"), [((0.95, 0.95), 0.903333), ((0.9, 0.9), 0.813333), ((0.9,) * 1, 0.9),
                                                 ((0.95,) * 3, 0.859778), ((0.95,) * 4, 0.819126),
                                                 ((0.98,) * 8, 0.854163), ((0.9, 0.8), 0.726667)])  # fmt: skip
def test_chain_of_werner_pairs_has_the_fidelity_of_theory(links: tuple[float, ...], expected: float) -> None:
    bells, outcomes = [n % 4 for n in range(len(links))], [(3 * n + 1) % 4 for n in range(len(links) - 1)]
    pairs = [werner(f, bell) for f, bell in zip(links, bells, strict=True)]
    composer = Composer(NEVER)
    state = reduce(lambda left, nth: composer.join(left, pairs[nth + 1], outcomes[nth], (0, 0)),
                   range(len(outcomes)), pairs[0])  # fmt: skip
    frame = compose(*bells, *outcomes)
    assert fidelity_after(state, frame, (0.0, 0.0), (NEVER, NEVER)) == pytest.approx(expected, abs=1e-6)


def test_impossible_outcome_gives_the_state_of_which_nothing_is_known() -> None:
    product = (1.0, 0.0, 0.0, 1.0, *(0.0,) * 8, 1.0, 0.0, 0.0, 1.0)  # |00>: outcomes Psi cannot be
    assert Composer(NEVER).join(product, product, 2, (0, 0)) == MAXIMALLY_MIXED


@given(states, st.integers(0, 3), st.integers(0, 20 * MS), st.integers(0, 20 * MS))
def test_fidelity_after_agrees_with_ageing_both_halves(state: Correlations, bell: int, first: int, second: int) -> None:
    memories = (MemoryTimes(t1_ns=10 * MS, t2_ns=4 * MS, depolarising_ns=7 * MS), MemoryTimes(t1_ns=0, t2_ns=3 * MS))
    aged = decohere_estimate(decohere_estimate(state, 0, first, 10 * MS, 4 * MS, 7 * MS), 1, second, 0, 3 * MS)
    assert fidelity_after(state, bell, (first, second), memories) == pytest.approx(fidelity(aged, bell), abs=1e-12)


def test_vectors_of_memory_decay() -> None:
    memory = MemoryTimes(t1_ns=10 * MS, t2_ns=4 * MS)
    for age, both, half in ((1, 0.760212, 0.865610), (2, 0.609734, 0.757948), (4, 0.457172, 0.601520)):
        state = bell_state()
        assert fidelity_after(state, 0, (age * MS, age * MS), (memory, memory)) == pytest.approx(both, abs=1e-6)
        assert fidelity_after(state, 0, (age * MS, 0), (memory, memory)) == pytest.approx(half, abs=1e-6)


def test_memory_that_depolarises_is_reckoned_with_at_a_repeater() -> None:
    pair, memory = werner(0.9), MemoryTimes(depolarising_ns=4 * MS)
    found = Composer(memory).join(pair, pair, 0, (MS, 2 * MS))
    left = (4 * 0.9 - 1) / 3
    assert fidelity(found) == pytest.approx((1 + 3 * left * left * exp(-0.75)) / 4, abs=1e-12)
    assert time_above(0.8, lambda ns: fidelity_after(bell_state(), 0, (ns, 0.0), (memory, NEVER)), (memory, NEVER))


def test_time_above_a_threshold_ends_where_the_fidelity_crosses_it() -> None:
    memories = (MemoryTimes(t1_ns=10 * MS, t2_ns=4 * MS), MemoryTimes(t1_ns=20 * MS, t2_ns=4 * MS))

    def later(ns: float) -> float:
        return fidelity_after(bell_state(), 0, (ns, ns), memories)

    left = time_above(0.8, later, memories)
    assert left is not None and later(left) >= 0.8 > later(left * 1.01)
    assert time_above(0.8, later, (NEVER, NEVER)) is None
    assert time_above(0.0, later, memories) is None
    assert time_above(0.2, later, memories) is None  # it never falls so low
    assert time_above(1.0, later, memories) == 0

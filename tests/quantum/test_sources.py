"""Sources of photon pairs: closed forms, photons counted one by one, and states made of Fock space."""

from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas, reference
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.heralding import Light
from qstack.quantum.photons import DownConversion, ManyModes, OnePair
from qstack.quantum.sources import PairSource
from tests.quantum import fock

UNUSED = (0.0, 0.0)
laws = st.one_of(
    st.builds(OnePair, st.floats(0.01, 1.0)), st.builds(DownConversion, st.floats(0.001, 2.0)),
    st.builds(ManyModes, st.floats(0.001, 2.0)),
)  # fmt: skip


def mixture(found):
    return sum(herald.share * np.array(herald.correlations) for herald in found.heralds)


@pytest.mark.parametrize("pairs", [1, 2, 3, 4, 6])
def test_one_photon_of_each_side_of_many_pairs_is_a_werner_state(pairs):
    """|Psi_n> with all photons but one of each side traced out."""
    weight = DownConversion(0.1).weight(pairs)
    expected = np.array(formulas.werner((1 + 3 * weight) / 4, BellIndex.PSI_MINUS)).reshape(4, 4)
    np.testing.assert_allclose(fock.correlations(fock.one_photon_each(pairs)), expected, atol=1e-12)


@pytest.mark.parametrize("law", [DownConversion(0.3), ManyModes(0.3), OnePair(0.3)])
def test_laws_of_pair_numbers_have_their_mean(law):
    numbers = range(200)
    assert sum(map(law.probability, numbers)) == pytest.approx(1)
    assert sum(n * law.probability(n) for n in numbers) == pytest.approx(0.3)


def test_one_pair_without_noise_is_just_lost_or_kept():
    found = PairSource(OnePair(0.5), (0.9, 0.8), 0.95).heralding(UNUSED, Light((0.1, 0.2)))
    assert found.success_probability == pytest.approx(0.5 * 0.09 * 0.16)
    [herald] = found.heralds
    assert herald.correlations == pytest.approx(formulas.werner(0.95, BellIndex.PSI_MINUS))
    assert herald.photon_pairs == 1


@given(mean=st.floats(0.001, 2.0), seen=st.tuples(st.floats(0.001, 1.0), st.floats(0.001, 1.0)))
@settings(max_examples=60, deadline=None)
def test_counting_memories_have_the_closed_form(mean, seen):
    """With x = l (1 - eta_A)(1 - eta_B); the sums are derivatives of 1 / (1 - x)^2."""
    found = PairSource(DownConversion(mean), counting=True).heralding(UNUSED, Light(seen))
    ratio = mean / (2 + mean)
    x = ratio * (1 - seen[0]) * (1 - seen[1])
    # sum (n+1) n^2 x^(n-1) = (2 + 4 x) / (1 - x)^4
    expected = (1 - ratio) ** 2 * ratio * seen[0] * seen[1] * (2 + 4 * x) / (1 - x) ** 4
    assert found.success_probability == pytest.approx(expected, rel=1e-9)
    # sum (n+1) n (n+2) x^(n-1) / 3 = 2 / (1 - x)^4
    weight = 2 / (2 + 4 * x)
    assert formulas.fidelity(tuple(mixture(found)), BellIndex.PSI_MINUS) == pytest.approx((1 + 3 * weight) / 4)


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("law", [DownConversion(0.4), ManyModes(0.4), OnePair(0.4)])
def test_sources_are_what_photons_counted_one_by_one_give(law, counting):
    """Draw pairs, lose photons, add dark counts, keep one photon of each side, and see what belongs together."""
    rng = np.random.default_rng(7)
    attempts, seen, dark = 400_000, (0.5, 0.3), 0.05
    probabilities = np.array([law.probability(n) for n in range(40)])
    pairs = rng.choice(40, attempts, p=probabilities / probabilities.sum())
    told, held = np.ones(attempts, bool), np.ones(attempts, bool)
    for eta in seen:
        arrived, false = rng.binomial(pairs, eta), rng.random(attempts) < dark
        holds = (arrived == 1) & ~false if counting else arrived > 0
        told &= holds | ((arrived == 0) & false)
        held &= holds
    weights = np.array([0.0] + [law.weight(n) for n in range(1, 40)])[pairs] * held
    found = PairSource(law, counting=counting).heralding(UNUSED, Light(seen, dark=dark))
    rate = told.mean()
    assert found.success_probability == pytest.approx(rate, abs=4 * sqrt(rate / attempts))
    fidelity = formulas.fidelity(tuple(mixture(found)), BellIndex.PSI_MINUS)
    simulated = (1 + 3 * weights[told].mean()) / 4
    assert fidelity == pytest.approx(simulated, abs=3 * weights[told].std() / sqrt(told.sum()))
    for herald in found.heralds:
        if herald.photon_pairs < 9:
            share = (pairs[told] == herald.photon_pairs).mean()
            assert herald.share == pytest.approx(share, abs=4 * sqrt(herald.share / told.sum()) + 1e-5)


@given(law=laws, seen=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), dark=st.floats(0.0, 0.5),
       own=st.floats(0.25, 1.0), counting=st.booleans())  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_sources_always_leave_states(law, seen, dark, own, counting):
    found = PairSource(law, fidelity=own, counting=counting).heralding(UNUSED, Light(seen, dark=dark))
    assert 0.0 <= found.success_probability <= 1.0
    assert sum(herald.share for herald in found.heralds) == pytest.approx(1.0)
    for herald in found.heralds:
        assert reference.is_state(np.array(herald.correlations).reshape(4, 4))


@given(mean=st.floats(0.01, 0.5), factor=st.floats(1.5, 3.0), seen=st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_brighter_down_conversion_gives_more_and_worse_pairs(mean, factor, seen):
    dim, bright = (
        PairSource(DownConversion(each)).heralding(UNUSED, Light((seen, seen))) for each in (mean, mean * factor)
    )
    assert bright.success_probability > dim.success_probability
    assert formulas.fidelity(tuple(mixture(bright)), 3) < formulas.fidelity(tuple(mixture(dim)), 3)


@given(seen=st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)), lost=st.floats(0.05, 0.95), law=laws)
@settings(max_examples=60, deadline=None)
def test_more_loss_never_gives_more_pairs(seen, lost, law):
    source = PairSource(law)
    worse = source.heralding(UNUSED, Light((seen[0] * lost, seen[1])))
    assert worse.success_probability <= source.heralding(UNUSED, Light(seen)).success_probability + 1e-12


def test_source_at_one_end_tells_it_there_after_both_ways():
    link = LinkHardware(10_000, PairSource(), (Lossless(), Fibre(10)))
    model = link.at()
    assert model.born_delays_ns == model.arm_delays_ns == (0, 48_967)
    assert model.herald_delay_ns == 97_934
    assert model.success_probability == pytest.approx(0.630957, rel=1e-5)


def test_source_noise_of_an_arm_is_of_its_memory():
    light = Light((0.0, 1.0), noise=(0.2, 0.0))
    found = PairSource(OnePair(), absorption=(1.0, 1.0)).heralding(UNUSED, light)
    assert found.success_probability == pytest.approx(1 - exp(-0.2))
    assert tuple(mixture(found)) == pytest.approx(formulas.MAXIMALLY_MIXED)


@pytest.mark.parametrize(
    "attempt",
    [lambda: OnePair(1.1), lambda: DownConversion(-0.1), lambda: ManyModes(11.0), lambda: PairSource(fidelity=1.1),
     lambda: PairSource(absorption=(1.1, 1.0))],
)  # fmt: skip
def test_source_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

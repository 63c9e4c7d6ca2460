"""Bounds: published values, simulated waits, and links that keep below what their channels allow."""

from math import inf, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.quantum.bounds import direct_capacity, direct_squashed_bound, slowest_attempts
from qstack.quantum.channels import Fibre
from qstack.quantum.codes import ParityCode
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.photons import DownConversion, ManyModes, OnePair
from qstack.quantum.schemes import DoubleClick, OneWay, SingleClick, Werner
from qstack.quantum.sources import PairSource
from tests.quantum import fock


@pytest.mark.parametrize(
    ("length", "bits"), [(10, 1.438141), (50, 0.152003), (100, 0.014500), (150, 0.001443), (200, 0.000144)]
)
def test_capacity_of_fibre_has_the_published_values(length, bits):
    assert direct_capacity(Fibre(length).transmissivity(0)) == pytest.approx(bits, abs=6e-7)


@pytest.mark.parametrize(("length", "bits"), [(50, 0.289507), (100, 0.028855)])
def test_squashed_bound_has_the_published_values(length, bits):
    assert direct_squashed_bound(Fibre(length).transmissivity(0)) == pytest.approx(bits, abs=6e-7)
    assert direct_capacity(1.0) == direct_squashed_bound(1.0) == inf


@pytest.mark.parametrize(
    ("links", "probability", "attempts"),
    [(2, 0.1, 14.736842), (2, 0.01, 149.748744), (4, 0.01, 207.789922), (8, 0.01, 270.924509), (3, 0.5, 3.142857)],
)
def test_slowest_of_several_links_has_the_published_values(links, probability, attempts):
    assert slowest_attempts(links, probability) == pytest.approx(attempts, abs=6e-7)


def test_slowest_of_several_links_is_what_a_simulation_waits():
    rng = np.random.default_rng(2)
    waits = rng.geometric(0.05, (200_000, 12)).max(axis=1)
    assert slowest_attempts(12, 0.05) == pytest.approx(waits.mean(), abs=4 * waits.std() / 200_000**0.5)
    assert slowest_attempts(5, 0.0) == inf
    assert slowest_attempts(1, 1.0) == 1.0


@pytest.mark.parametrize(
    ("length", "probability", "rate"), [(20, 0.161233, 1612.3), (50, 0.0405, 162.0), (100, 0.00405, 8.1)]
)
def test_heralded_generation_of_repeaters_has_the_published_values(length, probability, rate):
    """Coupling 0.9, two photons at the midpoint; one attempt for each time of flight over the link at 2e8 m/s."""
    link = LinkHardware(length * 5_000, DoubleClick((0.9, 0.9)), (Fibre(length / 2), Fibre(length / 2)))
    assert link.at().success_probability == pytest.approx(probability, rel=1e-5)
    assert link.at().rate_hz == pytest.approx(rate, rel=1e-3)


def coherent_information(correlations):
    """S(B) - S(AB): pairs that can be distilled from each of many copies, at least."""
    rho = sum(
        correlations[4 * i + j] * np.kron(fock.PAULIS[i], fock.PAULIS[j]) for i in range(4) for j in range(4)
    ) / 4  # fmt: skip
    half = np.einsum("ijik->jk", rho.reshape(2, 2, 2, 2))

    def entropy(state):
        return -sum(value * log2(value) for value in np.linalg.eigvalsh(state) if value > 1e-15)

    return entropy(half) - entropy(rho)


lengths = st.floats(0.0, 150.0)
schemes = st.one_of(
    st.builds(lambda a: SingleClick((a, a)), st.floats(0.01, 0.5)), st.just(DoubleClick()), st.just(Werner()),
    st.builds(lambda law, p: PairSource(law(p)), st.sampled_from([DownConversion, ManyModes, OnePair]),
              st.floats(0.001, 1.0)),
    st.builds(lambda n, m: OneWay(ParityCode(n, m)), st.integers(1, 3), st.integers(1, 3)),
)  # fmt: skip


@given(scheme=schemes, first=lengths, second=lengths)
@settings(max_examples=200, deadline=None)
def test_no_link_distils_more_than_its_darker_arm_allows(scheme, first, second):
    """Of as many photons as it sends over that arm in an attempt."""
    arms = (Fibre(first), Fibre(second))
    model = LinkHardware(1, scheme, arms).at()
    worth = max(0.0, *(coherent_information(herald.correlations) for herald in model.heralds))
    darker = min(arm.transmissivity(0) for arm in arms)
    uses = scheme.qubits_per_pair if isinstance(scheme, OneWay) else 2 if isinstance(scheme, DoubleClick) else 1
    if isinstance(scheme, PairSource):
        uses = 2  # polarisation: two modes of light
    assert model.success_probability * worth <= uses * direct_capacity(darker) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("attempt", [lambda: direct_capacity(1.1), lambda: slowest_attempts(0, 0.5),
                                     lambda: slowest_attempts(31, 0.5), lambda: slowest_attempts(2, -0.1)])  # fmt: skip
def test_bound_of_what_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

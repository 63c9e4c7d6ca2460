"""Sampled successes against sums over single attempts: links that change with time, and fibres that are shared."""

from itertools import pairwise
from math import exp, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.free_space import Beam
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.photons import DownConversion
from qstack.quantum.raman import ClassicalLight
from qstack.quantum.satellite import SatellitePass
from qstack.quantum.schemes import DoubleClick, SingleClick, Werner
from qstack.quantum.sources import PairSource
from qstack.quantum.turns import Turns

SECOND_NS = 1_000_000_000


def draws(name):
    chance = Chance(b"sampling")
    return lambda n: chance.uniform(name + n.to_bytes(8, "big"))


def chi_square(found, expected):
    return sum((seen - mean) ** 2 / mean for seen, mean in zip(found, expected, strict=True))


# ---- one setting ----

LINKS = {
    "single click": LinkHardware(1_000, SingleClick((0.2, 0.3), (0.2, 0.1), 0.9), detector=Detector(0.8, 1e4, 50.0)),
    "double click": LinkHardware(1_000, DoubleClick((0.4, 0.3), 0.8), detector=Detector(0.9, 1e5, 50.0)),
    "down-conversion": LinkHardware(1_000, PairSource(DownConversion(0.2), (0.7, 0.6)), (Fibre(5.0), Fibre(8.0))),
    "dead time": LinkHardware(1_000, SingleClick((0.3, 0.3), (0.3, 0.3)), detector=Detector(dead_ns=4_500)),
    "noisy fibre": LinkHardware(
        1_000, SingleClick((0.2, 0.2), (0.1, 0.1)), (Fibre(20.0), Fibre(20.0)), Detector(0.5, 100.0, 20.0),
        (ClassicalLight(0.0), ClassicalLight(0.0, "against")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_sampled_rate_and_fidelity_are_those_of_the_model(name):
    link, cycles = LINKS[name], 400_000
    model = link.at()
    found = link.sample(0, cycles, None, cycles, draws(name.encode()))
    expected = model.rate_hz * cycles * 1e-6
    assert abs(len(found) - expected) < 4 * sqrt(expected)
    fidelities = [formulas.fidelity(each.state.correlations, each.state.bell_index) for each in found]
    mean = sum(fidelities) / len(found)
    theory = sum(
        herald.share * formulas.fidelity(herald.correlations, herald.bell_index) for herald in model.heralds
    )  # fmt: skip
    spread = sqrt(sum((each - mean) ** 2 for each in fidelities) / len(found))
    assert mean == pytest.approx(theory, abs=4 * spread / sqrt(len(found)) + 1e-12)


@pytest.mark.parametrize("name", LINKS)
def test_sampled_heralds_have_their_shares(name):
    link, cycles = LINKS[name], 400_000
    found = [each.state for each in link.sample(0, cycles, None, cycles, draws(b"h" + name.encode()))]
    heralds = [herald for herald in link.at().heralds if herald.share * len(found) > 10]
    counts = [sum(state is herald for state in found) for herald in heralds]
    assert chi_square(counts, [herald.share * len(found) for herald in heralds]) < 30  # at most 9 cases; p < 1e-3


def test_gaps_between_successes_are_geometric():
    link, cycles = LinkHardware(1_000, Werner(0.05)), 400_000
    offsets = [each.offset for each in link.sample(0, cycles, None, cycles, draws(b"gaps"))]
    gaps = [later - earlier for earlier, later in zip([-1, *offsets], offsets, strict=False)]
    bounds = [0, 5, 10, 20, 30, 50, 10**9]
    counts = [sum(low < gap <= high for gap in gaps) for low, high in pairwise(bounds)]
    shares = [0.95**low - 0.95**high for low, high in pairwise(bounds)]
    assert chi_square(counts, [share * len(gaps) for share in shares]) < 20.5  # 5 degrees of freedom, p = 0.001


@given(cycles=st.integers(0, 3_000), most=st.integers(0, 30), first=st.integers(0, 10**9), name=st.binary(max_size=4))
@settings(max_examples=60, deadline=None)
def test_windows_are_sampled_the_same_whatever_is_asked_of_them(cycles, most, first, name):
    """Fewer memories see the beginning of what more memories see."""
    link = LINKS["single click"]
    many = link.sample(first, cycles, None, cycles, draws(name))
    assert link.sample(first, cycles, None, most, draws(name)) == many[:most]


# ---- loss that changes with time ----


def satellite(step_ns=SECOND_NS):
    passing = SatellitePass(500, Beam(0.15, 0.6), zenith=0.8, culmination_ns=200 * SECOND_NS, step_ns=step_ns)
    return LinkHardware(100_000, SingleClick((0.2, 0.2), (0.02, 0.02)), (passing, passing))


def test_satellite_pass_is_sampled_as_its_loss_goes():
    link, window = satellite(), 20 * SECOND_NS // 100_000
    found = [len(link.sample(n * window, window, None, window, draws(b"sat%d" % n))) for n in range(20)]
    expected = [
        sum(link.at(None, second * SECOND_NS).success_probability for second in range(20 * n, 20 * n + 20)) * 10_000
        for n in range(20)
    ]
    lit = [n for n in range(20) if expected[n]]
    assert all(not found[n] for n in range(20) if n not in lit)
    assert max(expected) > 3 * min(expected[n] for n in lit)
    assert chi_square([found[n] for n in lit], [expected[n] for n in lit]) < 45  # at most 17; p < 1e-3


def test_satellite_pass_in_one_window_is_the_same_law_as_in_many():
    link, cycles = satellite(), 400 * SECOND_NS // 100_000
    found = link.sample(0, cycles, None, cycles, draws(b"whole"))
    expected = sum(link.at(None, second * SECOND_NS).success_probability for second in range(400)) * 10_000
    assert abs(len(found) - expected) < 4 * sqrt(expected)
    early = sum(success.offset < 2_000_000 for success in found)
    assert abs(early - len(found) / 2) < 4 * sqrt(len(found)) / 2


def test_satellite_that_is_away_for_long_costs_nothing():
    passing = SatellitePass(500, Beam(0.15, 0.6), culmination_ns=10**18)
    link = LinkHardware(1_000, SingleClick((0.2, 0.2)), (passing, Lossless()))
    assert link.best().success_probability > link.at().success_probability > 0
    asked = []
    link.sample(0, 2**40, None, 5, lambda n: asked.append(n) or 0.5)
    assert len(asked) < 20


# ---- classical bursts ----

TURNS = Turns(frame_cycles=100, burst_cycles=30, guard_cycles=10, most_cycles=60)
LIGHT = ClassicalLight(0.0)


def shared(turns=TURNS, *, blanks=True):
    scheme = SingleClick((0.1, 0.1), (0.05, 0.05))
    detector = Detector(efficiency=0.5, window_ns=1_000.0)
    return LinkHardware(10_000, scheme, (Fibre(10.0), Fibre(10.0)), detector, (LIGHT, LIGHT), turns, blanks)


def test_bursts_blank_their_cycles():
    link, cycles = shared(), 1_000_000
    found = link.sample(777, cycles, None, cycles, draws(b"blank"))
    assert all(TURNS.is_quantum(777 + success.offset) for success in found)
    expected = link.at().cycle_probability * cycles
    assert link.share == TURNS.share == 0.6
    assert link.next_attempt(710) == 740 and link.next_attempt(777) == 777
    assert abs(len(found) - expected) < 4 * sqrt(expected)


def test_bursts_spoil_their_cycles():
    link, cycles = shared(blanks=False), 500_000
    found = link.sample(0, cycles, None, cycles, draws(b"spoil"))
    quiet = [success for success in found if TURNS.is_quantum(success.offset)]
    spoilt = [success for success in found if not TURNS.is_quantum(success.offset)]
    for part, model, share in ((quiet, link.at(), 0.6), (spoilt, link.during_burst(), 0.4)):
        expected = model.success_probability * cycles * share
        assert abs(len(part) - expected) < 4 * sqrt(expected)
        assert all(success.state in model.heralds for success in part)
    assert link.during_burst().fidelity < link.at().fidelity - 0.1
    offsets = [success.offset for success in found]
    assert offsets == sorted(set(offsets))


def test_backlog_in_mid_window_takes_its_cycles():
    busy = TURNS.offer(30 * 1_000, now_cycle=500_000)
    link, cycles = shared(busy), 1_000_000
    found = link.sample(0, cycles, None, cycles, draws(b"backlog"))
    assert all(busy.is_quantum(success.offset) for success in found)
    for first, end in ((0, 500_100), (500_100, 600_100), (600_100, cycles)):
        counted = sum(first <= success.offset < end for success in found)
        expected = link.at().success_probability * sum(busy.is_quantum(cycle) for cycle in range(first, end))
        assert abs(counted - expected) < 4 * sqrt(expected)


@given(first=st.integers(0, 10**6), cycles=st.integers(0, 500), backlog=st.integers(0, 500), name=st.binary(max_size=3))
@settings(max_examples=60, deadline=None)
def test_certain_link_with_turns_succeeds_in_all_its_quantum_cycles(first, cycles, backlog, name):
    turns = TURNS.offer(backlog, first + cycles // 2)
    link = LinkHardware(10_000, Werner(), turns=turns)
    offsets = [success.offset for success in link.sample(first, cycles, None, cycles, draws(name))]
    assert offsets == [n for n in range(cycles) if turns.is_quantum(first + n)]
    both = LinkHardware(10_000, Werner(), turns=turns, blanks=False)
    assert [success.offset for success in both.sample(first, cycles, None, cycles, draws(name))] == list(range(cycles))


# ---- scattered light ----


def test_scattered_light_has_the_size_that_the_formula_gives():
    """0 dBm over 50 km at 0.2 dB/km: 1e-3 W x 2e-9 x 0.1 nm x 50 km x 0.1 = 1e-12 W, at 1.2816e-19 J a photon."""
    fibre = Fibre(50.0)
    assert ClassicalLight(0.0).photons_hz(fibre) == pytest.approx(1e-12 / 1.28158e-19, rel=1e-4)
    back = 1e-3 * 2e-9 * 0.1 * 21.7147 / 2 * (1 - 0.01) / 1.28158e-19
    assert ClassicalLight(0.0, "against").photons_hz(fibre) == pytest.approx(back, rel=1e-4)
    both = ClassicalLight(0.0, "both").photons_hz(fibre)
    assert both == pytest.approx(1e-12 / 1.28158e-19 + back, rel=1e-4)
    assert ClassicalLight(10.0, filter_db=10.0).photons_hz(fibre) == pytest.approx(1e-12 / 1.28158e-19, rel=1e-4)
    assert ClassicalLight(0.0, "against").photons_hz(Fibre(2.0, 0.0)) == pytest.approx(4e-13 / 1.28158e-19, rel=1e-4)


@pytest.mark.parametrize("direction", ["along", "against"])
def test_scattered_light_is_the_sum_over_the_fibre(direction):
    """Power that is left at a place, scattered there, and faded on the rest of its way."""
    steps, length, fade = 20_000, 80.0, 0.2 / 4.342944819
    places = [(n + 0.5) * length / steps for n in range(steps)]
    ways = [exp(-fade * at) * exp(-fade * ((length - at) if direction == "along" else at)) for at in places]
    watts = 1e-3 * 2e-9 * 0.1 * sum(ways) * length / steps
    assert ClassicalLight(0.0, direction).photons_hz(Fibre(length)) * 1.28158e-19 == pytest.approx(watts, rel=1e-4)


@given(dbm=st.floats(-30.0, 10.0), more=st.floats(0.5, 10.0))
@settings(max_examples=40, deadline=None)
def test_brighter_neighbours_cost_fidelity(dbm, more):
    def fidelity(launch):
        light = ClassicalLight(launch)
        return LinkHardware(
            10_000, SingleClick((0.1, 0.1), (0.01, 0.01)), (Fibre(20.0), Fibre(20.0)), Detector(window_ns=10.0),
            (light, None),
        ).at().fidelity  # fmt: skip

    assert fidelity(dbm + more) < fidelity(dbm)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: LinkHardware(1, Werner(), (Lossless(), Lossless()), Detector(window_ns=1.0), (LIGHT, None)),
        lambda: LinkHardware(1, Werner(), (Fibre(1.0), Fibre(1.0)), Detector(), (LIGHT, None)),
        lambda: ClassicalLight(0.0, filter_nm=-1.0),
    ],
)
def test_shared_fibre_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()


def test_setting_of_each_end_is_sampled():
    link, cycles = LINKS["single click"], 200_000
    found = link.sample(0, cycles, (0.5, 0.01), cycles, draws(b"own"))
    expected = link.at((0.5, 0.01)).success_probability * cycles
    assert abs(len(found) - expected) < 4 * sqrt(expected)
    assert found[0].state.correlations[12] < 0 < found[0].state.correlations[3]
    assert {success.state.bell_index for success in found} == {BellIndex.PSI_PLUS, BellIndex.PSI_MINUS}

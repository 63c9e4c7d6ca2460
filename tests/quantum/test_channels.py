"""Channels: published values, monotony, and a satellite whose pass is what geometry says."""

from math import acos, asin, degrees, pi, radians, sin, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.free_space import Beam, FreeSpace, air
from qstack.quantum.satellite import EARTH_RADIUS_M, SatellitePass

MICIUS = Beam(0.15, 0.6)
SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(("length", "eta"), [(10, 0.630957), (25, 0.316228), (50, 0.1), (100, 0.01), (150, 0.001)])
def test_fibre_has_the_published_values(length, eta):
    assert Fibre(length).transmissivity(0) == pytest.approx(eta, rel=2e-6)


def test_fibre_delays_by_its_group_index():
    assert Fibre(1).delay_ns(0) == 4_897
    assert Fibre(1, group_index=1.49896229).delay_ns(0) == 5_000
    assert Fibre(10, connectors_db=3.0103).transmissivity(0) == pytest.approx(0.630957 / 2, rel=1e-5)


@pytest.mark.parametrize(("length", "eta"), [(500, 0.57741), (1200, 0.14182)])
def test_beam_has_the_published_values(length, eta):
    assert MICIUS.captured(length * 1e3) == pytest.approx(eta, abs=5e-6)
    assert FreeSpace(length, MICIUS).transmissivity(0) == pytest.approx(eta, abs=5e-6)


def test_beam_that_wanders_loses_what_a_simulation_says():
    """A point-like aperture under a beam that is off by two independent normal angles."""
    import numpy as np

    beam, length = Beam(0.1, 1e-4, pointing_rad=2e-6), 1e6
    rng = np.random.default_rng(1)
    off = rng.normal(0.0, 2e-6 * length, (400_000, 2))
    simulated = np.exp(-2 * (off**2).sum(axis=1) / beam.radius_m(length) ** 2)
    steady = Beam(0.1, 1e-4).captured(length)
    error = simulated.std() / sqrt(simulated.size)
    assert beam.captured(length) / steady == pytest.approx(simulated.mean(), abs=4 * error)


def test_air_takes_more_of_what_comes_in_low():
    assert air(0.7, pi / 2) == pytest.approx(0.7)
    assert air(0.7, radians(30)) == pytest.approx(0.49)
    assert air(0.7, 0.0) == air(0.7, -0.1) == 0.0
    low = FreeSpace(10, MICIUS, zenith=0.7, elevation_deg=30).transmissivity(0)
    assert low == pytest.approx(0.49 * MICIUS.captured(10_000))


lengths = st.floats(0.0, 2_000.0)


@given(length=lengths, more=st.floats(0.1, 500.0), waist=st.floats(0.01, 1.0), aperture=st.floats(0.01, 2.0),
       pointing=st.floats(0.0, 1e-5))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_longer_channels_let_less_through_and_later(length, more, waist, aperture, pointing):
    beam = Beam(waist, aperture, pointing_rad=pointing)
    for near, far in ((Fibre(length), Fibre(length + more)), (FreeSpace(length, beam), FreeSpace(length + more, beam))):
        assert 0.0 <= far.transmissivity(0) <= near.transmissivity(0) <= 1.0
        assert far.delay_ns(0) > near.delay_ns(0)


# ---- satellites ----


def test_satellite_overhead_is_at_its_altitude():
    overhead = SatellitePass(500, MICIUS)
    place = overhead.place(0.0)
    assert place.range_m == pytest.approx(500e3)
    assert degrees(place.elevation_rad) == pytest.approx(90)
    assert overhead.transmissivity(0) == pytest.approx(MICIUS.captured(500e3), rel=1e-3)
    assert overhead.delay_ns(0) == pytest.approx(500e3 / 299_792_458 * 1e9, rel=1e-3)


@pytest.mark.parametrize("highest", [25.0, 45.0, 70.0, 90.0])
def test_satellite_culminates_where_it_should_and_ends_at_the_mask(highest):
    passing = SatellitePass(500, MICIUS, highest_deg=highest, lowest_deg=20)
    assert degrees(passing.place(0.0).elevation_rad) == pytest.approx(highest)
    for end in (-passing.duration_s / 2, passing.duration_s / 2):
        assert degrees(passing.place(end).elevation_rad) == pytest.approx(20)
    last = round(passing.duration_s / 2 * SECOND_NS)
    assert passing.transmissivity(last - passing.step_ns) > 0
    assert passing.transmissivity(last + 2 * passing.step_ns) == 0
    assert passing.transmissivity(-last - 2 * passing.step_ns) == 0


@given(highest=st.floats(21.0, 90.0), altitude=st.floats(200.0, 36_000.0), since=st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_satellite_range_and_elevation_form_one_triangle(highest, altitude, since):
    """Sides R, r and the slant range; the angle at the station is 90 degrees and the elevation."""
    passing = SatellitePass(altitude, MICIUS, highest_deg=highest)
    place = passing.place(since * passing.duration_s / 2)
    radius = EARTH_RADIUS_M + altitude * 1e3
    by_sines = asin(EARTH_RADIUS_M * sin(place.elevation_rad + pi / 2) / radius)
    central = pi / 2 - place.elevation_rad - by_sines
    by_cosines = acos(min(1.0, (EARTH_RADIUS_M**2 + radius**2 - place.range_m**2) / (2 * EARTH_RADIUS_M * radius)))
    assert central == pytest.approx(by_cosines, abs=1e-6)


def test_satellite_pass_overhead_takes_as_long_as_its_arc():
    passing = SatellitePass(500, MICIUS, lowest_deg=20)
    radius = EARTH_RADIUS_M + 500e3
    speed = sqrt(3.986004418e14 / radius)
    arc = 2 * (acos(EARTH_RADIUS_M * sin(radians(70)) / radius) - radians(20)) * radius
    assert passing.duration_s == pytest.approx(arc / speed, rel=1e-12)


@given(instant=st.integers(-2_000 * SECOND_NS, 4_000 * SECOND_NS), repeat=st.sampled_from([0, 1_000 * SECOND_NS]))
@settings(max_examples=200, deadline=None)
def test_satellite_is_constant_until_it_says(instant, repeat):
    passing = SatellitePass(500, MICIUS, zenith=0.8, culmination_ns=7, repeat_ns=repeat, step_ns=20_000_000)
    until = passing.constant_until(instant)
    here = (passing.transmissivity(instant), passing.delay_ns(instant))
    if until is None:
        assert not repeat and here[0] == 0.0
        until = instant + 10_000 * SECOND_NS
    assert until > instant
    for fraction in (0.0, 0.3, 0.9):
        inside = instant + int((until - 1 - instant) * fraction)
        assert (passing.transmissivity(inside), passing.delay_ns(inside)) == here
    assert (passing.transmissivity(until - 1), passing.delay_ns(until - 1)) == here


def test_satellite_comes_again():
    passing = SatellitePass(500, MICIUS, culmination_ns=5, repeat_ns=600 * SECOND_NS)
    for instant in (5, 5 + 100 * SECOND_NS, 5 - 120 * SECOND_NS):
        for turn in (-3, 1, 1_000):
            again = instant + turn * 600 * SECOND_NS
            assert passing.transmissivity(again) == passing.transmissivity(instant) > 0


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: Beam(0.0, 1.0),
        lambda: Beam(1.0, 1.0, pointing_rad=-1.0),
        lambda: FreeSpace(1.0, MICIUS, elevation_deg=0.0),
        lambda: FreeSpace(1.0, MICIUS, zenith=1.1),
        lambda: SatellitePass(0.0, MICIUS),
        lambda: SatellitePass(500, MICIUS, highest_deg=10, lowest_deg=20),
        lambda: SatellitePass(500, MICIUS, repeat_ns=200 * SECOND_NS),
        lambda: SatellitePass(500, MICIUS, step_ns=0),
        lambda: Fibre(1.0, attenuation_db_km=-0.1),
        lambda: Lossless(-5),
    ],
)
def test_channel_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()

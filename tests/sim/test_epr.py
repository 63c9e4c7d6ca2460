"""EPR sockets in a network that loses, duplicates, reorders and corrupts, with applications that die at any time."""

from __future__ import annotations

import pytest

from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS
from qstack.testing.weather import CALM, WeatherReport
from tests.sim.epr_life import Life

POOR = WeatherReport(0.10, 0.05, 0.02, 1 * MILLISECOND_NS, 5 * MILLISECOND_NS)
SLOW = WeatherReport(0.02, 0.0, 0.0, 20 * MILLISECOND_NS, 500 * MICROSECOND_NS)


@pytest.mark.parametrize("report", [CALM, POOR, SLOW], ids=["calm", "poor", "slow"])
@pytest.mark.parametrize("seed", range(4))
def test_applications_get_their_own_pairs_and_leave_nothing(seed: int, report: WeatherReport) -> None:
    life = Life(seed, report, stock=seed % 2 * 3)
    life.run(6.0)
    assert not life.faults()
    assert life.agreed > 5 and max(each.connections for each in life.applications) >= 1


@pytest.mark.parametrize("seed", range(3))
def test_nodes_that_crash_leave_nothing_either(seed: int) -> None:
    life = Life(100 + seed, POOR, crashes=True, stock=seed % 2 * 3)
    life.run(6.0)
    assert not life.faults()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("crashes", [False, True])
def test_many_lives(crashes: bool) -> None:
    for seed in range(1_000, 1_030):
        life = Life(seed, POOR, crashes=crashes, stock=seed % 2 * 3)
        life.run(5.0)
        assert not life.faults(), seed

"""The simulation does what it says to nodes, and to their time, their devices and their datagrams."""

from typing import Any

import pytest

from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse
from qstack.base.events import EchoAnswered
from qstack.base.locator import Locator
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.simulation import EPOCH_NS, Simulation
from qstack.testing.topology import Topology, chain
from qstack.testing.weather import Partition, Weather, WeatherReport
from qstack.wire.control import ClaimEndpoint, OpenUnit, PairDelivered
from qstack.wire.unit import UnitKind

HERE, THERE = Locator(bytes((10, 0, 0, 1)), 4560), Locator(bytes((10, 0, 0, 2)), 4560)


@pytest.fixture
def network() -> tuple[Topology, Simulation]:
    topology = chain((2, 1))
    simulation = topology.simulate(b"simulation")
    simulation.boot_all()
    simulation.run_for(SECOND_NS)
    return topology, simulation


def answered(network: tuple[Topology, Simulation], seconds: float) -> bool:
    """Whether n3 answers n1 in time."""
    topology, simulation = network
    events = simulation.places[topology.qna("n1")].events
    before = len(events)
    simulation.ping(topology.qna("n1"), topology.qna("n3"), sequence=simulation.steps)
    return simulation.run_for(
        int(seconds * SECOND_NS), lambda: any(isinstance(event, EchoAnswered) for event in events[before:])
    )


def test_stalled_node_answers_when_it_runs_again(network) -> None:
    topology, simulation = network
    assert answered(network, 1.0)
    simulation.stall(topology.qna("n2"), 2 * SECOND_NS)
    assert not answered(network, 1.9)
    assert answered(network, 1.0)


def test_moved_node_is_found_by_what_it_says(network) -> None:
    topology, simulation = network
    simulation.move(topology.qna("n3"), THERE)
    assert not answered(network, 0.5)
    simulation.ping(topology.qna("n3"), topology.qna("n1"))
    simulation.run_for(SECOND_NS)
    assert answered(network, 1.0)


def test_clock_of_a_node_jumps_and_its_own_time_does_not(network) -> None:
    topology, simulation = network
    place = simulation.places[topology.qna("n1")]
    simulation.step_clock(place.qna, 5 * SECOND_NS)
    assert place.node is not None
    now_ns = place.local(simulation.now_ns)
    assert place.node.timescale.domain(now_ns) == EPOCH_NS + simulation.now_ns + 5 * SECOND_NS


def test_doomed_node_dies_with_the_rest_of_its_words(network) -> None:
    topology, simulation = network
    sent = simulation.weather.sent
    simulation.doom(topology.qna("n1"), 1)
    simulation.ping(topology.qna("n1"), topology.qna("n3"))
    simulation.run_for(SECOND_NS)
    assert simulation.places[topology.qna("n1")].node is None
    assert simulation.weather.sent > sent
    with pytest.raises(LocalMisuse):
        simulation.boot(topology.qna("n2"))  # it runs
    simulation.boot(topology.qna("n1"))
    assert answered(network, 5.0)


def test_device_that_goes_takes_the_pairs_along_and_comes_back_empty(network) -> None:
    topology, simulation = network
    near, far = topology.qna("n1"), topology.qna("n2")
    heard = simulation.places[near].heard

    def pairs() -> list[Any]:
        return [message for _, _, message in heard if isinstance(message, PairDelivered)]

    def open_unit(number: int) -> bool:
        simulation.request(far, ClaimEndpoint(request=1, urn=f"urn:qkd:net:n2?=nonce={number}"))
        urns = (f"urn:qkd:net:n1?=nonce={number}", f"urn:qkd:net:n2?=nonce={number}",
                f"urn:qkd:lifecycle?=size=3&valid-until={EPOCH_NS // SECOND_NS + 60}")  # fmt: skip
        simulation.request(near, OpenUnit(request=2, kind=UnitKind.PAIRS, urn=urns))
        return simulation.run_for(2 * SECOND_NS, lambda: len(pairs()) == 3 * number)

    assert open_unit(1)
    seen = simulation.inspect(near, pairs()[0].qubit)
    assert seen is not None and seen.partner_node == far and not seen.alone
    simulation.lose_device(near)
    simulation.run_for(SECOND_NS)
    assert simulation.twin.live_pairs == 0
    simulation.return_device(near)
    assert open_unit(2)


# --- weather -------------------------------------------------------------------------------------------------------


def fates(report: WeatherReport, count: int = 4_000, seed: bytes = b"sky") -> list[list[tuple[int, bytes]]]:
    weather = Weather(report, Chance(seed))
    return [weather.fates(b"datagram" * 10, HERE, THERE, 0) for _ in range(count)]


def test_weather_is_the_same_for_the_same_seed() -> None:
    report = WeatherReport(0.3, 0.2, 0.1, MILLISECOND_NS, 5 * MILLISECOND_NS, 0.1, SECOND_NS)
    assert fates(report) == fates(report)
    assert fates(report) != fates(report, seed=b"another sky")


def test_weather_does_as_much_as_it_says() -> None:
    report = WeatherReport(0.3, 0.2, 0.1, MILLISECOND_NS, 5 * MILLISECOND_NS, 0.1, SECOND_NS)
    seen = fates(report)
    arrived = [each for each in seen if each]
    copies = [copy for each in arrived for copy in each]
    assert len(arrived) / len(seen) == pytest.approx(0.7, abs=0.03)
    assert sum(len(each) == 2 for each in arrived) / len(arrived) == pytest.approx(0.2, abs=0.03)
    assert sum(octets != b"datagram" * 10 for _, octets in copies) / len(copies) == pytest.approx(0.1, abs=0.03)
    late = [instant_ns for instant_ns, _ in copies if instant_ns > 6 * MILLISECOND_NS]
    assert len(late) / len(copies) == pytest.approx(0.1, abs=0.03)
    assert max(late) <= SECOND_NS + 6 * MILLISECOND_NS and max(late) > SECOND_NS // 2
    assert min(instant_ns for instant_ns, _ in copies) >= MILLISECOND_NS


@pytest.mark.parametrize("one_way", [False, True])
def test_partition_stops_what_crosses_it_while_it_lasts(one_way: bool) -> None:
    weather = Weather(WeatherReport(), Chance(b"sky"), (Partition(10, 20, frozenset({HERE}), one_way),))
    assert [bool(weather.fates(b"x", HERE, THERE, now_ns)) for now_ns in (9, 10, 19, 20)] == [True, False, False, True]
    assert bool(weather.fates(b"x", THERE, HERE, 15)) is one_way
    assert weather.fates(b"x", HERE, HERE, 15)

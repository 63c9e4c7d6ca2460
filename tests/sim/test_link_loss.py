"""Lost control messages and what a link delivers, on real nodes and a real twin (LINK-5.2-3, LINK-4.7-9)."""

from typing import Any

from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import PairKind
from qstack.base.services import CreatePairs, ListenPairs, PairOk, QubitsFreed
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.switchboard import Server
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import TopologyLink, chain
from qstack.testing.weather import CALM, WeatherReport

PURPOSE = PurposeId(3)
SECONDS = 10
PROBABILITY = 2e-3  # as of a single-click link with alpha 0.1 and one photon in a hundred seen


class User:
    """Takes pairs and gives them back a little later. `seen`: by number, what it was told and where it was."""

    def __init__(self, simulation: Simulation, place: Place) -> None:
        self.simulation, self.place = simulation, place
        self.seen: dict[int, tuple[int, int]] = {}

    def on_service(self, service: Any, now_ns: Instant) -> None:
        if isinstance(service, PairOk):
            assert service.qubit is not None and service.sequence not in self.seen
            self.seen[service.sequence] = (service.bell_index, service.created)
            self.simulation.after(3 * MILLISECOND_NS, lambda: self.act(QubitsFreed((service.qubit,), discard=True)))

    def act(self, service: Any) -> None:
        node: Any = self.place.node
        node._effects.append(service)
        node._settle(self.place.local(self.simulation.now_ns))
        self.simulation._settle(self.place)


def delivered(weather: WeatherReport) -> int:
    """Pairs that both ends were told of in `SECONDS`, all of them alike."""
    link = TopologyLink(("", ""), "", memories=32, success_probability=PROBABILITY)
    topology = chain((2,), station="third", link=link, static=True)
    simulation = topology.simulate(b"loss")
    simulation.boot_all()
    simulation.run_for(SECOND_NS)
    users: dict[Qna, User] = {}
    ends = topology.qna("n1"), topology.qna("n2")
    for own, other in (ends, ends[::-1]):
        place = simulation.places[own]
        assert place.node is not None
        users[own] = place.node.machines.by_server[Server.EPR] = User(simulation, place)
        users[own].act(ListenPairs(other, PURPOSE))
    simulation.weather.report = weather
    deadline = Instant(simulation.places[ends[1]].local(simulation.now_ns) + 86_400 * SECOND_NS)
    users[ends[1]].act(CreatePairs(ends[0], PURPOSE, 1, PairKind.KEEP, 1 << 20, 0.0, 0, deadline))
    simulation.run_for(SECONDS * SECOND_NS)
    low, high = (users[own].seen for own in ends)
    both = low.keys() & high.keys()
    assert all(low[number] == high[number] for number in both)
    assert len(low.keys() ^ high.keys()) < 64, "but for what is on the way"
    return len(both)


def test_a_tenth_of_the_datagrams_lost_costs_less_than_a_twentieth_of_the_pairs() -> None:
    whole, lossy = delivered(CALM), delivered(WeatherReport(loss=0.1))
    assert whole > 0.9 * SECONDS * PROBABILITY * 1e5, "the link attempts without a break"
    assert abs(whole - lossy) < 0.05 * whole, (whole, lossy)

"""Lost control messages and what a link delivers, on real nodes and a real twin (LINK-5.2-3, LINK-4.7-9).

Equal seeds: the twin draws by cycle, so a window brings the same with and without loss, and what differs is what loss
has cost.
"""

from typing import Any

import pytest

from qstack.base.ids import PurposeId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import CreatePairs, ListenPairs, PairOk, QubitsFreed
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.switchboard import Server
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import TopologyLink, chain
from qstack.testing.weather import CALM, WeatherReport

PURPOSE = PurposeId(3)
PROBABILITY = 2e-3  # as of a single-click link with alpha 0.1 and one photon in a hundred seen
CYCLES_HZ = 1e5
LOSSY = WeatherReport(loss=0.1)
MEMORIES = (1, 2, 4, 8, 32)
PROBABILITIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class User:
    """Takes pairs and gives them back a little later. `seen`: by number, what it was told; `held`: where they are."""

    def __init__(self, simulation: Simulation, place: Place) -> None:
        self.simulation, self.place = simulation, place
        self.seen: dict[int, tuple[int, int]] = {}
        self.held: dict[int, QubitId] = {}
        self.other: User | None = None
        self.compared = 0

    def on_service(self, service: Any, now_ns: Instant) -> None:
        if isinstance(service, PairOk):
            assert service.qubit is not None and service.sequence not in self.seen
            self.seen[service.sequence] = (service.bell_index, service.created)
            self.held[service.sequence] = service.qubit
            self.simulation.at(self.simulation.now_ns, lambda: self.compare(service.sequence))
            self.simulation.after(3 * MILLISECOND_NS, lambda: self.give_back(service.sequence))

    def compare(self, sequence: int) -> None:
        """What both ends hold under one number must be, as the twin knows, halves of one pair."""
        assert self.other is not None
        mine, theirs = self.held.get(sequence), self.other.held.get(sequence)
        if mine is None or theirs is None:
            return
        true = self.simulation.inspect(self.place.qna, mine)
        assert true is not None and (true.partner_node, true.partner_qubit) == (self.other.place.qna, theirs)
        assert max(range(4), key=lambda state: true.fidelities[state]) == self.seen[sequence][0]
        self.compared += 1

    def give_back(self, sequence: int) -> None:
        self.act(QubitsFreed((self.held.pop(sequence),), discard=True))

    def act(self, service: Any) -> None:
        node: Any = self.place.node
        node._effects.append(service)
        node._settle(self.place.local(self.simulation.now_ns))
        self.simulation._settle(self.place)


def delivered(memories: int, probability: float, seconds: int, weather: WeatherReport) -> int:
    """Pairs that both ends were told of in `seconds`, all of them alike."""
    link = TopologyLink(("", ""), "", memories=memories, success_probability=probability)
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
    users[ends[0]].other, users[ends[1]].other = users[ends[1]], users[ends[0]]
    simulation.weather.report = weather
    deadline = Instant(simulation.places[ends[1]].local(simulation.now_ns) + 86_400 * SECOND_NS)
    users[ends[1]].act(CreatePairs(ends[0], PURPOSE, 1, PairKind.KEEP, 1 << 20, 0.0, 0, deadline))
    simulation.run_for(seconds * SECOND_NS)
    low, high = (users[own].seen for own in ends)
    both = low.keys() & high.keys()
    assert all(low[number] == high[number] for number in both)
    assert len(low.keys() ^ high.keys()) < 64, "but for what is on the way"
    assert sum(user.compared for user in users.values()) > 0.5 * len(both), "with what the twin knows"
    return len(both)


def compare(memories: int, probability: float, seconds: int) -> int:
    """A tenth of the datagrams lost costs less than a twentieth of the pairs. Gives how many there are without loss."""
    whole, lossy = (delivered(memories, probability, seconds, weather) for weather in (CALM, LOSSY))
    assert whole > 200, "too few to tell a twentieth"
    assert abs(whole - lossy) < 0.05 * whole, (whole, lossy)
    return whole


def test_the_link_attempts_without_a_break_and_loss_costs_next_to_nothing() -> None:
    assert compare(32, PROBABILITY, 10) > 0.9 * 10 * PROBABILITY * CYCLES_HZ


@pytest.mark.parametrize(("memories", "probability"), [(1, 1e-3), (1, 1e-2), (1, 1.0), (2, 1e-1), (8, 1e-2), (8, 1.0)])
def test_with_few_memories_too_a_tenth_of_the_datagrams_lost_costs_less_than_a_twentieth_of_the_pairs(
    memories: int, probability: float
) -> None:
    compare(memories, probability, 10)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("probability", PROBABILITIES)
@pytest.mark.parametrize("memories", MEMORIES)
def test_with_any_memories_and_any_success_a_tenth_of_the_datagrams_lost_costs_less_than_a_twentieth_of_the_pairs(
    memories: int, probability: float
) -> None:
    compare(memories, probability, 90 if probability < 1e-3 else 30 if memories < 32 else 10)

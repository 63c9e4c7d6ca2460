"""Configured neighbours are called until they are up, however long the network was away."""

from qstack.base.units import SECOND_NS
from qstack.node.recall import RECALL_NS
from qstack.testing.topology import chain
from qstack.testing.weather import CALM, Partition


def test_recall_neighbours_divided_for_a_minute_find_one_another_when_it_heals() -> None:
    topology = chain((2,))
    first, second = topology.places()
    away_ns = 60 * SECOND_NS
    partition = Partition(0, away_ns, frozenset({first.locator}))
    simulation = topology.simulate(b"recall", CALM, (partition,))
    qnas = [place.configuration.qna for place in (first, second)]
    for qna in qnas:
        simulation.boot(qna)

    def is_up() -> bool:
        node = simulation.places[qnas[0]].node
        return node is not None and node.machines.hop_session.is_up(qnas[1])

    assert not simulation.run(away_ns, is_up)
    assert simulation.run(away_ns + 4 * RECALL_NS, is_up)

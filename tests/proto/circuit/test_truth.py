"""What the ends estimate against what the twin knows: whole nodes, noisy links, memories that forget."""

from collections.abc import Iterator

import pytest

from qstack.base.ids import QubitId
from qstack.base.units import MILLISECOND_NS, SECOND_NS, fidelity_from_wire
from qstack.quantum.memories import MemoryModel
from qstack.testing.simulation import EPOCH_NS, Simulation
from qstack.testing.topology import Topology, TopologyLink, chain
from qstack.wire.control import ClaimEndpoint, OpenUnit, PairDelivered
from qstack.wire.twin import FIDELITY_UNIT, InspectPair, PairInspected
from qstack.wire.unit import UnitKind

OPERATOR = 9_999


def opened(topology: Topology, pairs: int) -> Simulation:
    """A unit of so many pairs, under way between the first node and the last."""
    simulation = topology.simulate(b"truth")
    simulation.boot_all()
    simulation.twin.admit_operator(OPERATOR)
    simulation.run_for(SECOND_NS)
    last = len([node for node in topology.nodes if node.name.startswith("n")])
    far = f"urn:qkd:net:n{last}"
    simulation.request(topology.qna(f"n{last}"), ClaimEndpoint(request=1, urn=far))
    lifecycle = f"urn:qkd:lifecycle?=size={pairs}&valid-until=1990000000"
    simulation.request(topology.qna("n1"), OpenUnit(request=2, kind=UnitKind.PAIRS, timeout_ms=20_000,
                                                    urn=("urn:qkd:net:n1", far, lifecycle)))  # fmt: skip
    return simulation


def deliveries(simulation: Simulation, pairs: int) -> Iterator[tuple[PairDelivered, tuple[int, ...]]]:
    """Each pair as an end is told of it, with its true fidelities at that instant."""
    seen: set[tuple[int, int]] = set()
    while len(seen) < 2 * pairs:
        def news() -> list[tuple[int, PairDelivered]]:
            return [
                (place.qna, message) for place in simulation.places.values() for _, _, message in place.heard
                if isinstance(message, PairDelivered) and (place.qna, message.pair) not in seen
            ]  # fmt: skip

        assert simulation.run_for(10 * SECOND_NS, lambda: bool(news())), "pairs are missing"
        for qna, message in news():
            seen.add((qna, message.pair))
            inspect = InspectPair(request_id=1, node=qna, qubit=QubitId(message.qubit))
            simulation.twin.receive(OPERATOR, inspect, EPOCH_NS + simulation.now_ns)
            (truth,) = [m for s, m in simulation.twin.take_results() if s == OPERATOR]
            assert isinstance(truth, PairInspected) and not truth.alone
            yield message, truth.fidelities


@pytest.mark.parametrize("nodes", [2, 3, 5])
@pytest.mark.parametrize(
    "memory", [MemoryModel(), MemoryModel(t1_ns=0, t2_ns=80 * MILLISECOND_NS),
               MemoryModel(t1_ns=60 * MILLISECOND_NS, t2_ns=50 * MILLISECOND_NS)],
    ids=["ideal", "dephasing", "damping"],
)  # fmt: skip
def test_estimate_at_delivery_is_the_true_fidelity(nodes: int, memory: MemoryModel) -> None:
    link = TopologyLink(("", ""), "", memories=16, success_probability=0.002, fidelity=0.96)
    simulation = opened(chain((nodes,), link=link, memory=memory), 12)
    seen = set()
    for told, truth in deliveries(simulation, 12):
        assert fidelity_from_wire(told.fidelity) == pytest.approx(truth[told.bell_index] / FIDELITY_UNIT, abs=2e-5)
        seen.add(told.fidelity)
    assert len(seen) == 1 if memory == MemoryModel() else len(seen) > 12, "ages differ, and are seen to"


def test_ideal_memories_give_the_fidelity_of_theory_over_two_domains() -> None:
    link = TopologyLink(("", ""), "", memories=16, fidelity=0.95)
    simulation = opened(chain((3, 2), link=link), 6)
    for told, truth in deliveries(simulation, 6):
        assert fidelity_from_wire(told.fidelity) == pytest.approx(0.819126, abs=2e-5)
        assert truth[told.bell_index] / FIDELITY_UNIT == pytest.approx(0.819126, abs=2e-6)

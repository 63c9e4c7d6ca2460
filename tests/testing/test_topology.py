"""Topologies: what every node is told follows from a few words."""

import pytest

from qstack.base.errors import LocalMisuse
from qstack.base.ids import make_qna
from qstack.base.units import SECOND_NS
from qstack.quantum.memories import MemoryModel
from qstack.testing.simulation import EPOCH_NS
from qstack.testing.topology import DEMO, Topology, TopologyLink, TopologyNode, chain
from qstack.wire.control import ClaimEndpoint, Delivered, OpenUnit
from qstack.wire.unit import UnitKind

CCIPS = "urn:qkd:madqci:ccips?=nonce=177923"
CONTROLLER = "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017"


def test_demo_shares_a_key_between_the_urns_of_the_draft_in_less_than_half_a_second() -> None:
    simulation = DEMO.simulate(b"demo")
    simulation.boot_all()
    simulation.run_for(SECOND_NS // 10)
    alice, bob = DEMO.qna("alice"), DEMO.qna("bob")
    simulation.request(bob, ClaimEndpoint(request=1, urn=CONTROLLER.split("?", 1)[0]))
    lifecycle = f"urn:qkd:lifecycle?=size=256&valid-until={EPOCH_NS // SECOND_NS + 60}"
    simulation.request(alice, OpenUnit(request=2, kind=UnitKind.KEY, urn=(CCIPS, CONTROLLER, lifecycle)))

    def keys() -> list[bytes]:
        return [message.key for place in (alice, bob) for _, _, message in simulation.places[place].heard
                if isinstance(message, Delivered) and message.confirmed]  # fmt: skip

    assert simulation.run_for(SECOND_NS // 2, lambda: len(keys()) == 2)
    assert keys()[0] == keys()[1] and len(keys()[0]) == 32
    simulation.run_for(5 * SECOND_NS)
    assert simulation.twin.live_pairs == 0


def test_demo_is_the_network_of_the_draft() -> None:
    assert [(node.name, node.qna) for node in DEMO.nodes] == [
        ("alice", make_qna(64512, 1)), ("repeater", make_qna(64512, 2)), ("border", make_qna(64512, 3)),
        ("far-border", make_qna(64513, 1)), ("bob", make_qna(64513, 2)),
    ]  # fmt: skip
    assert DEMO.path("alice", "bob") == ("alice", "repeater", "border", "far-border", "bob")


@pytest.mark.parametrize("station", ["left", "right", "third", "behind"])
def test_chain_every_node_knows_the_way_to_every_other(station: str) -> None:
    topology = chain((2, 1, 2), station=station)
    simulation = topology.simulate(b"routes")
    simulation.boot_all()
    ends = [node for node in topology.nodes if node.endpoints]
    for here in ends:
        node = simulation.places[here.qna].node
        assert node is not None
        for there in ends:
            if there is here:
                continue
            assert node.machines.routes.destination_of(there.endpoints[0]) == there.qna
            hop = node.machines.routes.quantum_next_hop(there.qna)
            assert hop == topology.qna(topology.path(here.name, there.name)[1])


def test_chain_memories_are_numbered_through_the_ports_of_a_node() -> None:
    topology = chain((3,), link=TopologyLink(("", ""), "", memories=4))
    assert [link.memories for link in topology.configuration("n2").links] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert topology.twin().nodes[topology.qna("n2")].qubits == 8


def test_chain_stations_are_neighbours_of_both_ends() -> None:
    topology = chain((2,), station="third")
    assert set(topology.neighbours("s1")) == {"n1", "n2"}
    assert set(topology.neighbours("n1")) == {"n2", "s1"}
    [station] = topology.configuration("s1").stations
    assert station.ends == (topology.qna("n1"), topology.qna("n2"))
    assert topology.twin().nodes[topology.qna("s1")].qubits == 0


def test_chain_memories_that_forget_are_known_to_the_estimates() -> None:
    topology = chain((2,), memory=MemoryModel(2_000_000, 1_000_000))
    circuit = topology.configuration("n1").circuit
    assert (circuit.t1_ns, circuit.t2_ns) == (2_000_000, 1_000_000)


@pytest.mark.parametrize("links", [
    (TopologyLink(("a", "nowhere"), "a"),), (TopologyLink(("a", "b"), "nowhere"),), (TopologyLink(("a", "a"), "a"),),
])  # fmt: skip
def test_topology_with_links_to_nobody_is_refused(links: tuple[TopologyLink, ...]) -> None:
    nodes = (TopologyNode("a", make_qna(1, 1)), TopologyNode("b", make_qna(1, 2)))
    with pytest.raises(LocalMisuse):
        Topology(nodes, links)


@pytest.mark.parametrize("second", [TopologyNode("a", make_qna(1, 2)), TopologyNode("b", make_qna(1, 1))])
def test_topology_with_a_name_or_an_address_twice_is_refused(second: TopologyNode) -> None:
    with pytest.raises(LocalMisuse):
        Topology((TopologyNode("a", make_qna(1, 1)), second), ())

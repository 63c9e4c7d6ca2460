"""Topologies become files that load, and routes that arrive."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.ids import Qna, as_number, parse_qna
from qstack.config.expansion import Expansion, ca_folder, consecutive_addresses, expand, loopback_start, node_folder
from qstack.config.hardware import link_hardware
from qstack.config.light import Fibre, Given
from qstack.config.loading import load_node, load_topology, load_twin
from qstack.config.node import NodeFile
from qstack.config.schemes import SingleClick
from qstack.config.topology import LabLink, LabNode, Laboratory, TopologyFile
from qstack.config.writing import to_toml
from qstack.daemon.build import make_node
from qstack.quantum.formulas import transpose

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "tools" / "examples").glob("*.toml"))
START = IPv4Address("127.64.0.0")


def expanded(topology: TopologyFile) -> Expansion:
    return expand(topology, consecutive_addresses(topology, START))


def put(folder: Path, expansion: Expansion) -> None:
    """Write the files as the laboratory does, with empty certificates."""
    for as_ in expansion.authorities:
        (folder / ca_folder(as_)).mkdir(parents=True)
        (folder / ca_folder(as_) / "ca.pem").touch()
    for name, node in expansion.nodes.items():
        (folder / node_folder(name)).mkdir(parents=True)
        (folder / node_folder(name) / "node.pem").touch()
        (folder / node_folder(name) / "node.key").touch()
        (folder / f"{name}.toml").write_text(to_toml(node))
    (folder / "qtwind.toml").write_text(to_toml(expansion.twin))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_expand_to_files_that_load_and_say_the_same(example: Path, tmp_path: Path) -> None:
    expansion = expanded(load_topology(example))
    put(tmp_path, expansion)
    for name, node in expansion.nodes.items():
        loaded = load_node(tmp_path / f"{name}.toml")
        assert loaded.listen.control == tmp_path / f"{name}.sock"
        assert to_toml(loaded).replace(f"{tmp_path}/", "") == to_toml(node)
    assert to_toml(load_twin(tmp_path / "qtwind.toml")).replace(f"{tmp_path}/", "") == to_toml(expansion.twin)


def test_demonstration_is_two_domains_with_four_ideal_links() -> None:
    topology = load_topology(next(path for path in EXAMPLES if path.stem == "madqci-quditto"))
    expansion = expanded(topology)
    assert len(expansion.nodes) == 5
    assert expansion.authorities == {64512: ("urn:qkd:madqci",), 64513: ("urn:qkd:quditto",)}
    links = [link for node in expansion.nodes.values() for link in node.links]
    assert len(links) == 8
    assert all(link.fidelity == link.success_probability == 1.0 for link in links)
    assert [link.id for link in expansion.twin.links] == [1, 2, 3, 4]
    alice, bob = expansion.nodes["alice"], expansion.nodes["bob"]
    assert str(alice.endpoints[0].prefix) == "urn:qkd:madqci:ccips"
    assert str(bob.endpoints[0].prefix) == "urn:qkd:quditto:emulator:ipsec:controller"


def test_twin_has_the_memories_of_all_links_of_a_node() -> None:
    expansion = expanded(load_topology(EXAMPLES[0]))
    for node, device in zip(expansion.nodes.values(), expansion.twin.nodes, strict=True):
        assert device.qubits == sum(map(len, node.memories))
        assert sorted(number for numbers in node.memories for number in numbers) == list(range(device.qubits))


def hop(node: NodeFile, destination: Qna) -> Qna | None:
    """What the node's own file says: a neighbour itself, a route to the node, a route to its AS."""
    if destination in {neighbour.qna for neighbour in node.neighbours}:
        return destination
    for route in node.routes:
        if route.destination == destination:
            return route.next_hop
    for route in node.routes:
        if route.as_number is not None and route.as_number == as_number(destination):
            return route.next_hop
    return None


@st.composite
def topologies(draw: Any) -> TopologyFile:
    """Domains that hang together inside, joined at random."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    nodes = [LabNode(name=f"n{a}-{k}", qna=parse_qna(f"{a}.{k}")) for a, size in enumerate(sizes) for k in range(size)]
    names = [node.name for node in nodes]
    pairs = {
        (f"n{a}-{draw(st.integers(0, k - 1))}", f"n{a}-{k}") for a, size in enumerate(sizes) for k in range(1, size)
    } | {
        (f"n{draw(st.integers(0, a - 1))}-0", f"n{a}-{draw(st.integers(0, sizes[a] - 1))}")
        for a in range(1, len(sizes))
    }  # fmt: skip
    for one, other in draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=5)):
        if one != other and (other, one) not in pairs:
            pairs.add((one, other))
    links = [LabLink(between=pair, station=draw(st.sampled_from(["", *names]))) for pair in sorted(pairs)]
    return TopologyFile(lab=Laboratory(name="x"), nodes=tuple(nodes), links=tuple(links))


@given(topologies())
def test_routes_lead_from_everybody_to_everybody(topology: TopologyFile) -> None:
    files = {file.node.qna: file for file in expanded(topology).nodes.values()}
    for start in files:
        for destination in files:
            at: Qna | None = start
            for _ in range(len(files)):
                if at == destination:
                    break
                assert at is not None
                at = hop(files[at], destination)
            assert at == destination


@given(topologies())
def test_neighbours_are_mutual_and_know_where_to_ask(topology: TopologyFile) -> None:
    files = {file.node.qna: file for file in expanded(topology).nodes.values()}
    for file in files.values():
        for neighbour in file.neighbours:
            assert file.node.qna in {back.qna for back in files[neighbour.qna].neighbours}
        where = {files[neighbour.qna].segments[0].locator for neighbour in file.neighbours}
        assert set(file.segments[0].ask) == where


def test_station_between_two_nodes_is_told_of_its_link() -> None:
    nodes = tuple(LabNode(name=name, qna=parse_qna(f"7.{n}")) for n, name in enumerate(("a", "b", "s"), 1))
    links = (LabLink(between=("a", "b"), station="s"), LabLink(between=("b", "s")))
    files = expanded(TopologyFile(lab=Laboratory(name="x"), nodes=nodes, links=links)).nodes
    assert [(each.link, each.ends) for each in files["s"].stations] == [(1, (nodes[0].qna, nodes[1].qna))]
    assert files["a"].links[0].stations == (nodes[2].qna,)
    assert {neighbour.qna for neighbour in files["a"].neighbours} == {nodes[1].qna, nodes[2].qna}


def test_hardware_follows_the_lower_address_and_says_what_to_expect(tmp_path: Path) -> None:
    model = SingleClick(bright=(0.1, 0.2), detection=(0.5, 0.6), visibility=0.9)
    nodes = (LabNode(name="a", qna=parse_qna("7.2")), LabNode(name="b", qna=parse_qna("7.1")))
    links = (LabLink(between=("a", "b"), model=model, arms=(Fibre(length_km=10.0), Given(flight_ns=7))),)
    expansion = expanded(TopologyFile(lab=Laboratory(name="x"), nodes=nodes, links=links))
    put(tmp_path, expansion)
    truth = link_hardware(load_twin(tmp_path / "qtwind.toml").links[0], 10_000)
    for name in ("a", "b"):
        [link] = make_node(load_node(tmp_path / f"{name}.toml"), None).links
        assert link.hardware is not None and link.hardware.tunable
        assert link.hardware.at().success_probability == pytest.approx(truth.at().success_probability)
        for bell in (BellIndex.PSI_PLUS, BellIndex.PSI_MINUS):
            assert link.hardware.at().state(bell) == pytest.approx(transpose(truth.at().state(bell)))
        assert link.hardware.at((0.3, 0.05)).success_probability == pytest.approx(
            truth.at((0.05, 0.3)).success_probability
        )
        assert link.hardware.at().arm_delays_ns == (7, 48_967)


def test_chosen_seed_gives_each_process_its_own() -> None:
    topology = load_topology(EXAMPLES[0])
    from msgspec.structs import replace

    from qstack.config.node import Chance
    from qstack.config.value import Seed

    expansion = expanded(replace(topology, chance=Chance(seed=Seed(b"one"))))
    seeds = [node.chance.seed for node in expansion.nodes.values()] + [expansion.twin.chance.seed]
    assert None not in seeds
    assert len(set(seeds)) == len(seeds)
    assert all(node.chance.seed is None for node in expanded(topology).nodes.values())


def test_addresses_that_are_named_are_kept_and_not_given_twice() -> None:
    nodes = tuple(
        LabNode(name=name, qna=parse_qna(f"7.{n}"), address=address)  # type: ignore[arg-type]
        for n, (name, address) in enumerate((("a", None), ("b", "127.64.0.1"), ("c", None)))
    )
    topology = TopologyFile(lab=Laboratory(name="x"), nodes=nodes)
    assert consecutive_addresses(topology, START) == {"a": "127.64.0.2", "b": "127.64.0.1", "c": "127.64.0.3"}


def test_laboratories_in_different_folders_get_different_addresses() -> None:
    starts = {loopback_start(Path(f"/tmp/lab{n}")) for n in range(20)}
    assert len(starts) >= 19
    assert all(IPv4Address("127.64.0.0") <= start <= IPv4Address("127.127.255.0") for start in starts)

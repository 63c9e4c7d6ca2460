"""Graph states: after every operation the qubits are exactly the graph state that the bookkeeping tells."""

import numpy as np
import pytest

from qstack.base.errors import LocalMisuse
from qstack.quantum import formulas
from qstack.quantum.engine import NewPair, StateEngine
from qstack.quantum.graph_states import PLUS, GraphState
from qstack.quantum.memories import MemoryModel

IDEAL = MemoryModel()
LOW, HIGH = 0.0, 1.0 - 2**-53


def build(count, edges):
    engine = StateEngine()
    graph = GraphState(engine)
    qubits = engine.prepare([PLUS] * count, [0] * count, [IDEAL] * count)
    for qubit in qubits:
        graph.add_vertex(qubit)
    for first, second in edges:
        graph.toggle_edge(qubits[first], qubits[second], 0)
    return engine, graph, qubits


def check(engine, graph):
    """Each vertex has its stabilizer: X there, Z at all neighbours, expectation 1."""
    vertices = sorted(graph.vertices)
    if not vertices:
        return
    state = np.array(engine.inspect(vertices, 10**9)).reshape((4,) * len(vertices))
    for vertex in vertices:
        near = graph.neighbours(vertex)
        string = tuple(1 if other == vertex else 3 if other in near else 0 for other in vertices)
        assert state[string] == pytest.approx(1.0, abs=1e-12)


def edges(graph):
    return {frozenset((a, b)) for a in graph.vertices for b in graph.neighbours(a)}


RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]


def test_graph_state_is_stabilized():
    engine, graph, _ = build(5, RING)
    check(engine, graph)


def test_graph_edge_toggled_twice_is_gone():
    engine, graph, qubits = build(5, RING)
    graph.toggle_edge(qubits[0], qubits[1], 0)
    assert frozenset(qubits[:2]) not in edges(graph)
    check(engine, graph)


@pytest.mark.parametrize("draw", (LOW, HIGH))
def test_graph_vertex_measured_in_z_is_deleted(draw):
    engine, graph, qubits = build(5, RING)
    found = graph.measure_z(qubits[0], 1, draw)
    assert found.outcome == (draw == HIGH) and found.probability == pytest.approx(0.5)
    assert edges(graph) == {frozenset((qubits[i], qubits[i + 1])) for i in (1, 2, 3)}
    check(engine, graph)


@pytest.mark.parametrize("draw", (LOW, HIGH))
def test_graph_vertex_measured_in_y_joins_its_neighbours(draw):
    engine, graph, qubits = build(5, RING)
    graph.measure_y(qubits[0], 1, draw)
    assert edges(graph) == {frozenset((qubits[i], qubits[j])) for i, j in ((1, 2), (2, 3), (3, 4), (4, 1))}
    check(engine, graph)


@pytest.mark.parametrize("draw", (LOW, HIGH))
def test_graph_inner_vertex_of_a_line_measured_in_x_pivots_past_its_neighbour(draw):
    engine, graph, qubits = build(4, RING[:3])
    graph.measure_x(qubits[1], 1, draw, qubits[2])
    assert edges(graph) == {frozenset((qubits[0], qubits[2])), frozenset((qubits[0], qubits[3]))}
    check(engine, graph)
    graph.measure_z(qubits[2], 1, draw)
    check(engine, graph)
    assert edges(graph) == {frozenset((qubits[0], qubits[3]))}


def test_graph_local_complementation_toggles_edges_among_neighbours():
    engine, graph, qubits = build(4, [(0, 1), (0, 2), (0, 3), (1, 2)])
    graph.complement(qubits[0], 1)
    assert edges(graph) == {frozenset((qubits[i], qubits[j])) for i, j in ((0, 1), (0, 2), (0, 3), (1, 3), (2, 3))}
    check(engine, graph)


@pytest.mark.parametrize("draw", (LOW, HIGH))
def test_graph_vertices_merged_by_parity_keep_what_one_of_them_was_joined_to(draw):
    engine, graph, qubits = build(6, [(0, 2), (0, 3), (1, 3), (1, 4), (4, 5)])
    found = graph.merge(qubits[0], qubits[1], 1, draw)
    assert found.probability == pytest.approx(0.5)
    assert edges(graph) == {frozenset((qubits[i], qubits[j])) for i, j in ((0, 2), (0, 4), (4, 5))}
    check(engine, graph)
    for pair in ((0, 2), (0, 0)):
        with pytest.raises(LocalMisuse, match="merged"):
            graph.merge(*(qubits[n] for n in pair), 1, draw)
    check(engine, graph)


@pytest.mark.parametrize("seed", range(25))
def test_graph_random_operations_keep_state_and_graph_together(seed):
    rng = np.random.default_rng(seed)
    count = 6
    engine, graph, _ = build(count, [(i, j) for i in range(count) for j in range(i) if rng.random() < 0.5])
    for _ in range(12):
        vertices = sorted(graph.vertices)
        if len(vertices) < 2:
            break
        first, second = (vertices[i] for i in rng.permutation(len(vertices))[:2])
        draw = float(rng.random())
        match rng.integers(8):
            case 0:
                graph.measure_z(first, 1, draw)
            case 1:
                graph.measure_y(first, 1, draw)
            case 2:
                graph.measure_x(first, 1, draw)
            case 3 | 4:
                graph.toggle_edge(first, second, 1)
            case 5 if second not in graph.neighbours(first):
                graph.merge(first, second, 1, draw)
            case _:
                graph.complement(first, 1)
        check(engine, graph)


def test_graph_from_bell_pairs_joined_by_edges():
    engine = StateEngine()
    graph = GraphState(engine)
    pairs = engine.create([NewPair(formulas.bell_state(), (0, 0), (IDEAL, IDEAL))] * 2)
    for halves in pairs:
        graph.add_bell_pair(*halves, 0)
    graph.toggle_edge(pairs[0][1], pairs[1][0], 0)
    check(engine, graph)


def test_graph_what_cannot_be_is_refused_and_changes_nothing():
    engine, graph, qubits = build(3, RING[:2])
    engine.decohere([qubits[2]], [50])
    before = edges(graph)
    for act in (
        lambda: graph.measure_y(qubits[1], 10, 0.5),
        lambda: graph.complement(qubits[1], 10),
        lambda: graph.add_vertex(qubits[0]),
        lambda: graph.toggle_edge(qubits[0], 12345, 60),
        lambda: graph.measure_x(qubits[0], 60, 0.5, qubits[2]),
    ):
        with pytest.raises(LocalMisuse):
            act()
    assert edges(graph) == before
    check(engine, graph)

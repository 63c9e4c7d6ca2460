"""The engine with chance by event: the same seed gives the same outcomes, whatever the order and size of batches."""

import threading

import numpy as np
import pytest

from qstack.base.chance import Chance
from qstack.quantum import formulas
from qstack.quantum.draws import Draws
from qstack.quantum.engine import PairEngine

COUNT = 400


def network(order, batch):
    """Swaps in one order, then measurements of both ends in another; outcomes by item, not by order."""
    engine = PairEngine()
    draws = Draws(Chance(b"one seed"))
    handles = np.zeros(4 * COUNT, np.uint64)
    kind = engine.kind(5e6, 3e6)
    states = np.tile(formulas.werner(0.8), 2 * COUNT)
    engine.create(states, np.zeros(4 * COUNT, np.int64), np.full(4 * COUNT, kind, np.uint16), handles)
    couples = handles.reshape(COUNT, 4)
    outcomes, bits = np.zeros(COUNT, np.uint8), np.zeros((COUNT, 2), np.uint8)
    for start in range(0, COUNT, batch):
        items = order[start : start + batch]
        found, chances, statuses = np.zeros(len(items), np.uint8), np.zeros(len(items)), np.zeros(len(items), np.uint8)
        uniforms = np.array(draws.uniforms([(1, int(item)) for item in items]))
        instants = 1_000_000 + 1000 * items.astype(np.int64)
        engine.swap(couples[items, 1], couples[items, 2], instants, uniforms, found, chances, statuses)
        assert not statuses.any()
        outcomes[items] = found
    for end in (0, 1):
        for start in range(0, COUNT, batch):
            items = order[::-1][start : start + batch]
            found, chances, statuses = (np.zeros(len(items), t) for t in (np.uint8, np.float64, np.uint8))
            uniforms = np.array(draws.uniforms([(2 + end, int(item)) for item in items]))
            bases = (items % 5).astype(np.uint8)
            now = np.full(len(items), 3_000_000)
            engine.measure(couples[items, 3 * end], bases, now, uniforms, found, chances, statuses)
            assert not statuses.any()
            bits[items, end] = found
    return outcomes, bits


def test_engine_outcomes_depend_on_seed_and_event_alone():
    rng = np.random.default_rng(1)
    forward = np.arange(COUNT)
    expected = network(forward, COUNT)
    assert len(set(expected[0].tolist())) == 4
    for order, batch in ((forward, 7), (forward[::-1], 64), (rng.permutation(COUNT), 1), (rng.permutation(COUNT), 400)):
        found = network(order, batch)
        assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()


def long_batch(engine, gates):
    """Many gates on a register of eight qubits: some milliseconds."""
    handles = np.zeros(8, np.uint64)
    engine.prepare(np.tile((0.0, 0.0, 1.0), 8), np.zeros(8, np.int64), np.zeros(8, np.uint16), handles)
    rng = np.random.default_rng(2)
    pairs = np.array([rng.permutation(8)[:2] for _ in range(gates)])
    firsts, seconds = handles[pairs[:, 0]], handles[pairs[:, 1]]
    zeros, statuses = np.zeros(gates), np.zeros(gates, np.uint8)
    return lambda: engine.apply(
        np.full(gates, 32, np.uint8), firsts, seconds, zeros, zeros, np.zeros(gates, np.int64), statuses
    )


def test_engine_works_without_the_gil_and_refuses_a_second_thread():
    engine = PairEngine()
    batch = long_batch(engine, 3000)
    worker = threading.Thread(target=batch)
    refused = progress = 0
    worker.start()
    while worker.is_alive():
        progress += 1
        try:
            engine.companions(1)
        except RuntimeError as error:
            assert "another thread" in str(error)
            refused += 1
    worker.join()
    assert refused > 10 and progress > 10  # this thread ran while the batch did
    engine.companions(1)


@pytest.mark.parametrize("count", (0, 1, 2, 15, 16, 17, 40))
def test_engine_batches_of_any_length_swap_alike(count):
    """The hot loop looks ahead: nothing of that shows at its ends."""
    engine = PairEngine()
    handles = np.zeros(4 * count, np.uint64)
    states = np.tile(formulas.bell_state(), 2 * count)
    engine.create(states, np.zeros(4 * count, np.int64), np.zeros(4 * count, np.uint16), handles)
    couples = handles.reshape(count, 4)
    outcomes, chances, statuses = np.zeros(count, np.uint8), np.zeros(count), np.zeros(count, np.uint8)
    uniforms = (np.arange(count) % 4 + 0.5) / 4
    first, second = np.ascontiguousarray(couples[:, 1]), np.ascontiguousarray(couples[:, 2])
    engine.swap(first, second, np.zeros(count, np.int64), uniforms, outcomes, chances, statuses)
    assert not statuses.any() and (outcomes == np.arange(count) % 4).all() and (chances == 0.25).all()
    assert engine.live == count

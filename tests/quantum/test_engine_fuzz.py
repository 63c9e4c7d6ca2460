"""Anything may be asked of the engine. What holds afterwards:

* each item has a status, and one that is not OK changed nothing;
* every state is normalised, no expectation is larger than 1, and of few qubits the density matrix is positive;
* no handle is given out twice, and each names one qubit until it is released;
* a state's members know one another, and nothing is held once all are released.
"""

import math

import numpy as np
import pytest

from qstack.quantum import reference
from qstack.quantum.engine import PairEngine, Status

INT64 = (-(2**63), -(2**63) + 1, -1, 0, 1, 2**62, 2**63 - 1)
DOUBLES = (math.nan, math.inf, -math.inf, -1.0, -1e-300, 1e-300, 0.5, 1.0, 1.0 - 2**-53, 1.5, 1e308)
NOW = -(2**63)  # looking at the state as it was last touched


class Fuzz:
    def __init__(self, seed, **limits):
        self.rng = np.random.default_rng(seed)
        self.engine = PairEngine(**limits)
        self.kinds = [self.engine.kind(*k) for k in ((0, 0, 0), (1e4, 4e3, 0), (0, 0, 5e3), (2e3, 3e3, 1e3))]
        self.held: list[int] = []
        self.gone: list[int] = []
        self.now = 0

    # ---- what is asked ----

    def handle(self):
        dice = self.rng.random()
        if dice < 0.85 and self.held:
            return self.held[self.rng.integers(len(self.held))]
        if dice < 0.95 and self.gone:
            return self.gone[self.rng.integers(len(self.gone))]
        return int(self.rng.integers(0, 2**64, dtype=np.uint64, endpoint=False))

    def handles(self, count):
        return np.array([self.handle() for _ in range(count)], np.uint64)

    def instants(self, count):
        self.now += int(self.rng.integers(200))
        odd = self.rng.random(count) < 0.04
        return np.array([self.rng.choice(INT64[:4]) if o else self.now for o in odd], np.int64)

    def doubles(self, count, low, high):
        values = self.rng.uniform(low, high, count)
        odd = self.rng.random(count) < 0.05
        values[odd] = self.rng.choice(DOUBLES, odd.sum())
        return values

    def octets(self, count, high):
        return self.rng.integers(0, high, count).astype(np.uint8)

    def random_kinds(self, count):
        return self.rng.choice(self.kinds, count).astype(np.uint16)

    # ---- the calls ----

    def make(self, count, make):
        handles = np.zeros(count, np.uint64)
        try:
            make(handles)
        except MemoryError:
            assert not handles.any()
            return
        new = handles.tolist()
        assert len({*new, *self.held, *self.gone, 0}) == len(new) + len(self.held) + len(self.gone) + 1
        self.held += new

    def born(self, count):
        return np.full(count, self.now, np.int64), self.random_kinds(count)

    def create(self):
        state = reference.correlations(random_density(self.rng, 2)).ravel()
        state[0] = 1.0
        self.make(4, lambda handles: self.engine.create(np.tile(state, 2), *self.born(4), handles))

    def prepare(self):
        vectors = self.rng.normal(size=(3, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.make(3, lambda handles: self.engine.prepare(vectors.ravel(), *self.born(3), handles))

    def create_register(self):
        count = int(self.rng.integers(1, 5))
        state = reference.correlations(random_density(self.rng, count)).ravel()
        state[0] = 1.0
        self.make(count, lambda handles: self.engine.create_register(state, *self.born(count), handles))

    def batch(self):
        engine, n = self.engine, int(self.rng.integers(1, 4))
        first, second, instants = self.handles(n), self.handles(n), self.instants(n)
        draws, statuses = self.doubles(n, 0, 1), np.full(n, 99, np.uint8)
        found = (np.zeros(n, np.uint8), np.zeros(n), statuses)
        axes = self.rng.normal(size=(n, 3))
        axes = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).ravel()
        if self.rng.random() < 0.1:
            axes = self.doubles(3 * n, -1, 1)
        angles, errors = self.doubles(n, -9, 24), np.where(self.rng.random(n) < 0.5, 0.0, self.doubles(n, 0, 1))
        gates, bases = self.octets(n, 60), self.octets(n, 6)
        one = np.where(gates < 32, 0, second).astype(np.uint64)
        images = self.rng.integers(-15, 16, 4 * n).astype(np.int8)
        cnots = np.tile(np.array((5, 12, 1, 15), np.int8), n)
        calls = [
            lambda: engine.decohere(first, instants, statuses),
            lambda: engine.relocate(first, self.random_kinds(n), instants, statuses),
            lambda: engine.scatter(first, self.doubles(3 * n, 0, 0.3), instants, statuses),
            *[lambda: engine.apply(gates, first, one, angles, errors, instants, statuses)] * 3,
            lambda: engine.apply(gates, first, second, angles, errors, instants, statuses),
            lambda: engine.clifford(images, first, second, errors, instants, statuses),
            lambda: engine.clifford(cnots, first, second, errors, instants, statuses),
            lambda: engine.measure(first, bases, instants, draws, *found),
            lambda: engine.measure_along(first, axes, instants, draws, *found),
            lambda: engine.erase(first, instants, statuses),
        ]
        ends = [
            lambda: engine.swap(first, second, instants, draws, *found),
            lambda: engine.bell_measure(first, second, instants, draws, *found),
        ]
        number = int(self.rng.integers(len(calls) + 3))
        before = self.picture() if n == 1 else None
        if number < len(calls):
            calls[number]()
        elif number < len(calls) + 2:
            ends[number - len(calls)]()
            self.drop([h for a, b, s in zip(first, second, statuses, strict=True) if s == 0 for h in (a, b)])
        else:
            engine.release(first, statuses)
            self.drop([h for h, s in zip(first, statuses, strict=True) if s == 0])
        assert set(statuses.tolist()) <= {int(status) for status in Status}
        if before is not None and statuses[0]:
            assert before == self.picture()

    def drop(self, handles):
        for handle in map(int, handles):
            self.held.remove(handle)
            self.gone.append(handle)

    # ---- what holds ----

    def groups(self):
        return {tuple(self.engine.companions(handle)) for handle in self.held}

    def tensor(self, group):
        state = np.zeros(4 ** len(group))
        assert self.engine.inspect(np.array(group, np.uint64), NOW, state) == Status.OK
        return state

    def picture(self):
        """All that can be seen."""
        engine = self.engine
        states = {group: self.tensor(group).tobytes() for group in self.groups()}
        qubits = {handle: (engine.touched_ns(handle), engine.erased(handle)) for handle in self.held}
        return states, qubits, engine.live, engine.registers, engine.register_octets

    def check(self):
        groups = self.groups()
        assert sorted(handle for group in groups for handle in group) == sorted(self.held)
        large = [group for group in groups if len(group) > 2]
        assert self.engine.registers == len(large)
        assert self.engine.register_octets == sum(8 * 4 ** len(group) for group in large)
        for group in groups:
            state = self.tensor(group)
            assert state[0] == 1.0 and np.abs(state).max() <= 1 + 1e-9
            if len(group) <= 3:
                assert reference.is_state(state.reshape((4,) * len(group)))
        for handle in self.gone[-5:]:
            assert self.engine.companions(handle) == []

    def end(self):
        statuses = np.zeros(len(self.held), np.uint8)
        self.engine.release(np.array(self.held, np.uint64), statuses)
        assert not statuses.any()
        assert (self.engine.live, self.engine.registers, self.engine.register_octets) == (0, 0, 0)


def random_density(rng, count):
    g = rng.normal(size=(2**count, 2**count)) + 1j * rng.normal(size=(2**count, 2**count))
    rho = g @ g.conj().T
    return rho / np.trace(rho).real


LIMITS = [
    {"limit": 1 << 20},
    {"limit": 12},
    {"limit": 40, "register_octets": 8 * 4**4},
    {"limit": 40, "register_octets": 0},
    {"limit": 64, "generations": 2},
    {"limit": 1},
]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_engine_whatever_is_asked_its_invariants_hold(seed, limits):
    fuzz = Fuzz(seed, **limits)
    for step in range(400):
        makers = (fuzz.create, fuzz.prepare, fuzz.create_register)
        if len(fuzz.held) < 4 or fuzz.rng.random() < (0.2 if len(fuzz.held) < 16 else 0.02):
            makers[fuzz.rng.integers(3)]()
        if fuzz.held or fuzz.gone:
            fuzz.batch()
        if step % 10 == 0:
            fuzz.check()
    fuzz.check()
    fuzz.end()


def test_engine_entries_whose_generations_are_used_up_are_retired():
    """So no handle comes twice, at the price of room."""
    engine = PairEngine(limit=8, generations=3)
    seen = set()
    with pytest.raises(MemoryError):
        while True:
            handles = np.zeros(2, np.uint64)
            engine.create(np.eye(4).ravel() * (1, *[0] * 15), np.zeros(2, np.int64), np.zeros(2, np.uint16), handles)
            assert not seen & set(handles.tolist())
            seen |= set(handles.tolist())
            engine.release(handles, np.zeros(2, np.uint8))
    assert len(seen) == 24 and engine.live == 0


def test_engine_registers_stay_within_their_octets():
    engine = PairEngine(register_octets=8 * (4**3 + 4**4))
    handles = np.zeros(20, np.uint64)
    engine.prepare(np.tile((0.0, 0.0, 1.0), 20), np.zeros(20, np.int64), np.zeros(20, np.uint16), handles)

    def cnot(a, b):
        statuses = np.zeros(1, np.uint8)
        ones = (np.zeros(1), np.zeros(1), np.zeros(1, np.int64))
        engine.apply(np.array([32], np.uint8), handles[[a]], handles[[b]], *ones, statuses)
        return statuses[0]

    assert [cnot(0, n) for n in (1, 2, 3)] == [Status.OK] * 3
    assert cnot(0, 4) == Status.NO_ROOM and engine.register_octets == 8 * 4**4
    assert [cnot(5, 6), cnot(5, 7)] == [Status.OK] * 2
    assert cnot(8, 9) == Status.OK and cnot(8, 10) == Status.NO_ROOM
    assert len(engine.companions(int(handles[8]))) == 2


def test_engine_buffers_of_wrong_length_or_type_are_refused():
    engine = PairEngine()
    u64, i64, f64, u8, u16 = (np.zeros(2, t) for t in (np.uint64, np.int64, np.float64, np.uint8, np.uint16))
    short = np.zeros(1, np.uint8)
    calls = [
        lambda: engine.create(np.zeros(15), i64, u16, u64),
        lambda: engine.prepare(np.zeros(5), i64, u16, u64),
        lambda: engine.create_register(np.zeros(15), i64, u16, u64),
        lambda: engine.create_register(np.zeros(0), i64[:0], u16[:0], u64[:0]),
        lambda: engine.create_register(
            np.ones(4**11), np.zeros(11, np.int64), np.zeros(11, np.uint16), np.zeros(11, np.uint64)
        ),
        lambda: engine.prepare(np.zeros(6), i64, np.array([0, 1], np.uint16), u64),
        lambda: engine.prepare(np.ones(6), i64, u16, u64),
        lambda: engine.relocate(u64, np.array([0, 9], np.uint16), i64, u8),
        lambda: engine.apply(u8, u64, u64, f64, f64, i64, short),
        lambda: engine.clifford(np.zeros(7, np.int8), u64, u64, f64, i64, u8),
        lambda: engine.swap(u64, u64, i64, f64, short, f64, u8),
        lambda: engine.bell_measure(u64, u64, i64, f64, u8, f64[:1], u8),
        lambda: engine.measure(u64, short, i64, f64, u8, f64, u8),
        lambda: engine.measure_along(u64, f64, i64, f64, u8, f64, u8),
        lambda: engine.inspect(u64, 0, np.zeros(15)),
        lambda: engine.inspect(u64[:0], 0, np.zeros(1)),
        lambda: engine.inspect_pairs(u64, i64, np.zeros(31), u8),
        lambda: engine.decohere(f64, i64, u8),
        lambda: engine.release(np.zeros(4, np.uint64)[::2], u8),
    ]
    for call in calls:
        with pytest.raises((ValueError, BufferError)):
            call()
    assert engine.live == 0


@pytest.mark.parametrize(
    "limits", [{"limit": 0}, {"limit": 2**30}, {"register_octets": -1}, {"generations": 0}, {"generations": 2**31}]
)
def test_engine_limits_that_cannot_be_are_refused(limits):
    with pytest.raises(ValueError, match="must lie in"):
        PairEngine(**limits)


def test_engine_state_purer_than_pure_is_refused():
    engine = PairEngine()
    state = np.ones(16)
    with pytest.raises(ValueError, match="purer"):
        engine.create(state, np.zeros(2, np.int64), np.zeros(2, np.uint16), np.zeros(2, np.uint64))

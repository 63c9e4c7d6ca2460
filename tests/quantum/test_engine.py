"""The engine against its NumPy mirror and against its laws (handles, order of time, refusals)."""

import itertools
import textwrap
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import PAULI_BASES, Basis, BellIndex, Gate
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.quantum import formulas, reference
from qstack.quantum.draws import Draws
from qstack.quantum.engine import Axis, GateCall, NewPair, PairEngine, QubitHandle, Readout, StateEngine, Status
from qstack.quantum.memories import MemoryModel

EXACT = 1e-12
PAULIS = (Gate.I, Gate.Z, Gate.X, Gate.Y)
IDEAL = MemoryModel()
NOISY = (MemoryModel(10_000_000, 4_000_000), MemoryModel(3_000_000, 5_000_000))


def random_state(seed):
    """A random mixed two-qubit state (Hilbert-Schmidt measure), as an exact 4x4 matrix with R_00 = 1."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    rho = g @ g.conj().T
    r = reference.correlations(rho / np.trace(rho).real)
    r[0, 0] = 1.0
    return r


def pair(engine, state=None, memories=(IDEAL, IDEAL), born=(0, 0)):
    state = formulas.bell_state() if state is None else tuple(np.ravel(state).tolist())
    return engine.create([NewPair(state, born, memories)])[0]


def matrix(engine, qubit, instant=0):
    state = engine.inspect_pair(qubit, instant)
    assert state is not None
    return np.array(state).reshape(4, 4)


def uniform_for(probabilities, outcome):
    """A draw that makes the engine choose `outcome`."""
    return sum(probabilities[:outcome]) + probabilities[outcome] / 2


@pytest.mark.parametrize(("r_half", "s_half", "outcome"), list(itertools.product((0, 1), (0, 1), range(4))))
@pytest.mark.parametrize("seed", range(5))
def test_engine_swap_of_random_states_equals_reference(seed, r_half, s_half, outcome):
    r, s = random_state(seed), random_state(seed + 1000)
    expected = [reference.swap(r, r_half, s, s_half, k) for k in range(4)]
    engine = StateEngine()
    a, b = pair(engine, r), pair(engine, s)
    [done] = engine.swap([(a[r_half], b[s_half])], [0], [uniform_for([p for p, _ in expected], outcome)])
    assert (done.status, done.outcome) == (Status.OK, outcome)
    assert done.probability == pytest.approx(expected[outcome][0], abs=EXACT)
    assert np.abs(matrix(engine, a[1 - r_half]) - expected[outcome][1]).max() < EXACT
    assert np.abs(matrix(engine, b[1 - s_half]) - expected[outcome][1].T).max() < EXACT


@pytest.mark.parametrize(("half", "basis", "outcome"), list(itertools.product((0, 1), PAULI_BASES, (0, 1))))
@pytest.mark.parametrize("seed", range(5))
def test_engine_measurement_of_random_state_equals_reference(seed, half, basis, outcome):
    r = random_state(seed)
    probability, after = reference.measure(r, half, basis, outcome)
    engine = StateEngine()
    qubits = pair(engine, r)
    plus = reference.measure(r, half, basis, 0)[0]
    [found] = engine.measure([qubits[half]], [basis], [0], [uniform_for([plus, 1 - plus], outcome)])
    assert (found.status, found.outcome) == (Status.OK, outcome)
    assert found.probability == pytest.approx(probability, abs=EXACT)
    assert np.abs(matrix(engine, qubits[0]) - after).max() < EXACT


@pytest.mark.parametrize("half", (0, 1))
@pytest.mark.parametrize("seed", range(5))
def test_engine_decoherence_of_random_state_equals_reference(seed, half):
    r = random_state(seed)
    engine = StateEngine()
    qubits = pair(engine, r, NOISY, (50, 70))
    assert engine.decohere([qubits[half]], [2_000_070]) == [Status.OK]
    elapsed = 2_000_070 - (50, 70)[half]
    expected = reference.decohere(r, half, elapsed, NOISY[half].t1_ns, NOISY[half].t2_ns)
    assert np.abs(matrix(engine, qubits[0], 0) - expected).max() < EXACT


@pytest.mark.parametrize(("half", "gate"), list(itertools.product((0, 1), PAULIS)))
def test_engine_pauli_on_random_state_equals_reference(half, gate):
    r = random_state(7)
    engine = StateEngine()
    qubits = pair(engine, r)
    assert engine.apply([GateCall(gate, (qubits[half],))], [0]) == [Status.OK]
    assert np.abs(matrix(engine, qubits[0]) - reference.correct(r, half, gate)).max() < EXACT


@given(seed=st.integers(0, 2**32), first=st.integers(0, 10**8), more=st.integers(0, 10**8))
@settings(max_examples=50, deadline=None)
def test_engine_decoherence_in_two_steps_equals_one(seed, first, more):
    r = random_state(seed)
    engine = StateEngine()
    stepped, at_once = pair(engine, r, NOISY), pair(engine, r, NOISY)
    engine.decohere([stepped[0], stepped[0], at_once[0]], [first, first + more, first + more])
    assert np.abs(matrix(engine, stepped[0]) - matrix(engine, at_once[0])).max() < EXACT


@given(seed=st.integers(0, 2**32), draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
@settings(max_examples=50, deadline=None)
def test_engine_chain_of_operations_leaves_a_state(seed, draws):
    engine = StateEngine()
    pairs = [pair(engine, random_state(seed + n), NOISY) for n in range(3)]
    engine.swap([(pairs[0][1], pairs[1][0])], [10**6], draws[:1])
    engine.swap([(pairs[1][1], pairs[2][0])], [2 * 10**6], draws[1:2])
    left, right = pairs[0][0], pairs[2][1]
    assert engine.partner(left) == right
    assert reference.is_state(matrix(engine, left, 3 * 10**6))
    engine.measure([left], [Basis.X], [3 * 10**6], draws[2:3])
    assert reference.is_state(matrix(engine, left, 4 * 10**6))
    assert engine.live == 1


@given(seed=st.integers(0, 2**32), ta=st.integers(0, 10**7), tb=st.integers(0, 10**7), u=st.floats(0, 0.999))
@settings(max_examples=50, deadline=None)
def test_engine_halves_touched_in_either_order_give_the_same_joint_outcome_probability(seed, ta, tb, u):
    r = random_state(seed)
    totals = []
    for order in ((0, 1), (1, 0)):
        engine = StateEngine()
        qubits = pair(engine, r, NOISY)
        total, outcomes = 1.0, [0, 0]
        for half in order:
            [found] = engine.measure([qubits[half]], [Basis.X], [(ta, tb)[half]], [0.0])
            total, outcomes[half] = total * found.probability, found.outcome
        totals.append((outcomes, total))
    assert totals[0][0] == totals[1][0] == [0, 0]
    assert totals[0][1] == pytest.approx(totals[1][1], abs=EXACT)


def test_engine_swap_keeps_handles_of_the_qubits_that_stay():
    engine = StateEngine()
    a, b = pair(engine), pair(engine)
    engine.swap([(a[1], b[0])], [5], [0.9])
    assert engine.partner(a[0]) == b[1] and engine.partner(b[1]) == a[0]
    assert engine.live == 1


def test_engine_handle_kept_after_release_is_stale_even_when_its_slot_is_used_again():
    engine = StateEngine()
    old = pair(engine)
    assert engine.release(old) == [Status.OK, Status.OK]
    new = pair(engine)
    assert not set(old) & set(new)
    assert engine.release(old) == [Status.STALE, Status.STALE]
    assert engine.partner(new[0]) == new[1]


@pytest.mark.parametrize("handle", (0, 1, 2**32, 2**33, 2**64 - 1))
def test_engine_handle_never_given_out_is_stale(handle):
    engine = StateEngine()
    pair(engine)
    if handle == 2**32:  # the first handle there is
        engine.release([QubitHandle(handle)])
    assert engine.decohere([QubitHandle(handle)], [0]) == [Status.STALE]
    assert engine.partner(QubitHandle(handle)) is None


def test_engine_instant_before_the_last_is_refused_and_changes_nothing():
    engine = StateEngine()
    a, b = pair(engine, None, NOISY, (100, 100)), pair(engine, None, NOISY, (50, 50))
    before = matrix(engine, a[0], 100)
    assert engine.decohere([a[0]], [99]) == [Status.EARLY]
    assert engine.measure([a[0]], [Basis.Z], [99], [0.5])[0].status is Status.EARLY
    assert engine.apply([GateCall(Gate.X, (a[0],))], [99]) == [Status.EARLY]
    assert engine.erase([a[0]], [99]) == [Status.EARLY]
    assert engine.swap([(b[1], a[0])], [99], [0.5])[0].status is Status.EARLY
    assert (matrix(engine, a[0], 100) == before).all()
    assert (engine.touched_ns(a[0]), engine.touched_ns(b[1])) == (100, 50)
    assert engine.live == 2


def test_engine_swap_of_a_pair_with_itself_is_refused():
    engine = StateEngine()
    a = pair(engine)
    assert engine.swap([a], [0], [0.5])[0].status is Status.SAME_PAIR
    assert engine.partner(a[0]) == a[1]


def test_engine_unknown_basis_or_pauli_is_refused():
    pairs = PairEngine()
    handles = array("Q", bytes(16))
    pairs.create(array("d", formulas.bell_state()), array("q", (0, 0)), array("H", (0, 0)), handles)
    statuses, outcomes, draws = array("B", b"\0"), array("B", b"\0"), array("d", (0.5,))
    one, now = handles[:1], array("q", (0,))
    pairs.measure(one, array("B", (5,)), now, draws, outcomes, array("d", (0.0,)), statuses)
    assert statuses[0] == Status.UNKNOWN_OPERAND
    pairs.apply(array("B", (13,)), one, array("Q", (0,)), draws, array("d", (0.0,)), now, statuses)
    assert statuses[0] == Status.UNKNOWN_OPERAND


def test_engine_measured_partner_is_exact_for_every_bell_state_and_basis():
    for bell, basis, draw in itertools.product(BellIndex, PAULI_BASES, (0.25, 0.75)):
        engine = StateEngine()
        qubits = pair(engine, formulas.bell_state(bell))
        [one] = engine.measure([qubits[1]], [basis], [0], [draw])
        [other] = engine.measure([qubits[0]], [basis], [0], [0.5])
        assert one.probability == pytest.approx(0.5)
        assert other.probability == 1.0
        sign = formulas.BELL_SIGNS[bell][(3, 1, 2)[basis]]
        assert one.outcome ^ other.outcome == (0 if sign > 0 else 1)


@pytest.mark.parametrize(("bit", "told"), [(0, 0.1), (1, 0.3)])
def test_engine_bit_is_told_wrongly_by_the_probability_of_its_value(bit, told):
    draws = Draws(Chance(b"readout"))
    engine = StateEngine()
    count = 5000
    qubits = engine.prepare([Axis(0.0, 0.0, 1.0 - 2.0 * bit)] * count, [0] * count, [IDEAL] * count)
    readouts = [Readout(0.1, 0.3, uniform) for uniform in draws.uniforms([(1, n) for n in range(count)])]
    found = engine.measure(qubits, [Basis.Z] * count, [0] * count, [0.5] * count, readouts)
    assert all(item.outcome == bit for item in found)
    wrong = sum(item.told != bit for item in found)
    assert abs(wrong - told * count) < 5 * (told * (1 - told) * count) ** 0.5
    again = engine.measure(qubits[:1], [Basis.Z], [0], [0.5])
    assert again[0].outcome == again[0].told == bit  # the qubit is what it was found to be, whatever was told


def test_engine_class_documents_its_batches_by_an_example_that_runs():
    text = PairEngine.__doc__
    example = textwrap.dedent(text[text.rindex("\n", 0, text.index("n, engine, draws = ")) :])
    names = {"np": np, "Chance": Chance, "Draws": Draws, "PairEngine": PairEngine, "werner": formulas.werner}
    exec(example, names)
    assert names["engine"].live == 0 and not names["statuses"].any()
    assert np.bincount(names["outcomes"], minlength=4).min() > 150 and (names["told"] == names["bits"]).mean() > 0.9


def test_engine_impossible_outcome_is_never_drawn():
    engine = StateEngine()
    zero = np.outer((1, 0, 0, 1), (1, 0, 0, 1)).astype(float)
    for draw in (0.0, 0.5, 1 - 2**-53):
        qubits = pair(engine, zero)
        assert engine.measure([qubits[0]], [Basis.Z], [0], [draw])[0].outcome == 0
        a, b = pair(engine, zero), pair(engine, zero)
        [done] = engine.swap([(a[1], b[0])], [0], [draw])  # |00> is half Phi+, half Phi-
        assert done.outcome in (BellIndex.PHI_PLUS, BellIndex.PHI_MINUS)
        assert reference.is_state(matrix(engine, a[0]))


def test_engine_release_of_one_half_leaves_the_other_its_marginal():
    r = random_state(3)
    engine = StateEngine()
    qubits = pair(engine, r)
    engine.release([qubits[0]])
    assert engine.partner(qubits[1]) is None
    assert np.abs(matrix(engine, qubits[1])[:, 0] - r[0]).max() < EXACT
    assert np.abs(matrix(engine, qubits[1])[:, 1:]).max() == 0.0
    assert engine.live == 1
    engine.release([qubits[1]])
    assert engine.live == 0


def test_engine_swap_of_two_lone_qubits_leaves_nothing():
    engine = StateEngine()
    a, b = pair(engine), pair(engine)
    engine.release([a[0], b[1]])
    [done] = engine.swap([(a[1], b[0])], [0], [0.1])
    assert done.status is Status.OK and done.probability == pytest.approx(0.25)
    assert engine.live == 0


def test_engine_erased_qubit_is_mixed_flagged_and_no_longer_relaxes():
    engine = StateEngine()
    qubits = pair(engine, None, NOISY)
    assert engine.erase([qubits[0]], [10]) == [Status.OK]
    assert engine.erased(qubits[0]) and not engine.erased(qubits[1])
    engine.decohere([qubits[0]], [10**9])
    assert np.abs(matrix(engine, qubits[0])[1:]).max() == 0.0


def test_engine_inspection_changes_nothing():
    engine = StateEngine()
    qubits = pair(engine, None, NOISY)
    later = matrix(engine, qubits[0], 10**6)
    assert (matrix(engine, qubits[0], 10**6) == later).all()
    assert engine.touched_ns(qubits[0]) == 0
    assert (matrix(engine, qubits[0], 0) == np.diag((1, 1, -1, 1))).all()


@pytest.mark.parametrize(
    ("state", "memory"),
    [
        ((0.5,) + 15 * (0.0,), (0.0, 0.0)),
        ((1.0, 2.0) + 14 * (0.0,), (0.0, 0.0)),
        ((1.0, float("nan")) + 14 * (0.0,), (0.0, 0.0)),
        (formulas.bell_state(), (1.0, 2.1)),
        (formulas.bell_state(), (1.0, 0.0)),
        (formulas.bell_state(), (-1.0, 1.0)),
        (formulas.bell_state(), (1.0, float("nan"))),
    ],
)
def test_engine_what_is_no_state_or_no_memory_is_refused(state, memory):
    pairs = PairEngine()
    with pytest.raises(ValueError, match=r"R_00|correlation|lifetime|T2"):
        kind = pairs.kind(*memory)
        pairs.create(array("d", state), array("q", (0, 0)), array("H", (kind, 0)), array("Q", (0, 0)))
    assert pairs.live == 0


def test_engine_door_names_the_guilty():
    engine = StateEngine(limit=2)
    with pytest.raises(LocalMisuse, match="R_00"):
        engine.create([NewPair((0.0,) * 16, (0, 0), (IDEAL, IDEAL))])
    pair(engine), pair(engine)
    with pytest.raises(ResourceLimit):
        pair(engine)
    assert engine.live == 2


def test_engine_buffers_of_unequal_length_are_refused():
    pairs = PairEngine()
    with pytest.raises(ValueError, match="2 items, not 1"):
        pairs.release(array("Q", (1,)), array("B", (0, 0)))


def test_engine_growth_keeps_states_and_handles():
    engine = StateEngine()
    states = [random_state(n) for n in range(10)]
    kept = [pair(engine, state) for state in states]
    engine.create([NewPair(formulas.bell_state(), (0, 0), (IDEAL, IDEAL))] * 1000)
    for state, qubits in zip(states, kept, strict=True):
        assert np.abs(matrix(engine, qubits[0]) - state).max() == 0.0
    assert engine.live == 1010


def test_engine_numpy_buffers_work_in_place():
    pairs = PairEngine()
    count = 100
    handles = np.zeros(2 * count, np.uint64)
    states = np.tile(formulas.werner(0.9), count)
    pairs.create(states, np.zeros(2 * count, np.int64), np.zeros(2 * count, np.uint16), handles)
    statuses, outcomes, chances = np.zeros(50, np.uint8), np.zeros(50, np.uint8), np.zeros(50)
    draws = np.random.default_rng(5).random(50)
    first, second = np.ascontiguousarray(handles[1:100:2]), np.ascontiguousarray(handles[100::2])
    pairs.swap(first, second, np.zeros(50, np.int64), draws, outcomes, chances, statuses)
    assert not statuses.any() and np.abs(chances - 0.25).max() < EXACT
    assert (outcomes == (draws * 4).astype(int)).all()
    assert pairs.live == 50


def test_engine_random_life_agrees_with_a_plain_bookkeeping_of_pairs():
    """Creations, swaps and releases in any order: the engine's partners are those of a dictionary."""
    rng = np.random.default_rng(11)
    engine = StateEngine()
    partners: dict[int, int | None] = {}
    for _ in range(3000):
        held = sorted(partners)
        action = rng.integers(4) if len(held) < 400 else 3
        if action < 2 or len(held) < 4:
            a, b = pair(engine)
            partners |= {a: b, b: a}
        elif action == 2:
            x, y = (QubitHandle(int(h)) for h in rng.choice(np.array(held, dtype=np.uint64), 2, replace=False))
            [done] = engine.swap([(x, y)], [0], [float(rng.random())])
            if partners[x] == y:
                assert done.status is Status.SAME_PAIR
                continue
            assert done.status is Status.OK
            left, right = partners.pop(x), partners.pop(y)
            for one, other in ((left, right), (right, left)):
                if one is not None:
                    partners[one] = other
        else:
            x = QubitHandle(int(rng.choice(np.array(held, dtype=np.uint64))))
            assert engine.release([x]) == [Status.OK]
            other = partners.pop(x)
            if other is not None:
                partners[other] = None
    for one, other in partners.items():
        assert engine.partner(QubitHandle(one)) == other
    lone = sum(other is None for other in partners.values())
    assert engine.live == lone + (len(partners) - lone) // 2


def test_engine_room_of_a_pair_is_at_most_256_octets():
    assert StateEngine().octets_per_pair <= 256


def test_engine_is_compiled_and_typed():
    pairs = PairEngine()
    assert not hasattr(pairs, "slots") and not hasattr(pairs, "touch") and not hasattr(pairs, "__dict__")
    with pytest.raises(AttributeError):
        pairs.anything = 1  # type: ignore[attr-defined]

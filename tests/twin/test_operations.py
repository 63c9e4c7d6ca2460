"""Gates, moves, initialisations and measurements of devices that take time and fail."""

from __future__ import annotations

import math

import pytest

from qstack.base.bell import Basis, Gate
from qstack.base.units import MILLISECOND_NS
from qstack.quantum.memories import GateSet, MemoryBank, MemoryModel, Operation
from qstack.wire.twin import (
    ANGLE_UNIT,
    FIDELITY_UNIT,
    NO_QUBIT,
    PROBABILITY_UNIT,
    ApplyGates,
    GateItem,
    Initialise,
    MemoryRole,
    Move,
    MoveItem,
    Release,
    Status,
)
from qstack.wire.twin import Operation as Told
from tests.twin.network import ALICE, BOB, EAST, FIRST, REPEATER, SESSION, START, WEST, Network, configuration

LATER = START + 10 * MILLISECOND_NS
GATES = GateSet(
    initialise=Operation(2_000), one_qubit=Operation(5_000), two_qubit=Operation(50_000), measure=Operation(3_700),
    bell_measure=Operation(60_000), move=Operation(500_000), storage_one_qubit=Operation(20_000),
)  # fmt: skip


def network(gates: GateSet = GATES, storage: int = 2, memory: MemoryModel | None = None, **options):
    return Network(configuration(memory, gates=gates, storage=MemoryBank(storage, MemoryModel()), **options))


def initialise(net, qubits, at=LATER, node=ALICE):
    return net.one(SESSION[node], Initialise(request_id=net.number(), instant=at, qubits=qubits))


def gates(net, items, at=LATER, node=ALICE):
    made = tuple(GateItem(qubit=q[0], second=q[1] if len(q) > 1 else NO_QUBIT, gate=g, angle=a) for g, q, a in items)
    return net.one(SESSION[node], ApplyGates(request_id=net.number(), instant=at, gates=made))


def turn(net, *items, at=LATER, node=ALICE):
    """Gates without an angle."""
    return gates(net, [(gate, qubits, 0) for gate, *qubits in items], at, node)


def move(net, moves, at=LATER, node=ALICE):
    made = tuple(MoveItem(source=a, target=b) for a, b in moves)
    return net.one(SESSION[node], Move(request_id=net.number(), instant=at, moves=made))


def bits(net, items, at=LATER, node=ALICE):
    return [(each.status, each.bit) for each in net.measure(node, items, at).outcomes]


def test_attached_tells_memories_and_what_operations_cost():
    net = Network(configuration(MemoryModel(10_000, 5_000, 7_000, (0.25, 0.5)), 3, gates=GATES,
                                storage=MemoryBank(2, MemoryModel(90_000, 80_000))), attach=False)  # fmt: skip
    attached = net.attach(ALICE)
    first, second = attached.memories
    assert (attached.qubits, first.first, first.count, second.first, second.count) == (5, 0, 3, 3, 2)
    assert (first.role, second.role) == (MemoryRole.COMMUNICATION, MemoryRole.STORAGE)
    assert (first.t1_ns, first.t2_ns, first.depolarising_ns, second.t2_ns) == (10_000, 5_000, 7_000, 80_000)
    assert (first.p0, first.p1) == (PROBABILITY_UNIT // 4, PROBABILITY_UNIT // 2)
    told = {each.operation: each.duration_ns for each in attached.operations}
    assert told[Told.MOVE] == 500_000 and told[Told.STORAGE_ONE_QUBIT] == 20_000
    assert Network(attach=False).attach(ALICE).operations == ()


def test_initialised_qubit_is_in_zero_and_its_memory_taken():
    net = network(GateSet())
    assert initialise(net, (0, 8, 0, 99)).statuses == (Status.OK, Status.OK, Status.BUSY, Status.NO_SUCH_QUBIT)
    assert bits(net, [(0, Basis.Z), (8, Basis.Z)]) == [(Status.OK, 0)] * 2
    assert initialise(net, (0,)).statuses == (Status.OK,)


@pytest.mark.parametrize(
    ("circuit", "basis", "bit"),
    [
        ([(Gate.X, (0,), 0)], Basis.Z, 1),
        ([(Gate.H, (0,), 0)], Basis.X, 0),
        ([(Gate.H, (0,), 0), (Gate.Z, (0,), 0)], Basis.X, 1),
        ([(Gate.SQRT_X_DAGGER, (0,), 0)], Basis.Y, 0),
        ([(Gate.RX, (0,), ANGLE_UNIT // 2)], Basis.Z, 1),
        ([(Gate.RX, (0,), ANGLE_UNIT - ANGLE_UNIT // 4)], Basis.Y, 0),
        ([(Gate.RY, (0,), ANGLE_UNIT // 8)], Basis.Z_PLUS_X, 0),
        ([(Gate.RY, (0,), ANGLE_UNIT - ANGLE_UNIT // 8)], Basis.Z_MINUS_X, 0),
        ([(Gate.RY, (0,), ANGLE_UNIT // 2 + ANGLE_UNIT // 8)], Basis.Z_PLUS_X, 1),
        ([(Gate.X, (0,), 0), (Gate.CNOT, (0, 1), 0), (Gate.CNOT, (1, 0), 0)], Basis.Z, 0),
        ([(Gate.X, (1,), 0), (Gate.SWAP, (0, 1), 0)], Basis.Z, 1),
        ([(Gate.H, (0,), 0), (Gate.X, (1,), 0), (Gate.CRZ, (1, 0), ANGLE_UNIT // 2), (Gate.H, (0,), 0)], Basis.Z, 1),
    ],
)  # fmt: skip
def test_gates_do_what_they_are_called(circuit, basis, bit):
    net = network(GateSet())
    initialise(net, (0, 1))
    assert set(gates(net, circuit).statuses) == {Status.OK}
    assert bits(net, [(0, basis)]) == [(Status.OK, bit)]


def test_gates_of_a_list_follow_one_another_where_they_share_a_memory():
    net = network()
    initialise(net, (0, 1, 2), LATER - 2_000)
    done = turn(net, (Gate.H, 0), (Gate.CNOT, 0, 1), (Gate.X, 2), (Gate.H, 1))
    assert done.completed_at == LATER + 60_000 == done.deliver_at
    assert turn(net, (Gate.H, 2), at=LATER + 4_999).statuses == (Status.EARLY,)
    assert turn(net, (Gate.H, 2), at=LATER + 5_000).statuses == (Status.OK,)
    assert bits(net, [(0, Basis.Z)], LATER + 54_999)[0][0] == Status.EARLY
    assert bits(net, [(0, Basis.Z)], LATER + 55_000)[0][0] == Status.OK
    assert initialise(net, (0,), LATER + 58_699).statuses == (Status.EARLY,)
    assert initialise(net, (0,), LATER + 58_700).statuses == (Status.OK,)


@pytest.mark.parametrize(
    "item",
    [
        (Gate.H, (0, 1), 0), (Gate.CNOT, (0,), 0), (Gate.H, (0,), 1), (Gate.CLIFFORD, (0,), 24), (99, (0,), 0),
        (13, (0,), 0),
    ],
)  # fmt: skip
def test_gate_that_is_none_or_has_the_wrong_operands_is_refused_and_harms_nothing(item):
    net = network()
    initialise(net, (0, 1), LATER - 2_000)
    done = gates(net, [item, (Gate.X, (0,), 0)])
    assert done.statuses == (Status.UNSUPPORTED, Status.OK)
    assert done.completed_at == LATER + 5_000
    assert bits(net, [(0, Basis.Z)], LATER + 5_000) == [(Status.OK, 1)]


def test_gate_on_memories_that_hold_nothing_or_are_one_is_refused():
    net = network()
    initialise(net, (0,), LATER - 2_000)
    found = turn(net, (Gate.CNOT, 0, 0), (Gate.CNOT, 0, 1), (Gate.CNOT, 1, 0), (Gate.CNOT, 0, 77), (Gate.H, 77))
    assert found.statuses == (Status.BUSY, Status.EMPTY, Status.EMPTY, Status.NO_SUCH_QUBIT, Status.NO_SUCH_QUBIT)


def test_register_grows_to_what_the_engine_holds_and_is_told_by_its_size():
    net = network(GateSet(), storage=8)
    initialise(net, tuple(range(12)))
    made = turn(net, (Gate.H, 0), *((Gate.CNOT, n, n + 1) for n in range(11)))
    assert made.statuses[:10] == (Status.OK,) * 10 and made.statuses[10] == Status.NO_ROOM
    seen = net.inspect(ALICE, 3)
    assert (seen.qubits, seen.fidelities, seen.alone, seen.partner_node) == (10, (), 0, 0)
    outcomes = bits(net, [(n, Basis.Z) for n in range(10)])
    assert len(set(outcomes)) == 1  # a GHZ state
    assert net.inspect(ALICE, 11).qubits <= 2


def test_teleportation_over_a_pair_of_the_link():
    net = network(GateSet())
    [herald] = net.make(WEST, [0], [0])
    initialise(net, (1,))
    gates(net, [(Gate.RY, (1,), ANGLE_UNIT // 8)])  # towards (Z+X)/sqrt 2
    [told] = net.swap([(1, 0)], LATER, node=ALICE).outcomes
    turn(net, (Gate(told.bell_index ^ herald.bell_index), 0), node=REPEATER)
    assert bits(net, [(0, Basis.Z_PLUS_X)], node=REPEATER) == [(Status.OK, 0)]


def test_moved_qubit_lives_on_in_the_storage_memory():
    forgetful = MemoryModel(100_000, 100_000)
    net = network(GateSet(), memory=forgetful)
    net.make(WEST, [0], [0], cycles=1)
    net.measure(REPEATER, [(0, Basis.Z)], START)  # what is left does not age there
    assert move(net, [(0, 8)], START).statuses == (Status.OK,)
    [bit] = bits(net, [(8, Basis.Z)], LATER)
    assert bit[0] == Status.OK
    assert initialise(net, (0,), LATER).statuses == (Status.OK,)


def test_move_takes_its_time_and_the_noise_of_the_source_until_then():
    memory = MemoryModel(0, 0, 1_000_000)
    net = network(memory=memory)
    net.make(WEST, [0], [0], cycles=1)
    done = move(net, [(0, 8)], START)
    assert (done.completed_at, done.statuses) == (START + 500_000, (Status.OK,))
    net.now_ns = START + 500_000
    fidelity = max(net.inspect(ALICE, 8).fidelities) / FIDELITY_UNIT
    w = math.exp(-1.0)  # two halves, half a depolarising time each
    assert fidelity == pytest.approx((1 + 3 * w) / 4, abs=1e-6)
    net.now_ns += 500_000
    older = max(net.inspect(ALICE, 8).fidelities) / FIDELITY_UNIT
    assert older == pytest.approx((1 + 3 * w * math.exp(-0.5)) / 4, abs=1e-6)  # the repeater's half alone


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        ([(5, 8)], Status.EMPTY), ([(0, 1)], Status.BUSY), ([(0, 99)], Status.NO_SUCH_QUBIT), ([(99, 8)],
         Status.NO_SUCH_QUBIT), ([(0, 0)], Status.BUSY),
    ],
)  # fmt: skip
def test_move_that_cannot_be_is_refused(moves, status):
    net = network()
    initialise(net, (0, 1), LATER - 2_000)
    assert move(net, moves).statuses == (status,)


def test_errors_of_operations_depolarise_their_qubits():
    def fidelity_after(gate_set, act):
        net = network(gate_set)
        net.make(WEST, [0], [0], cycles=1)
        act(net)
        net.now_ns = LATER
        return max(net.inspect(REPEATER, 0).fidelities) / FIDELITY_UNIT

    mixed = (1 - 0.2) + 0.2 / 4
    assert fidelity_after(GateSet(one_qubit=Operation(0, 0.2)), lambda net: turn(net, (Gate.I, 0))) == pytest.approx(
        mixed, abs=1e-6
    )
    assert fidelity_after(GateSet(move=Operation(0, 0.2)), lambda net: move(net, [(0, 8)])) == pytest.approx(
        mixed, abs=1e-6
    )


def test_noisy_measurements_and_bell_measurements_have_the_rates_of_their_errors():
    rounds, p, told_wrongly = 400, 0.3, 0.1
    wrong, noisy = 0, 0
    for seed in range(rounds):
        memory = MemoryModel(readout=(told_wrongly, 0.0))
        settings = configuration(memory, gates=GateSet(measure=Operation(0, p), bell_measure=Operation(0, p)))
        net = Network(settings, b"noise %d" % seed)
        initialise(net, (0,))
        wrong += bits(net, [(0, Basis.Z)])[0][1]
        first, second = net.make(EAST, [2, 3], [0, 1])
        [ours] = net.swap([(0, 1)], LATER, node=BOB).outcomes
        [found] = net.swap([(2, 3)], LATER).outcomes
        noisy += found.bell_index != first.bell_index ^ second.bell_index ^ ours.bell_index
    expected = p / 2 + (1 - p / 2) * told_wrongly - p / 2 * 0.0
    assert wrong / rounds == pytest.approx(expected, abs=4 * math.sqrt(expected / rounds))
    assert 0.3 < noisy / rounds < 0.75  # two noisy Bell measurements, each with two bits that are told badly


def test_readout_errors_of_zero_and_one_differ():
    ones = zeros = 0
    for seed in range(400):
        net = Network(configuration(MemoryModel(readout=(0.3, 0.05))), b"readout %d" % seed)
        initialise(net, (0, 1))
        turn(net, (Gate.X, 1))
        (_, zero), (_, one) = bits(net, [(0, Basis.Z), (1, Basis.Z)])
        zeros += zero
        ones += 1 - one
    assert zeros / 400 == pytest.approx(0.3, abs=0.1)
    assert ones / 400 == pytest.approx(0.05, abs=0.05)


def test_initialise_and_release_do_not_touch_what_is_offered():
    net = network()
    net.attempt(ALICE, WEST, [0], first=FIRST + 100)
    assert initialise(net, (0,)).statuses == (Status.BUSY,)
    released = net.one(SESSION[ALICE], Release(request_id=net.number(), instant=START, qubits=(0,)))
    assert released.statuses == (Status.OK,)

"""Whatever hosts do, in whatever order: every request is answered once, nothing escapes, nothing is left over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import Gate
from qstack.base.ids import make_qna
from qstack.base.pairs import PairKind
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import GateSet, MemoryBank, MemoryModel, Operation
from qstack.twin.configuration import GRACE_NS
from qstack.wire.twin import (
    ANGLE_UNIT,
    NO_QUBIT,
    ApplyGates,
    Attach,
    Attempt,
    AwaitHeralds,
    Couple,
    FetchOutcomes,
    GateItem,
    Initialise,
    InspectPair,
    Measure,
    MeasureItem,
    Move,
    MoveItem,
    Receive,
    Release,
    Swap,
    Transmit,
)
from tests.twin.network import (
    ALICE,
    BOB,
    CYCLE_NS,
    EAST,
    FIRST,
    OPERATOR,
    REPEATER,
    START,
    WEST,
    Network,
    configuration,
)

QUBITS = 8
MEMORY = MemoryModel(10**7, 10**7, readout=(0.1, 0.05))
MODEL = LinkModel.werner(cycle_ns=CYCLE_NS, success_probability=0.5)
SETTINGS = configuration(MEMORY, QUBITS, model=MODEL)
SLOW = configuration(  # operations take time and fail, and there are storage memories
    MEMORY, QUBITS - 2, model=MODEL, storage=MemoryBank(2, MemoryModel()),
    gates=GateSet(Operation(300, 0.1), Operation(200, 0.1), Operation(CYCLE_NS, 0.1), Operation(500, 0.1),
                  Operation(700, 0.1), Operation(900, 0.1), Operation(1_000, 0.2)),
)  # fmt: skip

qubits = st.integers(0, 3) | st.integers(0, QUBITS)  # the last does not exist
instants = st.integers(START - 1000, START + 40 * CYCLE_NS)
links = st.sampled_from([WEST, EAST, 9])
window = {"link": links, "first_cycle": st.integers(FIRST + 10, FIRST + 90), "cycles": st.integers(0, 12)}


def lists(item):
    return st.lists(item, min_size=1, max_size=4).map(tuple)


requests = st.one_of(
    st.builds(Attach, node=st.sampled_from([ALICE, REPEATER, BOB, make_qna(1, 1)])),
    st.builds(Attempt, request_id=st.just(0), qubits=lists(qubits), kind=st.integers(0, 3), choice=st.integers(0, 4),
              x1=st.sampled_from([0, 1 << 14]), most=st.integers(0, 3), **window),
    st.builds(FetchOutcomes, request_id=st.just(0), offsets=lists(st.integers(0, 20)), link=links,
              first_cycle=window["first_cycle"]),
    st.builds(Transmit, request_id=st.just(0), link=links, first_cycle=window["first_cycle"], qubits=lists(qubits)),
    st.builds(Receive, request_id=st.just(0), link=links, first_cycle=window["first_cycle"], qubits=lists(qubits)),
    st.builds(Initialise, request_id=st.just(0), instant=instants, qubits=lists(qubits)),
    st.builds(Move, request_id=st.just(0), instant=instants,
              moves=lists(st.builds(MoveItem, source=qubits, target=qubits))),
    st.builds(AwaitHeralds, request_id=st.just(0), **window),
    st.builds(
        Swap, request_id=st.just(0), instant=instants, couples=lists(st.builds(Couple, first=qubits, second=qubits))
    ),
    st.builds(
        Measure,
        request_id=st.just(0),
        instant=instants,
        measurements=lists(st.builds(MeasureItem, qubit=qubits, basis=st.integers(0, 5))),
    ),
    st.builds(
        ApplyGates,
        request_id=st.just(0),
        instant=instants,
        gates=lists(st.builds(
            GateItem, qubit=qubits, second=qubits | st.just(NO_QUBIT), gate=st.sampled_from(Gate) | st.integers(0, 255),
            angle=st.just(0) | st.integers(0, ANGLE_UNIT - 1),
        )),
    ),
    st.builds(Release, request_id=st.just(0), instant=instants, qubits=lists(qubits)),
    st.builds(InspectPair, request_id=st.just(0), node=st.sampled_from([ALICE, BOB]), qubit=qubits),
)
sessions = st.sampled_from([1, 2, 3, 4, OPERATOR])
moves = st.tuples(sessions, requests).map(lambda move: [move])


def _attempt(draw, memories, same):
    kind = draw(st.sampled_from([PairKind.KEEP, PairKind.KEEP, PairKind.MEASURE]))
    qubits = draw(memories)
    return Attempt(qubits=qubits if kind is PairKind.KEEP else qubits[:1], kind=kind, **same)


@st.composite
def meetings(draw):
    """A window that both ends and the station name alike, asked for in any order."""
    link = draw(st.sampled_from([WEST, EAST]))
    same = {"request_id": 0, "link": link, "first_cycle": draw(window["first_cycle"]), "cycles": draw(window["cycles"])}
    left, right = {WEST: (1, 2), EAST: (2, 3)}[link]
    memories = st.lists(st.integers(4, QUBITS - 1), min_size=1, max_size=3, unique=True).map(tuple)
    return draw(
        st.permutations(
            [
                (left, _attempt(draw, memories, same)),
                (right, _attempt(draw, memories, same)),
                (2, AwaitHeralds(**same)),
            ]
        )
    )


@st.composite
def flights(draw):
    """Qubits of one end and memories of the other, named alike."""
    link = draw(st.sampled_from([WEST, EAST]))
    ends = {WEST: (1, 2), EAST: (2, 3)}[link]
    sender, receiver = draw(st.sampled_from([ends, ends[::-1]]))
    same = {"request_id": 0, "link": link, "first_cycle": draw(window["first_cycle"])}
    sent, awaited = draw(lists(qubits)), draw(lists(qubits))
    return draw(st.permutations([(sender, Transmit(qubits=sent, **same)), (receiver, Receive(qubits=awaited, **same))]))


steps = st.lists(
    st.tuples(moves | meetings() | flights(), st.integers(0, 2 * CYCLE_NS), st.sampled_from([False] * 29 + [True])),
    max_size=40,
)


@pytest.mark.parametrize("devices", [SETTINGS, SLOW], ids=["quick", "slow"])
@given(steps)
@settings(max_examples=200, deadline=None)
def test_twin_answers_every_request_once_and_keeps_nothing_in_the_end(devices, steps):
    net = Network(devices)
    net.make(WEST, [0, 1], [0, 1], FIRST, 15)
    net.make(EAST, [2, 3], [0, 1], FIRST, 15)
    asked, answered, lost = [], [], set()
    for together, wait, unplug in steps:
        net.now_ns += wait
        if unplug:
            net.twin.close_session(together[0][0], net.now_ns)
            lost.add(together[0][0])
        for session, request in together:
            asked.append((session, 1000 + len(asked)))
            net.twin.receive(session, request.replace(request_id=asked[-1][1]), net.now_ns)
            if isinstance(request, Attach):
                lost.update((1, 2, 3, 4))  # a node that moves takes its unanswered questions with it
        answered += [(to, result.request_id) for to, result in net.twin.take_results()]
        assert net.twin.live_pairs <= 3 * QUBITS + 24  # those in flight
        consistent(net)
    net.now_ns += 200 * CYCLE_NS + GRACE_NS  # past the last window
    net.twin.handle_deadline(net.now_ns)
    answered += [(to, result.request_id) for to, result in net.twin.take_results()]
    assert len(set(answered)) == len(answered)
    assert set(answered) <= set(asked)
    assert {session for session, _ in set(asked) - set(answered)} <= lost
    assert net.twin.next_deadline() is None
    for session in (1, 2, 3, 4):
        net.twin.close_session(session, net.now_ns)
    assert net.twin.live_pairs == 0
    assert net.twin.open_windows == 0


def consistent(net):
    """What a memory holds is there once and ready when the engine says so; what is offered is empty."""
    engine = net.twin._store.engine
    held = []
    for bank in net.twin._banks.values():
        for number in range(len(bank)):
            memory = bank.memory(number)
            assert memory.handle is None or memory.offered is None
            if memory.handle is not None:
                held.append(memory.handle)
                assert net.twin._store.where(memory.handle) == (bank.node, number)
                assert engine.touched_ns(memory.handle) <= memory.ready_ns
    assert len(set(held)) == len(held) == len(net.twin._store._where)


@given(st.lists(st.tuples(st.sampled_from([1, OPERATOR, 77]), st.binary(max_size=80)), max_size=20))
@settings(max_examples=200, deadline=None)
def test_twin_any_datagram_is_answered_or_counted(datagrams):
    net = Network(SETTINGS)
    for session, datagram in datagrams:
        before = net.twin.statistics.malformed
        net.twin.receive_datagram(session, datagram, START)
        results = net.twin.take_results()
        assert net.twin.statistics.malformed == before + 1 or len(results) <= 1

"""The twin from outside: who may ask what, what becomes of memories, when answers may be known."""

import pytest

from qstack.base.bell import Basis, Gate
from qstack.base.errors import LocalMisuse
from qstack.base.ids import make_qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel
from qstack.twin.configuration import GRACE_NS, HORIZON_NS, TwinConfiguration, TwinLink
from qstack.twin.window import MAXIMUM_WINDOWS
from qstack.wire.protocols import Protocol
from qstack.wire.twin import (
    ApplyGates,
    Attach,
    Attached,
    AttemptAccepted,
    AwaitHeralds,
    GateItem,
    Herald,
    Heralds,
    InspectPair,
    LinkEnd,
    Refused,
    Status,
    asking_protocol,
    request_id,
)
from tests.twin.network import (
    ALICE,
    BOB,
    CYCLE_NS,
    EAST,
    FIRST,
    OPERATOR,
    REPEATER,
    SESSION,
    START,
    WEST,
    Network,
    configuration,
    device,
)

WINDOW_END = START + 100 * CYCLE_NS
LATER = START + 10 * MILLISECOND_NS

ANY_LINK = LinkHardware.fixed(LinkModel.werner(cycle_ns=1))


def status(results):
    [(_, result)] = results
    return result.status


# ---- attaching ----


def test_twin_attach_tells_what_the_device_is():
    net = Network(configuration(MemoryModel(10_000, 5_000), qubits=3), attach=False)
    attached = net.attach(ALICE)
    [kind] = attached.memories
    assert (attached.qubits, attached.secret) == (3, 0)
    assert (kind.first, kind.count, kind.t1_ns, kind.t2_ns) == (0, 3, 10_000, 5_000)


def test_twin_with_chance_of_the_system_says_that_outcomes_are_secret():
    assert Network(secret=True, attach=False).attach(ALICE).secret == 1


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Attach(request_id=1, node=make_qna(1, 1)), Status.UNKNOWN_NODE),
        (Attach(request_id=1, version=1, node=ALICE), Status.UNSUPPORTED),
        (AwaitHeralds(request_id=1, link=WEST, first_cycle=FIRST, cycles=1), Status.NOT_ATTACHED),
    ],
)
def test_twin_stranger_is_refused(message, expected):
    result = Network(attach=False).one(7, message)
    assert isinstance(result, Refused) and result.status == expected


def test_twin_session_that_serves_a_node_cannot_serve_another():
    net = Network()
    assert net.attach(BOB, session=SESSION[ALICE]).status == Status.NOT_ALLOWED


def test_twin_node_that_attaches_again_finds_its_memories_empty_and_its_old_session_dead():
    net = Network()
    net.make(WEST, [0], [0])
    assert isinstance(net.attach(ALICE, session=11), Attached)
    assert net.measure(ALICE, [(0, Basis.Z)], LATER).status == Status.NOT_ATTACHED
    assert net.inspect(ALICE, 0).status == Status.EMPTY
    assert net.inspect(REPEATER, 0).alone == 1


def test_twin_closed_session_empties_memories_and_withdraws_attempts():
    net = Network()
    net.make(WEST, [0], [0])
    net.attempt(ALICE, WEST, [1], FIRST + 100)
    net.twin.close_session(SESSION[ALICE], LATER)
    assert net.inspect(ALICE, 0).status == Status.EMPTY
    net.attempt(REPEATER, WEST, [1], FIRST + 100)
    assert net.await_heralds(WEST, first=FIRST + 100) == []
    net.twin.close_session(SESSION[REPEATER], LATER)
    assert net.twin.live_pairs == 0


def test_twin_closing_a_session_that_was_taken_over_harms_nothing():
    net = Network()
    net.attach(ALICE, session=11)
    net.twin.close_session(SESSION[ALICE], LATER)
    message = ApplyGates(request_id=5, instant=LATER, gates=(GateItem(qubit=0, gate=Gate.X),))
    assert net.one(11, message).statuses == (Status.EMPTY,)


def test_twin_restarted_node_cannot_attempt_cycles_again():
    net = Network()
    net.make(WEST, [0], [0])
    net.attach(ALICE)
    assert status(net.attempt(ALICE, WEST, [0])) == Status.EARLY


# ---- windows ----


def test_twin_successes_fill_listed_memories_of_both_ends_in_order():
    net = Network()
    heralds = net.make(WEST, [5, 3, 1], [2, 0, 7])
    assert [h.offset for h in heralds] == [0, 1, 2]
    for left, right in ((5, 2), (3, 0), (1, 7)):
        seen = net.inspect(ALICE, left)
        assert (seen.partner_node, seen.partner_qubit) == (REPEATER, right)
    assert net.twin.live_pairs == 3


def test_twin_attempts_end_with_the_shorter_list_and_leave_the_rest_empty():
    net = Network()
    assert len(net.make(WEST, [0, 1, 2, 3], [0])) == 1
    assert net.inspect(ALICE, 1).status == Status.EMPTY
    [(_, accepted)] = net.attempt(ALICE, WEST, [1, 2, 3], FIRST + 100)
    assert isinstance(accepted, AttemptAccepted)


def test_twin_tells_no_outcome_of_attempts_to_the_ends():
    net = Network()
    answers = net.attempt(ALICE, WEST, [0]) + net.attempt(REPEATER, WEST, [0])
    assert [type(result) for _, result in answers] == [AttemptAccepted, AttemptAccepted]


def test_twin_heralds_may_be_known_after_window_and_longer_arm():
    net = Network()
    net.attempt(ALICE, WEST, [0])
    net.attempt(REPEATER, WEST, [0])
    [(session, heralds)] = net.await_heralds(WEST)
    assert session == SESSION[REPEATER]
    assert (heralds.status, heralds.attempted) == (Status.OK, LinkEnd.LOWER | LinkEnd.HIGHER)
    assert (heralds.completed_at, heralds.deliver_at) == (WINDOW_END, WINDOW_END + 75_000)
    assert all(isinstance(h, Herald) for h in heralds.heralds)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0)])
def test_twin_heralds_are_the_same_in_whatever_order_they_are_asked_for(order):
    def run(order):
        net = Network(configuration(model=LinkModel.werner(cycle_ns=CYCLE_NS, success_probability=0.1)))
        steps = (
            lambda: net.attempt(ALICE, WEST, range(8)),
            lambda: net.attempt(REPEATER, WEST, range(8)),
            lambda: net.await_heralds(WEST),
        )
        results = [result for step in order for _, result in steps[step]()]
        [heralds] = [result for result in results if isinstance(result, Heralds)]
        return heralds.heralds

    assert run(order) == run((0, 1, 2)) != ()


def test_twin_missing_partner_is_told_after_the_grace():
    net = Network()
    net.attempt(ALICE, WEST, [0])
    assert net.await_heralds(WEST) == []
    deadline = net.twin.next_deadline()
    assert deadline == WINDOW_END + GRACE_NS
    net.twin.handle_deadline(deadline - 1)
    assert net.twin.take_results() == []
    net.twin.handle_deadline(deadline)
    [(session, heralds)] = net.twin.take_results()
    assert (session, heralds.status, heralds.attempted) == (SESSION[REPEATER], Status.NO_PARTNER, LinkEnd.LOWER)
    assert heralds.heralds == () and net.inspect(ALICE, 0).status == Status.EMPTY
    assert net.twin.next_deadline() is None
    [(_, again)] = net.attempt(ALICE, WEST, [0], FIRST + 100)
    assert isinstance(again, AttemptAccepted)


def test_twin_windows_of_different_length_are_no_partners():
    net = Network()
    net.attempt(ALICE, WEST, [0], cycles=100)
    net.attempt(REPEATER, WEST, [0], cycles=50)
    assert net.await_heralds(WEST, cycles=100) == []


def test_twin_attempts_that_no_station_listens_to_fill_nothing():
    net = Network()
    net.attempt(ALICE, WEST, [0])
    net.attempt(REPEATER, WEST, [0])
    net.twin.handle_deadline(WINDOW_END + GRACE_NS)
    assert net.twin.take_results() == [] and net.twin.live_pairs == 0
    assert net.twin.statistics.unmatched == 1


def test_twin_window_asked_twice_gives_the_same_answer_once_each():
    net = Network()
    first = net.make(WEST, [0, 1], [0, 1])
    [(_, again)] = net.await_heralds(WEST)
    assert again.heralds == first and net.twin.live_pairs == 2


def test_twin_only_the_station_hears_heralds_and_only_ends_attempt():
    net = Network()
    assert status(net.await_heralds(WEST, node=ALICE)) == Status.UNKNOWN_LINK
    assert status(net.attempt(BOB, WEST, [0])) == Status.UNKNOWN_LINK
    assert status(net.attempt(BOB, 77, [0])) == Status.UNKNOWN_LINK


@pytest.mark.parametrize(
    ("qubits", "first", "cycles", "expected"),
    [
        ([0, 0], FIRST, 10, Status.BUSY),
        ([8], FIRST, 10, Status.NO_SUCH_QUBIT),
        ([0], FIRST, 0, Status.UNSUPPORTED),
        ([0], FIRST - SECOND_NS // CYCLE_NS, 10, Status.LATE),
        ([0], FIRST + HORIZON_NS // CYCLE_NS, 10, Status.TOO_FAR),
        ([0], 2**64 - 1, 2**32 - 1, Status.TOO_FAR),
    ],
)
def test_twin_attempt_that_cannot_be_is_refused_and_changes_nothing(qubits, first, cycles, expected):
    net = Network()
    assert status(net.attempt(ALICE, WEST, qubits, first, cycles)) == expected
    assert len(net.make(WEST, [0], [0])) == 1


def test_twin_memory_offered_or_filled_is_not_offered_again():
    net = Network()
    net.attempt(REPEATER, WEST, [0])
    assert status(net.attempt(REPEATER, EAST, [0])) == Status.BUSY
    net.attempt(ALICE, WEST, [0])
    net.await_heralds(WEST)
    assert status(net.attempt(REPEATER, EAST, [0])) == Status.BUSY


def test_twin_cycles_are_attempted_once():
    net = Network()
    net.attempt(ALICE, WEST, [0], cycles=100)
    assert status(net.attempt(ALICE, WEST, [1], FIRST + 99)) == Status.EARLY


def test_twin_left_over_memory_is_not_free_before_its_window_ends():
    net = Network()
    net.make(WEST, [0, 1], [0])
    net.make(WEST, [2], [1], FIRST + 100)
    east = FIRST + 50
    assert status(net.attempt(REPEATER, EAST, [0], east)) == Status.BUSY
    net.attempt(REPEATER, WEST, [2, 3], FIRST + 200)
    net.attempt(ALICE, WEST, [3], FIRST + 200)
    net.await_heralds(WEST, first=FIRST + 200)
    assert status(net.attempt(REPEATER, EAST, [3], FIRST + 250)) == Status.EARLY
    assert isinstance(net.attempt(REPEATER, EAST, [3], FIRST + 300)[0][1], AttemptAccepted)


def test_twin_released_offered_memory_stays_empty_and_shifts_nobody():
    net = Network()
    net.attempt(ALICE, WEST, [0, 1])
    net.attempt(REPEATER, WEST, [0, 1])
    assert net.release(ALICE, [0], START).statuses == (Status.OK,)
    [(_, heralds)] = net.await_heralds(WEST)
    assert len(heralds.heralds) == 2
    assert net.inspect(ALICE, 0).status == Status.EMPTY
    assert net.inspect(REPEATER, 0).alone == 1
    assert net.inspect(REPEATER, 1).partner_qubit == 1


def test_twin_station_cannot_ask_for_windows_without_bound():
    net = Network()
    for n in range(MAXIMUM_WINDOWS):
        assert net.await_heralds(WEST, first=FIRST + n, cycles=1) == []
    assert status(net.await_heralds(WEST, first=FIRST + MAXIMUM_WINDOWS, cycles=1)) == Status.NO_ROOM
    assert net.await_heralds(EAST, cycles=1) == []
    net.twin.handle_deadline(START + SECOND_NS)
    assert len(net.twin.take_results()) == MAXIMUM_WINDOWS + 1
    net.now_ns = START + SECOND_NS
    assert net.await_heralds(WEST, first=FIRST + 2 * SECOND_NS // CYCLE_NS, cycles=1) == []


# ---- acting on qubits ----


def test_twin_swap_joins_what_is_far_apart_and_empties_the_middle():
    net = Network()
    net.make(WEST, [0, 1], [0, 1])
    net.make(EAST, [2, 3], [0, 1])
    swapped = net.swap([(0, 3), (1, 2)], LATER)
    assert [o.status for o in swapped.outcomes] == [Status.OK, Status.OK]
    assert (swapped.completed_at, swapped.deliver_at) == (LATER, LATER)
    assert (net.inspect(ALICE, 0).partner_node, net.inspect(ALICE, 0).partner_qubit) == (BOB, 1)
    assert (net.inspect(BOB, 0).partner_node, net.inspect(BOB, 0).partner_qubit) == (ALICE, 1)
    assert net.inspect(REPEATER, 0).status == Status.EMPTY
    assert net.twin.live_pairs == 2


def test_twin_swap_refuses_each_item_on_its_own():
    net = Network()
    net.make(WEST, [0, 1], [0, 1])
    net.make(EAST, [2], [0])
    swapped = net.swap([(0, 7), (0, 0), (0, 2), (0, 1), (1, 99)], LATER)
    assert [o.status for o in swapped.outcomes] == [
        Status.EMPTY, Status.BUSY, Status.OK, Status.EMPTY, Status.NO_SUCH_QUBIT
    ]  # fmt: skip


def test_twin_bell_measurement_of_both_halves_of_one_pair_tells_in_which_state_it_is():
    net = Network()
    first, second = net.make(EAST, [2, 3], [0, 1])
    [ours] = net.swap([(0, 1)], LATER, node=BOB).outcomes  # the repeater now holds both halves of what is left
    [found] = net.swap([(2, 3)], LATER).outcomes
    assert found.status == Status.OK
    assert found.bell_index == first.bell_index ^ second.bell_index ^ ours.bell_index
    assert net.twin.live_pairs == 0
    assert net.swap([(2, 3)], LATER).outcomes[0].status == Status.EMPTY


def test_twin_measured_memory_is_empty_and_may_be_offered_again():
    net = Network()
    net.make(WEST, [0], [0])
    measured = net.measure(ALICE, [(0, Basis.Z), (0, Basis.Z), (1, Basis.Z)], LATER)
    assert [o.status for o in measured.outcomes] == [Status.OK, Status.EMPTY, Status.EMPTY]
    after = LATER // CYCLE_NS
    assert status(net.attempt(ALICE, WEST, [0], FIRST + 100)) == Status.EARLY
    assert isinstance(net.attempt(ALICE, WEST, [0], after)[0][1], AttemptAccepted)


def test_twin_unknown_basis_or_gate_is_unsupported_and_the_qubit_stays():
    net = Network()
    net.make(WEST, [0], [0])
    assert net.measure(ALICE, [(0, 5)], LATER).outcomes[0].status == Status.UNSUPPORTED
    gates = ApplyGates(request_id=9, instant=LATER, gates=(GateItem(qubit=0, gate=200),))
    assert net.one(SESSION[ALICE], gates).statuses == (Status.UNSUPPORTED,)
    assert net.inspect(ALICE, 0).partner_node == REPEATER


def test_twin_instant_before_the_qubits_last_is_refused():
    net = Network()
    net.make(WEST, [0], [0], FIRST + 10)
    born = START + 10 * CYCLE_NS
    assert net.measure(ALICE, [(0, Basis.X)], born - 1).outcomes[0].status == Status.EARLY
    assert net.release(ALICE, [0], born - 1).statuses == (Status.EARLY,)
    gates = ApplyGates(request_id=9, instant=LATER, gates=(GateItem(qubit=0, gate=Gate.X),))
    assert net.one(SESSION[ALICE], gates).statuses == (Status.OK,)
    assert net.measure(ALICE, [(0, Basis.X)], LATER - 1).outcomes[0].status == Status.EARLY
    assert net.measure(ALICE, [(0, Basis.X)], LATER).outcomes[0].status == Status.OK


def test_twin_halves_of_a_pair_need_not_be_measured_in_the_order_of_time():
    net = Network(configuration(MemoryModel(10 * MILLISECOND_NS, 4 * MILLISECOND_NS)))
    net.make(WEST, [0], [0])
    assert net.measure(ALICE, [(0, Basis.X)], LATER + 5).outcomes[0].status == Status.OK
    assert net.measure(REPEATER, [(0, Basis.X)], LATER).outcomes[0].status == Status.OK


@pytest.mark.parametrize("instant", [START + HORIZON_NS + 1, 2**64 - 1])
def test_twin_instant_beyond_the_horizon_is_refused(instant):
    net = Network()
    net.make(WEST, [0], [0])
    for refused in (
        net.measure(ALICE, [(0, Basis.Z)], instant),
        net.release(ALICE, [0], instant),
        net.swap([(0, 1)], instant),
        net.one(SESSION[ALICE], ApplyGates(request_id=1, instant=instant, gates=(GateItem(qubit=0, gate=Gate.X),))),
    ):
        assert isinstance(refused, Refused) and refused.status == Status.TOO_FAR
    assert net.inspect(ALICE, 0).partner_node == REPEATER


def test_twin_release_empties_and_is_harmless_when_repeated():
    net = Network()
    net.make(WEST, [0], [0])
    assert net.release(ALICE, [0, 0, 9], LATER).statuses == (Status.OK, Status.EMPTY, Status.NO_SUCH_QUBIT)
    assert net.release(REPEATER, [0], LATER).statuses == (Status.OK,)
    assert net.twin.live_pairs == 0


def test_twin_node_touches_its_own_memories_only():
    net = Network()
    net.make(WEST, [0], [0])
    assert net.measure(BOB, [(0, Basis.Z)], LATER).outcomes[0].status == Status.EMPTY
    assert net.inspect(ALICE, 0).partner_node == REPEATER


# ---- operators, pace, datagrams ----


def test_twin_true_fidelity_is_for_operators_alone():
    net = Network()
    net.make(WEST, [0], [0])
    question = InspectPair(request_id=1, node=ALICE, qubit=0)
    assert net.one(SESSION[ALICE], question).status == Status.NOT_ALLOWED
    assert net.one(55, question).status == Status.NOT_ATTACHED
    assert net.one(OPERATOR, question).partner_node == REPEATER
    assert net.one(OPERATOR, InspectPair(request_id=1, node=make_qna(1, 1), qubit=0)).status == Status.UNKNOWN_NODE
    assert net.one(OPERATOR, InspectPair(request_id=1, node=ALICE, qubit=88)).status == Status.NO_SUCH_QUBIT
    refused = net.one(OPERATOR, AwaitHeralds(request_id=1, link=WEST, first_cycle=FIRST, cycles=1))
    assert refused.status == Status.NOT_ALLOWED


def test_twin_operator_that_attaches_as_a_node_is_an_operator_no_more():
    net = Network()
    net.make(WEST, [0], [0])
    assert isinstance(net.attach(BOB, session=OPERATOR), Attached)
    assert net.inspect(ALICE, 0).status == Status.NOT_ALLOWED


@pytest.mark.parametrize(("pace", "expected"), [(1.0, WINDOW_END + 75_000), (0.0, START), (0.5, START + 537_500)])
def test_twin_pace_scales_the_time_until_delivery(pace, expected):
    net = Network(configuration(pace=pace))
    net.attempt(ALICE, WEST, [0])
    net.attempt(REPEATER, WEST, [0])
    assert net.await_heralds(WEST)[0][1].deliver_at == expected


def test_twin_counts_results_made_after_their_time():
    net = Network()
    net.make(WEST, [0], [0])
    net.now_ns = LATER + 300
    measured = net.measure(ALICE, [(0, Basis.Z)], LATER)
    assert (measured.completed_at, measured.deliver_at) == (LATER, LATER)
    statistics = net.twin.statistics
    assert (statistics.late, statistics.worst_lateness_ns) == (1, 300)
    assert (statistics.created, statistics.measured, statistics.windows) == (1, 1, 1)


@pytest.mark.parametrize("datagram", [b"", b"\xff", b"\x04\x00", Attach(request_id=1, node=ALICE).encode() + b"\x00"])
def test_twin_datagram_that_does_not_decode_is_counted_and_dropped(datagram):
    net = Network()
    net.twin.receive_datagram(SESSION[ALICE], datagram, START)
    assert net.twin.take_results() == [] and net.twin.statistics.malformed == 1


def test_twin_datagram_that_decodes_is_answered():
    net = Network(attach=False)
    net.twin.receive_datagram(4, Attach(request_id=6, node=ALICE).encode(), START)
    [(session, attached)] = net.twin.take_results()
    assert (session, attached.request_id) == (4, 6)


def test_twin_result_sent_as_a_request_is_unsupported():
    net = Network()
    answer = AttemptAccepted(request_id=3, completed_at=0, deliver_at=0)
    assert net.one(SESSION[ALICE], answer).status == Status.UNSUPPORTED


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: configuration(pace=-1.0),
        lambda: configuration(horizon_ns=0),
        lambda: TwinConfiguration({}, {WEST: TwinLink((ALICE, BOB), ALICE, ANY_LINK)}),
        lambda: TwinConfiguration(
            {ALICE: device()}, {WEST: TwinLink((ALICE, ALICE), ALICE, ANY_LINK)}
        ),
    ],
)
def test_twin_configuration_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()


def test_request_identifier_joins_protocol_and_counter():
    identifier = request_id(Protocol.UNIT, 2**56 + 5)
    assert identifier == 0x06_00000000000005
    assert asking_protocol(identifier) == Protocol.UNIT

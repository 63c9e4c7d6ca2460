"""Qubits that leave a memory of one end for a memory of the other."""

from __future__ import annotations

import pytest

from qstack.base.bell import Basis, Gate
from qstack.base.ids import QubitId
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryBank, MemoryModel
from qstack.quantum.schemes import Given
from qstack.twin.configuration import GRACE_NS
from qstack.wire.twin import (
    ApplyGates,
    GateItem,
    Initialise,
    Receive,
    Received,
    Refused,
    Status,
    Transmit,
    Transmitted,
)
from tests.twin.network import ALICE, BOB, CYCLE_NS, FIRST, REPEATER, SESSION, START, WEST, Network, configuration

ARMS_NS = 125_000  # of the link of these tests, both together
LATE = FIRST + 1_000  # when memories have been filled


def transmit(net, node, qubits, first=LATE, link=WEST):
    message = Transmit(request_id=net.number(), link=link, first_cycle=first, qubits=tuple(map(QubitId, qubits)))
    return [result for _, result in net.ask(SESSION[node], message)]


def receive(net, node, qubits, first=LATE, link=WEST):
    message = Receive(request_id=net.number(), link=link, first_cycle=first, qubits=tuple(map(QubitId, qubits)))
    return [result for _, result in net.ask(SESSION[node], message)]


def lossy(length_km):
    model = LinkModel.werner(cycle_ns=CYCLE_NS)
    return LinkHardware(CYCLE_NS, Given(model.heralding, (0, 0)), (Fibre(length_km), Lossless()))


def initialise(net, node, qubits, at=START):
    net.one(SESSION[node], Initialise(request_id=net.number(), instant=at, qubits=tuple(qubits)))


@pytest.mark.parametrize("announced_first", ["sender", "receiver"])
def test_superdense_coding_takes_two_bits_over_the_link(announced_first):
    net = Network()
    heralds = net.make(WEST, range(4), range(4))
    gates = tuple(GateItem(qubit=QubitId(q), gate=Gate(q)) for q in range(4))
    net.one(SESSION[ALICE], ApplyGates(request_id=net.number(), instant=START + 10**6, gates=gates))
    if announced_first == "sender":
        [sent] = transmit(net, ALICE, range(4))
        [received] = receive(net, REPEATER, range(4, 8))
    else:
        assert receive(net, REPEATER, range(4, 8)) == []
        received, sent = sorted(transmit(net, ALICE, range(4)), key=lambda each: each.CODE, reverse=True)
    assert isinstance(sent, Transmitted) and sent.statuses == (Status.OK,) * 4
    assert sent.deliver_at == (LATE + 3) * CYCLE_NS
    assert isinstance(received, Received) and received.statuses == (Status.OK,) * 4
    assert received.deliver_at == received.completed_at == (LATE + 3) * CYCLE_NS + ARMS_NS
    at = received.deliver_at
    assert net.swap([(0, 4)], (LATE * CYCLE_NS) + ARMS_NS - 1).outcomes[0].status == Status.EARLY
    found = net.swap([(q, q + 4) for q in range(4)], at).outcomes
    assert [each.bell_index ^ herald.bell_index for each, herald in zip(found, heralds, strict=True)] == [0, 1, 2, 3]
    assert net.twin.live_pairs == 0


def test_flight_that_is_lost_is_flagged_and_its_memory_empty():
    net = Network(configuration(qubits=64, hardware=lossy(15.0)))  # half of it arrives
    initialise(net, ALICE, range(60))
    transmit(net, ALICE, range(60))
    [received] = receive(net, REPEATER, range(60))
    arrived = received.statuses.count(Status.OK)
    assert 15 < arrived < 45
    assert received.statuses.count(Status.LOST) == 60 - arrived
    outcomes = net.measure(REPEATER, [(q, Basis.Z) for q in range(60)], received.deliver_at).outcomes
    told = [Status.OK if status == Status.OK else Status.EMPTY for status in received.statuses]
    assert [each.status for each in outcomes] == told
    assert net.twin.statistics.lost == 60 - arrived
    assert net.twin.live_pairs == 0


def test_flight_of_which_nothing_left_is_told_as_nobody_sending():
    net = Network()
    initialise(net, ALICE, (0, 2))
    assert transmit(net, ALICE, (0, 1, 2))[0].statuses == (Status.OK, Status.EMPTY, Status.OK)
    [received] = receive(net, REPEATER, (0, 1, 2, 3))
    assert received.statuses == (Status.OK, Status.NO_PARTNER, Status.OK, Status.NO_PARTNER)
    again = net.measure(REPEATER, [(n, Basis.Z) for n in range(4)], received.deliver_at).outcomes
    assert [each.status for each in again] == [Status.OK, Status.EMPTY, Status.OK, Status.EMPTY]


def test_flight_with_no_room_for_its_tail_loses_it():
    net = Network()
    initialise(net, ALICE, range(3))
    transmit(net, ALICE, range(3))
    [received] = receive(net, REPEATER, (0,))
    assert received.statuses == (Status.OK,)
    assert net.twin.statistics.lost == 2
    net.release(REPEATER, [0], received.deliver_at)
    assert net.twin.live_pairs == 0


def test_flight_that_nobody_takes_up_is_lost_and_one_that_nobody_sends_is_told_after_the_grace():
    net = Network()
    initialise(net, ALICE, (0,))
    transmit(net, ALICE, (0,))
    assert receive(net, ALICE, (1,), first=LATE + 10) == []  # the other way round
    assert net.twin.live_pairs == 1 and net.twin.open_windows == 2
    net.now_ns = (LATE + 11) * CYCLE_NS + GRACE_NS
    assert net.twin.next_deadline() == (LATE + 1) * CYCLE_NS + GRACE_NS
    net.twin.handle_deadline(net.now_ns)
    [(_, received)] = net.twin.take_results()
    assert received.statuses == (Status.NO_PARTNER,) and received.deliver_at == net.now_ns
    assert net.twin.live_pairs == 0 and net.twin.open_windows == 0
    assert net.twin.next_deadline() is None
    initialise(net, ALICE, (0, 1), net.now_ns)
    assert transmit(net, ALICE, (0,), first=LATE)[0].status == Status.LATE


def test_flights_and_attempts_use_a_cycle_once():
    net = Network()
    net.make(WEST, [0, 1], [0, 1], cycles=50)
    [early] = transmit(net, ALICE, (0,), first=FIRST + 49)
    assert isinstance(early, Refused) and early.status == Status.EARLY
    [sent] = transmit(net, ALICE, (0, 1), first=FIRST + 50)
    assert sent.statuses == (Status.OK, Status.OK)
    [(_, refused)] = net.attempt(ALICE, WEST, [0], first=FIRST + 51)
    assert refused.status == Status.EARLY
    assert isinstance(receive(net, REPEATER, (2, 3), first=FIRST + 50)[0], Received)


def test_flight_is_for_ends_of_the_link_and_communication_memories_alone():
    net = Network(configuration(storage=MemoryBank(2, MemoryModel())))
    initialise(net, ALICE, (0, 8))
    assert transmit(net, BOB, (0,))[0].status == Status.UNKNOWN_LINK
    assert transmit(net, ALICE, (0,), link=77)[0].status == Status.UNKNOWN_LINK
    assert transmit(net, ALICE, (8, 99))[0].statuses == (Status.WRONG_ROLE, Status.NO_SUCH_QUBIT)
    assert receive(net, ALICE, (9,), first=LATE + 10)[0].status == Status.WRONG_ROLE
    assert receive(net, ALICE, (0,), first=LATE + 10)[0].status == Status.BUSY
    assert receive(net, ALICE, (1,), first=LATE + 10**10)[0].status == Status.TOO_FAR


def test_memory_that_waits_for_a_flight_can_be_taken_back_and_then_the_flight_is_lost():
    net = Network()
    initialise(net, ALICE, (0, 1))
    assert receive(net, REPEATER, (0, 1)) == []
    [(_, busy)] = net.attempt(REPEATER, WEST, [0], first=LATE + 50)
    assert busy.status == Status.BUSY
    assert net.release(REPEATER, [0], START).statuses == (Status.OK,)
    received, sent = sorted(transmit(net, ALICE, (0, 1)), key=lambda each: each.CODE, reverse=True)
    assert sent.statuses == (Status.OK, Status.OK)
    assert received.statuses == (Status.LOST, Status.OK)


def test_host_that_goes_while_it_waits_is_told_nothing_and_leaves_nothing():
    net = Network()
    initialise(net, ALICE, (0,))
    assert receive(net, REPEATER, (0,)) == []
    net.twin.close_session(SESSION[REPEATER], net.now_ns)
    assert [type(each) for each in transmit(net, ALICE, (0,))] == [Transmitted]
    net.attach(REPEATER)
    net.now_ns = (LATE + 1) * CYCLE_NS + GRACE_NS
    net.twin.handle_deadline(net.now_ns)
    assert net.twin.take_results() == []
    assert net.twin.live_pairs == 0


def test_flight_leaves_a_memory_that_is_in_use_alone():
    net = Network()
    initialise(net, ALICE, (0,), at=LATE * CYCLE_NS + 1)
    assert transmit(net, ALICE, (0,))[0].statuses == (Status.EARLY,)
    assert net.measure(ALICE, [(0, Basis.Z)], LATE * CYCLE_NS + 1).outcomes[0].status == Status.OK


def test_qubits_in_the_air_are_as_many_as_there_are_memories_at_most():
    net = Network()
    everything = tuple(range(8))
    initialise(net, ALICE, everything)
    assert transmit(net, ALICE, everything)[0].statuses == (Status.OK,) * 8
    initialise(net, ALICE, everything, at=(LATE + 8) * CYCLE_NS)
    assert transmit(net, ALICE, everything, first=LATE + 20)[0].statuses == (Status.NO_ROOM,) * 8
    receive(net, REPEATER, everything)
    again = transmit(net, ALICE, everything, first=LATE + 40)[0]
    assert again.statuses == (Status.OK,) * 8
    net.now_ns = (LATE + 48) * CYCLE_NS + GRACE_NS
    net.twin.handle_deadline(net.now_ns)
    assert net.twin.live_pairs == 8  # those that have arrived

"""EPR sockets between two nodes on a scripted link: connections, requests, pairs, acts."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qstack.base.bell import Basis, Gate
from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import PurposeId, Qna, make_qna
from qstack.base.pairs import PairKind
from qstack.base.services import CreateFailed, DeviceGone, PairsRevoked
from qstack.base.time import Instant
from qstack.proto.epr.admission import PurposeRule
from qstack.proto.epr.machine import EprMachine
from qstack.proto.epr.params import EprParameters
from qstack.wire.control import (
    ActOnQubits,
    CancelEpr,
    EprConnected,
    EprDisconnected,
    EprDone,
    EprFailed,
    EprIncomplete,
    EprOutcomes,
    EprPair,
    EprPairs,
    EprQueued,
    Fate,
    FreeQubits,
    MeasureQubits,
    OpenEprSocket,
    QubitBasis,
    QubitGate,
    QubitsActed,
    QubitsMeasured,
    QubitsRevoked,
    Refused,
)
from qstack.wire.epr import GivenUp, PairsGivenUp, SocketClose, SocketOpen
from qstack.wire.twin import ApplyGates, Measure, Status
from qstack.wire.value import Message
from tests.proto.epr.ends import ALICE, ARRIVAL, BOB, EPOCH, PURPOSE, Ends

SECOND_NS = 1_000_000_000


def both() -> tuple[Ends, int, int]:
    ends = Ends()
    return ends, ends.open(ALICE), ends.open(BOB)


def pairs(ends: Ends, node: Qna, client: int = 1) -> list[EprPair]:
    return [pair for told in ends.of(node, EprPairs, client) for pair in told.pairs]


def qubits(ends: Ends, node: Qna, client: int = 1) -> list[int]:
    return [pair.qubit for pair in pairs(ends, node, client)]


def hear(ends: Ends, node: Qna, message: Message) -> None:
    other = BOB if node == ALICE else ALICE
    ends.machines[node].receive(message, Sender(other, Seal.HOP, ARRIVAL, other), Instant(ends.now))
    ends.carry(node)


def nothing_held(ends: Ends) -> bool:
    return not any(ends.memories.values()) and not any(machine.describe().held for machine in ends.machines.values())


@pytest.mark.parametrize("first", [ALICE, BOB])
def test_sockets_connect_whoever_comes_first(first: Qna) -> None:
    ends = Ends()
    for node in (first, ALICE if first == BOB else BOB):
        ends.open(node)
    assert [told.connection for node in (ALICE, BOB) for told in ends.of(node, EprConnected)] == [1, 1]
    assert all(link.listening for link in ends.links.values())


def test_sockets_opened_at_once_connect_once() -> None:
    ends = Ends()
    for node in (ALICE, BOB):
        ends.open(node, run=False)
    ends.run()
    assert [len(ends.of(node, EprConnected)) for node in (ALICE, BOB)] == [1, 1]


def test_pairs_created_are_told_to_both_with_the_same_names() -> None:
    ends, ours, _ = both()
    request = ends.create(ALICE, ours, 3)
    mine, theirs = pairs(ends, ALICE), pairs(ends, BOB)
    assert len(mine) == 3
    assert [(p.create_id, p.sequence, p.bell_index) for p in mine] == [
        (p.create_id, p.sequence, p.bell_index) for p in theirs
    ]
    assert [{told.request for told in ends.of(node, EprPairs)} for node in (ALICE, BOB)] == [{request}, {0}]
    assert [told.request for told in ends.of(ALICE, EprQueued)] == [request]
    assert [told.request for told in ends.of(ALICE, EprDone)] == [request]
    assert not ends.of(BOB, EprDone)


def test_request_before_there_is_a_connection_waits_for_it() -> None:
    ends = Ends()
    request = ends.create(ALICE, ends.open(ALICE), 2)
    assert not ends.asked
    ends.open(BOB)
    assert [told.request for told in ends.of(ALICE, EprDone)] == [request]


def test_request_without_anybody_there_times_out() -> None:
    ends = Ends()
    request = ends.create(ALICE, ends.open(ALICE), max_time_ms=50)
    ends.sleep(SECOND_NS)
    [failed] = ends.of(ALICE, EprFailed)
    assert (failed.request, failed.reason) == (request, ErrorCode.TIMEOUT)
    assert "nobody was at the other end" in failed.text


def test_request_that_the_link_cannot_serve_in_time_is_withdrawn() -> None:
    ends, ours, _ = both()
    ends.serving = False
    ends.create(ALICE, ours, 2, max_time_ms=50)
    ends.serve(ALICE, ends.asked[0], 1)
    ends.run()
    ends.sleep(SECOND_NS)
    [failed] = ends.of(ALICE, EprFailed)
    assert failed.reason == ErrorCode.TIMEOUT
    assert "1 of 2 pairs came in time; a kept pair holds its memory until" in failed.text
    [incomplete] = ends.of(BOB, EprIncomplete)  # it has a pair of it, and waits for the second
    assert incomplete.create_id == ends.asked[0].create_id
    assert not any(link.queue for link in ends.links.values())
    assert [len(qubits(ends, node)) for node in (ALICE, BOB)] == [1, 1]


@pytest.mark.parametrize(("kind", "kept"), [(PairKind.MEASURE, (0, 0)), (PairKind.PREPARE, (0, 2))])
def test_kinds_that_measure_tell_outcomes(kind: PairKind, kept: tuple[int, int]) -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2, kind=kind)
    assert (len(qubits(ends, ALICE)), len(qubits(ends, BOB))) == kept
    assert sum(len(told.outcomes) for told in ends.of(ALICE, EprOutcomes)) == 2
    assert {told.kind for node in (ALICE, BOB) for told in ends.of(node, EprOutcomes)} == {kind}


def test_sequential_pairs_come_when_the_last_qubit_is_gone() -> None:
    ends, ours, _ = both()
    request = ends.create(ALICE, ours, 3, sequential=1)
    assert len(qubits(ends, ALICE)) == 1
    ends.ask(ALICE, 1, FreeQubits(qubits=tuple(qubits(ends, ALICE))))
    assert len(qubits(ends, ALICE)) == 2
    measure = MeasureQubits(request=ends.number(), qubits=(QubitBasis(qubit=qubits(ends, ALICE)[-1], basis=Basis.X),))
    ends.ask(ALICE, 1, measure)
    assert len(qubits(ends, ALICE)) == 3
    assert [told.request for told in ends.of(ALICE, EprDone)] == [request]
    assert len(ends.asked) == 3


def test_measured_qubits_are_told_and_freed() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    items = tuple(QubitBasis(qubit=number, basis=Basis.Z_PLUS_X) for number in qubits(ends, ALICE))
    ends.ask(ALICE, 1, MeasureQubits(request=9, qubits=items))
    [told] = ends.of(ALICE, QubitsMeasured)
    assert (told.request, [outcome.fate for outcome in told.outcomes]) == (9, [Fate.DONE, Fate.DONE])
    assert not ends.memories[ALICE] and len(ends.memories[BOB]) == 2
    ends.ask(ALICE, 1, MeasureQubits(request=10, qubits=items[:1]))
    assert "may be measured" in ends.last(ALICE, 1, Refused).text


def test_gates_on_one_qubit_are_done_one_after_the_other() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    ends.device_answers = False
    one, two = qubits(ends, ALICE)
    gates = (QubitGate(qubit=one, gate=Gate.H), QubitGate(qubit=two, gate=Gate.RX, angle=1 << 30),
             QubitGate(qubit=one, second=two, gate=Gate.CNOT), QubitGate(qubit=two, gate=Gate.X))  # fmt: skip
    ends.ask(ALICE, 1, ActOnQubits(request=5, gates=gates))
    ends.ask(ALICE, 1, MeasureQubits(request=6, qubits=(QubitBasis(qubit=one, basis=Basis.Z),)))
    instants, sizes = [], []
    while ends.calls[ALICE]:
        [call] = ends.calls[ALICE]
        assert isinstance(call, ApplyGates | Measure)
        instants.append(call.instant)
        sizes.append(len(call.gates if isinstance(call, ApplyGates) else call.measurements))
        ends.answer_one(ALICE)
    assert sizes == [2, 1, 1, 1]
    assert all(later - earlier >= 10 for earlier, later in pairwise(instants))
    assert [type(told) for told in ends.told[ALICE, 1][-2:]] == [QubitsActed, QubitsMeasured]


def test_qubit_that_the_device_lost_is_told_and_freed() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    ends.statuses = {min(ends.memories[ALICE]): Status.EMPTY}
    items = tuple(QubitBasis(qubit=number, basis=Basis.Z) for number in qubits(ends, ALICE))
    ends.ask(ALICE, 1, MeasureQubits(request=9, qubits=items))
    assert [outcome.fate for outcome in ends.last(ALICE, 1, QubitsMeasured).outcomes] == [Fate.GONE, Fate.DONE]
    assert not ends.memories[ALICE]


def test_gate_that_the_device_does_not_have_leaves_the_qubit() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours)
    [number] = qubits(ends, ALICE)
    ends.statuses = dict.fromkeys(ends.memories[ALICE], Status.UNSUPPORTED)
    ends.ask(ALICE, 1, ActOnQubits(request=9, gates=(QubitGate(qubit=number, gate=Gate.T),)))
    assert ends.last(ALICE, 1, QubitsActed).fates == (Fate.UNSUPPORTED,)
    assert ends.memories[ALICE]


def test_cancelled_request_fails_and_what_was_told_stays() -> None:
    ends, ours, _ = both()
    ends.serving = False
    request = ends.create(ALICE, ours, 4)
    ends.serve(ALICE, ends.asked[0], 2)
    ends.run()
    ends.ask(ALICE, 1, CancelEpr(socket=ours, create=request))
    assert [told.reason for told in ends.of(ALICE, EprFailed)] == [ErrorCode.CANCELLED]
    assert not any(link.queue for link in ends.links.values())
    assert [len(memories) for memories in ends.memories.values()] == [2, 2]


def test_revoked_pair_is_marked_and_its_acts_are_answered() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    first = pairs(ends, ALICE)[0]
    memory = min(ends.memories[ALICE])
    ends.service(ALICE, PairsRevoked(BOB, PURPOSE, first.create_id, True, (first.sequence, 77)))
    [revoked] = ends.of(ALICE, QubitsRevoked)
    assert (revoked.reason, revoked.qubits) == (ErrorCode.EXPIRED, (first.qubit,))
    assert memory in ends.memories[ALICE]  # the link empties it
    ends.ask(ALICE, 1, ActOnQubits(request=9, gates=(QubitGate(qubit=first.qubit, gate=Gate.X),)))
    assert ends.last(ALICE, 1, Refused).reason == ErrorCode.EXPIRED


def test_pair_revoked_while_it_is_acted_on_is_told_gone_and_not_freed_twice() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours)
    [pair] = pairs(ends, ALICE)
    ends.device_answers = False
    ends.ask(ALICE, 1, ActOnQubits(request=8, gates=(QubitGate(qubit=pair.qubit, gate=Gate.X),)))
    ends.ask(ALICE, 1, MeasureQubits(request=9, qubits=(QubitBasis(qubit=pair.qubit, basis=Basis.Z),)))
    ends.service(ALICE, PairsRevoked(BOB, PURPOSE, pair.create_id, True, (pair.sequence,)))
    ends.device_answers = True
    ends.run()
    assert ends.last(ALICE, 1, QubitsMeasured).outcomes[0].fate == Fate.GONE
    assert len(ends.memories[ALICE]) == 1


def test_device_that_goes_takes_all_qubits_along() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    ends.service(ALICE, DeviceGone())
    [revoked] = ends.of(ALICE, QubitsRevoked)
    assert (len(revoked.qubits), revoked.reason) == (2, ErrorCode.NO_RESOURCES)
    assert not ends.memories[ALICE]


def test_qubits_beyond_a_users_quota_are_given_up_at_both_ends() -> None:
    ends = Ends(EprParameters(qubits_of_user=2))
    ours, _ = ends.open(ALICE), ends.open(BOB, user=7)
    ends.create(ALICE, ours, 3)
    assert [len(memories) for memories in ends.memories.values()] == [2, 2]
    assert ends.counted["epr.pairs_beyond_quota"] >= 1


def test_request_whose_deadline_has_passed_at_the_link_is_told_as_out_of_time() -> None:
    ends, ours, _ = both()
    ends.serving = False
    ends.create(ALICE, ours)
    ends.service(ALICE, CreateFailed(BOB, PURPOSE, ends.asked[0].create_id, True, ErrorCode.EXPIRED))
    assert [told.reason for told in ends.of(ALICE, EprFailed)] == [ErrorCode.TIMEOUT]


# --- who may ---------------------------------------------------------------------------------------------------------


def test_purpose_is_held_by_one_connection_at_a_time() -> None:
    ends, ours, _ = both()
    ends.ask(ALICE, 2, OpenEprSocket(request=50, remote=BOB, purpose=PURPOSE))
    assert "held by another connection" in ends.last(ALICE, 2, Refused).text
    ends.close(ALICE, ours)
    ends.open(ALICE, 2)
    assert [told.connection for told in ends.of(BOB, EprConnected)] == [1, 2]


@pytest.mark.parametrize(("purpose", "remote", "said"), [
    (0, BOB, "circuits' own"), (7, make_qna(64512, 9), "open a unit of kind pairs"), (2000, BOB, r"add a [[purpose]]"),
])  # fmt: skip
def test_socket_that_may_not_be_is_refused_with_the_remedy(purpose: int, remote: Qna, said: str) -> None:
    ends = Ends()
    ends.ask(ALICE, 1, OpenEprSocket(request=1, remote=remote, purpose=purpose))
    assert said in ends.last(ALICE, 1, Refused).text


def test_purpose_rules_name_users() -> None:
    ends = Ends(rules=(PurposeRule(PurposeId(7), PurposeId(7), frozenset({5})),))
    ends.ask(ALICE, 1, OpenEprSocket(request=1, remote=BOB, purpose=PURPOSE), user=6)
    assert ends.last(ALICE, 1, Refused).reason == ErrorCode.POLICY
    ends.open(ALICE, user=5)


def test_limits_are_refusals() -> None:
    ends = Ends(EprParameters(sockets_of_user=1, sockets=2, requests_of_socket=1, waiting_acts=1))
    ours = ends.open(ALICE)
    ends.ask(ALICE, 1, OpenEprSocket(request=2, remote=BOB, purpose=8))
    assert "1 sockets open" in ends.last(ALICE, 1, Refused).text
    ends.open(ALICE, 2, purpose=8, user=2)
    ends.ask(ALICE, 3, OpenEprSocket(request=3, remote=BOB, purpose=9), user=3)
    assert "this node has 2" in ends.last(ALICE, 3, Refused).text
    ends.create(ALICE, ours)
    ends.create(ALICE, ours)
    assert "1 requests" in ends.last(ALICE, 1, Refused).text


def test_application_cannot_touch_what_is_anothers() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours)
    [number] = qubits(ends, ALICE)
    ends.ask(ALICE, 2, MeasureQubits(request=1, qubits=(QubitBasis(qubit=number, basis=Basis.Z),)))
    ends.ask(ALICE, 2, FreeQubits(qubits=(number,)))
    ends.close(ALICE, ours, client=2)
    ends.create(ALICE, ours, client=2)
    assert len(ends.of(ALICE, Refused, 2)) == 3
    assert ends.memories[ALICE]


# --- lives ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "die"])
def test_end_of_one_application_frees_all_at_both_ends(leave: str) -> None:
    ends, ours, theirs = both()
    ends.create(ALICE, ours, 2)
    ends.serving = False
    ends.create(ALICE, ours, 2)
    request = ends.create(BOB, theirs, 2)
    if leave == "close":
        ends.close(ALICE, ours)
    else:
        ends.die(ALICE)
    assert not any(link.queue for link in ends.links.values())
    assert not ends.links[ALICE].listening
    assert [told.request for told in ends.of(BOB, EprFailed)] == [request]
    assert [told.connection for told in ends.of(BOB, EprDisconnected)] == [1]
    assert len(ends.of(BOB, QubitsRevoked)[0].qubits) == 2
    assert nothing_held(ends)


def test_pairs_that_a_finished_request_still_owes_come_before_the_disconnection() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2, run=False)
    ends.step(ALICE)  # the request
    ends.step(BOB)  # accepted: Alice has her pairs, Bob will hear of his
    ends.ask(ALICE, 1, MeasureQubits(request=9, qubits=tuple(
        QubitBasis(qubit=number, basis=Basis.Z) for number in qubits(ends, ALICE))), run=False)  # fmt: skip
    ends.answer(ALICE)
    late, ends.wires[ALICE] = list(ends.wires[ALICE]), type(ends.wires[ALICE])()
    ends.die(ALICE, run=False)
    ends.run()  # the close overtakes the pairs, which the link tells of when its station has answered
    assert not ends.of(BOB, EprDisconnected)
    ends.wires[ALICE].extend(late)
    ends.run()
    order = [type(told) for told in ends.told[BOB, 1]]
    assert order.index(EprPairs) < order.index(EprDisconnected)
    assert len(qubits(ends, BOB)) == 2 and not ends.of(BOB, QubitsRevoked)


@pytest.mark.parametrize(("kind", "whole"), [(PairKind.MEASURE, True), (PairKind.KEEP, False)])
def test_request_that_the_other_end_has_all_pairs_of_ends_when_they_came(kind: PairKind, whole: bool) -> None:
    ends, ours, theirs = both()
    ends.serving = False
    ends.create(ALICE, ours, 2, kind=kind)
    [create] = ends.asked
    for number in (1, 2):
        ends.wires[ALICE].append(("pair", create, number))
    ends.wires[ALICE].append(("done", create))
    ends.run()  # Bob has both pairs, Alice hears of none
    ends.close(BOB, theirs)  # and gives those up that he keeps
    assert not ends.of(ALICE, EprFailed) and not ends.of(ALICE, EprDisconnected)
    ends.serve(ALICE, create)
    ends.run()
    last = [type(told) for told in ends.told[ALICE, 1][-2:]]
    assert last == [EprDone if whole else EprFailed, EprDisconnected]
    assert nothing_held(ends) and not any(link.queue for link in ends.links.values())


def test_request_that_never_gets_the_pairs_of_the_other_end_fails_with_the_drain() -> None:
    ends, ours, theirs = both()
    ends.serving = False
    ends.create(ALICE, ours, 1, kind=PairKind.MEASURE)
    ends.wires[ALICE] += [("pair", ends.asked[0], 1), ("done", ends.asked[0])]
    ends.run()
    ends.close(BOB, theirs)
    ends.sleep(3 * SECOND_NS)
    assert [told.reason for told in ends.of(ALICE, EprFailed)] == [ErrorCode.NO_ENDPOINT]
    assert len(ends.of(ALICE, EprDisconnected)) == 1 and not ends.links[ALICE].queue


def test_pairs_that_never_come_end_the_drain_all_the_same() -> None:
    ends, ours, _ = both()
    hear(ends, BOB, SocketClose(purpose=PURPOSE, life=ours, finished=(3,)))
    ends.run()
    assert not ends.of(BOB, EprDisconnected)
    ends.sleep(3 * SECOND_NS)
    assert len(ends.of(BOB, EprDisconnected)) == 1


def test_successor_that_comes_while_pairs_are_awaited_is_connected_afterwards() -> None:
    ends, ours, _ = both()
    hear(ends, BOB, SocketClose(purpose=PURPOSE, life=ours, finished=(3,)))
    ends.die(ALICE)
    ends.open(ALICE, 2)
    assert len(ends.of(BOB, EprConnected)) == 1
    ends.sleep(3 * SECOND_NS)
    assert [told.connection for told in ends.of(BOB, EprConnected)] == [1, 2]
    assert len(ends.of(ALICE, EprConnected, 2)) == 1


def test_request_on_its_way_to_a_dead_application_does_not_reach_its_successor() -> None:
    ends, ours, _ = both()
    request = ends.create(ALICE, ours, 2, run=False)  # on the wire
    ends.die(BOB, run=False)
    ends.open(BOB, 2, run=False)  # the purpose is held again before it arrives
    ends.run()
    assert not ends.of(BOB, EprPairs, 2)
    assert [(told.request, told.reason) for told in ends.of(ALICE, EprFailed)] == [(request, ErrorCode.NO_ENDPOINT)]
    ends.create(ALICE, ours, 1)
    assert len(qubits(ends, BOB, 2)) == 1
    assert [told.connection for told in ends.of(BOB, EprPairs, 2)] == [1]


def test_open_that_crosses_two_lives_connects_only_with_whoever_was_meant() -> None:
    """A request of the first connection is on its way while the purpose changes hands twice."""
    ends = Ends()
    theirs = ends.open(BOB, run=False)  # its SocketOpen is on the wire
    ends.open(ALICE, run=False)
    ends.step(ALICE)  # Bob hears of the first life and answers
    ends.die(ALICE, run=False)
    ends.open(ALICE, 2, run=False)
    ends.step(BOB)  # Bob's first SocketOpen, for nobody in particular
    assert not ends.of(ALICE, EprConnected, 2)
    ends.step(BOB)  # his answer to the first life
    assert not ends.of(ALICE, EprConnected, 2)
    ends.run()
    assert len(ends.of(ALICE, EprConnected, 2)) == 1
    ends.create(BOB, theirs)
    assert len(qubits(ends, ALICE, 2)) == 1


def test_request_for_a_connection_that_is_over_fails() -> None:
    ends, ours, _ = both()
    ends.die(BOB)
    ends.create(ALICE, ours, connection=1)
    ends.open(BOB, 2)
    ends.create(ALICE, ours, connection=1)
    assert [told.reason for told in ends.of(ALICE, EprFailed)] == [ErrorCode.CANCELLED] * 2
    assert not ends.asked


def test_pair_given_up_before_it_comes_is_never_told() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2, run=False)
    ends.step(ALICE)
    ends.step(BOB)
    late, ends.wires[ALICE] = list(ends.wires[ALICE]), type(ends.wires[ALICE])()
    ends.die(ALICE)
    ends.wires[ALICE].extend(late)
    ends.run()
    assert not ends.of(BOB, EprPairs)
    assert ends.counted["epr.void_pairs"] == 2
    assert nothing_held(ends)


def test_session_that_is_lost_ends_the_connection_and_leaves_the_qubits() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours, 2)
    ends.serving = False
    ends.create(ALICE, ours, 2)
    ends.down()
    assert [told.reason for told in ends.of(ALICE, EprDisconnected)] == [ErrorCode.SESSION_LOST]
    assert [told.reason for told in ends.of(ALICE, EprFailed)] == [ErrorCode.SESSION_LOST]
    assert len(ends.memories[ALICE]) == 2
    ends.up()
    assert [told.connection for told in ends.of(BOB, EprConnected)] == [1, 2]


def test_neighbour_that_counts_anew_after_a_restart_is_not_taken_for_its_former_self() -> None:
    ends, ours, theirs = both()
    ends.create(BOB, theirs)
    [before] = pairs(ends, ALICE)
    hear(ends, ALICE, PairsGivenUp(purpose=PURPOSE, pairs=(
        GivenUp(create_id=before.create_id + 1, mine=1, sequence=before.sequence + 1),
    )))  # fmt: skip
    ends.down()
    ends.machines[BOB] = EprMachine(BOB, ends.parameters, rules=ends.rules, neighbours={ALICE}, timescale=lambda: EPOCH)
    ends.sequence = before.sequence - 1
    ends.memories[BOB].clear()
    ends.links[BOB].listening.clear()
    ends.up()
    theirs = ends.open(BOB, 2)
    ends.create(BOB, theirs, 2, client=2)
    first, second, third = pairs(ends, ALICE)
    assert (second.create_id, second.sequence) == (before.create_id, before.sequence)
    assert third.sequence == before.sequence + 1  # was given up in the former life
    ends.ask(ALICE, 1, FreeQubits(qubits=(first.qubit,)))
    ends.service(ALICE, PairsRevoked(BOB, PURPOSE, second.create_id, False, (second.sequence,)))
    assert [told.qubits for told in ends.of(ALICE, QubitsRevoked)] == [(second.qubit,)]
    del ours


def test_pair_that_nobody_wants_is_given_up_at_both_ends() -> None:
    ends, ours, _ = both()
    ends.serving = False
    ends.create(ALICE, ours, 1)
    create = ends.asked[0]
    ends.serve(ALICE, create, 1)
    ends.run()
    assert [len(memories) for memories in ends.memories.values()] == [1, 1]
    ends.links[BOB].queue.clear()
    ends.die(BOB)
    assert nothing_held(ends)


# --- the other node ---------------------------------------------------------------------------------------------


def test_messages_that_no_socket_waits_for_change_nothing() -> None:
    ends = Ends()
    messages = (
        SocketOpen(purpose=PURPOSE, life=4), SocketClose(purpose=PURPOSE, life=4),
        PairsGivenUp(purpose=PURPOSE, pairs=(GivenUp(create_id=1, mine=1, sequence=2),)),
    )  # fmt: skip
    assert not any(ends.bad(ALICE, message) for message in messages)
    assert not ends.wires[ALICE]
    assert ends.counted["epr.stray_messages"] == 2


def test_close_of_another_life_is_ignored() -> None:
    ends, _, _ = both()
    ends.bad(ALICE, SocketClose(purpose=PURPOSE, life=99))
    assert not ends.of(ALICE, EprDisconnected)


def test_successor_without_a_close_ends_the_connection() -> None:
    ends, _, _ = both()
    ends.bad(ALICE, SocketOpen(purpose=PURPOSE, life=99))
    assert len(ends.of(ALICE, EprDisconnected)) == 1


@pytest.mark.parametrize("seal", [None, Seal.END])
def test_message_that_is_not_a_neighbours_is_a_violation(seal: Seal | None) -> None:
    ends = Ends()
    with pytest.raises(PeerViolation):
        ends.machines[ALICE].receive(SocketOpen(purpose=PURPOSE, life=1), Sender(BOB, seal, ARRIVAL, BOB), Instant(5))
    assert ends.bad(ALICE, SocketOpen(purpose=PURPOSE, life=0))


def test_neighbour_cannot_revoke_what_it_shares_no_pair_of() -> None:
    ends, ours, _ = both()
    ends.create(ALICE, ours)
    [pair] = pairs(ends, ALICE)
    ends.bad(ALICE, PairsGivenUp(purpose=PURPOSE, pairs=(
        GivenUp(create_id=pair.create_id, mine=1, sequence=pair.sequence),  # of a request of its own
        GivenUp(create_id=pair.create_id, mine=0, sequence=pair.sequence + 1),
    )))  # fmt: skip
    assert not ends.of(ALICE, QubitsRevoked)


def test_numbers_of_requests_begin_anew_below_those_of_the_link_and_skip_what_lives() -> None:
    ends, alice, _ = both()
    ends.serving = False
    ends.create(ALICE, alice)
    ends.machines[ALICE]._ledger._creates = (1 << 31) - 2
    for _ in range(2):
        ends.create(ALICE, alice)
    assert [asked.create_id for asked in ends.asked] == [1, (1 << 31) - 1, 2]

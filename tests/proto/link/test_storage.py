"""Pairs move into storage, so that the memories in which they are born are free for the next."""

import pytest

from qstack.base.services import PairsRevoked
from qstack.proto.link.params import LinkParameters, MovePolicy
from tests.proto.circuit import fabric as whole
from tests.proto.link.test_applications import (
    assert_at_rest,
    both_done,
    create,
    failures,
    free,
    listen,
    oks,
)
from tests.proto.link.test_link import HIGH, LOW, THIRD, Fabric, assert_same_pairs, pairs, request, reserve

COMMUNICATION = 2


def stored(fabric: whole.Fabric, own: whole.Qna) -> int:
    return sum(1 for ok in oks(fabric, own) if ok.qubit is not None and ok.qubit >= COMMUNICATION)


def link(policy: MovePolicy, storage: int = 4, **more: object) -> whole.Fabric:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], memories=COMMUNICATION, storage=storage, probability=0.01,
                    link=LinkParameters(move=policy), **more)  # type: ignore[arg-type]  # fmt: skip
    listen(fabric)
    return fabric


@pytest.mark.parametrize(
    ("policy", "told", "moved"), [(MovePolicy.NEVER, 2, 0), (MovePolicy.NEEDED, 6, 4), (MovePolicy.ALWAYS, 6, 4)]
)
def test_more_pairs_are_held_than_there_are_communication_memories(policy: MovePolicy, told: int, moved: int) -> None:
    fabric = link(policy)
    create(fabric, 10)
    fabric.run(2)
    for own in (LOW, HIGH):
        assert len(oks(fabric, own)) == told
        assert moved - 1 <= stored(fabric, own) <= moved
    low, high = ({ok.sequence: ok for ok in oks(fabric, own)} for own in (LOW, HIGH))
    assert low.keys() == high.keys()
    for sequence, ok in low.items():
        assert fabric.device.pairs[LOW, ok.qubit] is fabric.device.pairs[HIGH, high[sequence].qubit]  # type: ignore[index]


def test_move_is_counted_in_what_is_told() -> None:
    fabric = link(MovePolicy.ALWAYS)
    create(fabric, 1)
    fabric.run(2, both_done(fabric))
    [ok] = oks(fabric, LOW)
    assert ok.qubit is not None and ok.qubit >= COMMUNICATION
    assert ok.goodness == pytest.approx(0.925)  # a tenth of the halves is completely mixed


def test_memories_come_back_after_moves() -> None:
    fabric = link(MovePolicy.ALWAYS)
    create(fabric, 6)
    fabric.run(2, both_done(fabric))
    for own in (LOW, HIGH):
        free(fabric, own, oks(fabric, own))
    assert_at_rest(fabric)


def test_atomic_request_can_be_larger_than_the_communication_memories() -> None:
    fabric = link(MovePolicy.NEEDED)
    create(fabric, 6, HIGH, atomic=True)
    fabric.run(3, both_done(fabric))
    assert len(oks(fabric, LOW)) == len(oks(fabric, HIGH)) == 6 and not failures(fabric, HIGH)


def test_request_that_ends_in_the_middle_of_a_move_leaves_nothing_behind() -> None:
    fabric = link(MovePolicy.ALWAYS)
    create(fabric, 50, seconds=0.5)
    fabric.run(0.6)
    for own in (LOW, HIGH):
        free(fabric, own, oks(fabric, own))
    assert_at_rest(fabric)


def test_pair_that_a_move_loses_is_taken_back_at_both_ends() -> None:
    fabric = link(MovePolicy.ALWAYS)
    fabric.device.broken = True
    create(fabric, 2)
    fabric.run(0.5)
    assert not oks(fabric, LOW) and not oks(fabric, HIGH)
    fabric.device.broken = False
    fabric.run(2, both_done(fabric))
    told = [{ok.sequence for ok in oks(fabric, own)} for own in (LOW, HIGH)]
    revoked = {s for own in (LOW, HIGH) for each in fabric.places[own].of(PairsRevoked) for s in each.sequences}
    assert told[0] - revoked == told[1] - revoked and len(told[0] - revoked) == 2


def test_pairs_of_a_circuit_stay_where_they_are() -> None:
    fabric = link(MovePolicy.ALWAYS)
    reserve(fabric)
    request(fabric, 2)
    fabric.run(1)
    assert len(pairs(fabric, LOW)) == 2 and all(pair.qubit < COMMUNICATION for pair in pairs(fabric, LOW))
    assert_same_pairs(fabric)

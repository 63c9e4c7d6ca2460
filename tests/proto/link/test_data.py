"""What the other end can say of data that it should not, and what it can say late."""

from typing import Any

import pytest

from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Cycle, LinkId, PurposeId
from qstack.base.services import DataArrived, DataFailed, DataSent, ListenData, SendData
from qstack.wire.link import DataAck, DataBlock, DataRefuse, DenseBlock, DenseDone, DenseReady
from tests.proto.link.test_hostile import CYCLE_NS, EPOCH, HIGH, LOW, End

LINK, PURPOSE = LinkId(1), PurposeId(17)
SOON = Cycle(EPOCH // CYCLE_NS + 3_000)


def block(number: int, data: bytes = b"data", *, last: int = 1, purpose: PurposeId = PURPOSE) -> DataBlock:
    return DataBlock(link=LINK, block=number, purpose=purpose, last=last, data=data)


def dense(number: int) -> DenseBlock:
    return DenseBlock(link=LINK, block=number, purpose=PURPOSE, last=1, create_id=77, first_cycle=SOON, size=2,
                      parity=0, nonce=bytes(8), digest=bytes(8))  # fmt: skip


def told(end: End, kind: type) -> list[Any]:
    return [each for each in end.done if isinstance(each, kind)]


def receiver() -> End:
    end = End(HIGH, LOW, (HIGH,))
    end.serve(ListenData(LOW, PURPOSE))
    return end


def test_blocks_out_of_order_are_handed_on_in_order_and_acknowledged_once_a_turn() -> None:
    end = receiver()
    for number in (2, 1, 0, 1):
        end.receive(block(number, b"%d" % number))
    assert [each.octets for each in told(end, DataArrived)] == [b"0", b"1", b"2"]
    assert [each.block for each in end.sent(DataAck)] == [3]
    assert end.counted("link.data_twice") == 1


@pytest.mark.parametrize("said", [block(32), block((1 << 31) - 1), DataAck(link=LINK, block=1)])
def test_block_too_far_ahead_and_acknowledgement_of_nothing_are_violations(said: Any) -> None:
    end = receiver()
    before = list(end.done)
    with pytest.raises(PeerViolation):
        end.receive(said)
    assert end.done == before


def test_sender_is_no_further_ahead_than_it_may_and_goes_on_when_told() -> None:
    end = receiver()
    end.serve(SendData(LOW, PURPOSE, 5, bytes(40_000)))
    assert [each.block for each in end.sent(DataBlock)] == list(range(32))
    end.receive(DataAck(link=LINK, block=30))
    assert len(end.sent(DataBlock)) == 40 and not told(end, DataSent)
    end.receive(DataAck(link=LINK, block=40))
    assert [each.number for each in told(end, DataSent)] == [5]


def test_refusal_fails_the_oldest_message_of_its_purpose_and_no_other() -> None:
    end = receiver()
    for number in (1, 2):
        end.serve(SendData(LOW, PURPOSE, number, b"x"))
    for _ in range(3):
        end.receive(DataRefuse(link=LINK, purpose=PURPOSE, reason=ErrorCode.NO_ENDPOINT))
    assert [each.number for each in told(end, DataFailed)] == [1, 2]


def test_message_that_began_before_anybody_listened_is_not_told_in_part() -> None:
    end = End(HIGH, LOW, (HIGH,))
    end.receive(block(0, b"first part ", last=0))
    end.serve(ListenData(LOW, PURPOSE))
    end.receive(block(1, b"second part"))
    end.receive(block(2, b"whole"))
    assert [each.octets for each in told(end, DataArrived)] == [b"whole"]
    assert len(end.sent(DataRefuse)) == 1


def test_message_longer_than_may_be_is_thrown_away() -> None:
    end = receiver()
    for number in range(66):
        end.receive(block(number, bytes(1_000), last=0))
    end.receive(block(66, b"end"))
    end.receive(block(67, b"next"))
    assert [each.octets for each in told(end, DataArrived)] == [b"next"]
    assert end.counted("link.data_too_big") == 1


def test_block_in_qubits_whose_pairs_nobody_has_is_not_waited_for() -> None:
    end = receiver()
    end.receive(dense(0))
    [ready] = end.sent(DenseReady)
    assert not ready.accepted and end.machine.describe().links[0].offered == 0


@pytest.mark.parametrize(
    "said",
    [
        DenseReady(link=LINK, block=0, accepted=1, first_cycle=SOON),
        DenseDone(link=LINK, block=0, whole=1, lost=0, wrong=0),
    ],
)
def test_answers_to_what_was_not_said_change_nothing(said: Any) -> None:
    end = receiver()
    end.receive(said)
    assert end.counted("link.stray_dense") == 1 and not end.called(object)


@pytest.mark.parametrize("first", [SOON + 7_000_000, (1 << 64) - 1])
def test_block_in_qubits_in_the_far_future_is_a_violation(first: int) -> None:
    """No timer of ours can be set for it, and no device would plan so far ahead."""
    end = receiver()
    with pytest.raises(PeerViolation):
        end.receive(dense(0).replace(first_cycle=Cycle(first)))
    assert not end.sent(DenseReady)

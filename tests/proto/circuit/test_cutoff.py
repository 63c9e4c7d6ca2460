"""Pairs that wait too long for a partner, as those do whose next link is broken."""

from qstack.base.ids import make_qna
from qstack.proto.circuit.params import CircuitParameters
from qstack.wire.circuit import Expire
from qstack.wire.link import CreateRequest, Gen
from tests.proto.circuit.fabric import Fabric

LEFT, MIDDLE, RIGHT = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3)


def test_cutoff_what_was_born_together_is_given_up_and_asked_for_together() -> None:
    fabric = Fabric([LEFT, MIDDLE, RIGHT], stations=[LEFT, RIGHT], circuit=CircuitParameters(cutoff_ns=500_000_000))
    # The right link never makes a pair.
    fabric.drop = lambda source, destination, message: isinstance(message, Gen) and destination == RIGHT
    fabric.open(8, seconds=20)
    fabric.run(0.6)
    expired = [message for _, _, message in fabric.sent if isinstance(message, Expire)]
    asked = [message.number for source, _, message in fabric.sent
             if source == LEFT and isinstance(message, CreateRequest)]  # fmt: skip
    assert [len(message.sequences) for message in expired] == [8]
    assert asked == [8, 8]

"""Messages that come in a row, because the first of them was late: each finds the node as the one before left it."""

from qstack.base.effects import Seal, Sender
from qstack.base.units import SECOND_NS
from qstack.testing.simulation import EPOCH_NS
from qstack.wire.circuit import MemoryTimes, Release, Reserve, RouteHop
from qstack.wire.header import ExchangeTlv
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message
from tests.node.rig import Rig

LABEL = 2  # the lower address gives even ones


def reserve(rig: Rig) -> Reserve:
    return Reserve(
        link_label=LABEL, circuit=1, context=bytes(16), qui=5, number=1, memories=1, min_fidelity=0,
        path_fidelity=65535, hops_left=4, deadline=EPOCH_NS + 60 * SECOND_NS, head_memory=MemoryTimes(),
        endpoints=(rig.qna("n1"), rig.qna("n3")), route=(RouteHop(node=rig.qna("n3"), loose=1),),
    )  # fmt: skip


def in_a_row(rig: Rig, *messages: Message) -> None:
    """The last comes first; with the first all are handed over."""
    first = rig.node()._flows._exchanges[rig.qna("n1"), Seal.HOP]._next_receive
    for place, message in reversed(list(enumerate(messages, first))):
        rig.give(rig.seal(message, options=(ExchangeTlv(sequence=place, acknowledged=0),)), rig.locator("n1"))


def test_row_of_reservation_and_release_leaves_nothing_behind() -> None:
    rig = Rig()
    gained = rig.gained()
    in_a_row(rig, reserve(rig), Release(link_label=LABEL, reason=1))
    assert not [name for name in gained() if name.endswith(".violations")]
    assert rig.node().machines.circuit.describe() == ()
    assert all(not link.labels for link in rig.node().machines.link.describe().links)


def test_row_what_a_message_begins_is_done_before_the_next_is_given() -> None:
    rig = Rig()
    machines, seen = rig.node().machines, []

    class Watch:
        def receive(self, message: Message, sender: Sender, now_ns: int) -> None:
            seen.append([link.labels for link in machines.link.describe().links])
            machines.circuit.receive(message, sender, now_ns)

    machines.by_protocol[Protocol.CIRCUIT] = Watch()
    in_a_row(rig, reserve(rig), Release(link_label=LABEL, reason=1))
    assert seen[0] == [(), ()]
    assert all(labels for labels in seen[1])


def test_row_that_only_reserves_does_reserve() -> None:
    """The other half of the proof: what the row above leaves would be seen."""
    rig = Rig()
    rig.give(rig.seal(reserve(rig)), rig.locator("n1"))
    assert len(rig.node().machines.circuit.describe()) == 1

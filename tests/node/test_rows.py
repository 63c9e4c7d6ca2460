"""Messages that come in a row, because the first of them was late: each finds the node as the one before left it."""

from qstack.base.effects import Seal
from qstack.base.units import SECOND_NS
from qstack.testing.simulation import EPOCH_NS
from qstack.wire.circuit import MemoryTimes, Release, Reserve, RouteHop
from qstack.wire.header import ExchangeTlv
from tests.node.rig import Rig

LABEL = 2  # the lower address gives even ones


def reserve(rig: Rig) -> Reserve:
    return Reserve(
        link_label=LABEL, circuit=1, context=bytes(16), qui=5, number=1, memories=1, min_fidelity=0,
        path_fidelity=65535, hops_left=4, deadline=EPOCH_NS + 60 * SECOND_NS, head_memory=MemoryTimes(),
        endpoints=(rig.qna("n1"), rig.qna("n3")), route=(RouteHop(node=rig.qna("n3"), loose=1),),
    )  # fmt: skip


def test_row_of_reservation_and_release_leaves_nothing_behind() -> None:
    rig = Rig()
    gained = rig.gained()
    first = rig.node()._flows._exchanges[rig.qna("n1"), Seal.HOP]._next_receive
    for place, message in ((1, Release(link_label=LABEL, reason=1)), (0, reserve(rig))):
        rig.give(rig.seal(message, options=(ExchangeTlv(sequence=first + place, acknowledged=0),)), rig.locator("n1"))
    assert not [name for name in gained() if name.endswith(".violations")]
    assert rig.node().machines.circuit.describe() == ()
    assert all(not link.labels for link in rig.node().machines.link.describe().links)


def test_row_that_only_reserves_does_reserve() -> None:
    """The other half of the proof: what the row above leaves would be seen."""
    rig = Rig()
    rig.give(rig.seal(reserve(rig)), rig.locator("n1"))
    assert len(rig.node().machines.circuit.describe()) == 1

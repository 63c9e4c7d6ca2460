"""A relay whose links share memories: no neighbour can fill them for the others."""

from qstack.base.ids import Label, PurposeId, Qna, make_qna
from qstack.base.services import PairReady, QubitsFreed, RequestPairs, ReserveLink
from qstack.base.time import Instant
from tests.proto.circuit import fabric as whole

LEFT, RELAY, RIGHT = (make_qna(64512, n) for n in (1, 2, 3))
GREEDY, MODEST = Label(2), Label(6)


def ask(fabric: whole.Fabric, own: Qna, other: Qna, label: Label, number: int) -> None:
    for here, there in ((own, other), (other, own)):
        fabric.serve(here, ReserveLink(there, label, 2, 0.0))
    deadline = Instant(fabric.local(fabric.places[own]) + 60 * 10**9)
    fabric.serve(own, RequestPairs(other, label, number, 0.0, PurposeId(0), deadline))


def held_at_relay(fabric: whole.Fabric, label: Label) -> list[PairReady]:
    return [each for each in fabric.places[RELAY].of(PairReady)
            if each.label == label and (RELAY, each.qubit) in fabric.device.pairs]  # fmt: skip


def test_neighbour_that_takes_all_it_can_leaves_the_other_its_floor() -> None:
    fabric = whole.Fabric([LEFT, RELAY, RIGHT], memories=8, links_only=True, shared=True)
    ask(fabric, LEFT, RELAY, GREEDY, 1_000)
    fabric.run(1)
    assert len(held_at_relay(fabric, GREEDY)) == 4, "half of the relay's memories, though nobody else wants them"
    ask(fabric, RIGHT, RELAY, MODEST, 1_000)
    fabric.run(1)
    assert len(held_at_relay(fabric, MODEST)) == 4
    qubits = [each.qubit for label in (GREEDY, MODEST) for each in held_at_relay(fabric, label)]
    assert len(set(qubits)) == 8
    assert not fabric.violations


def test_memory_that_one_link_gives_back_serves_the_other() -> None:
    fabric = whole.Fabric([LEFT, RELAY, RIGHT], memories=4, links_only=True, shared=True)
    ask(fabric, LEFT, RELAY, GREEDY, 6)
    ask(fabric, RIGHT, RELAY, MODEST, 6)
    for _ in range(40):
        fabric.run(0.05)
        for own in (LEFT, RELAY, RIGHT):
            ready = [each for each in fabric.places[own].of(PairReady) if (own, each.qubit) in fabric.device.pairs
                     and fabric.device.pairs[own, each.qubit].born == each.created]  # fmt: skip
            fabric.serve(own, QubitsFreed(tuple(each.qubit for each in ready), discard=True))
    for label in (GREEDY, MODEST):
        assert len([each for each in fabric.places[RELAY].of(PairReady) if each.label == label]) == 6
    assert not fabric.violations

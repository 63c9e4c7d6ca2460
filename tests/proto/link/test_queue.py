"""Requests come and go for as long as a circuit lives: what is done is forgotten, its deadline too."""

from qstack.base.services import ReleaseLink
from qstack.proto.link.params import LinkParameters
from tests.proto.link.test_link import HIGH, LABEL, LOW, Fabric, both_have, give_back, pairs, request, reserve


def test_queue_many_requests_leave_no_timer_behind() -> None:
    fabric = Fabric([LOW, HIGH], stations=[LOW], link=LinkParameters(queued_requests=4))
    reserve(fabric)
    for number in range(1, 15):
        request(fabric, 1, seconds=600.0)
        fabric.run(2.0, both_have(fabric, number))
        for own in (LOW, HIGH):
            give_back(fabric, own, pairs(fabric, own)[-1:])
        fabric.run(0.1)
    assert len(pairs(fabric, LOW)) == len(pairs(fabric, HIGH)) == 14
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ReleaseLink(other, LABEL))
    fabric.run(5.0)
    for own in (LOW, HIGH):
        assert fabric.places[own].link.next_deadline() is None

"""A receiving application that closes as soon as it has all its pairs: the one that asked gets all of them too."""

from __future__ import annotations

import pytest

from qstack.base.pairs import PairKind
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.simulation import Place
from qstack.testing.topology import TopologyLink, chain
from qstack.testing.weather import WeatherReport
from qstack.wire.control import (
    CloseEprSocket,
    CreateEpr,
    EprConnected,
    EprDisconnected,
    EprDone,
    EprFailed,
    EprOutcomes,
    EprSocketOpened,
    Half,
    OpenEprSocket,
)
from qstack.wire.value import Message

# In this weather what the station says reaches one end long before the other in one of a few lives.
LOSSY = WeatherReport(0.3, 0.0, 0.0, 5 * MILLISECOND_NS, 20 * MILLISECOND_NS)
PAIRS, PURPOSE = 24, 7


class Closing:
    """`asker` creates pairs that are measured directly; the other one closes when it has seen them all."""

    def __init__(self, seed: int, asker: str) -> None:
        topology = chain((2,), link=TopologyLink(("", ""), "", memories=32))
        self.simulation = topology.simulate(b"closing %d" % seed, LOSSY)
        self.simulation.witness = self
        receiver = "n2" if asker == "n1" else "n1"
        self.asker, self.receiver = topology.qna(asker), topology.qna(receiver)
        self.seen = {self.asker: 0, self.receiver: 0}
        self.sockets: dict[int, int] = {}
        self.told_asker: list[type[Message]] = []
        self.simulation.boot_all()
        for node, other in ((self.asker, self.receiver), (self.receiver, self.asker)):
            self.simulation.request(node, OpenEprSocket(request=1, remote=other, purpose=PURPOSE))

    def booted(self, place: Place) -> None: ...
    def died(self, place: Place) -> None: ...
    def receives(self, place: Place, message: Message, sender: object) -> None: ...

    def told(self, place: Place, client: int, message: Message) -> None:
        node = place.qna
        if node == self.asker:
            self.told_asker.append(type(message))
        match message:
            case EprSocketOpened():
                self.sockets[node] = message.socket
            case EprConnected() if node == self.asker:
                self.simulation.after(1, self._create)
            case EprOutcomes():
                self.seen[node] += len(message.outcomes)
                if node == self.receiver and self.seen[node] == PAIRS:
                    self.simulation.after(1, self._close)

    def _create(self) -> None:
        asked = CreateEpr(request=2, socket=self.sockets[self.asker], kind=PairKind.MEASURE, number=PAIRS,
                          local=Half(), remote=Half())  # fmt: skip
        self.simulation.request(self.asker, asked)

    def _close(self) -> None:
        self.simulation.request(self.receiver, CloseEprSocket(socket=self.sockets[self.receiver]))


@pytest.mark.parametrize("asker", ["n1", "n2"])
@pytest.mark.parametrize("seed", range(8, 12))
def test_receiver_that_closes_when_it_has_all_pairs_takes_none_from_the_asker(seed: int, asker: str) -> None:
    closing = Closing(seed, asker)
    closing.simulation.run_for(20 * SECOND_NS)
    assert closing.seen == {closing.asker: PAIRS, closing.receiver: PAIRS}
    assert EprFailed not in closing.told_asker
    assert closing.told_asker.index(EprDone) < closing.told_asker.index(EprDisconnected)

"""Two ends of an epoch over a broker that loses, repeats and reorders: everything once, in order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.daemon.carriage import Carriage
from qstack.wire.broker import Envelope
from qstack.wire.protocols import Protocol
from qstack.wire.value import decode_message_untrusted

EPOCH = 0x1234


class Bad:
    """Two carriages, and a broker between them that may also be away for a while."""

    def __init__(self, seed: int, loss: float, away: tuple[int, int] = (0, 0)) -> None:
        self.ends = [Carriage(EPOCH), Carriage(EPOCH)]
        self.got: list[list[bytes]] = [[], []]
        self.now = 0
        self._random = random.Random(seed)
        self._loss, self._away = loss, away
        self._flying: list[tuple[int, int, bytes]] = []

    def send(self, end: int, octets: bytes) -> None:
        assert self.ends[end].send(octets, Instant(self.now))
        self.flush()

    def flush(self) -> None:
        for end, carriage in enumerate(self.ends):
            for octets in carriage.outgoing(Instant(self.now)):
                for _ in range(self._random.choice((1, 1, 2))):
                    gone = self._away[0] <= self.now < self._away[1]
                    if not gone and self._random.random() >= self._loss:
                        self._flying.append((self.now + self._random.randrange(5 * MILLISECOND_NS), 1 - end, octets))

    def run(self, until: int) -> None:
        while self.now < until:
            due = [deadline for each in self.ends if (deadline := each.next_deadline()) is not None]
            self.now = max(self.now, min([*(at for at, _, _ in self._flying), *due, until]))
            arrived = [each for each in self._flying if each[0] <= self.now]
            self._flying = [each for each in self._flying if each[0] > self.now]
            for _, end, octets in arrived:
                envelope = decode_message_untrusted(Protocol.BROKER, octets)
                assert isinstance(envelope, Envelope)
                self.got[end] += self.ends[end].receive(envelope, Instant(self.now))
            self.flush()


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(1, 60))
def test_carriage_delivers_each_once_and_in_order_whatever_the_broker_does(seed: int, loss: float, count: int) -> None:
    net = Bad(seed, loss)
    for number in range(count):
        net.send(0, b"ask %d" % number)
        net.send(1, b"tell %d" % number)
        net.run(net.now + 3 * MILLISECOND_NS)
    net.run(net.now + 60 * SECOND_NS)
    assert net.got == [[b"tell %d" % n for n in range(count)], [b"ask %d" % n for n in range(count)]]
    assert not any(end.failed for end in net.ends)
    assert all(end.next_deadline() is None for end in net.ends)


def test_carriage_outlives_a_broker_that_is_away_for_half_a_minute() -> None:
    net = Bad(1, 0.0, away=(SECOND_NS, 31 * SECOND_NS))
    for number in range(40):
        net.send(0, b"%d" % number)
        net.run(net.now + 100 * MILLISECOND_NS)
    net.run(40 * SECOND_NS)
    assert net.got[1] == [b"%d" % n for n in range(40)]


def test_carriage_without_an_answer_for_a_minute_has_failed() -> None:
    net = Bad(1, 1.0)
    net.send(0, b"anybody?")
    net.run(50 * SECOND_NS)
    assert not net.ends[0].failed
    net.run(90 * SECOND_NS)
    assert net.ends[0].failed
    assert not net.ends[0].send(b"more", Instant(net.now))

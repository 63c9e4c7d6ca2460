"""Data sockets over a simulated link, calm or poor, with readers that die: nobody gets octets meant for another."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from qstack.base.ids import Qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.simulation import Place
from qstack.testing.topology import TopologyLink, chain
from qstack.testing.weather import CALM, WeatherReport
from qstack.wire.control import (
    EprConnected,
    EprDisconnected,
    EprSocketOpened,
    OpenDataSocket,
    SendSocketData,
    SocketDataArrived,
    SocketDataFailed,
    SocketDataSent,
    TakeSocketData,
)
from qstack.wire.value import Message

POOR = WeatherReport(0.10, 0.05, 0.02, 1 * MILLISECOND_NS, 5 * MILLISECOND_NS)
PURPOSE = 9
READERS = 4


class Letters:
    """A writer at one node; readers at the other, one after the other. What is written says for which of them it is."""

    def __init__(self, seed: int, report: WeatherReport, stock: int) -> None:
        topology = chain((2,), link=TopologyLink(("", ""), "", memories=128))
        template = replace(topology.template, link=replace(topology.template.link, stock_pairs=stock))
        self.simulation = replace(topology, template=template).simulate(b"letters %d" % seed, report)
        self.simulation.witness = self
        self.dice = random.Random(seed)
        self.writer, self.reading = topology.qna("n1"), topology.qna("n2")
        self.reader = 0
        self.sockets: dict[tuple[Qna, int], int] = {}
        self.connection = 0
        self.requests = 10
        self.written: dict[int, list[bytes]] = {}  # by connection
        self.sizes: dict[int, tuple[int, bytes]] = {}  # by request
        self.read: dict[int, list[bytes]] = {}  # by reader
        self.dense = 0
        self.answered: dict[int, bool] = {}
        self.simulation.boot_all()
        self.simulation.run_for(SECOND_NS)
        asked = OpenDataSocket(request=1, remote=self.reading, purpose=PURPOSE)
        self.simulation.request(self.writer, asked, 99)
        self._next_reader()

    def _next_reader(self) -> None:
        if self.reader:
            self.simulation.drop_client(self.reading, self.reader)
        self.reader += 1
        asked = OpenDataSocket(request=self.reader, remote=self.writer, purpose=PURPOSE)
        self.simulation.request(self.reading, asked, self.reader)
        if self.reader < READERS:
            self.simulation.after(self.dice.randrange(300, 1500) * MILLISECOND_NS, self._next_reader)

    def _write(self, connection: int) -> None:
        if connection != self.connection:
            return
        self.requests += 1
        data = b"%d:" % connection + self.dice.randbytes(self.dice.randrange(40))
        self.sizes[self.requests] = (connection, data)
        self.simulation.request(self.writer, SendSocketData(
            request=self.requests, socket=self.sockets[self.writer, 99], connection=connection, data=data,
        ), 99)  # fmt: skip
        self.simulation.after(self.dice.randrange(1, 60) * MILLISECOND_NS, lambda: self._write(connection))

    def _take(self, reader: int, connection: int) -> None:
        if reader == self.reader:
            asked = TakeSocketData(socket=self.sockets[self.reading, reader], connection=connection)
            self.simulation.request(self.reading, asked, reader)

    def booted(self, place: Place) -> None: ...
    def died(self, place: Place) -> None: ...
    def receives(self, place: Place, message: Message, sender: object) -> None: ...

    def told(self, place: Place, client: int, message: Message) -> None:
        node = place.qna
        match message:
            case EprSocketOpened():
                self.sockets[node, client] = message.socket
            case EprConnected() if node == self.writer:
                self.connection = message.connection
                self.simulation.after(1, lambda: self._write(message.connection))
            case EprDisconnected() if node == self.writer:
                self.connection = 0
            case SocketDataArrived():
                self.read.setdefault(client, []).append(message.data)
                delay = self.dice.randrange(0, 30) * MILLISECOND_NS + 1
                self.simulation.after(delay, lambda: self._take(client, message.connection))
            case SocketDataSent():
                connection, data = self.sizes[message.request]
                assert message.dense + message.plain == len(data)
                assert message.request not in self.answered
                self.dense += message.dense
                self.answered[message.request] = True
                self.written.setdefault(connection, []).append(data)
            case SocketDataFailed():
                assert message.request not in self.answered
                self.answered[message.request] = False


@pytest.mark.parametrize("stock", [0, 96], ids=["no stock", "stock"])
@pytest.mark.parametrize("report", [CALM, POOR], ids=["calm", "poor"])
@pytest.mark.parametrize("seed", range(2))
def test_each_reader_gets_what_was_written_to_it_in_order(seed: int, report: WeatherReport, stock: int) -> None:
    letters = Letters(seed, report, stock)
    letters.simulation.run_for(8 * SECOND_NS)
    letters.connection = 0  # nothing more is written
    letters.simulation.run_for(5 * SECOND_NS)
    assert set(letters.answered) == set(letters.sizes)
    assert len(letters.written) >= 2
    for got in letters.read.values():
        [connection] = {int(data.partition(b":")[0]) for data in got}
        sent = letters.written.get(connection, [])
        assert got[: len(sent)] == sent  # what came beyond was not acknowledged when its reader died
    assert bool(letters.dense) is bool(stock)

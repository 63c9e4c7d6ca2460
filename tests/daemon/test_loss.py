"""Two daemons over a network that loses two of five datagrams each way."""

from __future__ import annotations

import random
import select
import socket
import threading
from pathlib import Path

import pytest

from qstack.base.ids import parse_qna
from qstack.config.expansion import loopback_start
from qstack.pki import files as pki
from tests.daemon.network import Network

PORT = 4560


class Relay:
    """Two sockets between two daemons: `faces[0]` is what the first takes for the second, `faces[1]` the reverse.

    What it loses is a matter of its seed.
    """

    def __init__(self, homes: tuple[str, str], faces: tuple[str, str], *, seed: int, loss: float) -> None:
        self.passed = self.lost = 0
        self._chance, self._loss = random.Random(seed), loss
        self._socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in faces]
        for sock, face in zip(self._socks, faces, strict=True):
            sock.bind((face, PORT))
        one, other = self._socks
        self._ways = {one: (other, (homes[1], PORT)), other: (one, (homes[0], PORT))}
        self._over, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send(b"!")
        self._thread.join()
        for sock in (*self._socks, self._over, self._end):
            sock.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([*self._socks, self._over], [], [])
            if self._over in ready:
                return
            for sock in ready:
                self._carry(sock.recv(65_536), *self._ways[sock])

    def _carry(self, octets: bytes, out: socket.socket, to: tuple[str, int]) -> None:
        if self._chance.random() < self._loss:
            self.lost += 1
        else:
            self.passed += 1
            out.sendto(octets, to)


FILE = """
[node]
qna = "64512.{number}"
name = "{name}"

[listen]
udp = ["{home}:4560"]
control = "{name}.sock"

[session]
certificate = "pki/{name}/node.pem"
key = "pki/{name}/node.key"

[[session.trust]]
ca = "pki/ca.pem"

[[neighbour]]
qna = "64512.{other}"
locator = "{face}:4560"
"""


@pytest.mark.slow
def test_two_daemons_over_40_percent_loss_each_way_meet_and_answer(tmp_path: Path) -> None:
    hosts = [str(loopback_start(tmp_path) + number) for number in (1, 2, 101, 102)]
    pki.init_ca(tmp_path / "pki", 64512)
    network = Network(tmp_path)
    names = ("one", "two")
    for number, name in enumerate(names, 1):
        pki.issue(tmp_path / "pki", parse_qna(f"64512.{number}"), tmp_path / "pki" / name)
        text = FILE.format(number=number, name=name, home=hosts[number - 1], other=3 - number, face=hosts[1 + number])
        (tmp_path / f"{name}.toml").write_text(text)
    with Relay((hosts[0], hosts[1]), (hosts[2], hosts[3]), seed=4, loss=0.4) as relay:
        try:
            for name in names:
                network.restart(name)
            seconds = [network.wait(name, "connected", timeout_s=60) for name in names]
            print(f"connected after {max(seconds):.1f} s")
            for name, node in (("one", "64512.2"), ("two", "64512.1")):
                network.answers(name, node)
            assert relay.lost > 5
            (near,) = network.ask("one", "neighbours")["neighbours"]
            assert near["locator"] == f"{hosts[2]}:4560"
        finally:
            network.down()

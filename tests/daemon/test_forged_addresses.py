"""An attacker on the segment who hears every question and is always the first to answer: it is never believed."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qstack.base.errors import WireError
from qstack.base.ids import Qna, parse_qna
from qstack.config.expansion import loopback_start
from qstack.wire.header import Header, decode_header_untrusted
from qstack.wire.protocols import Protocol
from qstack.wire.qarp import (
    NONCE_OCTETS,
    PADDED_OCTETS,
    Announcement,
    Answer,
    Conflict,
    Ipv4Locator,
    PaddingTlv,
    Probe,
    Question,
    Whereabouts,
)
from qstack.wire.value import Message, decode_message_untrusted
from tests.daemon.network import IDEAL, NODES, Network, running
from tests.daemon.test_crash import check_whole

GROUP, PORT = "239.64.64.7", 4560
EVERYBODY = [parse_qna(text) for text in ("64512.1", "64512.2", "64512.3", "64513.1", "64513.2")]
TOPOLOGY = IDEAL.replace("capture = true", f'capture = true\nmulticast = "{GROUP}:{PORT}"')


class Attacker:
    """Answers every question with itself, contests every address, and talks when nobody asks."""

    def __init__(self, host: str) -> None:
        self.heard: dict[str, int] = {}
        self.said = 0
        self._address = socket.inet_aton(host)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((host, PORT))
        self._sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, self._address)
        self._group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._group.bind((GROUP, PORT))
        self._group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                               struct.pack("4s4s", socket.inet_aton(GROUP), self._address))  # fmt: skip
        self._group.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Attacker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._sock.close()
        self._group.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                octets, source = self._group.recvfrom(2_048)
            except TimeoutError:
                self.provoke()
                continue
            if source[0] != socket.inet_ntoa(self._address):
                self._react(octets, source)

    def _react(self, octets: bytes, source: tuple[str, int]) -> None:
        try:
            header, offset = decode_header_untrusted(octets)
            message = decode_message_untrusted(header.next_protocol, octets[offset:])
        except WireError:
            return
        self.heard[message.NAME] = self.heard.get(message.NAME, 0) + 1
        match message:
            case Question():
                for target in (message.target, header.source):
                    answer = Answer(nonce=message.nonce, target=target, whereabouts=self._here())
                    self._say(answer, target, header.source, source)
            case Probe() | Announcement():
                conflict = Conflict(nonce=message.nonce, target=message.target, whereabouts=self._here())
                self._say(conflict, message.target, header.source, source)
        self.provoke()

    def provoke(self) -> None:
        """What nobody has asked for: everybody's announcements, probes, conflicts and answers."""
        for target in EVERYBODY:
            nonce = os.urandom(NONCE_OCTETS)
            for message in (Announcement(nonce=nonce, target=target, whereabouts=self._here()),
                            Probe(nonce=nonce, target=target),
                            Conflict(nonce=nonce, target=target, whereabouts=self._here()),
                            Answer(nonce=nonce, target=target, whereabouts=self._here())):  # fmt: skip
                self._say(message, target, Qna(0), (GROUP, PORT))

    def _here(self) -> Whereabouts:
        return Whereabouts(capabilities=7, ipv4=(Ipv4Locator(port=PORT, address=self._address),))

    def _say(self, message: Message, source: Qna, destination: Qna, to: tuple[str, int]) -> None:
        short = PADDED_OCTETS - len(message.encode())
        if short >= 4:
            message = message.replace(options=(PaddingTlv(zeros=bytes(short - 4)),))
        payload = message.encode()
        header = Header(next_protocol=Protocol.QARP, source=source, destination=destination, length=40 + len(payload))
        self._sock.sendto(header.encode() + payload, to)
        self.said += 1


@contextmanager
def attacked(folder: Path) -> Iterator[tuple[Network, Attacker]]:
    """A network on a multicast segment on which the attacker was first."""
    with Attacker(str(loopback_start(folder) + 66)) as attacker, running(folder, TOPOLOGY) as network:
        yield network, attacker


def test_attacker_that_is_always_first_is_never_believed(tmp_path: Path) -> None:
    with attacked(tmp_path / "lab") as (network, attacker):
        network.connected()
        where = {network.ask(name, "status")["node"]: network.ask(name, "status")["listen"][0] for name in NODES}
        for name in NODES:
            for each in network.ask(name, "neighbours")["neighbours"]:
                if each["configured"]:
                    assert (each["locator"], each["up"]) == (where[each["node"]], True)
                assert each["up"] == each["configured"], "nobody else has become a neighbour"
            assert network.ask(name, "status")["conflicts"] == 0
        check_whole(network)
        counters = [network.ask(name, "counters")["counters"] for name in NODES]
        assert all(each["qarp.unsolicited"] > 0 for each in counters)
        assert sum(each["qarp.proofs"] for each in counters) > 8, "some answers of the attacker were put to the proof"
    assert attacker.heard.keys() >= {"Question", "Probe"}
    assert attacker.said > 100

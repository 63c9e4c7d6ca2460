"""Hostile datagrams at live daemons, from an address that is nobody's: they cost counters and nothing else."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from qstack.base.locator import parse_locator
from qstack.io.capture import encapsulate
from tests.daemon.application import Application
from tests.daemon.network import ALICE, BOB, NODES, SERVED, Network, endpoint_urns
from tests.daemon.test_inspection import datagrams

TARGETS = (ALICE, "repeater")
MUTATIONS = 10_000
BURST = 50
RANDOM = random.Random(20261122)


def mutated(octets: bytes) -> bytes:
    """One hostile child of an honest datagram."""
    changed = bytearray(octets)
    match RANDOM.randrange(7):
        case 0:
            return octets[: RANDOM.randrange(len(octets))]
        case 1:
            return octets + os.urandom(RANDOM.randrange(1, 200))
        case 2:
            changed[RANDOM.randrange(len(changed))] ^= 1 << RANDOM.randrange(8)
        case 3:
            changed[RANDOM.randrange(min(40, len(changed)))] = RANDOM.choice((0, 1, 0x7F, 0x80, 0xFF))
        case 4:
            struct.pack_into("!H", changed, 4, RANDOM.choice((0, 1, 39, 40, 0xFFFF, len(changed) + 1)))
        case 5:
            at, count = RANDOM.randrange(len(changed)), RANDOM.randrange(1, 64)
            changed[at : at + count] = os.urandom(count)
        case 6:
            changed[26:30] = bytes(4)  # as if it were unsealed
    return bytes(changed)


@pytest.fixture(scope="module")
def honest(network: Network) -> list[bytes]:
    """Every datagram that the network has sent so far, after a key was made."""
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        alice.open_unit(endpoint_urns()).key()
    return [each.octets for name in NODES for each in datagrams(network.folder / f"{name}.pcapng")]


def address(network: Network, name: str) -> tuple[str, int]:
    locator = parse_locator(network.ask(name, "status")["listen"][0])
    return str(locator.ip), locator.port


@contextmanager
def stranger(network: Network) -> Iterator[socket.socket]:
    """A socket at a loopback address of the laboratory that no node has."""
    host = address(network, ALICE)[0].rpartition(".")[0] + ".250"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 4560))
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(65_536))
        except BlockingIOError:
            return found


def settled(network: Network, name: str, since: int) -> None:
    """Until a daemon has taken in so many datagrams."""
    network.wait(name, f"datagrams.received>={since}")


def test_thousands_of_mutated_datagrams_cost_counters_and_nothing_else(network: Network, honest: list[bytes]) -> None:
    before = {name: (network.rss_kib(name), len(network.log(name).splitlines())) for name in TARGETS}
    sessions = {name: epochs(network, name) for name in TARGETS}
    with stranger(network) as sock, ThreadPoolExecutor(1) as application:
        job = application.submit(several_keys, network, 3)
        sent = received = 0
        for name in TARGETS:
            target = address(network, name)
            for _ in range(MUTATIONS // BURST // len(TARGETS)):
                since = network.counter(name, "datagrams.received")
                burst = [mutated(RANDOM.choice(honest)) if RANDOM.randrange(10) else os.urandom(RANDOM.randrange(1_400))
                         for _ in range(BURST)]  # fmt: skip
                for octets in burst:
                    sock.sendto(octets, target)
                settled(network, name, since + BURST)
                sent += sum(map(len, burst))
                received += sum(map(len, heard(sock)))
        assert job.result(60) == 3, "keys were made all the while"
    assert received <= sent // 4
    for name in TARGETS:
        rss, lines = before[name]
        assert network.rss_kib(name) - rss < 16_384
        assert len(network.log(name).splitlines()) - lines < 100, "no line a datagram"
        assert epochs(network, name) == sessions[name], "live sessions are the same"
        counters = network.ask(name, "counters")["counters"]
        assert counters["header.malformed"] > 50
        refused = sum(count for key, count in counters.items() if "refused" in key or "malformed" in key)
        assert refused > MUTATIONS // len(TARGETS) // 2
    network.nothing_held()


def epochs(network: Network, name: str) -> set[tuple[str, str, str]]:
    return {(each["node"], each["local_epoch"], each["remote_epoch"])
            for each in network.ask(name, "sessions")["sessions"] if each["scope"] == "hop"}  # fmt: skip


def several_keys(network: Network, number: int) -> int:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        made = 0
        for _ in range(number):
            made += alice.open_unit(endpoint_urns()).key().key == bob.next_unit().key().key
    return made


def test_no_answer_is_larger_than_its_question(network: Network, honest: list[bytes]) -> None:
    """What is not sealed can be answered: each kind of it, as it was and cut shorter, one by one."""
    unsealed: dict[tuple[int, int, int], bytes] = {}
    for octets in honest:
        if octets[26:30] == bytes(4):
            unsealed.setdefault((octets[1], octets[40], len(octets)), octets)
    assert len(unsealed) > 4
    answered = 0
    with stranger(network) as sock:
        for name in TARGETS:
            target = address(network, name)
            for octets in unsealed.values():
                for question in (octets, octets[:-1], shortened(octets, 60), shortened(octets, 44)):
                    since = network.counter(name, "datagrams.received")
                    sock.sendto(question, target)
                    settled(network, name, since + 1)
                    answers = heard(sock)
                    answered += len(answers)
                    assert sum(map(len, answers)) <= len(question)
    assert answered > 0, "the attacker was never answered: this test sees nothing"


def shortened(octets: bytes, length: int) -> bytes:
    """A datagram that says itself that it is so short."""
    return octets[:4] + length.to_bytes(2, "big") + octets[6:length]


def test_replayed_datagrams_are_refused_whoever_they_come_from(network: Network, honest: list[bytes]) -> None:
    """From a stranger, and, where raw sockets are allowed, from the neighbour's own address."""
    network.wait(BOB, "endpoints=0")
    sealed = [octets for octets in honest if octets[26:30] != bytes(4)]
    before = epochs(network, ALICE)
    locator = {each["node"]: each["locator"] for each in network.ask(ALICE, "neighbours")["neighbours"]}
    refused = replays(network)
    with stranger(network) as sock:
        for start in range(0, 600, BURST):
            since = network.counter(ALICE, "datagrams.received")
            for octets in sealed[start : start + BURST]:
                sock.sendto(octets, address(network, ALICE))
            settled(network, ALICE, since + len(sealed[start : start + BURST]))
        assert heard(sock) == [], "nobody is told why"
    if os.geteuid() == 0:
        source, target = parse_locator(locator["64512.2"]), parse_locator(network.ask(ALICE, "status")["listen"][0])
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            since = network.counter(ALICE, "datagrams.received")
            for octets in sealed[:200]:
                raw.sendto(encapsulate(octets, source, target), (str(target.ip), 0))
            settled(network, ALICE, since + 200)
    assert replays(network) > refused
    assert epochs(network, ALICE) == before
    assert {each["node"]: each["locator"] for each in network.ask(ALICE, "neighbours")["neighbours"]} == locator
    assert several_keys(network, 1) == 1


def replays(network: Network) -> int:
    counters = network.ask(ALICE, "counters")["counters"]
    return sum(count for key, count in counters.items() if "replay" in key)

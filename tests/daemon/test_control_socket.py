"""Whoever may open the control socket, whatever they write there: the daemon goes on, and so do the others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from qstack.base.errors import ErrorCode
from qstack.io.frames import CONNECTIONS_A_USER
from qstack.sockets.blocking import open_node
from qstack.wire.control import ClaimEndpoint, CloseUnit, MeasurePairs, PairBasis, UnitStarted
from qstack.wire.unit import UnitKind
from tests.daemon.application import Application, Told
from tests.daemon.network import ALICE, BOB, ROOT, SERVED, Network, endpoint_urns


@contextmanager
def connected(network: Network) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(network.socket(ALICE)))
        sock.settimeout(10)
        yield sock


def closed(sock: socket.socket) -> bool:
    """Whether the daemon ends the connection, with or without a last word."""
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "octets",
    [
        b"{" + b" " * 70_000 + b"}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 1_000,
        b"\x00\x00",
        b"\x00\x05\xee\xee\xee\xee\xee",
        b'{"request": "status"}\n\x00\x01\x01',
        CloseUnit(unit=1).encode(),
        os.urandom(5_000),
    ],
    ids=["long line", "http", "ones", "empty frame", "unknown message", "frame after line", "no length", "random"],
)  # fmt: skip
def test_octets_that_are_no_request_end_their_connection_alone(network: Network, octets: bytes) -> None:
    with connected(network) as sock:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        assert closed(sock)
    assert network.ask(ALICE, "status")["state"] == "ready"


@pytest.mark.parametrize(
    "line", [b'{"request": "no such thing"}', b'{"request": 5}', b"{}", b'{"request": "ping"}', b"{" * 30_000,
             b'{"request": "status", "extra": 1}', b'{"request": "wait", "conditions": ["moon=full"]}',
             b'{"request": "ping", "node": "not an address"}'],
)  # fmt: skip
def test_line_that_is_no_request_is_answered_by_an_error_and_the_next_one_served(network: Network, line: bytes) -> None:
    with connected(network) as sock, sock.makefile("rb") as replies:
        sock.sendall(line + b'\n{"request": "status"}\n')
        assert json.loads(replies.readline())["reply"] == "error"
        assert json.loads(replies.readline())["reply"] == "status"


def test_request_of_64_kib_less_one_octet_is_read(network: Network) -> None:
    with connected(network) as sock, sock.makefile("rb") as replies:
        sock.sendall(b'{"request": "status"' + b" " * (65_535 - 21) + b"}\n")
        assert json.loads(replies.readline())["reply"] == "status"


def test_halves_of_requests_are_waited_for_without_holding_anybody_up(network: Network) -> None:
    whole = ClaimEndpoint(request=1, urn="urn:qkd:madqci:ccips").encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(network)) for _ in range(20)]
        for number, sock in enumerate(slow):
            sock.sendall((len(whole).to_bytes(2, "big") + whole)[: 1 + number] if number % 2 else b'{"request": "sta')
        assert network.ask(ALICE, "status")["state"] == "ready"
        slow[0].sendall(b'tus"}\n')
        assert json.loads(slow[0].recv(65_536))["reply"] == "status"


def test_operator_that_never_reads_holds_up_nobody(network: Network) -> None:
    before = network.rss_kib(ALICE)
    with connected(network) as sock:
        sock.setblocking(False)
        line, sent = b'{"request": "counters"}\n' * 1_000, 0
        try:
            while sent < 64 << 20:
                sent += sock.send(line)
        except BlockingIOError:
            pass
        assert sent < 16 << 20, "the daemon does not read ahead of what it can answer"
        assert network.ask(ALICE, "status")["state"] == "ready"
    assert network.rss_kib(ALICE) - before < 16_384


def test_application_that_never_reads_is_closed_and_its_units_too(network: Network) -> None:
    """Refusals pile up until there are too many."""
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(BOB)) as deaf:
        deaf.claim(SERVED)
        deaf.sock.settimeout(20)
        frame = ClaimEndpoint(request=7, urn="urn:qkd:not-here").encode()
        burst = (len(frame).to_bytes(2, "big") + frame) * 500
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1_000):
                deaf.sock.sendall(burst)
        network.wait(BOB, "endpoints=0")
    assert network.counter(BOB, "clients.too_slow") >= 1


def test_connections_of_one_user_are_bounded(network: Network) -> None:
    with ExitStack() as stack:
        many = [stack.enter_context(connected(network)) for _ in range(CONNECTIONS_A_USER)]
        for sock in many:
            sock.sendall(b'{"request": "sta')
        with connected(network) as one_more:
            one_more.sendall(b'{"request": "status"}\n')
            assert closed(one_more)
    assert network.ask(ALICE, "status")["state"] == "ready"


def test_application_may_touch_only_its_own_units(network: Network) -> None:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        unit = alice.open_unit(endpoint_urns(4), "PAIRS")
        (pair,) = unit.pairs(1)
        with Application(network.socket(ALICE)) as other:
            other.say(CloseUnit(unit=unit.started.unit))
            asked = (PairBasis(pair=pair.pair, basis=0),)
            other.say(MeasurePairs(request=3, unit=unit.started.unit, pairs=asked))
            with pytest.raises(Told):
                other.answer(3, UnitStarted)
        assert len(unit.measure([pair], 0)) == 1  # type: ignore[arg-type]
    network.nothing_held()


def test_message_that_only_daemons_send_is_refused(network: Network) -> None:
    with Application(network.socket(ALICE)) as alice:
        alice.say(UnitStarted(request=9, unit=1, kind=UnitKind.KEY, remote=1, urn=tuple(endpoint_urns())))
        with pytest.raises(Told) as told:
            alice.answer(9, UnitStarted)
        assert told.value.reason is ErrorCode.UNKNOWN_MESSAGE


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_user_who_is_no_admin_may_look_and_may_not_change(network: Network) -> None:
    socket_ = network.socket(ALICE)
    for path in (socket_, *socket_.parents):
        if path != path.parent and path.stat().st_uid == 0 and "pytest" in str(path):
            path.chmod(0o777)
    program = (
        "import os, socket, sys\nos.setgid(65534)\nos.setuid(65534)\n"
        "sock = socket.socket(socket.AF_UNIX)\nsock.connect(sys.argv[1])\nreplies = sock.makefile()\n"
        "for request in ('status', 'reload', 'stop'):\n"
        "    sock.sendall(b'{\"request\": \"%s\"}\\n' % request.encode())\n    print(replies.readline(), end='')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(socket_)], capture_output=True, text=True, timeout=20,
                          check=True, cwd=ROOT)  # fmt: skip
    status, *refused = [json.loads(line) for line in done.stdout.splitlines()]
    assert status["reply"] == "status"
    assert [(each["reply"], each["reason"]) for each in refused] == [("error", "POLICY")] * 2
    assert network.ask(ALICE, "status")["state"] == "ready"


def test_application_that_restarts_at_once_gets_its_endpoint_back(network: Network) -> None:
    for _ in range(300):
        with open_node(network.socket(BOB)) as node:
            node.claim(SERVED)

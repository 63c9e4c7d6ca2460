"""qtwind killed and started again: the daemons go on, without quantum states and then with new ones."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import parse_qna
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, Attempt, Heralds, InspectPair, MemoryKind, request_id
from qstack.wire.value import decode_message_untrusted
from tests.daemon.application import Application, Told
from tests.daemon.network import ALICE, BOB, NODES, SERVED, Network, endpoint_urns, running
from tests.daemon.test_crash import SLOW, check_whole


def test_twin_killed_and_started_again_is_survived_by_every_daemon(tmp_path: Path) -> None:
    with running(tmp_path / "lab", SLOW) as network:
        pids = [network.pid(name) for name in NODES]
        identity = network.ask(ALICE, "status")["device"]["identity"]
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(SERVED)
            key = alice.open_unit(endpoint_urns())
            pairs = alice.open_unit(endpoint_urns(64), "PAIRS")
            pairs.pairs(4)
            incoming = [bob.next_unit(), bob.next_unit()]
            network.kill("qtwind")
            for unit in (key, pairs, *incoming):
                assert unit.failure().reason in (ErrorCode.NO_RESOURCES, ErrorCode.CANCELLED)
            for name in NODES:
                network.wait(name, "units=0", "circuits=0")
                status = network.ask(name, "status")
                assert (status["state"], status.get("device")) == ("waiting", None)
            assert network.ask(ALICE, "ping", node="64513.2", count=1)["round_trip_ns"] > 0, "what is classical goes on"
            with pytest.raises(Told) as told:
                alice.open_unit(endpoint_urns()).key()
            assert told.value.reason is ErrorCode.NO_RESOURCES
            network.restart("qtwind")
            for name in NODES:
                network.wait(name, "ready")
        assert network.ask(ALICE, "status")["device"]["identity"] != identity
        check_whole(network)
        assert [network.pid(name) for name in NODES] == pids


def test_strangers_at_the_twins_sockets_disturb_nobody_for_long(tmp_path: Path) -> None:
    """One talks nonsense, one never reads, one says that it is alice, and what it takes from her is lost."""
    with running(tmp_path / "lab") as network, ExitStack() as stack:
        def connect(name: str = "qtwind.sock") -> socket.socket:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            sock.settimeout(10)
            sock.connect(str(network.folder / name))
            return sock

        network.connected()
        for sock in (connect(), connect("qtwind-operator.sock")):
            for octets in (b"\xff", os.urandom(40), os.urandom(60_000), bytes(13)):
                sock.send(octets)
        deaf = connect()
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            deaf.settimeout(2)
            for number in range(20_000):
                deaf.send(InspectPair(request_id=number, node=parse_qna("64512.1"), qubit=0).encode())
        assert make_pairs(network)
        thief = connect()
        thief.send(Attach(node=parse_qna("64512.1")).encode())
        assert isinstance(decode_message_untrusted(Protocol.TWIN, thief.recv(4_096)), Attached)
        make_pairs(network)  # here at the latest alice asks something of her device, and learns that it is hers no more
        network.wait_for_log(ALICE, "attached to a device again")
        thief.close()
        check_whole(network)


def make_pairs(network: Network) -> bool:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        try:
            return len(alice.open_unit(endpoint_urns(4), "PAIRS", timeout_s=5).pairs(4)) == 4
        except Told as told:
            assert told.reason is ErrorCode.NO_RESOURCES
            return False


def test_device_of_another_kind_ends_the_daemon_with_the_reason(tmp_path: Path) -> None:
    with running(tmp_path / "lab") as network:
        network.kill("qtwind")
        twin = network.folder / "qtwind.toml"
        twin.write_text(twin.read_text().replace("qubits = 192", "qubits = 200", 1))
        network.restart("qtwind")
        assert network.exit_code(ALICE) == 1
        last = network.log(ALICE).splitlines()[-1]
        assert last.startswith("qstackd: the device at ")
        assert "qubits was 192, is 200" in last
        network.restart(ALICE)
        check_whole(network)


def test_device_that_says_nonsense_and_goes_is_survived(tmp_path: Path) -> None:
    with running(tmp_path / "lab") as network:
        network.kill("qtwind")
        path = network.folder / "qtwind.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.settimeout(10)
            listener.bind(str(path))
            listener.listen(16)
            with listener.accept()[0] as device:
                asked = decode_message_untrusted(Protocol.TWIN, device.recv(4_096))
                assert isinstance(asked, Attach)
                memories = 192 if asked.node in (parse_qna("64512.1"), parse_qna("64513.2")) else 384
                kinds = (MemoryKind(first=0, count=memories),)
                attached = Attached(request_id=asked.request_id, identity=7, secret=1, qubits=memories, memories=kinds)
                device.send(attached.encode())
                device.send(b"\xff" * 40)
                device.send(os.urandom(900))
                device.send(Attempt(request_id=1, link=1, first_cycle=0, cycles=1, qubits=(1,)).encode())
                device.send(Heralds(request_id=request_id(Protocol.LINK, 1), status=0, completed_at=1, deliver_at=1,
                                    link=99, first_cycle=0, cycles=1, attempted=3, heralds=()).encode())  # fmt: skip
        path.unlink()
        network.restart("qtwind")
        for name in NODES:
            network.wait(name, "ready")
        check_whole(network)

"""The processes as a service manager sees them: ready, asked to stop, gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.application import Application, Gone
from tests.daemon.network import ALICE, BOB, NODES, SERVED, Network, Notifications, endpoint_urns, running


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network whose processes tests stop; they start them again."""
    with running(tmp_path_factory.mktemp("own")) as network:
        network.connected()
        yield network


@contextmanager
def managed(
    network: Network, name: str, program: str = "qstackd"
) -> Iterator[tuple[subprocess.Popen[bytes], Notifications]]:
    """A daemon of the network, started by a service manager that listens."""
    network.kill(name, signal.SIGTERM)
    command = [sys.executable, "-m", f"qstack.daemon.{program}", str(network.folder / f"{name}.toml")]
    with Notifications(network.folder / "manager") as manager:
        process = subprocess.Popen(command, env=manager.environment, stderr=subprocess.DEVNULL)
        try:
            yield process, manager
        finally:
            process.kill()
            process.wait()
    network.restart(name)


@pytest.mark.parametrize(("name", "program"), [(ALICE, "qstackd"), ("qtwind", "qtwind")])
def test_service_manager_is_told_ready_and_stopping(own: Network, name: str, program: str) -> None:
    with managed(own, name, program) as (process, manager):
        assert manager.next() == "READY=1"
        assert own.socket(name).exists(), "ready means that the socket is there"
        if program == "qstackd":
            os.kill(process.pid, signal.SIGHUP)
            assert [manager.next(), manager.next()] == ["RELOADING=1", "READY=1"]
        began = time.monotonic()
        process.terminate()
        assert manager.next() == "STOPPING=1"
        assert process.wait(10) == 0
        assert time.monotonic() - began < 1
        assert not own.socket(name).exists()


def test_service_manager_is_told_that_the_device_is_missing(own: Network) -> None:
    with managed(own, BOB) as (_, manager):
        assert manager.next() == "READY=1"
        own.kill("qtwind")
        assert manager.next() == "STATUS=waiting for the quantum device"
        own.restart("qtwind")
        assert manager.next() == "STATUS="


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_clean_and_told_to_everybody(own: Network, number: signal.Signals) -> None:
    own.connected()
    with Application(own.socket(ALICE)) as alice, Application(own.socket(BOB)) as bob:
        bob.claim(SERVED)
        alice.open_unit(endpoint_urns(8), "PAIRS").pairs(1)
        unit = bob.next_unit()
        began = time.monotonic()
        assert own.kill(ALICE, number) == 0
        assert time.monotonic() - began < 1
        with pytest.raises((Gone, ConnectionResetError)):
            alice.next_unit()
        assert unit.failure().text != ""
        assert time.monotonic() - began < 2, "bob need not wait for silence"
    assert not own.socket(ALICE).exists()
    own.wait("repeater", "neighbours=1")
    assert '"event": "stopping"' in own.log(ALICE)
    own.restart(ALICE)
    own.connected()


def test_operator_stops_a_daemon_and_is_answered_first(own: Network) -> None:
    assert own.ask(BOB, "stop")["reply"] == "done"
    assert own.exit_code(BOB) == 0
    own.restart(BOB)


def test_second_daemon_leaves_the_first_ones_socket_alone(own: Network) -> None:
    for name, program in ((ALICE, "qstackd"), ("qtwind", "qtwind")):
        command = [sys.executable, "-m", f"qstack.daemon.{program}", str(own.folder / f"{name}.toml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert own.socket(name).exists()
    assert own.ask(ALICE, "status")["device"] is not None


def test_daemon_whose_log_cannot_be_written_goes_on(own: Network) -> None:
    """Standard error is a pipe that nobody reads any more."""
    own.kill(ALICE, signal.SIGTERM)
    command = [sys.executable, "-m", "qstack.daemon.qstackd", str(own.folder / "alice.toml")]
    read, write = os.pipe()
    with Notifications(own.folder / "manager") as manager:
        process = subprocess.Popen(command, stderr=write, env=manager.environment)
        os.close(write)
        os.close(read)
        try:
            assert manager.next() == "READY=1"
            assert own.ask(ALICE, "reload")["reply"] == "done"
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
    own.restart(ALICE)


def test_capture_that_cannot_be_written_is_stopped_and_the_node_goes_on(own: Network) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    own.kill(ALICE, signal.SIGTERM)
    (own.folder / "alice.pcapng").unlink()
    (own.folder / "alice.pcapng").symlink_to(full)
    own.restart(ALICE)
    own.wait(ALICE, "connected")
    assert own.log(ALICE).count("capture stopped") == 1
    (own.folder / "alice.pcapng").unlink()


def test_idle_daemon_rests(own: Network) -> None:
    """It wakes for what it has to do, not to look whether there is something."""
    own.connected()
    before = ticks(own.pid(ALICE))
    own.ask(BOB, "wait", conditions=["units>1000000"], timeout_ms=1_000)
    assert ticks(own.pid(ALICE)) - before <= 10, "a tenth of a second of computing in a second of rest"


def test_all_daemons_that_stop_at_once_exit_0_and_leave_no_socket(own: Network) -> None:
    """The twin first: who waits for a device stops as well."""
    assert own.kill("qtwind", signal.SIGTERM) == 0
    own.wait_for_log(ALICE, "the device has gone")
    for name in NODES:
        os.kill(own.pid(name), signal.SIGTERM)
    assert [own.exit_code(name) for name in NODES] == [0] * 5
    assert not list(own.folder.glob("*.sock"))


def ticks(pid: int) -> int:
    """Processor time of a process in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

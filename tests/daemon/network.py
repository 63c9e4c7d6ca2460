"""A network of real processes, for tests: a laboratory whose nodes can be asked, killed and started again.

Nothing here sleeps: what is to come is waited for at a control socket (`wait`), or by reading.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from qstack.base.errors import LocalMisuse
from qstack.cli.laboratory import Laboratory
from qstack.io.framing import connect_blocking

__all__ = ["ALICE", "BOB", "ENDPOINT", "IDEAL", "NODES", "ROOT", "SERVED", "Network", "Notifications",
           "endpoint_urns", "running"]  # fmt: skip

ALICE, BOB = "alice", "bob"
NODES = (ALICE, "repeater", "madqci-border", "quditto-border", BOB)
ENDPOINT = "urn:qkd:madqci:ccips"
SERVED = "urn:qkd:quditto:emulator:ipsec:controller"
PATIENCE_S = 20.0

ROOT = Path(__file__).resolve().parents[2]
IDEAL = (ROOT / "tools/examples/madqci-quditto.toml").read_text()
_serial = iter(range(1 << 30))


def endpoint_urns(size: int = 256, valid_s: int = 3_600, peer: str = SERVED) -> list[str]:
    """The draft's unit, with another nonce each time."""
    until = int(time.time()) + valid_s
    return [f"{ENDPOINT}?=nonce={next(_serial)}", f"{peer}?=nid=af33017",
            f"urn:qkd:lifecycle?=size={size}&valid-until={until}"]  # fmt: skip


class Notifications:
    """A service manager's socket (sd_notify(3)), as tests need one."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.settimeout(PATIENCE_S)
        self._sock.bind(str(path))
        self.environment = {**os.environ, "NOTIFY_SOCKET": str(path)}

    def next(self) -> str:
        """The next notification."""
        return self._sock.recv(4_096).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()
        self._path.unlink(missing_ok=True)


class Network:
    """The laboratory in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.laboratory = Laboratory(folder)
        self._restarted: dict[str, subprocess.Popen[bytes]] = {}

    def up(self, topology: str | None = None, **options: Any) -> None:
        """Start a topology (TOML text); without one, the demonstration's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "topology.toml"
        path.write_text(IDEAL if topology is None else topology)
        self.laboratory.up(path, **options)

    def down(self) -> None:
        """End whatever runs."""
        for process in self._restarted.values():
            process.kill()
            process.wait()
        self.laboratory.down()

    # --- asking -----------------------------------------------------------------------------------------------------

    def socket(self, name: str) -> Path:
        """The control socket of a node."""
        return self.laboratory.socket_of(name)

    def ask(self, name: str, request: str, **fields: Any) -> dict[str, Any]:
        """One request of an operator, and its (first) reply."""
        with connect_blocking(self.socket(name), PATIENCE_S + 50) as sock, sock.makefile("rb") as replies:
            sock.sendall(json.dumps({"request": request, **fields}).encode() + b"\n")
            found: dict[str, Any] = json.loads(replies.readline())
            return found

    def answers(self, name: str, node: str, pings: int = 40) -> None:
        """Until another node has answered an echo. The first ones wait for the session between the ends."""
        for _ in range(pings):
            reply = self.ask(name, "ping", node=node, count=1, timeout_ms=500)
            if reply["round_trip_ns"] is not None:
                return
        raise AssertionError(f"{node} answered none of {pings} pings of {name}: {reply}")

    def wait(self, name: str, *conditions: str, timeout_s: float = PATIENCE_S) -> float:
        """Until the conditions hold at a node; how long it took there in seconds."""
        reply = self.ask(name, "wait", conditions=conditions, timeout_ms=round(timeout_s * 1000))
        assert reply.get("missing") == [], f"{name}: {reply}\n{self.log(name)}"
        return float(reply["waited_s"])

    def counter(self, name: str, counter: str) -> int:
        """One counter of a node."""
        return int(self.ask(name, "counters")["counters"].get(counter, 0))

    def connected(self, *names: str) -> None:
        """Until sealed traffic flows between all neighbours of these nodes (all nodes by default)."""
        for name in names or self.laboratory.nodes():
            self.wait(name, "connected")

    def nothing_held(self, *names: str) -> None:
        """Until no unit, circuit or memory is held at these nodes (all nodes by default)."""
        for name in names or self.laboratory.nodes():
            self.wait(name, "units=0", "circuits=0")
            self.wait_for_links(name)

    def wait_for_links(self, name: str) -> None:
        """Until all memories of a node are free."""
        deadline_s = time.monotonic() + PATIENCE_S
        while any(link["free"] != link["memories"] for link in self.ask(name, "links")["links"]):
            assert time.monotonic() < deadline_s, self.ask(name, "links")
            self.pause(name)

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for_log(self, name: str, text: str, times: int = 1) -> None:
        """Until a process has logged something, so many times in all."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.log(name).count(text) < times:
            assert time.monotonic() < deadline_s, self.log(name)
            self.pause(name)

    def pause(self, name: str) -> None:
        """Before looking again at what no condition tells."""
        self.ask(name, "wait", conditions=["units>1000000"], timeout_ms=20)

    # --- processes ----------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The number of a process: a node's name, or qtwind."""
        if name in self._restarted:
            return self._restarted[name].pid
        return next(each.pid for each in self.laboratory.processes() if each.name == name)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal that ends a process, and wait for its end; its exit code, negative for a signal."""
        os.kill(self.pid(name), number)
        return self.exit_code(name)

    def exit_code(self, name: str) -> int:
        """How a process ends that is about to end by itself."""
        if name in self._restarted:
            return self._restarted.pop(name).wait(PATIENCE_S)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid(name), 0)[1])

    def restart(self, name: str, *words: str) -> None:
        """Start a process that has ended again, with the same files; return when it says that it is ready."""
        module = "qtwind" if name == "qtwind" else "qstackd"
        command = [sys.executable, "-m", f"qstack.daemon.{module}", str(self.folder / f"{name}.toml"), *words]
        where = self.folder / f"manager-{next(_serial)}"
        with Notifications(where) as manager, (self.folder / f"{name}.log").open("ab") as log:
            self._restarted[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=manager.environment
            )
            assert manager.next() == "READY=1", self.log(name)

    def until_serving(self, name: str) -> None:
        """Until a daemon that somebody else has started answers."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask(name, "status")
                return
            except LocalMisuse as error:
                assert time.monotonic() < deadline_s, f"{error}\n{self.log(name)}"
                self.pause(self.laboratory.nodes()[-1])

    def rss_kib(self, name: str) -> int:
        """Resident memory of a process."""
        status = Path(f"/proc/{self.pid(name)}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


@contextmanager
def running(folder: Path, topology: str | None = None, **options: Any) -> Iterator[Network]:
    """A network that is down again afterwards, whatever happens."""
    network = Network(folder)
    try:
        network.up(topology, **options)
        yield network
    finally:
        network.down()

"""nodes.start/simulaqron: from the command to a network of three nodes and two links that can be used.

Ours: `qstack-lab up` with a twin and three daemons, until every daemon says that sealed traffic flows with its
neighbours: sockets, mutual TLS and address resolution done. Theirs: `simulaqron start` with three nodes on 127.0.0.1,
until its six listeners are there; it has no sessions. Certificates and environments are made beforehand; median of five
starts each, in turns.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tools.benchmarks.comparison import Comparison
from tools.benchmarks.peers import ROOT, SIMULAQRON_VERSION, PeerAbsent, simulaqron

__all__ = ["ENTRIES"]

STARTS = 5
PATIENCE_S = 15.0
LAB = ROOT / "build" / "bench" / "three-nodes"
TOPOLOGY = Path(__file__).with_name("three-nodes.toml")
NODES = ("alice", "bob", "charlie")
FOLDER = ROOT / "build" / "bench" / "simulaqron"
PORTS = {"Alice": (18001, 18002, 18003), "Bob": (18010, 18011, 18012), "Charlie": (18020, 18022, 18023)}
LISTENERS = {port for ports in PORTS.values() for port in ports[1:]}
SETTINGS = {
    "max_qubits": 20, "max_registers": 1000, "conn_retry_time": 0.5, "conn_max_retries": 10, "recv_timeout": 100,
    "recv_retry_time": 0.1, "recv_max_retries": 10, "log_level": 30, "sim_backend": "stabilizer",
    "noisy_qubits": False, "max_app_waiting_time": -1.0, "t1": 1.0,
}  # fmt: skip


def starts() -> Comparison:
    """Against SimulaQron."""
    peer = f"SimulaQron {SIMULAQRON_VERSION}"
    try:
        command = simulaqron()
        _write_settings()
        _start_theirs(command)
    except PeerAbsent as absent:
        _start_ours()
        ours = statistics.median(_start_ours() for _ in range(STARTS))
        return Comparison("nodes.start/simulaqron", ours, None, f"{peer} (absent: {absent})", "s")
    _start_ours()
    turns = [(_start_ours(), _start_theirs(command)) for _ in range(STARTS)]
    ours, theirs = (statistics.median(side) for side in zip(*turns, strict=True))
    return Comparison("nodes.start/simulaqron", ours, theirs, peer, "s")


def _start_ours() -> float:
    """Seconds until the network is up. It is down again afterwards."""
    lab = [sys.executable, "-m", "qstack.cli.lab"]
    start = time.perf_counter()
    try:
        subprocess.run([*lab, "up", str(TOPOLOGY), "--dir", str(LAB)], check=True, stdout=subprocess.DEVNULL)
        for node in NODES:
            _await_connected(LAB / f"{node}.sock")
        return time.perf_counter() - start
    finally:
        subprocess.run([*lab, "down", "--dir", str(LAB)], check=True, stdout=subprocess.DEVNULL)


def _await_connected(control: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.settimeout(PATIENCE_S)
        daemon.connect(str(control))
        daemon.sendall(b'{"request":"wait","conditions":["connected"]}\n')
        reply = daemon.makefile("rb").readline()
    assert json.loads(reply).get("missing") == [], reply


def _write_settings() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    kinds = ("app_socket", "qnodeos_socket", "vnode_socket")
    sockets = {name: [["127.0.0.1", port] for port in ports] for name, ports in PORTS.items()}
    nodes = [{name: dict(zip(kinds, each, strict=True))} for name, each in sockets.items()]
    network = [{"name": "default", "nodes": nodes, "topology": None}]
    (FOLDER / "network.json").write_text(json.dumps(network))
    (FOLDER / "settings.json").write_text(json.dumps(SETTINGS))


def _start_theirs(command: Path) -> float:
    """Seconds until all listeners are there. Raises `PeerAbsent` when they do not come."""
    if _listening() & LISTENERS:
        raise PeerAbsent(f"ports {sorted(_listening() & LISTENERS)} are in use")
    environment = {**os.environ, "HOME": str(FOLDER)}
    files = ["--network-config-file", "network.json", "--simulaqron-config-file", "settings.json"]
    start = time.perf_counter()
    silent = subprocess.DEVNULL
    try:
        with subprocess.Popen([str(command), "start", *files, "-n", ",".join(PORTS)], cwd=FOLDER, env=environment,
                              stdout=silent, stderr=silent, start_new_session=True):  # fmt: skip
            while missing := LISTENERS - _listening():
                if time.perf_counter() - start > PATIENCE_S:
                    raise PeerAbsent(f"{len(missing)} of its {len(LISTENERS)} listeners did not come up")
                time.sleep(0.01)
            return time.perf_counter() - start
    finally:
        subprocess.run([str(command), "stop"], cwd=FOLDER, env=environment, check=False, capture_output=True)
        _end_what_is_left()


def _listening() -> set[int]:
    """Ports on which somebody listens, IPv4 (proc(5), state 0A)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}


def _end_what_is_left() -> None:
    """See that nothing of the peer runs any more, so that it does not disturb the next turn."""
    until = time.monotonic() + PATIENCE_S
    while left := _theirs_running():
        for process in left:
            with suppress(OSError):
                os.kill(process, signal.SIGTERM if time.monotonic() < until else signal.SIGKILL)
        time.sleep(0.05)


def _theirs_running() -> list[int]:
    """Processes of the peer: they know themselves by the HOME that was given to them."""
    marker, found = f"HOME={FOLDER}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


ENTRIES = {"nodes.start/simulaqron": starts}

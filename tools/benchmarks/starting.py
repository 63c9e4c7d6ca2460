"""nodes.start/simulaqron: from the command to a network of three nodes and two links that can be used.

Ours: `qstack-lab up` with a twin and three daemons, until every daemon says that sealed traffic flows with its
neighbours: sockets, mutual TLS and address resolution done. Theirs: `simulaqron start` with three nodes on 127.0.0.1,
until its six listeners are there; it has no sessions. Certificates and environments are made beforehand; median of five
starts each, in turns.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tools.benchmarks.comparison import Comparison
from tools.benchmarks.peers import ROOT, SIMULAQRON_VERSION, PeerAbsent, simulaqron
from tools.benchmarks.simulaqron_network import simulaqron_running

__all__ = ["ENTRIES"]

STARTS = 5
PATIENCE_S = 15.0
LAB = ROOT / "build" / "bench" / "three-nodes"
TOPOLOGY = Path(__file__).with_name("three-nodes.toml")
NODES = ("alice", "bob", "charlie")


def starts() -> Comparison:
    """Against SimulaQron."""
    peer = f"SimulaQron {SIMULAQRON_VERSION}"
    try:
        command = simulaqron()
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


def _start_theirs(command: Path) -> float:
    """Seconds until all listeners are there. Raises `PeerAbsent` when they do not come."""
    with simulaqron_running(command) as took_s:
        return took_s


ENTRIES = {"nodes.start/simulaqron": starts}

"""link.pairs and link.connect: EPR pairs between two applications on the ends of one link.

Both sides run the same program in two processes: open an EPR socket, then create_keep and measure (recv_keep and
measure at the other end) until all pairs are measured. Ours (`epr_application.py`) on two `qstackd` with mutual TLS and
a `qtwind`, on an ideal link without pacing, the attempts and heralds of every pair made all the same; theirs
(`simulaqron_application.py`) by NetQASM's SDK on a SimulaQron network, which has an ideal channel and no attempts.
Both in batches of 8, since SimulaQron has room for 20 qubits. Correlation is told beside each rate; a side with wrong
outcomes has no rate. Median of three runs each, in turns, every run of theirs on a new network.

`link.connect`: from opening the socket until pairs can be asked for; ours includes the handshake with the other end.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools.benchmarks.comparison import Comparison
from tools.benchmarks.peers import ROOT, SIMULAQRON_VERSION, PeerAbsent, simulaqron
from tools.benchmarks.simulaqron_network import FOLDER, environment, simulaqron_running

__all__ = ["ENTRIES"]

RUNS = 3
HERE = Path(__file__).parent
LAB = ROOT / "build" / "bench" / "two-nodes"
PEER = f"SimulaQron {SIMULAQRON_VERSION}"
OUR_PAIRS, THEIR_PAIRS, BATCH = 2_048, 48, 8
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Run:
    """What one run of both applications gave."""

    pairs: int
    equal: int
    loop_s: float
    connect_s: float

    @property
    def rate(self) -> float:
        """Pairs a second; outcomes that are not correlated are none."""
        return self.pairs / self.loop_s if self.equal == self.pairs else 0.0


def pairs() -> Comparison:
    """Rate of pairs, created, kept and measured."""
    ours, theirs, absent = _runs()
    unit = f"pairs/s; equal outcomes: ours {_equal(ours)}, theirs {_equal(theirs)}"
    return Comparison("link.pairs/simulaqron", _median([run.rate for run in ours]),
                      _median([run.rate for run in theirs]) if theirs else None, PEER + absent, unit,
                      larger_is_better=True)  # fmt: skip


def connect() -> Comparison:
    """Until a socket can be used."""
    ours, theirs, absent = _runs()
    return Comparison("link.connect/simulaqron", _median([run.connect_s * 1e3 for run in ours]),
                      _median([run.connect_s * 1e3 for run in theirs]) if theirs else None, PEER + absent,
                      "ms")  # fmt: skip


@cache
def _runs() -> tuple[list[Run], list[Run], str]:
    """All runs; with the peer absent only ours, and why."""
    ours: list[Run] = []
    theirs: list[Run] = []
    absent = ""
    try:
        command = simulaqron()
    except PeerAbsent as why:
        command, absent = Path(), f" (absent: {why})"
    with _our_network():
        _our_run()  # warm
        for _ in range(RUNS):
            ours.append(_our_run())
            if not absent:
                try:
                    with simulaqron_running(command):
                        theirs.append(_their_run(command))
                except (PeerAbsent, subprocess.SubprocessError) as why:
                    absent = f" (absent: {str(why)[:120]})" if not theirs else ""
    return ours, theirs, absent


@contextmanager
def _our_network() -> Iterator[None]:
    lab = [sys.executable, "-m", "qstack.cli.lab"]
    try:
        subprocess.run([*lab, "up", str(HERE / "two-nodes.toml"), "--dir", str(LAB)], check=True, capture_output=True)
        for node in ("alice", "bob"):
            control = [sys.executable, "-m", "qstack.cli.qstackctl", "--socket", str(LAB / f"{node}.sock")]
            subprocess.run([*control, "wait", "connected"], check=True, capture_output=True)
        yield
    finally:
        subprocess.run([*lab, "down", "--dir", str(LAB)], check=True, capture_output=True)


def _our_run() -> Run:
    program = [sys.executable, str(HERE / "epr_application.py")]
    size = [str(OUR_PAIRS), str(BATCH)]
    return _run([*program, "receive", str(LAB / "bob.sock"), "64512.1", *size],
                [*program, "create", str(LAB / "alice.sock"), "64512.2", *size])  # fmt: skip


def _their_run(command: Path) -> Run:
    program = [str(command.with_name("python")), str(HERE / "simulaqron_application.py")]
    size = [str(THEIR_PAIRS), str(BATCH)]
    return _run([*program, "receive", *size], [*program, "create", *size], cwd=FOLDER, env=environment())


def _run(receiver: list[str], creator: list[str], **where: Any) -> Run:
    """Both applications at once. Raises `subprocess.SubprocessError` when one fails."""
    with subprocess.Popen(receiver, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **where) as other:
        try:
            done = subprocess.run(creator, capture_output=True, text=True, check=True, timeout=PATIENCE_S, **where)
            told, errors = other.communicate(timeout=PATIENCE_S)
        except BaseException:
            other.kill()
            raise
    if other.returncode:
        raise subprocess.SubprocessError(f"the receiving end failed: {errors[-200:]}")
    one, two = json.loads(done.stdout.splitlines()[-1]), json.loads(told.splitlines()[-1])
    equal = sum(a == b for a, b in zip(one["outcomes"], two["outcomes"], strict=True))
    return Run(len(one["outcomes"]), equal, max(one["loop_s"], two["loop_s"]), one["connect_s"])


def _median(figures: list[float]) -> float:
    return statistics.median(figures)


def _equal(runs: list[Run]) -> str:
    return f"{sum(run.equal for run in runs)} of {sum(run.pairs for run in runs)}" if runs else "none"


ENTRIES = {"link.pairs/simulaqron": pairs, "link.connect/simulaqron": connect}

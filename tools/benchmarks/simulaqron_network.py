"""A network of three SimulaQron nodes on 127.0.0.1, for as long as it is measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.benchmarks.peers import ROOT, PeerAbsent

__all__ = ["FOLDER", "environment", "simulaqron_running"]

PATIENCE_S = 15.0
FOLDER = ROOT / "build" / "bench" / "simulaqron"
PORTS = {"Alice": (18001, 18002, 18003), "Bob": (18010, 18011, 18012), "Charlie": (18020, 18022, 18023)}
LISTENERS = {port for ports in PORTS.values() for port in ports[1:]}
SETTINGS = {
    "max_qubits": 20, "max_registers": 1000, "conn_retry_time": 0.5, "conn_max_retries": 10, "recv_timeout": 100,
    "recv_retry_time": 0.1, "recv_max_retries": 10, "log_level": 30, "sim_backend": "stabilizer",
    "noisy_qubits": False, "max_app_waiting_time": -1.0, "t1": 1.0,
}  # fmt: skip


@contextmanager
def simulaqron_running(command: Path) -> Iterator[float]:
    """The network, up; seconds from the command until all its listeners were there. Raises `PeerAbsent`."""
    if _listening() & LISTENERS:
        raise PeerAbsent(f"ports {sorted(_listening() & LISTENERS)} are in use")
    _write_settings()
    files = ["--network-config-file", "network.json", "--simulaqron-config-file", "settings.json"]
    start = time.perf_counter()
    silent = subprocess.DEVNULL
    try:
        with subprocess.Popen([str(command), "start", *files, "-n", ",".join(PORTS)], cwd=FOLDER, env=environment(),
                              stdout=silent, stderr=silent, start_new_session=True):  # fmt: skip
            while missing := LISTENERS - _listening():
                if time.perf_counter() - start > PATIENCE_S:
                    raise PeerAbsent(f"{len(missing)} of its {len(LISTENERS)} listeners did not come up")
                time.sleep(0.01)
            yield time.perf_counter() - start
    finally:
        subprocess.run([str(command), "stop"], cwd=FOLDER, env=environment(), check=False, capture_output=True)
        _end_what_is_left()


def environment() -> dict[str, str]:
    """By which its processes are known again."""
    return {**os.environ, "HOME": str(FOLDER)}


def _write_settings() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    kinds = ("app_socket", "qnodeos_socket", "vnode_socket")
    sockets = {name: [["127.0.0.1", port] for port in ports] for name, ports in PORTS.items()}
    nodes = [{name: dict(zip(kinds, each, strict=True))} for name, each in sockets.items()]
    network = [{"name": "default", "nodes": nodes, "topology": None}]
    (FOLDER / "network.json").write_text(json.dumps(network))
    (FOLDER / "settings.json").write_text(json.dumps(SETTINGS))


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

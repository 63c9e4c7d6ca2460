"""A whole network on one machine: files, certificates, processes, and their end.

Laws:

* Everything of a laboratory lies in one folder; `lab.json` there says which processes belong to it. A process is known
  by its number and its start time, so one that merely got the same number later is never touched.
* Certificates are made once and used again while they are valid for the same topology; configurations are written anew.
* A laboratory that does not come up whole is taken down, and the log of the process that failed is shown.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from qstack.base.errors import LocalMisuse
from qstack.base.ids import as_number, format_qna
from qstack.cli.namespaces import Namespaces
from qstack.config.expansion import (
    TWIN_SOCKET,
    Expansion,
    ca_folder,
    consecutive_addresses,
    expand,
    loopback_start,
    node_folder,
)
from qstack.config.loading import load_topology
from qstack.config.topology import TopologyFile
from qstack.config.writing import to_toml
from qstack.pki import files as pki

__all__ = ["Laboratory", "LabProcess"]

_STATE = "lab.json"
_TWIN = "qtwind"
_POLL_S = 0.01
_STOP_S = 5.0
_RENEW_BEFORE_S = 86_400
_LOG_TAIL = 12


@dataclass(frozen=True, slots=True)
class LabProcess:
    """One process of a laboratory. `started`: clock ticks since boot, as the kernel counts them."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started


@dataclass(slots=True)
class Laboratory:
    """The laboratory in `folder`."""

    folder: Path

    # --- up ----------------------------------------------------------------------------------------------------

    def up(self, topology_path: Path, *, netns: bool = False, patience_s: float = 20.0) -> list[LabProcess]:
        """Start the network of a topology; return when every daemon answers.

        Raises `LocalMisuse` when it does not come up whole, and then all is down.
        """
        running = [each.name for each in self.processes() if each.alive]
        if running:
            raise LocalMisuse(f"{', '.join(running)} still run; qstack-lab down --dir {self.folder} first")
        topology = load_topology(topology_path)
        self.folder.mkdir(parents=True, exist_ok=True)
        namespaces = Namespaces(topology.lab.name, [node.name for node in topology.nodes]) if netns else None
        addresses = (consecutive_addresses(topology, loopback_start(self.folder)) if namespaces is None
                     else namespaces.addresses(topology))  # fmt: skip
        expansion = expand(topology, addresses)
        self._write(topology, expansion)
        started: list[tuple[str, subprocess.Popen[bytes]]] = []
        try:
            if namespaces is not None:
                namespaces.up(addresses)
            started = self._start(expansion, namespaces)
            self._remember(topology, started, namespaces)
            self._await(expansion, dict(started), time.monotonic() + patience_s)
        except BaseException:
            self.down()
            raise
        return self.processes()

    def _write(self, topology: TopologyFile, expansion: Expansion) -> None:
        (self.folder / f"{_TWIN}.toml").write_text(to_toml(expansion.twin))
        for name, file in expansion.nodes.items():
            (self.folder / f"{name}.toml").write_text(to_toml(file))
        for as_, prefixes in expansion.authorities.items():
            folder = self.folder / ca_folder(as_)
            if not _usable(folder / pki.CA_CERTIFICATE, str(as_), prefixes):
                pki.init_ca(folder, as_, prefixes, force=True)
                for node in topology.nodes:  # what the former CA has issued counts no more
                    if as_number(node.qna) == as_:
                        (self.folder / node_folder(node.name) / pki.NODE_CERTIFICATE).unlink(missing_ok=True)
        for node in topology.nodes:
            folder = self.folder / node_folder(node.name)
            urns = tuple(str(urn) for urn in node.urns)
            if not _usable(folder / pki.NODE_CERTIFICATE, format_qna(node.qna), urns):
                pki.issue(self.folder / ca_folder(as_number(node.qna)), node.qna, folder, urns, force=True)

    def _start(self, expansion: Expansion, namespaces: Namespaces | None) -> list[tuple[str, subprocess.Popen[bytes]]]:
        for name in expansion.nodes:
            self.socket_of(name).unlink(missing_ok=True)
        started = [(_TWIN, self._spawn(_TWIN, "qstack.daemon.qtwind", []))]
        for name in expansion.nodes:
            prefix = [] if namespaces is None else namespaces.prefix(name)
            started.append((name, self._spawn(name, "qstack.daemon.qstackd", prefix)))
        return started

    def _spawn(self, name: str, module: str, prefix: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [*prefix, sys.executable, "-m", module, str(self.folder / f"{name}.toml")]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _remember(
        self, topology: TopologyFile, started: list[tuple[str, subprocess.Popen[bytes]]], namespaces: Namespaces | None
    ) -> None:
        processes = [LabProcess(name, process.pid, _start_time(process.pid) or 0) for name, process in started]
        names = [node.name for node in topology.nodes]
        state = _State(topology.lab.name, names, namespaces is not None, processes)
        (self.folder / _STATE).write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")

    def _await(self, expansion: Expansion, started: dict[str, subprocess.Popen[bytes]], deadline_s: float) -> None:
        waiting = set(expansion.nodes)
        while waiting:
            for name, process in started.items():
                if process.poll() is not None:
                    raise LocalMisuse(f"{name} ended with code {process.returncode}:\n{self._tail(name)}")
            waiting = {name for name in waiting if not _answers(self.socket_of(name))}
            if waiting and time.monotonic() > deadline_s:
                name = sorted(waiting)[0]
                late = ", ".join(sorted(waiting))
                raise LocalMisuse(f"{late} did not come up in time; {name} says:\n{self._tail(name)}")
            time.sleep(_POLL_S)

    def _tail(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_TAIL:]) or "  (nothing was logged)"

    # --- afterwards ----------------------------------------------------------------------------------------------

    def processes(self) -> list[LabProcess]:
        """The processes that were started, alive or not; none without a `lab.json`."""
        return self._state().processes

    def nodes(self) -> list[str]:
        """The nodes' names, in the topology's order."""
        return self._state().nodes

    def socket_of(self, name: str) -> Path:
        """The control socket of a node."""
        return self.folder / f"{name}.sock"

    def down(self) -> list[str]:
        """End every process of the laboratory, nodes before the twin; return who had to be killed."""
        processes = [each for each in self.processes() if each.alive]
        _end([each for each in processes if each.name != _TWIN], signal.SIGTERM)
        killed = _survivors([each for each in processes if each.name != _TWIN])
        _end([each for each in processes if each.name == _TWIN], signal.SIGTERM)
        killed += _survivors([each for each in processes if each.name == _TWIN])
        state = self._state()
        if state.netns:
            Namespaces(state.lab, state.nodes).down()
        (self.folder / TWIN_SOCKET).unlink(missing_ok=True)
        (self.folder / _STATE).unlink(missing_ok=True)
        return killed

    def command_for(self, name: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
        """How to run `command` as if on a node: its network namespace, and its socket in QSTACK_SOCKET."""
        state = self._state()
        if name not in state.nodes:
            there = ", ".join(state.nodes) or "none, it is down"
            raise LocalMisuse(f"{name} is no node of {self.folder}: there are {there}")
        prefix = Namespaces(state.lab, state.nodes).prefix(name) if state.netns else []
        return [*prefix, *command], {**os.environ, "QSTACK_SOCKET": str(self.socket_of(name).absolute())}

    def _state(self) -> "_State":
        path = self.folder / _STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=_State)
        except FileNotFoundError:
            return _State()
        except msgspec.DecodeError as error:
            raise LocalMisuse(f"{path} is damaged ({error}); end its processes by hand and remove it") from error


class _State(msgspec.Struct):
    """What `lab.json` says."""

    lab: str = ""
    nodes: list[str] = []
    netns: bool = False
    processes: list[LabProcess] = []


def _usable(certificate: Path, name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a certificate exists, says this, and stays valid for a day."""
    if not certificate.exists():
        return False
    said = pki.show(certificate)
    lasts = int(str(said["not_after_unix"])) - time.time()
    return said["name"] == name and said["urn_prefixes"] == list(prefixes) and lasts > _RENEW_BEFORE_S


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _start_time(pid: int) -> int | None:
    """Start time of a process (proc(5), field 22 of stat); None when there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _end(processes: list[LabProcess], number: signal.Signals) -> None:
    for each in processes:
        if each.alive:
            os.kill(each.pid, number)


def _survivors(processes: list[LabProcess]) -> list[str]:
    """Wait for processes to end; kill those that do not."""
    deadline_s = time.monotonic() + _STOP_S
    while (left := [each for each in processes if _alive_after_reaping(each)]) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    _end(left, signal.SIGKILL)
    return [each.name for each in left]


def _alive_after_reaping(process: LabProcess) -> bool:
    with suppress(ChildProcessError):  # somebody else's child: the laboratory was started by another command
        os.waitpid(process.pid, os.WNOHANG)
    return process.alive

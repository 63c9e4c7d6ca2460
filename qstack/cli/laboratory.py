"""A whole network on one machine: files, certificates, processes, and their end.

Laws:

* Everything of a laboratory lies in one folder; `lab.json` there says what belongs to it, and says so before the next
  thing is made: whatever goes wrong half-way, `down` finds all of it.
* Certificates are made once and used again while they are valid for the same topology; configurations are written anew.
* A laboratory that does not come up whole is taken down, and the log of the process that failed is shown.
"""

import os
import pwd
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from qstack.base.errors import LocalMisuse
from qstack.base.ids import as_number, format_qna
from qstack.cli.namespaces import Namespaces
from qstack.cli.processes import LabProcess, end_all, exit_code, spawn
from qstack.config.broker import Broker
from qstack.config.expansion import (
    BROKER_HOST,
    BROKER_NAME,
    OPERATOR_SOCKET,
    TWIN_NAME,
    TWIN_SOCKET,
    Expansion,
    broker_cas,
    ca_folder,
    consecutive_addresses,
    expand,
    loopback_start,
    node_folder,
)
from qstack.config.loading import load_topology
from qstack.config.mosquitto import CONFIGURATION_FILE, write_mosquitto
from qstack.config.topology import TopologyFile
from qstack.config.value import InputFile
from qstack.config.writing import to_toml
from qstack.pki import files as pki

__all__ = ["Laboratory"]

_STATE = "lab.json"
_POLL_S = 0.01
_RENEW_BEFORE_S = 86_400
_LOG_TAIL = 12


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
        if netns and topology.lab.mqtt_port:
            raise LocalMisuse("[lab] mqtt-port: no namespace reaches the broker on 127.0.0.1; leave out one of the two")
        namespaces = Namespaces(topology.lab.name, [node.name for node in topology.nodes]) if netns else None
        addresses = (consecutive_addresses(topology, loopback_start(self.folder)) if namespaces is None
                     else namespaces.addresses(topology))  # fmt: skip
        expansion = expand(topology, addresses)
        self._write(topology, expansion)
        self._remember(_State(topology.lab.name, list(expansion.nodes), namespaces is not None))
        try:
            if namespaces is not None:
                namespaces.up(addresses)
            self._start(expansion, namespaces)
            self._await(expansion, time.monotonic() + patience_s)
        except BaseException:
            self.down()
            raise
        return self.processes()

    def _write(self, topology: TopologyFile, expansion: Expansion) -> None:
        (self.folder / f"{TWIN_NAME}.toml").write_text(to_toml(expansion.twin))
        for name, file in expansion.nodes.items():
            (self.folder / f"{name}.toml").write_text(to_toml(file))
        for as_, prefixes in expansion.authorities.items():
            folder = self.folder / ca_folder(as_)
            if not _usable(folder / pki.CA_CERTIFICATE, str(as_), prefixes):
                pki.init_ca(folder, as_, prefixes, force=True)
                for node in topology.nodes:  # what the former CA has issued counts no more
                    if as_number(node.qna) == as_:
                        (self.folder / node_folder(node.name) / pki.NODE_CERTIFICATE).unlink(missing_ok=True)
        if expansion.twin.listen.mqtt is not None:
            self._write_broker(expansion, expansion.twin.listen.mqtt)
        for node in topology.nodes:
            folder = self.folder / node_folder(node.name)
            urns = tuple(str(urn) for urn in node.urns)
            if not _usable(folder / pki.NODE_CERTIFICATE, format_qna(node.qna), urns):
                pki.issue(self.folder / ca_folder(as_number(node.qna)), node.qna, folder, urns, force=True)

    def _start(self, expansion: Expansion, namespaces: Namespaces | None) -> None:
        for name in expansion.nodes:
            self.socket_of(name).unlink(missing_ok=True)
        if expansion.twin.listen.mqtt is not None:
            configuration = self.folder / node_folder(BROKER_NAME) / CONFIGURATION_FILE
            self._spawn(BROKER_NAME, [_mosquitto(), "-c", str(configuration)])
        self._spawn_daemon(TWIN_NAME, "qstack.daemon.qtwind", [])
        for name in expansion.nodes:
            self._spawn_daemon(name, "qstack.daemon.qstackd", [] if namespaces is None else namespaces.prefix(name))

    def _write_broker(self, expansion: Expansion, broker: Broker) -> None:
        """Certificates of broker and twin, by the first CA that there is, and Mosquitto's files."""
        first = self.folder / ca_folder(next(iter(expansion.authorities)))
        for name, hosts in ((BROKER_NAME, (BROKER_HOST,)), (TWIN_NAME, ())):
            pki.issue_service(first, name, self.folder / node_folder(name), hosts, force=True)
        folder = self.folder / node_folder(BROKER_NAME)
        cas = [(self.folder / ca_folder(as_) / pki.CA_CERTIFICATE).read_text() for as_ in expansion.authorities]
        broker_cas(folder).write_text("".join(cas))
        here = msgspec.structs.replace(broker, ca=InputFile(broker_cas(folder)))
        write_mosquitto(folder, here, TWIN_NAME, pwd.getpwuid(os.getuid()).pw_name)

    def _spawn_daemon(self, name: str, module: str, prefix: list[str]) -> None:
        self._spawn(name, [*prefix, sys.executable, "-m", module, str(self.folder / f"{name}.toml")])

    def _spawn(self, name: str, command: list[str]) -> None:
        state = self._state()
        state.processes.append(spawn(name, command, self.folder / f"{name}.log"))
        self._remember(state)

    def _await(self, expansion: Expansion, deadline_s: float) -> None:
        waiting = set(expansion.nodes)
        started = self.processes()
        while waiting:
            for process in started:
                code = exit_code(process)
                if code is not None:
                    raise LocalMisuse(f"{process.name} ended with code {code}:\n{self._tail(process.name)}")
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
        """End every process of the laboratory, nodes before the twin and that before the broker; return who had to be
        killed."""
        state = self._state()
        last = (TWIN_NAME, BROKER_NAME)
        killed = end_all([each for each in state.processes if each.name not in last])
        for name in last:
            killed += end_all([each for each in state.processes if each.name == name])
        if state.netns:
            Namespaces(state.lab, state.nodes).down()
        for path in (*map(self.socket_of, state.nodes), self.folder / TWIN_SOCKET, self.folder / OPERATOR_SOCKET):
            path.unlink(missing_ok=True)
        (self.folder / _STATE).unlink(missing_ok=True)
        return killed

    def command_for(self, name: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
        """How to run `command` as if on a node: in its network namespace, with its socket, with our commands found."""
        state = self._state()
        if name not in state.nodes:
            there = ", ".join(state.nodes) or "none, it is down"
            raise LocalMisuse(f"{name} is no node of {self.folder}: there are {there}")
        prefix = Namespaces(state.lab, state.nodes).prefix(name) if state.netns else []
        beside = str(Path(sys.executable).parent)  # where qstackctl is, also when that environment is not activated
        search = os.pathsep.join((beside, os.environ.get("PATH", os.defpath)))
        socket_path = str(self.socket_of(name).absolute())
        return [*prefix, *command], {**os.environ, "PATH": search, "QSTACK_SOCKET": socket_path}

    def _remember(self, state: "_State") -> None:
        path = self.folder / _STATE
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
        fresh.replace(path)

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


def _mosquitto() -> str:
    """Debian keeps it where only root's PATH leads."""
    found = shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    if found is None:
        raise LocalMisuse("mosquitto is not installed. On Debian or Ubuntu: apt-get install mosquitto")
    return found


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

"""One network namespace a node, joined by a bridge in a namespace of its own. Needs root and iproute2."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import IPv4Address
from typing import Any

from qstack.base.errors import LocalMisuse
from qstack.config.topology import TopologyFile

__all__ = ["Namespaces"]

_NETWORK = IPv4Address("10.64.0.0")
_PREFIX_LENGTH = 16
_BRIDGE = "br0"


class Namespaces:
    """The namespaces of the laboratory `lab`. Their names begin with `qs-`, the lab's name, and the node's."""

    def __init__(self, lab: str, nodes: Any) -> None:
        self.lab = lab
        self.nodes: list[str] = list(nodes)

    def addresses(self, topology: TopologyFile) -> dict[str, str]:
        """An address for each node: those that the topology names are of the host, so none of them is used."""
        return {node.name: str(_NETWORK + number) for number, node in enumerate(topology.nodes, 1)}

    def prefix(self, node: str) -> list[str]:
        """What to put before a command to run it in a node's namespace."""
        return ["ip", "netns", "exec", self._name(node)]

    def up(self, addresses: dict[str, str]) -> None:
        """Make them. Raises `LocalMisuse` naming what is missing."""
        if os.geteuid() != 0:
            raise LocalMisuse("--netns makes network namespaces: run it as root, or leave --netns out")
        if shutil.which("ip") is None:
            raise LocalMisuse("--netns needs the command ip: apt-get install iproute2")
        self.down()
        hub = self._name("")
        _run("ip", "netns", "add", hub)
        _run("ip", "-n", hub, "link", "add", _BRIDGE, "type", "bridge")
        _run("ip", "-n", hub, "link", "set", _BRIDGE, "up")
        for number, node in enumerate(self.nodes):
            self._join(hub, node, f"p{number}", addresses[node])

    def _join(self, hub: str, node: str, port: str, address: str) -> None:
        name = self._name(node)
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "-n", hub, "link", "set", port, "master", _BRIDGE, "up")
        _run("ip", "-n", name, "address", "add", f"{address}/{_PREFIX_LENGTH}", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _run("ip", "-n", name, "route", "add", "224.0.0.0/4", "dev", "eth0")

    def down(self) -> None:
        """Remove those that exist."""
        there = set(_output("ip", "netns", "list").split())
        for node in (*self.nodes, ""):
            if self._name(node) in there:
                _run("ip", "netns", "delete", self._name(node))

    def _name(self, node: str) -> str:
        """`qs-<lab>-<node>`; long names are shortened by a digest."""
        name = f"qs-{self.lab}-{node or 'bridge.'}"
        digest = blake2b(name.encode(), digest_size=3).hexdigest()
        return name if len(name) <= 60 else f"{name[:53]}-{digest}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalMisuse(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def _output(*command: Sequence[str] | str) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False).stdout

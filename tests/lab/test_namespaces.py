"""Five nodes in network namespaces of their own: the same main job, and nothing left behind, whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qstack.base.errors import LocalMisuse
from tests.daemon.application import Application
from tests.daemon.network import ALICE, BOB, IDEAL, NODES, SERVED, Network, endpoint_urns

# Not the demonstration's name: that laboratory may run in namespaces on the same machine.
TOPOLOGY = IDEAL.replace('name = "madqci-quditto"', f'name = "test-{os.getpid()}"')


def allowed() -> str:
    """Why namespaces cannot be made here; empty when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip is not installed. On Debian or Ubuntu: apt-get install iproute2"
    name = f"qs-try-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return done.stderr.strip()


pytestmark = pytest.mark.skipif(bool(allowed()), reason=allowed() or "-")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path / "lab")
    yield made
    made.down()
    assert namespaces() == set()


def namespaces() -> set[str]:
    """Namespaces of this test's laboratories."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if f"qs-test-{os.getpid()}" in line}


@pytest.mark.parametrize("multicast", [False, True], ids=["unicast", "multicast"])
def test_main_job_in_five_namespaces(network: Network, multicast: bool) -> None:
    group = 'capture = true\nmulticast = "239.64.64.3:4560"'
    network.up(TOPOLOGY.replace("capture = true", group) if multicast else TOPOLOGY, netns=True)
    assert len(namespaces()) == len(NODES) + 1
    network.connected()
    listening = {network.ask(name, "status")["listen"][0].partition(":")[0] for name in NODES}
    assert len(listening) == len(NODES)
    assert not any(address.startswith("127.") for address in listening)
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        ours = alice.open_unit(endpoint_urns()).key()
        theirs = bob.next_unit().key()
    assert ours.key == theirs.key
    assert ours.confirmed
    network.nothing_held()


def test_command_on_a_node_runs_in_its_namespace(network: Network) -> None:
    network.up(TOPOLOGY, netns=True)
    here = network.ask(ALICE, "status")["listen"][0].partition(":")[0]
    words, environment = network.laboratory.command_for(ALICE, [
        sys.executable, "-c", "import os, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        f"s.bind(('{here}', 0)); print(os.environ['QSTACK_SOCKET'])"])  # fmt: skip
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == str(network.socket(ALICE))


def test_node_that_does_not_start_takes_all_namespaces_with_it(network: Network) -> None:
    """bob's capture cannot be written: a folder is in its place."""
    (network.folder / "bob.pcapng").mkdir(parents=True)
    with pytest.raises(LocalMisuse, match="bob ended with code 1"):
        network.up(TOPOLOGY, netns=True)
    assert namespaces() == set()
    assert not network.laboratory.processes()


def test_namespaces_that_cannot_be_made_are_taken_back(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """One address twice: the second node is refused when the first ones are there already."""
    from qstack.cli import namespaces as made

    join = made.Namespaces._join

    def fail_at_bob(self: made.Namespaces, hub: str, node: str, port: str, address: str) -> None:
        join(self, hub, node, port, "10.64.0.999" if node == BOB else address)

    monkeypatch.setattr(made.Namespaces, "_join", fail_at_bob)
    with pytest.raises(LocalMisuse, match="address add"):
        network.up(TOPOLOGY, netns=True)
    assert namespaces() == set()


def test_killed_daemons_leave_namespaces_that_down_removes(network: Network) -> None:
    network.up(TOPOLOGY, netns=True)
    for name in (*NODES, "qtwind"):
        network.kill(name)
    assert network.laboratory.down() == []
    assert namespaces() == set()

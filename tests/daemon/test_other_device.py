"""Another device behind the same socket: real daemons on `tools/examples/bell_device.py`, which knows no twin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qstack.base.bell import Basis
from qstack.quantum.bell import disagrees
from tests.daemon.application import Application
from tests.daemon.network import ALICE, BOB, ROOT, Network, endpoint_urns, running

HERE, THERE = "urn:qkd:madqci:ccips", "urn:qkd:madqci:ipsec"
TOPOLOGY = f"""
    [lab]
    name = "pair"
    [[domain]]
    as = 64512
    urn-prefixes = ["urn:qkd:madqci"]
    [[node]]
    name = "{ALICE}"
    qna = "64512.1"
    urn = ["{HERE}"]
    [[node]]
    name = "repeater"
    qna = "64512.2"
    [[node]]
    name = "{BOB}"
    qna = "64512.3"
    urn = ["{THERE}"]
    [[link]]
    between = ["{ALICE}", "repeater"]
    [[link]]
    between = ["repeater", "{BOB}"]
"""


@contextmanager
def on_the_other_device(folder: Path) -> Iterator[Network]:
    """The daemons of three nodes, their twin replaced while they run."""
    with running(folder, TOPOLOGY) as network:
        network.connected()
        network.kill("qtwind")
        network.wait_for_log(ALICE, "the device has gone")
        (folder / "qtwind.sock").unlink(missing_ok=True)
        links = ("--link", "1:64512.1:64512.2:64512.2", "--link", "2:64512.2:64512.3:64512.3")
        device = subprocess.Popen([sys.executable, str(ROOT / "tools/examples/bell_device.py"), "qtwind.sock", *links,
                                   "--memories", "64"], cwd=folder, stdout=subprocess.PIPE)  # fmt: skip
        try:
            assert device.stdout is not None and device.stdout.readline().startswith(b"ready")
            for name in (ALICE, BOB):  # a device with more memories than theirs: they end, to be started anew
                network.exit_code(name)
                network.restart(name)
            network.connected()
            yield network
        finally:
            device.kill()
            device.communicate()


def test_daemons_make_pairs_and_keys_on_another_device(tmp_path: Path) -> None:
    with on_the_other_device(tmp_path / "lab") as network:
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(THERE)
            for number, basis in enumerate((Basis.Z, Basis.X, Basis.Y)):
                urns = [f"{HERE}?=nonce={number}", f"{THERE}?=nid=1", endpoint_urns(12, peer=THERE)[2]]
                unit = alice.open_unit(urns, "PAIRS")
                incoming = bob.next_unit()
                ours, theirs = unit.pairs(12), incoming.pairs(12)
                bits = unit.measure(ours, basis), incoming.measure(theirs, basis)
                for each in ours:
                    assert bits[0][each.pair] ^ bits[1][each.pair] == disagrees(each.bell_index, basis)
                unit.close()
            urns = [f"{HERE}?=nonce=key", f"{THERE}?=nid=1", endpoint_urns(128, peer=THERE)[2]]
            key = alice.open_unit(urns).key()
            assert key.key == bob.next_unit().key().key and key.errors == 0
        network.nothing_held()

"""`kill -9` in the middle of a request: applications are told, survivors hold nothing, the dead come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from qstack.base.errors import ErrorCode
from tests.daemon.application import Application, Gone, TestUnit
from tests.daemon.network import ALICE, BOB, IDEAL, NODES, SERVED, Network, endpoint_urns, running

# Attempts succeed so seldom that a key takes seconds: there is time to kill. Silence is noticed within a second.
SLOW = IDEAL.replace(
    "memories = 192", 'memories = 192\nmodel = { kind = "werner", fidelity = 1.0, success-probability = 0.001 }'
) + """
[tuning.session]
silence-after-sending-ns = 300_000_000
silence-ns = 500_000_000
probe-interval-ns = 100_000_000
probes = 5
"""  # fmt: skip


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network in which a key takes seconds; tests leave it whole."""
    with running(tmp_path_factory.mktemp("slow"), SLOW) as network:
        yield network


def begin(network: Network, alice: Application, bob: Application) -> tuple[TestUnit, TestUnit]:
    """A key unit that has come as far as measuring, at both ends."""
    bob.claim(SERVED)
    ours, theirs = alice.open_unit(endpoint_urns()), bob.next_unit()
    for name in (ALICE, BOB):
        network.wait(name, "unit=measuring")
    return ours, theirs


def check_whole(network: Network) -> None:
    """Everything is free, and a new unit succeeds."""
    network.nothing_held()
    network.connected()
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        network.wait(BOB, "endpoints=0")
        bob.claim(SERVED)
        ours = alice.open_unit(endpoint_urns(4), "PAIRS")
        near, far = ours.pairs(4), bob.next_unit().pairs(4)
        assert {pair.pair for pair in near} == {pair.pair for pair in far}
    network.nothing_held()


@pytest.mark.parametrize("victim", ["repeater", "madqci-border", "quditto-border"])
def test_kill_of_a_node_on_the_way_fails_the_unit_at_both_ends(slow: Network, victim: str) -> None:
    with Application(slow.socket(ALICE)) as alice, Application(slow.socket(BOB)) as bob:
        units = begin(slow, alice, bob)
        assert slow.kill(victim) == -9
        for unit in units:
            assert unit.failure().reason in (ErrorCode.SESSION_LOST, ErrorCode.UNREACHABLE, ErrorCode.TIMEOUT)
    slow.nothing_held(*(name for name in NODES if name != victim))
    slow.restart(victim)
    check_whole(slow)


@pytest.mark.parametrize(("victim", "survivor"), [(ALICE, BOB), (BOB, ALICE)])
def test_kill_of_an_end_fails_the_unit_at_the_other(slow: Network, victim: str, survivor: str) -> None:
    with Application(slow.socket(ALICE)) as alice, Application(slow.socket(BOB)) as bob:
        units = dict(zip((ALICE, BOB), begin(slow, alice, bob), strict=True))
        slow.kill(victim)
        assert units[survivor].failure().reason in (ErrorCode.SESSION_LOST, ErrorCode.UNREACHABLE)
        with pytest.raises((Gone, ConnectionResetError)):
            units[victim].failure()
    slow.nothing_held(*(name for name in NODES if name != victim))
    slow.restart(victim)
    check_whole(slow)


@pytest.mark.parametrize("victim", [ALICE, "repeater", BOB])
def test_node_that_comes_back_before_it_was_missed_ends_what_hung_on_it(slow: Network, victim: str) -> None:
    with Application(slow.socket(ALICE)) as alice, Application(slow.socket(BOB)) as bob:
        units = dict(zip((ALICE, BOB), begin(slow, alice, bob), strict=True))
        slow.kill(victim)
        slow.restart(victim)
        for name, unit in units.items():
            if name != victim:
                assert unit.failure().reason != ErrorCode.UNSPECIFIED
    check_whole(slow)


def test_kill_of_an_application_closes_its_unit(slow: Network) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.daemon.application import Application\n"
        "application = Application(Path(sys.argv[1]))\nunit = application.open_unit(sys.argv[2:])\n"
        "print('open', flush=True)\nunit.key()\n"
    )
    with Application(slow.socket(BOB)) as bob:
        bob.claim(SERVED)
        with subprocess.Popen([sys.executable, "-c", program, str(slow.socket(ALICE)), *endpoint_urns()],
                              stdout=subprocess.PIPE) as victim:  # fmt: skip
            assert victim.stdout is not None
            assert victim.stdout.readline() == b"open\n"
            unit = bob.next_unit()
            slow.wait(ALICE, "unit=measuring")
            os.kill(victim.pid, 9)
        assert unit.failure().reason is ErrorCode.CANCELLED
    check_whole(slow)


@pytest.mark.slow
def test_node_that_stood_still_is_met_again_by_those_who_gave_it_up(slow: Network) -> None:
    """As if it had been cut off: nobody restarts, the neighbours call again on their own."""
    with Application(slow.socket(ALICE)) as alice, Application(slow.socket(BOB)) as bob:
        units = begin(slow, alice, bob)
        os.kill(slow.pid("repeater"), signal.SIGSTOP)
        try:
            for unit in units:
                assert unit.failure().reason in (ErrorCode.SESSION_LOST, ErrorCode.UNREACHABLE)
            slow.nothing_held(*(name for name in NODES if name != "repeater"))
        finally:
            os.kill(slow.pid("repeater"), signal.SIGCONT)
    slow.connected()
    check_whole(slow)

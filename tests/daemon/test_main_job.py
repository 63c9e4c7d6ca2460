"""The main job, with real processes: from three URNs to one key at both ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import parse_qna
from qstack.wire.control import Delivered
from tests.daemon.application import Application, Told
from tests.daemon.network import ALICE, BOB, SERVED, Network, endpoint_urns, running


def make_key(network: Network, size: int = 256) -> tuple[Delivered, Delivered]:
    """One unit, between applications made for it."""
    network.wait(BOB, "endpoints=0")  # the last one's claim is gone
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        return alice.open_unit(endpoint_urns(size)).key(), bob.next_unit().key()


def test_main_job_from_first_process_to_confirmed_key_in_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with running(tmp_path / "lab") as network:
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(SERVED)
            urns = endpoint_urns()
            unit = alice.open_unit(urns)
            ours, incoming = unit.key(), bob.next_unit()
            theirs = incoming.key()
        seconds = time.monotonic() - began
    print(f"{seconds:.2f} s from the launch of the first process to the key")
    assert ours.key == theirs.key
    assert len(ours.key) == 32
    assert (ours.confirmed, theirs.confirmed, ours.secret, theirs.secret) == (1, 1, 1, 1)
    assert (ours.errors, ours.quality_fidelity) == (0, 65_535)
    assert ours.tests > 0
    assert list(unit.started.urn) == list(incoming.started.urn) == urns
    assert (unit.started.remote, incoming.started.remote) == (parse_qna("64513.2"), parse_qna("64512.1"))
    assert seconds < 10  # the promise is 5 on a machine that has nothing else to do


def test_units_one_after_another_each_have_a_key_of_their_own(network: Network) -> None:
    keys = [make_key(network) for _ in range(3)]
    assert all(ours.key == theirs.key for ours, theirs in keys)
    assert len({ours.key for ours, _ in keys}) == 3
    network.nothing_held()


def test_units_at_the_same_time_share_the_links(network: Network) -> None:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        units = [alice.open_unit(endpoint_urns(128)) for _ in range(3)]
        ours = {unit.key().key for unit in units}
        theirs = {bob.next_unit().key().key for _ in units}
    assert ours == theirs
    assert len(ours) == 3
    network.nothing_held()


def test_unit_towards_an_endpoint_that_nobody_serves_fails_with_its_reason(network: Network) -> None:
    network.wait(BOB, "endpoints=0")
    with Application(network.socket(ALICE)) as alice, pytest.raises(Told) as told:
        alice.open_unit(endpoint_urns()).key()
    assert told.value.reason is ErrorCode.NO_ENDPOINT
    network.nothing_held()


def test_claim_of_an_endpoint_that_the_node_does_not_serve_is_refused(network: Network) -> None:
    with Application(network.socket(BOB)) as bob, pytest.raises(Told) as told:
        bob.claim("urn:qkd:madqci:ccips")
    assert told.value.reason is ErrorCode.POLICY


def test_unit_without_a_route_is_refused_at_once(network: Network) -> None:
    with Application(network.socket(ALICE)) as alice, pytest.raises(Told) as told:
        alice.open_unit(endpoint_urns(peer="urn:qkd:nowhere:at-all"))
    assert told.value.reason is ErrorCode.NO_ROUTE


def test_application_that_goes_away_closes_its_unit_at_both_ends(network: Network) -> None:
    with Application(network.socket(BOB)) as bob:
        bob.claim(SERVED)
        with Application(network.socket(ALICE)) as alice:
            alice.open_unit(endpoint_urns(8), "PAIRS").pairs(4)
            unit = bob.next_unit()
            unit.pairs(4)
        assert unit.failure().reason == ErrorCode.CANCELLED
    network.nothing_held()


def test_echo_of_the_far_end_is_answered_across_both_domains(network: Network) -> None:
    reply = network.ask(ALICE, "ping", node="64513.2", count=1)
    assert reply["reply"] == "echo"
    assert 0 < reply["round_trip_ns"] < 5_000_000_000

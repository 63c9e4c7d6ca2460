"""Applications of both forms on real daemons: three nodes, two links, a swap between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import qstack.sockets as qs
from qstack.cli.laboratory import Laboratory
from qstack.cli.qstackctl import main as qstackctl
from qstack.sockets import blocking

TOPOLOGY = """
[lab]
name = "three"
[[node]]
name = "alice"
qna = "64512.1"
urn = ["urn:qkd:a"]
[[node]]
name = "repeater"
qna = "64512.2"
[[node]]
name = "bob"
qna = "64512.3"
urn = ["urn:qkd:b"]
[[link]]
between = ["alice", "repeater"]
memories = 64
[[link]]
between = ["repeater", "bob"]
memories = 64
"""
HERE, THERE = "urn:qkd:a?=nonce=1", "urn:qkd:b?=nonce=2"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "three.toml").write_text(TOPOLOGY)
    laboratory = Laboratory(folder / "dir")
    laboratory.up(folder / "three.toml")
    try:
        for name in laboratory.nodes():
            assert qstackctl(["--socket", str(laboratory.socket_of(name)), "wait", "connected"]) == 0
        yield laboratory
    finally:
        laboratory.down()


@pytest.fixture(autouse=True)
def quiet(lab: Laboratory) -> None:
    """The daemons have seen that the applications of the test before are gone."""
    for name in lab.nodes():
        assert qstackctl(["--socket", str(lab.socket_of(name)), "wait", "endpoints=0", "units=0", "circuits=0"]) == 0


def sockets(lab: Laboratory) -> tuple[Path, Path]:
    return lab.socket_of("alice"), lab.socket_of("bob")


async def test_trio_applications_share_a_confirmed_key(lab: Laboratory) -> None:
    ours, theirs = sockets(lab)
    async with qs.open_node(ours) as alice, qs.open_node(theirs) as bob, trio.open_nursery() as nursery:
        await bob.claim("urn:qkd:b")
        served: list[qs.Key] = []

        async def serve() -> None:
            async for unit in bob.listen("urn:qkd:b"):
                served.append(await unit.key())
                return

        nursery.start_soon(serve)
        unit = await alice.open_unit([HERE, THERE, "urn:qkd:lifecycle?=size=128"])
        with trio.fail_after(20):
            key = await unit.key()
    assert [key.octets] == [each.octets for each in served]
    assert key.confirmed and key.secret and len(key.octets) == 16
    assert key.quality.errors == 0


@pytest.mark.parametrize("basis", ["X", "Y", "Z"])
async def test_trio_pairs_are_those_of_their_bell_states(basis: str, lab: Laboratory) -> None:
    ours, theirs = sockets(lab)
    async with qs.open_node(ours) as alice, qs.open_node(theirs) as bob:
        await bob.claim("urn:qkd:b")
        near = await alice.open_unit([HERE, f"urn:qkd:b?=basis={basis}", "urn:qkd:lifecycle?=size=32"], "pairs")
        far = await bob.next_unit()
        with trio.fail_after(20):
            mine = {pair.number: pair async for pair in near.pairs()}
            other = {pair.number: pair async for pair in far.pairs()}
            assert mine.keys() == other.keys()
            assert {n: pair.bell_index for n, pair in mine.items()} == {n: pair.bell_index for n, pair in other.items()}
            seen = {each.number: each.outcome for each in await near.measure_all([*mine.values()], [basis] * 32)}
            told = {each.number: each.in_frame for each in await far.measure_all([*other.values()], [basis] * 32)}
        await near.close()
        await far.wait_closed()
    assert {seen[n] ^ told[n] for n in mine} == {int(basis == "Y")}  # ideal links: no exception
    assert len(set(seen.values())) == 2  # chance decides


def test_blocking_applications_of_one_thread_share_a_key(lab: Laboratory) -> None:
    ours, theirs = sockets(lab)
    with blocking.open_node(ours) as alice, blocking.open_node(theirs) as bob:
        bob.claim("urn:qkd:b")
        unit = alice.open_unit([HERE, THERE, "urn:qkd:lifecycle?=size=64"])
        assert bob.next_unit(20).key(20).octets == unit.key(20).octets


async def test_unit_towards_an_endpoint_that_nobody_serves_fails_and_says_who_refused(lab: Laboratory) -> None:
    ours, _ = sockets(lab)
    async with qs.open_node(ours) as alice:
        unit = await alice.open_unit([HERE, THERE, "urn:qkd:lifecycle?=size=64"], timeout=10)
        with pytest.raises(qs.UnitFailed, match="NO_ENDPOINT"):
            await unit.key()


async def test_endpoint_of_another_node_is_refused_with_the_remedy(lab: Laboratory) -> None:
    ours, _ = sockets(lab)
    async with qs.open_node(ours) as alice:
        with pytest.raises(qs.EndpointRefused, match=r"\[\[endpoint\]\]"):
            await alice.claim("urn:qkd:b")
        with pytest.raises(qs.UnitRefused, match=r"NO_ROUTE|no route"):
            await alice.open_unit([HERE, "urn:qkd:nowhere", "urn:qkd:lifecycle?=size=64"])

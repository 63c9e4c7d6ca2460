"""Data sockets, trio and blocking, between two nodes with a scripted link."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

import qstack.sockets as qs
from qstack.base.errors import LocalMisuse
from qstack.base.ids import format_qna
from qstack.cli.qstackctl import main
from qstack.sockets import blocking
from tests.proto.epr.ends import ALICE, BOB
from tests.sockets.epr_daemon import two_nodes

NEAR, FAR = format_qna(ALICE), format_qna(BOB)
PURPOSE = 7


async def test_messages_of_one_connection_end_with_it(tmp_path: Path) -> None:
    got: list[bytes] = []
    async with two_nodes(tmp_path) as nodes, qs.open_node(nodes.bob) as bob, trio.open_nursery() as nursery:
        theirs = await bob.open_data_socket(NEAR, PURPOSE)
        assert repr(theirs) == f"<DataSocket 7 with {NEAR}, nobody there>"

        async def read() -> None:
            for _ in range(2):
                got.extend([message async for message in theirs])
                got.append(b"|")

        nursery.start_soon(read)
        for life in (b"one", b"two"):
            async with qs.open_node(nodes.alice) as alice, await alice.open_data_socket(FAR, PURPOSE) as ours:
                sent = [await ours.send(life * 5) for _ in range(40)]
                assert {(way.qubits, way.plain) for way in sent} == {(1, 14)}
    assert got == [*[b"one" * 5] * 40, b"|", *[b"two" * 5] * 40, b"|"]


async def test_sender_waits_for_one_that_does_not_receive(tmp_path: Path) -> None:
    async with (
        two_nodes(tmp_path) as nodes, qs.open_node(nodes.alice) as alice, qs.open_node(nodes.bob) as bob,
        await alice.open_data_socket(FAR, PURPOSE) as ours, await bob.open_data_socket(NEAR, PURPOSE) as theirs,
    ):  # fmt: skip
        with trio.move_on_after(0.5) as scope:
            for number in range(100):
                await ours.send(b"%d" % number)
        assert scope.cancelled_caught
        with trio.fail_after(5):
            assert await theirs.receive() == b"0"


async def test_message_too_long_is_refused_before_it_goes(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as nodes, qs.open_node(nodes.alice) as alice:
        ours = await alice.open_data_socket(FAR, PURPOSE)
        with pytest.raises(LocalMisuse, match="at most 16000"):
            await ours.send(bytes(16_001))


async def test_other_end_for_pairs_is_told_as_data_lost(tmp_path: Path) -> None:
    async with (
        two_nodes(tmp_path) as nodes, qs.open_node(nodes.alice) as alice, qs.open_node(nodes.bob) as bob,
        await alice.open_data_socket(FAR, PURPOSE) as ours, await bob.open_epr_socket(NEAR, PURPOSE),
    ):  # fmt: skip
        with pytest.raises(qs.DataLost, match="nobody takes data"):
            await ours.send(b"x")


async def test_blocking_form_sends_and_receives(tmp_path: Path) -> None:
    def run(nodes_alice: Path, nodes_bob: Path) -> None:
        with blocking.open_node(nodes_alice) as alice, blocking.open_node(nodes_bob) as bob:
            theirs = bob.open_data_socket(NEAR, PURPOSE)
            with alice.open_data_socket(FAR, PURPOSE) as ours:
                assert ours.send(bytes(16_000), timeout=5) == qs.DataWays(1, 15_999)
                with pytest.raises(TimeoutError):
                    ours.receive(timeout=0.05)
            assert list(theirs.messages(timeout=5)) == [bytes(16_000)]

    async with two_nodes(tmp_path) as nodes:
        await trio.to_thread.run_sync(run, nodes.alice, nodes.bob)


async def test_command_carries_octets_and_tells_their_ways(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    codes: list[int] = []

    async def run(path: Path, *words: str) -> None:
        codes.append(await trio.to_thread.run_sync(partial(main, ["--socket", str(path), "data", *words])))

    async with two_nodes(tmp_path) as nodes, trio.open_nursery() as nursery:
        nursery.start_soon(run, nodes.bob, "recv", NEAR, "7", "--timeout", "5")
        nursery.start_soon(run, nodes.alice, "send", FAR, "7", "hello", "--timeout", "5")
    told = capsysbinary.readouterr().out
    assert codes == [0, 0]
    assert b"hello" in told and b"5 octets: 1 in qubits, 4 plainly" in told

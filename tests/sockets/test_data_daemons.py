"""Data sockets on real daemons: octets arrive whole, in qubits where pairs are in stock, plainly where not."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import trio

import qstack.sockets as qs
from qstack.cli.laboratory import Laboratory
from qstack.cli.qstackctl import main as qstackctl

TOPOLOGY = """
[lab]
name = "two"
[[node]]
name = "alice"
qna = "64512.1"
[[node]]
name = "bob"
qna = "64512.2"
[[link]]
between = ["alice", "bob"]
memories = 512
[tuning.link]
stock-pairs = {stock}
"""
NEAR, FAR = "64512.1", "64512.2"
PURPOSE = 9
PATIENCE_S = 30.0
STOCKED = 128

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module", params=[0, STOCKED], ids=["without-stock", "with-stock"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Laboratory, int]]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "two.toml").write_text(TOPOLOGY.format(stock=request.param))
    laboratory = Laboratory(folder / "dir")
    laboratory.up(folder / "two.toml")
    try:
        for name in laboratory.nodes():
            assert qstackctl(["--socket", str(laboratory.socket_of(name)), "wait", "connected"]) == 0
        yield laboratory, request.param
    finally:
        laboratory.down()


async def test_messages_arrive_whole_by_whichever_way(lab: tuple[Laboratory, int]) -> None:
    laboratory, stock = lab
    dice = random.Random(1)
    messages = [b"", *(dice.randbytes(dice.randrange(1, 60)) for _ in range(20)), dice.randbytes(16_000)]
    ways: list[qs.DataWays] = []
    async with (
        qs.open_node(laboratory.socket_of("alice")) as alice, qs.open_node(laboratory.socket_of("bob")) as bob,
        await alice.open_data_socket(FAR, PURPOSE) as ours, await bob.open_data_socket(NEAR, PURPOSE) as theirs,
    ):  # fmt: skip
        with trio.fail_after(2 * PATIENCE_S):
            for message in messages:
                ways.append(await ours.send(message))
                assert await theirs.receive() == message
                await trio.sleep(0.1 if stock else 0)  # so that there is something in stock again
            assert (await theirs.send(b"and back")).plain <= 8
            assert await ours.receive() == b"and back"
    assert [way.qubits + way.plain for way in ways] == [len(message) for message in messages]
    in_qubits = sum(way.qubits for way in ways)
    assert in_qubits > 50 if stock else in_qubits == 0


def test_commands_carry_standard_input(lab: tuple[Laboratory, int]) -> None:
    laboratory, _ = lab
    letter = random.Random(2).randbytes(50_000)
    command = [sys.executable, "-m", "qstack.cli.qstackctl", "--socket"]
    receiving = subprocess.Popen([*command, str(laboratory.socket_of("bob")), "data", "recv", NEAR, str(PURPOSE)],
                                 stdout=subprocess.PIPE)  # fmt: skip
    sent = subprocess.run([*command, str(laboratory.socket_of("alice")), "data", "send", FAR, str(PURPOSE)],
                          input=letter, capture_output=True, timeout=PATIENCE_S, check=True)  # fmt: skip
    received, _ = receiving.communicate(timeout=PATIENCE_S)
    assert received == letter and receiving.returncode == 0
    assert re.fullmatch(rb"50000 octets: \d+ in qubits, \d+ plainly\n", sent.stdout)


def test_purpose_of_a_killed_application_is_free_again(lab: tuple[Laboratory, int]) -> None:
    laboratory, _ = lab
    command = [sys.executable, "-m", "qstack.cli.qstackctl", "--socket", str(laboratory.socket_of("alice")), "data"]
    with subprocess.Popen([*command, "recv", FAR, str(PURPOSE)], stderr=subprocess.DEVNULL) as killed:
        time.sleep(1.0)
        killed.kill()

    async def talk() -> None:
        async with (
            qs.open_node(laboratory.socket_of("alice")) as alice, qs.open_node(laboratory.socket_of("bob")) as bob,
            await alice.open_data_socket(FAR, PURPOSE) as ours, await bob.open_data_socket(NEAR, PURPOSE) as theirs,
        ):  # fmt: skip
            with trio.fail_after(PATIENCE_S):
                await ours.send(b"new")
                assert await theirs.receive() == b"new"

    trio.run(talk)

"""`qstackctl epr` between two nodes with a scripted link."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from qstack.base.errors import ErrorCode
from qstack.base.ids import format_qna
from qstack.cli import pairing
from qstack.cli.qstackctl import main
from qstack.sockets.errors import QubitLost
from tests.proto.epr.ends import ALICE, BOB
from tests.sockets.epr_daemon import two_nodes

NEAR, FAR = format_qna(ALICE), format_qna(BOB)


async def both(folder: Path, creating: tuple[str, ...], receiving: tuple[str, ...]) -> list[int]:
    """Exit codes of a command at each node, run at once."""
    codes: list[int] = []

    async def run(path: Path, words: tuple[str, ...]) -> None:
        codes.append(await trio.to_thread.run_sync(partial(main, ["--socket", str(path), *words])))

    async with two_nodes(folder) as nodes, trio.open_nursery() as nursery:
        nursery.start_soon(run, nodes.bob, ("epr", "recv", NEAR, "7", *receiving))
        nursery.start_soon(run, nodes.alice, ("epr", "create", FAR, "7", *creating))
    return codes


async def test_kept_pairs_are_measured_and_told_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await both(tmp_path, ("--number", "3", "--basis", "Z+X"), ("--number", "3")) == [0, 0]
    told = capsys.readouterr()
    lines = sorted(line.split() for line in told.out.splitlines())
    assert [line[0] for line in lines] == ["1", "1", "2", "2", "3", "3"]
    assert {line[3] for line in lines} == {"Z", "Z+X"}
    assert f"connected with {FAR}" in told.err


async def test_pairs_measured_directly_are_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--number", "2", "--directly", "--json")
    assert await both(tmp_path, (*words, "--random", "XZ"), words) == [0, 0]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(line["sequence"] for line in lines) == [1, 1, 2, 2]
    assert all(line["outcome"] in (0, 1) and line["basis"] == "Z" for line in lines)


@pytest.mark.parametrize(("words", "said"), [
    (("--number", "0"), "number 0"), (("--priority", "999"), "there are 0 to 255"), (("--timeout", "0"), "above 0"),
    (("--min-fidelity", "1.5"), "not in 0..1"), (("--random", "CHSH"), "add --directly"),
])  # fmt: skip
def test_what_is_wrong_with_the_command_is_said_before_anybody_is_waited_for(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--socket", str(tmp_path / "no-daemon"), "epr", "create", FAR, "7", *words]) == 1
    assert said in capsys.readouterr().err


async def test_nobody_at_the_other_end_is_told_with_the_command_to_run_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with two_nodes(tmp_path) as nodes:
        words = ["--socket", str(nodes.alice), "epr", "create", FAR, "7", "--timeout", "0.1"]
        assert await trio.to_thread.run_sync(main, words) == 1
    told = capsys.readouterr().err
    assert f"nobody at {FAR} opened purpose 7 towards this node within 0.1 s" in told
    assert f"qstackctl epr recv {NEAR} 7" in told


def test_revoked_qubit_is_told_as_lost_and_ends_nothing() -> None:
    def measure(basis: str) -> None:
        raise QubitLost("revoked", ErrorCode.EXPIRED)

    assert pairing._outcome(SimpleNamespace(measure=measure), "Z") is None  # type: ignore[arg-type]


async def test_socket_that_is_refused_ends_the_command_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with two_nodes(tmp_path) as nodes:
        words = ["--socket", str(nodes.alice), "epr", "create", "64512.9", "7"]
        assert await trio.to_thread.run_sync(main, words) == 1
    assert "open a unit of kind pairs" in capsys.readouterr().err

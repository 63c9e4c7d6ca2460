"""`qstackctl unit`, against a daemon that establishes units on its own socket."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import trio

from qstack.cli import opening
from qstack.cli.qstackctl import main
from tests.sockets.daemon import HERE, KEY, LIFECYCLE, PAIRS, SERVED, THERE, FakeNode, serving


async def both(path: Path, fake: FakeNode, listening: list[str], opening: list[str]) -> dict[str, int]:
    """Exit codes of a listener and of an opener."""
    codes: dict[str, int] = {}

    async def run(name: str, words: list[str]) -> None:
        codes[name] = await trio.to_thread.run_sync(partial(main, ["--socket", str(path), "unit", *words]))

    async with serving(path, fake), trio.open_nursery() as nursery:
        nursery.start_soon(run, "listener", ["listen", SERVED, "--count", "1", *listening])
        while SERVED not in fake.claims:
            await fake.arrived.wait()
        await run("opener", ["open", HERE, THERE, *opening])
    return codes


async def test_unit_open_and_listen_print_the_same_key_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await both(tmp_path / "s", FakeNode(), [], [LIFECYCLE]) == {"listener": 0, "opener": 0}
    told = capsys.readouterr()
    assert told.out.split() == [KEY.hex()] * 2
    assert "confirmed; 400 pairs, 0 of 50 test rounds disagreed" in told.err


async def test_unit_open_as_json_tells_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await both(tmp_path / "s", FakeNode(), ["--json"], [LIFECYCLE, "--json"])
    for line in capsys.readouterr().out.splitlines():
        facts = json.loads(line)
        assert (facts["key"], facts["confirmed"], facts["secret"]) == (KEY.hex(), True, True)
        assert facts["remote"] == "64512.1"
        assert facts["urns"] == [HERE, THERE, LIFECYCLE]


async def test_unit_of_pairs_is_measured_in_the_basis_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_LINGER_S", 0.1)
    codes = await both(tmp_path / "s", FakeNode(), ["--measure", "Z", "--json"],
                       [PAIRS, "--kind", "pairs", "--measure", "Z", "--json"])  # fmt: skip
    assert codes == {"listener": 0, "opener": 0}
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 8
    for number in range(4):
        one, other = (row for row in rows if row["pair"] == number)
        assert one["bell_index"] == other["bell_index"] == number
        assert one["outcome"] ^ other["outcome"] == number >> 1


async def test_unit_that_fails_ends_the_command_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path / "s", FakeNode()):
        words = ["--socket", str(tmp_path / "s"), "unit", "open", HERE, THERE, LIFECYCLE]
        assert await trio.to_thread.run_sync(main, words) == 1
    assert "qstackctl: refused (NO_ENDPOINT, by 64512.1)" in capsys.readouterr().err


async def test_listener_outlives_a_unit_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeNode(deliver=False)
    codes = await both(tmp_path / "s", fake, [], [LIFECYCLE, "--timeout", "0.05"])
    assert codes == {"listener": 0, "opener": 1}
    told = capsys.readouterr().err
    assert "unit with 64512.1: " in told
    assert "in time" in told

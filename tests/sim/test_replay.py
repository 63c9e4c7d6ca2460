"""A seed is the whole truth about a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qstack.testing.command import main
from qstack.testing.scenario import Mood, derive
from qstack.testing.trial import try_seed

PROGRAM = "from qstack.testing.trial import try_seed; r = try_seed({seed}); print(r.trace, r.events, r.datagrams)"


def replay(root: Path, seed: int, hash_seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seed=seed)], check=True, capture_output=True, text=True, cwd=root,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("seed", [2, 3, 7])
def test_replay_in_another_process_is_the_same_event_by_event(root: Path, seed: int) -> None:
    assert replay(root, seed, 1) == replay(root, seed, 2)


def test_replay_in_the_same_process_is_the_same_event_by_event() -> None:
    for seed in (1, 4, 5):
        first, second = try_seed(seed), try_seed(seed)
        assert (first.trace, first.events, first.datagrams) == (second.trace, second.events, second.datagrams)
        assert first.outcomes == second.outcomes


def test_replay_of_another_seed_is_another_run() -> None:
    assert try_seed(1).trace != try_seed(9).trace


def test_scenarios_have_every_mood_size_and_trouble() -> None:
    scenarios = [derive(seed) for seed in range(400)]
    assert {scenario.mood for scenario in scenarios} == set(Mood)
    assert {sum(bool(node.endpoints) for node in scenario.topology.nodes) for scenario in scenarios} == {2, 3, 4, 5, 6}
    assert {len({node.qna >> 32 for node in scenario.topology.nodes}) for scenario in scenarios} == {1, 2, 3}
    assert any(partition.one_way for scenario in scenarios for partition in scenario.partitions)
    assert len({crash.point for scenario in scenarios for crash in scenario.crashes}) > 15
    assert {scenario.weather.loss for scenario in scenarios} >= {0.0, 0.2, 0.35}


def test_command_tells_and_writes_what_came_of_some_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "summary.json"
    assert main(["--seeds", "0:6", "--jobs", "1", "--verbose", "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert "6 seeds, 0 failed" in printed and "seed 5: ok" in printed
    summary = json.loads(told.read_text())
    assert summary["trials"] == 6 and summary["failed"] == []


def test_command_replays_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", "3"]) == 0
    assert "the same the second time" in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["5:5", "x:y", "-3:2", "9:1"])
def test_command_refuses_seeds_that_are_none(seeds: str) -> None:
    with pytest.raises(SystemExit):
        main([f"--seeds={seeds}"])

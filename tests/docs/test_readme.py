"""What the README shows is true: its generated parts are fresh, and its commands run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

# Run by these tests as a whole, and by whoever runs them.
RUN_ELSEWHERE = {"./tools/test": "is what runs this test"}


def shown_commands(text: str) -> list[str]:
    """The command lines of all code blocks without a language, without what is explained behind `#`."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line.split("  #")[0].strip() for language, block in blocks if not language for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\./tools|qstack|qtwin|tshark|python )", line)]


def run(command: str, root: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    executable = Path(sys.executable).parent / words[0]
    if executable.exists():
        words[0] = str(executable)
    return subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=100, check=False)


def test_readme_generated_parts_are_fresh(root: Path, tshark: str) -> None:
    done = run(f"{sys.executable} tools/gen_readme.py --check", root)
    assert done.returncode == 0, done.stderr


def test_readme_names_commands_that_a_test_can_find(root: Path) -> None:
    commands = shown_commands((root / "README.md").read_text())
    assert "./tools/demo" in commands and "./tools/test" in commands and len(commands) >= 7


@pytest.mark.slow
def test_readme_commands_run_in_the_order_shown(root: Path) -> None:
    text = (root / "README.md").read_text()
    try:
        for command in shown_commands(text):
            if command not in RUN_ELSEWHERE:
                done = run(command, root)
                assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    finally:
        run("qstack-lab down --dir build/lab", root)


@pytest.mark.slow
def test_first_pairs_are_those_of_their_bell_states_in_fifteen_lines_and_octets_arrive(root: Path) -> None:
    example = root / "tools/examples/first_pairs.py"
    lines = [line for line in example.read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    folder = root / "build/lab-pairs"
    try:
        assert run(f"qstack-lab up tools/examples/madqci-quditto.toml --dir {folder}", root).returncode == 0
        done = run(f"{sys.executable} {example} {folder}/alice.sock {folder}/repeater.sock", root)
        told = [line.split() for line in done.stdout.splitlines()]
        assert len(told) == 8, done.stderr
        assert {(state.startswith("PSI"), ours != theirs) for _, state, ours, theirs in told} <= {
            (True, False), (False, True)
        }
        octets = run(f"{sys.executable} tools/examples/first_data.py {folder}/alice.sock {folder}/repeater.sock", root)
        assert octets.stdout.splitlines()[1:] == ["two bits a qubit"], octets.stderr
    finally:
        run(f"qstack-lab down --dir {folder}", root)


@pytest.mark.slow
def test_first_application_shares_a_key_in_fifteen_lines(root: Path) -> None:
    example = root / "tools/examples/first_application.py"
    lines = [line for line in example.read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    folder = root / "build/lab-first"
    try:
        assert run(f"qstack-lab up tools/examples/madqci-quditto.toml --dir {folder}", root).returncode == 0
        done = run(f"{sys.executable} {example} {folder}/alice.sock {folder}/bob.sock", root)
        ours, theirs = done.stdout.split()
        assert ours == theirs and re.fullmatch("[0-9a-f]{64}", ours), done.stderr
    finally:
        run(f"qstack-lab down --dir {folder}", root)

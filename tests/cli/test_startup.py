"""Commands start quickly: what they do not need is not loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"trio", "numpy", "scapy", "cryptography", "OpenSSL", "structlog", "qstack.quantum", "qstack.config.node"}


def test_qstackctl_loads_no_event_loop_and_no_cryptography(root: Path) -> None:
    program = "import sys, qstack.cli.qstackctl; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("module", ["qstackctl", "lab"])
@pytest.mark.parametrize("word", ["--version", "--help"])
def test_command_answers_without_a_daemon(module: str, word: str, root: Path) -> None:
    command = [sys.executable, "-m", f"qstack.cli.{module}", word]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    name = "qstack-lab" if module == "lab" else module
    assert done.stdout.startswith(f"{name} " if word == "--version" else f"usage: {name}")
    if word == "--help":
        assert "examples:" in done.stdout

"""Peers that are programs of their own: each is installed into its own environment under build/peers/ when it is first
measured against."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "SEQUENCE_VERSION", "PeerAbsent", "sequence", "simulaqron"]

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers"
SIMULAQRON_VERSION = "4.1.2"
SEQUENCE_VERSION = "1.3.1"
_LISTENERS = 3
_LISTEN = re.compile(r"reactor\.listenTCP\((?!.*interface=)(.*)\)$", re.M)


class PeerAbsent(Exception):
    """A peer cannot be had; the text says why."""


def simulaqron() -> Path:
    """The command of SimulaQron, installed when it is not there yet. Raises `PeerAbsent`."""
    environment = PEERS / "simulaqron"
    command = environment / "bin" / "simulaqron"
    done = environment / "ready"
    if not done.exists():
        _install(environment, f"simulaqron=={SIMULAQRON_VERSION}")
        _bind_to_loopback(environment)
        done.touch()
    return command


def sequence() -> Path:
    """The Python of an environment that holds SeQUeNCe, installed when it is not there yet. Raises `PeerAbsent`."""
    environment = PEERS / "sequence"
    done = environment / "ready"
    if not done.exists():
        _install(environment, f"sequence=={SEQUENCE_VERSION}", _python_312())
        done.touch()
    return environment / "bin" / "python"


def _python_312() -> str:
    """A Python of the one minor version that SeQUeNCe supports. Raises `PeerAbsent`."""
    managed = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python3.12"))
    for candidate in (sys.executable, "python3.12", *map(str, managed)):
        command = [candidate, "-c", "import sys, venv; sys.exit(sys.version_info[:2] != (3, 12))"]
        try:
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return candidate
        except FileNotFoundError:
            continue
    raise PeerAbsent(f"SeQUeNCe {SEQUENCE_VERSION} needs Python 3.12, and there is none")


def _install(environment: Path, requirement: str, interpreter: str = sys.executable) -> None:
    python = environment / "bin" / "python"
    make = [interpreter, "-m", "venv", "--clear", str(environment)]
    fill = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
    for step in (make, fill):
        ran = subprocess.run(step, capture_output=True, text=True, check=False, timeout=900)
        if ran.returncode:
            said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")] or ran.stderr.splitlines()
            raise PeerAbsent(f"{requirement} cannot be installed: {said[-1] if said else 'no reason given'}")


def _bind_to_loopback(environment: Path) -> None:
    """It listens on every interface without authentication, whatever its configuration says: not on this machine."""
    bound = 0
    for package in environment.glob("lib/python*/site-packages/simulaqron"):
        for file in package.rglob("*.py"):
            text, changed = _LISTEN.subn(r'reactor.listenTCP(\1, interface="127.0.0.1")', file.read_text())
            if changed:
                file.write_text(text)
                bound += changed
    if bound != _LISTENERS:
        raise PeerAbsent(f"simulaqron {SIMULAQRON_VERSION} has {bound} listeners instead of {_LISTENERS}: not run")

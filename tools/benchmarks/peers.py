"""Peers that are programs of their own: each is installed into its own environment under build/peers/ when it is first
measured against."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "PeerAbsent", "simulaqron"]

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers"
SIMULAQRON_VERSION = "4.1.2"
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


def _install(environment: Path, requirement: str) -> None:
    python = environment / "bin" / "python"
    make = [sys.executable, "-m", "venv", "--clear", str(environment)]
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

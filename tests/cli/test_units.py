"""The unit files: what they start exists, and they grant little."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from qstack.config.place import DEFAULT_CONTROL
from qstack.daemon import qstackd, qtwind

UNITS = {"qstackd": qstackd.make_parser, "qtwind": qtwind.make_parser}


def service(root: Path, name: str) -> dict[str, str]:
    parser = RawConfigParser(strict=False)  # a key may stand twice, as SystemCallFilter does
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(root / "systemd" / f"{name}.service")
    return dict(parser["Service"])


@pytest.mark.parametrize("name", UNITS)
def test_unit_starts_its_command_with_options_that_exist(name: str, root: Path) -> None:
    keys = service(root, name)
    for line in (keys["ExecStartPre"], keys["ExecStart"]):
        env, command, *words = line.split()
        assert (env, command) == ("/usr/bin/env", name)
        assert UNITS[name]().parse_args(words).configuration.parent == Path("/etc/qstack")
    assert keys["Type"] == "notify"  # both tell systemd when they are ready


def test_unit_of_the_node_makes_the_folder_of_its_socket(root: Path) -> None:
    keys = service(root, "qstackd")
    assert f"/run/{keys['RuntimeDirectory']}/qstackd.sock" == DEFAULT_CONTROL
    assert keys["ExecReload"] == "/bin/kill -HUP $MAINPID"
    user = re.search(r"^u (\S+) ", (root / "systemd" / "sysusers.conf").read_text(), re.MULTILINE)
    assert user is not None
    assert keys["User"] == keys["Group"] == user[1]


@pytest.mark.parametrize("name", UNITS)
def test_unit_grants_little(name: str, root: Path) -> None:
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        pytest.skip("systemd-analyze is not installed. On Debian or Ubuntu: apt-get install systemd")
    done = subprocess.run(
        [analyse, "security", "--offline=true", "--threshold=15", root / "systemd" / f"{name}.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]

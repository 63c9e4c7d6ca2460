"""The manual says what is: pages are fresh, name every option, and are good roff."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from qstack.cli import lab, qstackctl
from qstack.config.loading import load_node
from qstack.daemon import qstackd, qtwind
from qstack.daemon.build import PARAMETERS

PARSERS = {
    "qstackctl.1": qstackctl.make_parser, "qstack-lab.1": lab.make_parser, "qstackd.8": qstackd.make_parser,
    "qtwind.8": qtwind.make_parser,
}  # fmt: skip


def options(parser: ArgumentParser) -> Iterator[str]:
    """All long options of a command and of the commands below it that --help shows."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for name, sub in action.choices.items():
                yield name
                yield from options(sub)
        elif action.option_strings and "--help" not in action.option_strings and action.option_strings[-1] in (
            parser.format_help()
        ):  # fmt: skip
            yield action.option_strings[-1]


def test_pages_are_fresh(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "tools/gen_man.py", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PARSERS)
def test_page_names_every_option_of_its_command(page: str, root: Path) -> None:
    text = (root / "man" / page).read_text().replace("\\-", "-")
    wanted = set(options(PARSERS[page]()))
    assert "--version" in wanted
    assert not {word for word in wanted if word not in text}


@pytest.mark.parametrize("page", PARSERS)
def test_page_describes_no_command_twice_in_a_row(page: str, root: Path) -> None:
    text = (root / "man" / page).read_text()
    lines = [line for line in text.splitlines() if line.endswith(".")]
    assert not [line for line, after in pairwise(lines) if line == after]


def test_page_of_the_configuration_names_every_parameter(root: Path) -> None:
    text = (root / "man" / "qstack.toml.5").read_text().replace("\\-", "-")
    for name in PARAMETERS:
        assert f"[tuning.{name}]" in text
    for word in ("[node]", "[[session.trust]]", "[[link]]", "[listen]", "[[domain]]", 'kind = "single-click"', "users"):
        assert word in text


@pytest.mark.parametrize("page", [*PARSERS, "qstack.toml.5", "qstack.7"])
def test_page_is_good_roff(page: str, root: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed. On Debian or Ubuntu: apt-get install groff")
    done = subprocess.run(
        [groff, "-t", "-man", "-Tutf8", "-ww", root / "man" / page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "ALSO" in re.sub("\x1b\\[[0-9]*m|.\x08", "", done.stdout)


def test_example_of_the_page_is_a_good_configuration(root: Path, tmp_path: Path) -> None:
    for name in ("node.pem", "node.key", "ca.pem"):
        (tmp_path / name).touch()
    shutil.copy(root / "tools/examples/config/qstackd.toml", tmp_path)
    assert load_node(tmp_path / "qstackd.toml", PARAMETERS).name == "alice"

"""Every module can be imported first: no import order is needed, no import cycle hides."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT, dotted, python_files


def import_alone(*modules: str) -> None:
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"import {' '.join(modules)}\n{done.stderr}"


@pytest.mark.parametrize("room", sorted(entry.parent.name for entry in PACKAGE.glob("*/__init__.py")))
def test_room_imported_first_loads(room: str) -> None:
    import_alone(f"qstack.{room}")


def test_modules_imported_in_reverse_order_all_load() -> None:
    modules = [dotted(file) for file in python_files() if file.name != "__main__.py"]
    import_alone(*reversed(modules))


def test_packages_all_hold_an_init_file() -> None:
    folders = {file.parent for file in python_files() if file.is_relative_to(PACKAGE)}
    assert not [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()]


@pytest.mark.parametrize("package", [entry.parent for entry in sorted(PACKAGE.glob("*/**/__init__.py"))], ids=dotted)
def test_packages_say_what_each_of_their_modules_is_for(package: Path) -> None:
    modules = {file.stem for file in package.glob("*.py")} - {"__init__"}
    modules |= {entry.parent.name for entry in package.glob("*/__init__.py")}
    told = set(re.findall(r"[A-Za-z_]+", ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""))
    assert len(modules) <= 3 or not modules - told  # so few are seen at a glance


def test_tools_are_executable() -> None:
    scripts = [file for file in (ROOT / "tools").iterdir() if file.is_file() and is_script(file)]
    assert scripts
    assert not [script.name for script in [*scripts, ROOT / ".ci" / "run"] if not script.stat().st_mode & 0o100]


def is_script(file: Path) -> bool:
    return file.read_bytes().startswith(b"#!")

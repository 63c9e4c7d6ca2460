"""What every file of the tree keeps to, whoever wrote it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.house.tree import EXTENSIONS, PACKAGE, ROOT, cython_files, project_files, python_files

SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "core", "manager"}
UNFINISHED = re.compile(rb"\b(?:TO" rb"DO|FIX" rb"ME|XX" rb"X)\b")
MACHINE_PATH = re.compile(rb"(?<![\w.~/-])/(?:wo" rb"rk|ro" rb"ot|home/\w+)/")
MOST_LINES = 600  # "about 500": no file becomes the place where everything meets


def names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_files_names_say_what_is_inside() -> None:
    sources = [file for file in project_files() if file.suffix in {".py", ".pyx", ".pxd", ".pyi"}]
    wrong = [file for file in sources if SAY_NOTHING & {*file.relative_to(ROOT).parts[:-1], file.stem}]
    assert not names(wrong)


def test_files_python_modules_open_with_a_docstring() -> None:
    files = [*python_files(), *(file for file in (ROOT / "tools").rglob("*.py"))]
    assert not names([file for file in files if not ast.get_docstring(ast.parse(file.read_text()))])


def test_files_extensions_open_with_a_docstring() -> None:
    sources = [file for file in cython_files() if file.suffix == ".pyx"]
    opening = re.compile(r'(?:\s*#[^\n]*\n)*\s*r?"""')
    assert not names([file for file in sources if not opening.match(file.read_text())])


def test_files_hold_nothing_unfinished() -> None:
    assert not names([file for file in project_files() if UNFINISHED.search(file.read_bytes())])


def test_files_name_no_path_of_the_machine_they_were_written_on() -> None:
    assert not names([file for file in project_files() if MACHINE_PATH.search(file.read_bytes())])


def test_files_of_source_stay_small() -> None:
    files = [*python_files(), *cython_files()]
    assert not names([file for file in files if file.read_bytes().count(b"\n") > MOST_LINES])


def test_files_generated_c_and_shared_objects_are_not_tracked() -> None:
    written = {ROOT / "tools" / "benchmarks" / "engine_swap.c"}  # a limit to measure against
    assert not names([f for f in project_files() if f.suffix in {".c", ".so", ".o", ".pyc"} and f not in written])


def test_files_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (EXTENSIONS / "__init__.py").exists()


def test_files_generated_ones_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/gen_wire.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

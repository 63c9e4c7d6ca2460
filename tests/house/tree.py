"""The source tree as the house tests see it: its files, and who imports what.

Python files are read as syntax trees; Cython files, which `ast` cannot read, as logical lines. An import counts
wherever it stands: at the top, in a function, under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "qstack"
EXTENSIONS = ROOT / "_cext"

CYTHON_IMPORT = re.compile(r"\s*(?:from\s+(?P<source>[\w.]+)\s+)?c?import\s+(?P<names>.+)")


class Import(NamedTuple):
    """One imported module, as an absolute dotted name, and where it is imported."""

    module: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def dotted(file: Path) -> str:
    """Return the name a source file is imported by."""
    if file.is_relative_to(EXTENSIONS):
        parts = ("qstack", *file.relative_to(ROOT).with_suffix("").parts)
    else:
        parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def python_files() -> tuple[Path, ...]:
    """Return all Python sources that are installed."""
    return tuple(sorted([*PACKAGE.rglob("*.py"), *EXTENSIONS.glob("*.py")]))


@cache
def cython_files() -> tuple[Path, ...]:
    return tuple(sorted([*EXTENSIONS.glob("*.pyx"), *EXTENSIONS.glob("*.pxd")]))


@cache
def known_modules() -> frozenset[str]:
    files = [*python_files(), *cython_files()]
    return frozenset(map(dotted, files)) | {dotted(file).rpartition(".")[0] for file in files}


def targets(source: str, names: list[str]) -> Iterator[str]:
    """Yield the modules that `from source import names` reaches: submodules by their own name."""
    for name in names:
        submodule = f"{source}.{name}"
        yield submodule if submodule in known_modules() else source


def resolved(node: ast.ImportFrom, file: Path) -> str:
    """Return the absolute name of the module that a `from` import reads from."""
    if not node.level:
        return node.module or ""
    package = dotted(file).split(".")
    if file.stem != "__init__":
        package = package[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def python_imports(text: str, file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(text, str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, file, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for module in targets(resolved(node, file), [alias.name for alias in node.names]):
                yield Import(module, file, node.lineno)


def unfolded(text: str) -> str:
    """Put each parenthesised import on one line, without moving the lines that follow."""

    def unfold(match: re.Match[str]) -> str:
        return " ".join(match.group().split()) + "\n" * match.group().count("\n")

    return re.sub(r"import\s*\([^)]*\)", unfold, re.sub(r"#.*", "", text))


def cython_imports(text: str, file: Path) -> Iterator[Import]:
    for number, line in enumerate(unfolded(text).splitlines(), 1):
        found = CYTHON_IMPORT.fullmatch(line.rstrip())
        if found is None:
            continue
        names = [part.split()[0] for part in found["names"].strip("() ").split(",") if part.split()]
        source = found["source"]
        if source and source.startswith("."):
            source = "qstack._cext" + ("." + source.lstrip(".") if source.lstrip(".") else "")
        for module in targets(source, names) if source else names:
            yield Import(module, file, number)


@cache
def all_imports() -> tuple[Import, ...]:
    """Return every import of every installed source."""
    found: list[Import] = []
    for file in python_files():
        found += python_imports(file.read_text(), file)
    for file in cython_files():
        found += cython_imports(file.read_text(), file)
    return tuple(found)


def room(module: str) -> str | None:
    """Return the room of a module of qstack ("" for the package itself), None for any other module."""
    parts = module.split(".")
    if parts[0] != "qstack":
        return None
    return parts[1] if len(parts) > 1 else ""


@cache
def project_files() -> tuple[Path, ...]:
    """Return the files that belong to the project: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked sdist
        files = [file for file in ROOT.rglob("*") if not {".venv", "build"} & set(file.relative_to(ROOT).parts)]
    return tuple(sorted(file for file in files if file.is_file()))

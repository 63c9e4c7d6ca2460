"""The extensions are really compiled, really typed, and their stubs say what they hold.

An augmenting `.pxd` that Cython does not find is silently ignored: the module compiles, runs and is slow. What then
shows is that attributes live in a dictionary of each object, where Python sees them. So that is looked for.
"""

from __future__ import annotations

import ast
import importlib
import re
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.tree import EXTENSIONS, cython_files, dotted

SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")
SOURCES = [
    *sorted(EXTENSIONS.glob("*.pyx")),
    *(file for file in sorted(EXTENSIONS.glob("*.py")) if file.with_suffix(".pxd").exists()),
]

CLASS = re.compile(r"(?P<indent>\s*)cdef\s+(?:public\s+|api\s+)*class\s+(?P<name>\w+)")
ATTRIBUTE = re.compile(
    r"\s+cdef\s+(?!public\b|readonly\b|class\b|inline\b|struct\b|enum\b)"
    r"[\w.* \[\],:]*?(?P<names>\w+(?:\s*,\s*\**\w+)*)\s*"
)


def declared_attributes(text: str) -> dict[str, set[str]]:
    """Return extension classes and their private C attributes, as `.pxd` and `.pyx` text declares them."""
    classes: dict[str, set[str]] = {}
    current, depth = None, 0
    for line in re.sub(r"#.*", "", text).splitlines():
        indent = len(line) - len(line.lstrip())
        if opened := CLASS.match(line):
            current, depth = opened["name"], indent
            classes.setdefault(current, set())
        elif line.strip() and indent <= depth:
            current = None
        elif current and (found := ATTRIBUTE.fullmatch(line)):
            classes[current] |= {name.strip(" *") for name in found["names"].split(",")}
    return classes


def declarations(source: Path) -> dict[str, set[str]]:
    classes: dict[str, set[str]] = {}
    for file in {source, source.with_suffix(".pxd")} & set(cython_files()):
        for name, attributes in declared_attributes(file.read_text()).items():
            classes.setdefault(name, set()).update(attributes)
    return classes


def load(source: Path) -> ModuleType:
    return importlib.import_module(dotted(source))


def public_names(stub: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def test_declared_attributes_reader_sees_private_ones_only() -> None:
    text = (
        "cdef class Pairs:\n    cdef Pair* pairs  # all\n    cdef readonly uint32_t live\n    cdef uint32_t a, b\n"
        "    cdef double[:, ::1] view\n    cdef int grow(self, int by) except -1\n"
        "cdef int alone\ncpdef class Not: pass\n"
    )
    assert declared_attributes(text) == {"Pairs": {"pairs", "a", "b", "view"}}


def test_extensions_exist() -> None:
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: file.name)
def test_extension_is_loaded_from_a_shared_object(source: Path) -> None:
    file = load(source).__file__
    assert file is not None
    assert Path(file).name == source.stem + SUFFIX


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: file.name)
def test_extension_is_newer_than_its_source(source: Path) -> None:
    file = load(source).__file__
    assert file is not None
    if Path(file).parent == EXTENSIONS:
        assert Path(file).stat().st_mtime >= source.stat().st_mtime, "stale build: run tools/setup"


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: file.name)
def test_extension_classes_hide_their_typed_attributes(source: Path) -> None:
    module = load(source)
    for name, attributes in declarations(source).items():
        cls = getattr(module, name)
        assert cls.__dictoffset__ == 0, f"{name} objects have a dictionary: the .pxd was ignored"
        assert not attributes & set(dir(cls)), f"typed attributes of {name} are visible"


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: file.name)
def test_extension_has_a_stub_whose_names_exist(source: Path) -> None:
    stub = source.with_suffix(".pyi")
    assert stub.exists(), f"{stub.name} is missing"
    module = load(source)
    assert not {name for name in public_names(stub) if not hasattr(module, name)}


def test_extension_folder_holds_no_shared_object_without_a_source() -> None:
    built = {file.name.partition(".")[0] for file in EXTENSIONS.glob("*.so")}
    assert built <= {source.stem for source in SOURCES}

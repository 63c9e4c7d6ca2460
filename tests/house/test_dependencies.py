"""What is imported is declared, and what is declared is imported."""

from __future__ import annotations

import re
import sys
import tomllib

from tests.house.tree import ROOT, all_imports, dotted, room

# Import names that differ from the name of their distribution.
DISTRIBUTION = {"openssl": "pyopenssl", "paho": "paho-mqtt"}
# Cython's own modules vanish when the extension is built.
COMPILE_TIME = {"cython", "libc", "cpython", "posix"}
# What users of qstack.testing have at hand, since they write tests.
TEST_TOOLS = {"pytest", "hypothesis", "trustme"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def distributions(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line).group().lower() for line in requirements}  # type: ignore[union-attr]


def imported_by(rooms: set[str] | None = None) -> set[str]:
    """Return the distributions that the sources import, all rooms or the given ones."""
    found = {
        entry.module.split(".")[0].lower()
        for entry in all_imports()
        if rooms is None or room(dotted(entry.file)) in rooms
    }
    stdlib = {name.lower() for name in sys.stdlib_module_names}
    return {DISTRIBUTION.get(name, name) for name in found - stdlib - COMPILE_TIME - {"qstack"}}


def test_dependencies_all_imports_are_declared() -> None:
    declared = distributions(PROJECT["dependencies"])
    every_room = {room(dotted(entry.file)) or "" for entry in all_imports()}
    assert imported_by(every_room - {"dissect", "testing", "io"}) <= declared
    assert imported_by({"io"}) <= declared | distributions(PROJECT["optional-dependencies"]["mqtt"])
    assert imported_by({"dissect"}) <= declared | distributions(PROJECT["optional-dependencies"]["scapy"])
    assert imported_by({"testing"}) <= declared | TEST_TOOLS


def test_dependencies_all_declarations_are_imported() -> None:
    assert distributions(PROJECT["dependencies"]) <= imported_by()

"""The arrows between rooms (ARCHITECTURE.md draws them): who may know whom, and who may touch the world."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.house.tree import PACKAGE, ROOT, Import, all_imports, cython_imports, dotted, python_imports, room

SANS_IO = {"base", "wire", "machine", "quantum", "proto", "node", "twin"}

# Room -> rooms it may import. A room is always free to import itself.
ARROWS: dict[str, set[str]] = {
    "": set(),
    "_cext": {"base"},
    "base": set(),
    "wire": {"base", "_cext"},
    "machine": {"base", "_cext"},
    "quantum": {"base", "_cext"},
    "proto": {"base", "wire", "machine", "quantum"},
    "node": {"base", "wire", "machine", "quantum", "proto", "_cext"},
    "twin": {"base", "wire", "quantum"},
    "io": {"base", "wire", "_cext"},
    "config": {"base", "wire", "quantum"},
    "control": {"base", "wire", "config"},
    "pki": {"base", "wire"},
    "sockets": {"base", "wire", "io", "config", "control", "pki"},
    # dissect: `qstackctl wireshark` asks it where the plugin is; sockets: an application in command-line form.
    "cli": {"base", "wire", "io", "config", "control", "pki", "sockets", "dissect"},
    "dissect": {"base", "wire"},
}
ARROWS["daemon"] = {*SANS_IO, "io", "config", "control", "pki"}
ARROWS["testing"] = {*ARROWS, "daemon"} - {"daemon", "cli"}

# Time, chance, other processes and the network come in as arguments.
WORLD = {
    *("time", "datetime", "sched", "signal"),
    *("random", "secrets", "uuid"),
    *("os", "posix", "subprocess", "multiprocessing", "tempfile", "shutil"),
    *("socket", "select", "selectors", "ssl", "OpenSSL", "http", "urllib"),
    *("threading", "concurrent", "asyncio", "trio", "anyio"),
}
# What Cython calls them. `libc.math` and `libc.string` are pure.
C_WORLD = ("libc.time", "posix", "cpython.pythread", "libc.signal")

FORBIDDEN_EVERYWHERE = {"asyncio", "anyio"}


def violations(wrong: Callable[[Import], bool]) -> str:
    return "\n".join(str(found) for found in all_imports() if wrong(found))


def test_imports_python_reader_sees_relative_lazy_and_typing_imports() -> None:
    text = (
        "from . import ids\nfrom .errors import WireError\nfrom ..wire import schema\n"
        "def f():\n    import time\n"
        "if TYPE_CHECKING:\n    from trio import Nursery\n"
        "import os.path as p, json\n"
    )
    found = [(entry.module, entry.line) for entry in python_imports(text, PACKAGE / "base" / "new.py")]
    assert sorted(found) == sorted(
        [
            ("qstack.base.ids", 1),
            ("qstack.base.errors", 2),
            ("qstack.wire.schema", 3),
            ("time", 5),
            ("trio", 7),
            ("os.path", 8),
            ("json", 8),
        ]
    )


def test_imports_cython_reader_sees_cimports_over_several_lines() -> None:
    text = (
        "from libc.time cimport time\ncimport posix.unistd as u, cython  # two\n"
        "from qstack._cext cimport (\n    engine,\n)\n"
        "from .engine cimport Pairs, fidelity as f\n"
        "cdef int cimported = 3\n"
        "    import trio\n"
    )
    found = [(entry.module, entry.line) for entry in cython_imports(text, ROOT / "_cext" / "new.pyx")]
    assert found == [
        ("libc.time", 1),
        ("posix.unistd", 2),
        ("cython", 2),
        ("qstack._cext.engine", 3),
        ("qstack._cext.engine", 6),
        ("qstack._cext.engine", 6),
        ("trio", 8),
    ]


def test_arrows_every_room_is_drawn() -> None:
    rooms = {entry.name for entry in PACKAGE.iterdir() if (entry / "__init__.py").exists()}
    assert rooms <= set(ARROWS), "a new room needs its arrows in this file and in ARCHITECTURE.md"


def test_arrows_no_room_knows_more_than_it_may() -> None:
    def wrong(found: Import) -> bool:
        here, there = room(dotted(found.file)), room(found.module)
        if there is None or there == "":
            return False  # the package itself holds the version only
        assert here is not None
        return there != here and there not in ARROWS.get(here, set())

    assert not violations(wrong)


def test_arrows_protocols_do_not_import_one_another() -> None:
    def wrong(found: Import) -> bool:
        here, there = dotted(found.file).split("."), found.module.split(".")
        if here[:2] != ["qstack", "proto"] or there[:2] != ["qstack", "proto"] or len(there) < 3:
            return False
        return len(here) < 3 or here[2] != there[2]

    assert not violations(wrong)


def test_arrows_sans_io_rooms_do_not_touch_the_world() -> None:
    def wrong(found: Import) -> bool:
        return room(dotted(found.file)) in SANS_IO and found.module.split(".")[0] in WORLD

    assert not violations(wrong)


def test_arrows_extensions_do_not_touch_the_world() -> None:
    def wrong(found: Import) -> bool:
        if room(dotted(found.file)) != "_cext" or found.file.stem.startswith("io"):
            return False
        return found.module.split(".")[0] in WORLD or found.module.startswith(C_WORLD)

    assert not violations(wrong)


def test_arrows_only_dissect_knows_scapy() -> None:
    assert not violations(lambda found: found.module.split(".")[0] == "scapy" and room(dotted(found.file)) != "dissect")


def test_arrows_only_the_twin_opens_the_engine() -> None:
    engine = ("qstack.quantum.engine", "qstack._cext.engine")

    def wrong(found: Import) -> bool:
        return found.module.startswith(engine) and room(dotted(found.file)) not in {"twin", "quantum", "_cext"}

    assert not violations(wrong)


def test_arrows_no_second_event_loop() -> None:
    assert not violations(lambda found: found.module.split(".")[0] in FORBIDDEN_EVERYWHERE)


def loaded_by(module: str) -> set[str]:
    """Import a module in a fresh process and return the names of all modules this loaded."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_qstackd_imports_neither_numpy_nor_scapy() -> None:
    heavy = {"numpy", "scipy", "scapy", "qutip", "hypothesis", "qstack.twin", "qstack._cext.engine", "qstack.cli"}
    assert not heavy & loaded_by("qstack.daemon.qstackd")


@pytest.mark.parametrize("command", ["cli.qstackctl", "cli.lab", "sockets", "dissect"])
def test_light_doors_import_neither_numpy_nor_scapy(command: str) -> None:
    assert not {"numpy", "scapy", "qstack.daemon"} & loaded_by(f"qstack.{command}")

"""What a user gets: each way of installing, into a clean environment, gives four working commands.

The clean environment sees the dependencies that are installed here, but not the qstack that is installed here, so
no network is needed. (That the dependencies are declared is held by test_dependencies.)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.house.tree import ROOT, project_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]

COMMANDS = {
    "qstackd": "qstack/daemon/qstackd.py",
    "qtwind": "qstack/daemon/qtwind.py",
    "qstackctl": "qstack/cli/qstackctl.py",
    "qstack-lab": "qstack/cli/lab.py",
}
UNWANTED = {".c", ".o", ".pyx", ".pyc", ".html"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout: the project's files and nothing that was built."""
    top = tmp_path_factory.mktemp("checkout")
    for file in project_files():
        copy = top / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return top


@pytest.fixture(scope="module")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, checkout, cwd=out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def clean_environment(folder: Path) -> Path:
    """Make a virtual environment that borrows the dependencies installed here; return its python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # A path file is not searched for further path files, so the editable qstack stays out of sight.
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install(python: Path, *what: str | Path, cwd: Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "--python", python, "install", *quiet, "--ignore-installed", *what, cwd=cwd)


def assert_commands_answer(python: Path, cwd: Path) -> None:
    for command, source in COMMANDS.items():
        installed = python.parent / command
        assert installed.exists()
        if (ROOT / source).exists():
            assert run(installed, "--version", cwd=cwd).split()[-1].count(".") >= 1
            assert run(installed, "--help", cwd=cwd).startswith("usage: " + command)


def assert_extensions_load(python: Path, cwd: Path) -> None:
    for source in sorted((ROOT / "_cext").glob("*.pyx")):
        name = f"qstack._cext.{source.stem}"
        assert run(python, "-c", f"import {name}; print({name}.__file__)", cwd=cwd).strip().endswith(".so")


def test_sdist_holds_what_a_build_needs(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        str(file.relative_to(ROOT))
        for file in project_files()
        if file.relative_to(ROOT).parts[0] in {"_cext", "qstack", "pcap", "man", "tools", "tests", "rfc_notes"}
    }
    assert not wanted - held
    assert not {name for name in held - wanted if name.endswith((".so", ".o", ".c"))}


def test_wheel_holds_what_runs_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as archive:
        held = set(archive.namelist())
    assert not {name for name in held if Path(name).suffix in UNWANTED}
    assert {"qstack/py.typed", "qstack/_cext/__init__.py"} <= held
    package = {str(file.relative_to(ROOT)) for file in project_files() if file.is_relative_to(ROOT / "qstack")}
    assert not package - held
    for source in (ROOT / "_cext").glob("*.pyx"):
        assert any(name.startswith(f"qstack/_cext/{source.stem}.") and name.endswith(".so") for name in held)
        assert f"qstack/_cext/{source.stem}.pyi" in held
    tops = {name.partition("/")[0] for name in held}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"qstack"}


def test_wheel_holds_the_wireshark_plugin(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as archive:
        assert archive.read("qstack/dissect/qstack.lua") == (ROOT / "pcap" / "qstack.lua").read_bytes()


def test_wheel_from_sdist_installed_in_a_clean_environment_works(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    python = clean_environment(tmp_path / "env")
    install(python, distributions[1], cwd=tmp_path)
    assert_extensions_load(python, tmp_path)
    assert_commands_answer(python, tmp_path)


@pytest.mark.parametrize("way", ["plain", "editable"])
def test_checkout_installed_in_a_clean_environment_works(way: str, checkout: Path, tmp_path: Path) -> None:
    python = clean_environment(tmp_path / "env")
    install(python, *(["--editable"] if way == "editable" else []), checkout, cwd=tmp_path)
    assert_extensions_load(python, tmp_path)
    assert_commands_answer(python, tmp_path)

"""Bring the environment that runs this file up to date: dependencies, the editable install, the extensions.

What was done is remembered as hashes of what it was done from, in the environment itself, so a second run costs
nothing and says nothing. A lock lets several runs in one tree take turns.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = Path(sys.prefix)
STAMP = ENVIRONMENT / "qstack-setup.json"
LOCK = ENVIRONMENT / "qstack-setup.lock"
PROJECT_FILES = ("pyproject.toml", "setup.py", "qstack/__init__.py")
EXTENSION_SOURCES = (".pyx", ".pxd", ".pxi", ".py", ".h")


class SetupFailed(Exception):
    """A step did not succeed; the text says what and the remedy, if one is known."""


def digest(files: Iterable[Path]) -> str:
    """Return one hash over names and contents."""
    whole = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        whole.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def extension_sources() -> list[Path]:
    return sorted(file for file in (ROOT / "_cext").iterdir() if file.suffix in EXTENSION_SOURCES)


def compiled_sources() -> list[Path]:
    """Return the sources that become extension modules (setup.py has the same rule)."""
    sources = extension_sources()
    return [
        source
        for source in sources
        if source.suffix == ".pyx" or (source.suffix == ".py" and source.with_suffix(".pxd") in sources)
    ]


def built(source: Path) -> Path:
    return source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))


def build_products() -> list[Path]:
    """Return what a build leaves: the extensions, and the package layout in which mypy finds their stubs."""
    return [ROOT / "build/cy/qstack/_cext", *map(built, compiled_sources())]


def run(step: str, *command: str) -> None:
    """Announce a step in one line and run it; its output is shown only when it fails."""
    print(f"setup: {step}", flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SetupFailed(f"{done.stdout.rstrip()}\nfailed: {' '.join(command)}")


def pip_install(step: str, *arguments: str) -> None:
    run(step, sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def require_compiler() -> None:
    """Name what is missing before the build fails in a less readable way."""
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if not any(map(shutil.which, (compiler, "cc", "gcc", "clang"))):
        raise SetupFailed("no C compiler was found. On Debian or Ubuntu: apt-get install build-essential")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(f"Python.h is missing. On Debian or Ubuntu: apt-get install python{version}-dev")


def install_project(extras: set[str]) -> None:
    require_compiler()
    build_needs: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip_install("installing " + ", ".join(build_needs), *build_needs)
    target = f".[{','.join(sorted(extras))}]" if extras else "."
    pip_install(f"installing qstack (editable: {target})", "--no-build-isolation", "--editable", target)


def build_extensions() -> None:
    require_compiler()
    for leftover in set((ROOT / "_cext").glob("*.so")) - {built(source) for source in compiled_sources()}:
        leftover.unlink()
    run("building the extensions", sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel=2")


def bring_up_to_date(extras: set[str]) -> None:
    done: dict[str, Any] = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    project = f"{digest(ROOT / name for name in PROJECT_FILES)} {ROOT}"  # an editable install knows its place
    extensions = digest([ROOT / "setup.py", *extension_sources()])
    wanted = extras | set(done.get("extras", ()))
    if done.get("project") != project or wanted != set(done.get("extras", ())):
        install_project(wanted)
        done |= {"project": project, "extras": sorted(wanted), "extensions": extensions}
        STAMP.write_text(json.dumps(done))
    if done.get("extensions") != extensions or not all(product.exists() for product in build_products()):
        build_extensions()
        STAMP.write_text(json.dumps(done | {"extensions": extensions}))


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/setup", description="Bring .venv up to date.")
    parser.add_argument("--extras", default="", metavar="NAME[,NAME]", help="extras of pyproject.toml to install")
    extras = {name for name in parser.parse_args().extras.split(",") if name}
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            bring_up_to_date(extras)
        except SetupFailed as failure:
            print(f"tools/setup: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

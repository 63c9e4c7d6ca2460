"""The compiled half of the build: everything else is said in pyproject.toml.

Three laws:

* `_cext/` stands at the top of the tree and is installed as `qstack._cext`. Cython looks for `.pxd` files by
  package path, and would *silently* ignore an augmenting `.pxd`: the module compiles, runs, and is not typed.
  So the package path is laid out for it under `build/cy/`, where `qstack/_cext` is a link to `_cext/`.
* Every `.pyx`, and every `.py` with a `.pxd` of its name, is an extension module: adding a file is enough.
* A build that fails is an error. There is no fall-back to the uncompiled source, which no wheel carries.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CEXT = Path("_cext")
PACKAGE_LAYOUT = Path("build/cy")
GENERATED_C = Path("build/c")
WIRESHARK_PLUGIN = Path("pcap/qstack.lua")


def is_compiled(source: Path) -> bool:
    """Tell whether a file of `_cext/` becomes an extension module."""
    return source.suffix == ".pyx" or (source.suffix == ".py" and source.with_suffix(".pxd").exists())


def lay_out_package() -> None:
    """Make `build/cy/qstack/_cext` for Cython's search of `.pxd` files (and for mypy's search of stubs)."""
    package = PACKAGE_LAYOUT / "qstack"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.pxd").touch()
    link = package / "_cext"
    target = os.path.relpath(CEXT, package)
    if not link.is_symlink() or os.readlink(link) != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def extensions() -> list[Extension]:
    """Return one extension for each compiled file of `_cext/`."""
    return [
        Extension(f"qstack._cext.{source.stem}", [str(source)], extra_compile_args=["-O3", "-g0"])
        for source in sorted(CEXT.iterdir())
        if is_compiled(source)
    ]


class BuildExtensions(build_ext):
    """Translate to C under `build/c/` when extensions are built, and only then: metadata and sdist need no C."""

    def build_extensions(self) -> None:
        lay_out_package()
        translated = cythonize(
            list(self.extensions),
            include_path=[str(PACKAGE_LAYOUT)],
            build_dir=str(GENERATED_C),
            language_level=3,
            quiet=True,
        )
        for extension, in_c in zip(self.extensions, translated, strict=True):
            extension.sources, extension.depends = in_c.sources, in_c.depends
        super().build_extensions()


class BuildPython(build_py):
    """Python files of the wheel: no uncompiled twins, no leftovers, and the Wireshark plugin in its room."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "qstack", ignore_errors=True)
        super().run()
        if not self.editable_mode:
            self.copy_wireshark_plugin()

    def copy_wireshark_plugin(self) -> None:
        if WIRESHARK_PLUGIN.exists():
            room = Path(self.build_lib) / "qstack" / "dissect"
            room.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(WIRESHARK_PLUGIN, room / WIRESHARK_PLUGIN.name)

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [entry for entry in found if not (package == "qstack._cext" and is_compiled(Path(entry[2])))]


def manual_pages() -> list[tuple[str, list[str]]]:
    """Return the man pages as (folder below the prefix, files)."""
    pages = sorted(Path("man").glob("*.[1-8]"))
    return [
        (f"share/man/man{section}", [str(page) for page in pages if page.suffix == f".{section}"])
        for section in sorted({page.suffix[1:] for page in pages})
    ]


os.chdir(ROOT)
setup(
    packages=[*find_packages(include=["qstack", "qstack.*"]), "qstack._cext"],
    package_dir={"qstack._cext": "_cext"},
    package_data={"": ["py.typed", "*.pyi", "*.lua", "*.toml", "*.conf", "*.acl"], "qstack._cext": ["*.pxd"]},
    include_package_data=False,
    ext_modules=extensions(),
    data_files=manual_pages(),
    cmdclass={"build_ext": BuildExtensions, "build_py": BuildPython},
)

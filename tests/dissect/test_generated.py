"""tools/gen_wire.py, and the captures that are checked in."""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dpkt
import pytest


@pytest.fixture
def generator(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The generator, at work in an empty tree."""
    spec = importlib.util.spec_from_file_location("gen_wire", root / "tools" / "gen_wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    yield module


def run(generator: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["gen_wire.py", *arguments])
    return int(generator.main())


def test_generator_writes_files_that_its_check_then_finds_fresh(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(generator, monkeypatch, "--check") == 1
    assert run(generator, monkeypatch) == 0
    capsys.readouterr()
    assert run(generator, monkeypatch, "--check") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["pcap/qstack.lua", "rfc_notes/wire/link.md", "pcap/samples.pcapng"])
def test_generator_check_names_the_file_that_is_stale(
    name: str,
    generator: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(generator, monkeypatch)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    capsys.readouterr()
    assert run(generator, monkeypatch, "--check") == 1
    assert capsys.readouterr().err == f"{name} is stale: run tools/gen_wire.py\n"


def test_generator_removes_the_page_of_a_table_that_is_no_more(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(generator, monkeypatch)
    (tmp_path / "rfc_notes/wire/gone.md").write_text("")
    assert run(generator, monkeypatch, "--check") == 1
    run(generator, monkeypatch)
    assert not (tmp_path / "rfc_notes/wire/gone.md").exists()


def test_generator_keeps_the_entries_of_other_captures(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(generator, monkeypatch)
    other = '\n[[capture]]\nfile = "demo.pcapng"\nwhat = "a \\"demo\\""\nmade = "by hand"\npackets = 3\nsha256 = "00"\n'
    manifest = tmp_path / "pcap/MANIFEST.toml"
    manifest.write_text(manifest.read_text() + other)
    run(generator, monkeypatch)
    entries = tomllib.loads(manifest.read_text())["capture"]
    assert [entry["file"] for entry in entries] == ["samples.pcapng", "demo.pcapng"]
    assert other in manifest.read_text()


def test_manifest_tells_the_truth_of_every_capture(root: Path) -> None:
    entries = tomllib.loads((root / "pcap/MANIFEST.toml").read_text())["capture"]
    captures = {path.name: path for path in (root / "pcap").iterdir() if path.suffix in {".pcap", ".pcapng"}}
    assert {entry["file"] for entry in entries} == set(captures)
    for entry in entries:
        path = captures[entry["file"]]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], path.name
        with path.open("rb") as file:
            reader = dpkt.pcapng.Reader(file) if path.suffix == ".pcapng" else dpkt.pcap.Reader(file)
            assert sum(1 for _ in reader) == entry["packets"], path.name
        assert entry["what"]
        assert entry["made"]

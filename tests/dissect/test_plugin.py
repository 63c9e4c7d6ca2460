"""Finding the Wireshark plugin and putting it in place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qstack.base.errors import LocalMisuse
from qstack.dissect import lua, plugin


def test_plugin_path_is_the_generated_file() -> None:
    assert plugin.plugin_path().read_text().startswith(f"-- {lua.GENERATED}")


def test_plugin_path_prefers_the_file_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "site" / "qstack" / "dissect"
    beside.mkdir(parents=True)
    (beside / "qstack.lua").write_text("-- installed\n")
    monkeypatch.setattr(plugin, "__file__", str(beside / "plugin.py"))
    assert plugin.plugin_path() == beside / "qstack.lua"


def test_plugin_path_without_the_file_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "__file__", str(tmp_path / "a" / "b" / "plugin.py"))
    with pytest.raises(LocalMisuse, match="install qstack again"):
        plugin.plugin_path()


def test_install_into_a_folder_that_is_missing_makes_it(tmp_path: Path) -> None:
    target = plugin.install_plugin(tmp_path / "new" / "folder")
    assert target == tmp_path / "new" / "folder" / "qstack.lua"
    assert target.read_bytes() == plugin.plugin_path().read_bytes()
    assert [entry.name for entry in target.parent.iterdir()] == ["qstack.lua"]


def test_install_over_an_older_plugin_replaces_it(tmp_path: Path) -> None:
    (tmp_path / "qstack.lua").write_text("-- old\n")
    assert plugin.install_plugin(tmp_path).read_bytes() == plugin.plugin_path().read_bytes()


def test_install_where_nothing_can_be_written_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalMisuse, match=r"cannot write .*file/qstack\.lua"):
        plugin.install_plugin(tmp_path / "file")


def test_install_by_default_goes_where_tshark_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teller = tmp_path / "tshark"
    teller.write_text(f"#!/bin/sh\nprintf 'Temp:\\t/tmp\\nPersonal Lua Plugins:\\t{tmp_path}/mine\\n'\n")
    teller.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert plugin.install_plugin() == tmp_path / "mine" / "qstack.lua"


@pytest.mark.parametrize("script", ["exit 1", "echo 'Temp: /tmp'", None])
def test_install_by_default_without_an_answer_goes_to_the_usual_folder(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        (tmp_path / "tshark").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "tshark").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plugin.personal_folder() == tmp_path / ".local/lib/wireshark/plugins"


def test_plugin_module_needs_no_scapy() -> None:
    program = "import sys, qstack.dissect.plugin, qstack.dissect.summary; print('scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"

"""`qstackctl pki` and `qstackctl wireshark`: what needs no daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qstack.cli.qstackctl import main


def test_pki_makes_a_domain_and_shows_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca, node = tmp_path / "ca", tmp_path / "node"
    assert main(["pki", "init", "--dir", str(ca), "--as", "64512", "--urn", "urn:qkd:madqci"]) == 0
    assert capsys.readouterr().out == f"{ca}/ca.pem\n"
    assert main(["pki", "issue", "64512.1", "--ca", str(ca), "--out", str(node), "--urn", "urn:qkd:madqci:ccips"]) == 0
    assert capsys.readouterr().out == f"{node}/node.pem\n"
    assert main(["pki", "show", str(node / "node.pem"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["name"], said["urn_prefixes"]) == ("node", "64512.1", ["urn:qkd:madqci:ccips"])
    assert main(["pki", "fingerprint", str(node / "node.pem")]) == 0
    assert capsys.readouterr().out == f"sha256:{said['fingerprint']}\n"
    assert main(["pki", "show", str(node / "node.pem")]) == 0
    assert "UTC" in capsys.readouterr().out


def test_pki_self_signed_certificate_is_for_pinning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pki", "issue", "64512.1", "--out", str(tmp_path), "--days", "10"]) == 0
    main(["pki", "show", str(tmp_path / "node.pem"), "--json"])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["self_signed"] is True
    assert said["not_after_unix"] - said["not_before_unix"] < 11 * 86_400


def test_pki_faults_are_one_line_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["pki", "issue", "64512.1", "--out", str(tmp_path)])
    capsys.readouterr()
    for words, told in (
        (["issue", "64512.1", "--out", str(tmp_path)], "--force overwrites it"),
        (["issue", "alice", "--out", str(tmp_path)], "AS.NODE"),
        (["issue", "64512.1", "--ca", str(tmp_path), "--out", str(tmp_path / "x")], "No such file"),
        (["show", str(tmp_path / "gone.pem")], "No such file"),
        (["show", str(tmp_path / "node.key")], "not PEM of the expected kind"),
    ):
        assert main(["pki", *words]) == 1
        err = capsys.readouterr().err
        assert err.startswith("qstackctl: ")
        assert told in err


def test_wireshark_plugin_is_copied_and_its_place_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["wireshark", "path"]) == 0
    assert Path(capsys.readouterr().out.strip()) == root / "pcap" / "qstack.lua"
    assert main(["wireshark", "install", "--dir", str(tmp_path / "plugins")]) == 0
    copy = Path(capsys.readouterr().out.strip())
    assert copy == tmp_path / "plugins" / "qstack.lua"
    assert copy.read_bytes() == (root / "pcap" / "qstack.lua").read_bytes()

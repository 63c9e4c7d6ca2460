"""Laboratories with real daemons: two nodes, one link."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qstack.cli.lab import main
from qstack.cli.laboratory import Laboratory
from qstack.cli.qstackctl import main as qstackctl

TOPOLOGY = """
[lab]
name = "{name}"
[[node]]
name = "alice"
qna = "64512.1"
urn = ["urn:qkd:a"]
[[node]]
name = "bob"
qna = "64512.2"
urn = ["urn:qkd:b"]
{extra}
[[link]]
between = ["alice", "bob"]
memories = 64
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(TOPOLOGY.format(name="two", extra=""))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A laboratory's folder; whatever is started in it ends with the test."""
    yield tmp_path / "lab"
    Laboratory(tmp_path / "lab").down()


def up(topology: Path, folder: Path, *words: str) -> int:
    return main(["up", str(topology), "--dir", str(folder), *words])


def state(folder: Path) -> dict[str, dict[str, int]]:
    """The processes that lab.json names."""
    return {each["name"]: each for each in json.loads((folder / "lab.json").read_text())["processes"]}


def test_lab_goes_up_says_what_runs_and_goes_down(
    topology: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(topology, folder) == 0
    assert str(folder / "alice.sock") in capsys.readouterr().out
    assert list(state(folder)) == ["qtwind", "alice", "bob"]
    assert main(["status", "--dir", str(folder)]) == 0
    assert capsys.readouterr().out.count("runs") == 3
    for node in ("alice", "bob"):
        assert qstackctl(["--socket", str(folder / f"{node}.sock"), "wait", "ready", "connected", "links>=1"]) == 0
    pids = [each["pid"] for each in state(folder).values()]
    assert main(["down", "--dir", str(folder)]) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not [path for path in folder.iterdir() if path.suffix == ".sock" or path.name == "lab.json"]
    assert main(["status", "--dir", str(folder)]) == 1


def test_lab_two_applications_share_a_key(topology: Path, folder: Path) -> None:
    up(topology, folder)
    base = [sys.executable, "-m", "qstack.cli.lab", "exec", "--dir", str(folder)]
    listen = [*base, "bob", "--", "qstackctl", "unit", "listen", "urn:qkd:b", "--count", "1"]
    ask = [*base, "alice", "--", "qstackctl", "unit", "open", "urn:qkd:a", "urn:qkd:b", "urn:qkd:lifecycle?=size=64"]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listener:
        assert qstackctl(["--socket", str(folder / "bob.sock"), "wait", "endpoint=urn:qkd:b"]) == 0
        ours = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        theirs, _ = listener.communicate(timeout=20)
    assert ours == theirs
    assert len(bytes.fromhex(ours)) == 8


def test_lab_second_time_uses_its_certificates_again(topology: Path, folder: Path) -> None:
    def certificates() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (folder / "pki").rglob("*.pem")}

    up(topology, folder)
    main(["down", "--dir", str(folder)])
    before = certificates()
    assert len(before) == 3
    assert all(path.with_suffix(".key").stat().st_mode & 0o077 == 0 for path in before)
    up(topology, folder)
    assert certificates() == before
    main(["down", "--dir", str(folder)])
    topology.write_text(topology.read_text().replace("urn:qkd:b", "urn:qkd:c"))
    assert up(topology, folder) == 0  # other names: the domain's CA and all that hang on it are made anew
    assert not set(certificates().values()) & set(before.values())


def test_lab_that_is_up_is_not_started_again(
    topology: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up(topology, folder)
    before = state(folder)
    assert up(topology, folder) == 1
    assert "still run; qstack-lab down --dir" in capsys.readouterr().err
    assert state(folder) == before


def test_lab_that_does_not_come_up_shows_why_and_leaves_nothing(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        topology = tmp_path / "taken.toml"
        text = TOPOLOGY.format(name="taken", extra="").replace('name = "taken"', f'name = "taken"\nport = {port}')
        topology.write_text(text.replace('qna = "64512.2"', 'qna = "64512.2"\naddress = "127.0.0.1"'))
        assert up(topology, folder) == 1
    told = capsys.readouterr().err
    assert "bob ended with code 1" in told
    assert f"cannot listen on 127.0.0.1:{port}" in told
    assert not (folder / "lab.json").exists()


def test_lab_topology_with_faults_is_refused_whole(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topology = tmp_path / "bad.toml"
    topology.write_text(TOPOLOGY.format(name="bad", extra="").replace('"64512.2"', '"two"').replace("64", "-1"))
    assert up(topology, folder) == 1
    told = capsys.readouterr().err
    assert "$.node[1].qna" in told
    assert "$.link[0].memories" in told
    assert not folder.exists()


def test_lab_down_never_touches_a_stranger_with_the_same_number(topology: Path, folder: Path) -> None:
    up(topology, folder)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        text = (folder / "lab.json").read_text()
        alice = state(folder)["alice"]
        os.kill(alice["pid"], signal.SIGKILL)
        (folder / "lab.json").write_text(text.replace(str(alice["pid"]), str(stranger.pid)))
        main(["down", "--dir", str(folder)])
        assert stranger.poll() is None
        stranger.kill()


def test_lab_with_a_dead_daemon_says_so_and_still_goes_down(
    topology: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up(topology, folder)
    os.kill(state(folder)["bob"]["pid"], signal.SIGKILL)
    os.waitpid(state(folder)["bob"]["pid"], 0)
    capsys.readouterr()
    assert main(["status", "--dir", str(folder), "--json"]) == 1
    alive = {row["name"]: row["alive"] for row in json.loads(capsys.readouterr().out)}
    assert alive == {"qtwind": True, "alice": True, "bob": False}
    assert main(["down", "--dir", str(folder)]) == 0


def test_lab_exec_of_no_node_names_those_there_are(
    topology: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up(topology, folder)
    assert main(["exec", "carol", "--dir", str(folder), "--", "true"]) == 1
    assert "there are alice, bob" in capsys.readouterr().err
    words = ["exec", "bob", "--dir", str(folder), "--", "sh", "-c", 'test "$QSTACK_SOCKET" = "$0"']
    assert main([*words, str(folder / "bob.sock")]) == 0
    assert main(["exec", "bob", "--dir", str(folder), "--", "sh", "-c", "exit 7"]) == 7


def namespaces_work() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"qs-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made


@pytest.mark.skipif(not namespaces_work(), reason="network namespaces need root and iproute2: apt-get install iproute2")
def test_lab_in_namespaces_shares_a_key_and_leaves_none_behind(tmp_path: Path, folder: Path) -> None:
    topology = tmp_path / "spaces.toml"
    topology.write_text(TOPOLOGY.format(name=f"t{os.getpid()}", extra=""))
    try:
        assert up(topology, folder, "--netns") == 0
        execute = [sys.executable, "-m", "qstack.cli.lab", "exec", "bob", "--dir", str(folder), "--"]
        shown = subprocess.run([*execute, "ip", "-brief", "address"], capture_output=True, text=True, check=True)
        assert "10.64.0.2/16" in shown.stdout
        assert qstackctl(["--socket", str(folder / "alice.sock"), "ping", "64512.2", "--count", "1"]) == 0
    finally:
        assert main(["down", "--dir", str(folder)]) == 0
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"t{os.getpid()}" not in left


@pytest.mark.skipif(os.geteuid() == 0, reason="root may make namespaces")
def test_lab_in_namespaces_without_root_says_so(
    topology: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert up(topology, folder, "--netns") == 1
    assert "run it as root" in capsys.readouterr().err

"""`--check-config`, and what a reload changes in a daemon that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import parse_qna
from qstack.pki import files as pki
from tests.daemon.application import Application, Told
from tests.daemon.network import ALICE, BOB, SERVED, Network, endpoint_urns, running


def serving(urn: str) -> str:
    """What to add to alice's file so that she serves an endpoint."""
    return f'\n[[endpoint]]\nprefix = "{urn}"\nusers = "any"\n\n[[route]]\nprefix = "{urn}"\nnode = "64512.1"\n'


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network whose files tests change; they put them back."""
    with running(tmp_path_factory.mktemp("own")) as network:
        network.connected()
        yield network


class Edited:
    """alice's file (by default), changed while the block runs."""

    def __init__(self, network: Network, old: str, new: str, name: str = ALICE) -> None:
        self.path = network.folder / f"{name}.toml"
        self.before = self.path.read_text()
        assert old in self.before
        self.after = self.before.replace(old, new)

    def __enter__(self) -> None:
        self.path.write_text(self.after)

    def __exit__(self, *_: object) -> None:
        self.path.write_text(self.before)


def check(path: Path, program: str = "qstackd") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"qstack.daemon.{program}", "--check-config", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


# --- --check-config ---------------------------------------------------------------------------------------------------


def test_check_config_of_good_files_says_so(own: Network) -> None:
    for name, program in ((ALICE, "qstackd"), ("qtwind", "qtwind")):
        done = check(own.folder / f"{name}.toml", program)
        assert (done.returncode, done.stderr) == (0, "")
        assert "good" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('qna = "64512.1"', 'qna = "64512"', ("$.node.qna", '"64512"', "AS.NODE")),
        ('control = "alice.sock"', 'contol = "alice.sock"', ("$.listen", "contol", "control")),
        ("memories = 192", "memories = -1", ("$.link[0].memories", "-1")),
        ('certificate = "pki/alice', 'certificate = "pki/nobody', ("$.session.certificate", "pki/nobody")),
        ("[node]", "[node", ("TOML",)),
        ("[capture]", '[tuning.session]\nprobes = "many"\n\n[capture]', ("$.tuning.session.probes", "many")),
    ],
)
def test_check_config_names_path_value_and_remedy(own: Network, old: str, new: str, said: tuple[str, ...]) -> None:
    with Edited(own, old, new):
        done = check(own.folder / "alice.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert all(word in done.stderr for word in said), done.stderr
    assert "Traceback" not in done.stderr


def test_check_config_finds_what_only_certificates_tell(own: Network) -> None:
    with Edited(own, "pki/alice/", "pki/bob/"):
        done = check(own.folder / "alice.toml")
    assert done.returncode == 1
    assert "64513.2" in done.stderr
    assert "64512.1" in done.stderr
    with Edited(own, "pki/alice/node.key", "pki/bob/node.key"):
        done = check(own.folder / "alice.toml")
    assert done.returncode == 1
    assert "node.key" in done.stderr
    assert "Traceback" not in done.stderr


def start(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    command = [sys.executable, "-m", "qstack.daemon.qstackd", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_daemon_that_cannot_start_says_why_in_one_line(own: Network) -> None:
    """Its address is taken, or its device is not there."""
    text = (own.folder / "alice.toml").read_text().replace("alice.", "second.")
    locator = text.split('locator = "')[1].split('"')[0]
    elsewhere = text.replace(locator, "127.127.127.127:4560").replace("qtwind.sock", "nowhere.sock")
    for file, said in ((text, f"cannot listen on {locator}"),
                       (elsewhere.replace("[twin]", "[twin]\npatience-s = 0.1"), "start qtwind first")):  # fmt: skip
        done = start(own.folder / "second.toml", file)
        assert done.returncode == 1
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


# --- reload -----------------------------------------------------------------------------------------------------------


def test_reload_of_routes_and_endpoints_is_in_force_at_once(own: Network) -> None:
    mail = "urn:qkd:madqci:mail"
    with Application(own.socket(ALICE)) as alice:
        with pytest.raises(Told) as told:
            alice.claim(mail)
        assert told.value.reason is ErrorCode.POLICY
        elsewhere = '[[route]]\nprefix = "urn:qkd:elsewhere"\nnode = "64513.9"\n'
        with Edited(own, "[capture]", serving(mail) + elsewhere + "[capture]"):
            assert own.ask(ALICE, "reload")["reply"] == "done"
        alice.claim(mail)
        with pytest.raises(Told) as told:
            alice.open_unit(endpoint_urns(peer="urn:qkd:elsewhere:x"), timeout_s=0.5).key()
        assert told.value.reason is not ErrorCode.NO_ROUTE, "there is a route now, to a node that is not there"
    assert own.ask(ALICE, "reload")["reply"] == "done"
    with Application(own.socket(ALICE)) as alice, pytest.raises(Told):
        alice.claim(mail)


def test_endpoint_of_another_user_is_neither_served_nor_spoken_for(own: Network) -> None:
    with Edited(own, 'users = "any"', f"users = [{os.getuid() + 1}]"):
        assert own.ask(ALICE, "reload")["reply"] == "done"
        with Application(own.socket(ALICE)) as alice:
            for wish in (lambda: alice.claim("urn:qkd:madqci:ccips"), lambda: alice.open_unit(endpoint_urns())):
                with pytest.raises(Told) as told:
                    wish()
                assert told.value.reason is ErrorCode.POLICY
                assert f"user id {os.getuid()}" in told.value.text
    assert own.ask(ALICE, "reload")["reply"] == "done"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[route]]", "[[rout]]", "rout"),
        ("memories = 192", "memories = 64", "links"),
        ('control = "alice.sock"', 'control = "other.sock"', "[listen]"),
        ('ca = "pki/as64513/ca.pem"', 'ca = "pki/bob/node.pem"', "node.pem"),
        ("[capture]", '[log]\nlevel = "debug"\n\n[capture]', "[log]"),
        ('name = "lab"', 'name = "field"', "[[segment]]"),
    ],
)
def test_reload_of_what_cannot_be_is_refused_whole(own: Network, old: str, new: str, said: str) -> None:
    mail = "urn:qkd:madqci:mail"
    with Edited(own, old, new):
        path = own.folder / "alice.toml"
        path.write_text(path.read_text() + serving(mail))
        refused = own.ask(ALICE, "reload")
    assert refused["reply"] == "error"
    assert said in refused["text"]
    with Application(own.socket(ALICE)) as alice, pytest.raises(Told) as told:
        alice.claim(mail)
    assert told.value.reason is ErrorCode.POLICY
    assert own.ask(ALICE, "status")["state"] == "ready"


def test_hangup_reloads_as_an_operator_does(own: Network) -> None:
    mail = "urn:qkd:madqci:hangup"
    with Edited(own, "[capture]", serving(mail) + "[capture]"):
        before = own.log(ALICE).count("reloaded")
        os.kill(own.pid(ALICE), signal.SIGHUP)
        own.wait_for_log(ALICE, "reloaded", before + 1)
    with Application(own.socket(ALICE)) as alice:
        alice.claim(mail)
    with Edited(own, "[[endpoint]]", "[[endpint]]"):
        before = own.log(ALICE).count("reload refused")
        os.kill(own.pid(ALICE), signal.SIGHUP)
        own.wait_for_log(ALICE, "reload refused", before + 1)
    with Application(own.socket(ALICE)) as alice:
        alice.claim(mail)
    assert own.ask(ALICE, "reload")["reply"] == "done"


def test_reload_that_revokes_a_certificate_closes_its_sessions_and_lets_none_come(own: Network) -> None:
    revoked = pki.fingerprint(own.folder / "pki/repeater/node.pem")
    with Edited(own, 'key = "pki/alice/node.key"', f'key = "pki/alice/node.key"\nrevoked = ["{revoked}"]'):
        assert own.ask(ALICE, "reload")["reply"] == "done"
        own.wait(ALICE, "neighbours=0")
        own.wait_for_log(ALICE, "is revoked")
        with Application(own.socket(ALICE)) as alice, pytest.raises(Told):
            alice.open_unit(endpoint_urns(), timeout_s=1).key()
        assert own.ask(ALICE, "status")["neighbours_up"] == 0
    assert own.ask(ALICE, "reload")["reply"] == "done"
    own.wait(ALICE, "neighbour=64512.2")
    own.wait("repeater", "neighbour=64512.1")


def test_reload_that_trusts_a_ca_no_more_closes_the_sessions_of_its_nodes(own: Network) -> None:
    with Edited(own, "as = 64512\n\n[[session.trust]]\nca = \"pki/as64513/ca.pem\"\nas = 64513", "as = 64512",
                "madqci-border"):  # fmt: skip
        assert own.ask("madqci-border", "reload")["reply"] == "done"
        own.wait("madqci-border", "neighbours=1")
        names = {each["node"]: each["up"] for each in own.ask("madqci-border", "neighbours")["neighbours"]}
        assert names == {"64512.2": True, "64513.1": False}
    assert own.ask("madqci-border", "reload")["reply"] == "done"
    own.wait("madqci-border", "connected")


def test_reload_shows_a_certificate_that_was_renewed(own: Network) -> None:
    folder = own.folder / "pki/bob"
    before = pki.fingerprint(folder / "node.pem")
    pki.issue(own.folder / "pki/as64513", parse_qna("64513.2"), folder, [SERVED], force=True)
    after = pki.fingerprint(folder / "node.pem")
    assert after != before
    assert own.ask(BOB, "reload")["reply"] == "done"
    own.kill("quditto-border")
    own.restart("quditto-border")
    own.connected("quditto-border", BOB)
    (session,) = [each for each in own.ask("quditto-border", "sessions")["sessions"] if each["node"] == "64513.2"]
    assert session["fingerprint"] == after.removeprefix("sha256:")

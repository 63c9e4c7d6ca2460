"""Real daemons that claim another's address: with certificates of every wrong kind, none becomes a peer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from qstack.base.ids import parse_qna
from qstack.pki import files as pki
from qstack.pki import issuing
from qstack.pki.issuing import Credential
from tests.daemon.network import ALICE, Network, running
from tests.daemon.test_crash import check_whole
from tests.pki import certificates

ALICES = parse_qna("64512.1")
DAY_S = 86_400

# A daemon whose own check of its own certificate is switched off: whoever attacks would do as much.
CARELESS = """
import sys
from dataclasses import replace
from qstack.base.ids import parse_qna
from qstack.daemon import credentials, qstackd
honest = credentials.load_node
def careless(certificate, key):
    names, *rest = honest(certificate, key)
    return (replace(names, qna=parse_qna("64512.1")), *rest)
credentials.load_node = careless
sys.exit(qstackd.main(sys.argv[1:]))
"""


def store(folder: Path, credential: Credential) -> None:
    folder.mkdir(parents=True)
    (folder / "node.pem").write_bytes(credential.certificate.public_bytes(Encoding.PEM))
    key = credential.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "node.key").write_bytes(key)
    (folder / "node.key").chmod(0o600)


def make_credentials(network: Network) -> dict[str, Credential]:
    """One for each way of not being alice."""
    now = int(time.time())
    own, other = (
        pki.load_credential(network.folder / f"pki/as{number}/ca.pem", network.folder / f"pki/as{number}/ca.key")
        for number in (64512, 64513)
    )
    return {
        "self-made": issuing.issue_node(issuing.make_ca(64512, now_unix_s=now), ALICES, now_unix_s=now),
        "another": issuing.issue_node(own, parse_qna("64512.66"), now_unix_s=now),
        "foreign": certificates.Odd(uris=("qna:64512.1",)).issue(other),
        "late": issuing.issue_node(own, ALICES, now_unix_s=now - 10 * DAY_S, days=1),
        "revoked": issuing.issue_node(own, ALICES, now_unix_s=now),
    }


SAID = {
    "self-made": "unknown issuer", "another": "certificate is that of 64512.66", "late": "has expired",
    "foreign": "does not speak for 64512.1", "revoked": "is revoked",
}  # fmt: skip


@contextmanager
def impostor(network: Network, name: str, number: int) -> Iterator[None]:
    """A daemon at an address of its own that says it is alice, and calls the repeater."""
    text = (network.folder / "alice.toml").read_text()
    mine = text.split('locator = "')[1].split(":")[0]
    text = text.replace(mine, f"{mine.rpartition('.')[0]}.{200 + number}").replace("pki/alice", f"pki/{name}")
    text = text.replace("alice.", f"{name}.").replace('\n[twin]\nsocket = "qtwind.sock"\n', "\n")
    head, *links = text.split("[[link]]")
    rest = "".join("[[route]]" + part for link in links for part in link.split("[[route]]")[1:])
    (network.folder / f"{name}.toml").write_text(head + rest)
    command = [sys.executable, "-c", CARELESS, str(network.folder / f"{name}.toml")]
    with (network.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_impostors_with_wrong_certificates_never_become_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while alice herself is away."""
    monkeypatch.setattr(certificates, "NOW", int(time.time()))
    with running(tmp_path / "lab") as network, ExitStack() as attackers:
        network.connected()
        (true,) = [each for each in network.ask("repeater", "neighbours")["neighbours"] if each["node"] == "64512.1"]
        wrong = make_credentials(network)
        for name, credential in wrong.items():
            store(network.folder / "pki" / name, credential)
        path = network.folder / "repeater.toml"
        revoked = pki.fingerprint(network.folder / "pki/revoked/node.pem")
        path.write_text(path.read_text().replace("[session]", f'[session]\nrevoked = ["{revoked}"]'))
        assert network.ask("repeater", "reload")["reply"] == "done"
        network.kill(ALICE)
        for number, name in enumerate(wrong):
            attackers.enter_context(impostor(network, name, number))
        for name in wrong:
            network.wait_for_log("repeater", SAID[name])
            network.until_serving(name)
            assert network.ask(name, "status")["neighbours_up"] == 0
        sessions = network.ask("repeater", "sessions")["sessions"]
        mine = [each for each in sessions if each["node"] == "64512.1" and each["state"] in ("established", "suspect")]
        assert [each["locator"] for each in mine] in ([true["locator"]], [])
        network.restart(ALICE)
        network.wait("repeater", "neighbour=64512.1")
        (now,) = [each for each in network.ask("repeater", "neighbours")["neighbours"] if each["node"] == "64512.1"]
        assert (now["locator"], now["up"]) == (true["locator"], True)
        check_whole(network)
        assert all(network.ask(name, "status")["neighbours_up"] == 0 for name in wrong)

"""Certificates on disk: what `qstackctl pki` does."""

import stat
from pathlib import Path

import pytest

from qstack.base.errors import LocalMisuse
from qstack.base.ids import parse_qna
from qstack.pki import files
from qstack.pki.trust import Trust

NODE = parse_qna("64512.7")
PREFIX = "urn:qkd:madqci"


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    files.init_ca(tmp_path / "ca", 64512, [PREFIX])
    return tmp_path / "ca"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_keys_are_readable_by_their_owner_alone(ca: Path, tmp_path: Path) -> None:
    certificate = files.issue(ca, NODE, tmp_path / "alice")
    assert mode(ca / "ca.key") == mode(tmp_path / "alice" / "node.key") == 0o600
    assert sorted(entry.name for entry in certificate.parent.iterdir()) == ["node.key", "node.pem"]


def test_files_issued_node_is_believed_by_the_loaded_anchor(ca: Path, tmp_path: Path) -> None:
    certificate = files.issue(ca, NODE, tmp_path / "alice", [f"{PREFIX}:ccips"])
    names, der, key = files.load_node(certificate, tmp_path / "alice" / "node.key")
    identity = Trust((files.load_anchor(ca / "ca.pem", 64512),)).check(der, now_unix_s=names.not_before_unix)
    assert (identity.qna, identity.urn_prefixes) == (NODE, (f"{PREFIX}:ccips",))
    assert key[:1] == b"\x30"


def test_files_existing_are_kept_unless_forced(ca: Path) -> None:
    before = files.fingerprint(ca / "ca.pem")
    with pytest.raises(LocalMisuse, match=r"ca\.pem: exists; --force overwrites it"):
        files.init_ca(ca, 64512)
    assert files.fingerprint(ca / "ca.pem") == before
    files.init_ca(ca, 64512, force=True)
    assert files.fingerprint(ca / "ca.pem") != before
    assert mode(ca / "ca.key") == 0o600


def test_files_show_tells_what_a_certificate_says(ca: Path, tmp_path: Path) -> None:
    certificate = files.issue(ca, NODE, tmp_path / "alice", [PREFIX])
    shown = files.show(certificate)
    assert (shown["kind"], shown["name"], shown["urn_prefixes"]) == ("node", "64512.7", [PREFIX])
    assert shown["issuer"] == "CN=qas:64512"
    assert shown["fingerprint"] == files.fingerprint(certificate)
    shown = files.show(ca / "ca.pem")
    assert (shown["kind"], shown["name"], shown["self_signed"]) == ("ca", "64512", True)


def test_files_pinned_node_is_its_own_issuer(tmp_path: Path) -> None:
    certificate = files.issue_pinned(NODE, tmp_path / "alice")
    assert files.show(certificate)["self_signed"]
    _, der, _ = files.load_node(certificate, tmp_path / "alice" / "node.key")
    trust = Trust(pinned={NODE: bytes.fromhex(files.fingerprint(certificate))})
    assert trust.check(der, now_unix_s=files.load_node(certificate, tmp_path / "alice" / "node.key")[0].not_after_unix)


def test_files_key_that_others_may_read_is_refused(ca: Path) -> None:
    (ca / "ca.key").chmod(0o640)
    with pytest.raises(LocalMisuse, match="others may read this key: chmod 600"):
        files.load_credential(ca / "ca.pem", ca / "ca.key")


def test_files_key_of_another_certificate_is_refused(ca: Path, tmp_path: Path) -> None:
    files.issue(ca, NODE, tmp_path / "alice")
    with pytest.raises(LocalMisuse, match="does not belong to"):
        files.load_credential(ca / "ca.pem", tmp_path / "alice" / "node.key")


def test_files_what_is_wrong_is_told_with_its_path(ca: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    with pytest.raises(LocalMisuse, match=r"junk\.pem: is not PEM"):
        files.show(junk)
    with pytest.raises(LocalMisuse, match=r"none\.pem: No such file"):
        files.show(tmp_path / "none.pem")
    with pytest.raises(LocalMisuse, match="not that of a CA"):
        files.load_anchor(files.issue(ca, NODE, tmp_path / "alice"))
    with pytest.raises(LocalMisuse, match="is not a URN prefix"):
        files.init_ca(tmp_path / "other", 1, ["madqci"])
    assert not (tmp_path / "other").exists()


def test_files_service_is_known_by_its_common_name_and_is_no_node(ca: Path, tmp_path: Path) -> None:
    certificate = files.issue_service(ca, "broker.lab", tmp_path / "mq", ["127.0.0.1", "mq.example"])
    assert certificate == tmp_path / "mq" / "service.pem"
    assert mode(tmp_path / "mq" / "service.key") == 0o600
    assert files.common_name(certificate) == "broker.lab"
    with pytest.raises(LocalMisuse):
        files.load_node(certificate, tmp_path / "mq" / "service.key")


@pytest.mark.parametrize("name", ["qna:64512.1", "", "a/b", "+", "x" * 65])
def test_files_service_with_a_name_that_could_be_taken_for_another_is_refused(
    name: str, ca: Path, tmp_path: Path
) -> None:
    with pytest.raises(LocalMisuse, match="no name of a service"):
        files.issue_service(ca, name, tmp_path / "mq")

"""Certificates and keys on disk.

A CA directory holds `ca.pem` and `ca.key`, a node directory `node.pem` and `node.key`, that of a broker or a twin
`service.pem` and `service.key`. Keys are unencrypted PKCS #8
(PEM), readable by their owner alone (0600); what exists is not overwritten unless `force` says so. The functions behind
`qstackctl pki`; everything raised is `LocalMisuse` with the path.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.ids import Qna, format_qna
from qstack.pki import issuing
from qstack.pki.issuing import CA_DAYS, NODE_DAYS, Credential
from qstack.pki.profile import CaNames, NodeNames, fingerprint_of, read_ca, read_node
from qstack.pki.trust import TrustAnchor, make_anchor

__all__ = ["CA_CERTIFICATE", "CA_KEY", "NODE_CERTIFICATE", "NODE_KEY", "SERVICE_CERTIFICATE", "SERVICE_KEY",
           "common_name", "fingerprint", "init_ca", "issue", "issue_pinned", "issue_service",
           "load_anchor", "load_credential", "load_node", "show"]  # fmt: skip

CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key"
NODE_CERTIFICATE, NODE_KEY = "node.pem", "node.key"
SERVICE_CERTIFICATE, SERVICE_KEY = "service.pem", "service.key"
PathLike = str | os.PathLike[str]


def init_ca(
    directory: PathLike, as_number: int, urn_prefixes: Iterable[str] = (), *, days: int = CA_DAYS, force: bool = False
) -> Path:
    """Make a domain's CA in `directory`. Gives the path of its certificate."""
    made = issuing.make_ca(as_number, urn_prefixes, now_unix_s=_now(), days=days)
    return _store(made, Path(directory), CA_CERTIFICATE, CA_KEY, force)


def issue(
    ca_directory: PathLike, qna: Qna, out: PathLike, urn_prefixes: Iterable[str] = (), *, days: int = NODE_DAYS,
    force: bool = False,
) -> Path:  # fmt: skip
    """Make key and certificate of a node in directory `out`. Gives the path of the certificate."""
    ca = load_credential(Path(ca_directory) / CA_CERTIFICATE, Path(ca_directory) / CA_KEY)
    made = issuing.issue_node(ca, qna, urn_prefixes, now_unix_s=_now(), days=days)
    return _store(made, Path(out), NODE_CERTIFICATE, NODE_KEY, force)


def issue_pinned(
    qna: Qna, out: PathLike, urn_prefixes: Iterable[str] = (), *, days: int = CA_DAYS, force: bool = False
) -> Path:
    """Make key and self-signed certificate of a node in directory `out`, for peers that pin its fingerprint."""
    made = issuing.self_signed_node(qna, urn_prefixes, now_unix_s=_now(), days=days)
    return _store(made, Path(out), NODE_CERTIFICATE, NODE_KEY, force)


def issue_service(
    ca_directory: PathLike, name: str, out: PathLike, hosts: Iterable[str] = (), *, days: int = NODE_DAYS,
    force: bool = False,
) -> Path:  # fmt: skip
    """Make key and certificate of what is no node: a broker at `hosts`, a twin. Gives the path of the certificate."""
    ca = load_credential(Path(ca_directory) / CA_CERTIFICATE, Path(ca_directory) / CA_KEY)
    made = issuing.issue_service(ca, name, hosts, now_unix_s=_now(), days=days)
    return _store(made, Path(out), SERVICE_CERTIFICATE, SERVICE_KEY, force)


def common_name(path: PathLike) -> str:
    """The common name of a certificate's subject. Raises `LocalMisuse` when it has none, or several."""
    found = _load_certificate(path).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(found) != 1:
        raise LocalMisuse(f"{os.fspath(path)}: has {len(found)} common names, not one")
    return str(found[0].value)


def fingerprint(path: PathLike) -> str:
    """The certificate's fingerprint: 64 hexadecimal digits, as configurations write it."""
    return fingerprint_of(_load_certificate(path)).hex()


def show(path: PathLike) -> dict[str, object]:
    """What a certificate says: kind, name, urn_prefixes, not_before_unix, not_after_unix, issuer, fingerprint."""
    certificate = _load_certificate(path)
    with _blaming(path):
        is_ca = _is_ca(certificate)
        names: CaNames | NodeNames = read_ca(certificate) if is_ca else read_node(certificate)
    return {
        "kind": "ca" if is_ca else "node",
        "name": str(names.as_number) if isinstance(names, CaNames) else format_qna(names.qna),
        "urn_prefixes": list(names.urn_prefixes),
        "not_before_unix": names.not_before_unix,
        "not_after_unix": names.not_after_unix,
        "issuer": certificate.issuer.rfc4514_string(),
        "self_signed": certificate.issuer == certificate.subject,
        "fingerprint": fingerprint_of(certificate).hex(),
    }


def load_credential(certificate_path: PathLike, key_path: PathLike) -> Credential:
    """A certificate and its key. Refuses a key that others may read or that belongs to another certificate."""
    certificate = _load_certificate(certificate_path)
    with _blaming(key_path):
        if os.stat(key_path).st_mode & 0o077:
            raise LocalMisuse("others may read this key: chmod 600 it")
        key = load_pem_private_key(Path(key_path).read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise LocalMisuse("is not an Ed25519 key")
        if key.public_key() != certificate.public_key():
            raise LocalMisuse(f"does not belong to {certificate_path}")
    return Credential(certificate, key)


def load_node(certificate_path: PathLike, key_path: PathLike) -> tuple[NodeNames, bytes, bytes]:
    """A node's own names, certificate (DER) and private key (PKCS #8 DER), as `qstack.io.tls` takes them."""
    credential = load_credential(certificate_path, key_path)
    with _blaming(certificate_path):
        names = read_node(credential.certificate)
    key = credential.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return names, credential.certificate.public_bytes(Encoding.DER), key


def load_anchor(path: PathLike, as_number: int | None = None, urn_prefixes: Iterable[str] | None = None) -> TrustAnchor:
    """A CA certificate as trust anchor; scope as in `make_anchor`."""
    certificate = _load_certificate(path)
    with _blaming(path):
        return make_anchor(certificate, as_number, urn_prefixes)


def _now() -> int:
    return int(time.time())


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _load_certificate(path: PathLike) -> x509.Certificate:
    with _blaming(path):
        return x509.load_pem_x509_certificate(Path(path).read_bytes())


@contextmanager
def _blaming(path: PathLike) -> Iterator[None]:
    """Turn what goes wrong with a file into `LocalMisuse` that begins with its path."""
    try:
        yield
    except OSError as error:
        raise LocalMisuse(f"{os.fspath(path)}: {error.strerror or error}") from error
    except (LocalMisuse, PeerViolation) as error:
        raise LocalMisuse(f"{os.fspath(path)}: {error}") from error
    except (ValueError, TypeError) as error:  # what the library raises for bad PEM, DER and encrypted keys
        raise LocalMisuse(f"{os.fspath(path)}: is not PEM of the expected kind") from error


def _store(credential: Credential, directory: Path, certificate_name: str, key_name: str, force: bool) -> Path:
    """Write key and certificate, the key first: a certificate without its key is of no use."""
    certificate, key = directory / certificate_name, directory / key_name
    with _blaming(directory):
        directory.mkdir(parents=True, exist_ok=True)
    for path in (certificate, key):
        if path.exists() and not force:
            raise LocalMisuse(f"{path}: exists; --force overwrites it")
    private = credential.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(key, private, 0o600)
    _write(certificate, credential.certificate.public_bytes(Encoding.PEM), 0o644)
    return certificate


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write whole or not at all, with `mode` from the first moment."""
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    with _blaming(path):
        descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(passing, path)
        except BaseException:
            passing.unlink(missing_ok=True)
            raise

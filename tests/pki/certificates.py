"""Certificates for tests: of the profile, and each way off it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qstack.pki.issuing import Credential

NOW = 1_800_000_000
DAY = 86_400


def der(credential: Credential) -> bytes:
    return credential.certificate.public_bytes(Encoding.DER)


def key_der(credential: Credential) -> bytes:
    return credential.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Odd:
    """The parts of a node certificate, each of which a test may spoil."""

    uris: tuple[str, ...] = ("qna:64512.7",)
    extra_name: x509.GeneralName | None = None
    ca: bool = False
    digital_signature: bool = True
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    extension: x509.Extension[x509.UnrecognizedExtension] | None = None
    elliptic: bool = False
    without: type[x509.ExtensionType] | None = None

    def sign(self, ca: Credential) -> bytes:
        """DER of the certificate, signed by `ca`."""
        key = ec.generate_private_key(ec.SECP256R1()) if self.elliptic else Ed25519PrivateKey.generate()
        return self._signed(ca, key).public_bytes(Encoding.DER)

    def issue(self, ca: Credential) -> Credential:
        """The certificate, signed by `ca`, with its key."""
        key = Ed25519PrivateKey.generate()
        return Credential(self._signed(ca, key), key)

    def _signed(self, ca: Credential, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
        now = datetime.fromtimestamp(NOW, UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca.certificate.subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        for extension, critical in self._extensions():
            if not isinstance(extension, self.without or ()):
                builder = builder.add_extension(extension, critical)
        return builder.sign(ca.private_key, None)

    def _extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in self.uris]
        if self.extra_name is not None:
            names.append(self.extra_name)
        usage = x509.KeyUsage(self.digital_signature, False, False, False, False, not self.digital_signature,
                              False, False, False)  # fmt: skip
        found: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(self.ca, None), True),
            (usage, True),
            (x509.ExtendedKeyUsage(self.usages), False),
            (x509.SubjectAlternativeName(names), False),
        ]
        if self.extension is not None:
            found.append((self.extension.value, self.extension.critical))
        return found


__all__ = ["DAY", "NOW", "Odd", "der", "key_der"]

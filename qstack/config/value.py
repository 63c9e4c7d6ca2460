"""Single values of a configuration: what they are in Python, how TOML writes them, and what is said about them.

TOML knows numbers, texts, lists and tables. What we mean is often narrower (an address, a locator, a URN prefix, a
file): each such type has one row in `FORMS`, by which files are read, written and described. All others are msgspec's.
"""

import pwd
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, NewType, dataclass_transform
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from qstack.base.errors import LocalMisuse, WireError
from qstack.base.ids import Qna, format_qna, parse_qna
from qstack.base.locator import Locator, parse_locator
from qstack.wire.protocols import UDP_PORT
from qstack.wire.urn import Urn, parse_urn

__all__ = [
    "FORMS", "METRICS_PORT", "MQTT_PORT", "SOCKET_PATH_OCTETS", "BrokerUrl", "Fingerprint", "Form", "HostAddress",
    "InputFile", "ListenAddress", "Permissions", "Section", "Seed", "SocketPath", "UrnPrefix", "Users", "about",
]  # fmt: skip

UrnPrefix = NewType("UrnPrefix", Urn)  # whole labels of a name, no components
Fingerprint = NewType("Fingerprint", bytes)  # SHA-256 of a certificate's DER, 32 octets
InputFile = NewType("InputFile", Path)  # there, and readable
SocketPath = NewType("SocketPath", Path)  # short enough for the kernel
HostAddress = NewType("HostAddress", str)  # of a host, IPv4 or IPv6, in its shortest spelling
Permissions = NewType("Permissions", int)  # of a file, 0..0o777

SOCKET_PATH_OCTETS = 107
"""Of a Unix socket's path (unix(7): sun_path has 108 octets, the last one zero)."""

MQTT_PORT = 8883
"""Of MQTT over TLS (IANA: secure-mqtt)."""

METRICS_PORT = 9460
"""Where a node's metrics are by default, once they are served."""

_FINGERPRINT_OCTETS = 32
_SEED_OCTETS = 64  # longest key of BLAKE2b


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of a configuration file. The docstrings and the `about` of its fields make the manual page."""


def about(meaning: str, *example: Any, **bounds: Any) -> Meta:
    """What a field means, an example of it, and its bounds by the names that `msgspec.Meta` gives them."""
    return Meta(description=meaning, examples=list(example) or None, **bounds)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a stream is served: a TCP address, or the path of a Unix socket."""

    place: Locator | Path

    def __str__(self) -> str:
        return str(self.place)


class Seed(bytes):
    """1..64 octets that a person chose; never shown."""

    def __repr__(self) -> str:
        return "Seed(...)"


class BrokerUrl(NamedTuple):
    """Where an MQTT broker is: always over TLS."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Users:
    """User ids; `ids` None stands for every local user."""

    ids: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Form:
    """How values of one type are written.

    `read` takes what TOML gave and the folder of the file, and raises `LocalMisuse` saying what is wrong; `write` gives
    what TOML takes. `name` tells the form to people; `secret` values are not repeated in messages.
    """

    name: str
    read: Callable[[Any, Path], Any]
    write: Callable[[Any], Any]
    secret: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise LocalMisuse("is not a text in quotes")
    return value


def _read_qna(value: Any, folder: Path) -> Qna:
    return parse_qna(_text(value))


def _read_locator(value: Any, folder: Path) -> Locator:
    return parse_locator(_text(value), UDP_PORT)


def _read_host(value: Any, folder: Path) -> HostAddress:
    try:
        return HostAddress(str(ip_address(_text(value))))
    except ValueError as error:
        raise LocalMisuse("is not an IP address") from error


def _read_broker(value: Any, folder: Path) -> BrokerUrl:
    try:
        parts = urlsplit(_text(value))
        port = parts.port or MQTT_PORT
    except ValueError as error:
        raise LocalMisuse(f"is no address of a broker: {error}") from error
    if parts.scheme == "mqtt":
        raise LocalMisuse("would carry primitives in the clear: TLS is needed, mqtts://")
    if parts.scheme != "mqtts" or not parts.hostname or parts.username or parts.path or parts.query or parts.fragment:
        raise LocalMisuse("is no address of a broker, mqtts://HOST:PORT")
    return BrokerUrl(parts.hostname, port)


def _write_broker(url: BrokerUrl) -> str:
    return f"mqtts://[{url.host}]:{url.port}" if ":" in url.host else f"mqtts://{url.host}:{url.port}"


def _read_prefix(value: Any, folder: Path) -> UrnPrefix:
    try:
        urn = parse_urn(_text(value))
    except WireError as error:
        raise LocalMisuse(f"is not a URN: {error}") from error
    if (urn.r, urn.q, urn.f) != (None, None, None):
        raise LocalMisuse("is not a URN prefix: it has r-, q- or f-components")
    return UrnPrefix(urn)


def _read_path(value: Any, folder: Path) -> Path:
    text = _text(value)
    if not text or "\0" in text:
        raise LocalMisuse("is not the name of a file")
    return folder / text


def _read_input(value: Any, folder: Path) -> InputFile:
    path = _read_path(value, folder)
    try:
        with path.open("rb"):
            return InputFile(path)
    except OSError as error:
        raise LocalMisuse(f"cannot be read: {error.strerror}") from error


def _read_socket(value: Any, folder: Path) -> SocketPath:
    path = _read_path(value, folder)
    if len(bytes(path)) > SOCKET_PATH_OCTETS:
        raise LocalMisuse(f"becomes a socket path of {len(bytes(path))} octets, the kernel takes {SOCKET_PATH_OCTETS}")
    return SocketPath(path)


def _read_fingerprint(value: Any, folder: Path) -> Fingerprint:
    digits = _text(value).removeprefix("sha256:").replace(":", "")
    octets = _octets(digits)
    if len(octets) != _FINGERPRINT_OCTETS:
        raise LocalMisuse(f"has {len(octets)} octets, a SHA-256 fingerprint has {_FINGERPRINT_OCTETS}")
    return Fingerprint(octets)


def _read_seed(value: Any, folder: Path) -> Seed:
    octets = _octets(_text(value))
    if not 1 <= len(octets) <= _SEED_OCTETS:
        raise LocalMisuse(f"has {len(octets)} octets, a seed has 1 to {_SEED_OCTETS}")
    return Seed(octets)


def _octets(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise LocalMisuse("is not an even number of hexadecimal digits") from error


def _read_permissions(value: Any, folder: Path) -> Permissions:
    text = _text(value)
    if not 3 <= len(text) <= 4 or not set(text) <= set("01234567") or int(text, 8) > 0o777:
        raise LocalMisuse("is not three or four octal digits up to 0777")
    return Permissions(int(text, 8))


def _read_users(value: Any, folder: Path) -> Users:
    if value == "any":
        return Users(None)
    if not isinstance(value, list):
        raise LocalMisuse('is neither a list nor "any"')
    return Users(frozenset(_user_id(entry) for entry in value))


def _user_id(entry: Any) -> int:
    if isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < 1 << 32:
        return entry
    if not isinstance(entry, str):
        raise LocalMisuse(f"{entry!r} is neither a user id nor a user's name")
    try:
        return pwd.getpwnam(entry).pw_uid
    except (KeyError, ValueError):  # the latter for what can be nobody's name
        raise LocalMisuse(f"this host has no user {entry!r}") from None


def _write_users(users: Users) -> str | list[int]:
    return "any" if users.ids is None else sorted(users.ids)


def _read_listen(value: Any, folder: Path) -> ListenAddress:
    text = _text(value)
    if "/" in text:
        return ListenAddress(Path(_read_socket(text, folder)))
    return ListenAddress(parse_locator(text, METRICS_PORT))


def _write_listen(listen: ListenAddress) -> str:
    """With a slash where it is a path, by which it is told from an address."""
    text = str(listen)
    return f"./{text}" if isinstance(listen.place, Path) and "/" not in text else text


FORMS: dict[Any, Form] = {
    Qna: Form("address", _read_qna, format_qna),
    Locator: Form("locator", _read_locator, str),
    HostAddress: Form("IP address", _read_host, str),
    BrokerUrl: Form("broker", _read_broker, _write_broker),
    UrnPrefix: Form("URN prefix", _read_prefix, str),
    Path: Form("file", _read_path, str),
    InputFile: Form("file", _read_input, str),
    SocketPath: Form("socket", _read_socket, str),
    Fingerprint: Form("fingerprint", _read_fingerprint, lambda octets: f"sha256:{octets.hex()}"),
    Seed: Form("hexadecimal digits", _read_seed, lambda octets: octets.hex(), secret=True),
    ListenAddress: Form("address or socket", _read_listen, _write_listen),
    Permissions: Form("octal digits", _read_permissions, "{:04o}".format),
    Users: Form("users", _read_users, _write_users),
}

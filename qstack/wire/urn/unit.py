"""Service-unit identifiers (MPA 5.3.1, 5.3.2): N endpoint URNs and one lifecycle URN (URN-4).

* A unit has no direction: it is a shared state. Two identifiers are equal, and have one digest, whatever the order
  of their endpoints.
* URN-equivalence leaves q-components out, but the nonce that tells two units apart lives in one. So here the
  q-component of each URN is compared on its own, beside the name.
* The lifecycle URN is known by its name, `urn:<nid>:lifecycle`, wherever it stands. Its parameters are a set: their
  order does not count, none occurs twice, and those we do not know are kept and count.

Canonical form, over which SHA-256 gives the digest: the line "qstack service unit 1", then each endpoint (assigned
name in normal form, "?=", q-component), sorted by octets, then the lifecycle URN with its parameters sorted by key;
joined by LF, which no URN contains.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from qstack.base.errors import WireError
from qstack.wire.urn.grammar import fold_percent
from qstack.wire.urn.name import Urn, parse_endpoint
from qstack.wire.urn.parameter import Parameter, scan_parameters

__all__ = [
    "LIFECYCLE_NID", "LIFECYCLE_NSS", "MAXIMUM_ENDPOINTS", "Lifecycle", "UnitIdentifier", "parse_lifecycle",
    "parse_unit",
]  # fmt: skip

LIFECYCLE_NID: Final = "qkd"
LIFECYCLE_NSS: Final = "lifecycle"
MINIMUM_ENDPOINTS: Final = 2  # MPA 5.3.2: the entities sharing a state
MAXIMUM_ENDPOINTS: Final = 255  # ours: their number travels in one octet
MAXIMUM_SIZE: Final = 2**32 - 1  # ours: a 32-bit field
MAXIMUM_VALID_UNTIL_S: Final = (2**63 - 1) // 1_000_000_000  # ours: so that it is an int64 in nanoseconds (year 2262)

_DIGEST_HEADING: Final = "qstack service unit 1"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What a lifecycle URN says.

    `size`: bits of the key, or number of entangled states; `valid_until_s`: Unix UTC seconds; both None where absent.
    `others`: the parameters not known to us, as (key, value) in the order written.
    """

    urn: Urn
    size: int | None
    valid_until_s: int | None
    others: tuple[tuple[str, str], ...]
    canonical: str


@dataclass(frozen=True, slots=True, eq=False)
class UnitIdentifier:
    """The identifier of one service unit. Made by `parse_unit` alone. `endpoints` keep the order in which they came."""

    endpoints: tuple[Urn, ...]
    lifecycle: Lifecycle

    def __eq__(self, other: object) -> bool:
        return self.canonical == other.canonical if isinstance(other, UnitIdentifier) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __str__(self) -> str:
        return " ".join(self.texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The N+1 URNs as written, the lifecycle URN last."""
        return (*(str(endpoint) for endpoint in self.endpoints), str(self.lifecycle.urn))

    @property
    def canonical(self) -> tuple[str, ...]:
        """The N+1 URNs in canonical form, endpoints sorted, the lifecycle URN last."""
        return (*sorted(endpoint.canonical_with_q for endpoint in self.endpoints), self.lifecycle.canonical)

    def digest(self) -> bytes:
        """32 octets: SHA-256 of the canonical form."""
        return sha256("\n".join((_DIGEST_HEADING, *self.canonical)).encode("ascii")).digest()


def parse_unit(
    texts: Iterable[str | bytes], *, nid: str = LIFECYCLE_NID, nids: Collection[str] | None = None
) -> UnitIdentifier:
    """Read the N+1 URNs of a service unit, in any order, N in 2..255.

    `nid`: the namespace of the lifecycle URN; `nids`: the namespaces allowed for all of them, None allowing any.
    Raises `WireError` whose field names the URN and its component, as `urns[1].q-component`, and whose offset counts
    octets inside that URN; what concerns the whole has the field `urns` and offset 0.
    """
    endpoints: dict[str, int] = {}
    urns = [_parse_numbered(index, text, nids) for index, text in enumerate(_bounded(texts))]
    lifecycles = [index for index, urn in enumerate(urns) if is_lifecycle(urn, nid)]
    _check_counts(len(urns), lifecycles, nid)
    for index, urn in enumerate(urns):
        first = endpoints.setdefault(urn.canonical_with_q, index)
        if first != index and index not in lifecycles:
            raise WireError(0, f"urns[{index}]", f"the same endpoint as urns[{first}], q-components compared too")
    lifecycle = _read_numbered_lifecycle(lifecycles[0], urns[lifecycles[0]])
    return UnitIdentifier(tuple(urn for index, urn in enumerate(urns) if index not in lifecycles), lifecycle)


def parse_lifecycle(text: str | bytes, *, nid: str = LIFECYCLE_NID) -> Lifecycle:
    """Read a lifecycle URN alone. Raises `WireError`, also when its name is another."""
    urn = parse_endpoint(text)
    if not is_lifecycle(urn, nid):
        raise WireError(0, "urn", f"the lifecycle URN is named urn:{nid}:{LIFECYCLE_NSS}")
    return _read_lifecycle(urn)


def is_lifecycle(urn: Urn, nid: str = LIFECYCLE_NID) -> bool:
    """Tell whether a URN bears the lifecycle name of the namespace `nid`."""
    return urn.nid == nid.lower() and urn.nss == LIFECYCLE_NSS


def _bounded(texts: Iterable[str | bytes]) -> list[str | bytes]:
    found: list[str | bytes] = []
    for text in texts:
        if len(found) > MAXIMUM_ENDPOINTS:
            raise WireError(0, "urns", f"a unit has at most {MAXIMUM_ENDPOINTS} endpoints")
        found.append(text)
    return found


def _parse_numbered(index: int, text: str | bytes, nids: Collection[str] | None) -> Urn:
    try:
        return parse_endpoint(text, nids=nids)
    except WireError as error:
        raise _numbered(index, error) from None


def _read_numbered_lifecycle(index: int, urn: Urn) -> Lifecycle:
    try:
        return _read_lifecycle(urn)
    except WireError as error:
        raise _numbered(index, error) from None


def _numbered(index: int, error: WireError) -> WireError:
    return WireError(error.offset, f"urns[{index}].{error.field}", error.reason)


def _check_counts(total: int, lifecycles: list[int], nid: str) -> None:
    if not lifecycles:
        raise WireError(0, "urns", f"no lifecycle URN among {total}: one is named urn:{nid}:{LIFECYCLE_NSS}")
    if len(lifecycles) > 1:
        first, second = lifecycles[:2]
        raise WireError(0, f"urns[{second}]", f"a second lifecycle URN beside urns[{first}]")
    if total - 1 < MINIMUM_ENDPOINTS:
        raise WireError(0, "urns", f"a unit has at least {MINIMUM_ENDPOINTS} endpoints, this one {total - 1}")


def _read_lifecycle(urn: Urn) -> Lifecycle:
    parameters: dict[str, Parameter] = {}
    for parameter in scan_parameters(urn):
        key = fold_percent(parameter.key)
        if parameters.setdefault(key, parameter) is not parameter:
            raise WireError(parameter.offset, "q-component", f"{key!r} occurs a second time")
    size = _read_number(parameters.get("size"), MAXIMUM_SIZE)
    valid_until_s = _read_number(parameters.get("valid-until"), MAXIMUM_VALID_UNTIL_S)
    others = tuple((each.key, each.value) for key, each in parameters.items() if key not in ("size", "valid-until"))
    return Lifecycle(urn, size, valid_until_s, others, _canonical_lifecycle(urn))


def _read_number(parameter: Parameter | None, maximum: int) -> int | None:
    """One spelling for each number: decimal, without sign and leading zeros; zero is none."""
    if parameter is None:
        return None
    text = parameter.value
    plain = text.isascii() and text.isdecimal() and not text.startswith("0") and len(text) <= len(str(maximum))
    if not plain or int(text) > maximum:
        reason = f"{parameter.key} is {text!r}: a number in 1..{maximum} without leading zeros is expected"
        raise WireError(parameter.value_offset, "q-component", reason)
    return int(text)


def _canonical_lifecycle(urn: Urn) -> str:
    name, found, q = urn.canonical_with_q.partition("?=")
    return f"{name}?={'&'.join(sorted(q.split('&')))}" if found else name

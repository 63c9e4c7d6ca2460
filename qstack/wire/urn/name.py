"""The URN as a value: its components, what it is equivalent to, and where it stands in the tree of names.

URN-3.2, URN-3.3, URN-3.5.

Equality is URN-equivalence (RFC 8141 section 3.1): "urn", the NID and the hexadecimal digits of %XX compare without
case, the rest of the NSS octet by octet, and r-, q- and f-components are left out. Therefore a nonce in a q-component
does **not** tell two URNs apart; whoever needs that compares `canonical_with_q`.

For routing the NSS is a path of labels between colons, most general first; a prefix is a whole number of labels.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from qstack.base.errors import WireError
from qstack.wire.urn.grammar import MAXIMUM_URN_OCTETS, fold_percent, scan_urn

__all__ = ["Urn", "parse_endpoint", "parse_urn"]

_NID_OFFSET: Final = len("urn:")
_CONTROLS = frozenset(f"{code:02X}" for code in (*range(0x20), 0x7F))


@dataclass(frozen=True, slots=True, eq=False)
class Urn:
    """One URN. Made by `parse_urn` alone.

    `text` is what was given and what `str` returns; `nid` is folded to lower case; `nss`, `r`, `q` and `f` are as
    written, None where absent. `canonical` is the assigned name in lexically normal form: equal for equivalent URNs.
    """

    text: str
    nid: str
    nss: str
    r: str | None
    q: str | None
    f: str | None
    canonical: str

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return self.canonical == other.canonical if isinstance(other, Urn) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.canonical)

    @property
    def name(self) -> str:
        """The assigned name as written, without components."""
        return self.text[: self._name_end]

    @property
    def canonical_with_q(self) -> str:
        """`canonical` and, where there is one, the q-component with its %XX in upper case."""
        return self.canonical if self.q is None else f"{self.canonical}?={fold_percent(self.q)}"

    @property
    def q_offset(self) -> int:
        """Where the q-component begins in `text` (where it would begin, when there is none)."""
        return self._name_end + (0 if self.r is None else 2 + len(self.r)) + 2

    @property
    def labels(self) -> tuple[str, ...]:
        """The NSS in normal form, divided at colons. At least one label; a label may be empty."""
        return tuple(self.canonical[self._nss_offset :].split(":"))

    @property
    def label_count(self) -> int:
        """How many labels the NSS has: the length of this URN as a routing prefix."""
        return self.nss.count(":") + 1

    def is_prefix_of(self, other: "Urn") -> bool:
        """Tell whether `other` is this name or lies below it. Components play no part."""
        return other.canonical == self.canonical or other.canonical.startswith(self.canonical + ":")

    @property
    def _nss_offset(self) -> int:
        return _NID_OFFSET + len(self.nid) + 1

    @property
    def _name_end(self) -> int:
        return self._nss_offset + len(self.nss)


def parse_urn(text: str | bytes, *, nids: Collection[str] | None = None, max_octets: int = MAXIMUM_URN_OCTETS) -> Urn:
    """Read a URN; all of `text` must be one.

    `nids`: the namespaces allowed, in any case; None allows all. Raises `WireError` whose field is the component
    ("scheme", "NID", "NSS", "r-component", "q-component", "f-component", or "urn" for the whole) and whose offset
    counts octets from the beginning of `text`.
    """
    # Latin-1 keeps one character for each octet, so offsets stay true; what is not ASCII fits no rule of the grammar.
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    if len(text) > max_octets:
        raise WireError(max_octets, "urn", f"longer than {max_octets} octets")
    nid, nss, r, q, f = scan_urn(text)
    nid = nid.lower()
    if nids is not None and nid not in {allowed.lower() for allowed in nids}:
        raise WireError(_NID_OFFSET, "NID", f"namespace {nid!r} is not one of: {', '.join(sorted(nids))}")
    return Urn(text, nid, nss, r, q, f, f"urn:{nid}:{fold_percent(nss)}")


def parse_endpoint(text: str | bytes, *, nids: Collection[str] | None = None) -> Urn:
    """Read the URN of an endpoint: an assigned name and perhaps a q-component, nothing else.

    An r- or f-component is refused, because it would be a second spelling of one endpoint that equality cannot see;
    a percent-encoded control octet, because names are shown to people and written to logs.
    """
    urn = parse_urn(text, nids=nids)
    if urn.r is not None:
        raise WireError(urn.text.index("?+"), "r-component", "an endpoint has no r-component")
    if urn.f is not None:
        raise WireError(urn.text.index("#"), "f-component", "an endpoint has no f-component")
    _refuse_controls(urn)
    return urn


def _refuse_controls(urn: Urn) -> None:
    position = urn.text.find("%")
    while position >= 0:
        if urn.text[position + 1 : position + 3].upper() in _CONTROLS:
            field = "NSS" if position < urn.q_offset else "q-component"
            raise WireError(position, field, "a control octet is not allowed in an endpoint")
        position = urn.text.find("%", position + 3)

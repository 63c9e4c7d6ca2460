"""What a NID may be used for (RFC 8141 sections 5.1 and 5.2) (URN-3.4).

The grammar allows more NIDs than the registry does. The parser takes all that the grammar allows, since names of
unregistered and of older namespaces do occur; this policy is for those who choose a NID, as configurations do.
"""

from enum import Enum, unique

from qstack.base.errors import WireError
from qstack.wire.urn.grammar import scan_nid

__all__ = ["NidClass", "classify_nid"]


@unique
class NidClass(Enum):
    """Who may use a NID."""

    FORMAL = "formal"  # may be registered as a formal namespace
    INFORMAL = "informal"  # urn-<number>, given out in sequence by IANA
    COUNTRY = "country"  # two letters and "-": kept for ISO 3166-1 country codes
    ENCODED = "encoded"  # two letters and "--", as in xn--: kept for A-labels and their like
    EXPERIMENTAL = "experimental"  # X-: the experiments of RFC 3406, not to be used any more
    RESERVED = "reserved"  # two characters, or urn- without a number


def classify_nid(nid: str) -> NidClass:
    """Say what a NID may be used for. Raises `WireError` when it is none by the grammar."""
    end = scan_nid(nid)
    if end != len(nid):
        raise WireError(end, "NID", f"{nid[end]!r}: not allowed in a NID")
    nid = nid.lower()
    if nid.startswith("urn-"):
        return NidClass.INFORMAL if _is_number(nid[4:]) else NidClass.RESERVED
    if nid.startswith("x-"):
        return NidClass.EXPERIMENTAL
    if nid[:2].isalpha() and nid[2:3] == "-":
        return NidClass.ENCODED if nid[3:4] == "-" else NidClass.COUNTRY
    return NidClass.RESERVED if len(nid) == 2 else NidClass.FORMAL


def _is_number(text: str) -> bool:
    """`Number = DigitNonZero 0*Digit` (RFC 8141 section 5.2)."""
    return text.isdigit() and text[0] != "0"

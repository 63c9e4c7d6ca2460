"""The grammar of URNs as a scanner (URN-3.1).

Three laws:

* It reads left to right and looks at each character once, with at most two characters of lookahead: the work is
  proportional to the length, whatever the text.
* Nothing is decoded. `%2C` is three characters here and for ever after (RFC 8141 section 3.1).
* The first character that fits no rule is the error, and its offset is the error's offset.

The ABNF of RFC 8141 section 2 stands beside the function that reads it. `pchar` and `fragment` are those of RFC 3986:

    pchar       = unreserved / pct-encoded / sub-delims / ":" / "@"
    pct-encoded = "%" HEXDIG HEXDIG
    fragment    = *( pchar / "/" / "?" )

Where we read more narrowly than the ABNF alone: it lets an r-component contain "?=", the prose of section 2.3.1 does
not ("?=" ends it). We follow the prose, so `?+a?=` has an r-component `a` and an empty q-component, which is refused.
"""

from string import ascii_letters, digits
from typing import Final, NamedTuple, NoReturn

from qstack.base.errors import WireError

__all__ = ["MAXIMUM_URN_OCTETS", "Components", "fold_percent", "scan_nid", "scan_urn"]

MAXIMUM_URN_OCTETS: Final = 255
"""Ours, not the RFC's, which sets no limit: a URN travels behind a length of one octet."""

MAXIMUM_NID_OCTETS: Final = 32  # RFC 8141 section 2: (alphanum) 0*30(ldh) (alphanum)
_SCHEME: Final = "urn:"

_ALPHANUM = frozenset(ascii_letters + digits)
_LDH = _ALPHANUM | {"-"}
_HEXDIG = frozenset("0123456789abcdefABCDEF")
_UNRESERVED = _ALPHANUM | frozenset("-._~")
_SUB_DELIMS = frozenset("!$&'()*+,;=")
_PCHAR = _UNRESERVED | _SUB_DELIMS | frozenset(":@")  # but for pct-encoded, which takes three characters
_NSS_TAIL = _PCHAR | {"/"}
_COMPONENT_TAIL = _PCHAR | {"/", "?"}


class Components(NamedTuple):
    """What a URN is made of, as written. A component that is absent is None; only `f` may be empty."""

    nid: str
    nss: str
    r: str | None
    q: str | None
    f: str | None


def scan_urn(text: str) -> Components:
    """Read `namestring = assigned-name [ rq-components ] [ "#" f-component ]`, all of `text`."""
    if text[: len(_SCHEME)].lower() != _SCHEME:
        raise WireError(0, "scheme", "a URN begins with 'urn:'")
    nid_end = scan_nid(text, len(_SCHEME))
    if text[nid_end : nid_end + 1] != ":":
        _refuse(text, nid_end, "NID", "':' must follow the NID")
    nss_end = _scan_pchars(text, nid_end + 1, _NSS_TAIL, "NSS")
    r, position = _scan_r(text, nss_end)
    q, position = _scan_q(text, position)
    f, position = _scan_f(text, position)
    if position != len(text):
        _refuse_tail(text, position, "NSS" if position == nss_end else "r-component")
    return Components(text[len(_SCHEME) : nid_end], text[nid_end + 1 : nss_end], r, q, f)


def scan_nid(text: str, start: int = 0) -> int:
    """Read `NID = (alphanum) 0*30(ldh) (alphanum)` from `start`; return its end."""
    end = start
    while end < len(text) and text[end] in _LDH:
        end += 1
    if end == start:
        _refuse(text, start, "NID", "a NID begins with a letter or digit")
    for hyphen in (start, end - 1):
        if text[hyphen] == "-":
            _refuse(text, hyphen, "NID", "a NID begins and ends with a letter or digit")
    if not 2 <= end - start <= MAXIMUM_NID_OCTETS:
        _refuse(text, start, "NID", f"a NID has 2..{MAXIMUM_NID_OCTETS} characters, this one {end - start}")
    return end


def fold_percent(text: str) -> str:
    """Upper-case the two digits after each '%', nothing else: the normal form of scanned text."""
    head, *encoded = text.split("%")
    return head + "".join(f"%{piece[:2].upper()}{piece[2:]}" for piece in encoded)


def _scan_r(text: str, start: int) -> tuple[str | None, int]:
    """Read `[ "?+" r-component ]`, which ends where "?=" begins."""
    if not text.startswith("?+", start):
        return None, start
    end = _scan_pchars(text, start + 2, _COMPONENT_TAIL, "r-component", until="?=")
    return text[start + 2 : end], end


def _scan_q(text: str, start: int) -> tuple[str | None, int]:
    """Read `[ "?=" q-component ]`. Inside it "?+" and "?=" are plain characters."""
    if not text.startswith("?=", start):
        return None, start
    end = _scan_pchars(text, start + 2, _COMPONENT_TAIL, "q-component")
    return text[start + 2 : end], end


def _scan_f(text: str, start: int) -> tuple[str | None, int]:
    """Read `[ "#" f-component ]`; unlike the others it may be empty."""
    if not text.startswith("#", start):
        return None, start
    end = _scan_tail(text, start + 1, _COMPONENT_TAIL, "f-component")
    if end != len(text):
        _refuse(text, end, "f-component", "not allowed in an f-component")
    return text[start + 1 : end], end


def _scan_pchars(text: str, start: int, tail: frozenset[str], field: str, until: str | None = None) -> int:
    """Read `pchar *( tail )`: what may not be empty and begins with neither "/" nor "?". Return its end."""
    first = text[start : start + 1]
    if first == "":
        _refuse(text, start, field, "must not be empty")
    if first not in _PCHAR and first != "%":
        _refuse(text, start, field, f"not allowed at the beginning of {_article(field)}")
    return _scan_tail(text, start, tail, field, until)


def _scan_tail(text: str, start: int, allowed: frozenset[str], field: str, until: str | None = None) -> int:
    """Read as many characters of `allowed`, and pct-encoded octets, as there are before `until`."""
    position, end = start, len(text)
    while position < end:
        character = text[position]
        if character == "%":
            _check_percent(text, position, field)
            position += 3
        elif character not in allowed or (character == "?" and until and text.startswith(until, position)):
            break
        else:
            position += 1
    return position


def _check_percent(text: str, position: int, field: str) -> None:
    pair = text[position + 1 : position + 3]
    if len(pair) != 2 or not _HEXDIG.issuperset(pair):
        raise WireError(position, field, "'%' must be followed by two hexadecimal digits")


def _refuse_tail(text: str, position: int, before: str) -> NoReturn:
    """Say why the scan stopped before the end, `before` being the last component it could have gone on in."""
    if text[position] == "?":
        _refuse(text, position, before, "outside components '?' must begin '?+' or '?='")
    last = "q-component" if "?=" in text[:position] else before
    _refuse(text, position, last, f"not allowed in {_article(last)}")


def _refuse(text: str, position: int, field: str, reason: str) -> NoReturn:
    found = repr(text[position]) if position < len(text) else "end of text"
    raise WireError(position, field, f"{found}: {reason}")


def _article(field: str) -> str:
    return f"an {field}" if field[0] in "Nrf" else f"a {field}"

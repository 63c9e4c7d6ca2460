"""Identifiers. Never a bare int across a room.

A quantum network address (QNA) is 64 bits: quantum AS number (32) and node number (32), written `64512.7`.
"""

from typing import NewType

from qstack.base.errors import LocalMisuse

__all__ = [
    "AsNumber", "CircuitId", "Cycle", "Epoch", "Label", "LinkId", "PurposeId", "Qna", "QubitId", "Qui",
    "as_number", "format_qna", "make_qna", "parse_qna",
]  # fmt: skip

Qna = NewType("Qna", int)  # 64 bits
AsNumber = NewType("AsNumber", int)  # 32 bits
Epoch = NewType("Epoch", int)  # 32 bits, chosen by the receiver; 0 says unsealed
Label = NewType("Label", int)  # 32 bits, hop-local name of a circuit; 0 says none
LinkId = NewType("LinkId", int)  # 32 bits, name of a link inside its domain
PurposeId = NewType("PurposeId", int)  # 16 bits, tells apart the applications of a node on the link layer
Qui = NewType("Qui", int)  # 64 bits, domain-scoped quantum unit identifier (MPA 5.3.3)
QubitId = NewType("QubitId", int)  # 32 bits, a device-local handle; never leaves the node
Cycle = NewType("Cycle", int)  # 64 bits, number of a link's attempt cycle since the TAI epoch
CircuitId = NewType("CircuitId", tuple[int, int])  # (head end's QNA, its 32-bit circuit number)

_MASK32 = 0xFFFF_FFFF
_DIGITS = 10  # of the largest 32-bit number; longer texts are not turned into numbers, which the interpreter may refuse
_SHOWN = 64


def make_qna(as_: int, node: int) -> Qna:
    """Join an AS number and a node number (0..2^32-1 each)."""
    if not 0 <= as_ <= _MASK32 or not 0 <= node <= _MASK32:
        raise LocalMisuse(f"QNA {as_}.{node}: both parts must lie in 0..4294967295")
    return Qna(as_ << 32 | node)


def as_number(qna: Qna) -> AsNumber:
    """The quantum AS a node belongs to."""
    return AsNumber(qna >> 32)



def format_qna(qna: int) -> str:
    """`64512.7`."""
    return f"{qna >> 32}.{qna & _MASK32}"


def parse_qna(text: str) -> Qna:
    """Read `64512.7`. Raises `LocalMisuse` naming the remedy."""
    as_, dot, node = text.partition(".")
    if not dot or not (_is_number(as_) and _is_number(node)):
        raise LocalMisuse(f"{text[:_SHOWN]!r} is not a QNA: write AS.NODE in decimal, as in 64512.7")
    return make_qna(int(as_), int(node))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS

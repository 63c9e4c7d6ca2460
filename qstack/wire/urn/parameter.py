"""`key=value` parameters in a q-component (URN-3.6).

RFC 8141 leaves the inside of a q-component to the namespace; MPA 5.3.1 writes `key=value` joined by "&". A key is not
empty, a value may be; a value may contain "=". As everywhere nothing is decoded.
"""

from typing import NamedTuple

from qstack.base.errors import WireError
from qstack.wire.urn.name import Urn

__all__ = ["Parameter", "q_parameters", "scan_parameters"]


class Parameter(NamedTuple):
    """One `key=value`; `offset` is where `key` begins in the URN's text."""

    key: str
    value: str
    offset: int

    @property
    def value_offset(self) -> int:
        """Where the value begins in the URN's text."""
        return self.offset + len(self.key) + 1


def q_parameters(urn: Urn) -> tuple[tuple[str, str], ...]:
    """The parameters of a q-component as (key, value) in the order written; () without a q-component.

    A key may occur more than once: who gives the keys a meaning decides whether it may. Raises `WireError` at the
    first piece that is no `key=value`.
    """
    return tuple((parameter.key, parameter.value) for parameter in scan_parameters(urn))


def scan_parameters(urn: Urn) -> list[Parameter]:
    """Like `q_parameters`, with the position of each."""
    if urn.q is None:
        return []
    found = []
    offset = urn.q_offset
    for piece in urn.q.split("&"):
        key, equals, value = piece.partition("=")
        if not key or not equals:
            raise WireError(offset, "q-component", f"{piece!r}: parameters are written key=value, joined by '&'")
        found.append(Parameter(key, value, offset))
        offset += len(piece) + 1
    return found

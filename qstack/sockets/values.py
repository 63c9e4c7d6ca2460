"""What applications get."""

import os
from dataclasses import dataclass, field

from qstack.base.bell import Basis, BellIndex
from qstack.base.time import DomainTime
from qstack.wire.unit import UnitKind

__all__ = ["DEFAULT_SOCKET", "Key", "MeasuredPair", "Pair", "Quality", "UnitKind", "default_socket", "read_basis",
           "read_kind"]  # fmt: skip

DEFAULT_SOCKET = "/run/qstack/qstackd.sock"


@dataclass(frozen=True, slots=True)
class Quality:
    """How the pairs behind a key were: how many, their mean estimated fidelity, and the test rounds that disagreed."""

    pairs: int
    mean_fidelity: float
    tests: int
    errors: int


@dataclass(frozen=True, slots=True)
class Key:
    """A shared key.

    `octets`: the bits, most significant first, the last octet filled with zeros. `confirmed`: the other end is known to
    hold the same; when False it may have learned nothing, and never anything else. `secret`: False when a chosen seed
    took part, so that the key is for tests alone.
    """

    octets: bytes = field(repr=False)
    confirmed: bool
    secret: bool
    quality: Quality

    def hex(self) -> str:
        """The key in hexadecimal digits."""
        return self.octets.hex()


@dataclass(frozen=True, slots=True)
class Pair:
    """This end's half of an end-to-end pair.

    `number` is the same at the other end. The state is |`bell_index`> up to noise; the frame is never corrected
    implicitly. `fidelity` is the estimate towards it, made for the instant `as_of` (TAI nanoseconds).
    """

    number: int
    bell_index: BellIndex
    fidelity: float
    as_of: DomainTime
    qubit: int


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """The raw outcome (0 or 1) of measuring this end's half of pair `number`."""

    number: int
    basis: Basis
    outcome: int


def read_basis(basis: Basis | str) -> Basis:
    """`"X"`, `"Y"`, `"Z"` or a `Basis`. Raises ValueError naming the three."""
    if isinstance(basis, str):
        if basis.upper() not in Basis.__members__:
            raise ValueError(f"basis {basis!r}: there are X, Y and Z")
        return Basis[basis.upper()]
    return Basis(basis)


def read_kind(kind: UnitKind | str) -> UnitKind:
    """`"key"`, `"pairs"` or a `UnitKind`. Raises ValueError naming the two."""
    if isinstance(kind, str):
        if kind.upper() not in UnitKind.__members__:
            raise ValueError(f"kind {kind!r}: there are key and pairs")
        return UnitKind[kind.upper()]
    return UnitKind(kind)


def default_socket() -> str:
    """The daemon's socket: `QSTACK_SOCKET` of the environment, or where a system daemon listens."""
    return os.environ.get("QSTACK_SOCKET", DEFAULT_SOCKET)

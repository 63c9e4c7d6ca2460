"""What an application receives, and how it names what it wants."""

from dataclasses import dataclass, field
from hashlib import sha256

from qstack.base.bell import FLIP, PAULI_BASES, Basis, BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.ids import QubitId
from qstack.base.time import DomainTime
from qstack.wire.unit import UnitKind

__all__ = ["Key", "MeasuredPair", "Pair", "PairTold", "Quality", "UnitKind", "read_basis", "read_kind"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How a key was made: end-to-end pairs, their mean estimated fidelity, test rounds, and those that disagreed."""

    pairs: int
    mean_fidelity: float
    tests: int
    errors: int


@dataclass(frozen=True, slots=True)
class Key:
    """Bits that both ends share, most significant first, the last octet filled with zeros. Never shown by repr.

    `confirmed`: the other end is known to hold the same bits; when False it may have learned nothing, and never
    anything else. `secret`: False when a chosen seed took part, so that the key is for tests alone.
    """

    octets: bytes = field(repr=False)
    confirmed: bool
    secret: bool
    quality: Quality

    def __bytes__(self) -> bytes:
        return self.octets

    def hex(self) -> str:
        """The bits as hexadecimal digits."""
        return self.octets.hex()

    def sha256(self) -> str:
        """SHA-256 of the octets as hexadecimal digits: to compare keys without showing them."""
        return sha256(self.octets).hexdigest()


@dataclass(frozen=True, slots=True)
class PairTold:
    """What the node told of a pair."""

    number: int
    qubit: QubitId
    bell_index: BellIndex
    fidelity: float
    as_of: DomainTime


class Pair:
    """This end's half of an end-to-end pair; `qstack.sockets.node` and `.blocking` add what can be done with it."""

    def __init__(self, told: PairTold) -> None:
        self.told = told

    def __repr__(self) -> str:
        return f"<Pair {self.number} {self.bell_index.name} fidelity {self.fidelity:.4f}>"

    @property
    def number(self) -> int:
        """The same number at the other end."""
        return self.told.number

    @property
    def bell_index(self) -> BellIndex:
        """Which Bell state the pair is, up to noise. The frame is never corrected implicitly."""
        return self.told.bell_index

    @property
    def fidelity(self) -> float:
        """Estimated, towards that Bell state, at `as_of`."""
        return self.told.fidelity

    @property
    def as_of(self) -> DomainTime:
        """Instant of the estimate (TAI nanoseconds)."""
        return self.told.as_of

    @property
    def qubit(self) -> QubitId:
        """The device's handle: with it an operator of the twin sees the true state."""
        return self.told.qubit


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """This end's half of pair `number`, measured. `outcome`: 0 or 1, raw; 0 stands for eigenvalue +1."""

    number: int
    basis: Basis
    outcome: int
    bell_index: BellIndex

    @property
    def in_frame(self) -> int:
        """The outcome as if the pair had been |Phi+>: what one of the two ends, and only one, uses.

        Then both ends agree in X and in Z, and differ in Y (unit note, section 5).
        """
        return self.outcome ^ FLIP[self.bell_index][self.basis]


def read_basis(basis: Basis | str) -> Basis:
    """`"X"`, `"Y"`, `"Z"` or a `Basis`. Raises `LocalMisuse` naming the three."""
    named = {pauli.name: pauli for pauli in PAULI_BASES}
    wanted = basis.name if isinstance(basis, Basis) else basis.upper()
    if wanted not in named:
        raise LocalMisuse(f"basis {basis!r}: there are X, Y and Z")
    return named[wanted]


def read_kind(kind: UnitKind | str) -> UnitKind:
    """`"key"`, `"pairs"` or a `UnitKind`. Raises `LocalMisuse` naming the two."""
    if isinstance(kind, UnitKind):
        return kind
    if kind.upper() not in UnitKind.__members__:
        raise LocalMisuse(f"kind {kind!r}: there are key and pairs")
    return UnitKind[kind.upper()]

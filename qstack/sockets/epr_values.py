"""What an EPR socket gives, and how an application says what it wants. Names are those of NetQASM's EPRSocket."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

from qstack.base.bell import FLIP, PAULI_BASES, Basis, BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.ids import PurposeId, Qna, parse_qna
from qstack.base.pairs import CHANCE_UNIT, DRAWN_FROM, ONTO_Z, BasisChoice, PairKind
from qstack.base.time import DomainTime
from qstack.base.units import fidelity_to_wire
from qstack.wire.control import Half

__all__ = ["CreateTerms", "EprMeasured", "MeasuredQubit", "QubitTold", "RandomBases", "RandomBasis", "angle_to_wire",
           "half", "read_any_basis", "read_remote", "terms"]  # fmt: skip

RandomBasis = BasisChoice
"""From which bases one end draws: NONE (always Z), XZ, XYZ, CHSH."""

RandomBases = BasisChoice | str | Mapping[str, float] | Mapping[Basis, float]
"""Bases to draw from: by name, all equally likely, or each with its chance, as `{"X": 0.9, "Z": 0.1}`."""

_SUM_ERROR = 1e-6

_MAXIMUM_NUMBER = (1 << 16) - 1
_MAXIMUM_TIME_MS = (1 << 32) - 1
_MAXIMUM_PRIORITY = 255
_TURN = 1 << 16  # steps of a Euler angle in a full turn


@dataclass(frozen=True, slots=True)
class QubitTold:
    """What the node told of a half that is kept: EGP's OK of type K."""

    number: int
    remote: Qna
    purpose: PurposeId
    connection: int
    create_id: int
    sequence: int
    bell_state: BellIndex
    goodness: float
    created: DomainTime


@dataclass(frozen=True, slots=True)
class EprMeasured:
    """This end's half of a pair that was measured as it was made: EGP's OK of type M.

    `basis`: what was drawn, or named by whoever asked; with rotations of one's own it is that after them. `outcome`: 0
    or 1, raw. (`create_id`, `sequence`) name the pair at both ends. `goodness`: estimated fidelity to `bell_state`.
    """

    outcome: int
    basis: Basis
    bell_state: BellIndex
    goodness: float
    create_id: int
    sequence: int

    @property
    def in_frame(self) -> int:
        """The outcome as if the pair had been |Phi+>: what one of the two ends, and only one, uses.

        Then both ends agree where they measured in X or in Z, and differ in Y. Raises `LocalMisuse` for a CHSH basis,
        of which a frame may make the other one.
        """
        return _in_frame(self.outcome, self.bell_state, self.basis)


@dataclass(frozen=True, slots=True)
class MeasuredQubit:
    """A qubit's measurement. `outcome`: 0 or 1, raw; 0 stands for eigenvalue +1."""

    outcome: int
    basis: Basis
    bell_state: BellIndex

    @property
    def in_frame(self) -> int:
        """As in `EprMeasured`; it counts for a qubit that no gate has touched."""
        return _in_frame(self.outcome, self.bell_state, self.basis)


def _in_frame(outcome: int, bell_state: BellIndex, basis: Basis) -> int:
    if basis not in PAULI_BASES:
        raise LocalMisuse(f"basis {basis.name}: a Pauli frame is undone by a flip in X, Y and Z alone")
    return outcome ^ FLIP[bell_state][basis]


@dataclass(frozen=True, slots=True)
class CreateTerms:
    """What is asked of a request, as it travels."""

    kind: PairKind
    number: int
    min_fidelity: int
    max_time_ms: int
    priority: int
    atomic: bool
    consecutive: bool
    sequential: bool
    local: Half
    remote: Half


def terms(
    kind: PairKind, number: int, min_fidelity: float, max_time: float | None, priority: int, *, atomic: bool,
    consecutive: bool, sequential: bool = False, local: Half | None = None, remote: Half | None = None,
) -> CreateTerms:  # fmt: skip
    """Check what an application asks for. `max_time`: seconds, None for as long as it takes. Raises `LocalMisuse`."""
    if not 1 <= number <= _MAXIMUM_NUMBER:
        raise LocalMisuse(f"number {number}: a request is for 1 to {_MAXIMUM_NUMBER} pairs")
    if not 0 <= priority <= _MAXIMUM_PRIORITY:
        raise LocalMisuse(f"priority {priority}: there are 0 to {_MAXIMUM_PRIORITY}, larger is more urgent")
    if max_time is not None and max_time <= 0:
        raise LocalMisuse(f"max_time {max_time}: write seconds above 0, or None for as long as it takes")
    time_ms = 0 if max_time is None else min(_MAXIMUM_TIME_MS, max(1, round(max_time * 1000)))
    return CreateTerms(kind, number, fidelity_to_wire(min_fidelity), time_ms, priority, atomic, consecutive, sequential,
                       local or Half(), remote or Half())  # fmt: skip


def half(
    basis: Basis | str | None, rotations: tuple[float, float, float] | None, random_basis: RandomBases
) -> Half:
    """How one half is measured: a fixed basis, or rotations in radians (about X, Y, X), or bases to draw from."""
    choice, first, second = _read_choice(random_basis)
    if basis is not None and (rotations is not None or choice is not RandomBasis.NONE):
        raise LocalMisuse("name a basis, or rotations, or a random basis: not a basis and another one of them")
    if basis is not None:
        x1, y, x2 = ONTO_Z[read_any_basis(basis)]
    else:
        x1, y, x2 = (round(angle / (2 * pi) * _TURN) % _TURN for angle in rotations or (0.0, 0.0, 0.0))
    return Half(choice=choice, x1=x1, y=y, x2=x2, first=first, second=second)


def _read_choice(random_basis: RandomBases) -> tuple[RandomBasis, int, int]:
    """The choice, and the chances of its first and second basis in parts of 256; 0 and 0 for equal ones."""
    if isinstance(random_basis, Mapping):
        return _read_chances({read_any_basis(basis): chance for basis, chance in random_basis.items()})
    if isinstance(random_basis, RandomBasis):
        return random_basis, 0, 0
    if random_basis.upper() not in RandomBasis.__members__:
        raise LocalMisuse(f"random basis {random_basis!r}: there are {', '.join(RandomBasis.__members__)}")
    return BasisChoice[random_basis.upper()], 0, 0


def _read_chances(chances: dict[Basis, float]) -> tuple[RandomBasis, int, int]:
    for choice, bases in DRAWN_FROM.items():
        if len(bases) > 1 and set(bases) == chances.keys():
            parts = [round(chances[basis] * CHANCE_UNIT) for basis in bases]
            if min(parts) < 1 or abs(sum(chances.values()) - 1.0) > _SUM_ERROR:
                raise LocalMisuse(f"chances {list(chances.values())}: each is at least 1/256, and their sum is 1")
            return choice, parts[0], parts[1] if len(bases) > 2 else 0
    named = ", ".join(basis.name for basis in chances)
    raise LocalMisuse(f"random bases {named}: there are X and Z; X, Y and Z; Z+X and Z-X")


def read_any_basis(basis: Basis | str) -> Basis:
    """`"X"`, `"Z+X"`, `Basis.Z_MINUS_X`. Raises `LocalMisuse` naming the five."""
    if isinstance(basis, Basis):
        return basis
    name = basis.upper().replace("+", "_PLUS_").replace("-", "_MINUS_")
    if name not in Basis.__members__:
        raise LocalMisuse(f"basis {basis!r}: there are X, Y, Z, Z+X and Z-X")
    return Basis[name]


def read_remote(remote: Qna | str) -> Qna:
    """`"64512.2"` or a `Qna`."""
    return parse_qna(remote) if isinstance(remote, str) else remote


def angle_to_wire(angle: float) -> int:
    """Radians to 32 bits of a full turn."""
    return round(angle / (2 * pi) * (1 << 32)) % (1 << 32)

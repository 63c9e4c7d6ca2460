"""What happens to a pair between its birth and its user's having it (ESTIMATION-5.1).

Halves wait in memory until the ends can know of the pair, may be moved to storage, and are read with errors. Each end
is told the other's part in `EndFacts`.
"""

from dataclasses import dataclass, field

from qstack.base.bell import Basis
from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.ids import LinkId
from qstack.quantum.formulas import Correlations, decohere_estimate
from qstack.quantum.memories import MemoryModel, Operation
from qstack.wire.link import EndFacts

__all__ = ["EndHandling", "expected_agreement", "handling_from_wire", "handling_to_wire", "kept", "moved",
           "read"]

_PART_UNIT = 1 << 32
_PAULI = {Basis.X: 1, Basis.Y: 2, Basis.Z: 3}  # the basis as index of a correlation matrix


@dataclass(frozen=True, slots=True)
class EndHandling:
    """One end's part. `memory`: the one in which halves are born. `move`: into storage, at no cost if there is none."""

    memory: MemoryModel = field(default_factory=MemoryModel)
    move: Operation = field(default_factory=Operation)


def kept(state: Correlations, half: int, end: EndHandling, wait_ns: int) -> Correlations:
    """The state after a half has waited in its memory."""
    memory = end.memory
    return decohere_estimate(state, half, wait_ns, memory.t1_ns, memory.t2_ns, memory.depolarising_ns)


def moved(state: Correlations, half: int, end: EndHandling) -> Correlations:
    """The state after a half was moved to storage."""
    return _transformed(kept(state, half, end, end.move.duration_ns), half, 1.0 - end.move.error, 0.0)


def read(state: Correlations, half: int, end: EndHandling) -> Correlations:
    """What outcomes of a half look like: averages of what is *told*, as if they were the state's."""
    p0, p1 = end.memory.readout
    return _transformed(state, half, 1.0 - p0 - p1, p1 - p0)


def expected_agreement(
    state: Correlations, ends: tuple[EndHandling, EndHandling], waits_ns: tuple[int, int], basis: Basis
) -> float:
    """Average product of both ends' outcomes (+1, -1) in one basis, after waiting. The link's first end first."""
    for half, (end, wait_ns) in enumerate(zip(ends, waits_ns, strict=True)):
        state = read(kept(state, half, end, wait_ns), half, end)
    return state[5 * _PAULI[basis]]


def handling_to_wire(link: LinkId, handling: EndHandling) -> EndFacts:
    """What the other end is told."""
    memory, move = handling.memory, handling.move
    return EndFacts(
        link=link, t1_ns=memory.t1_ns, t2_ns=memory.t2_ns, depolarising_ns=memory.depolarising_ns,
        p0=_part(memory.readout[0]), p1=_part(memory.readout[1]), move_ns=move.duration_ns,
        move_error=_part(move.error),
    )  # fmt: skip


def handling_from_wire(told: EndFacts) -> EndHandling:
    """What the other end tells. Raises `PeerViolation` for what no memory can be."""
    readout = told.p0 / _PART_UNIT, told.p1 / _PART_UNIT
    try:
        memory = MemoryModel(told.t1_ns, told.t2_ns, told.depolarising_ns, readout)
    except LocalMisuse as error:
        raise PeerViolation(str(error)) from error
    return EndHandling(memory, Operation(told.move_ns, told.move_error / _PART_UNIT))


def _part(probability: float) -> int:
    return min(_PART_UNIT - 1, round(probability * _PART_UNIT))


def _transformed(state: Correlations, half: int, shrink: float, shift: float) -> Correlations:
    """X, Y and Z of one half become `shrink` times themselves and `shift` of I."""
    changed = list(state)
    own, other = (1, 4) if half else (4, 1)
    for column in range(0, 4 * other, other):
        for pauli in (1, 2, 3):
            place = column + pauli * own
            changed[place] = shrink * state[place] + shift * state[column]
    return tuple(changed)

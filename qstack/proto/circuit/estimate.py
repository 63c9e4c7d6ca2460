"""What the ends can know of a pair's state: estimates that are composed on the way (rfc_notes/circuit.md section 5.3).

The physical order is kept: a half ages in its memory until it is swapped, then the two states are contracted with
the outcome's matrix. Nothing is turned to |Phi+> on the way; the frame is divided out at the end, by asking for the
fidelity to the Bell state that it names.
"""

from collections.abc import Callable

from qstack.base.errors import LocalMisuse
from qstack.quantum.formulas import (
    BELL_SIGNS,
    MAXIMALLY_MIXED,
    Correlations,
    decohere_estimate,
    memory_transfer,
    swap_outcome,
)
from qstack.wire.circuit import Estimate, MemoryTimes

__all__ = ["Composer", "fidelity_after", "from_wire", "time_above", "to_wire"]

_SCALE = (1 << 31) - 1
_ZERO = 1 << 31
_CACHED = 4_096
_BISECTIONS = 14  # to 1/16,000 of the interval


def to_wire(state: Correlations) -> Estimate:
    """R_ij to 32-bit fixed point: 0 and +-1 are exact, the error of others is below 2.4e-10."""
    return Estimate(correlation=tuple(_ZERO + round(max(-1.0, min(1.0, value)) * _SCALE) for value in state[1:]))


def from_wire(estimate: Estimate) -> Correlations:
    """The inverse of `to_wire`; a number below -1, which no sender makes, counts as -1."""
    return (1.0, *[max(-1.0, (number - _ZERO) / _SCALE) for number in estimate.correlation])


class Composer:
    """Composes states at one repeater with its kind of memory.

    With ideal memories the same few states meet again and again; their compositions are remembered.
    """

    def __init__(self, memory: MemoryTimes) -> None:
        self._lifetimes_ns = (memory.t1_ns, memory.t2_ns, memory.depolarising_ns)
        self._known: dict[tuple[Correlations, Correlations, int], Correlations] = {}

    def join(self, above: Correlations, below: Correlations, outcome: int, ages_ns: tuple[int, int]) -> Correlations:
        """The state of the outer qubits after a swap.

        `above`: the upstream qubit first, this node's second; `below`: this node's first. `ages_ns`: how long this
        node's halves of the two lay in memory.
        """
        if any(self._lifetimes_ns):
            above = decohere_estimate(above, 1, max(0, ages_ns[0]), *self._lifetimes_ns)
            below = decohere_estimate(below, 0, max(0, ages_ns[1]), *self._lifetimes_ns)
            return _swap(above, below, outcome)
        key = (above, below, outcome)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            known = self._known[key] = _swap(above, below, outcome)
        return known


def _swap(above: Correlations, below: Correlations, outcome: int) -> Correlations:
    try:
        return swap_outcome(above, below, outcome)[1]
    except LocalMisuse:  # somebody's estimate was wrong: the outcome did happen, of the state nothing is known
        return MAXIMALLY_MIXED


def fidelity_after(
    state: Correlations, bell: int, ages_ns: tuple[float, float], memories: tuple[MemoryTimes, MemoryTimes]
) -> float:
    """Fidelity to a Bell state after the first and the second qubit have lain in memory for so long.

    Only five of the sixteen numbers matter: XX and YY fade with T2; ZZ fades with T1 and is fed by ZI, IZ and II.
    """
    (z0, x0, fed0), (z1, x1, fed1) = (_left(age, memory) for age, memory in zip(ages_ns, memories, strict=True))
    zz = z0 * (z1 * state[15] + fed1 * state[12]) + fed0 * (z1 * state[3] + fed1)
    _, sign_x, sign_y, sign_z = BELL_SIGNS[bell]
    return (1.0 + (sign_x * state[5] + sign_y * state[10]) * x0 * x1 + sign_z * zz) / 4.0


def _left(age_ns: float, memory: MemoryTimes) -> tuple[float, float, float]:
    """What is left of Z, and of X and Y, and what Z gains of I."""
    return memory_transfer(max(0.0, age_ns), memory.t1_ns, memory.t2_ns, memory.depolarising_ns)


def time_above(
    threshold: float, fidelity_in: Callable[[float], float], memories: tuple[MemoryTimes, MemoryTimes]
) -> int | None:
    """For how many nanoseconds a fidelity, given as a function of time, stays above a threshold. None: for ever."""
    lifetimes = [time for memory in memories for time in (memory.t1_ns, memory.t2_ns, memory.depolarising_ns) if time]
    if threshold <= 0.0 or not lifetimes:
        return None
    if fidelity_in(0.0) <= threshold:
        return 0
    high = float(min(lifetimes))
    while fidelity_in(high) > threshold:
        high *= 2.0
        if high > 64.0 * max(lifetimes):
            return None
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if fidelity_in(middle) > threshold else (low, middle)
    return int(low)

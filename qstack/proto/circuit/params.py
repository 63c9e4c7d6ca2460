"""Numbers of the circuit protocol."""

from dataclasses import dataclass

from qstack.base.errors import LocalMisuse
from qstack.base.units import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from qstack.quantum.formulas import check_lifetimes
from qstack.wire.circuit import MemoryTimes

__all__ = ["MAXIMUM_PARKED", "TRACK_OCTETS", "CircuitParameters"]

MAXIMUM_PARKED = 4_096
"""Tracks of one circuit that wait at a node for their pair (CIRCUIT-7)."""
TRACK_OCTETS = 1_100
"""A Track is divided when it is longer: with header and tag it then fits any path (CIRCUIT-4.5-5)."""


@dataclass(frozen=True, slots=True)
class CircuitParameters:
    """Our choices, and the memories of this node's device.

    `memories`: what a circuit asks every link to keep for it at least; it may borrow more. `cutoff_ns`: age at which a
    repeater gives up a pair that found no partner, 0 for never. `t1_ns`, `t2_ns`, `depolarising_ns`: of this
    node's memories, 0 for infinite.
    """

    memories: int = 4
    hops: int = 32
    circuits: int = 1_024
    circuits_of_neighbour: int = 256  # CIRCUIT-7: that one neighbour above has asked for
    lifetime_ns: int = 24 * 60 * MINUTE_NS  # CIRCUIT-3-4: whatever the deadline says
    labels: int = 4_096
    setup_timeout_ns: int = 5 * SECOND_NS  # CIRCUIT-3-3
    deadline_margin_ns: int = 500 * MILLISECOND_NS  # CIRCUIT-3-4
    cutoff_ns: int = 5 * SECOND_NS  # CIRCUIT-5.2-3
    t1_ns: int = 0
    t2_ns: int = 0
    depolarising_ns: int = 0

    def __post_init__(self) -> None:
        check_lifetimes(self.t1_ns, self.t2_ns)
        if self.depolarising_ns < 0:
            raise LocalMisuse(f"a depolarising time of {self.depolarising_ns} ns: not negative; 0 for infinite")

    @property
    def memory(self) -> MemoryTimes:
        """How this node's memories forget, as other nodes are told."""
        return MemoryTimes(t1_ns=self.t1_ns, t2_ns=self.t2_ns, depolarising_ns=self.depolarising_ns)

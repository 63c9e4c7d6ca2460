"""Numbers of address resolution (rfc_notes/qarp.md section 8)."""

from dataclasses import dataclass

from qstack.base.errors import LocalMisuse
from qstack.base.units import MILLISECOND_NS, SECOND_NS

__all__ = ["QarpParameters"]


@dataclass(frozen=True, slots=True)
class QarpParameters:
    """Constants of the models (QARP-8-1), then our choices (QARP-8-2). All counts and durations are positive."""

    # RFC 5227 section 1.1
    probe_wait_ns: int = 1 * SECOND_NS  # QARP-6-1: before the first probe, a chance part of it
    probe_number: int = 3  # QARP-6-1
    probe_min_ns: int = 1 * SECOND_NS  # QARP-6-1
    probe_max_ns: int = 2 * SECOND_NS  # QARP-6-1
    announce_wait_ns: int = 2 * SECOND_NS  # QARP-6-1: from the last probe to the first announcement
    announce_number: int = 2  # QARP-6-1
    announce_interval_ns: int = 2 * SECOND_NS  # QARP-6-1
    maximum_conflicts: int = 10  # QARP-6-5
    rate_limit_interval_ns: int = 60 * SECOND_NS  # QARP-6-5
    defend_interval_ns: int = 10 * SECOND_NS  # QARP-6-4

    # RFC 4861 section 10
    multicast_solicit: int = 3  # QARP-3-6: rounds of one search
    unicast_solicit: int = 3  # QARP-3-5: sealed questions of one probe
    reachable_time_ns: int = 30 * SECOND_NS  # QARP-3-3: base value, drawn from 0.5 to 1.5 of it
    retransmit_ns: int = 1 * SECOND_NS  # QARP-3-7
    delay_first_probe_ns: int = 5 * SECOND_NS  # QARP-3-4: DELAY while connected

    # Ours
    connect_delay_ns: int = 1 * SECOND_NS  # QARP-3-4: DELAY while not connected
    holdoff_max_ns: int = 8 * SECOND_NS  # QARP-3-7
    doubt_interval_ns: int = 10 * SECOND_NS  # QARP-5-5
    proof_stagger_ns: int = 250 * MILLISECOND_NS  # QARP-5-3, RFC 8305 section 5
    proof_timeout_ns: int = 1 * SECOND_NS  # QARP-5-3
    proof_patience_ns: int = 10 * SECOND_NS  # QARP-5-3
    proofs_per_peer: int = 4  # QARP-5-3
    proofs_per_source: int = 2  # QARP-5-3
    proofs: int = 32  # QARP-5-3: running at a time, in all
    rumours_asked: int = 4  # QARP-5-2: of one neighbour, in one round
    neighbours: int = 1_024  # QARP-7-1
    incomplete_limit: int = 256  # QARP-7-2
    neighbours_per_locator: int = 4  # QARP-7-3
    hints: int = 512  # QARP-7-4
    hints_per_peer: int = 16  # QARP-7-4
    hints_per_source: int = 8  # QARP-7-4
    answers_per_source_s: int = 20  # QARP-7-5
    answers_s: int = 500  # QARP-7-5
    newcomers_s: int = 100  # QARP-7-5
    sources: int = 1_024  # QARP-7-5: remembered at a time
    questions_s: int = 200  # QARP-7-6
    challenges_s: int = 1  # QARP-6-3

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise LocalMisuse(f"qarp {name}: {getattr(self, name)} must be at least 1")
        if self.probe_max_ns < self.probe_min_ns:
            raise LocalMisuse("qarp probe_max_ns: must not be less than probe_min_ns")

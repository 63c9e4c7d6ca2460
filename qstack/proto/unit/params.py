"""Numbers of the unit protocol."""

from dataclasses import dataclass

from qstack.base.units import MILLISECOND_NS, MINUTE_NS, SECOND_NS

__all__ = ["CONTEXT_OCTETS", "MAXIMUM_ROUNDS", "NONCE_OCTETS", "PAD_BITS", "UnitParameters"]

# Of the protocol
NONCE_OCTETS = 16  # UNIT-4.1-7
CONTEXT_OCTETS = 16  # UNIT-4.2-2
PAD_BITS = 128  # UNIT-4.4-1
MAXIMUM_ROUNDS = 4_096  # section 7: what `present` holds


@dataclass(frozen=True, slots=True)
class UnitParameters:
    """Our choices.

    `tests_one_in`: of so many rounds one is a test. `device_lead_ns`: how far ahead a measurement is planned, so that
    the device can answer at its instant and not after. `rounds_timeout_ns`: how long a tail waits for rounds that the
    head has and it has not. `tai_minus_utc_s`: since 2017. `units_per_user`: live units that one user id has opened.
    `units_of_peer`: live units that one far node has opened here. `lifetime_ns`: how long a unit may last, whatever its
    deadline.
    """

    tests_one_in: int = 8
    device_lead_ns: int = MILLISECOND_NS
    rounds_timeout_ns: int = 2 * SECOND_NS
    tai_minus_utc_s: int = 37
    units_per_user: int = 32
    units_of_peer: int = 256
    units: int = 1_024
    lifetime_ns: int = 24 * 60 * MINUTE_NS  # UNIT-3-1
    lifecycle_nid: str = "qkd"

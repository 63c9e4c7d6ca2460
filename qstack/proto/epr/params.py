"""Numbers of the epr protocol."""

from dataclasses import dataclass

from qstack.base.units import MILLISECOND_NS, MINUTE_NS, SECOND_NS

__all__ = ["EprParameters"]


@dataclass(frozen=True, slots=True)
class EprParameters:
    """Our choices.

    `device_lead_ns`: how far ahead an act is planned, so that the device can answer at its instant and not after.
    `drain_timeout_ns`: how long pairs of a closed socket are waited for. `lifetime_ns`: of a request without a shorter
    time of its own. `given_up`: pairs that are remembered to be void before they come.
    """

    device_lead_ns: int = MILLISECOND_NS
    drain_timeout_ns: int = 2 * SECOND_NS  # EPR-3-4
    lifetime_ns: int = 24 * 60 * MINUTE_NS
    sockets_of_user: int = 64  # EPR-7
    sockets: int = 1_024
    requests_of_socket: int = 64
    qubits_of_user: int = 1_024
    waiting_acts: int = 4_096
    given_up: int = 4_096

"""Numbers of echo and error."""

from dataclasses import dataclass

from qstack.base.units import SECOND_NS

__all__ = ["HeaderParameters"]


@dataclass(frozen=True, slots=True)
class HeaderParameters:
    """Our choices; RFC 4443 section 2.4 (f) asks for a limit on errors and gives 10 a second as an example."""

    echo_timeout_ns: int = 5 * SECOND_NS
    echoes: int = 256  # outstanding requests
    errors_per_second: int = 10  # HEADER-6.2-5, to one node
    error_burst: int = 10
    replies_per_second: int = 100  # to one node
    reply_burst: int = 100

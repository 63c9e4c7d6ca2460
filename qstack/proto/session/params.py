"""Numbers of key establishment: what the note fixes, then what is ours to choose."""

from dataclasses import dataclass
from typing import Final

from qstack.base.errors import LocalMisuse
from qstack.base.units import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from qstack.machine.replay import REPLAY_WINDOW_SIZE
from qstack.machine.retransmission import Backoff
from qstack.wire.header import BASE_DATAGRAM_OCTETS, HEADER_SIZE, SEAL_OCTETS

__all__ = ["CHECK_KEY", "COOKIE_SECRET_NS", "EXPORTER_LABEL", "FIRST_PACKET_NUMBER", "IV_INFO", "KEY_INFO",
           "MAXIMUM_FLIGHT_OCTETS", "NEXT_INFO", "QUESTION_OCTETS", "SECRET_OCTETS", "SessionParameters"]  # fmt: skip

CHECK_KEY: Final = b"qstack session 1"  # SESSION-5.1-1
EXPORTER_LABEL: Final = b"EXPORTER-qstack-session-1"  # SESSION-7.1-1
KEY_INFO: Final = b"qstack key"  # SESSION-7.1-2
IV_INFO: Final = b"qstack iv"
NEXT_INFO: Final = b"qstack next"
SECRET_OCTETS: Final = 32
FIRST_PACKET_NUMBER: Final = 1  # section 7.2
QUESTION_OCTETS: Final = 64  # SESSION-5.2-3; a CookieChallenge has 45
MAXIMUM_FLIGHT_OCTETS: Final = 16_384  # SESSION-5.4-2
COOKIE_SECRET_NS: Final = 2 * MINUTE_NS  # SESSION-5.3-3

_HEADER_TLV_OCTETS: Final = 24  # room for the position in a reliable flow, and to spare
_RETRANSMISSION: Final = Backoff(250 * MILLISECOND_NS, SECOND_NS)  # it is time that ends an attempt


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """Our choices (SESSION-3-3), with the reasons in the note."""

    retransmission: Backoff = _RETRANSMISSION
    pull_after_ns: int = 50 * MILLISECOND_NS  # a part of the answer has come, the rest has not: SESSION-5.5-1
    restarts: int = 5  # SESSION-5.6-1
    asking_timeout_ns: int = 20 * SECOND_NS
    attempt_timeout_ns: int = 60 * SECOND_NS
    attempts: int = 256
    yield_after_ns: int = SECOND_NS  # SESSION-6.2-1

    half_open_timeout_ns: int = 30 * SECOND_NS
    half_open_limit: int = 256
    half_open_sheltered_ns: int = SECOND_NS  # one that is younger is not replaced
    source_rate_per_s: int = 20
    source_burst: int = 5
    sources_remembered: int = 1_024
    all_rate_per_s: int = 200
    all_burst: int = 64

    live_limit: int = 4_096  # epochs that others have begun; our own calls are not refused
    live_of_domain: int = 1_024  # of them with nodes of one quantum AS

    silence_after_sending_ns: int = 10 * SECOND_NS
    silence_ns: int = 15 * SECOND_NS
    probe_interval_ns: int = 500 * MILLISECOND_NS
    probes: int = 20
    doubt_interval_ns: int = SECOND_NS  # SESSION-6.3-4: a rumour costs a probe this often at most
    proof_interval_ns: int = 500 * MILLISECOND_NS  # SESSION-6.5-2
    proofs: int = 10

    rekey_datagrams: int = 1 << 20
    rekey_after_ns: int = 2 * MINUTE_NS
    generation_minimum_ns: int = 10 * SECOND_NS  # so that what is late by less than that is never too old to open
    previous_key_ns: int = 10 * SECOND_NS
    replay_window: int = REPLAY_WINDOW_SIZE

    datagram_octets: int = BASE_DATAGRAM_OCTETS

    def __post_init__(self) -> None:
        if self.replay_window < REPLAY_WINDOW_SIZE:
            raise LocalMisuse(f"a replay window of {self.replay_window}: at least {REPLAY_WINDOW_SIZE} is needed")
        if self.datagram_octets < BASE_DATAGRAM_OCTETS:
            raise LocalMisuse(f"datagrams of {self.datagram_octets} octets: every path carries {BASE_DATAGRAM_OCTETS}")

    @property
    def message_octets(self) -> int:
        """The longest message of a handshake: a datagram less its header, the header's TLVs and a hop seal."""
        return self.datagram_octets - HEADER_SIZE - _HEADER_TLV_OCTETS - SEAL_OCTETS

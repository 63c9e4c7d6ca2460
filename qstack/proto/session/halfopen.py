"""What strangers may cost: half-open sessions, bounded in number, in rate for each source and for all (SESSION-6.1).

Everything in here belongs to sources that have given back a cookie. When there is no room the oldest half-open session
makes way, if it is no longer sheltered: a handshake that is honest and alive needs a round trip and a half, a flood
does not care. Live epochs are not in this table and cannot be crowded out.
"""

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from qstack.base.ids import Epoch, Qna
from qstack.base.locator import Locator
from qstack.machine.bucket import KeyedBuckets, TokenBucket
from qstack.proto.session.params import SessionParameters
from qstack.proto.session.session import Session

__all__ = ["Caller", "HalfOpen"]


class Caller(NamedTuple):
    """What tells half-open sessions apart. `locator` None in END."""

    claimed: Qna
    locator: Locator | None
    epoch: Epoch
    nonce: bytes


class HalfOpen:
    """The responder's sessions that are not live yet, oldest first."""

    def __init__(self, parameters: SessionParameters) -> None:
        self._parameters = parameters
        self._sessions: dict[Caller, Session] = {}
        everybody = TokenBucket(parameters.all_rate_per_s, parameters.all_burst)
        self._everybody = everybody
        self._sources: KeyedBuckets[Hashable] = KeyedBuckets(
            parameters.source_rate_per_s, parameters.source_burst, parameters.sources_remembered
        )

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def find(self, caller: Caller) -> Session | None:
        """The half-open session of a caller."""
        return self._sessions.get(caller)

    def refusal(self, caller: Caller, now_ns: int) -> str:
        """Why nothing may begin for this caller, the end of a counter's name; empty, and paid for, when it may."""
        if not self._sources.take(_source(caller), now_ns) or not self._everybody.take(now_ns):
            return "limited.source"
        if len(self._sessions) >= self._parameters.half_open_limit and self.replaceable(now_ns) is None:
            return "limited.half_open"
        return ""

    def replaceable(self, now_ns: int) -> Session | None:
        """The session that makes way when there is no room."""
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None or len(self._sessions) < self._parameters.half_open_limit:
            return None
        sheltered = now_ns - oldest.started_ns < self._parameters.half_open_sheltered_ns
        return None if sheltered else oldest

    def add(self, caller: Caller, session: Session) -> None:
        """Keep a new one."""
        self._sessions[caller] = session

    def discard(self, session: Session) -> None:
        """Forget one, if it is here."""
        for caller, known in self._sessions.items():
            if known is session:
                del self._sessions[caller]
                return

    def of_peer(self, claimed: Qna) -> list[Session]:
        """Those that claim to be `claimed`."""
        return [session for caller, session in self._sessions.items() if caller.claimed == claimed]


def _source(caller: Caller) -> Hashable:
    """Whom a limit is for: an IPv4 address, an IPv6 network of 64 bits, or in END a QNA."""
    if caller.locator is None:
        return caller.claimed
    address = caller.locator.address
    return address if len(address) == 4 else address[:8]

"""Locators that somebody claims a peer to be at, tried with the keys of the live epoch (SESSION-6.5-2).

A Probe with a token of its own goes to the claimed locator; whoever answers it has received it there and has the keys.
"""

from dataclasses import dataclass

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.machine.timers import Timers
from qstack.proto.session.params import SessionParameters

__all__ = ["Claim", "Claims"]

_LIMIT = 64  # claims that are tried at once


@dataclass(slots=True)
class Claim:
    """One locator that is being tried. `sent` probes have gone out."""

    peer: Qna
    locator: Locator
    token: int
    sent: int = 0


class Claims:
    """The claims that are being tried."""

    def __init__(self, parameters: SessionParameters) -> None:
        self._parameters = parameters
        self._claims: dict[tuple[Qna, Locator], Claim] = {}
        self._timers: Timers[tuple[Qna, Locator]] = Timers()

    def begin(self, peer: Qna, locator: Locator, token: int, now_ns: int) -> bool:
        """Try a claim, at once. False when there is no room; one that is being tried goes on as it is."""
        key = (peer, locator)
        if key in self._claims:
            return True
        if len(self._claims) >= _LIMIT:
            return False
        self._claims[key] = Claim(peer, locator, token)
        self._timers.set(key, now_ns)
        return True

    def answered(self, peer: Qna, token: int) -> Locator | None:
        """The locator that an answer of `peer` proves."""
        found = [claim for claim in self._claims.values() if claim.peer == peer and claim.token == token and claim.sent]
        if not found:
            return None
        self._forget(found[0])
        return found[0].locator

    def of_peer(self, peer: Qna) -> list[Locator]:
        """Forget what is tried for `peer`, whose epoch has ended; give the locators."""
        found = [claim for claim in self._claims.values() if claim.peer == peer]
        for claim in found:
            self._forget(claim)
        return [claim.locator for claim in found]

    def next_deadline(self) -> int | None:
        """When `due` next has something."""
        return self._timers.next_deadline()

    def due(self, now_ns: int) -> tuple[list[Claim], list[Claim]]:
        """Claims for which a probe is to be sent now, and claims that got no answer and are forgotten."""
        ready = [self._claims[key] for key in self._timers.pop_due(now_ns)]
        failed = [claim for claim in ready if claim.sent >= self._parameters.proofs]
        for claim in failed:
            self._forget(claim)
        sending = [claim for claim in ready if claim not in failed]
        for claim in sending:
            claim.sent += 1
            self._timers.set((claim.peer, claim.locator), now_ns + self._parameters.proof_interval_ns)
        return sending, failed

    def _forget(self, claim: Claim) -> None:
        self._claims.pop((claim.peer, claim.locator), None)
        self._timers.cancel((claim.peer, claim.locator))

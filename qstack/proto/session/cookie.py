"""Cookies: a source proves that it receives where it says it is, and the responder keeps nothing (SESSION-5.3).

A secret belongs to a period of 120 s and follows from chance and the period's number, so replacing it takes no timer.
"""

from hashlib import blake2b
from hmac import compare_digest

from qstack.base.chance import Chance
from qstack.base.ids import Qna
from qstack.proto.session.params import COOKIE_SECRET_NS
from qstack.wire.session import COOKIE_OCTETS, Initiate

__all__ = ["CookieJar"]


class CookieJar:
    """Makes and knows the cookies of the responder `own`. `chance`: for this purpose alone."""

    def __init__(self, own: Qna, scope: int, chance: Chance) -> None:
        self._prefix = bytes((scope,)) + own.to_bytes(8, "big")
        self._chance = chance
        self._period = -1
        self._secrets = (b"", b"")  # of this period and of the one before

    def make(self, source: bytes, claimed: Qna, question: Initiate, now_ns: int) -> bytes:
        """The cookie for a question of `claimed` from `source` (the octets of its address; none for END)."""
        self._turn(now_ns)
        return self._compute(self._secrets[0], source, claimed, question)

    def accepts(self, cookie: bytes, source: bytes, claimed: Qna, question: Initiate, now_ns: int) -> bool:
        """Whether `cookie` was made for this, in this period or the one before."""
        self._turn(now_ns)
        made = [self._compute(secret, source, claimed, question) for secret in self._secrets]
        return compare_digest(cookie, made[0]) | compare_digest(cookie, made[1])

    def _turn(self, now_ns: int) -> None:
        period = now_ns // COOKIE_SECRET_NS
        if period != self._period:
            self._period = period
            self._secrets = (self._secret(period), self._secret(period - 1))

    def _secret(self, period: int) -> bytes:
        return self._chance.octets(b"cookie:%d" % period, 32)

    def _compute(self, secret: bytes, source: bytes, claimed: Qna, question: Initiate) -> bytes:
        asker = claimed.to_bytes(8, "big") + question.initiator_epoch.to_bytes(4, "big") + question.nonce
        bound = self._prefix + bytes((len(source),)) + source + asker
        return blake2b(bound, key=secret, digest_size=COOKIE_OCTETS).digest()

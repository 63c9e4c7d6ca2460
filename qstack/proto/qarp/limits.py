"""How often strangers are answered (QARP-7-5)."""

from qstack.base.locator import Locator
from qstack.machine.bucket import KeyedBuckets, TokenBucket
from qstack.proto.qarp.locators import source_key
from qstack.proto.qarp.params import QarpParameters

__all__ = ["AnswerLimit"]


class AnswerLimit:
    """A bucket per source address, one for all sources that are new, and one for all."""

    def __init__(self, parameters: QarpParameters) -> None:
        newcomers = TokenBucket(parameters.newcomers_s, parameters.newcomers_s)
        rate = parameters.answers_per_source_s
        self._sources: KeyedBuckets[bytes] = KeyedBuckets(rate, rate, parameters.sources, newcomers)
        self._all = TokenBucket(parameters.answers_s, parameters.answers_s)

    def allows(self, source: Locator, now_ns: int) -> bool:
        """Whether one more answer may go to `source`; if so it is counted."""
        return self._sources.take(source_key(source), now_ns) and self._all.take(now_ns)

"""What address resolution leaves to chance: nonces, jitter, which of many hints is kept."""

from qstack.base.chance import Chance
from qstack.wire.qarp import NONCE_OCTETS

__all__ = ["Draws"]


class Draws:
    """Numbered draws from one source: each is its own event, so none depends on what else was drawn."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance.derive(b"qarp")
        self._drawn = 0

    def _event(self) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(8, "big")

    def nonce(self) -> bytes:
        """128 bits that nobody can guess (QARP-4.1-2)."""
        return self._chance.octets(self._event(), NONCE_OCTETS)

    def between(self, low: int, high: int) -> int:
        """An integer, even over low..high."""
        return low + int(self._chance.uniform(self._event()) * (high - low + 1))

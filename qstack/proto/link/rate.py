"""How many pairs a second a link makes, of late."""

from math import exp

__all__ = ["Rate"]


class Rate:
    """Events a second. One of `time_ns` ago counts 1/e of one of now, so that it does not matter who looks when."""

    def __init__(self, time_ns: int) -> None:
        self._time_ns = time_ns
        self._weight = 0.0
        self._as_of_ns = 0

    def count(self, number: int, now_ns: int) -> None:
        """So many events now."""
        self._weight = self._left(now_ns) + number
        self._as_of_ns = now_ns

    def hz(self, now_ns: int) -> float:
        """Events a second."""
        return self._left(now_ns) * 1e9 / self._time_ns

    def _left(self, now_ns: int) -> float:
        return self._weight * exp((self._as_of_ns - now_ns) / self._time_ns)

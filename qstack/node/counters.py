"""Counters by name, `<protocol>.<what>`: what bad input costs, and what operators read."""

__all__ = ["Counters"]


class Counters(dict[str, int]):
    """A dictionary in which what was never counted is 0."""

    def __missing__(self, name: str) -> int:
        return 0

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of `name`."""
        self[name] = self[name] + amount

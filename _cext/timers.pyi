from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

class Timers(Generic[K]):
    """Deadlines by key; a key has at most one. Instants are int64 nanoseconds (OverflowError beyond)."""

    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[K]: ...
    def set(self, key: K, deadline_ns: int) -> None:
        """Set or move the deadline of `key`; counts as a new insertion. O(log n)."""

    def cancel(self, key: K) -> bool:
        """Forget `key`; tell whether it was set. O(log n)."""

    def clear(self) -> None:
        """Forget all keys."""

    def deadline(self, key: K) -> int | None:
        """The deadline of `key`, None when it is not set."""

    def next_deadline(self) -> int | None:
        """The earliest deadline, None when nothing is set."""

    def pop_due(self, now_ns: int) -> list[K]:
        """Take out the keys whose deadline is `now_ns` or before, by deadline, then by insertion."""

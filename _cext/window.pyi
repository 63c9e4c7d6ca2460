class ReplayWindow:
    """Which 64-bit packet numbers came already, `size` of them below the highest (OverflowError beyond 64 bits)."""

    def __init__(self, size: int = 8128) -> None:
        """At least `size` numbers, 1..2^20; rounded up to (2^k - 1) * 64. Raises `LocalMisuse`."""

    @property
    def size(self) -> int:
        """How far below the highest number others are still admitted."""

    @property
    def highest(self) -> int | None:
        """The highest number committed, None before the first."""

    def check(self, number: int) -> bool:
        """Tell whether `number` is new and not too old. Changes nothing."""

    def commit(self, number: int) -> bool:
        """Mark `number`, once its packet is authenticated. False, and nothing changes, where `check` says False."""

"""What a twin counts, for operators."""

from dataclasses import dataclass

__all__ = ["TwinStatistics"]


@dataclass(slots=True)
class TwinStatistics:
    """Counters since the start. Pairs: `created`, `swapped` (Bell measurements); qubits: `initialised`, `moved`,
    `measured`, `turned` (gates), `released`, `transmitted`, and of these `lost`."""

    created: int = 0
    initialised: int = 0
    moved: int = 0
    swapped: int = 0
    measured: int = 0
    turned: int = 0
    released: int = 0
    transmitted: int = 0
    lost: int = 0
    windows: int = 0  # resolved, with or without a success
    unmatched: int = 0  # over without both attempts and a listening station
    refused: int = 0  # whole requests and items
    malformed: int = 0  # datagrams that did not decode
    late: int = 0  # results made after the instant at which they should have been delivered
    worst_lateness_ns: int = 0

    def note_delivery(self, ideal_ns: int, now_ns: int) -> None:
        """A result that should be known at `ideal_ns` is made now."""
        if now_ns > ideal_ns:
            self.late += 1
            self.worst_lateness_ns = max(self.worst_lateness_ns, now_ns - ideal_ns)

"""The upper MAC scheduler: quantum windows and classical bursts take turns on one fibre (HARDWARE-9).

Laws:

1. Time goes in frames of `frame_cycles` cycles of the link. A frame is a classical burst, then a guard in which its
   light leaves the fibre, then the quantum window. A frame without a burst is all quantum.
2. A frame's burst is `burst_cycles`, what classical traffic is sure of and needs on average; while classical traffic
   has a backlog it is `most_cycles`, until the backlog is served. So a backlog costs the link a known time, and never
   all of it: each frame keeps a quantum window.
3. Every question is answered by arithmetic, in a time that does not depend on how far ahead it looks.
4. All who use a link hold the same value: its ends, to attempt in quantum windows only, and the device.

A new backlog makes a new value, in force from the next frame on; it knows the one before it for what is under way.
"""

from dataclasses import dataclass, replace

from qstack.base.errors import LocalMisuse

__all__ = ["Turns", "burst_cycles_for"]


def burst_cycles_for(octets: int, line_rate_bps: float, cycle_ns: int) -> int:
    """Cycles that so many octets of classical traffic take."""
    return -(-octets * 8 * 1_000_000_000 // (round(line_rate_bps) * cycle_ns))


@dataclass(frozen=True, slots=True)
class Turns:
    """Who has the fibre when. `backlog_cycles`: what waits at the beginning of frame `first_frame`, in cycles of burst.

    Before `first_frame` it is `before` that counts, or, where that is None, a fibre without backlog.
    """

    frame_cycles: int
    burst_cycles: int
    guard_cycles: int = 0
    most_cycles: int = 0
    backlog_cycles: int = 0
    first_frame: int = 0
    before: "Turns | None" = None

    def __post_init__(self) -> None:
        if min(self.burst_cycles, self.guard_cycles, self.most_cycles, self.backlog_cycles) < 0:
            raise LocalMisuse(f"{self}: no part of a frame is negative")
        if max(self.burst_cycles, self.most_cycles) + self.guard_cycles >= self.frame_cycles:
            raise LocalMisuse(f"a frame of {self.frame_cycles} cycles leaves no quantum window")
        if self.backlog_cycles and self.most_cycles <= self.burst_cycles:
            raise LocalMisuse("a backlog is never served: set most_cycles above burst_cycles")

    @property
    def share(self) -> float:
        """The share of cycles that is quantum when no backlog is left."""
        return self._quantum_of(self.burst_cycles) / self.frame_cycles

    def is_quantum(self, cycle: int) -> bool:
        """Whether a cycle lies in a quantum window."""
        value = self._in_force(cycle)
        frame, offset = divmod(cycle, self.frame_cycles)
        return offset >= self.frame_cycles - value._quantum(frame)

    def next_quantum(self, cycle: int) -> int:
        """The first cycle of a quantum window that is not before this one."""
        value = self._in_force(cycle)
        frame, offset = divmod(cycle, self.frame_cycles)
        return frame * self.frame_cycles + max(offset, self.frame_cycles - value._quantum(frame))

    def window(self, cycle: int) -> tuple[int, int]:
        """First cycle and length of what is left of this quantum window, or of the next one."""
        first = self.next_quantum(cycle)
        return first, self.frame_cycles - first % self.frame_cycles

    def burst(self, frame: int) -> int:
        """Cycles of the classical burst of a frame."""
        value = self._in_force(frame * self.frame_cycles)
        if frame < value.first_frame or not value.backlog_cycles:
            return value.burst_cycles
        full, rest = value._service
        late = frame - value.first_frame
        return value.most_cycles if late < full else value.burst_cycles + (rest if late == full else 0)

    def backlog(self, frame: int) -> int:
        """What is still unserved at the beginning of a frame."""
        value = self._in_force(frame * self.frame_cycles)
        if frame < value.first_frame:
            return 0
        served = (frame - value.first_frame) * (value.most_cycles - value.burst_cycles)
        return max(0, value.backlog_cycles - served)

    def offer(self, more_cycles: int, now_cycle: int) -> "Turns":
        """So much more classical traffic waits: the turns from the frame behind `now_cycle` on."""
        frame = now_cycle // self.frame_cycles + 1
        kept = replace(self._in_force(now_cycle), before=None)
        waiting = self.backlog(frame) + more_cycles
        return replace(self, backlog_cycles=waiting, first_frame=frame, before=kept)

    def changes_at(self, cycle: int) -> int | None:
        """First cycle behind this one from which on another value is in force; None when there is none."""
        first = self.first_frame * self.frame_cycles
        return first if self.before is not None and cycle < first else None

    # ---- counting: cycles of either kind, numbered from an origin of the value in force ----

    def quantum_before(self, cycle: int) -> int:
        """Quantum cycles from the origin to a cycle. Only differences mean something, while no change lies between."""
        value = self._in_force(cycle)
        frame, offset = divmod(cycle, self.frame_cycles)
        quantum = value._quantum(frame)
        return value._quantum_frames(frame) + max(0, offset - (self.frame_cycles - quantum))

    def nth_quantum(self, number: int, near_cycle: int) -> int:
        """The cycle before which there are `number` quantum ones, by the value in force at `near_cycle`."""
        value = self._in_force(near_cycle)
        frame, rest, quantum = value._find(number, classical=False)
        return (frame + 1) * self.frame_cycles - quantum + rest

    def classical_before(self, cycle: int) -> int:
        """As `quantum_before`, of the cycles of bursts and guards."""
        value = self._in_force(cycle)
        return cycle - value.first_frame * self.frame_cycles - self.quantum_before(cycle)

    def nth_classical(self, number: int, near_cycle: int) -> int:
        """As `nth_quantum`, of the cycles of bursts and guards."""
        value = self._in_force(near_cycle)
        frame, rest, _ = value._find(number, classical=True)
        return frame * self.frame_cycles + rest

    def _in_force(self, cycle: int) -> "Turns":
        if self.before is not None and cycle < self.first_frame * self.frame_cycles:
            return self.before
        return self

    @property
    def _service(self) -> tuple[int, int]:
        """Frames with the greatest burst, and what is left for the one behind them."""
        extra = self.most_cycles - self.burst_cycles
        return divmod(self.backlog_cycles, extra) if self.backlog_cycles else (0, 0)

    def _quantum_of(self, burst: int) -> int:
        return self.frame_cycles - burst - (self.guard_cycles if burst else 0)

    def _quantum(self, frame: int) -> int:
        """Quantum cycles of one frame of this value."""
        if frame < self.first_frame or not self.backlog_cycles:
            return self._quantum_of(self.burst_cycles)
        full, rest = self._service
        late = frame - self.first_frame
        return self._quantum_of(self.most_cycles if late < full else self.burst_cycles + (rest if late == full else 0))

    def _quantum_frames(self, frame: int) -> int:
        """Quantum cycles of the frames from the first one to this one, which does not count; negative before it."""
        (full, rest), late = self._service, frame - self.first_frame
        steady, busy = self._quantum_of(self.burst_cycles), self._quantum_of(self.most_cycles)
        if late <= 0:
            return late * steady
        between = self._quantum_of(self.burst_cycles + rest) if late > full else 0
        return min(late, full) * busy + between + max(0, late - full - 1) * steady

    def _find(self, number: int, *, classical: bool) -> tuple[int, int, int]:
        """The frame with the `number`-th cycle of a kind, how many of the kind come before it there, its window."""
        full, rest = self._service
        parts = [self._quantum_of(burst) for burst in (self.most_cycles, self.burst_cycles + rest, self.burst_cycles)]
        sizes = [self.frame_cycles - part for part in parts] if classical else parts
        if number < 0:
            frame, within = divmod(number, sizes[2])
        elif number < full * sizes[0]:
            frame, within = divmod(number, sizes[0])
        elif number < full * sizes[0] + sizes[1]:
            frame, within = full, number - full * sizes[0]
        else:
            frame, within = divmod(number - full * sizes[0] - sizes[1], sizes[2])
            frame += full + 1
        return self.first_frame + frame, within, self._quantum(self.first_frame + frame)

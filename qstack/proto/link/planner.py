"""The master's planning: which request gets which window (LINK-5.2).

Only the end with the lower address plans; the other is told by Schedule, so both attempt the same window for the same
request with the same number of memories, and need not agree on anything else in time. Time is divided into slots; what
wants windows in a slot is decided once, `lead` before the slot begins, so that memories that become free one by one
are offered together. Requests take turns. Windows of one slot follow one another.

Credit: the other end tells how many memories it has free as of which schedule; what was scheduled later is taken off.
"""

from collections import OrderedDict
from collections.abc import Callable

from qstack.base.ids import Cycle
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.queue import Request, RequestQueue
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.window import Windows
from qstack.wire.link import Room, Schedule

__all__ = ["Credit", "Planner"]


class Credit:
    """How many memories the other end has for us, as far as we can know."""

    def __init__(self) -> None:
        self._free = 0
        self._later: OrderedDict[int, int] = OrderedDict()  # memories by schedule, since what `_free` knows of

    def told(self, room: Room) -> None:
        """The other end advertises."""
        self._free = room.free
        for schedule in [number for number in self._later if number <= room.schedule]:
            del self._later[schedule]

    def spend(self, schedule: int, memories: int) -> None:
        """Memories of the other end are asked for."""
        self._later[schedule] = memories

    @property
    def left(self) -> int:
        """What may still be asked for."""
        return max(0, self._free - sum(self._later.values()))


class Planner:
    """Planning of one link at its master."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, *, queue: RequestQueue, windows: Windows,
        send: Callable[[Schedule], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.credit = Credit()
        self.schedules = 0
        self._queue = queue
        self._pool = windows.pool
        self._windows = windows
        self._around = around
        self._send = send
        self._slot = 0  # the one that is planned next, or was planned last

    def restart(self) -> None:
        """A new epoch with the other end. Slots stay used: the device attempts each cycle once."""
        self.credit = Credit()
        self.schedules = 0

    def arm(self) -> None:
        """Set the timer for the next slot, if there is anything to be planned."""
        timer = ("plan", self.configuration.link, 0)
        if timer in self._around.timers or not self._is_worth_it():
            return
        lead_ns = self._windows.lead_ns
        earliest = -(-(self._around.domain_now() + lead_ns) // self.configuration.slot_ns)
        self._slot = max(earliest, self._slot + 1)
        when_ns = self._around.local(self._slot * self.configuration.slot_ns) - lead_ns
        self._around.timers.set(timer, max(when_ns, self._around.now_ns))

    def plan(self) -> None:
        """Fill the slot with windows, request after request."""
        first = Cycle(self._slot * self.configuration.slot_cycles)
        behind = first + self.configuration.slot_cycles
        requests = self._queue.in_turn()
        active = len({request.label for request in requests})
        for request in requests:
            if len(self._windows.open) >= self._around.parameters.outstanding_windows or first >= behind:
                break
            memories = self._memories_for(request, active)
            cycles = min(self.configuration.window_cycles(memories), behind - first)
            if not memories or self._windows.end_of(first, cycles) > request.deadline:
                continue
            self._schedule(request, first, cycles, min(memories, cycles))
            first = Cycle(first + cycles)
        self.arm()

    def _memories_for(self, request: Request, active: int) -> int:
        share = min(self._pool.share(request.label, active), request.unoffered, self.credit.left)
        return self.configuration.window_memories(share)

    def _schedule(self, request: Request, first_cycle: Cycle, cycles: int, memories: int) -> None:
        self.schedules += 1
        self.credit.spend(self.schedules, memories)
        self._queue.served(request)
        self._send(Schedule(
            link=self.configuration.link, schedule=self.schedules, queue_sequence=request.sequence,
            first_cycle=first_cycle, cycles=cycles, memories=memories,
        ))  # fmt: skip
        self._windows.offer(request, first_cycle, cycles, memories)

    def _is_worth_it(self) -> bool:
        if len(self._windows.open) >= self._around.parameters.outstanding_windows or not self.credit.left:
            return False
        return any(request.unoffered and self._pool.room(request.label) for request in self._queue)

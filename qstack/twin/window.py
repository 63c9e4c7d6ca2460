"""Windows of a link's cycles: who has attempted, who waits for heralds, and until when it matters (TWIN-5.2, TWIN-5.3).

A window is named by link, first cycle and count; both ends and the station must name the same. It is *open* until it
is resolved into successes, and forgotten a grace after its end, resolved or not. The cycles of a link are used once by
each end, be it for attempts or for flights (`next_cycle`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from qstack.base.ids import Cycle, LinkId, Qna, QubitId
from qstack.base.pairs import IN_Z, BasisChoice, PairKind, Reading, Rotation
from qstack.twin.configuration import TwinLink
from qstack.wire.twin import MAXIMUM_ITEMS, Attempt, Herald, LinkEnd

__all__ = ["MAXIMUM_WINDOWS", "Ask", "Offer", "Window", "WindowBook", "WindowName", "reading_of"]

MAXIMUM_WINDOWS = 4_096
"""Windows of one link at a time, so that a station cannot ask without bound for what nobody attempts."""


class WindowName(NamedTuple):
    """What both ends and the station call it."""

    link: LinkId
    first_cycle: Cycle
    cycles: int


class Ask(NamedTuple):
    """A station's request that waits for its answer."""

    session: int
    request_id: int


def reading_of(message: Attempt) -> Reading:
    """How a request of kind MEASURE measures; its choice is one that there is."""
    rotation = Rotation(message.x1, message.y, message.x2)
    return Reading(BasisChoice(message.choice), rotation, message.first, message.second)


@dataclass(slots=True)
class Offer:
    """What an end does in a window: keeps in `qubits` (None where one was thrown away), or measures.

    `bright`: population of the bright state, None for the link's own. `most`: successes after which attempts end.
    """

    qubits: list[QubitId | None]
    bright: float | None
    kind: PairKind
    most: int
    reading: Reading = IN_Z

    @classmethod
    def of(cls, message: Attempt, bright: float | None) -> "Offer":
        """What a request says; its kind and choice are such that there are."""
        kind = PairKind(message.kind)
        most = message.most or MAXIMUM_ITEMS
        return cls(
            list(message.qubits), bright, kind, min(most, len(message.qubits)) if kind is PairKind.KEEP else most,
            reading_of(message),
        )  # fmt: skip


@dataclass(slots=True)
class Window:
    """One window. `offers`: by end; `asks` are for heralds, which are None until resolved, `counts` for clicks."""

    name: WindowName
    link: TwinLink
    forget_ns: int
    offers: dict[Qna, Offer] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    counts: list[Ask] = field(default_factory=list)
    heralds: tuple[Herald, ...] | None = None

    @property
    def end_ns(self) -> int:
        """Domain time at which its last cycle ends."""
        return self.link.start_ns(self.name.first_cycle + self.name.cycles)

    @property
    def attempted(self) -> LinkEnd:
        """The ends that do attempt."""
        attempted = LinkEnd(0)
        for flag, end in zip(LinkEnd, sorted(self.link.ends), strict=True):
            attempted |= flag if end in self.offers else LinkEnd(0)
        return attempted

    @property
    def complete(self) -> bool:
        """Both ends have attempted and the station listens: it can be resolved."""
        return self.heralds is None and bool(self.asks) and all(end in self.offers for end in self.link.ends)


class WindowBook:
    """All windows that still matter."""

    def __init__(self) -> None:
        self._windows: dict[WindowName, Window] = {}
        self._count: dict[LinkId, int] = {}
        self._deadlines: list[tuple[int, WindowName]] = []
        self._next_cycle: dict[tuple[LinkId, Qna], int] = {}

    def next_cycle(self, link: LinkId, end: Qna) -> int:
        """First cycle that an end has not used yet (TWIN-5.2-2). Outlives attachments: a cycle happens once."""
        return self._next_cycle.get((link, end), 0)

    def use(self, name: WindowName, end: Qna) -> None:
        """An end uses the cycles of a window."""
        self._next_cycle[name.link, end] = name.first_cycle + name.cycles

    def find(self, name: WindowName) -> Window | None:
        """A window that is not forgotten."""
        return self._windows.get(name)

    def full(self, link: LinkId) -> bool:
        """Whether a link has no room for another window."""
        return self._count.get(link, 0) >= MAXIMUM_WINDOWS

    def open(self, name: WindowName, link: TwinLink, forget_ns: int) -> Window:
        """The window of this name, made when there is none."""
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = Window(name, link, forget_ns)
            self._count[name.link] = self._count.get(name.link, 0) + 1
            heappush(self._deadlines, (forget_ns, name))
        return window

    def attempt(self, window: Window, end: Qna, offer: Offer) -> None:
        """Note that an end attempts."""
        window.offers[end] = offer
        self.use(window.name, end)

    def measures(self, link: LinkId, first_cycle: Cycle, end: Qna) -> bool:
        """Whether an end has measured in a window that begins there and is not resolved yet."""
        return any(
            each.name.link == link and each.name.first_cycle == first_cycle and end in each.offers
            and each.offers[end].kind is PairKind.MEASURE for each in self.unresolved()
        )  # fmt: skip

    def unresolved(self) -> Iterator[Window]:
        """Windows that may still be filled."""
        return (window for window in self._windows.values() if window.heralds is None)

    def next_deadline(self) -> int | None:
        """When the next window is to be forgotten."""
        return self._deadlines[0][0] if self._deadlines else None

    def forget(self, now_ns: int) -> list[Window]:
        """Take out the windows whose time has come."""
        forgotten = []
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            window = self._windows.pop(heappop(self._deadlines)[1])
            self._count[window.name.link] -= 1
            forgotten.append(window)
        return forgotten

"""The windows of one end of a link: planned, offered memories, and what the station said became of them (LINK-5.4).

A window is open from its announcement until one of: the station's Reply, its end's having no memory when it begins, the
device's refusal, the reply timeout, a Reply to another window after which it can bring nothing, the neighbour's Expire,
the end of its label. Whatever comes later for it is counted and changes nothing. The reply timeout is told to the
neighbour, which revokes what it was given from that window: so no pair is left that one end knows and the other does
not, as long as the two can speak.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, Label, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime
from qstack.proto.link.delivery import Delivery
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.memory import MemoryPool
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.plan import Plan, expected_successes
from qstack.proto.link.queue import Request
from qstack.proto.link.rate import Rate
from qstack.proto.link.samples import Samples
from qstack.proto.link.states import REQUEST, WINDOW, RequestEvent, WindowEvent, WindowState
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import Expire, Gen, Pass, Reply, ReplyCode
from qstack.wire.twin import MAXIMUM_ITEMS, Attempt, Release, Status

__all__ = ["Window", "Windows"]

_PATIENCE = 16  # a lead that was lengthened shrinks by this part with each window that goes well
_REMEMBERED = 1_024  # windows that were filled and can still be revoked
_HARMLESS = (ReplyCode.DECLINED, ReplyCode.EXHAUSTED)  # nothing that an earlier word would have changed


@WINDOW.drives
@dataclass(slots=True, eq=False)
class Window:
    """One window. `most`: memories that an end may offer; `qubits`: those that this end offers. `call`: its Attempt."""

    owner: "Windows"
    request: Request
    first_cycle: Cycle
    cycles: int
    most: int
    allowance: int
    bright: int = 0
    terms: int = 0
    qubits: tuple[QubitId, ...] = ()
    call: int = 0
    state: WindowState = WindowState.PLANNED

    @property
    def capacity(self) -> int:
        """Successes that it can tell of: one a memory, or, where halves are measured at once, as many as were planned.
        """
        return self.most if self.request.kind is PairKind.MEASURE else len(self.qubits)

    def _may_offer(self, reply: Reply | None = None) -> bool:
        wanted = self.request.sequence or self.request.remaining  # of the stock no more than this end would keep
        return bool(wanted) and self.owner.pool.room(self.request.owner) > 0 and self.owner.around.has_device

    def _may_be_heralded(self, reply: Reply | None = None) -> bool:
        return reply is not None and reply.code == ReplyCode.HERALDED

    def _act_offer(self, reply: Reply | None = None) -> None:
        self.owner.offer(self)

    def _act_pass_on(self, reply: Reply | None = None) -> None:
        self.owner.pass_on(self)

    def _act_fill(self, reply: Reply) -> None:
        self.owner.deliver(self, reply)

    def _act_free_rest(self, reply: Reply) -> None:
        if self.request.kind is PairKind.MEASURE:
            self.owner.pool.withdraw(self.qubits)
            return
        filled = len(reply.pairs)
        self.owner.release(self.qubits[filled : filled + reply.surplus])
        self.owner.pool.withdraw(self.qubits[filled + reply.surplus :])

    def _act_note_failure(self, reply: Reply) -> None:
        name = reply.code.name.lower() if isinstance(reply.code, ReplyCode) else "unknown"
        self.owner.around.count(f"windows_{name}")
        if reply.code not in _HARMLESS:
            self.owner.lengthen_lead()

    def _act_tell_peer(self, reply: Reply | None = None) -> None:
        self.owner.around.count("windows_unanswered")
        self.owner.lengthen_lead()
        self.owner.tell_expired((self.first_cycle,))

    def _act_release(self, reply: Reply | None = None) -> None:
        self.owner.release(self.qubits)


@dataclass(frozen=True, slots=True)
class _Filled:
    """What a window brought, in case that it is revoked."""

    request: Request
    pairs: tuple[tuple[int, QubitId | None], ...]


class Windows:
    """The windows of one end of one link. `send` brings a Gen or a Pass to its station, be it this node."""

    def __init__(
        self, configuration: LinkConfiguration, pool: MemoryPool, around: Surroundings, unit: EstimationUnit,
        send: Callable[[Gen | Pass], None], finish: Callable[[Request], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.unit = unit
        self.samples = Samples(configuration, around, unit, pool, self.release)
        self.pool = pool
        self.around = around
        self.open: dict[int, Window] = {}
        self.pairs = 0
        self.rate = Rate(around.parameters.rate_time_ns)
        self.attempted = 0
        self.bright = 0  # of the window that was begun last
        self.passed = False  # a window, for want of memories, since the other end was last told of them
        self.expected_sequence = 0  # behind the last pair that is known
        self.lead_ns = around.parameters.lead_ns
        self.revoke_stock: Callable[[Iterable[tuple[int, QubitId | None]]], None] = lambda pairs: None
        self._send = send
        self._filled: OrderedDict[int, _Filled] = OrderedDict()
        self._copied: OrderedDict[int, Window] = OrderedDict()  # settled by a copy; their Replies are still to come
        self.delivery = Delivery(configuration, pool, around, unit, self.samples, empty=self.release, void=self.void,
                                 finish=finish)  # fmt: skip

    # --- what the ends agree on --------------------------------------------------------------------------------------

    def announce(self, request: Request, plan: Plan) -> None:
        """Tell the station of windows. Memories are offered when they begin, or now where that is past."""
        begin_ns = {first: self._begins_ns(first) for first in plan}
        for first in plan:
            self.open[first] = Window(self, request, first, plan.cycles, plan.memories, plan.allowance, plan.bright,
                                      plan.terms)  # fmt: skip
            if begin_ns[first] > self.around.now_ns:
                self.around.timers.set(("offer", self.configuration.link, first), begin_ns[first])
        self._announce(request.station, request.sequence, plan, 1)
        for first in [first for first in plan if begin_ns[first] <= self.around.now_ns]:
            self.begin(first)

    def decline(self, station: Qna, queue_sequence: int, plan: Plan) -> None:
        """Tell the station that this end knows nothing of a request."""
        self.around.count("windows_declined", plan.windows)
        self._announce(station, queue_sequence, plan, 0)

    def begin(self, first_cycle: int) -> None:
        """A window is about to begin."""
        window = self.open.get(first_cycle)
        if window is None:
            return
        self.around.timers.cancel(("offer", self.configuration.link, first_cycle))
        WINDOW.fire(window, WindowEvent.BEGINS)
        if window.state is WindowState.OVER:
            del self.open[first_cycle]

    def is_open(self, request: Request) -> bool:
        """Whether a request has windows under way."""
        return any(window.request is request for window in self.open.values())

    def expected_for(self, request: Request) -> float:
        """Pairs that open windows are expected to bring for a request."""
        return sum(
            expected_successes(self._probability(window), window.cycles, window.most)
            for window in self.open.values() if window.request is request
        )  # fmt: skip

    # --- what becomes of a window ------------------------------------------------------------------------------------

    def reply(self, reply: Reply, speaker: Qna) -> None:
        """The station's word. Raises `PeerViolation` when it cannot be true."""
        window = self.open.get(reply.first_cycle) or self._copied.get(reply.first_cycle)
        if window is None:
            self.around.count("stray_replies")
            return
        if speaker != window.request.station:
            raise PeerViolation("a Reply from a node that is not the station of this window")
        _check_reply(reply, window)
        request = window.request
        missed = reply.granted - request.granted > len(reply.pairs)  # LINK-5.4-3
        request.granted = reply.granted
        if self._copied.pop(reply.first_cycle, None) is None:
            self._settle(window, WindowEvent.REPLY, reply)
        for other in [w for w in self.open.values() if w.request is request and w.allowance <= reply.granted]:
            unheard = missed and other.state is WindowState.OFFERED
            self._settle(other, WindowEvent.UNANSWERED if unheard else WindowEvent.VOIDED)

    def hear_copy(self, reply: Reply, speaker: Qna) -> None:
        """The same word, which may come first, and out of order (LINK-4.7-9). Raises `PeerViolation` as `reply`."""
        window = self.open.get(reply.first_cycle)
        if window is None or window.state is not WindowState.OFFERED:
            return
        if speaker != window.request.station:
            raise PeerViolation("a ReplyCopy from a node that is not the station of this window")
        _check_reply(reply, window)
        earlier = any(w.request is window.request and w.first_cycle < window.first_cycle for w in self.open.values())
        if reply.pairs and earlier:
            return  # pairs of a request are told in order
        self._copied[window.first_cycle] = window
        if len(self._copied) > _REMEMBERED:
            self._copied.popitem(last=False)
        self._settle(window, WindowEvent.REPLY, reply)

    def refused(self, first_cycle: int) -> None:
        """The device will not attempt. The station learns it from its own device, and tells both ends."""
        window = self.open.get(first_cycle)
        if window is not None:
            self.around.count("attempts_refused")
            self._settle(window, WindowEvent.REFUSED)

    def unanswered(self, first_cycle: int) -> None:
        """The reply timeout."""
        window = self.open.get(first_cycle)
        if window is not None:
            self._settle(window, WindowEvent.UNANSWERED)

    def expired_by_peer(self, first_cycles: Iterable[int]) -> tuple[int, ...]:
        """The neighbour never learned what became of these windows: nothing of them counts. Gives what is revoked."""
        revoked: list[int] = []
        for first_cycle in first_cycles:
            window, filled = self.open.get(first_cycle), self._filled.pop(first_cycle, None)
            if window is not None:
                self._settle(window, WindowEvent.EXPIRED_BY_PEER)
            elif filled is not None:
                self._revoke(filled)
                revoked += [sequence for sequence, _ in filled.pairs]
            else:
                self.around.count("stray_expires")
        return tuple(revoked)

    def drop(self, label: Label) -> None:
        """A label is no more."""
        for window in [w for w in self.open.values() if w.request.label == label]:
            self._settle(window, WindowEvent.DROPPED)
        for cycle in [c for c, f in self._filled.items() if f.request.label == label]:
            del self._filled[cycle]
        for cycle in [c for c, w in self._copied.items() if w.request.label == label]:
            del self._copied[cycle]

    def drop_request(self, request: Request) -> None:
        """An application's request is over: windows under way bring nothing any more."""
        for window in [w for w in self.open.values() if w.request is request]:
            self._settle(window, WindowEvent.DROPPED)
        self.delivery.drop(request)

    def void(self, first_cycle: Cycle) -> None:
        """What a window brought is of no use here: take it back at both ends."""
        filled = self._filled.pop(first_cycle, None)
        if filled is not None:
            self.tell_expired((first_cycle,))
            self._revoke(filled)

    def lose_station(self, station: Qna) -> None:
        """Nothing more will be heard of this station's windows."""
        for window in [window for window in self.open.values() if window.request.station == station]:
            lost = window.state is WindowState.OFFERED
            self._settle(window, WindowEvent.UNANSWERED if lost else WindowEvent.DROPPED)

    def lose_device(self) -> None:
        """What memories were offered to is lost with the device, whatever the station will say of it."""
        for window in [window for window in self.open.values() if window.state is WindowState.OFFERED]:
            self._settle(window, WindowEvent.UNANSWERED)

    def lengthen_lead(self) -> None:
        """A window came to nothing, most likely because somebody heard of it too late: decide earlier."""
        self.lead_ns = min(2 * self.lead_ns, self.around.parameters.longest_lead_ns)

    def end_of(self, first_cycle: int, cycles: int) -> DomainTime:
        """The instant at which a window is over."""
        return DomainTime((first_cycle + cycles) * self.configuration.cycle_ns)

    # --- what windows do ---------------------------------------------------------------------------------------------

    def offer(self, window: Window) -> None:
        """Attempt, with the memories that there are now."""
        link, end = self.configuration.link, self.end_of(window.first_cycle, window.cycles)
        self.bright, request = window.bright, window.request
        measures = request.kind is PairKind.MEASURE
        most = 1 if measures else min(window.most, max(1, request.remaining))
        window.qubits = self.pool.offer(request.owner, most, end)
        reading: dict[str, int] = {}
        if measures:
            how = request.create.local if request.mine else request.create.remote
            reading = {"kind": PairKind.MEASURE, "choice": how.choice, "x1": how.x1, "y": how.y, "x2": how.x2,
                       "first": how.first, "second": how.second, "most": window.most}  # fmt: skip
        window.call = self.around.call(
            Attempt, ("attempt", link, window.first_cycle), link=link, first_cycle=window.first_cycle,
            cycles=window.cycles, bright=window.bright, qubits=window.qubits, **reading,
        )  # fmt: skip
        deadline_ns = max(self.around.local(end), self.around.now_ns) + self.around.parameters.reply_timeout_ns
        self.around.timers.set(("reply", link, window.first_cycle), deadline_ns)

    def pass_on(self, window: Window) -> None:
        """There is no memory for a window that was announced: tell the station, so that the other end does not wait."""
        self.passed = True
        self.around.count("windows_passed")
        self._send(Pass(link=self.configuration.link, station=window.request.station, first_cycle=window.first_cycle))

    def deliver(self, window: Window, reply: Reply) -> None:
        """A window was heralded: count its pairs, remember them, and hand them over."""
        request, count = window.request, len(reply.pairs)
        if count:
            self.unit.note_late(self.around.domain_now() - self.end_of(window.first_cycle, window.cycles))
            self.expected_sequence = (reply.first_sequence + count) & 0xFFFF_FFFF
        self.lead_ns -= (self.lead_ns - self.around.parameters.lead_ns) // _PATIENCE
        self.pairs += count
        self.rate.count(count, self.around.now_ns)
        self.attempted += window.cycles
        halves = self.delivery.receive(window, reply)
        REQUEST.fire(request, RequestEvent.HERALDED, len(halves))
        if halves:
            pairs = tuple((half.sequence, half.qubit) for half in halves)
            self._filled[window.first_cycle] = _Filled(request, pairs)
            if len(self._filled) > _REMEMBERED:
                self._filled.popitem(last=False)
            self.delivery.deliver(window, halves)

    def tell_expired(self, first_cycles: tuple[Cycle, ...]) -> None:
        """The other end is to revoke what it was given from these windows."""
        self.around.send(self.configuration.neighbour, Expire(
            link=self.configuration.link, expected_sequence=self.expected_sequence, windows=first_cycles,
        ))  # fmt: skip

    # --- emptying memories -------------------------------------------------------------------------------------------

    def release(self, qubits: tuple[QubitId, ...]) -> None:
        """Have the device empty these memories. Not before the last window that they were offered to is over."""
        if not qubits:
            return
        self.pool.empty(qubits)
        self._call_release(qubits)

    def released(self, qubits: tuple[QubitId, ...], statuses: tuple[int, ...]) -> None:
        """The device has emptied memories, or says why not: those are told again."""
        self.pool.emptied(q for q, status in zip(qubits, statuses, strict=False) if status in (Status.OK, Status.EMPTY))
        if not self.pool.emptying():
            self.around.timers.cancel(("release", self.configuration.link, 0))

    def release_again(self) -> None:
        """The device did not say of some memories that they are empty."""
        for call in [c for c, owner in self.around.asked.items() if owner[:2] == ("release", self.configuration.link)]:
            del self.around.asked[call]
        emptying = tuple(self.pool.emptying())
        if emptying:
            self.around.count("releases_repeated")
            self._call_release(emptying)

    def _settle(self, window: Window, event: WindowEvent, reply: Reply | None = None) -> None:
        """A window is over, one way or another."""
        del self.open[window.first_cycle]
        for what in ("reply", "offer"):
            self.around.timers.cancel((what, self.configuration.link, window.first_cycle))
        self.around.asked.pop(window.call, None)
        WINDOW.fire(window, event, reply)

    def _revoke(self, filled: _Filled) -> None:
        if not filled.request.sequence:
            self.around.count("pairs_revoked", len(filled.pairs))
            self.revoke_stock(filled.pairs)
            return
        REQUEST.fire(filled.request, RequestEvent.REVOKED, len(filled.pairs))
        self.around.count("pairs_revoked", len(filled.pairs))
        self.delivery.revoke(filled.request, list(filled.pairs))

    def _call_release(self, qubits: tuple[QubitId, ...]) -> None:
        link = self.configuration.link
        instant = DomainTime(max(self.around.domain_now(), self.pool.busy_until(qubits)))
        for start in range(0, len(qubits), MAXIMUM_ITEMS):
            some = qubits[start : start + MAXIMUM_ITEMS]
            self.around.call(Release, ("release", link, some), instant=instant, qubits=some)
        # Moved with every call: what is not answered is told again when the device has had its time for the last one.
        timeout_ns = self.around.parameters.release_timeout_ns
        self.around.timers.set(("release", link, 0), max(self.around.now_ns, self.around.local(instant)) + timeout_ns)

    def _probability(self, window: Window) -> float:
        """Of the success of one cycle."""
        return self.unit.model(window.bright, self.around.domain_now()).cycle_probability

    def _begins_ns(self, first_cycle: int) -> int:
        """When, on the local clock, memories are to be offered to a window."""
        return self.around.local(first_cycle * self.configuration.cycle_ns) - self.around.parameters.offer_lead_ns

    def _announce(self, station: Qna, queue_sequence: int, plan: Plan, attempts: int) -> None:
        self._send(Gen(
            link=self.configuration.link, station=station, first_cycle=plan.first_cycle, cycles=plan.cycles,
            stride=plan.stride, windows=plan.windows, queue_sequence=queue_sequence, attempts=attempts,
            allowance=plan.allowance,
        ))  # fmt: skip


def _check_reply(reply: Reply, window: Window) -> None:
    if reply.code != ReplyCode.HERALDED:
        return
    if len(reply.pairs) + reply.surplus > window.capacity or len(reply.pairs) > reply.granted:
        raise PeerViolation(f"{len(reply.pairs)} successes in a window for {window.capacity}")
    last = -1
    for pair in reply.pairs:
        if not last < pair.offset < window.cycles or pair.bell_index > 3:
            raise PeerViolation("successes that are not in order, not in the window, or in no Bell state")
        last = pair.offset

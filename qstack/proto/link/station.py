"""The heralding station: matches the two ends' Gens and tells both what its device saw (LINK-4.7, LINK-5.3).

The station keeps nothing but windows that are under way, a counter of successes, and for each request how many pairs it
has granted. Its word goes to both ends, whatever it is, also to one whose Gen never came: so neither has to wait for
its own timeout. It alone decides which success is a request's last, so that windows can be announced far ahead and yet
there is never a pair too many, nor a pair that the two ends count differently.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, LinkId, Qna, format_qna
from qstack.base.time import DomainTime
from qstack.base.units import MINUTE_NS
from qstack.proto.link.params import StationConfiguration
from qstack.proto.link.plan import Plan
from qstack.proto.link.states import MATCH, MatchEvent, MatchState
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import MAXIMUM_HERALDS, MAXIMUM_WINDOWS, Gen, HeraldedPair, Pass, Reply, ReplyCode
from qstack.wire.twin import AwaitHeralds, Heralds, Status

__all__ = ["Match", "Station", "StationDescription"]

_REMEMBERED = 1_024  # windows that are over, for Gens that come too late
_REQUESTS = 1_024  # of which it is remembered how many pairs they were granted
_HORIZON_NS = MINUTE_NS  # LINK-4.6-5


@dataclass(frozen=True, slots=True)
class StationDescription:
    """A link that this node heralds for, for operators."""

    link: LinkId
    ends: tuple[Qna, Qna]
    waiting: int
    windows_heralded: int
    windows_failed: int
    pairs: int


@MATCH.drives
@dataclass(slots=True, eq=False)
class Match:
    """A window and the Gens for it."""

    station: "Station"
    first_cycle: Cycle
    cycles: int
    state: MatchState = MatchState.WAITING
    gens: dict[Qna, Gen] = field(default_factory=dict)
    call: int = 0

    def place_of(self, end: Qna) -> int:
        """The place in the queue that an end named, 0 if it has not spoken."""
        return self.gens[end].queue_sequence if end in self.gens else 0

    @property
    def gen(self) -> Gen:
        """What the ends said; of use once they agree."""
        return next(iter(self.gens.values()))

    def _may_decline(self, end: Qna, gen: Gen) -> bool:
        return not gen.attempts

    def _may_lack_other(self, end: Qna, gen: Gen) -> bool:
        return not self.gens

    def _may_agree(self, end: Qna, gen: Gen) -> bool:
        other = self.gen
        return gen.cycles == other.cycles and _purpose(gen) == _purpose(other)

    def _may_be_complete(self, heralds: Heralds) -> bool:
        return heralds.status == Status.OK

    def _act_wait_for_other(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.wait("partner", self)

    def _act_wait_for_beginning(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.wait_for_beginning(self)

    def _act_ask_device(self) -> None:
        self.station.ask_device(self)

    def _act_answer_declined(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.answer(self, ReplyCode.DECLINED)

    def _act_answer_passed(self, end: Qna) -> None:
        self.station.answer(self, ReplyCode.DECLINED, but=end)

    def _act_answer_mismatch(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        same_length = gen.cycles == self.cycles
        self.station.answer(self, ReplyCode.QUEUE_MISMATCH if same_length else ReplyCode.TIME_MISMATCH)

    def _act_answer_alone(self) -> None:
        self.station.answer(self, ReplyCode.NO_OTHER)

    def _act_answer_heralds(self, heralds: Heralds) -> None:
        pairs = tuple(HeraldedPair(offset=h.offset, bell_index=h.bell_index) for h in heralds.heralds[:MAXIMUM_HERALDS])
        self.station.answer(self, ReplyCode.HERALDED, pairs)

    def _act_answer_failed(self, heralds: Heralds | None = None) -> None:
        self.station.answer(self, ReplyCode.GENERATION_FAILED)

    def _act_answer_silent(self) -> None:
        self.station.answer(self, ReplyCode.NO_HERALDS)


class Station:
    """The station of one link. `send_reply` brings a Reply to an end, be it this node."""

    def __init__(
        self, configuration: StationConfiguration, around: Surroundings, send_reply: Callable[[Qna, Reply], None]
    ) -> None:
        self.configuration = configuration
        self._around = around
        self._send_reply = send_reply
        self._matches: dict[int, Match] = {}
        self._over: OrderedDict[int, ReplyCode] = OrderedDict()
        self._granted: OrderedDict[int, int] = OrderedDict()  # pairs, by place in the queue
        self._sequence = 0  # of the next success on this link
        self._heralded = self._failed = self._pairs = 0

    def receive_gen(self, gen: Gen, end: Qna) -> None:
        """An end attempts, or says that it will not. Raises `PeerViolation` before anything has changed."""
        self._check_speaker(gen, end)
        plan = Plan(gen.first_cycle, gen.cycles, gen.stride, gen.windows)
        if not plan.sound or plan.windows > MAXIMUM_WINDOWS:
            raise PeerViolation("a Gen of no cycle, of no window, or of windows that overlap")
        matches = {first: self._matches.get(first) for first in plan}
        if any(match is not None and end in match.gens for match in matches.values()):
            raise PeerViolation("a second Gen for the same window")
        for first, match in matches.items():
            code = self._refusal(gen, first, match)
            if code is not None:
                self._around.count("gens_late")
                self._send_reply(end, self._reply(first, code, (gen.queue_sequence, 0)))
                continue
            if match is None:
                self._matches[first] = Match(self, first, gen.cycles)
            MATCH.fire(self._matches[first], MatchEvent.GEN, end, gen)

    def receive_pass(self, passed: Pass, end: Qna) -> None:
        """An end has no memory for a window. Raises `PeerViolation` before anything has changed."""
        self._check_speaker(passed, end)
        match = self._matches.get(passed.first_cycle)
        if match is None or end not in match.gens:  # over, or its Gen was refused and only the other end's was taken
            self._around.count("stray_passes")
            return
        MATCH.fire(match, MatchEvent.PASSED, end)

    def heralds(self, heralds: Heralds) -> None:
        """The device saw the window to its end."""
        self._fire(heralds.first_cycle, MatchEvent.HERALDS, heralds)

    def device_refused(self, first_cycle: int) -> None:
        """The device will not tell."""
        self._fire(first_cycle, MatchEvent.REFUSED)

    def time_out(self, what: str, first_cycle: int) -> None:
        """The partner timeout, the beginning of a window, or the herald timeout."""
        self._fire(first_cycle, _BY_TIMER[what])

    def lose_end(self) -> None:
        """The epoch with an end is over: it knows nothing of what was under way, the other end will time out. Places in
        the queue may begin anew."""
        for first_cycle in list(self._matches):
            self._fire(first_cycle, MatchEvent.LOST)
            self.close(first_cycle)
        self._granted.clear()

    def wait(self, what: str, match: Match) -> None:
        """Start the partner timeout or the herald timeout."""
        parameters = self._around.parameters
        timeout_ns = parameters.partner_timeout_ns if what == "partner" else parameters.herald_timeout_ns
        end_ns = max(self._around.local(self._end_of(match)), self._around.now_ns)
        self._around.timers.set((what, self.configuration.link, match.first_cycle), end_ns + timeout_ns)

    def wait_for_beginning(self, match: Match) -> None:
        """Both ends will attempt: the device is asked when the window begins."""
        link, first_cycle = self.configuration.link, match.first_cycle
        self._around.timers.cancel(("partner", link, first_cycle))
        begin_ns = self._around.local(first_cycle * self.configuration.cycle_ns)
        self._around.timers.set(("begin", link, first_cycle), max(begin_ns, self._around.now_ns))

    def ask_device(self, match: Match) -> None:
        """Have the device tell what comes of the attempts."""
        link = self.configuration.link
        self.wait("herald", match)
        match.call = self._around.call(
            AwaitHeralds, ("heralds", link, match.first_cycle), link=link, first_cycle=match.first_cycle,
            cycles=match.cycles,
        )  # fmt: skip

    def answer(
        self, match: Match, code: ReplyCode, successes: tuple[HeraldedPair, ...] = (), *, but: Qna | None = None
    ) -> None:
        """Tell both ends, or the other one than `but`, and forget the window. Grants as many successes as are allowed.
        """
        pairs = successes
        if successes:
            pairs = self._grant(match.gen, successes)
        first_sequence = self._sequence
        self._sequence = (self._sequence + len(pairs)) & 0xFFFF_FFFF
        self._pairs += len(pairs)
        self._heralded += code is ReplyCode.HERALDED
        self._failed += code is not ReplyCode.HERALDED
        self.close(match.first_cycle)
        self._remember(match.first_cycle, code)
        for end, other in (self.configuration.ends, self.configuration.ends[::-1]):
            if end != but:
                places = match.place_of(end), match.place_of(other)
                self._send_reply(end, self._reply(
                    match.first_cycle, code, places, first_sequence=first_sequence, pairs=pairs,
                    surplus=len(successes) - len(pairs),
                ))  # fmt: skip
        if pairs:
            self._end_exhausted(match.gen.queue_sequence)

    def close(self, first_cycle: int) -> None:
        """A window is over."""
        match = self._matches.pop(first_cycle, None)
        for what in _BY_TIMER:
            self._around.timers.cancel((what, self.configuration.link, first_cycle))
        if match is not None:
            self._around.asked.pop(match.call, None)

    def describe(self) -> StationDescription:
        """For operators."""
        return StationDescription(self.configuration.link, self.configuration.ends, len(self._matches), self._heralded,
                                  self._failed, self._pairs)  # fmt: skip

    def _check_speaker(self, message: Gen | Pass, end: Qna) -> None:
        if end not in self.configuration.ends:
            raise PeerViolation(f"{format_qna(end)} is no end of link {message.link}")
        if message.station != self._around.own:
            raise PeerViolation(f"a {message.NAME} for another station")

    def _grant(self, gen: Gen, successes: tuple[HeraldedPair, ...]) -> tuple[HeraldedPair, ...]:
        """As many successes as the request may still have (LINK-4.7-7)."""
        place = gen.queue_sequence
        granted = self._granted.pop(place, 0)
        pairs = successes[: max(0, gen.allowance - granted)]
        self._granted[place] = granted + len(pairs)
        if len(self._granted) > _REQUESTS:
            self._granted.popitem(last=False)
        return pairs

    def _end_exhausted(self, place: int) -> None:
        """Windows that can bring their request nothing any more are over; both ends see that in the same Reply."""
        granted = self._granted.get(place, 0)
        for first_cycle, match in list(self._matches.items()):
            if match.gen.queue_sequence == place and match.gen.allowance <= granted:
                self._fire(first_cycle, MatchEvent.EXHAUSTED)
                self.close(first_cycle)
                self._remember(first_cycle, ReplyCode.EXHAUSTED)

    def _remember(self, first_cycle: int, code: ReplyCode) -> None:
        self._over[first_cycle] = code
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    def _fire(self, first_cycle: int, event: MatchEvent, *arguments: Heralds) -> None:
        match = self._matches.get(first_cycle)
        if match is not None:
            MATCH.fire(match, event, *arguments)

    def _refusal(self, gen: Gen, first_cycle: Cycle, match: Match | None) -> ReplyCode | None:
        """Why a window of a Gen cannot be."""
        if match is not None:
            return None
        late = self._over.get(first_cycle)
        if late is not None:
            return ReplyCode.TIME_MISMATCH if late is ReplyCode.HERALDED else late
        if gen.allowance <= self._granted.get(gen.queue_sequence, 0):
            return ReplyCode.EXHAUSTED
        return self._misplaced(first_cycle, gen.cycles)

    def _misplaced(self, first_cycle: Cycle, cycles: int) -> ReplyCode | None:
        """Why a window that is not yet known cannot be."""
        begin = first_cycle * self.configuration.cycle_ns
        end = begin + cycles * self.configuration.cycle_ns
        now = self._around.domain_now()
        overlaps = any(
            match.first_cycle < first_cycle + cycles and first_cycle < match.first_cycle + match.cycles
            for match in self._matches.values()
        )
        if overlaps or end > now + _HORIZON_NS or end + self._around.parameters.partner_timeout_ns < now:
            return ReplyCode.TIME_MISMATCH
        return ReplyCode.DECLINED if len(self._matches) >= self._around.parameters.matches else None

    def _end_of(self, match: Match) -> DomainTime:
        return DomainTime((match.first_cycle + match.cycles) * self.configuration.cycle_ns)

    def _reply(
        self, first_cycle: Cycle, code: ReplyCode, places: tuple[int, int], *, first_sequence: int = 0,
        pairs: tuple[HeraldedPair, ...] = (), surplus: int = 0,
    ) -> Reply:  # fmt: skip
        return Reply(
            link=self.configuration.link, station=self._around.own, first_cycle=first_cycle, code=code,
            queue_sequence=places[0], other_queue_sequence=places[1], first_sequence=first_sequence,
            granted=self._granted.get(max(places), 0), surplus=surplus, pairs=pairs,
        )  # fmt: skip


_BY_TIMER = {"partner": MatchEvent.ALONE, "begin": MatchEvent.BEGINS, "herald": MatchEvent.SILENT}


def _purpose(gen: Gen) -> tuple[int, int]:
    """What two Gens for one window must have in common besides the window."""
    return gen.queue_sequence, gen.allowance

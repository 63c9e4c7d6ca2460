"""The heralding station: matches the two ends' Gens and tells both what its device saw (LINK-4.8, LINK-5.3).

The station keeps nothing but windows that are under way and a counter of successes. Its word goes to both ends,
whatever it is, also to one whose Gen never came: so neither has to wait for its own timeout.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, LinkId, Qna, format_qna
from qstack.base.time import DomainTime
from qstack.base.units import MINUTE_NS
from qstack.proto.link.params import StationConfiguration
from qstack.proto.link.states import MATCH, MatchEvent, MatchState
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import MAXIMUM_HERALDS, Gen, HeraldedPair, Reply, ReplyCode
from qstack.wire.twin import AwaitHeralds, Heralds, Status

__all__ = ["Match", "Station", "StationDescription"]

_REMEMBERED = 256  # windows that are over, for Gens that come too late
_HORIZON_NS = MINUTE_NS  # LINK-4.7-5


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

    def _may_decline(self, end: Qna, gen: Gen) -> bool:
        return gen.memories == 0

    def _may_lack_other(self, end: Qna, gen: Gen) -> bool:
        return not self.gens

    def _may_agree(self, end: Qna, gen: Gen) -> bool:
        (other,) = self.gens.values()
        return gen.cycles == other.cycles and gen.queue_sequence == other.queue_sequence

    def _may_be_complete(self, heralds: Heralds) -> bool:
        return heralds.status == Status.OK

    def _act_wait_for_other(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.wait("partner", self)

    def _act_ask_device(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.ask_device(self)

    def _act_answer_declined(self, end: Qna, gen: Gen) -> None:
        self.gens[end] = gen
        self.station.answer(self, ReplyCode.DECLINED)

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
        self._sequence = 0  # of the next success on this link
        self._heralded = self._failed = self._pairs = 0

    def receive_gen(self, gen: Gen, end: Qna) -> None:
        """An end attempts, or says that it will not. Raises `PeerViolation` before anything has changed."""
        if end not in self.configuration.ends:
            raise PeerViolation(f"{format_qna(end)} is no end of link {gen.link}")
        if gen.station != self._around.own or not gen.cycles:
            raise PeerViolation("a Gen for another station, or of no cycle")
        match = self._matches.get(gen.first_cycle)
        if match is not None and end in match.gens:
            raise PeerViolation("a second Gen for the same window")
        late = self._over.get(gen.first_cycle) if match is None else None
        code = late if late is not None else self._misplaced(gen) if match is None else None
        if code is not None:
            self._around.count("gens_late")
            failed = ReplyCode.TIME_MISMATCH if code is ReplyCode.HERALDED else code
            self._send_reply(end, self._reply(gen.first_cycle, failed, (gen.queue_sequence, 0)))
            return
        if match is None:
            match = self._matches[gen.first_cycle] = Match(self, gen.first_cycle, gen.cycles)
        MATCH.fire(match, MatchEvent.GEN, end, gen)

    def heralds(self, heralds: Heralds) -> None:
        """The device saw the window to its end."""
        self._fire(heralds.first_cycle, MatchEvent.HERALDS, heralds)

    def device_refused(self, first_cycle: int) -> None:
        """The device will not tell."""
        self._fire(first_cycle, MatchEvent.REFUSED)

    def time_out(self, what: str, first_cycle: int) -> None:
        """The partner timeout or the herald timeout."""
        self._fire(first_cycle, MatchEvent.ALONE if what == "partner" else MatchEvent.SILENT)

    def lose_end(self) -> None:
        """The epoch with an end is over: it knows nothing of what was under way, the other end will time out."""
        for first_cycle in list(self._matches):
            self._fire(first_cycle, MatchEvent.LOST)
            self.close(first_cycle)

    def wait(self, what: str, match: Match) -> None:
        """Start the partner timeout or the herald timeout."""
        parameters = self._around.parameters
        timeout_ns = parameters.partner_timeout_ns if what == "partner" else parameters.herald_timeout_ns
        end_ns = max(self._around.local(self._end_of(match)), self._around.now_ns)
        self._around.timers.set((what, self.configuration.link, match.first_cycle), end_ns + timeout_ns)

    def ask_device(self, match: Match) -> None:
        """Both ends attempt: have the device tell what comes of it."""
        link = self.configuration.link
        self._around.timers.cancel(("partner", link, match.first_cycle))
        self.wait("herald", match)
        match.call = self._around.call(
            AwaitHeralds, ("heralds", link, match.first_cycle), link=link, first_cycle=match.first_cycle,
            cycles=match.cycles,
        )  # fmt: skip

    def answer(self, match: Match, code: ReplyCode, pairs: tuple[HeraldedPair, ...] = ()) -> None:
        """Tell both ends, and forget the window."""
        first_sequence = self._sequence
        self._sequence = (self._sequence + len(pairs)) & 0xFFFF_FFFF
        self._pairs += len(pairs)
        self._heralded += code is ReplyCode.HERALDED
        self._failed += code is not ReplyCode.HERALDED
        self.close(match.first_cycle)
        self._over[match.first_cycle] = code
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)
        for end, other in (self.configuration.ends, self.configuration.ends[::-1]):
            places = match.place_of(end), match.place_of(other)
            reply = self._reply(match.first_cycle, code, places, first_sequence=first_sequence, pairs=pairs)
            self._send_reply(end, reply)

    def close(self, first_cycle: int) -> None:
        """A window is over."""
        match = self._matches.pop(first_cycle, None)
        for what in ("partner", "herald"):
            self._around.timers.cancel((what, self.configuration.link, first_cycle))
        if match is not None:
            self._around.asked.pop(match.call, None)

    def describe(self) -> StationDescription:
        """For operators."""
        return StationDescription(self.configuration.link, self.configuration.ends, len(self._matches), self._heralded,
                                  self._failed, self._pairs)  # fmt: skip

    def _fire(self, first_cycle: int, event: MatchEvent, *arguments: Heralds) -> None:
        match = self._matches.get(first_cycle)
        if match is not None:
            MATCH.fire(match, event, *arguments)

    def _misplaced(self, gen: Gen) -> ReplyCode | None:
        """Why a window that is not yet known cannot be."""
        begin = gen.first_cycle * self.configuration.cycle_ns
        end = begin + gen.cycles * self.configuration.cycle_ns
        now = self._around.domain_now()
        overlaps = any(
            match.first_cycle < gen.first_cycle + gen.cycles and gen.first_cycle < match.first_cycle + match.cycles
            for match in self._matches.values()
        )  # fmt: skip
        if overlaps or end > now + _HORIZON_NS or end + self._around.parameters.partner_timeout_ns < now:
            return ReplyCode.TIME_MISMATCH
        return ReplyCode.DECLINED if len(self._matches) >= self._around.parameters.matches else None

    def _end_of(self, match: Match) -> DomainTime:
        return DomainTime((match.first_cycle + match.cycles) * self.configuration.cycle_ns)

    def _reply(
        self, first_cycle: Cycle, code: ReplyCode, places: tuple[int, int], *, first_sequence: int = 0,
        pairs: tuple[HeraldedPair, ...] = (),
    ) -> Reply:  # fmt: skip
        return Reply(
            link=self.configuration.link, station=self._around.own, first_cycle=first_cycle, code=code,
            queue_sequence=places[0], other_queue_sequence=places[1], first_sequence=first_sequence, pairs=pairs,
        )  # fmt: skip

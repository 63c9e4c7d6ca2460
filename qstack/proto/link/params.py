"""Numbers of the link layer, and what a node's configuration says of its links."""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.ids import LinkId, Qna, QubitId, format_qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.proto.link.estimation import EstimationParameters
from qstack.proto.link.handling import EndHandling
from qstack.proto.link.scheduler import Discipline, Scheduler
from qstack.quantum.formulas import Correlations, werner
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.heralding import HeraldedState
from qstack.quantum.links import LinkModel
from qstack.wire.link import MAXIMUM_HERALDS, MAXIMUM_STATIONS

__all__ = ["LinkConfiguration", "LinkParameters", "MovePolicy", "StationConfiguration"]


@unique
class MovePolicy(StrEnum):
    """When an application's pair is moved into a storage memory."""

    NEVER = "never"
    NEEDED = "needed"  # when no communication memory is left
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Our choices; the protocol works with any."""

    lead_ns: int = 10 * MILLISECOND_NS  # LINK-5.2-2: from the decision to the window, at least
    longest_lead_ns: int = SECOND_NS  # LINK-5.2-6: where the ends' word comes late
    ahead_ns: int = 80 * MILLISECOND_NS  # LINK-5.2-3: what is planned reaches as far ahead, while somebody wants pairs
    offer_lead_ns: int = MILLISECOND_NS  # LINK-5.2-4: from taking memories to the window
    turnaround_ns: int = 2 * MILLISECOND_NS  # LINK-5.2-5: from a window's end until its memories can be offered again
    delayed_ns: int = 30 * MILLISECOND_NS  # LINK-5.2-5: the same where a word was lost once
    reply_timeout_ns: int = 2 * SECOND_NS  # LINK-5.4-1: from the window's end
    partner_timeout_ns: int = 300 * MILLISECOND_NS  # LINK-5.3-3: from the window's end; less than the device's grace
    herald_timeout_ns: int = SECOND_NS  # LINK-5.3-4: from the window's end, or the question if it is later
    release_timeout_ns: int = SECOND_NS  # LINK-5.5-4: a device that does not answer is told again
    rate_time_ns: int = SECOND_NS  # over which the rate shown to operators is taken
    outstanding_windows: int = 64  # LINK-7
    queued_requests: int = 256  # LINK-7: of one link
    unanswered_requests: int = 64  # LINK-5.1-4: CreateRequests of one end that wait for their answers
    discipline: Discipline = Discipline.WFQ  # LINK-5.6-1
    weights: tuple[float, ...] = (1.0,)  # LINK-5.6-2: of the queues, the most urgent first; 0: strict priority
    alone_ns: int = 10 * SECOND_NS  # LINK-4.1-14: a consecutive request has the link to itself, at most
    dense_timeout_ns: int = 500 * MILLISECOND_NS  # DATA-4-7: a block in qubits of which nothing is heard
    move: MovePolicy = MovePolicy.NEEDED  # LINK-5.5-6
    stock_pairs: int = 0  # LINK-5.8-1: kept of an idle link, 0 for none
    stock_age_ns: int = SECOND_NS  # LINK-5.8-4: older pairs are thrown away
    stock_fidelity: float = 0.5  # LINK-5.8-4: so are those whose estimate is below it
    labels: int = 256  # LINK-7: of one link
    matches: int = 256  # LINK-7: windows of one link that a station waits for
    estimation: EstimationParameters = field(default_factory=EstimationParameters)

    def __post_init__(self) -> None:
        Scheduler(self.discipline, self.weights)  # raises what is wrong with them
        if not 0 <= self.stock_pairs <= 0xFFFF or self.stock_age_ns <= 0 or not 0.0 <= self.stock_fidelity <= 1.0:
            raise LocalMisuse("stock: 0..65535 pairs, of a positive age, with a fidelity in 0..1")


@dataclass(frozen=True, slots=True)
class LinkConfiguration:
    """A link of this node. Both ends and the station are told the same, but for `neighbour` and `memories`.

    `stations`: nodes whose device may herald, best first; an end may be one. `memories`: numbers of this node's
    memories that belong to the link's device port. Cycle n begins at domain time n `cycle_ns`; windows lie inside slots
    of `slot_cycles`, slot n beginning at cycle n `slot_cycles`. `success_probability`: expected, of one attempt.
    `fidelity`: expected, of a fresh pair (Werner); `states`: instead of it, the expected state for each Bell index, the
    qubit of the end with the lower address first; `hardware`: instead of all three, what the link is made of, its ends
    in the same order. `handling`: what this end does to its halves. `storage`: memories that pairs are moved into.
    """

    link: LinkId
    neighbour: Qna
    stations: tuple[Qna, ...]
    memories: tuple[QubitId, ...]
    cycle_ns: int = 10_000
    slot_cycles: int = 1_000
    success_probability: float = 1.0
    fidelity: float = 1.0
    states: tuple[Correlations, Correlations, Correlations, Correlations] | None = None
    hardware: LinkHardware | None = None
    handling: EndHandling = field(default_factory=EndHandling)
    storage: tuple[QubitId, ...] = ()

    def __post_init__(self) -> None:
        where = f"link {self.link} to {format_qna(self.neighbour)}"
        if not 1 <= len(self.stations) <= MAXIMUM_STATIONS:
            raise LocalMisuse(f"{where}: name 1 to {MAXIMUM_STATIONS} stations")
        if not self.memories or len(set(self.memories)) != len(self.memories) or len(self.memories) > 0xFFFF:
            raise LocalMisuse(f"{where}: name at least one memory, and none twice")
        if len(set(self.storage)) != len(self.storage) or set(self.storage) & set(self.memories):
            raise LocalMisuse(f"{where}: a memory is for communication or for storage, and named once")
        if self.cycle_ns <= 0 or not 0 < self.slot_cycles < 1 << 32:
            raise LocalMisuse(f"{where}: cycle_ns and slot_cycles must be positive, slot_cycles below 2^32")
        if self.hardware is not None and self.hardware.cycle_ns != self.cycle_ns:
            raise LocalMisuse(f"{where}: its hardware has cycles of {self.hardware.cycle_ns} ns, not {self.cycle_ns}")
        if not 0.0 < self.success_probability <= 1.0 or not 0.0 <= self.fidelity <= 1.0:
            raise LocalMisuse(f"{where}: success_probability is in ]0, 1], fidelity in [0, 1]")

    @property
    def slot_ns(self) -> int:
        """Length of a slot."""
        return self.slot_cycles * self.cycle_ns

    @property
    def believed(self) -> LinkHardware:
        """The link as it is configured, before anything is measured."""
        if self.hardware is not None:
            return self.hardware
        states = self.states or tuple(werner(self.fidelity, bell) for bell in range(4))
        heralds = tuple(HeraldedState(BellIndex(bell), 0.25, state) for bell, state in enumerate(states))
        return LinkHardware.fixed(LinkModel(self.cycle_ns, self.success_probability, heralds))

    def window_memories(self, memories: int) -> int:
        """How many memories one window can be asked to fill."""
        return min(memories, MAXIMUM_HERALDS, self.slot_cycles)


@dataclass(frozen=True, slots=True)
class StationConfiguration:
    """A link for which this node is a heralding station. `ends` may hold this node itself."""

    link: LinkId
    ends: tuple[Qna, Qna]
    cycle_ns: int = 10_000

    def __post_init__(self) -> None:
        if self.ends[0] == self.ends[1] or self.cycle_ns <= 0:
            raise LocalMisuse(f"station of link {self.link}: two ends and a positive cycle_ns are needed")

"""What is going to happen in a simulation, derived from one number.

A scenario is a topology, the units that applications open, and what goes wrong meanwhile: weather, partitions, nodes
killed or stopped at an instant or at a named point (while a message is being acted on, with part of what it led to
already out), nodes that stall, move, or lose the time, applications that change their mind. Every eighth seed is calm:
there everything must succeed.
"""

from dataclasses import dataclass, replace
from enum import Enum, unique

from qstack.base.chance import Chance
from qstack.base.ids import Qna
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from qstack.machine.exchange import ExchangeParameters
from qstack.node.configuration import NodeConfiguration
from qstack.proto.session.params import SessionParameters
from qstack.quantum.memories import MemoryModel
from qstack.testing.dice import Dice
from qstack.testing.topology import Topology, TopologyLink, chain
from qstack.testing.weather import CALM, WeatherReport
from qstack.wire.unit import UnitKind

__all__ = ["CRASH_POINTS", "CancelPlan", "CrashPlan", "Mood", "PartitionPlan", "Scenario", "Trouble",
           "TroublePlan", "UnitPlan", "derive"]  # fmt: skip

CRASH_POINTS = (
    "UnitRequest", "UnitAccept", "Rounds", "KeyConfirm", "KeyConfirmed", "UnitDelivered", "UnitClose", "Reserve",
    "Reserved", "Release", "Track", "Expire", "CreateRequest", "CreateAck", "Schedule", "Gen", "Reply",
    "MemoryAdvertisement", "Cancel",
)  # fmt: skip
"""Messages on whose receipt a node may be killed."""
_TO_HEAD = frozenset({"UnitAccept", "KeyConfirmed"})
_TO_TAIL = frozenset({"UnitRequest", "KeyConfirm", "UnitDelivered"})

_OPENING_NS = 100 * MILLISECOND_NS  # earliest instant of a unit; neighbours may or may not have met by then


@unique
class Mood(Enum):
    """What a scenario dwells on. One that is not CALM may have a little of everything."""

    CALM = "calm"
    ROUGH = "rough weather"
    CRASHES = "crashes"
    PARTITIONS = "partitions"
    MIXED = "everything"


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """A unit that an application at `opener` opens with one at `server`. `number` makes its URNs unlike all others."""

    number: int
    opener: str
    server: str
    kind: UnitKind
    size: int
    at_ns: int
    timeout_ms: int
    basis: int  # `Basis`; for kind PAIRS: in which both ends measure
    min_fidelity: float = 0.0

    @property
    def end_ns(self) -> int:
        """Its deadline."""
        return self.at_ns + self.timeout_ms * MILLISECOND_NS


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """A node dies: at `at_ns`, or when it acts on the `count`-th message named `point` after that, with `outputs` of
    what that leads to already out. It is started again after `down_ns`, 0 for: when the network is healed.
    """

    node: str
    at_ns: int
    point: str = ""
    count: int = 1
    outputs: int = 0
    down_ns: int = 0
    goodbye: bool = False  # stopped, not killed


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """See `weather.Partition`."""

    begin_ns: int
    end_ns: int
    island: tuple[str, ...]
    one_way: bool


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """The application at one end of unit `number` gives it up, or goes away."""

    number: int
    by_opener: bool
    after_ns: int
    leaves: bool


@unique
class Trouble(Enum):
    """What happens to one node."""

    STALL = "stall"  # it does not run, for `amount` ns
    STEP = "step"  # its idea of domain time is `amount` ns wrong from now on
    MOVE = "move"  # it is at another address
    RELOAD = "reload"  # its configuration is read again
    DEVICE = "device"  # its device is gone, for `amount` ns


@dataclass(frozen=True, slots=True)
class TroublePlan:
    """Trouble of a node at an instant."""

    node: str
    at_ns: int
    trouble: Trouble
    amount: int = 0

    @property
    def end_ns(self) -> int:
        """When it is over, if it ever is before the network is healed."""
        return self.at_ns + (self.amount if self.trouble in (Trouble.STALL, Trouble.DEVICE) else 0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of it. `healed_ns`: from then on the weather is calm, the time is right and every node runs."""

    seed: int
    mood: Mood
    topology: Topology
    clock_errors_ns: tuple[int, ...]
    boots_ns: tuple[int, ...]
    weather: WeatherReport
    units: tuple[UnitPlan, ...]
    crashes: tuple[CrashPlan, ...]
    partitions: tuple[PartitionPlan, ...]
    cancels: tuple[CancelPlan, ...]
    healed_ns: int
    troubles: tuple[TroublePlan, ...] = ()
    device_delay_ns: int = 20_000

    @property
    def deadline_ns(self) -> int:
        """When the last unit must be over."""
        return max(unit.end_ns for unit in self.units)

    @property
    def noisy(self) -> bool:
        """Whether pairs are not ideal: keys may then fail, but must not differ."""
        links, nodes = self.topology.links, self.topology.nodes
        return any(link.fidelity < 1.0 for link in links) or any(node.memory.t2_ns for node in nodes)

    @property
    def timely(self) -> bool:
        """Whether no clock was stepped and no node stalled, so that deadlines are kept to the millisecond."""
        return not any(plan.trouble in (Trouble.STALL, Trouble.STEP) for plan in self.troubles)


def derive(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = Dice(Chance(b"qstack scenario %d" % seed))
    mood = tuple(Mood)[(0, 1, 2, 3, 4, 1, 2, 4)[seed % 8]]
    topology = _topology(dice, mood)
    units = _units(dice, mood, topology)
    last_ns = max(unit.end_ns for unit in units)
    partitions = _partitions(dice, mood, topology)
    crashes = _crashes(dice, mood, topology, units)
    healed_ns = max(last_ns, *(each.end_ns for each in partitions), 0) if partitions else last_ns
    troubles = _troubles(dice, mood, topology, units)
    healed_ns = max(healed_ns, *(plan.end_ns for plan in troubles)) if troubles else healed_ns
    moves = any(plan.trouble is Trouble.MOVE for plan in troubles)
    return Scenario(
        seed, mood, replace(topology, roaming=moves), _clock_errors(dice, topology), _boots(dice, topology),
        _weather(dice, mood), units, crashes, partitions, _cancels(dice, mood, units), healed_ns, troubles,
        20_000 if mood is Mood.CALM or dice.happens(0.6) else int(dice.scale(20_000, 100_000_000)),
    )  # fmt: skip


def _topology(dice: Dice, mood: Mood) -> Topology:
    topology = _chain(dice, mood)
    return topology if dice.happens(0.4) else replace(topology, template=_tuned(dice, mood))


def _tuned(dice: Dice, mood: Mood) -> NodeConfiguration:
    """Other parameters than usual: what else would take hours happens in seconds."""
    session = SessionParameters()
    if dice.happens(0.6):
        session = replace(
            session, rekey_datagrams=dice.pick((16, 64, 256)), rekey_after_ns=dice.whole(1, 9) * SECOND_NS
        )
    configuration = NodeConfiguration(qna=Qna(0), session=session)
    if mood is Mood.CALM:
        return configuration
    if dice.happens(0.5):
        session = replace(
            session, silence_after_sending_ns=dice.whole(3, 30) * 100 * MILLISECOND_NS,
            silence_ns=dice.whole(5, 50) * 100 * MILLISECOND_NS, probe_interval_ns=100 * MILLISECOND_NS,
            probes=dice.whole(3, 10),
        )  # fmt: skip
    exchange = configuration.exchange
    if dice.happens(0.5):
        exchange = ExchangeParameters(
            attempts=dice.whole(3, 10), send_limit=dice.pick((128, 256)), reorder_limit=dice.pick((16, 64)),
            burst=dice.pick((1, 8)), ack_delay_ns=dice.whole(0, 20) * MILLISECOND_NS,
        )  # fmt: skip
    circuit = replace(
        configuration.circuit, memories=dice.whole(1, 4), cutoff_ns=int(dice.scale(100, 5_000)) * MILLISECOND_NS,
        setup_timeout_ns=int(dice.scale(20, 5_000)) * MILLISECOND_NS,
    )  # fmt: skip
    unit = replace(configuration.unit, rounds_timeout_ns=int(dice.scale(5, 2_000)) * MILLISECOND_NS)
    return replace(configuration, session=session, exchange=exchange, circuit=circuit, unit=unit)


def _chain(dice: Dice, mood: Mood) -> Topology:
    nodes = dice.pick((2, 3, 3, 3, 4, 4, 5, 5, 6))
    domains = _split(dice, nodes, dice.whole(1, min(3, nodes)))
    link = TopologyLink(
        ("", ""), "", memories=dice.pick((16, 32, 48) if mood is Mood.CALM else (4, 8, 16, 32, 32)),
        success_probability=1.0 if dice.happens(0.5) else dice.scale(0.02, 1.0),
        arm_delays_ns=(0, 0) if dice.happens(0.5) else (dice.whole(0, 100_000), dice.whole(0, 100_000)),
        fidelity=1.0 if mood is Mood.CALM or dice.happens(0.8) else dice.between(0.8, 1.0),
    )  # fmt: skip
    memory = MemoryModel()
    if mood is not Mood.CALM and dice.happens(0.2):
        t2_ns = int(dice.scale(0.005, 60.0) * SECOND_NS)
        memory = MemoryModel(t2_ns * dice.whole(1, 10), t2_ns)
    station = dice.pick(("left", "right", "third", "behind"))
    return chain(domains, station=station, link=link, static=dice.happens(0.3), memory=memory)


def _split(dice: Dice, nodes: int, parts: int) -> tuple[int, ...]:
    cuts = sorted(dice.some(range(1, nodes), parts - 1))
    return tuple(end - begin for begin, end in zip((0, *cuts), (*cuts, nodes), strict=True))


def _units(dice: Dice, mood: Mood, topology: Topology) -> tuple[UnitPlan, ...]:
    ends = [node.name for node in topology.nodes if node.endpoints]
    links = len(ends) - 1
    plans: list[UnitPlan] = []
    for number in range(dice.pick((1, 1, 2, 2, 3, 4) if links < 4 else (1, 1, 2))):
        opener, server = dice.some(ends, 2)
        if plans and dice.happens(0.4):
            opener, server = plans[-1].server, plans[-1].opener
        kind = UnitKind.PAIRS if dice.happens(0.25) else UnitKind.KEY
        plans.append(UnitPlan(
            number, opener, server, kind, dice.whole(1, 24) if kind is UnitKind.PAIRS else dice.whole(8, 64),
            _OPENING_NS + int(dice.scale(1.0, 3_000.0) * MILLISECOND_NS),
            30_000 if mood is Mood.CALM else int(dice.scale(1_000, 30_000)), dice.whole(0, 2),
            0.0 if mood is Mood.CALM or dice.happens(0.8) else dice.between(0.3, 1.0),
        ))  # fmt: skip
    return tuple(plans)


def _weather(dice: Dice, mood: Mood) -> WeatherReport:
    if mood is Mood.CALM or (mood is not Mood.ROUGH and dice.happens(0.5)):
        return replace(CALM, delay_ns=int(dice.scale(20, 5_000)) * MICROSECOND_NS)
    delay_ns = int(dice.scale(0.05, 100.0) * MILLISECOND_NS)
    return WeatherReport(
        loss=dice.pick((0.0, 0.01, 0.05, 0.1, 0.2, 0.35)), duplication=dice.pick((0.0, 0.02, 0.1, 0.3)),
        corruption=dice.pick((0.0, 0.01, 0.05)), delay_ns=delay_ns,
        jitter_ns=dice.pick((0, delay_ns // 4, delay_ns, 4 * delay_ns)),
        late=0.0 if dice.happens(0.6) else dice.pick((0.001, 0.02, 0.1)),
        late_ns=int(dice.scale(0.1, 30.0) * SECOND_NS),
    )  # fmt: skip


def _partitions(dice: Dice, mood: Mood, topology: Topology) -> tuple[PartitionPlan, ...]:
    if mood is Mood.PARTITIONS:
        count = dice.whole(1, 3)
    else:
        count = int(mood is Mood.MIXED and dice.happens(0.5))
    names = [node.name for node in topology.nodes]
    plans = []
    for _ in range(count):
        begin_ns = int(dice.scale(1.0, 5_000.0) * MILLISECOND_NS)
        island = tuple(sorted(dice.some(names, dice.whole(1, len(names) - 1))))
        length_ns = int(dice.scale(0.02, 40.0) * SECOND_NS)
        plans.append(PartitionPlan(begin_ns, begin_ns + length_ns, island, dice.happens(0.35)))
    return tuple(plans)


def _crashes(dice: Dice, mood: Mood, topology: Topology, units: tuple[UnitPlan, ...]) -> tuple[CrashPlan, ...]:
    if mood is Mood.CRASHES:
        count = dice.whole(1, 3)
    else:
        count = int(mood is Mood.MIXED and dice.happens(0.7))
    names = [node.name for node in topology.nodes]
    plans = []
    for _ in range(count):
        unit = dice.pick(units)
        node = dice.pick((unit.opener, unit.server, dice.pick(names)))
        point = dice.pick(CRASH_POINTS)
        plan = CrashPlan(
            node, unit.at_ns + int(dice.scale(0.1, 2_000.0) * MILLISECOND_NS), goodbye=dice.happens(0.15),
            down_ns=0 if dice.happens(0.3) else int(dice.scale(1.0, 5_000.0) * MILLISECOND_NS),
        )  # fmt: skip
        if dice.happens(0.7):
            at = unit.opener if point in _TO_HEAD else unit.server if point in _TO_TAIL else node
            plan = replace(plan, node=at, at_ns=0, point=point, count=int(dice.scale(1, 2 if at is not node else 6)),
                           outputs=int(dice.scale(1, 8)) - 1, goodbye=False)  # fmt: skip
        plans.append(plan)
    return tuple(plans)


def _cancels(dice: Dice, mood: Mood, units: tuple[UnitPlan, ...]) -> tuple[CancelPlan, ...]:
    if mood is Mood.CALM or not dice.happens(0.2):
        return ()
    unit = dice.pick(units)
    after_ns = int(dice.scale(0.1, 1_000.0) * MILLISECOND_NS)
    return (CancelPlan(unit.number, dice.happens(0.5), after_ns, dice.happens(0.3)),)


def _troubles(
    dice: Dice, mood: Mood, topology: Topology, units: tuple[UnitPlan, ...]
) -> tuple[TroublePlan, ...]:
    if mood is Mood.CALM or not dice.happens(0.3):
        return ()
    names = [node.name for node in topology.nodes]
    plans = []
    for _ in range(dice.whole(1, 3)):
        unit = dice.pick(units)
        trouble = dice.pick(tuple(Trouble))
        amount = dice.whole(-5_000, 5_000) if trouble is Trouble.STEP else int(dice.scale(1.0, 8_000.0))
        at_ns = unit.at_ns + int(dice.scale(0.1, 2_000.0) * MILLISECOND_NS)
        plans.append(TroublePlan(dice.pick(names), at_ns, trouble, amount * MILLISECOND_NS))
    return tuple(plans)


def _clock_errors(dice: Dice, topology: Topology) -> tuple[int, ...]:
    if dice.happens(0.5):
        return (0,) * len(topology.nodes)
    return tuple(dice.whole(-20, 20) * MICROSECOND_NS for _ in topology.nodes)


def _boots(dice: Dice, topology: Topology) -> tuple[int, ...]:
    together = dice.happens(0.5)
    return tuple(0 if together else dice.whole(0, 80) * MILLISECOND_NS for _ in topology.nodes)

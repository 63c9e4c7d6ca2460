"""One scenario, carried out and checked: from a seed to a verdict.

    result = try_seed(4711)
    assert not result.faults, result.story

A trial has three parts. Until the last deadline everything goes as badly as the scenario says. Then the network is
made whole: nothing may be held any more. When everybody has noticed who had died, one more unit must succeed, and
after it nobody may be at work on anything.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import process_time
from traceback import format_exc

from qstack.base.effects import Log, Sender
from qstack.base.ids import format_qna
from qstack.base.locator import Locator
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.applications import Applications, unit_urns
from qstack.testing.invariants import check_devices, check_nodes, check_units
from qstack.testing.record import Life, Record, Unit
from qstack.testing.scenario import CrashPlan, Scenario, Trouble, TroublePlan, UnitPlan, derive
from qstack.testing.simulation import DEVICE_DELAY_NS, Place, Simulation
from qstack.testing.topology import chain
from qstack.testing.weather import CALM, Partition
from qstack.wire.unit import UnitKind
from qstack.wire.value import Message

__all__ = ["Result", "Trial", "try_scenario", "try_seed"]

_RELEASE_NS = 4 * SECOND_NS  # from the last deadline until nothing may be held
_FORGET_NS = 45 * SECOND_NS  # until everybody knows who had died: after 10 to 15 s of silence, and 10 probes
_PROBE_NUMBER = 1_000
_PROBE_MS = 30_000
_REST_NS = 10 * SECOND_NS  # from the last unit until nobody may be at work

Prepare = Callable[["Trial"], None]


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict. `faults`: what did not hold, empty when all did. `trace`: the same for the same seed and program.

    `outcomes`: how units ended for their openers. `points`: crash points that were reached. `story`: for people.
    """

    seed: int
    mood: str
    faults: tuple[str, ...]
    trace: str
    simulated_s: float
    spent_s: float
    events: int
    datagrams: int
    outcomes: Counter[str]
    points: Counter[str]
    story: str = ""


class Trial:
    """A scenario on its way; it is the simulation's witness."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.record = Record()
        self.simulation = self._make_simulation()
        self.applications = Applications(self.simulation, scenario.topology, self.record)
        self._points: dict[tuple[str, str], list[CrashPlan]] = {}
        for plan in scenario.crashes:
            if plan.point:
                self._points.setdefault((plan.node, plan.point), []).append(plan)
        self._counted: Counter[tuple[str, str]] = Counter()
        self._restarts: dict[str, CrashPlan] = {}  # of nodes that die now: what becomes of them

    def run(self) -> list[str]:
        """All of it; what did not hold."""
        scenario, simulation = self.scenario, self.simulation
        self._plan()
        simulation.run(scenario.healed_ns)
        self._heal()
        simulation.run_for(_RELEASE_NS)
        faults = [f"after the last deadline: {fault}" for fault in check_nodes(self.record, at_rest=False)]
        simulation.run_for(_FORGET_NS - _RELEASE_NS)
        faults += [f"the network is whole, but {strangers}" for strangers in self._strangers()]
        unit = self._probe()
        simulation.run_for(_REST_NS)
        faults += check_units(scenario, self.record)
        succeeded = [end.confirmed or len(end.outcomes) == unit.plan.size for end in unit.ends]
        if succeeded != [True, True]:
            faults.append(f"the network is whole, but a new unit: {[end.outcome for end in unit.ends]}")
        faults += [f"at the end: {fault}" for fault in check_nodes(self.record, at_rest=True)]
        return faults + list(check_devices(simulation))

    # --- witness -----------------------------------------------------------------------------------------------------

    def booted(self, place: Place) -> None:
        """A node has started."""
        assert place.node is not None
        life = Life(place.configuration.name, place.lives, place.node, self.simulation.now_ns)
        self.record.lives.append(life)
        self.simulation.after(MILLISECOND_NS, lambda: self.applications.serve_all(life.name))

    def died(self, place: Place) -> None:
        """A node was killed: its applications know, and it may be started again."""
        life = self.record.life(place.configuration.name)
        assert life is not None
        life.died_ns = self.simulation.now_ns
        plan = self._restarts.pop(life.name, None)
        if plan is not None and plan.down_ns:
            self.simulation.after(plan.down_ns, lambda: self._start(life.name))

    def receives(self, place: Place, message: Message, sender: Sender) -> None:
        """A node is given a message: perhaps its last."""
        name = place.configuration.name
        self.record.note_received(name, place.qna, message, sender, self.simulation.now_ns)
        plans = self._points.get((name, message.NAME))
        if plans is None:
            return
        self._counted[name, message.NAME] += 1
        for plan in [plan for plan in plans if plan.count == self._counted[name, message.NAME]]:
            self.record.points[plan.point] += 1
            self._restarts[name] = plan
            self.simulation.doom(place.qna, plan.outputs)

    def told(self, place: Place, client: int, message: Message) -> None:
        """An application is told something."""
        life = self.record.life(place.configuration.name)
        assert life is not None
        self.applications.told(life, client, message)

    # --- plans -------------------------------------------------------------------------------------------------------

    def _make_simulation(self) -> Simulation:
        scenario = self.scenario
        topology = scenario.topology
        partitions = tuple(
            Partition(each.begin_ns, each.end_ns, frozenset(map(topology.locator, each.island)), each.one_way)
            for each in scenario.partitions
        )
        simulation = topology.simulate(b"trial %d" % scenario.seed, scenario.weather, partitions)
        simulation.witness = self
        simulation.device_delay_ns = scenario.device_delay_ns
        for place, error_ns in zip(simulation.places.values(), scenario.clock_errors_ns, strict=True):
            place.clock_error_ns = error_ns
        return simulation

    def _plan(self) -> None:
        scenario, simulation = self.scenario, self.simulation
        for node, at_ns in zip(scenario.topology.nodes, scenario.boots_ns, strict=True):
            simulation.at(at_ns, lambda name=node.name: self._start(name))  # type: ignore[misc]
        for plan in scenario.units:
            self._plan_unit(plan)
        for crash in scenario.crashes:
            if not crash.point:
                simulation.at(crash.at_ns, lambda crash=crash: self._kill(crash))  # type: ignore[misc]
        for cancel in scenario.cancels:
            unit = self.record.units[cancel.number]
            simulation.at(unit.plan.at_ns + cancel.after_ns, lambda cancel=cancel, unit=unit: self.applications.give_up(  # type: ignore[misc]
                unit, by_opener=cancel.by_opener, leaves=cancel.leaves))

        for trouble in scenario.troubles:
            simulation.at(trouble.at_ns, partial(self._make_trouble, trouble))

    def _make_trouble(self, plan: TroublePlan) -> None:
        simulation, qna = self.simulation, self.scenario.topology.qna(plan.node)
        match plan.trouble:
            case Trouble.STALL:
                simulation.stall(qna, plan.amount)
            case Trouble.STEP:
                simulation.step_clock(qna, plan.amount)
            case Trouble.MOVE:
                address = simulation.places[qna].locator.address
                simulation.move(qna, Locator(address, simulation.places[qna].locator.port + 1))
            case Trouble.RELOAD:
                simulation.reconfigure(qna)
            case Trouble.DEVICE:
                simulation.lose_device(qna)
                simulation.after(plan.amount, partial(simulation.return_device, qna))

    def _plan_unit(self, plan: UnitPlan) -> Unit:
        unit = self.record.units[plan.number] = Unit(plan, unit_urns(plan))
        self.simulation.at(plan.at_ns, lambda: self.applications.open(unit))
        return unit

    def _start(self, name: str) -> None:
        qna = self.scenario.topology.qna(name)
        if self.simulation.places[qna].node is None:
            self.simulation.boot(qna)

    def _kill(self, plan: CrashPlan) -> None:
        qna = self.scenario.topology.qna(plan.node)
        if self.simulation.places[qna].node is None or self.simulation.now_ns >= self.scenario.healed_ns:
            return
        self._restarts[plan.node] = plan
        if plan.goodbye:
            self.simulation.stop(qna)
        else:
            self.simulation.crash(qna)

    def _heal(self) -> None:
        self._points.clear()
        self.simulation.weather.report = CALM
        self.simulation.weather.partitions = ()
        self.simulation.device_delay_ns = DEVICE_DELAY_NS
        for node, error_ns in zip(self.scenario.topology.nodes, self.scenario.clock_errors_ns, strict=True):
            self.simulation.step_clock(node.qna, error_ns)
            self.simulation.return_device(node.qna)
        for node in self.scenario.topology.nodes:
            self._start(node.name)

    def _strangers(self) -> Iterator[str]:
        """Configured neighbours that have not met again."""
        topology = self.scenario.topology
        for name in (node.name for node in topology.nodes):
            node = self.simulation.places[topology.qna(name)].node
            for neighbour in topology.neighbours(name):
                if node is not None and not node.machines.hop_session.is_up(topology.qna(neighbour)):
                    yield f"{name} has no session with {neighbour}"

    def _probe(self) -> Unit:
        """The last unit, between the first and the last node of the chain."""
        ends = [node.name for node in self.scenario.topology.nodes if node.endpoints]
        now_ns = self.simulation.now_ns
        kind = UnitKind.PAIRS if self.scenario.noisy else UnitKind.KEY
        plan = UnitPlan(_PROBE_NUMBER, ends[0], ends[-1], kind, 8, now_ns + MILLISECOND_NS, _PROBE_MS, 1)
        unit = self._plan_unit(plan)
        self.applications.serve(unit)

        def over() -> bool:
            return len(unit.ends) == 2 and all(end.delivered or end.failed for end in unit.ends)  # of a key

        self.simulation.run_for(_PROBE_MS * MILLISECOND_NS, over)
        return unit

    def story(self) -> str:
        """What happened, for people."""
        scenario = self.scenario
        weather = self.simulation.weather
        lines = [
            f"seed {scenario.seed}: {scenario.mood.value}; healed at {scenario.healed_ns / 1e6:.1f} ms",
            *(f"  node {node.name} {format_qna(node.qna)}" for node in scenario.topology.nodes),
            *(f"  {link}" for link in scenario.topology.links),
            f"  static={scenario.topology.static} clock errors {scenario.clock_errors_ns} boots {scenario.boots_ns}",
            f"  {scenario.weather}",
            *(f"  {plan}" for plan in (*scenario.partitions, *scenario.crashes, *scenario.cancels,
                                        *scenario.troubles)),
            f"  {scenario.topology.template}" if scenario.topology.template != chain().template else "  not tuned",
            f"  devices answer after {scenario.device_delay_ns} ns; {scenario.topology.nodes[0].memory}",
            f"  datagrams: {weather.sent} sent, {weather.lost} lost, {weather.duplicated} doubled, "
            f"{weather.corrupted} damaged, {weather.blocked} blocked",
        ]
        for life in self.record.lives:
            died = "" if life.died_ns is None else f", died {life.died_ns / 1e6:.3f} ms"
            lines.append(f"  life {life.number} of {life.name}: began {life.began_ns / 1e6:.3f} ms{died}")
        for unit in self.record.units.values():
            lines.append(f"  {unit.plan} {unit.refused or ''}")
            lines += [f"    {'head' if end.is_head else 'tail'} at {end.life.name} life {end.life.number} from "
                      f"{end.started_ns / 1e6:.3f} ms: {end.outcome} "
                      f"{[(at / 1e6, getattr(told, 'text', '')) for at, told in (*end.delivered, *end.failed)]}"
                      for end in unit.ends]  # fmt: skip
        return "\n".join(lines)

    def log(self) -> str:
        """What the nodes told their operators, node by node."""
        return "\n".join(
            f"  {place.configuration.name}: {event.event} {dict(event.fields)}"
            for place in self.simulation.places.values() for event in place.events if isinstance(event, Log)
        )  # fmt: skip


def try_seed(seed: int, prepare: Prepare | None = None) -> Result:
    """Derive and carry out the scenario of a seed."""
    return try_scenario(derive(seed), prepare)


def try_scenario(scenario: Scenario, prepare: Prepare | None = None) -> Result:
    """Carry out a scenario. `prepare` may plant a fault before it starts. An exception is a fault like any other."""
    began = process_time()
    trial = Trial(scenario)
    if prepare is not None:
        prepare(trial)
    try:
        faults = trial.run()
    except Exception:
        faults = [f"a node raised: {format_exc()}"]
    simulation = trial.simulation
    outcomes = Counter(unit.outcome for unit in trial.record.units.values() if unit.plan.number != _PROBE_NUMBER)
    return Result(
        scenario.seed, scenario.mood.value, tuple(faults), simulation.trace, simulation.now_ns / SECOND_NS,
        process_time() - began, simulation.steps, simulation.weather.sent, outcomes, trial.record.points,
        trial.story() + ("\n" + trial.log() if faults else ""),
    )  # fmt: skip


"""Applications with EPR sockets on the two ends of a simulated link: they come, ask, measure, and die at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from qstack.base.bell import FLIP, Basis
from qstack.base.chance import Chance
from qstack.base.ids import Qna
from qstack.base.pairs import PairKind
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.testing.dice import Dice
from qstack.testing.simulation import Place, Simulation
from qstack.testing.topology import TopologyLink, chain
from qstack.testing.weather import WeatherReport
from qstack.wire.control import (
    CloseEprSocket,
    CreateEpr,
    EprConnected,
    EprDisconnected,
    EprDone,
    EprFailed,
    EprOutcome,
    EprOutcomes,
    EprPair,
    EprPairs,
    EprQueued,
    EprSocketOpened,
    FreeQubits,
    Half,
    MeasureQubits,
    OpenEprSocket,
    QubitBasis,
    QubitsMeasured,
    QubitsRevoked,
    Refused,
)
from qstack.wire.value import Message

__all__ = ["Application", "Life", "PairKey"]

PURPOSE = 7
KINDS = (PairKind.KEEP, PairKind.KEEP, PairKind.MEASURE, PairKind.PREPARE)
PairKey = tuple[int, int, int, int]  # (asker, which life of that node, create_id, sequence)


@dataclass
class Application:
    """One process at one node. `told` and `measured` are by pair; instants are of the simulation."""

    node: Qna
    client: int
    born_ns: int
    died_ns: int | None = None
    socket: int = 0
    connection: int = 0
    queued_ns: dict[int, int] = field(default_factory=dict)  # by request
    over: dict[int, bool] = field(default_factory=dict)  # by request: whether it was done
    told: dict[PairKey, EprPair | EprOutcome] = field(default_factory=dict)
    told_ns: dict[PairKey, int] = field(default_factory=dict)
    asked_by_me: dict[PairKey, int] = field(default_factory=dict)  # request
    measured: dict[PairKey, int] = field(default_factory=dict)
    revoked: set[PairKey] = field(default_factory=set)
    qubits: dict[int, PairKey] = field(default_factory=dict)
    measuring: dict[int, list[int]] = field(default_factory=dict)  # by request: qubits
    connections: int = 0

    @property
    def alive(self) -> bool:
        return self.died_ns is None


class Life:
    """One seed's applications. Nodes may crash too, when `crashes`; an idle link keeps `stock` pairs."""

    def __init__(self, seed: int, report: WeatherReport, *, crashes: bool = False, stock: int = 0) -> None:
        chance = Chance(b"epr life %d" % seed)
        self.dice = Dice(chance)
        self.topology = chain((2,), link=TopologyLink(("", ""), "", memories=8))
        if stock:
            parameters = replace(self.topology.template.link, stock_pairs=stock)
            self.topology = replace(self.topology, template=replace(self.topology.template, link=parameters))
        self.simulation: Simulation = self.topology.simulate(chance.octets(b"network", 32), report)
        self.simulation.witness = self
        self.nodes = (self.topology.qna("n1"), self.topology.qna("n2"))
        self.crashes = crashes
        self.applications: list[Application] = []
        self.requests = 0
        self.violations: list[str] = []

    # --- what is done ------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        simulation = self.simulation
        simulation.boot_all()
        for node in self.nodes:
            self._arrive(node)
        simulation.run_for(int(seconds * SECOND_NS))
        self.dice = _Silent()
        for application in self.applications:
            self.die(application)
        simulation.run_for(20 * SECOND_NS)

    def _later(self, least_ms: float, most_ms: float, act: Callable[[], None]) -> None:
        self.simulation.after(int(self.dice.scale(least_ms, most_ms) * MILLISECOND_NS), act)

    def _arrive(self, node: Qna) -> None:
        """A new process opens the socket, and goes one day."""
        if isinstance(self.dice, _Silent):
            return
        application = Application(node, len(self.applications) + 1, self.simulation.now_ns)
        self.applications.append(application)
        self.requests += 1
        self._ask(application, OpenEprSocket(request=self.requests, remote=self._other(node), purpose=PURPOSE))
        self._later(20, 3_000, lambda: self._go(application))

    def _go(self, application: Application) -> None:
        if application.alive and self.crashes and self.dice.happens(0.2):
            self._crash(application.node)
        elif application.alive:
            if self.dice.happens(0.3):
                self._ask(application, CloseEprSocket(socket=application.socket))
            self.die(application)
        self._later(1, 100, lambda: self._arrive(application.node))

    def _crash(self, node: Qna) -> None:
        for application in self.applications:
            if application.node == node and application.alive:
                application.died_ns = self.simulation.now_ns
        self.simulation.crash(node)
        self.simulation.boot(node)

    def die(self, application: Application) -> None:
        if application.alive:
            application.died_ns = self.simulation.now_ns
            self.simulation.drop_client(application.node, application.client)

    def _create(self, application: Application) -> None:
        if application.alive and not isinstance(self.dice, _Silent):
            self.requests += 1
            self._ask(application, CreateEpr(
                request=self.requests, socket=application.socket, kind=self.dice.pick(KINDS),
                number=self.dice.whole(1, 6), sequential=int(self.dice.happens(0.3)),
                max_time_ms=self.dice.pick((0, 50, 500)), local=Half(), remote=Half(),
            ))  # fmt: skip
            self._later(5, 500, lambda: self._create(application))

    def _use(self, application: Application, qubit: int) -> None:
        """Measure it in Z, or give it up."""
        if not application.alive or qubit not in application.qubits:
            return
        if self.dice.happens(0.15):
            del application.qubits[qubit]
            self._ask(application, FreeQubits(qubits=(qubit,)))
            return
        self.requests += 1
        application.measuring[self.requests] = [qubit]
        item = QubitBasis(qubit=qubit, basis=Basis.Z)
        self._ask(application, MeasureQubits(request=self.requests, qubits=(item,)))

    def _ask(self, application: Application, message: Message) -> None:
        if application.alive:
            self.simulation.request(application.node, message, application.client)

    def _other(self, node: Qna) -> Qna:
        return self.nodes[node == self.nodes[0]]

    # --- what is seen ------------------------------------------------------------------------------------------------

    def booted(self, place: Place) -> None: ...
    def died(self, place: Place) -> None: ...
    def receives(self, place: Place, message: Message, sender: object) -> None: ...

    def told(self, place: Place, client: int, message: Message) -> None:
        application = self.applications[client - 1]
        if not application.alive:
            return  # nobody reads it
        match message:
            case EprSocketOpened():
                application.socket = message.socket
                self._later(1, 200, lambda: self._create(application))
            case EprConnected():
                application.connection = message.connection
                application.connections += 1
            case EprDisconnected():
                application.connection = 0
            case EprQueued():
                application.queued_ns[message.request] = self.simulation.now_ns
            case EprDone() | EprFailed():
                application.over[message.request] = isinstance(message, EprDone)
            case EprPairs() | EprOutcomes():
                self._take(application, message)
            case QubitsMeasured():
                self._measured(application, message)
            case QubitsRevoked():
                for qubit in message.qubits:
                    application.revoked.add(application.qubits.pop(qubit))
            case Refused() if "held by another" in message.text:
                self.violations.append("a purpose outlives its holder")

    def _take(self, application: Application, message: EprPairs | EprOutcomes) -> None:
        asker = application.node if message.request else self._other(application.node)
        for half in message.pairs if isinstance(message, EprPairs) else message.outcomes:
            key = (int(asker), self.simulation.places[asker].lives, half.create_id, half.sequence)
            if key in application.told:
                self.violations.append(f"{key} told twice to {application.client}")
            application.told[key] = half
            application.told_ns[key] = self.simulation.now_ns
            if message.request:
                application.asked_by_me[key] = message.request
            if isinstance(half, EprOutcome):
                application.measured[key] = half.outcome
            else:
                application.qubits[half.qubit] = key
                number = half.qubit
                self._later(0.1, 300, lambda number=number: self._use(application, number))  # type: ignore[misc]

    def _measured(self, application: Application, message: QubitsMeasured) -> None:
        for qubit, outcome in zip(application.measuring.pop(message.request), message.outcomes, strict=True):
            key = application.qubits.pop(qubit, None)
            if key is not None and not outcome.fate:
                application.measured[key] = outcome.outcome

    # --- what must be so ---------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """All that is wrong, at the end."""
        return [*self.violations, *self._strangers(), *self._disagreements(), *self._leaks()]

    def _halves(self) -> dict[PairKey, list[Application]]:
        found: dict[PairKey, list[Application]] = {}
        for application in self.applications:
            for key in application.told:
                found.setdefault(key, []).append(application)
        return found

    def _strangers(self) -> list[str]:
        """A pair is told to one application at each node, to nobody born after its request was in both queues."""
        faults = []
        for key, owners in self._halves().items():
            if len({owner.node for owner in owners}) < len(owners):
                faults.append(f"{key} told to two applications of one node")
            asker = next((owner for owner in owners if key in owner.asked_by_me), None)
            if asker is None:
                continue
            queued_ns = asker.queued_ns.get(asker.asked_by_me[key])
            for owner in owners:
                if queued_ns is not None and owner.born_ns > queued_ns and owner is not asker:
                    faults.append(f"{key} reached a successor")
        return faults

    def _disagreements(self) -> list[str]:
        faults = []
        for key, owners in self._halves().items():
            if len(owners) == 2 and all(key in owner.measured for owner in owners):
                one, two = owners
                frames = {owner.told[key].bell_index for owner in owners}
                flip = FLIP[int(one.told[key].bell_index)][Basis.Z]
                if len(frames) > 1 or one.measured[key] ^ two.measured[key] != flip:
                    faults.append(f"{key}: {one.measured[key]} and {two.measured[key]} in frames {frames}")
        return faults

    def _leaks(self) -> list[str]:
        faults = []
        for qna in self.nodes:
            node = self.simulation.places[qna].node
            assert node is not None
            told = node.machines.epr.describe()
            if told.sockets or told.held or node.machines.epr.open_acts or node.machines.epr.next_deadline():
                faults.append(f"epr of {qna & 15} holds {told}")
            for link in node.machines.link.describe().links:
                if link.free + link.offered + link.stocked + link.emptying != link.memories or link.queued_requests:
                    faults.append(f"link of {qna & 15}: {link}")
        return faults

    @property
    def agreed(self) -> int:
        """Pairs measured at both ends."""
        return sum(len(owners) == 2 and all(key in owner.measured for owner in owners)
                   for key, owners in self._halves().items())  # fmt: skip


class _Silent(Dice):
    """Nothing more is begun."""

    def __init__(self) -> None:
        super().__init__(Chance(b"silent"))

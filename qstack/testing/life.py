"""A long life of one link, in virtual time: requests of all kinds, losses, crashes, lost devices; and what must hold.

    report = live(hours=24.0, seed=1)
    assert not report.faults, report

Two nodes and their station are real, and so is the twin; in place of the sockets of applications there is a user at
each end, who asks, holds pairs for a while and gives them back. Cycles are long, so that a day has as many windows as a
minute of a fast link. What must hold:

1. A pair's name (asker, create_id, sequence) is one physical pair: the two ends' memories hold halves of each other, in
   the Bell state that both were told; outcomes of measured pairs agree as it says.
2. No name is told twice at an end, and no request gets more pairs than it wants.
3. When nobody asks for anything any more, all memories are free but for those of the stock, of which both ends hold the
   same number; and the devices hold no other pair.
4. Nobody breaks the protocol.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from time import process_time
from typing import Any

from qstack.base.bell import FLIP
from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender
from qstack.base.ids import PurposeId, Qna, QubitId, format_qna
from qstack.base.pairs import PairKind
from qstack.base.services import (
    CreateDone,
    CreateFailed,
    CreatePairs,
    DeviceGone,
    ListenPairs,
    PairOk,
    PairsRevoked,
    PeerDown,
    QubitsFreed,
)
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from qstack.node.node import Node
from qstack.node.switchboard import Server
from qstack.proto.link.params import LinkParameters
from qstack.proto.session.params import SessionParameters
from qstack.testing.dice import Dice
from qstack.testing.simulation import Place
from qstack.testing.topology import Topology, TopologyLink, chain
from qstack.testing.weather import CALM, Partition, WeatherReport
from qstack.wire.value import Message

__all__ = ["LifeReport", "LinkLife", "live"]

_PURPOSE = PurposeId(9)
_HOUR_NS = 60 * MINUTE_NS
_CYCLE_NS = 5 * MILLISECOND_NS
_SLOT_CYCLES = 2_000
_PROBABILITY = 0.002
_MEMORIES = 5
_STORAGE = 3
_STOCK = 2
_LONGEST_NS = 5 * MINUTE_NS  # of a request, and of a user's holding a pair
_REST_NS = 20 * MINUTE_NS  # from the last request until all must be at rest
_TRUE = 999_000_000  # of 10^9: a fidelity that is 1 but for rounding

Name = tuple[Qna, int, int]
"""A pair's: asker, its create_id, the station's number."""


@dataclass(slots=True)
class LifeReport:
    """What happened. `faults`: what did not hold."""

    seed: int
    hours: float
    requests: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    from_stock: int = 0
    events: int = 0
    spent_s: float = 0.0
    faults: list[str] = field(default_factory=list)


class _User:
    """Whoever uses the link at one end, for as long as its node lives."""

    def __init__(self, life: "LinkLife", place: Place, node: Node) -> None:
        self._life = life
        self._place = place
        self._node = node
        self.told: Counter[Name] = Counter()
        self.of_request: Counter[tuple[Qna, int]] = Counter()
        self.held: dict[Name, QubitId] = {}

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """What the link tells."""
        match service:
            case PairOk():
                self._take(service)
            case PairsRevoked():
                for name in [_name(self._place.qna, service, sequence) for sequence in service.sequences]:
                    self.held.pop(name, None)
                    self.told[name] -= 1
                    self.of_request[name[:2]] -= 1
                    self._life.forget(name)
                self._life.report.ended["revoked"] += len(service.sequences)
            case CreateFailed():
                self._life.report.ended[f"failed {service.reason.name.lower()}"] += service.mine
            case CreateDone():
                self._life.report.ended["done"] += service.mine
            case PeerDown(seal=Seal.HOP) | DeviceGone():
                self._free(list(self.held))

    def act(self, service: Any) -> None:
        """Ask something of the link."""
        if self._place.node is self._node:
            self._node._effects.append(service)
            self._node._settle(self._place.local(self._life.simulation.now_ns))
            self._life.simulation._settle(self._place)

    def give_back(self, name: Name) -> None:
        """Through with a pair."""
        qubit = self.held.pop(name, None)
        if qubit is not None:
            self._life.forget(name)
            self.act(QubitsFreed((qubit,), discard=True))

    def _take(self, ok: PairOk) -> None:
        name = _name(self._place.qna, ok, ok.sequence)
        self.told[name] += 1
        self.of_request[name[:2]] += 1
        self._life.report.pairs[ok.kind.name.lower()] += ok.mine
        self._life.judge(self, name, ok)
        if ok.qubit is not None:
            self.held[name] = ok.qubit
            hold_ns = int(self._life.dice.scale(1.0, 60.0) * SECOND_NS)
            self._life.simulation.after(hold_ns, partial(self.give_back, name))

    def _free(self, names: list[Name]) -> None:
        for name in names:
            self._life.forget(name)
            self._node._effects.append(QubitsFreed((self.held.pop(name),), discard=True))


class LinkLife:
    """The life of one link; it is its simulation's witness."""

    def __init__(self, hours: float, seed: int, kinds: tuple[PairKind, ...] = tuple(PairKind)) -> None:
        self.report = LifeReport(seed, hours)
        self.dice = Dice(Chance(b"life %d" % seed))
        self._kinds = kinds
        self._end_ns = int(hours * _HOUR_NS)
        topology = _topology()
        self.ends = (topology.qna("n1"), topology.qna("n2"))
        partitions = tuple(self._partitions(topology))
        weather = WeatherReport(loss=0.05, duplication=0.02, delay_ns=2 * MILLISECOND_NS, jitter_ns=5 * MILLISECOND_NS)
        self.simulation = topology.simulate(b"life %d" % seed, weather, partitions)
        self.simulation.witness = self
        self._users: dict[Qna, _User] = {}
        self._wanted: dict[tuple[Qna, int], int] = {}
        self._oks: dict[Name, tuple[_User, PairOk]] = {}  # told at one end

    def run(self) -> LifeReport:
        """All of it."""
        began, simulation = process_time(), self.simulation
        simulation.boot_all()
        self._later(self._ask, 5.0, 120.0)
        self._later(self._trouble, 600.0, 7_200.0)
        simulation.run(self._end_ns)
        simulation.weather.report, simulation.weather.partitions = CALM, ()
        for place in simulation.places.values():
            if place.node is None:
                simulation.boot(place.qna)
            simulation.return_device(place.qna)
        simulation.run_for(_REST_NS)
        simulation.run_for(_REST_NS, self._is_quiet)  # the stock is made anew now and then
        self.report.faults += [*self._leaks(), *self._accusations()]
        self.report.events, self.report.spent_s = simulation.steps, process_time() - began
        return self.report

    # --- witness -----------------------------------------------------------------------------------------------------

    def booted(self, place: Place) -> None:
        """A node has started: its user is a new one."""
        node = place.node
        assert node is not None
        if place.qna in self.ends:
            user = self._users[place.qna] = _User(self, place, node)
            node.machines.by_server[Server.EPR] = user
            other = self.ends[self.ends[0] == place.qna]
            node.machines.link.on_service(ListenPairs(other, _PURPOSE), place.local(self.simulation.now_ns))

    def died(self, place: Place) -> None:
        """A node was killed, and its user with it."""
        user = self._users.pop(place.qna, None)
        for name, (told, _) in list(self._oks.items()):
            if told is user:
                del self._oks[name]

    def receives(self, place: Place, message: Message, sender: Sender) -> None:
        """Of no interest here."""

    def told(self, place: Place, client: int, message: Message) -> None:
        """There are no applications."""

    # --- what must hold ----------------------------------------------------------------------------------------------

    def judge(self, user: _User, name: Name, ok: PairOk) -> None:
        """An end was told of a pair; when both were, they must speak of the same one."""
        where = f"pair {name[2]} of request {name[1]} of {format_qna(name[0])}"
        if user.told[name] > 1:
            self.report.faults.append(f"{where} was told twice")
        if user.of_request[name[:2]] > self._wanted[name[:2]]:
            self.report.faults.append(f"{where} is more than the request wants")
        other = self._oks.pop(name, None)
        if other is None:
            self._oks[name] = (user, ok)
            return
        self.report.compared += 1
        theirs = other[1]
        if (theirs.bell_index, theirs.created, theirs.kind) != (ok.bell_index, ok.created, ok.kind):
            self.report.faults.append(f"{where}: one end was told {ok}, the other {theirs}")
        if ok.kind is PairKind.MEASURE and ok.basis == theirs.basis:
            assert ok.outcome is not None and theirs.outcome is not None and ok.basis is not None
            if ok.outcome ^ theirs.outcome != FLIP[ok.bell_index][ok.basis]:
                self.report.faults.append(f"{where}: outcomes {ok.outcome} and {theirs.outcome} of one pair")
        elif ok.qubit is not None and theirs.qubit is not None:
            places = ((user._place.qna, ok.qubit), (other[0]._place.qna, theirs.qubit))
            self.simulation.at(self.simulation.now_ns, partial(self._look, where, places, ok.bell_index))

    def forget(self, name: Name) -> None:
        """An end is through with a pair of which the other one was not told yet."""
        self._oks.pop(name, None)

    def _look(self, where: str, places: tuple[tuple[Qna, QubitId], tuple[Qna, QubitId]], bell_index: int) -> None:
        """Ask the twin for the truth."""
        seen = self.simulation.inspect(*places[0])
        if seen is None or (seen.partner_node, seen.partner_qubit) != places[1]:
            self.report.faults.append(f"{where}: the ends hold halves of different pairs")
        elif seen.fidelities[bell_index] < _TRUE:
            self.report.faults.append(f"{where}: told is Bell state {bell_index}, true are {seen.fidelities}")

    def _is_quiet(self) -> bool:
        links = [link for place in self.simulation.places.values() if place.node is not None
                 for link in place.node.machines.link.describe().links]  # fmt: skip
        return not any(link.open_windows or link.emptying or link.stocked < _STOCK for link in links)

    def _leaks(self) -> Iterator[str]:
        stocked = set()
        for qna in self.ends:
            node = self.simulation.places[qna].node
            assert node is not None
            [link] = node.machines.link.describe().links
            stocked.add(link.stocked)
            used = link.memories - link.free
            if used != link.stocked or link.queued_requests or link.open_windows:
                yield f"{format_qna(qna)} is not at rest: {link}"
            if node.machines.link._around.asked:
                yield f"{format_qna(qna)} waits for its device: {node.machines.link._around.asked}"
        if len(stocked) > 1:
            yield f"the ends' stocks differ: {stocked}"
        if self.simulation.twin.live_pairs != max(stocked):
            yield f"the devices hold {self.simulation.twin.live_pairs} pairs, {max(stocked)} are in stock"

    def _accusations(self) -> Iterator[str]:
        for place in self.simulation.places.values():
            assert place.node is not None
            counters = place.node.counters
            yield from (f"{place.configuration.name}: {name}" for name in counters if name.endswith(".violations"))
            self.report.from_stock += counters.get("link.pairs_from_stock", 0)

    # --- what happens ------------------------------------------------------------------------------------------------

    def _later(self, what: Callable[[], None], shortest_s: float, longest_s: float) -> None:
        self.simulation.after(int(self.dice.scale(shortest_s, longest_s) * SECOND_NS),
                              partial(self._again, what, shortest_s, longest_s))  # fmt: skip

    def _again(self, what: Callable[[], None], shortest_s: float, longest_s: float) -> None:
        if self.simulation.now_ns < self._end_ns:
            what()
            self._later(what, shortest_s, longest_s)

    def _ask(self) -> None:
        own = self.dice.pick(self.ends)
        other = self.ends[self.ends[0] == own]
        user, kind = self._users.get(own), self.dice.pick(self._kinds)
        if user is None:
            return
        self.report.requests += 1
        number = self.dice.whole(1, 6)
        self._wanted[own, self.report.requests] = number
        place = self.simulation.places[own]
        deadline = Instant(place.local(self.simulation.now_ns) + int(self.dice.scale(5.0, 300.0) * SECOND_NS))
        user.act(CreatePairs(
            other, _PURPOSE, self.report.requests, kind, number, 0.9, self.dice.whole(0, 3), deadline,
            atomic=self.dice.happens(0.2), consecutive=self.dice.happens(0.2),
        ))  # fmt: skip

    def _trouble(self) -> None:
        simulation, qna = self.simulation, self.dice.pick(tuple(self.simulation.places))
        what = self.dice.pick(("crash", "device", "stall"))
        self.report.troubles[what] += 1
        away_ns = int(self.dice.scale(1.0, 120.0) * SECOND_NS)
        match what:
            case "crash":
                simulation.crash(qna)
                simulation.after(away_ns, partial(self._reboot, qna))
            case "device":
                simulation.lose_device(qna)
                simulation.after(away_ns, partial(simulation.return_device, qna))
            case _:
                simulation.stall(qna, away_ns // 20)

    def _reboot(self, qna: Qna) -> None:
        if self.simulation.places[qna].node is None:
            self.simulation.boot(qna)

    def _partitions(self, topology: Topology) -> Iterator[Partition]:
        at_ns = 0
        while at_ns < self._end_ns:
            at_ns += int(self.dice.scale(1_800.0, 7_200.0) * SECOND_NS)
            island = frozenset({topology.locator(self.dice.pick([node.name for node in topology.nodes]))})
            self.report.troubles["partition"] += at_ns < self._end_ns
            yield Partition(at_ns, at_ns + int(self.dice.scale(1.0, 60.0) * SECOND_NS), island)


def live(hours: float, seed: int, kinds: tuple[PairKind, ...] = tuple(PairKind)) -> LifeReport:
    """Let a link live for so long, in virtual time."""
    return LinkLife(hours, seed, kinds).run()


def _name(own: Qna, service: PairOk | PairsRevoked, sequence: int) -> Name:
    return (own if service.mine else service.neighbour), service.create_id, sequence


def _topology() -> Topology:
    link = TopologyLink(("", ""), "", memories=_MEMORIES, storage=_STORAGE, success_probability=_PROBABILITY,
                        cycle_ns=_CYCLE_NS, slot_cycles=_SLOT_CYCLES)  # fmt: skip
    topology = chain((2,), station="third", link=link, static=True)
    template = replace(
        topology.template,
        session=SessionParameters(silence_ns=30 * SECOND_NS, silence_after_sending_ns=5 * SECOND_NS),
        link=LinkParameters(stock_pairs=_STOCK, stock_age_ns=_LONGEST_NS, weights=(0.0, 3.0, 1.0)),
    )
    return replace(topology, template=template)

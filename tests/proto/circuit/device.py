"""A device for tests: perfect pairs with random Bell indices, and the truth about every one of them."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from qstack.base.bell import FLIP, Basis
from qstack.base.chance import Chance
from qstack.base.ids import Qna
from qstack.base.pairs import BasisChoice, PairKind
from qstack.base.units import MILLISECOND_NS
from qstack.wire import twin
from qstack.wire.twin import Status

BASES = {
    BasisChoice.NONE: (Basis.Z,), BasisChoice.XZ: (Basis.X, Basis.Z), BasisChoice.XYZ: (Basis.X, Basis.Y, Basis.Z),
    BasisChoice.CHSH: (Basis.Z_PLUS_X, Basis.Z_MINUS_X),
}  # fmt: skip


@dataclass
class Pair:
    """A true pair: where its two qubits are, and its true frame."""

    ends: list[tuple[Qna, int]]
    frame: int
    born: int = 0


@dataclass
class Device:
    """The quantum half of the network. `pairs`: filled memories; `offered`: memories by window."""

    chance: Chance
    links: dict[int, tuple[Qna, Qna]]
    cycle_ns: int
    probability: float = 1.0
    swap_failures: float = 0.0
    grace_ns: int = 500 * MILLISECOND_NS
    pairs: dict[tuple[Qna, int], Pair] = field(default_factory=dict)
    windows: dict[tuple[int, int, int], dict[Qna, list[int]]] = field(default_factory=dict)
    heard: dict[tuple[int, int, int], list[twin.Herald]] = field(default_factory=dict)
    last: dict[tuple[Qna, int], int] = field(default_factory=dict)
    broken: bool = False  # loses what it is to move
    draws: Any = field(default_factory=count)
    readings: dict[tuple[int, int, int], dict[Qna, twin.Attempt]] = field(default_factory=dict)
    outcomes: dict[tuple[Qna, int, int, int], tuple[Basis, int]] = field(default_factory=dict)

    def draw(self) -> float:
        return self.chance.uniform(b"device %d" % next(self.draws))

    def offered(self, node: Qna) -> set[int]:
        return {q for w, ends in self.windows.items() if w not in self.heard for q in ends.get(node, ()) if q >= 0}

    def attempt(self, node: Qna, r: twin.Attempt, now: int) -> Status:
        window = (r.link, r.first_cycle, r.cycles)
        end = (r.first_cycle + r.cycles) * self.cycle_ns
        if node not in self.links[r.link]:
            return Status.UNKNOWN_LINK
        if now > end + self.grace_ns:
            return Status.LATE
        if r.first_cycle < self.last.get((node, r.link), 0):
            return Status.EARLY
        busy = {q for n, q in self.pairs if n == node} | self.offered(node)
        if busy & set(r.qubits) or len(set(r.qubits)) != len(r.qubits):
            return Status.BUSY
        self.last[node, r.link] = r.first_cycle + r.cycles
        self.windows.setdefault(window, {})[node] = list(r.qubits)
        self.readings.setdefault(window, {})[node] = r
        return Status.OK

    def heralds(self, r: twin.AwaitHeralds) -> list[twin.Herald] | None:
        """None: an end is missing yet."""
        window = (r.link, r.first_cycle, r.cycles)
        if window in self.heard:
            return self.heard[window]
        ends = self.windows.get(window, {})
        nodes = self.links[r.link]
        if set(ends) != set(nodes):
            return None
        found: list[twin.Herald] = []
        most = min(len(qubits) for qubits in ends.values())
        readings = self.readings[window]
        measures = readings[nodes[0]].kind == PairKind.MEASURE
        assert measures == (readings[nodes[1]].kind == PairKind.MEASURE)
        if measures:
            most = min(reading.most for reading in readings.values())
        for offset in range(r.cycles):
            if len(found) == most:
                break
            if self.probability >= 1.0 or self.draw() < self.probability:
                bell = int(self.draw() * 4)
                if measures:
                    self._measure_both(r, nodes, offset, bell)
                else:
                    self._fill(ends, nodes, len(found), bell, (r.first_cycle + offset) * self.cycle_ns)
                found.append(twin.Herald(offset=offset, bell_index=twin.BellIndex(bell)))
        self.heard[window] = found
        return found

    def _fill(self, ends: dict[Qna, list[int]], nodes: tuple[Qna, Qna], k: int, bell: int, born: int) -> None:
        places = [(node, ends[node][k]) for node in nodes]
        pair = Pair([p for p in places if p[1] >= 0], bell, born)
        for place in pair.ends:
            assert place not in self.pairs, "a success landed in a filled memory"
            self.pairs[place] = pair

    def _measure_both(self, r: twin.AwaitHeralds, nodes: tuple[Qna, Qna], offset: int, bell: int) -> None:
        told: list[tuple[Basis, int]] = []
        for node in nodes:
            bases = BASES[self.readings[r.link, r.first_cycle, r.cycles][node].choice]
            basis, bit = bases[int(self.draw() * len(bases))], int(self.draw() * 2)
            if told and told[0][0] == basis:
                bit = told[0][1] ^ FLIP[bell][basis]
            told.append((basis, bit))
            self.outcomes[node, r.link, r.first_cycle, offset] = told[-1]

    def fetch(self, node: Qna, r: twin.FetchOutcomes) -> list[twin.FetchedOutcome]:
        found = [self.outcomes.get((node, r.link, r.first_cycle, offset)) for offset in r.offsets]
        return [twin.FetchedOutcome(status=Status.EMPTY) if each is None else
                twin.FetchedOutcome(status=Status.OK, basis=each[0], bit=each[1]) for each in found]  # fmt: skip

    def measure(self, node: Qna, item: twin.MeasureItem) -> twin.Outcome:
        """As if the other half had been measured in the same basis; what is left of it is its frame."""
        pair = self.pairs.pop((node, item.qubit), None)
        if pair is None:
            return twin.Outcome(status=Status.EMPTY)
        pair.ends.remove((node, item.qubit))
        return twin.Outcome(status=Status.OK, bit=int(self.draw() * 2))

    def move(self, node: Qna, item: twin.MoveItem) -> Status:
        pair = self.pairs.pop((node, item.source), None)
        if pair is None or self.broken:
            return Status.EMPTY
        assert (node, item.target) not in self.pairs, "a memory that is moved into must be empty"
        pair.ends[pair.ends.index((node, item.source))] = node, item.target
        self.pairs[node, item.target] = pair
        return Status.OK

    def release(self, node: Qna, qubit: int) -> Status:
        for window, ends in self.windows.items():
            if window not in self.heard and qubit in ends.get(node, ()):
                ends[node][ends[node].index(qubit)] = -1 - qubit
                return Status.OK
        pair = self.pairs.pop((node, qubit), None)
        if pair is None:
            return Status.EMPTY
        pair.ends.remove((node, qubit))
        return Status.OK

    def swap(self, node: Qna, first: int, second: int, instant: int) -> tuple[Status, int]:
        one, two = self.pairs.get((node, first)), self.pairs.get((node, second))
        if one is None or two is None:
            return Status.EMPTY, 0
        if one is two:
            return Status.UNSUPPORTED, 0
        if instant < max(one.born, two.born):
            return Status.EARLY, 0
        if self.swap_failures and self.draw() < self.swap_failures:
            return Status.NO_ROOM, 0
        outcome = int(self.draw() * 4)
        del self.pairs[node, first], self.pairs[node, second]
        one.ends.remove((node, first))
        two.ends.remove((node, second))
        joined = Pair(one.ends + two.ends, one.frame ^ two.frame ^ outcome, max(one.born, two.born))
        for place in joined.ends:
            self.pairs[place] = joined
        return Status.OK, outcome

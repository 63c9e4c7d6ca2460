"""A hostile insider: a neighbour with a true certificate that says anything in any state (`tests.node.insider`).

Whatever it says: no node raises; sessions of others stay as they are; the ends of units of others never hold different
keys; when it falls silent, everything that it made others hold is released, though its sessions live on; and then
everything works.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from qstack.base.ids import Qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.configuration import NodeConfiguration
from qstack.proto.circuit.params import CircuitParameters
from qstack.proto.unit.params import UnitParameters
from qstack.testing.invariants import busy, held
from qstack.testing.simulation import EPOCH_NS
from qstack.testing.topology import Topology, chain
from qstack.wire.control import ClaimEndpoint, Delivered, OpenUnit, UnitStarted
from qstack.wire.unit import UnitKind
from tests.node.insider import Insider, Vocabulary
from tests.node.rig import Rig

LIFETIME_NS = 20 * SECOND_NS
QUIET_S = 150.0  # the longest deadline of all: a handshake's, after a window that lies a minute ahead
PAUSES_NS = (0, 0, 0, 0, 100_000, MILLISECOND_NS, 5 * MILLISECOND_NS, 30 * MILLISECOND_NS)
STEPS = 300


@dataclass(frozen=True)
class Position:
    """Where the insider is, whom it speaks to, and between whom units are opened meanwhile."""

    topology: Topology
    insider: str
    victims: tuple[str, ...]
    units: tuple[tuple[str, str], ...]


INSIDERS = {
    "end": Position(chain((2, 2)), "n1", ("n2",), (("n3", "n4"), ("n2", "n4"), ("n1", "n3"), ("n4", "n1"))),
    "repeater": Position(chain((3,)), "n2", ("n1", "n3"), (("n1", "n3"), ("n3", "n1"), ("n2", "n1"), ("n3", "n2"))),
    "station": Position(chain((2, 1), station="third"), "s1", ("n1", "n2"), (("n1", "n2"), ("n3", "n1"), ("n2", "n3"))),
}


class Stage(Rig):
    """A network with an insider, in which nothing is let last long."""

    def __init__(self, position: Position, seed: int) -> None:
        self.position = position
        self.dice = Random(seed)
        short = NodeConfiguration(
            qna=Qna(0), circuit=CircuitParameters(lifetime_ns=LIFETIME_NS), unit=UnitParameters(lifetime_ns=LIFETIME_NS)
        )
        super().__init__(replace(position.topology, template=short), b"insider %d" % seed)
        self.crossings.clear()
        self.simulation.weather.crossings = Forgetful()  # type: ignore[attr-defined]
        self.honest = [node.name for node in self.topology.nodes if node.name != position.insider]
        vocabulary = Vocabulary([node.qna for node in self.topology.nodes], self.dice)
        self.insider = Insider(self, position.insider, vocabulary, self.dice)
        self.opened: list[tuple[str, str, tuple[str, ...]]] = []
        self.simulation.witness = vocabulary
        for name in self.honest:
            self.simulation.crash(self.qna(name))
            self.simulation.boot(self.qna(name))  # so that what it is told is overheard
        self.restart_insider()
        self.run(1.0)

    def restart_insider(self) -> None:
        """It has thrown itself out: let it come again, and meet everybody."""
        self.simulation.crash(self.qna(self.position.insider))
        self.simulation.boot(self.qna(self.position.insider))
        self.insider.begin()
        self.run(0.3)
        for name in self.honest:
            self.simulation.ping(self.qna(self.position.insider), self.qna(name), sequence=self.simulation.steps)
        self.run(0.3)

    def epochs(self) -> dict[tuple[str, str, str], Any]:
        """The live epochs between honest nodes."""
        honest = {self.qna(name): name for name in self.honest}
        return {
            (name, honest[view.peer], scope): (view.local_epoch, view.remote_epoch)
            for name in self.honest for scope, machine in self.sessions(name)
            for view in machine.describe() if view.peer in honest and view.state in ("established", "suspect")
        }  # fmt: skip

    def sessions(self, name: str) -> list[tuple[str, Any]]:
        machines = self.node(name).machines
        return [("hop", machines.hop_session), ("end", machines.end_session)]

    def open_unit(self, head: str, tail: str) -> None:
        number = len(self.opened)
        urns = (f"urn:qkd:net:{head}?=nonce=a{number}", f"urn:qkd:net:{tail}?=nonce=b{number}",
                f"urn:qkd:lifecycle?=size=16&valid-until={EPOCH_NS // SECOND_NS + 10_000}")  # fmt: skip
        self.opened.append((head, tail, urns))
        kind = self.dice.choice([UnitKind.KEY] * 3 + [UnitKind.PAIRS])
        self.simulation.request(self.qna(tail), ClaimEndpoint(request=1, urn=f"urn:qkd:net:{tail}"))
        self.simulation.request(self.qna(head), OpenUnit(
            request=number, kind=kind, min_fidelity=0, timeout_ms=self.dice.choice([500, 3_000, 15_000]), urn=urns,
        ))  # fmt: skip

    def keys(self, head: str, tail: str, urns: tuple[str, ...]) -> list[bytes]:
        """The keys that applications were given for a unit, at both ends."""
        found = []
        for name in (head, tail):
            told = [message for _, _, message in self.place(name).heard]
            handles = {each.unit for each in told if isinstance(each, UnitStarted) and each.urn == urns}
            found += [each.key for each in told if isinstance(each, Delivered) and each.unit in handles]
        return found


class Forgetful(list[Any]):
    """Crossings that nobody looks at."""

    def append(self, crossing: Any) -> None:
        pass


def attack(where: str, seed: int, steps: int = STEPS) -> Stage:
    """One attack and what must hold after it."""
    position = INSIDERS[where]
    stage = Stage(position, seed)
    before = stage.epochs()
    for step in range(steps):
        victim = stage.dice.choice(stage.position.victims)
        if not stage.is_up(victim, position.insider) or not stage.is_up(position.insider, victim):
            stage.restart_insider()
        stage.insider.speak(victim)
        if step % 20 == 0:
            stage.open_unit(*stage.dice.choice(stage.position.units))
        stage.simulation.run_for(stage.dice.choice(PAUSES_NS) if stage.dice.random() < 0.99 else SECOND_NS)
    during = stage.epochs()
    assert {party: during.get(party) for party in before} == before, "sessions of others were disturbed"
    stage.run(QUIET_S)
    for head, tail, urns in stage.opened:
        if stage.position.insider not in (head, tail):
            assert len(set(stage.keys(head, tail, urns))) <= 1, "two ends hold different keys"
    for name in stage.honest:
        assert held(stage.node(name)) == {}, name
        assert busy(stage.node(name)) == {}, name
    for head, tail in stage.position.units:
        stage.open_unit(head, tail)
        stage.run(5.0)
    stage.run(QUIET_S)
    return stage


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("where", INSIDERS)
def test_insider_that_says_anything_harms_nobody_else(where: str, seed: int) -> None:
    stage = attack(where, seed)
    assert stage.insider.said > STEPS // 2

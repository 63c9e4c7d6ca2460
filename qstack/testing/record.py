"""What applications were told in a simulation, unit by unit and end by end."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from qstack.base.effects import Sender
from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna
from qstack.node.node import Node
from qstack.testing.scenario import UnitPlan
from qstack.wire.circuit import Reserve
from qstack.wire.control import Delivered, Failed, PairDelivered, PairsMeasured, Refused, UnitStarted
from qstack.wire.unit import KeyConfirmed, UnitDelivered, UnitKind, UnitRequest
from qstack.wire.value import Message

__all__ = ["End", "Life", "Record", "Unit"]

_LIVE = ("established", "suspect", "closing")


@dataclass(slots=True, eq=False)
class Life:
    """One life of a node. `died_ns` None: it lived to the end."""

    name: str
    number: int
    node: Node
    began_ns: int
    died_ns: int | None = None


@dataclass(slots=True, eq=False)
class End:
    """One end of a unit in one life of its node."""

    life: Life
    handle: int
    is_head: bool
    started_ns: int
    delivered: list[tuple[int, Delivered]] = field(default_factory=list)
    failed: list[tuple[int, Failed]] = field(default_factory=list)
    pairs: list[PairDelivered] = field(default_factory=list)
    outcomes: dict[int, int] = field(default_factory=dict)
    truths: dict[int, float] = field(default_factory=dict)  # true fidelity of a pair when it was delivered
    gave_up_ns: int | None = None  # the application closed it, or left

    @property
    def key(self) -> bytes | None:
        """The key that was delivered."""
        return self.delivered[0][1].key if self.delivered else None

    @property
    def confirmed(self) -> bool:
        """Whether it was delivered as confirmed."""
        return bool(self.delivered) and bool(self.delivered[0][1].confirmed)

    @property
    def outcome(self) -> str:
        """How it ended, in a word."""
        if self.delivered:
            return "confirmed" if self.confirmed else "unconfirmed"
        if self.failed:
            reason = self.failed[0][1].reason
            return f"failed {reason.name.lower() if isinstance(reason, ErrorCode) else reason}"
        if self.life.died_ns is not None:
            return "died"
        return "given up" if self.gave_up_ns is not None else "open"


@dataclass(slots=True, eq=False)
class Unit:
    """A planned unit and what became of it.

    `refused`: the opener's node would not have it. `passed`: when unit messages about it reached the other end.
    """

    plan: UnitPlan
    urns: tuple[str, str, str]
    ends: list[End] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)

    @property
    def heads(self) -> list[End]:
        """Its ends at the opener: one, or none."""
        return [end for end in self.ends if end.is_head]

    @property
    def tails(self) -> list[End]:
        """Its ends at the other node: one, or none."""
        return [end for end in self.ends if not end.is_head]

    @property
    def outcome(self) -> str:
        """How it ended for its opener."""
        if self.refused:
            return "refused"
        if self.plan.kind is UnitKind.PAIRS and self.heads and len(self.heads[0].outcomes) == self.plan.size:
            return "shared"
        return self.heads[0].outcome if self.heads else "not asked"


@dataclass(slots=True, eq=False)
class Record:
    """Everything that a check may want to know afterwards.

    `acted`: how often a node (in any life) was given the same request, a unit's in the same epoch; by (node, what,
    mark of the request).
    """

    units: dict[int, Unit] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    acted: Counter[tuple[str, str, bytes]] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)  # crash points that were reached
    _ends: dict[tuple[str, int, int], tuple[Unit, End]] = field(default_factory=dict)
    _numbered: dict[tuple[Qna, int], Unit] = field(default_factory=dict)  # by (head, request), of the latest life

    def life(self, name: str) -> Life | None:
        """The present life of a node."""
        return next((life for life in reversed(self.lives) if life.name == name and life.died_ns is None), None)

    def end(self, life: Life, handle: int) -> tuple[Unit, End] | None:
        """The end of a unit that a handle names."""
        return self._ends.get((life.name, life.number, handle))

    def note_received(self, name: str, own: Qna, message: Message, sender: Sender, now_ns: int) -> None:
        """The node `name` at `own` is given a message: remember what must not come twice, and what has passed."""
        if isinstance(message, UnitRequest):
            self.acted[name, "UnitRequest", b"%d " % self._epoch(name, sender.qna) + message.nonce] += 1
            unit = self._planned(message.urn)
            if unit is not None:
                self._numbered[sender.qna, message.request] = unit
        elif isinstance(message, Reserve):
            self.acted[name, "Reserve", _mark(sender.neighbour, message)] += 1
        elif isinstance(message, KeyConfirmed | UnitDelivered):
            head = own if isinstance(message, KeyConfirmed) else sender.qna
            unit = self._numbered.get((head, message.request))
            if unit is not None:
                unit.passed.setdefault(message.NAME, now_ns)

    def note_told(self, life: Life, message: Message, now_ns: int) -> tuple[Unit, End] | None:
        """An application is told something about a unit."""
        if isinstance(message, UnitStarted):
            return self._start(life, message, now_ns)
        known = self.end(life, getattr(message, "unit", 0))
        if known is None:
            return None
        end = known[1]
        match message:
            case Delivered():
                end.delivered.append((now_ns, message))
            case Failed():
                end.failed.append((now_ns, message))
            case PairDelivered():
                end.pairs.append(message)
        return known

    def note_outcomes(self, end: End, message: PairsMeasured) -> None:
        """An application has measured."""
        end.outcomes |= {each.pair: each.outcome for each in message.outcomes}

    def ends(self) -> Iterator[tuple[Unit, End]]:
        """All ends of all units."""
        for unit in self.units.values():
            for end in unit.ends:
                yield unit, end

    def _start(self, life: Life, started: UnitStarted, now_ns: int) -> tuple[Unit, End] | None:
        unit = self._planned(started.urn)
        if unit is None:
            return None
        end = End(life, started.unit, started.request != 0, now_ns)
        unit.ends.append(end)
        self._ends[life.name, life.number, started.unit] = (unit, end)
        return unit, end

    def _epoch(self, name: str, peer: Qna) -> int:
        """How the node names its end session with `peer`."""
        life = self.life(name)
        sessions = () if life is None else life.node.machines.end_session.describe()
        return next((view.local_epoch for view in sessions if view.peer == peer and view.state in _LIVE), 0)

    def _planned(self, urns: tuple[str, ...]) -> Unit | None:
        return next((unit for unit in self.units.values() if set(unit.urns) == set(urns)), None)


def _mark(neighbour: Qna, reserve: Reserve) -> bytes:
    return b"%d %d %d " % (neighbour, reserve.endpoints[0], reserve.circuit) + reserve.context

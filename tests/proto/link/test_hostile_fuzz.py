"""Well-formed messages of a neighbour that follows no rule: each is taken, counted or a violation."""

from contextlib import suppress
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qstack.base.effects import CallDevice, SendMessage
from qstack.base.errors import PeerViolation
from qstack.base.ids import PurposeId
from qstack.base.pairs import PairKind
from qstack.base.services import CreatePairs, ListenData, ListenPairs, SendData
from qstack.base.time import Instant
from qstack.base.units import SECOND_NS
from qstack.testing.strategies import messages
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message
from tests.proto.link.test_hostile import CYCLE_NS, EPOCH, HIGH, LOW, End

_NOW = EPOCH // CYCLE_NS
_LIKELY: dict[str, tuple[int, ...]] = {  # values that get past the first checks
    "link": (1,), "station": (LOW, HIGH), "first_cycle": tuple(_NOW + n for n in (-200, 1_100, 1_400, 3_000, 5_000)),
    "cycles": (1, 10, 300), "stride": (10, 300), "create_id": (1, 2, 1 << 31 | 1), "queue_sequence": (0, 1, 2, 3),
    "schedule": (1, 2, 3), "number": (1, 2, 3), "purpose": (0, 7, 17), "block": (0, 1, 2),
    "terms": (0, 1), "label": (0, 2),
    "deadline": (EPOCH + 10 * SECOND_NS,), "min_fidelity": (0,), "kind": (0, 1, 2), "atomic": (0, 1), "code": (0, 1),
    "memories": (1, 4), "allowance": (1, 4),
}  # fmt: skip


def likely(message: Message, chance: Random) -> Message:
    """The same, with most fields such that they mean something here."""
    changes: dict[str, Any] = {
        name: chance.choice(values) for name, values in _LIKELY.items()
        if isinstance(getattr(message, name, None), int) and chance.random() < 0.85
    }  # fmt: skip
    if isinstance(getattr(message, "windows", None), int):
        changes["windows"] = chance.choice((1, 2, 64))
    if hasattr(message, "stations"):
        changes["stations"] = (chance.choice((LOW, HIGH)),)
    return message.replace(**changes)


def drain(end: End) -> None:
    """Whatever it says must fit the wire."""
    for each in end.done:
        if isinstance(each, SendMessage):
            each.message.encode()
        elif isinstance(each, CallDevice):
            each.request.encode()
    end.done.clear()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(messages(Protocol.LINK), min_size=5, max_size=25), st.integers(0, 1 << 30), st.sampled_from(PairKind))
def test_neighbour_that_follows_no_rule_breaks_nothing(said: list[Message], seed: int, kind: PairKind) -> None:
    chance = Random(seed)
    own, other = chance.choice(((LOW, HIGH), (HIGH, LOW)))
    end = End(own, other, (own,), memories=8)
    end.make_room()
    end.serve(ListenPairs(other, PurposeId(7)))
    end.serve(ListenData(other, PurposeId(17)))
    end.serve(CreatePairs(other, PurposeId(7), 1, kind, 3, 0.0, 0, Instant(10 * SECOND_NS)))
    end.serve(SendData(other, PurposeId(17), 1, bytes(50)))
    for message in said:
        with suppress(PeerViolation):
            end.receive(likely(message, chance))
        if chance.random() < 0.4:
            end.run(end.now + chance.randrange(30_000_000))
        drain(end)
    end.run(end.now + 5 * SECOND_NS)
    drain(end)

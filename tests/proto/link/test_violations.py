"""What a neighbour or a station may not do, and what a misplaced word costs."""

from functools import partial
from typing import Any

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation
from qstack.base.ids import Cycle, Label, LinkId, PurposeId, Qna, QubitId, make_qna
from qstack.base.services import (
    PairReady,
    RequestPairs,
    ReserveLink,
)
from qstack.base.time import Instant, Timescale
from qstack.proto.link.machine import LinkMachine
from qstack.proto.link.params import LinkConfiguration, LinkParameters
from qstack.wire.link import (
    CreateRequest,
    Expire,
    Gen,
    HalfReading,
    HeraldedPair,
    MemoryAdvertisement,
    Pass,
    Reply,
    ReplyCode,
    Room,
    Schedule,
)
from tests.proto.circuit import fabric as whole
from tests.proto.circuit.fabric import ARRIVAL

LOW, HIGH, THIRD = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 7)
LABEL, OTHER = Label(2), Label(4)
Fabric = partial(whole.Fabric, links_only=True)


def reserve(fabric: whole.Fabric, label: Label = LABEL, memories: int = 2) -> None:
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ReserveLink(other, label, memories, 0.0))


def request(
    fabric: whole.Fabric, number: int, own: Qna = LOW, label: Label = LABEL, seconds: float = 5.0, fidelity: float = 0.0
) -> None:
    deadline = Instant(fabric.local(fabric.places[own]) + int(seconds * 1e9))
    other = HIGH if own == LOW else LOW
    fabric.serve(own, RequestPairs(other, label, number, fidelity, PurposeId(0), deadline))


def pairs(fabric: whole.Fabric, own: Qna, label: Label = LABEL) -> list[PairReady]:
    return [pair for pair in fabric.places[own].of(PairReady) if pair.label == label]


def sender(qna: Qna, seal: Seal | None = Seal.HOP) -> Sender:
    return Sender(qna, seal, ARRIVAL, qna)


def running(station: Qna = THIRD) -> whole.Fabric:
    """A link with an open window."""
    fabric = Fabric([LOW, HIGH], stations=[station], probability=0.001)
    reserve(fabric)
    request(fabric, 20)
    fabric.run(0.1, lambda: bool(fabric.places[HIGH].link.describe().links[0].open_windows))
    return fabric


def open_window(fabric: whole.Fabric) -> Schedule:
    return [message for _, _, message in fabric.sent if isinstance(message, Schedule)][-1]


def reply(schedule: Schedule, **changes: Any) -> Reply:
    values = dict(link=1, station=THIRD, first_cycle=schedule.first_cycle, code=0, queue_sequence=1,
                  other_queue_sequence=1, first_sequence=0, granted=20, pairs=())  # fmt: skip
    return Reply(**(values | changes))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pairs": tuple(HeraldedPair(offset=n, bell_index=0) for n in range(20))},
        {"pairs": (HeraldedPair(offset=5, bell_index=0), HeraldedPair(offset=5, bell_index=0))},
        {"pairs": (HeraldedPair(offset=1 << 20, bell_index=0),)},
        {"pairs": (HeraldedPair(offset=0, bell_index=4),)},  # type: ignore[arg-type]
    ],
)
def test_reply_that_cannot_be_true_is_refused_and_changes_nothing(wrong: dict[str, Any]) -> None:
    fabric = running()
    machine = fabric.places[HIGH].link
    before = machine.describe()
    with pytest.raises(PeerViolation):
        machine.receive(reply(open_window(fabric), **wrong), sender(THIRD), fabric.local(fabric.places[HIGH]))
    assert machine.describe() == before


def test_reply_of_another_than_the_station_is_refused() -> None:
    fabric = running()
    with pytest.raises(PeerViolation, match="not the station"):
        fabric.places[HIGH].link.receive(reply(open_window(fabric)), sender(LOW), fabric.local(fabric.places[HIGH]))


def test_reply_for_an_unknown_window_is_counted_and_ignored() -> None:
    fabric = running()
    place = fabric.places[HIGH]
    stray = reply(open_window(fabric), first_cycle=Cycle(1), pairs=(HeraldedPair(offset=0, bell_index=1),))  # type: ignore[arg-type]
    place.link.receive(stray, sender(THIRD), fabric.local(place))
    fabric.settle(place)
    assert fabric.counters["link.stray_replies"] == 1 and not pairs(fabric, HIGH)


def create(fabric: whole.Fabric, **changes: Any) -> CreateRequest:
    values = dict(create_id=9, link=1, label=LABEL, number=1, deadline=fabric.domain() + 10**9,
                  room=Room(free=1, memories=4), local=HalfReading(), remote=HalfReading(),
                  stations=(THIRD,))  # fmt: skip
    return CreateRequest(**(values | changes))


def violations(fabric: whole.Fabric) -> list[tuple[Qna, Any, Qna]]:
    """(who is told, what, by whom): none of it is allowed."""
    schedule = open_window(fabric)
    next_one = schedule.replace(schedule=schedule.schedule + 1, first_cycle=schedule.first_cycle + 100_000)
    gen = Gen(link=LinkId(1), station=THIRD, first_cycle=schedule.first_cycle, cycles=schedule.cycles,
              stride=schedule.stride, windows=schedule.windows, queue_sequence=1,
              allowance=schedule.allowance)  # fmt: skip
    return [
        (HIGH, create(fabric, queue_sequence=0), LOW),  # the master must give a place
        (LOW, create(fabric, queue_sequence=5), HIGH),  # and only the master
        (HIGH, create(fabric, queue_sequence=1), LOW),  # above all before it
        (HIGH, create(fabric, link=2, queue_sequence=9), LOW),
        (HIGH, create(fabric, queue_sequence=9), THIRD),
        (LOW, next_one, HIGH),
        (HIGH, next_one.replace(schedule=schedule.schedule), LOW),
        (HIGH, next_one.replace(memories=0), LOW),
        (HIGH, next_one.replace(first_cycle=schedule.first_cycle), LOW),
        (HIGH, next_one.replace(first_cycle=0), LOW),
        (HIGH, MemoryAdvertisement(link=LinkId(1), room=Room(free=1, memories=4)), LOW),
        (HIGH, next_one.replace(stride=0, windows=2), LOW),
        (HIGH, next_one.replace(windows=200), LOW),
        (LOW, gen, HIGH),  # no station
        (THIRD, gen, make_qna(64512, 66)),
        (THIRD, gen.replace(station=LOW), LOW),
        (THIRD, gen, LOW),  # a second one
        (THIRD, gen.replace(first_cycle=schedule.first_cycle + 100_000, windows=0), LOW),
        (THIRD, Pass(link=LinkId(1), station=LOW, first_cycle=schedule.first_cycle), LOW),
    ]


@pytest.mark.parametrize("number", range(19))
def test_violation_is_refused_and_changes_nothing(number: int) -> None:
    fabric = running()
    fabric.run(0.002)
    destination, message, source = violations(fabric)[number]
    place = fabric.places[destination]
    before, deadline = place.link.describe(), place.link.next_deadline()
    with pytest.raises(PeerViolation):
        place.link.receive(message, sender(source), fabric.local(place))
    assert (place.link.describe(), place.link.next_deadline()) == (before, deadline)
    assert place.link.take_effects() == []


@pytest.mark.parametrize("seal", [None, Seal.END])
def test_message_that_is_not_a_neighbours_is_refused(seal: Seal | None) -> None:
    fabric = running()
    with pytest.raises(PeerViolation, match="neighbour"):
        fabric.places[HIGH].link.receive(create(fabric), sender(LOW, seal), fabric.local(fabric.places[HIGH]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": OTHER}, ErrorCode.NOT_ALLOWED),
        ({"kind": 1}, ErrorCode.POLICY),
        ({"kind": 77}, ErrorCode.POLICY),
        ({"number": 0}, ErrorCode.POLICY),
        ({"stations": (make_qna(1, 1),)}, ErrorCode.POLICY),
        ({"deadline": 5}, ErrorCode.EXPIRED),
    ],
)
def test_request_of_the_other_end_that_cannot_be_is_rejected(changes: dict[str, Any], reason: ErrorCode) -> None:
    fabric = running()
    place = fabric.places[LOW]
    queued = place.link.describe().links[0].queued_requests
    place.link.receive(create(fabric, **changes), sender(HIGH), fabric.local(place))
    fabric.settle(place)
    assert fabric.sent[-1][2].reason == reason
    assert place.link.describe().links[0].queued_requests == queued


def test_station_answers_a_window_out_of_place() -> None:
    fabric = running()
    place, schedule = fabric.places[THIRD], open_window(fabric)
    gen = Gen(link=LinkId(1), station=THIRD, first_cycle=schedule.first_cycle, cycles=9, stride=9, windows=1,
              queue_sequence=1, allowance=1)  # fmt: skip
    for first in (schedule.first_cycle + 1, 0, schedule.first_cycle + 10**10):
        place.link.receive(gen.replace(first_cycle=first), sender(LOW), fabric.local(place))
        fabric.settle(place)
        assert fabric.sent[-1][2].code == ReplyCode.TIME_MISMATCH and fabric.sent[-1][1] == LOW


@pytest.mark.parametrize(
    ("changes", "code"), [({"queue_sequence": 2}, ReplyCode.QUEUE_MISMATCH), ({"cycles": 5}, ReplyCode.TIME_MISMATCH)]
)
def test_station_tells_both_ends_of_a_mismatch(changes: dict[str, int], code: ReplyCode) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    place = fabric.places[THIRD]
    first = Cycle(fabric.domain() // 10_000 + 1_000)
    gen = Gen(link=LinkId(1), station=THIRD, first_cycle=first, cycles=9, stride=9, windows=1,
              queue_sequence=1, allowance=1)  # fmt: skip
    place.link.receive(gen, sender(LOW), fabric.local(place))
    place.link.receive(gen.replace(**changes), sender(HIGH), fabric.local(place))
    fabric.settle(place)
    told = {destination: message for _, destination, message in fabric.sent}
    assert told[LOW].code == told[HIGH].code == code
    assert (told[LOW].queue_sequence, told[LOW].other_queue_sequence) == (1, changes.get("queue_sequence", 1))


def test_expire_of_an_unknown_window_is_counted_and_ignored() -> None:
    fabric = running()
    place = fabric.places[LOW]
    expire = Expire(link=LinkId(1), expected_sequence=0, windows=(Cycle(3),))
    place.link.receive(expire, sender(HIGH), fabric.local(place))
    fabric.settle(place)
    assert fabric.counters["link.stray_expires"] == 1


def test_configuration_that_contradicts_itself_is_refused() -> None:
    def link(number: int, neighbour: Qna, *qubits: int) -> LinkConfiguration:
        return LinkConfiguration(LinkId(number), neighbour, (LOW,), tuple(QubitId(q) for q in qubits))

    with pytest.raises(LocalMisuse):
        links = [link(1, HIGH, 0), link(2, HIGH, 1)]
        LinkMachine(LOW, LinkParameters(), Chance(b"chance"), timescale=Timescale, links=links)
    with pytest.raises(LocalMisuse):
        link(1, HIGH)
    with pytest.raises(LocalMisuse):
        link(1, HIGH, 3, 3)
    with pytest.raises(LocalMisuse):
        LinkConfiguration(LinkId(1), HIGH, (), (QubitId(0),))

"""What the other end of a link can say that it should not, to an end that may be the link's station too."""

from typing import Any

import pytest

from qstack.base.chance import Chance
from qstack.base.effects import CallDevice, Count, Seal, Sender, SendMessage
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import Cycle, Label, LinkId, PurposeId, Qna, QubitId, make_qna
from qstack.base.pairs import PairKind
from qstack.base.services import PairReady, ReleaseLink, RequestPairs, ReserveLink
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.base.units import SECOND_NS
from qstack.proto.link.machine import LinkMachine
from qstack.proto.link.params import LinkConfiguration, LinkParameters, StationConfiguration
from qstack.wire.link import (
    CreateAck,
    CreateReject,
    CreateRequest,
    Gen,
    HalfReading,
    Reply,
    ReplyCode,
    Room,
    Schedule,
)
from qstack.wire.twin import (
    MAXIMUM_ITEMS,
    Attempt,
    AwaitHeralds,
    BellIndex,
    Herald,
    Heralds,
    LinkEnd,
    Release,
    Released,
    Status,
)
from qstack.wire.value import Message
from tests.proto.circuit.fabric import ARRIVAL

LOW, HIGH = make_qna(64512, 1), make_qna(64512, 2)
LABEL, OTHER = Label(2), Label(4)
EPOCH = 1_790_000_000 * SECOND_NS
CYCLE_NS = 10_000
LATER = DomainTime(EPOCH + 3_600 * SECOND_NS)
ROOM = Room(free=4, memories=4)


class End:
    """The honest end, whose neighbour is the test. It is a station of the link."""

    def __init__(
        self, own: Qna, neighbour: Qna, stations: tuple[Qna, ...], memories: int = 4,
        parameters: LinkParameters | None = None,
    ) -> None:  # fmt: skip
        link = LinkConfiguration(
            link=LinkId(1), neighbour=neighbour, stations=stations, memories=tuple(map(QubitId, range(memories))),
            cycle_ns=CYCLE_NS,
        )  # fmt: skip
        self.machine = LinkMachine(
            own, parameters or LinkParameters(), Chance(b"chance"), timescale=lambda: Timescale(0, EPOCH), links=[link],
            stations=[StationConfiguration(LinkId(1), (own, neighbour), CYCLE_NS)],
        )  # fmt: skip
        self.neighbour = neighbour
        self.now = Instant(0)
        self.done: list[Any] = []

    def receive(self, message: Message) -> None:
        self.machine.receive(message, Sender(self.neighbour, Seal.HOP, ARRIVAL, self.neighbour), self.now)
        self.done += self.machine.take_effects()

    def serve(self, service: Any) -> None:
        self.machine.on_service(service, self.now)
        self.done += self.machine.take_effects()

    def result(self, result: Message) -> None:
        self.machine.on_device_result(result, self.now)
        self.done += self.machine.take_effects()

    def run(self, until_ns: int) -> None:
        while (due := self.machine.next_deadline()) is not None and due <= until_ns:
            self.now = Instant(max(self.now, due))
            self.machine.handle_deadline(self.now)
            self.done += self.machine.take_effects()
        self.now = Instant(until_ns)

    def sent(self, kind: type) -> list[Any]:
        return [each.message for each in self.done if isinstance(each, SendMessage) and isinstance(each.message, kind)]

    def called(self, kind: type) -> list[Any]:
        return [each.request for each in self.done if isinstance(each, CallDevice) and isinstance(each.request, kind)]

    def counted(self, name: str) -> int:
        return sum(each.amount for each in self.done if isinstance(each, Count) and each.name == name)

    def make_room(self, label: Label = LABEL, memories: int = 1) -> None:
        self.serve(ReserveLink(self.neighbour, label, memories, 0.0))


def create(number: int, place: int, label: Label = LABEL, station: Qna = HIGH) -> CreateRequest:
    return CreateRequest(create_id=number, link=LinkId(1), label=label, queue_sequence=place, number=4, deadline=LATER,
                         room=ROOM, local=HalfReading(), remote=HalfReading(), stations=(station,))  # fmt: skip


def gen(cycle: int, cycles: int, place: int, station: Qna, windows: int = 1, allowance: int = 4) -> Gen:
    return Gen(link=LinkId(1), station=station, first_cycle=Cycle(cycle), cycles=cycles, stride=cycles, windows=windows,
               queue_sequence=place, allowance=allowance)  # fmt: skip


def scheduled(number: int, place: int, cycle: int, cycles: int, memories: int = 1, windows: int = 1) -> Schedule:
    return Schedule(link=LinkId(1), schedule=number, queue_sequence=place, first_cycle=Cycle(cycle), cycles=cycles,
                    stride=cycles, windows=windows, memories=memories, allowance=4)  # fmt: skip


def test_master_told_of_a_place_that_it_never_gave_goes_on_counting() -> None:
    """The highest place there is would leave no place for anybody's next request."""
    end = End(LOW, HIGH, (LOW,))
    end.make_room()
    end.receive(CreateAck(create_id=999, link=LinkId(1), queue_sequence=0xFFFF_FFFF, station=LOW, room=ROOM))
    end.receive(create(1, 0, station=LOW))
    end.serve(RequestPairs(HIGH, LABEL, 1, 0.0, PurposeId(0), Instant(SECOND_NS)))
    assert [ack.queue_sequence for ack in end.sent(CreateAck)] == [1]
    assert [asked.queue_sequence for asked in end.sent(CreateRequest)] == [2]


def test_own_station_asked_about_a_window_that_another_station_heralds_is_not_heard() -> None:
    end = End(LOW, HIGH, (LOW, HIGH))
    end.make_room()
    end.receive(create(1, 0, station=HIGH))
    end.run(SECOND_NS // 10)
    [schedule] = end.sent(Schedule)
    end.receive(gen(schedule.first_cycle, schedule.cycles, 1, LOW))
    end.run(3 * SECOND_NS)  # the station tells its own end that the other's Gen never came, in a deadline
    assert end.counted("link.stray_to_itself") == 1
    assert end.counted("link.windows_unanswered") == 1
    assert [(reply.code, reply.station) for reply in end.sent(Reply)] == [(ReplyCode.NO_OTHER, LOW)]


def test_window_offered_for_a_second_time_is_not_filled_with_the_heralds_of_the_first() -> None:
    end = End(HIGH, LOW, (HIGH,))
    first = EPOCH // CYCLE_NS + 1_000
    end.make_room()
    end.receive(create(1, 1))
    end.receive(scheduled(1, 1, first, 10, 1))
    end.receive(gen(first, 10, 1, HIGH))
    end.run(SECOND_NS // 50)
    [asked] = end.called(AwaitHeralds)
    end.serve(ReleaseLink(LOW, LABEL))
    end.make_room(OTHER)
    end.receive(create(2, 2, OTHER))
    end.receive(scheduled(2, 2, first, 2, 1))
    assert end.counted("link.stray_to_itself") == 1  # its Gen: the station has one of this end for that window
    end.result(Heralds(
        request_id=asked.request_id, status=Status.OK, completed_at=DomainTime(0), deliver_at=DomainTime(0),
        link=LinkId(1), first_cycle=Cycle(first), cycles=10, attempted=LinkEnd.LOWER | LinkEnd.HIGHER,
        heralds=(Herald(offset=7, bell_index=BellIndex.PHI_PLUS),),
    ))  # fmt: skip
    assert end.counted("link.stray_to_itself") == 2
    assert not [each for each in end.done if isinstance(each, PairReady)]
    end.run(3 * SECOND_NS)
    assert end.counted("link.windows_unanswered") == 1


def test_schedule_of_more_memories_than_a_reply_can_tell_of_is_cut() -> None:
    end = End(HIGH, LOW, (HIGH,), memories=5_000)
    first = EPOCH // CYCLE_NS + 1_000
    end.make_room()
    end.receive(create(1, 1).replace(number=10_000))
    end.receive(scheduled(1, 1, first, 900, 0xFFFF))
    end.run(SECOND_NS // 50)
    assert [len(attempt.qubits) for attempt in end.called(Attempt)] == [192]


def test_more_memories_than_one_call_to_the_device_can_name_are_emptied_in_several() -> None:
    end = End(HIGH, LOW, (HIGH,), memories=5_000)
    first = EPOCH // CYCLE_NS + 1_000
    end.make_room()
    end.receive(create(1, 1).replace(number=10_000))
    for number in range(1, 28):
        end.receive(scheduled(number, 1, first, 200, 200))
        first += 200
    end.receive(scheduled(28, 1, first, 9, 1))
    end.run(SECOND_NS // 10)
    end.serve(ReleaseLink(LOW, LABEL))
    told = [len(release.qubits) for release in end.called(Release)]
    assert sum(told) == 5_000
    end.done.clear()
    end.run(3 * SECOND_NS)  # the device has not answered: all that is not empty is told again
    assert [len(release.qubits) for release in end.called(Release)][:2] == [MAXIMUM_ITEMS, 5_000 - MAXIMUM_ITEMS]
    for release in end.called(Release)[-2:]:
        end.result(Released(request_id=release.request_id, completed_at=DomainTime(0), deliver_at=DomainTime(0),
                            statuses=(Status.OK,) * len(release.qubits)))  # fmt: skip
    assert end.machine.describe().links[0].free == 5_000


def test_station_does_not_wait_for_a_window_that_ends_in_the_far_future() -> None:
    end = End(HIGH, LOW, (HIGH,))
    end.receive(gen(EPOCH // CYCLE_NS, 0xFFFF_FFFF, 1, HIGH))
    assert [reply.code for reply in end.sent(Reply)] == [ReplyCode.TIME_MISMATCH]
    assert end.machine.next_deadline() is None


def test_master_that_plans_more_stock_than_this_end_keeps_gets_no_more_memories() -> None:
    end = End(HIGH, LOW, (HIGH,), memories=8, parameters=LinkParameters(stock_pairs=2))
    first = EPOCH // CYCLE_NS + 1_000
    end.receive(Schedule(link=LinkId(1), schedule=1, queue_sequence=0, first_cycle=Cycle(first), cycles=10, stride=10,
                         windows=1, memories=8, allowance=200))  # fmt: skip
    end.run(SECOND_NS // 50)
    assert [len(attempt.qubits) for attempt in end.called(Attempt)] == [2]


@pytest.mark.parametrize("kind", [CreateAck, CreateReject])
def test_answer_to_a_request_that_still_waits_to_be_sent_is_a_violation(kind: type[Message]) -> None:
    """Else the other end could give the master's request any place, the highest there is among them."""
    end = End(LOW, HIGH, (LOW,))
    end.make_room()
    for _ in range(65):
        end.serve(RequestPairs(HIGH, LABEL, 1, 0.0, PurposeId(0), Instant(SECOND_NS)))
    asked = end.sent(CreateRequest)
    assert len(asked) == 64
    unsent = asked[-1].create_id + 1
    told = {"create_id": unsent, "link": LinkId(1)}
    if kind is CreateAck:
        told |= {"queue_sequence": 0xFFFF_FFFF, "station": LOW, "room": ROOM}
    else:
        told |= {"reason": ErrorCode.POLICY}
    with pytest.raises(PeerViolation, match="not sent yet"):
        end.receive(kind(**told))
    end.receive(CreateAck(create_id=asked[0].create_id, link=LinkId(1), queue_sequence=1, station=LOW, room=ROOM))
    assert [(each.create_id, each.queue_sequence) for each in end.sent(CreateRequest)[64:]] == [(unsent, 65)]


@pytest.mark.parametrize(("kind", "atomic"), [(PairKind.MEASURE, 1), (PairKind.PREPARE, 1), (PairKind.KEEP, 0)])
def test_request_for_data_that_is_not_kept_and_atomic_is_refused(kind: PairKind, atomic: int) -> None:
    """Halves of such a request would be remembered without end: no memory bounds those that are measured."""
    end = End(HIGH, LOW, (HIGH,))
    end.receive(create(1, 1, Label(0)).replace(kind=kind, atomic=atomic))
    assert [reject.reason for reject in end.sent(CreateReject)] == [ErrorCode.POLICY]


def test_gen_of_cycles_that_have_no_number_is_a_violation() -> None:
    """A Reply could not name them."""
    end = End(LOW, HIGH, (LOW,))
    far = gen((1 << 64) - 1, 1, 1, LOW).replace(stride=0xFFFF_FFFF, windows=2)
    with pytest.raises(PeerViolation):
        end.receive(far)
    assert not end.sent(Reply)

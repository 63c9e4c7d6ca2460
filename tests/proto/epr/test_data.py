"""Data sockets between two nodes on a scripted link: whose messages arrive, what waits, what is refused."""

from __future__ import annotations

from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna
from qstack.proto.epr.data import AHEAD, WAITING
from qstack.wire.control import (
    CreateEpr,
    EprConnected,
    EprDisconnected,
    EprSocketOpened,
    Half,
    OpenDataSocket,
    OpenEprSocket,
    Refused,
    SendSocketData,
    SocketDataArrived,
    SocketDataFailed,
    SocketDataSent,
    TakeSocketData,
)
from tests.proto.epr.ends import ALICE, BOB, PURPOSE, Ends


def open_data(ends: Ends, node: Qna, client: int = 1, *, run: bool = True) -> int:
    remote = BOB if node == ALICE else ALICE
    ends.ask(node, client, OpenDataSocket(request=ends.number(), remote=remote, purpose=PURPOSE), run=run)
    return ends.last(node, client, EprSocketOpened).socket


def both() -> tuple[Ends, int, int]:
    ends = Ends()
    return ends, open_data(ends, ALICE), open_data(ends, BOB)


def send(ends: Ends, node: Qna, socket: int, data: bytes, *, connection: int = 1, client: int = 1,
         run: bool = True) -> int:  # fmt: skip
    request = ends.number()
    message = SendSocketData(request=request, socket=socket, connection=connection, data=data)
    ends.ask(node, client, message, run=run)
    return request


def arrived(ends: Ends, node: Qna, client: int = 1) -> list[bytes]:
    return [told.data for told in ends.of(node, SocketDataArrived, client)]


def test_messages_arrive_in_order_and_their_ways_are_told() -> None:
    ends, ours, theirs = both()
    requests = [send(ends, ALICE, ours, octets) for octets in (b"first", b"", b"third")]
    send(ends, BOB, theirs, b"back")
    assert arrived(ends, BOB) == [b"first", b"", b"third"]
    assert arrived(ends, ALICE) == [b"back"]
    told = [(sent.request, sent.dense, sent.plain) for sent in ends.of(ALICE, SocketDataSent)]
    assert told == [(requests[0], 1, 4), (requests[1], 0, 0), (requests[2], 1, 4)]


def test_sender_is_held_up_until_the_other_application_takes() -> None:
    ends, ours, theirs = both()
    for number in range(AHEAD + 3):
        send(ends, ALICE, ours, b"%d" % number)
    assert len(arrived(ends, BOB)) == len(ends.of(ALICE, SocketDataSent)) == AHEAD
    ends.ask(BOB, 1, TakeSocketData(socket=theirs, connection=1, number=2))
    assert len(ends.of(ALICE, SocketDataSent)) == AHEAD + 2
    ends.ask(BOB, 1, TakeSocketData(socket=theirs, connection=1, number=AHEAD + 1))
    assert "messages taken" in ends.last(BOB, 1, Refused).text
    ends.ask(BOB, 1, TakeSocketData(socket=theirs, connection=1, number=AHEAD))
    assert arrived(ends, BOB) == [b"%d" % number for number in range(AHEAD + 3)]


def test_messages_beyond_the_limit_are_refused() -> None:
    ends, ours, _ = both()
    for _ in range(AHEAD + WAITING):
        send(ends, ALICE, ours, b"x")
    assert not ends.of(ALICE, Refused)
    send(ends, ALICE, ours, b"x")
    assert ends.last(ALICE, 1, Refused).reason == ErrorCode.NO_RESOURCES


def test_message_for_a_dead_application_reaches_no_successor() -> None:
    ends, ours, _ = both()
    send(ends, ALICE, ours, b"for the first", run=False)
    late = [ends.wires[ALICE].popleft()]
    ends.die(BOB)
    assert ends.last(ALICE, 1, EprDisconnected).connection == 1
    assert ends.last(ALICE, 1, SocketDataFailed).reason == ErrorCode.CANCELLED
    open_data(ends, BOB, 2)
    ends.wires[ALICE].extend(late)
    ends.run()
    send(ends, ALICE, ours, b"for the second", connection=2)
    assert arrived(ends, BOB, 2) == [b"for the second"]
    assert ends.counted["epr.stray_data"] >= 1


def test_message_of_a_dead_application_is_not_its_successors() -> None:
    ends, ours, _ = both()
    send(ends, ALICE, ours, b"of the first", run=False)
    late = [ends.wires[ALICE].popleft()]
    ends.die(ALICE)
    open_data(ends, ALICE, 2)
    ends.wires[ALICE].extend(late)
    ends.run()
    assert len(ends.of(BOB, EprConnected)) == 2
    assert not arrived(ends, BOB) and not ends.of(ALICE, SocketDataSent, 2)


def test_message_of_a_connection_that_is_over_fails() -> None:
    ends, ours, _ = both()
    ends.die(BOB)
    open_data(ends, BOB, 2)
    send(ends, ALICE, ours, b"x", connection=1)
    assert ends.last(ALICE, 1, SocketDataFailed).text == "connection 1 is over"
    assert not arrived(ends, BOB, 2)


def test_session_that_is_lost_fails_what_is_not_sent() -> None:
    ends, ours, _ = both()
    send(ends, ALICE, ours, b"x", run=False)
    ends.down()
    assert ends.last(ALICE, 1, SocketDataFailed).reason == ErrorCode.SESSION_LOST
    ends.up()
    send(ends, ALICE, ours, b"y", connection=2)
    assert arrived(ends, BOB) == [b"y"]


def test_end_of_an_application_gives_its_purpose_back() -> None:
    ends, ours, _ = both()
    send(ends, ALICE, ours, b"x", run=False)
    ends.ask(ALICE, 2, OpenEprSocket(request=ends.number(), remote=BOB, purpose=PURPOSE))
    assert "held by another" in ends.last(ALICE, 2, Refused).text
    ends.die(ALICE)
    assert not ends.links[ALICE].takes_data
    open_data(ends, ALICE, 2)
    assert len(ends.of(BOB, EprConnected)) == 2


def test_socket_for_data_takes_no_pairs_and_one_for_pairs_no_data() -> None:
    ends = Ends()
    ours, theirs = open_data(ends, ALICE), ends.open(BOB)
    ends.ask(ALICE, 1, CreateEpr(request=ends.number(), socket=ours, local=Half(), remote=Half()))
    assert "open an EPR socket" in ends.last(ALICE, 1, Refused).text
    send(ends, BOB, theirs, b"x")
    assert "open a data socket" in ends.last(BOB, 1, Refused).text
    send(ends, ALICE, ours, b"x")
    assert ends.last(ALICE, 1, SocketDataFailed).reason == ErrorCode.NO_ENDPOINT
    assert not ends.links[ALICE].listening and not ends.links[BOB].takes_data

"""The exchange: two ends and a bad channel between them, under a virtual clock; and each law alone."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation, ResourceLimit
from qstack.machine.exchange import Delivery, Exchange, ExchangeParameters, Outgoing

MS = 1_000_000
LAST = 2**32 - 1  # the number after it is 1
PARAMETERS = ExchangeParameters()
PATIENT = replace(PARAMETERS, attempts=1000)


class Datagram(NamedTuple):
    """What crosses the wire: an acknowledgement always, a message perhaps."""

    acknowledged: int
    sequence: int
    payload: bytes


class Channel(NamedTuple):
    """Chances of loss and duplication, and the delay, which reorders."""

    loss: float
    duplication: float
    least_ns: int
    most_ns: int


class Pair:
    """Both ends, their datagrams on the way, and one virtual clock."""

    def __init__(self, channel: Channel, seed: int, parameters: ExchangeParameters = PATIENT, first: int = 1) -> None:
        self.channel = channel
        self.chance = random.Random(seed)
        self.ends = [Exchange(parameters, first=first), Exchange(parameters, first=first)]
        self.received: list[list[bytes]] = [[], []]
        self.on_the_way: list[tuple[int, int, int, Datagram]] = []
        self.order = count()
        self.now_ns = 0
        self.transmissions = 0

    def run(self, until_ns: int = 10**13) -> None:
        """Let time pass until nothing more will happen."""
        while True:
            self.transmit()
            instants = [end.next_deadline() for end in self.ends] + [when for when, *_ in self.on_the_way[:1]]
            known = [instant for instant in instants if instant is not None]
            if not known or min(known) > until_ns:
                return
            assert min(known) >= self.now_ns or self.on_the_way
            self.now_ns = max(self.now_ns, min(known))
            self.arrive()

    def transmit(self) -> None:
        for number, end in enumerate(self.ends):
            for sequence, payload, context in end.outgoing(self.now_ns):
                assert context == ("sent", payload)
                self.put(1 - number, Datagram(end.acknowledgement(), sequence, payload))
            if end.ack_due(self.now_ns):
                self.put(1 - number, Datagram(end.acknowledgement(), 0, b""))
            assert not end.ack_due(self.now_ns)

    def put(self, to: int, datagram: Datagram) -> None:
        self.transmissions += 1
        copies = 1 + (self.chance.random() < self.channel.duplication)
        for _ in range(copies):
            if self.chance.random() >= self.channel.loss:
                when_ns = self.now_ns + self.chance.randint(self.channel.least_ns, self.channel.most_ns)
                heapq.heappush(self.on_the_way, (when_ns, next(self.order), to, datagram))

    def arrive(self) -> None:
        while self.on_the_way and self.on_the_way[0][0] <= self.now_ns:
            _, _, to, datagram = heapq.heappop(self.on_the_way)
            end = self.ends[to]
            end.acknowledge(datagram.acknowledged, self.now_ns)
            if datagram.sequence:
                for payload, context in end.receive(datagram.sequence, datagram.payload, datagram, self.now_ns):
                    assert context.payload == payload
                    self.received[to].append(payload)


def send(pair: Pair, number: int, texts: list[bytes]) -> None:
    for text in texts:
        pair.ends[number].send(text, pair.now_ns, ("sent", text))


def numbered(prefix: str, amount: int) -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(amount)]


@settings(max_examples=60)
@given(
    st.builds(Channel, st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 20 * MS), st.integers(20 * MS, 300 * MS)),
    st.integers(0, 2**32),
    st.integers(0, 200),
    st.integers(0, 40),
    st.sampled_from([1, LAST - 20, LAST]),
)
def test_exchange_over_a_bad_channel_delivers_everything_once_and_in_order(
    channel: Channel, seed: int, forth: int, back: int, first: int
) -> None:
    pair = Pair(channel, seed, first=first)
    send(pair, 0, numbered("forth", forth))
    send(pair, 1, numbered("back", back))
    pair.run()
    assert pair.received == [numbered("back", back), numbered("forth", forth)]
    for end in pair.ends:
        assert end.unacknowledged == 0
        assert end.next_deadline() is None
        assert not end.failed


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(0, 0.4))
def test_exchange_of_questions_and_answers_over_a_bad_channel_loses_none(seed: int, loss: float) -> None:
    pair = Pair(Channel(loss, 0.2, 1 * MS, 30 * MS), seed)
    for number in range(30):
        send(pair, number % 2, [b"%d" % number])
        pair.run()
    assert pair.received == [[b"%d" % n for n in range(1, 30, 2)], [b"%d" % n for n in range(0, 30, 2)]]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(10, 60))
def test_exchange_under_heavy_loss_delivers_a_prefix_or_fails(seed: int, messages: int) -> None:
    pair = Pair(Channel(0.7, 0.1, 0, 50 * MS), seed, replace(PARAMETERS, attempts=4))
    texts = numbered("m", messages)
    send(pair, 0, texts)
    pair.run()
    sender = pair.ends[0]
    assert pair.received[1] == texts[: len(pair.received[1])]
    assert sender.failed or len(pair.received[1]) == messages
    assert sender.unacknowledged == 0
    assert all(end.next_deadline() is None for end in pair.ends)


@pytest.mark.parametrize("messages", [1, 64, 65, 256])
def test_exchange_over_a_perfect_channel_sends_each_message_once(messages: int) -> None:
    pair = Pair(Channel(0, 0, 1 * MS, 1 * MS), 0)
    send(pair, 0, numbered("m", messages))
    pair.run()
    flights = -(-messages // 64)
    assert pair.transmissions == messages + flights
    assert pair.now_ns == flights * (2 * MS + ExchangeParameters().ack_delay_ns)


def test_exchange_round_trip_longer_than_the_timeout_is_learned() -> None:
    pair = Pair(Channel(0, 0, 400 * MS, 400 * MS), 0)
    for number in range(10):
        send(pair, 0, [b"%d" % number])
        pair.run()
    before = pair.transmissions
    assert pair.ends[0].srtt_ns is not None
    assert pair.ends[0].rto_ns > 805 * MS
    send(pair, 0, [b"last"])
    pair.run()
    assert pair.transmissions == before + 2  # the message and its acknowledgement


def test_exchange_loses_one_of_a_flight_and_sends_few_again() -> None:
    pair = Pair(Channel(0, 0, 1 * MS, 1 * MS), 0)
    send(pair, 0, numbered("m", 64))
    pair.transmit()
    pair.on_the_way = [entry for entry in pair.on_the_way if entry[3].sequence != 1]
    heapq.heapify(pair.on_the_way)
    pair.run()
    assert pair.received[1] == numbered("m", 64)
    assert pair.transmissions <= 64 + PARAMETERS.burst + PARAMETERS.burst  # again, and acknowledgements


def outgoing(exchange: Exchange, now_ns: int) -> list[int]:
    return [sequence for sequence, _, _ in exchange.outgoing(now_ns)]


def test_exchange_numbers_start_at_one_and_messages_keep_their_context() -> None:
    exchange = Exchange()
    assert exchange.send(b"a", 0, "label") == 1
    assert exchange.send(b"b", 0) == 2
    assert exchange.next_deadline() == 0
    assert exchange.outgoing(0) == [Outgoing(1, b"a", "label"), Outgoing(2, b"b", None)]
    assert exchange.outgoing(0) == []
    assert exchange.unacknowledged == 2


def test_exchange_numbers_go_from_the_last_to_one() -> None:
    exchange = Exchange(first=LAST)
    assert [exchange.send(b"", 0), exchange.send(b"", 0)] == [LAST, 1]
    exchange.outgoing(0)
    exchange.acknowledge(1, 0)
    assert exchange.unacknowledged == 0
    peer = Exchange(first=LAST)
    assert peer.acknowledgement() == 0
    assert peer.receive(1, b"second", None, 0) == []
    assert peer.acknowledgement() == 0
    assert [payload for payload, _ in peer.receive(LAST, b"first", None, 0)] == [b"first", b"second"]
    assert peer.acknowledgement() == 1


def test_exchange_unacknowledged_message_is_sent_again_with_doubled_timeouts_until_it_fails() -> None:
    exchange = Exchange()
    exchange.send(b"a", 0)
    instants = []
    now_ns = 0
    while not exchange.failed:
        if exchange.outgoing(now_ns):
            instants.append(now_ns // MS)
        deadline = exchange.next_deadline()
        assert (deadline is None) is exchange.failed
        now_ns = deadline or now_ns
    assert instants == [0, 50, 150, 350, 750, 1550, 3150, 5150, 7150, 9150, 11150, 13150, 15150]
    assert now_ns == 17150 * MS


def test_exchange_failed_takes_and_gives_nothing() -> None:
    exchange = Exchange(replace(PARAMETERS, attempts=1))
    exchange.send(b"a", 0)
    exchange.outgoing(0)
    assert exchange.outgoing(50 * MS) == []
    assert exchange.failed
    with pytest.raises(LocalMisuse) as caught:
        exchange.send(b"b", 0)
    assert caught.value.reason is ErrorCode.SESSION_LOST
    assert exchange.outgoing(0) == []
    assert exchange.unacknowledged == 0
    exchange.acknowledge(1, 0)  # too late, but the peer did nothing wrong
    assert exchange.receive(1, b"x", None, 0) == [Delivery(b"x", None)]


def test_exchange_full_refuses_the_next_message() -> None:
    exchange = Exchange()
    for _ in range(256):
        exchange.send(b"a", 0)
    with pytest.raises(ResourceLimit):
        exchange.send(b"a", 0)
    assert outgoing(exchange, 0) == list(range(1, 65))
    assert outgoing(exchange, 0) == []
    exchange.acknowledge(1, 0)
    assert exchange.send(b"a", 0) == 257
    assert outgoing(exchange, 0) == [65]


def test_exchange_only_the_oldest_are_sent_again() -> None:
    exchange = Exchange()
    for _ in range(20):
        exchange.send(b"a", 0)
    exchange.outgoing(0)
    assert outgoing(exchange, 50 * MS) == list(range(1, 9))


def test_exchange_progress_lets_the_next_gap_go_at_once_and_doubles_nothing() -> None:
    exchange = Exchange()
    for _ in range(20):
        exchange.send(b"a", 0)
    exchange.outgoing(0)
    exchange.outgoing(50 * MS)
    exchange.acknowledge(12, 120 * MS)
    assert exchange.next_deadline() == 50 * MS
    assert outgoing(exchange, 120 * MS) == list(range(13, 21))
    assert exchange.rto_ns == 50 * MS


def test_exchange_waiting_behind_gaps_is_not_taken_for_a_long_round_trip() -> None:
    exchange = Exchange()
    for _ in range(64):
        exchange.send(b"a", 0)
    exchange.outgoing(0)
    for gap in range(1, 64, 8):  # the first message of each eight is lost, and sent again when its turn comes
        now_ns = gap * 100 * MS
        assert outgoing(exchange, now_ns)[0] == gap
        exchange.acknowledge(gap + 7, now_ns + 10 * MS)
    assert exchange.unacknowledged == 0
    assert exchange.rto_ns == 50 * MS


def test_exchange_acknowledged_once_sent_messages_give_a_round_trip() -> None:
    exchange = Exchange()
    exchange.send(b"a", 0)
    exchange.outgoing(10 * MS)
    exchange.acknowledge(1, 40 * MS)
    assert exchange.srtt_ns == 30 * MS
    exchange.send(b"a", 40 * MS)
    exchange.outgoing(40 * MS)
    exchange.outgoing(40 * MS + exchange.rto_ns)
    exchange.acknowledge(2, 41 * MS + exchange.rto_ns)
    assert exchange.srtt_ns == 30 * MS  # which of the two was acknowledged? (Karn)


@pytest.mark.parametrize("cumulative", [0, 1, 2, LAST, LAST - 7])
def test_exchange_old_acknowledgements_change_nothing(cumulative: int) -> None:
    exchange = Exchange()
    for _ in range(4):
        exchange.send(b"a", 0)
    exchange.outgoing(0)
    exchange.acknowledge(2, 0)
    exchange.acknowledge(cumulative, 0)
    assert exchange.unacknowledged == 2


@pytest.mark.parametrize("cumulative", [5, 100, 2**30])
def test_exchange_acknowledgement_of_what_was_never_sent_is_a_violation(cumulative: int) -> None:
    exchange = Exchange()
    for _ in range(3):
        exchange.send(b"a", 0)
    exchange.outgoing(0)
    for _ in range(3):
        exchange.send(b"waits, not yet transmitted", 0)
    with pytest.raises(PeerViolation):
        exchange.acknowledge(cumulative, 0)
    with pytest.raises(PeerViolation):
        exchange.acknowledge(4, 0)
    assert exchange.unacknowledged == 6


def test_exchange_acknowledgement_is_owed_after_a_delay_and_at_once_after_a_duplicate() -> None:
    exchange = Exchange(replace(PARAMETERS, ack_delay_ns=5 * MS))
    assert not exchange.ack_due(10**18)
    exchange.receive(1, b"a", None, 0)
    exchange.receive(2, b"b", None, 3 * MS)
    assert not exchange.ack_due(5 * MS - 1)
    assert exchange.next_deadline() == 5 * MS
    assert exchange.ack_due(5 * MS)
    assert exchange.acknowledgement() == 2
    assert not exchange.ack_due(10**18)
    assert exchange.next_deadline() is None
    assert exchange.receive(1, b"a", None, 7 * MS) == []
    assert exchange.ack_due(7 * MS)
    assert exchange.acknowledgement() == 2
    assert not exchange.ack_due(12 * MS - 1)
    assert exchange.ack_due(12 * MS)
    exchange.acknowledgement()
    assert exchange.next_deadline() is None


def test_exchange_keeps_what_comes_early_as_far_as_its_limit() -> None:
    exchange = Exchange()
    assert exchange.receive(66, b"too early", None, 0) == []
    assert exchange.ack_due(5 * MS)
    assert exchange.acknowledgement() == 0
    for sequence in range(65, 1, -1):
        assert exchange.receive(sequence, b"%d" % sequence, sequence, 0) == []
    assert exchange.receive(40, b"again", None, 0) == []
    delivered = exchange.receive(1, b"1", 1, 0)
    assert delivered == [Delivery(b"%d" % sequence, sequence) for sequence in range(1, 66)]
    assert exchange.acknowledgement() == 65
    assert exchange.receive(66, b"66", None, 0) == [Delivery(b"66", None)]


@pytest.mark.parametrize("sequence", [0, -1, 2**32])
def test_exchange_message_without_a_number_is_a_violation(sequence: int) -> None:
    exchange = Exchange()
    with pytest.raises(PeerViolation):
        exchange.receive(sequence, b"", None, 0)
    assert exchange.next_deadline() is None


@pytest.mark.parametrize(
    "change",
    [
        {"attempts": 0},
        {"send_limit": 0},
        {"reorder_limit": 0},
        {"burst": 0},
        {"ack_delay_ns": -1},
        {"reorder_limit": 2**31 + 1},
        {"minimum_rto_ns": 0},
        {"initial_rto_ns": 1},
        {"maximum_rto_ns": 30 * MS},
    ],
)
def test_exchange_with_impossible_parameters_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(LocalMisuse):
        Exchange(replace(PARAMETERS, **change))

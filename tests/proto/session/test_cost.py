"""What a stranger may cost: amplification, state, and what becomes of others meanwhile."""

from collections import defaultdict
from dataclasses import replace

import pytest

from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.ids import Epoch, Qna, make_qna
from qstack.base.locator import Locator
from qstack.base.services import PeerDown, PeerUp
from qstack.proto.session.carrier import HandshakeMessage, with_check
from qstack.proto.session.params import SessionParameters
from qstack.wire.header import HEADER_SIZE, Header
from qstack.wire.protocols import Protocol
from qstack.wire.session import (
    Abort,
    CookieChallenge,
    CookieTlv,
    Flight,
    FlightAck,
    Initiate,
    PaddingTlv,
)
from tests.proto.session.network import MILLISECOND, SECOND, Network, Station, Weather, at, home, whole

MALLORY = Locator(bytes((203, 0, 113, 66)), 4560)
QUESTION = (PaddingTlv(filler=bytes(30)),)


def forge(network: Network, message: HandshakeMessage, claimed: Qna, victim: Station, source: Locator = MALLORY) -> int:
    """Bring an unsealed message in anybody's name; give its size as a datagram."""
    header = Header(next_protocol=Protocol.SESSION, source=claimed, destination=victim.qna)
    datagram = whole(header, with_check(message, claimed, victim.qna).encode())
    network.inject(source, victim.locator, datagram)
    return len(datagram)


def answers(network: Network, victim: Station, to: Locator = MALLORY) -> list[bytes]:
    return [each.datagram for each in network.crossings if each.source == victim.locator and each.destination == to]


def cookie_for(network: Network, victim: Station, claimed: Qna, epoch: int, nonce: bytes) -> bytes:
    before = len(answers(network, victim))
    forge(network, Initiate(initiator_epoch=Epoch(epoch), nonce=nonce, options=QUESTION), claimed, victim)
    network.run(20 * MILLISECOND)
    challenge = CookieChallenge.decode_untrusted(answers(network, victim)[before][HEADER_SIZE:])
    return challenge.cookie


@pytest.mark.parametrize("scope", [Seal.HOP, Seal.END])
@pytest.mark.parametrize("seed", range(40))
def test_cost_responder_never_has_sent_more_than_it_has_received(scope: Seal, seed: int) -> None:
    network = Network(scope, seed, Weather(loss=0.4, duplication=0.3, corruption=0.1, jitter_ns=300 * MILLISECOND))
    alice, bob = network.station(1), network.station(2)
    received: dict[Locator, int] = defaultdict(int)
    sent: dict[Locator, int] = defaultdict(int)
    take_in, put_out = bob.receive, network.send

    def count_in(datagram: bytes, source: Locator) -> None:
        received[source] += len(datagram)
        take_in(datagram, source)

    def count_out(source: Station, destination: Locator, datagram: bytes) -> None:
        if source is bob:
            sent[destination] += len(datagram)
            assert bob.of(PeerUp) or sent[destination] <= received[destination]
        put_out(source, destination, datagram)

    bob.receive, network.send = count_in, count_out  # type: ignore[method-assign]
    alice.connect(bob)
    network.run(60 * SECOND, lambda: alice.machine.is_up(bob.qna))
    assert alice.machine.is_up(bob.qna) and sent[alice.locator]


@pytest.mark.parametrize(
    "message",
    [
        Initiate(initiator_epoch=Epoch(7), nonce=bytes(16)),
        Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), options=QUESTION),
        Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), options=(CookieTlv(cookie=bytes(16)),)),
        Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), total=500, data=bytes(500)),
        CookieChallenge(initiator_epoch=Epoch(7), nonce=bytes(16), cookie=bytes(16)),
        Flight(receiver_epoch=Epoch(7), sender_epoch=Epoch(8), flight=1, offset=0, total=2, data=b"a"),
        Flight(receiver_epoch=Epoch(7), sender_epoch=Epoch(0), flight=2, offset=9, total=2, data=b"a"),
        FlightAck(receiver_epoch=Epoch(7), sender_epoch=Epoch(8), flight=1, received=0),
        Abort(receiver_epoch=Epoch(7), sender_epoch=Epoch(8), reason=ErrorCode.SESSION_LOST),
    ],
    ids=lambda message: type(message).__name__,
)
def test_cost_no_stray_message_gets_an_answer_larger_than_itself(message: HandshakeMessage) -> None:
    network = Network()
    bob = network.station(2)
    question = forge(network, message, at(1), bob)
    network.run(60 * SECOND)
    given = answers(network, bob)
    assert len(given) <= 1 and sum(map(len, given)) <= question
    assert not bob.machine.describe() and bob.machine.next_deadline() is None


def test_cost_damaged_or_misdirected_message_gets_no_answer() -> None:
    network = Network()
    bob = network.station(2)
    question = Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), options=QUESTION)
    header = Header(next_protocol=Protocol.SESSION, source=at(1), destination=bob.qna)
    right = with_check(question, at(1), bob.qna)
    for wrong in (question, with_check(question, at(1), at(3)), with_check(question, at(4), bob.qna)):
        network.inject(MALLORY, bob.locator, whole(header, wrong.encode()))
    network.inject(MALLORY, bob.locator, whole(header, right.replace(nonce=b"x" * 16).encode()))
    network.run(SECOND)
    assert not answers(network, bob) and bob.counts == {"session.hop.damaged": 4}


def test_cost_questions_leave_no_state() -> None:
    network = Network()
    bob = network.station(2)
    for number in range(2_000):
        source = Locator(bytes((198, 51, number >> 8, number & 255)), 4560)
        question = Initiate(initiator_epoch=Epoch(number + 1), nonce=bytes(16), options=QUESTION)
        forge(network, question, make_qna(64512, number + 10), bob, source)
    network.run(SECOND)
    assert bob.counts == {"session.hop.challenged": 2_000}
    assert not bob.machine.describe() and bob.machine.next_deadline() is None


def test_cost_cookie_counts_for_its_source_qna_epoch_and_nonce_alone() -> None:
    network = Network()
    bob = network.station(2)
    cookie = cookie_for(network, bob, at(1), 7, bytes(16))
    offer = Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), total=9, data=b"a", options=(CookieTlv(cookie=cookie),))
    for message, claimed, source in [
        (offer, at(3), MALLORY),
        (offer, at(1), Locator(MALLORY.address, 4561)),
        (offer, at(1), home(at(1))),
        (offer.replace(initiator_epoch=8), at(1), MALLORY),
        (offer.replace(nonce=b"n" * 16), at(1), MALLORY),
        (offer.replace(options=(CookieTlv(cookie=bytes(16)),)), at(1), MALLORY),
    ]:
        forge(network, message, claimed, bob, source)
        network.run(20 * MILLISECOND)
        assert not bob.machine.describe()
    forge(network, offer, at(1), bob)
    network.run(20 * MILLISECOND)
    assert [view.state for view in bob.machine.describe()] == ["gathering"]


@pytest.mark.parametrize(("age_s", "good"), [(100, True), (241, False)])
def test_cost_cookie_lives_as_long_as_two_secrets_at_most(age_s: int, good: bool) -> None:
    network = Network()
    bob = network.station(2)
    cookie = cookie_for(network, bob, at(1), 7, bytes(16))
    network.run(age_s * SECOND)
    offer = Initiate(initiator_epoch=Epoch(7), nonce=bytes(16), total=9, data=b"a", options=(CookieTlv(cookie=cookie),))
    forge(network, offer, at(1), bob)
    network.run(20 * MILLISECOND)
    assert bool(bob.machine.describe()) is good


def begin(network: Network, bob: Station, number: int) -> None:
    """One half-open session of Mallory, with a cookie honestly earned."""
    nonce = number.to_bytes(16, "big")
    cookie = cookie_for(network, bob, at(100 + number), number + 1, nonce)
    offer = Initiate(
        initiator_epoch=Epoch(number + 1), nonce=nonce, total=1_500, data=b"a", options=(CookieTlv(cookie=cookie),)
    )
    forge(network, offer, at(100 + number), bob)
    network.run(6 * MILLISECOND)


def test_cost_one_source_begins_20_a_second_after_a_burst_of_5() -> None:
    network = Network()
    bob = network.station(2)
    begun = network.now_ns
    for number in range(60):
        begin(network, bob, number)
    allowed = 5 + 20 * (network.now_ns - begun) // SECOND
    assert allowed - 2 <= len(bob.machine.describe()) <= allowed + 1
    assert bob.counts["session.hop.limited.source"] == 60 - len(bob.machine.describe())


def test_cost_half_open_sessions_end_after_30_s_without_a_word() -> None:
    network = Network()
    bob = network.station(2)
    begin(network, bob, 1)
    before = len(network.crossings)
    network.run(29 * SECOND)
    assert bob.machine.describe()
    network.run(2 * SECOND)
    assert not bob.machine.describe() and len(network.crossings) == before
    assert bob.machine.next_deadline() is None and not bob.services


def test_cost_full_table_keeps_live_epochs_and_lets_honest_callers_in() -> None:
    flood = replace(
        SessionParameters(), half_open_limit=8, source_rate_per_s=10_000, source_burst=1_000, all_rate_per_s=10_000,
        all_burst=1_000,
    )  # fmt: skip
    network = Network(parameters=flood)
    alice, bob = network.pair()
    for number in range(60):
        begin(network, bob, number)
        assert len(bob.machine.describe()) <= 1 + 8
    assert bob.counts["session.hop.limited.half_open"] > 0
    assert alice.machine.is_up(bob.qna) and not bob.of(PeerDown) and not alice.of(PeerDown)
    alice.say(bob, b"still here")
    carol = network.station(3)
    carol.connect(bob)
    for number in range(60, 120):
        begin(network, bob, number)
    network.run(10 * SECOND)
    assert carol.machine.is_up(bob.qna)
    assert bob.received == [(alice.qna, b"still here")]


@pytest.mark.parametrize("limits", [{"live_of_domain": 3}, {"live_limit": 3}])
def test_cost_nodes_of_one_domain_have_their_share_of_epochs_and_own_calls_are_free(limits: dict[str, int]) -> None:
    network = Network(Seal.END, parameters=SessionParameters(**limits))
    server, *callers = (network.station(number) for number in range(1, 7))
    for caller in callers:
        caller.connect(server)
        network.run(2 * SECOND)
    assert [server.machine.is_up(caller.qna) for caller in callers] == [True] * 3 + [False] * 2
    assert server.counts["session.end.limited.live"] > 0
    for caller in callers[:4]:
        caller.machine.drop(server.qna, "begins anew", network.now_ns)
        caller.settle()
        caller.connect(server)
        network.run(3 * SECOND)
    assert [caller.machine.is_up(server.qna) for caller in callers] == [True] * 3 + [False] * 2
    server.connect(callers[4])
    network.run(2 * SECOND)
    assert server.machine.is_up(callers[4].qna)


def test_cost_unproved_messages_in_a_peers_name_do_not_disturb_its_epoch() -> None:
    network = Network()
    alice, bob = network.pair()
    (view,) = bob.machine.describe()
    nonce = bytes(16)
    cookie = cookie_for(network, bob, alice.qna, 99, nonce)
    proved = (CookieTlv(cookie=cookie),)
    epochs = (view.local_epoch, view.remote_epoch)
    for source in (MALLORY, alice.locator):
        for message in (
            Initiate(initiator_epoch=view.remote_epoch, nonce=nonce, options=QUESTION),
            Initiate(initiator_epoch=Epoch(99), nonce=nonce, total=1_451, data=bytes(1_000), options=proved),
            Initiate(
                initiator_epoch=Epoch(99), nonce=nonce, offset=1_000, total=1_451, data=bytes(451), options=proved
            ),
            Flight(receiver_epoch=epochs[0], sender_epoch=epochs[1], flight=2, offset=0, total=2, data=b"a"),
            FlightAck(receiver_epoch=epochs[0], sender_epoch=epochs[1], flight=1, received=0),
            Abort(receiver_epoch=epochs[0], sender_epoch=epochs[1], reason=ErrorCode.SESSION_LOST),
            Abort(receiver_epoch=epochs[0], sender_epoch=epochs[1], reason=ErrorCode.NOT_ALLOWED),
        ):
            forge(network, message, alice.qna, bob, source)
    network.run(10 * SECOND)
    assert len(bob.of(PeerUp)) == 1 and not bob.of(PeerDown) and not alice.of(PeerDown)
    alice.say(bob, b"undisturbed")
    network.run(SECOND)
    assert bob.received == [(alice.qna, b"undisturbed")]


def test_cost_abort_of_somebody_else_does_not_end_an_attempt() -> None:
    network = Network()
    alice, bob = network.station(1), network.station(2)
    network.tap = lambda crossing: not (crossing.source == alice.locator and crossing.datagram[HEADER_SIZE] == 3)
    alice.connect(bob)
    network.run(200 * MILLISECOND)
    (view,) = alice.machine.describe()
    assert view.state == "confirming"
    abort = Abort(receiver_epoch=view.local_epoch, sender_epoch=view.remote_epoch, reason=ErrorCode.NOT_ALLOWED)
    forge(network, abort, bob.qna, alice)  # not from where bob is
    forge(network, abort.replace(sender_epoch=1), bob.qna, alice, bob.locator)
    network.run(100 * MILLISECOND)
    assert [each.state for each in alice.machine.describe()] == ["confirming"]
    forge(network, abort, bob.qna, alice, bob.locator)
    network.run(100 * MILLISECOND)
    assert not alice.machine.describe()

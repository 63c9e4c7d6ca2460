"""Whatever comes in: no exception, no change beyond counters, no answer larger than its question, sessions stay."""

import random

import pytest

from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna, make_qna
from qstack.proto.session.carrier import with_check
from qstack.wire.circuit import Release
from qstack.wire.header import (
    EchoReply,
    EchoRequest,
    EndHeader,
    ErrorReport,
    ExchangeTlv,
    Header,
    decode_header_untrusted,
    encode_datagram,
)
from qstack.wire.link import Cancel
from qstack.wire.protocols import Protocol
from qstack.wire.qarp import Question
from qstack.wire.session import Close, Established, Initiate, PaddingTlv, Probe, ProbeReply
from qstack.wire.unit import KeyConfirm, UnitClose
from qstack.wire.value import UnknownTlv, decode_message_untrusted
from tests.node.rig import STRANGER, Rig, settle_flows


@pytest.fixture
def rig() -> Rig:
    """All sessions up, end sessions too, and nothing under way."""
    made = Rig()
    assert made.ping() is not None
    settle_flows(made)
    return made


def goldens(rig: Rig) -> list:
    """One datagram of each kind that has come to n2: protocol, message, sealed or not."""
    found = {}
    for crossing in rig.crossings:
        if crossing.destination == rig.locator("n2"):
            header, offset = decode_header_untrusted(crossing.datagram)
            first = crossing.datagram[offset] if header.epoch == 0 else len(crossing.datagram)
            found.setdefault((header.next_protocol, header.epoch == 0, first), crossing)
    return list(found.values())


def small_enough(outbound, datagram: bytes) -> bool:
    return sum(len(each.datagram) for each in outbound) <= len(datagram)


def assert_alive(rig: Rig) -> None:
    assert all(rig.is_up("n2", peer) for peer in ("n1", "n3"))
    assert all(rig.is_up(peer, "n2") for peer in ("n1", "n3"))
    answer = rig.ping()
    assert answer is not None and answer.round_trip_ns


# --- what anybody on the network can send ---------------------------------------------------------------------------


def test_node_given_any_octets_keeps_its_state(rig: Rig) -> None:
    before, dice = rig.state(), random.Random(1)
    for size in [*range(70), *(dice.randrange(70, 1500) for _ in range(300)), 65_507]:
        assert rig.give(dice.randbytes(size), STRANGER) == []
    assert rig.state() == before
    assert_alive(rig)


def test_node_given_octets_behind_a_right_header_keeps_its_state(rig: Rig) -> None:
    before, dice = rig.state(), random.Random(2)
    for protocol in (*Protocol, 200):
        for size in (0, 1, 7, 16, 40, 200, 1200):
            for epoch in (0, 1, dice.randrange(1, 1 << 32)):
                header = Header(next_protocol=protocol, source=rig.qna("n1"), destination=rig.qna("n2"), epoch=epoch)
                datagram = encode_datagram(header, dice.randbytes(size))
                assert small_enough(rig.give(datagram, rig.locator("n1")), datagram)
    assert rig.state() == before
    assert_alive(rig)


def test_node_given_cut_or_lengthened_datagrams_keeps_its_state(rig: Rig) -> None:
    before = rig.state()
    for golden in goldens(rig):
        octets = golden.datagram
        cut = [octets[:size] for size in range(0, len(octets), max(1, len(octets) // 150))]
        for damaged in (*cut, octets[:-1], octets + b"\0", octets + octets):
            assert rig.give(damaged, golden.source) == []
    assert rig.state() == before
    assert_alive(rig)


def test_node_given_sealed_datagrams_with_any_bit_flipped_refuses_them(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    fresh = rig.seal(Probe(token=1))
    for place in range(len(fresh) * 8):
        damaged = bytearray(fresh)
        damaged[place // 8] ^= 1 << place % 8
        assert rig.give(bytes(damaged), rig.locator("n1")) == [], place
    assert rig.state() == before
    assert sum(gained().values()) == len(fresh) * 8
    assert rig.give(fresh, rig.locator("n1"))  # unharmed it is answered
    assert_alive(rig)


def test_node_given_unsealed_datagrams_with_bits_flipped_stays_connected_and_multiplies_nothing(rig: Rig) -> None:
    sessions, dice = rig.state()["sessions"], random.Random(3)
    for golden in [golden for golden in goldens(rig) if not golden.header.epoch]:
        places = range(len(golden.datagram) * 8)
        for place in places if len(places) < 1500 else dice.sample(places, 1500):
            damaged = bytearray(golden.datagram)
            damaged[place // 8] ^= 1 << place % 8
            assert small_enough(rig.give(bytes(damaged), golden.source), golden.datagram), (golden.header, place)
            assert small_enough(rig.give(bytes(damaged), STRANGER), golden.datagram), (golden.header, place)
    live = [session for session in rig.state()["sessions"] if session[1] == "established"]
    assert live == [session for session in sessions if session[1] == "established"]
    assert_alive(rig)


def test_node_given_every_datagram_again_repeats_nothing(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    sealed = [each for each in rig.crossings if each.destination == rig.locator("n2") and each.header.epoch]
    assert len(sealed) > 5
    for crossing in sealed:
        assert rig.give(crossing.datagram, crossing.source) == []
        assert rig.give(crossing.datagram, STRANGER) == []
    assert rig.state() == before
    assert gained() == {"session.hop.refused.replayed": 2 * len(sealed)}
    assert_alive(rig)


@pytest.mark.parametrize(
    "message",
    [Close(), Probe(token=1), ProbeReply(token=1), Established()],
    ids=lambda message: message.NAME,
)
def test_node_given_an_unsealed_message_that_must_be_sealed_refuses_it(rig: Rig, message) -> None:
    before = rig.state()
    header = Header(next_protocol=Protocol.SESSION, source=rig.qna("n1"), destination=rig.qna("n2"))
    for source in (rig.locator("n1"), STRANGER):
        assert rig.give(encode_datagram(header, message), source) == []
    assert rig.state() == before
    assert_alive(rig)


@pytest.mark.parametrize(
    "message",
    [
        Release(link_label=2, reason=1), Cancel(link=1, label=2, reason=1), UnitClose(request=1, by_head=1, reason=1),
        EchoRequest(identifier=1, sequence=1, data=b"x" * 100),
        ErrorReport(reason=1, protocol=2, reporter=1, destination=2),
    ],
    ids=lambda message: message.NAME,
)
def test_node_given_an_unsealed_message_of_another_protocol_refuses_it(rig: Rig, message) -> None:
    before, gained = rig.state(), rig.gained()
    header = Header(next_protocol=message.PROTOCOL, source=rig.qna("n1"), destination=rig.qna("n2"))
    assert rig.give(encode_datagram(header, message), rig.locator("n1")) == []
    assert rig.state() == before
    assert gained() == {"header.unsealed_refused": 1}


def test_node_asked_for_a_session_in_a_neighbours_name_answers_no_more_than_it_was_asked(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    question = Initiate(initiator_epoch=1, nonce=bytes(16), options=(PaddingTlv(filler=bytes(40)),))
    header = Header(next_protocol=Protocol.SESSION, source=rig.qna("n1"), destination=rig.qna("n2"))
    datagram = encode_datagram(header, with_check(question, rig.qna("n1"), rig.qna("n2")))
    answers = rig.give(datagram, STRANGER)
    assert len(answers) == 1 and small_enough(answers, datagram)
    assert gained() == {"session.hop.challenged": 1} and rig.state() == before


def test_node_asked_for_a_session_by_who_is_no_neighbour_is_silent(rig: Rig) -> None:
    """A certificate, even a good one, makes nobody a neighbour: a hop session is a door for all that is forwarded."""
    before, gained = rig.state(), rig.gained()
    for stranger in (Qna(77), make_qna(64512, 99), rig.qna("n2") + 9):
        question = Initiate(initiator_epoch=1, nonce=bytes(16), options=(PaddingTlv(filler=bytes(40)),))
        header = Header(next_protocol=Protocol.SESSION, source=stranger, destination=rig.qna("n2"))
        datagram = encode_datagram(header, with_check(question, stranger, rig.qna("n2")))
        assert rig.give(datagram, STRANGER) == []
    assert gained() == {"header.strangers": 3} and rig.state() == before


def test_node_asked_for_addresses_that_are_not_its_own_is_silent(rig: Rig) -> None:
    before = rig.state()
    for source, target in ((77, 78), (rig.qna("n1"), rig.qna("n3")), (rig.qna("n2"), rig.qna("n2"))):
        header = Header(next_protocol=Protocol.QARP, source=Qna(source), destination=Qna(0))
        question = Question(nonce=bytes(16), target=Qna(target))
        assert rig.give(encode_datagram(header, question), STRANGER) == []
    assert rig.state() == before


def test_node_given_an_unsealed_datagram_for_another_node_does_not_forward_it(rig: Rig) -> None:
    header = Header(next_protocol=Protocol.SESSION, source=rig.qna("n1"), destination=rig.qna("n3"))
    assert rig.give(encode_datagram(header, Initiate(initiator_epoch=1, nonce=bytes(16))), rig.locator("n1")) == []


# --- what a neighbour with a session can send -------------------------------------------------------------------------


def test_neighbour_that_speaks_in_anothers_name_is_refused(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    for source in ("n3", "n2"):
        for message in (Release(link_label=2, reason=1), Cancel(link=1, label=2, reason=1)):
            assert rig.give(rig.seal(message, source=rig.qna(source)), rig.locator("n1")) == []
    assert rig.state() == before
    assert sum(gained().values()) == 4
    assert_alive(rig)


@pytest.mark.parametrize("message", [Close(), Probe(token=1)], ids=lambda message: message.NAME)
@pytest.mark.parametrize("destination", ["n2", "n3"])
def test_neighbour_that_speaks_of_anothers_epoch_is_refused(rig: Rig, message, destination: str) -> None:
    for source in ("n2", "n3"):
        for outbound in rig.give(
            rig.seal(message, source=rig.qna(source), destination=rig.qna(destination)), rig.locator("n1")
        ):
            rig.give(outbound.datagram, rig.locator("n2"), "n3")
    assert_alive(rig)


def test_neighbour_that_sends_in_the_nodes_own_name_is_not_forwarded(rig: Rig) -> None:
    gained = rig.gained()
    for message in (Close(), ErrorReport(reason=1, protocol=2, reporter=1, destination=2)):
        datagram = rig.seal(message, source=rig.qna("n2"), destination=rig.qna("n3"))
        assert rig.give(datagram, rig.locator("n1")) == []
    assert gained() == {"header.own_source": 2}


def test_neighbour_that_sends_nonsense_is_told_once_for_each_and_not_faster_than_the_limit(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    answers = []
    for _ in range(40):
        answers += rig.give(rig.seal(b"\xff" * 60, Protocol.CIRCUIT), rig.locator("n1"))
    assert gained()["circuit.malformed"] == 40
    assert len(answers) == 10 and gained()["header.errors_suppressed"] == 30
    header, payload = rig.open(answers[0])
    report = decode_message_untrusted(header.next_protocol, payload)
    assert isinstance(report, ErrorReport) and report.reason == ErrorCode.MALFORMED
    assert (report.protocol, report.reporter) == (Protocol.CIRCUIT, rig.qna("n2"))
    assert rig.state() == before


def test_neighbour_that_reports_an_error_gets_no_answer_not_even_to_nonsense(rig: Rig) -> None:
    before = rig.state()
    report = ErrorReport(reason=1, protocol=2, reporter=1, destination=2)
    assert rig.give(rig.seal(report), rig.locator("n1")) == []
    assert rig.give(rig.seal(b"\x03", Protocol.HEADER), rig.locator("n1")) == []
    assert rig.give(rig.seal(report, destination=Qna(99)), rig.locator("n1")) == []
    assert rig.state() == before


def test_neighbour_that_echoes_without_the_end_seal_violates(rig: Rig) -> None:
    gained = rig.gained()
    for message in (EchoRequest(identifier=1, sequence=1, data=b""), EchoReply(identifier=1, sequence=1, data=b"")):
        assert rig.give(rig.seal(message), rig.locator("n1")) == []
    assert gained() == {"header.violations": 2}


def test_neighbour_with_an_unknown_critical_option_is_refused_and_told(rig: Rig) -> None:
    before, gained = rig.state(), rig.gained()
    [answer] = rig.give(rig.seal(Release(link_label=2, reason=1), options=(UnknownTlv(code=0xBEEF, value=bytes(40)),)),
                        rig.locator("n1"))  # fmt: skip
    header, payload = rig.open(answer)
    assert decode_message_untrusted(header.next_protocol, payload).reason == ErrorCode.UNKNOWN_CRITICAL_TLV
    assert gained() == {"circuit.malformed": 1}
    assert rig.state() == before


def test_neighbour_with_an_unknown_option_that_is_not_critical_is_understood(rig: Rig) -> None:
    gained = rig.gained()
    option = UnknownTlv(code=0x3EEF, value=b"?")
    rig.give(rig.seal(Release(link_label=2, reason=1), options=(option,)), rig.locator("n1"))
    assert gained() == {"circuit.stray_signals": 1}


def test_neighbour_with_a_protocol_that_nobody_serves_is_counted(rig: Rig) -> None:
    before = rig.state()
    for protocol in (Protocol.ROUTE, Protocol.PAYLOAD, Protocol.TWIN, Protocol.CONTROL, 99):
        rig.give(rig.seal(b"\x01\x00", protocol), rig.locator("n1"))
    assert rig.state() == before
    assert_alive(rig)


def test_neighbour_whose_datagrams_are_altered_in_their_epoch_is_not_found(rig: Rig) -> None:
    gained, fresh = rig.gained(), rig.seal(Probe(token=1))
    header, offset = decode_header_untrusted(fresh)
    for epoch in (header.epoch ^ 1, 1, 0xFFFF_FFFF):
        wrong = header.replace(epoch=epoch).encode() + fresh[offset:]
        assert rig.give(wrong, rig.locator("n1")) == []
    assert gained() == {"session.hop.refused.unknown epoch": 3} or set(gained().values()) == {3}


# --- reliable flow ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [(0, 9_999), (0, 0xFFFF_FFFF), (5, 77)])
def test_neighbour_that_acknowledges_what_was_never_sent_violates(rig: Rig, position) -> None:
    before, gained = rig.state(), rig.gained()
    tlv = ExchangeTlv(sequence=position[0], acknowledged=position[1])
    rig.give(rig.seal(Release(link_label=2, reason=1), options=(tlv,)), rig.locator("n1"))
    counted = gained()
    assert counted.get("flow.violations", 0) == 1 or position == (0, 0xFFFF_FFFF)
    assert rig.state()["sessions"] == before["sessions"]
    assert_alive(rig)


def test_neighbour_far_ahead_in_its_flow_is_not_kept(rig: Rig) -> None:
    before = rig.state()
    for sequence in (10_000, 1 << 30, 0xFFFF_FFFF):
        tlv = ExchangeTlv(sequence=sequence, acknowledged=0)
        rig.give(rig.seal(Release(link_label=2, reason=1), options=(tlv,)), rig.locator("n1"))
    assert rig.state() == before


def test_neighbour_with_a_malformed_message_in_its_flow_loses_that_message_alone(rig: Rig) -> None:
    next_in_order = rig.node()._flows._exchanges[rig.qna("n1"), Seal.HOP]._next_receive
    gained = rig.gained()

    def in_flow(place: int, payload: bytes) -> None:
        tlv = ExchangeTlv(sequence=next_in_order + place, acknowledged=0)
        rig.give(rig.seal(payload, Protocol.CIRCUIT, options=(tlv,)), rig.locator("n1"))

    release = Release(link_label=2, reason=1).encode()
    in_flow(1, b"\xff\xff")
    in_flow(2, release)
    assert gained() == {}  # they wait for the first
    in_flow(0, release)
    assert gained() == {"circuit.malformed": 1, "circuit.stray_signals": 2, "header.errors_suppressed": 1}


# --- end seal ---------------------------------------------------------------------------------------------------------


def test_end_that_sends_secrets_in_the_open_is_refused(rig: Rig) -> None:
    datagram = rig.seal_end(KeyConfirm(request=1, tag=bytes(16)))
    before, gained = rig.state("n3"), rig.gained("n3")
    for outbound in rig.give(datagram, rig.locator("n1")):
        rig.give(outbound.datagram, rig.locator("n2"), "n3")
    assert gained() == {"unit.not_encrypted": 1}
    assert rig.state("n3") == before


def test_end_seal_altered_on_the_way_does_not_open(rig: Rig) -> None:
    end = EchoRequest(identifier=7, sequence=7, data=b"altered on the way")
    [outbound] = rig.give(rig.seal_end(end), rig.locator("n1"))
    _, payload = rig.open(outbound, "n3")
    before, gained, tried = rig.state("n3"), rig.gained("n3"), 0
    for place in range(0, len(payload) * 8, 3):
        damaged = bytearray(payload)
        damaged[place // 8] ^= 1 << place % 8
        sealed = rig.seal(bytes(damaged), Protocol.END, by="n2", to="n3", source=rig.qna("n1"))
        assert rig.give(sealed, rig.locator("n2"), "n3") == [] or place < 128
        tried += 1
    assert sum(gained().values()) >= tried
    assert rig.state("n3")["sessions"] == before["sessions"]


def test_end_seal_in_anothers_name_is_refused(rig: Rig) -> None:
    """n1's seal, but the header says that it is from n2."""
    header = Header(next_protocol=8, source=rig.qna("n2"), destination=rig.qna("n3"))
    end = EndHeader(next_protocol=Protocol.HEADER, epoch=0, packet_number=0)
    request = EchoRequest(identifier=1, sequence=1, data=b"")
    inner = rig.node("n1").machines.end_session.seal_end(
        rig.qna("n3"), header, end, request.encode(), False, rig.now("n1")
    )
    gained = rig.gained("n3")
    assert rig.give(rig.seal(inner, Protocol.END, by="n2", to="n3"), rig.locator("n2"), "n3") == []
    assert gained() == {"end.refused": 1}

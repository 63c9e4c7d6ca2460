"""No answer is larger than what it answers, for any question and any answerer."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qstack.base.effects import Sender, SendUnsealed
from qstack.base.ids import make_qna
from qstack.base.locator import Arrival, Locator
from qstack.proto.qarp.locators import fitted, listed_locators, whereabouts_of
from qstack.proto.qarp.presence import padded
from qstack.wire.qarp import (
    MAXIMUM_LOCATORS,
    PADDED_OCTETS,
    Announcement,
    Answer,
    Ipv4Locator,
    PaddingTlv,
    Probe,
    Question,
    Whereabouts,
)
from qstack.wire.value import UnknownTlv
from tests.proto.qarp.world import ALICE, BOB, SECOND, World, at

FOUR = st.builds(Locator, st.binary(min_size=4, max_size=4), st.integers(1, 65535))
SIX = st.builds(Locator, st.binary(min_size=16, max_size=16), st.integers(1, 65535))
OWN = st.lists(FOUR, max_size=8).flatmap(
    lambda four: st.lists(SIX, max_size=8).flatmap(lambda six: st.permutations([*four, *six]))
)
NONCE = st.binary(min_size=16, max_size=16)
PADDING = st.builds(PaddingTlv, zeros=st.binary(max_size=300))
OPTIONS = st.lists(PADDING | st.builds(UnknownTlv, code=st.integers(2, 9), value=st.binary()), max_size=3).map(tuple)


def replies(own: list[Locator], message: Any, claimed: int) -> list[int]:
    """Octets of what a node says to an unsealed message."""
    world = World()
    bob = world.host(BOB, at(2), locators={"lan": tuple(own)}, start=True)
    bob.receive(message, Sender(claimed, None, Arrival("lan", at(9)), claimed))  # type: ignore[arg-type]
    return [len(sent.message.encode()) for sent in bob.events(SendUnsealed)]


@given(OWN, NONCE, OPTIONS)
def test_reply_to_a_question_is_at_most_one_and_no_larger(
    own: list[Locator], nonce: bytes, options: tuple[Any]
) -> None:
    question = Question(nonce=nonce, target=BOB, options=options)
    sent = replies(own, question, ALICE)
    size = len(question.encode())
    assert len(sent) == (size >= 35)
    assert all(reply <= size for reply in sent)


@given(OWN, NONCE, OPTIONS, st.booleans(), st.booleans())
def test_reply_to_a_claim_is_at_most_one_and_no_larger(
    own: list[Locator], nonce: bytes, options: tuple[Any], announced: bool, pad: bool
) -> None:
    claim: Any = Probe(nonce=nonce, target=BOB, options=options)
    if announced:
        claim = Announcement(nonce=nonce, target=BOB, whereabouts=Whereabouts(), options=options)
    claim = padded(claim) if pad else claim
    sent = replies(own, claim, BOB)
    assert len(sent) <= 1 and all(reply <= len(claim.encode()) for reply in sent)


@given(OWN, NONCE)
def test_question_has_room_for_every_locator(own: list[Locator], nonce: bytes) -> None:
    whole = whereabouts_of(own, 7, 3)
    question = padded(Question(nonce=nonce, target=BOB))
    answer = Answer(nonce=nonce, target=BOB, whereabouts=whole)
    assert len(question.encode()) == PADDED_OCTETS >= len(answer.encode())
    assert replies(own, question, ALICE) == [len(answer.encode())]


@given(OWN, st.integers(0, 260))
def test_fitted_whereabouts_keep_the_most_preferred(own: list[Locator], room: int) -> None:
    whole = whereabouts_of(own, 7, 3)
    less = fitted(whole, room)
    if room < 10:
        assert less is None
        return
    assert less is not None and len(less.encode()) <= room
    kept = listed_locators(less, at(1))
    assert kept == listed_locators(whole, at(1))[: len(kept)]
    if len(whole.encode()) <= room:
        assert less == whole


def test_largest_answer_is_as_long_as_a_padded_question() -> None:
    many = Whereabouts(
        ipv4=tuple(Ipv4Locator(port=1, address=bytes(4)) for _ in range(MAXIMUM_LOCATORS)),
        ipv6=whereabouts_of([Locator(bytes(16), 1)] * MAXIMUM_LOCATORS, 0, 0).ipv6,
    )
    assert len(Answer(nonce=bytes(16), target=BOB, whereabouts=many).encode()) == PADDED_OCTETS


def test_everything_a_node_sends_unasked_is_padded() -> None:
    world = World()
    for number in range(4):  # with 8 locators of one family the announcement needs but little padding
        locators = {"lan": tuple(at(n) for n in range(2 * number))}
        world.host(make_qna(64512, 1 + number), at(1 + number), start=True, locators=locators)
    world.run(10 * SECOND)
    kinds = {type(packet.message) for packet in world.packets}
    assert kinds == {Probe, Announcement}
    assert all(packet.octets >= PADDED_OCTETS for packet in world.packets)


def test_network_under_attack_gives_each_address_no_more_than_it_sent() -> None:
    """As seen from the wire: everything that one forged address sends, against everything that is sent to it."""
    world = World()
    bob = world.host(BOB, at(2), start=True)
    world.run(9 * SECOND)
    world.packets.clear()
    spent = 0
    for number in range(2_000):
        message: Any = [
            Question(nonce=number.to_bytes(16, "big"), target=BOB),
            padded(Question(nonce=number.to_bytes(16, "big"), target=BOB)),
            padded(Probe(nonce=bytes(16), target=BOB)),
            padded(Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts())),
            Announcement(nonce=bytes(16), target=BOB, whereabouts=Whereabouts()),
            Answer(nonce=bytes(16), target=BOB, whereabouts=Whereabouts()),
        ][number % 6]
        spent += len(message.encode())
        bob.receive(message, Sender(BOB if number % 6 > 1 else ALICE, None, Arrival("lan", at(9)), BOB))
        world.run(SECOND // 40)
    got = sum(packet.octets for packet in world.packets if packet.destination == at(9))
    assert 0 < got <= spent

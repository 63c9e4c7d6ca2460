"""An idle link stocks pairs, and hands each of them out once, to the same request at both ends."""

from typing import Any

import pytest

from qstack.base.ids import Qna
from qstack.base.services import DeviceGone, DeviceReady, PairReady
from qstack.proto.link.params import LinkParameters
from qstack.wire.link import Assign, MemoryAdvertisement, Reply, ReplyCopy
from tests.proto.circuit import fabric as whole
from tests.proto.link.test_applications import create, failures, free, listen, oks
from tests.proto.link.test_link import HIGH, LOW, THIRD, Fabric, assert_same_pairs, pairs, request, reserve

STOCK = LinkParameters(stock_pairs=3, stock_age_ns=10**9)


def stocked(fabric: whole.Fabric) -> tuple[int, int]:
    low, high = (fabric.places[own].link.describe().links[0].stocked for own in (LOW, HIGH))
    return low, high


def idle(link: LinkParameters = STOCK, **more: Any) -> whole.Fabric:
    """A link whose session has just begun, for long enough to fill its stock."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=link, **more)
    fabric.peer_up(LOW, HIGH)
    listen(fabric)
    fabric.run(0.3)
    return fabric


@pytest.mark.parametrize("probability", [1.0, 0.01])
def test_idle_link_stocks_as_many_pairs_as_it_may_and_no_more(probability: float) -> None:
    fabric = idle(probability=probability)
    assert stocked(fabric) == (3, 3)
    for own in (LOW, HIGH):
        link = fabric.places[own].link.describe().links[0]
        assert link.held == 3
    before = len(fabric.sent)
    fabric.run(0.3)
    assert len(fabric.sent) == before, "a link whose stock is full sends nothing"


def test_link_without_stock_stays_idle() -> None:
    fabric = idle(LinkParameters())
    assert not fabric.sent and stocked(fabric) == (0, 0)


@pytest.mark.parametrize("asker", [LOW, HIGH])
def test_next_request_of_either_end_gets_the_stock_at_once(asker: Qna) -> None:
    fabric = idle()
    began = fabric.domain()
    create(fabric, 2, asker)
    fabric.run(0.003)
    low, high = oks(fabric, LOW), oks(fabric, HIGH)
    assert len(low) == len(high) == 2, "a round trip later both ends have them"
    for mine, theirs in zip(low, high, strict=True):
        assert (mine.sequence, mine.created) == (theirs.sequence, theirs.created) and mine.created < began
        assert mine.qubit is not None and theirs.qubit is not None
        assert fabric.device.pairs[LOW, mine.qubit] is fabric.device.pairs[HIGH, theirs.qubit]
    fabric.run(0.3)
    assert stocked(fabric) == (3, 3), "and the stock is filled again"


@pytest.mark.parametrize("asker", [LOW, HIGH])
def test_request_for_more_than_is_in_stock_gets_the_rest_from_windows_and_not_one_too_many(asker: Qna) -> None:
    fabric = idle(probability=0.05)
    create(fabric, 5, asker)
    fabric.run(1)
    low, high = oks(fabric, LOW), oks(fabric, HIGH)
    assert [ok.sequence for ok in low] == [ok.sequence for ok in high] and len(low) == 5
    assert len({ok.sequence for ok in low}) == 5
    assert fabric.counters["link.pairs_from_stock"] == 6  # three at each end


def test_two_requests_never_get_the_same_pair() -> None:
    fabric = idle()
    create(fabric, 2, LOW, 1)
    create(fabric, 2, HIGH, 2)
    fabric.run(0.5)
    for own in (LOW, HIGH):
        told = [ok.sequence for number in (1, 2) for ok in oks(fabric, own, number)]
        assert len(told) == len(set(told)) == 4
    for number in (1, 2):
        assert [ok.sequence for ok in oks(fabric, LOW, number)] == [ok.sequence for ok in oks(fabric, HIGH, number)]


def test_circuit_gets_stocked_pairs_before_all_others() -> None:
    fabric = idle()
    reserve(fabric, memories=2)
    request(fabric, 4, LOW)
    fabric.run(0.5)
    assert len(pairs(fabric, LOW)) == len(pairs(fabric, HIGH)) == 4
    assert_same_pairs(fabric)
    assert fabric.counters["link.pairs_from_stock"] == 6


def test_stock_that_is_too_old_is_replaced_at_both_ends() -> None:
    fabric = idle()
    first = [each.sequence for each in fabric.places[LOW].link._ends[1].pool if each.place.value == "held"]
    fabric.run(2.5)
    later = [each.sequence for each in fabric.places[LOW].link._ends[1].pool if each.place.value == "held"]
    assert not set(first) & set(later)
    assert stocked(fabric) == (3, 3) and len([p for p in fabric.device.pairs if p[0] == LOW]) == 3


def test_stock_gives_its_memories_to_requests_that_lack_them() -> None:
    fabric = idle(LinkParameters(stock_pairs=4, stock_fidelity=0.0), memories=4)
    assert stocked(fabric) == (4, 4)
    create(fabric, 4, LOW, atomic=True)
    fabric.run(0.1)
    assert len(oks(fabric, LOW)) == len(oks(fabric, HIGH)) == 4, "all of an atomic request from stock"
    fabric = idle(LinkParameters(stock_pairs=4), memories=4)
    reserve(fabric, memories=1)
    request(fabric, 6, HIGH)
    fabric.run(0.4)
    told = pairs(fabric, HIGH)
    assert len(told) == 4 and stocked(fabric) == (0, 0)


def test_reply_that_comes_after_the_decision_is_dealt_with_by_it() -> None:
    """The other end hears for whom a pair is before it hears of the pair."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=STOCK)
    held: list[Any] = []
    fabric.drop = lambda source, destination, message: (
        isinstance(message, Reply | ReplyCopy) and destination == HIGH and not held.append((source, message))
    )
    fabric.peer_up(LOW, HIGH)
    listen(fabric)
    fabric.run(0.1)
    assert stocked(fabric) == (3, 0)
    create(fabric, 2, LOW)
    fabric.run(0.01)
    assert len(oks(fabric, LOW)) == 2 and not oks(fabric, HIGH)
    fabric.drop = None
    for source, message in held:
        fabric._hand_over(source, fabric.places[HIGH], message, whole.Label(0))
    assert [ok.sequence for ok in oks(fabric, HIGH)] == [ok.sequence for ok in oks(fabric, LOW)]


@pytest.mark.parametrize("own", [LOW, HIGH])
def test_stock_of_a_device_that_has_gone_is_thrown_away_at_both_ends(own: Qna) -> None:
    fabric = idle()
    fabric.serve(own, DeviceGone())
    fabric.run(0.5)
    assert stocked(fabric) == (0, 0)
    assert not failures(fabric, LOW) and not fabric.violations


@pytest.mark.parametrize("gone", [HIGH, THIRD])
def test_stock_of_a_lost_session_is_gone_and_its_memories_free(gone: Qna) -> None:
    fabric = idle()
    fabric.peer_down(LOW, gone)
    fabric.drop = lambda source, destination, message: isinstance(message, MemoryAdvertisement)  # so it stays idle
    fabric.run(0.01)
    if gone == HIGH:
        assert stocked(fabric) == (0, 0)
        fabric.run(3)
        assert not fabric.device.pairs


def test_assign_of_the_end_that_is_not_master_is_a_violation() -> None:
    fabric = idle()
    fabric.places[HIGH].link._around.send(LOW, Assign(link=whole.LinkId(1), queue_sequence=0, sequences=(1,)))
    fabric.settle(fabric.places[HIGH])
    fabric.run(0.01)
    assert fabric.violations == ["Assign: an Assign of pairs by the end that is not master"]


@pytest.mark.parametrize("seed", range(8))
def test_bad_network_never_hands_out_a_pair_twice_or_differently(seed: int) -> None:
    fabric = Fabric(
        [LOW, HIGH], b"%d" % seed, stations=[(LOW, HIGH, THIRD)[seed % 3]], loss=0.2, duplication=0.2,
        delay_ns=(100_000, 20_000_000), probability=0.05, memories=12, link=LinkParameters(stock_pairs=5),
    )  # fmt: skip
    fabric.peer_up(LOW, HIGH)
    listen(fabric)
    asked = 0
    for step in range(25):
        fabric.run(0.2)
        if step % 2:
            asked += 1
            create(fabric, 1 + step % 3, (LOW, HIGH)[step % 4 // 2], asked, seconds=20)
        known = [{ok.sequence: ok for ok in fabric.places[own].of(whole.PairOk)} for own in (LOW, HIGH)]
        for sequence in set(known[0]) & set(known[1]):
            low, high = known[0][sequence], known[1][sequence]
            assert low.create_id == high.create_id and low.bell_index == high.bell_index
            if (LOW, low.qubit) in fabric.device.pairs:
                free(fabric, LOW, [low])
            if (HIGH, high.qubit) in fabric.device.pairs:
                free(fabric, HIGH, [high])
    fabric.run(10)
    low_told, high_told = ([ok.sequence for ok in fabric.places[own].of(whole.PairOk)] for own in (LOW, HIGH))
    assert len(low_told) == len(set(low_told)) and set(low_told) == set(high_told)
    assert not fabric.violations and not fabric.places[LOW].of(PairReady)
    assert fabric.counters["link.pairs_from_stock"] > 0


def test_pair_whose_half_went_with_its_device_never_comes_into_stock() -> None:
    """The window is over, the device goes and comes back, and only then comes the Reply."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=STOCK)
    held: list[Any] = []

    def late(source: Qna, destination: Qna, message: Any) -> bool:
        if isinstance(message, Reply | ReplyCopy) and destination == LOW and len(held) < 2:
            held.append(message)
            return True
        return False

    fabric.drop = late
    fabric.peer_up(LOW, HIGH)
    fabric.run(0.1, lambda: len(held) == 2)
    fabric.serve(LOW, DeviceGone())
    fabric.serve(LOW, DeviceReady())
    before = fabric.counters["link.stray_replies"]
    for message in held:
        fabric._hand_over(THIRD, fabric.places[LOW], message, whole.Label(0))
    assert fabric.counters["link.stray_replies"] > before
    fabric.run(0.5)
    assert fabric.counters["link.windows_unanswered"] > 0
    low, high = ({each.sequence for each in fabric.places[own].link._ends[1].pool if each.place.value == "held"}
                 for own in (LOW, HIGH))  # fmt: skip
    assert low == high and len(low) == 3

"""What applications ask of a link, as EGP has it: kept, measured and prepared pairs, and every way to fail."""

from collections.abc import Callable
from typing import Any

import pytest

from qstack.base.bell import FLIP, Basis, Gate
from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import BasisChoice, PairKind, Reading, Rotation
from qstack.base.services import (
    CancelCreate,
    CreateAccepted,
    CreateDone,
    CreateFailed,
    CreatePairs,
    DeviceGone,
    ListenPairs,
    PairOk,
    PairsRevoked,
    QubitsFreed,
    UnlistenPairs,
)
from qstack.base.time import Instant
from qstack.proto.link.params import LinkParameters
from qstack.proto.link.scheduler import Discipline
from qstack.wire.link import CreateRequest, HalfReading, Reply, ReplyCopy
from qstack.wire.twin import Status
from tests.proto.circuit import fabric as whole
from tests.proto.link.test_link import HIGH, LOW, THIRD, Fabric

PURPOSE = PurposeId(7)


def listen(fabric: whole.Fabric, purpose: PurposeId = PURPOSE) -> None:
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        fabric.serve(own, ListenPairs(other, purpose))


def create(
    fabric: whole.Fabric, number: int, own: Qna = LOW, create_id: int = 1, *, kind: PairKind = PairKind.KEEP,
    seconds: float = 5.0, priority: int = 0, purpose: PurposeId = PURPOSE, fidelity: float = 0.0, **more: Any,
) -> None:  # fmt: skip
    other = HIGH if own == LOW else LOW
    deadline = Instant(fabric.local(fabric.places[own]) + int(seconds * 1e9))
    fabric.serve(own, CreatePairs(other, purpose, create_id, kind, number, fidelity, priority, deadline, **more))


def oks(fabric: whole.Fabric, own: Qna, create_id: int = 1) -> list[PairOk]:
    return [ok for ok in fabric.places[own].of(PairOk) if ok.create_id == create_id]


def failures(fabric: whole.Fabric, own: Qna) -> list[tuple[int, bool, ErrorCode]]:
    return [(each.create_id, each.mine, each.reason) for each in fabric.places[own].of(CreateFailed)]


def free(fabric: whole.Fabric, own: Qna, told: list[PairOk]) -> None:
    fabric.serve(own, QubitsFreed(tuple(ok.qubit for ok in told if ok.qubit is not None), discard=True))


def both_done(fabric: whole.Fabric, create_id: int = 1) -> Callable[[], bool]:
    return lambda: all(any(done.create_id == create_id for done in fabric.places[own].of(CreateDone))
                       for own in (LOW, HIGH))  # fmt: skip


def assert_at_rest(fabric: whole.Fabric) -> None:
    fabric.run(6)
    assert fabric.leaks() == []


@pytest.mark.parametrize("asker", [LOW, HIGH])
@pytest.mark.parametrize("probability", [1.0, 0.01])
def test_kept_pairs_are_told_alike_at_both_ends(asker: Qna, probability: float) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=probability)
    listen(fabric)
    create(fabric, 6, asker)
    fabric.run(4, both_done(fabric))
    low, high = oks(fabric, LOW), oks(fabric, HIGH)
    assert len(low) == len(high) == 6
    for mine, theirs in zip(low, high, strict=True):
        assert (mine.sequence, mine.bell_index, mine.created) == (theirs.sequence, theirs.bell_index, theirs.created)
        assert mine.mine == (asker == LOW) and theirs.mine == (asker == HIGH)
        assert mine.goodness == 1.0 and mine.purpose == PURPOSE and mine.kind is PairKind.KEEP
        assert mine.qubit is not None and theirs.qubit is not None
        pair = fabric.device.pairs[LOW, mine.qubit]
        assert fabric.device.pairs[HIGH, theirs.qubit] is pair and pair.frame == mine.bell_index
    assert fabric.places[asker].of(CreateAccepted) and len(fabric.places[asker].of(CreateDone)) == 1
    free(fabric, LOW, low)
    free(fabric, HIGH, high)
    assert_at_rest(fabric)


@pytest.mark.parametrize("choice", [BasisChoice.NONE, BasisChoice.XZ, BasisChoice.XYZ])
def test_measured_pairs_agree_where_their_bases_do_and_leave_no_memory_filled(choice: BasisChoice) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.02, memories=2)
    listen(fabric)
    reading = Reading(choice)
    create(fabric, 200, HIGH, kind=PairKind.MEASURE, local=reading, remote=reading)
    fabric.run(5, both_done(fabric))
    low, high = oks(fabric, LOW), oks(fabric, HIGH)
    assert [ok.sequence for ok in low] == [ok.sequence for ok in high] and len(low) == 200
    same = [(a, b) for a, b in zip(low, high, strict=True) if a.basis == b.basis]
    assert same and len({a.basis for a in low}) == {0: 1, 1: 2, 2: 3}[choice]
    for a, b in same:
        assert a.qubit is None and a.outcome is not None and b.outcome is not None and a.basis is not None
        assert a.outcome ^ b.outcome == FLIP[a.bell_index][a.basis]
    assert_at_rest(fabric)


def test_prepared_state_is_measured_by_the_asker_and_stays_at_the_other_end() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.05)
    listen(fabric)
    create(fabric, 4, HIGH, kind=PairKind.PREPARE, local=Reading(BasisChoice.CHSH, Rotation(1, 0, 0x8000)))
    fabric.run(4, both_done(fabric))
    asker, other = oks(fabric, HIGH), oks(fabric, LOW)
    assert [ok.sequence for ok in asker] == [ok.sequence for ok in other] and len(asker) == 4
    assert all(ok.qubit is None and ok.outcome is not None for ok in asker)
    assert {ok.basis for ok in asker} <= {Basis.Z_PLUS_X, Basis.Z_MINUS_X}
    assert all(ok.qubit is not None and ok.outcome is None for ok in other)
    assert [(g.gate, g.angle) for g in fabric.gates[:2]] == [(Gate.RX, 1 << 16), (Gate.RX, 1 << 31)]
    free(fabric, LOW, other)
    assert_at_rest(fabric)


def test_state_that_the_device_did_not_turn_as_asked_is_told_to_nobody_and_revoked_at_the_other_end() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    listen(fabric)
    fabric.gate_status = Status.UNSUPPORTED
    create(fabric, 2, LOW, kind=PairKind.PREPARE, seconds=0.5, local=Reading(rotation=Rotation(1, 0, 0)))
    fabric.run(1)
    assert fabric.gates and not oks(fabric, LOW) and failures(fabric, LOW) == [(1, True, ErrorCode.TIMEOUT)]
    revoked = {sequence for each in fabric.places[HIGH].of(PairsRevoked) for sequence in each.sequences}
    assert revoked == {ok.sequence for ok in oks(fabric, HIGH)} and revoked
    assert_at_rest(fabric)


@pytest.mark.parametrize("kind", [PairKind.MEASURE, PairKind.PREPARE])
def test_how_the_asker_reads_its_qubits_is_told_to_nobody(kind: PairKind) -> None:
    """What was prepared at the other end is the asker's secret; nobody on the way learns either end's bases."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD])
    listen(fabric)
    create(fabric, 2, HIGH, kind=kind, local=Reading(rotation=Rotation(1, 2, 3)),
           remote=Reading(rotation=Rotation(4, 5, 6)))  # fmt: skip
    fabric.run(4, both_done(fabric))
    [sent] = [message for _, _, message in fabric.sent if isinstance(message, CreateRequest)]
    assert sent.local == HalfReading() and sent.CONFIDENTIAL
    assert (sent.remote.x1, sent.remote.y, sent.remote.x2) == (4, 5, 6)


def test_atomic_request_is_told_when_all_its_pairs_exist() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.001)
    listen(fabric)
    create(fabric, 4, LOW, atomic=True)
    fabric.run(5, lambda: bool(oks(fabric, LOW)))
    assert len(oks(fabric, LOW)) == 4
    fabric.run(0.1)
    assert len(oks(fabric, HIGH)) == 4


def test_atomic_request_that_runs_out_of_time_tells_no_pair_and_keeps_no_memory() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.0005)
    listen(fabric)
    create(fabric, 8, LOW, atomic=True, seconds=0.1)
    fabric.run(0.2)
    assert not oks(fabric, LOW) and not oks(fabric, HIGH)
    assert failures(fabric, LOW) == [(1, True, ErrorCode.TIMEOUT)]
    assert failures(fabric, HIGH) == [(1, False, ErrorCode.TIMEOUT)]
    assert_at_rest(fabric)


def test_atomic_request_for_more_than_there_are_memories_fails() -> None:
    fabric = Fabric([LOW, HIGH], memories=4)
    listen(fabric)
    create(fabric, 5, LOW, atomic=True)
    assert failures(fabric, LOW) == [(1, True, ErrorCode.NO_RESOURCES)]


def test_consecutive_request_is_alone_until_it_has_its_pairs() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.001, memories=32)
    listen(fabric)
    create(fabric, 12, LOW, 1, consecutive=True)
    create(fabric, 12, LOW, 2)
    fabric.run(5, both_done(fabric, 2))
    first, second = oks(fabric, LOW, 1), oks(fabric, LOW, 2)
    assert len(first) == len(second) == 12
    assert max(ok.created for ok in first) < min(ok.created for ok in second)


@pytest.mark.parametrize("discipline", list(Discipline))
def test_strict_priority_comes_first_unless_first_come_is_first_served(discipline: Discipline) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=0.001, memories=32,
                    link=LinkParameters(discipline=discipline, weights=(0.0, 1.0)))  # fmt: skip
    listen(fabric)
    create(fabric, 60, LOW, 1)
    fabric.run(0.1)
    create(fabric, 5, HIGH, 2, priority=9)
    fabric.run(8, lambda: both_done(fabric, 1)() and both_done(fabric, 2)())
    slow, urgent = oks(fabric, LOW, 1), oks(fabric, LOW, 2)
    assert len(slow) + len(urgent) == 65 or fabric.leaks()
    if discipline is Discipline.WFQ:
        assert max(ok.created for ok in urgent) < slow[-1].created
    elif urgent:
        assert min(ok.created for ok in urgent) > slow[27].created


def test_request_that_nobody_listens_for_is_rejected() -> None:
    fabric = Fabric([LOW, HIGH])
    create(fabric, 1)
    fabric.run(0.1)
    assert failures(fabric, LOW) == [(1, True, ErrorCode.NO_ENDPOINT)] and not failures(fabric, HIGH)


def test_other_purpose_is_not_listened_for() -> None:
    fabric = Fabric([LOW, HIGH])
    listen(fabric)
    create(fabric, 1, purpose=PurposeId(8))
    fabric.run(0.1)
    assert failures(fabric, LOW) == [(1, True, ErrorCode.NO_ENDPOINT)]


def test_purpose_that_is_given_up_cancels_what_the_other_end_asked_and_says_nothing_here() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=1e-5)
    listen(fabric)
    create(fabric, 3, LOW)
    fabric.run(0.1)
    fabric.serve(HIGH, UnlistenPairs(LOW, PURPOSE))
    fabric.run(0.1)
    assert failures(fabric, LOW) == [(1, True, ErrorCode.NO_ENDPOINT)] and not failures(fabric, HIGH)
    assert_at_rest(fabric)


def test_cancelled_request_keeps_what_was_delivered_and_tells_the_other_end() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], memories=4)
    listen(fabric)
    create(fabric, 100, LOW)
    fabric.run(0.5)
    fabric.serve(LOW, CancelCreate(HIGH, 1))
    fabric.run(0.2)
    assert not failures(fabric, LOW) and failures(fabric, HIGH) == [(1, False, ErrorCode.CANCELLED)]
    assert len(oks(fabric, LOW)) == len(oks(fabric, HIGH)) == 4
    for own in (LOW, HIGH):
        free(fabric, own, oks(fabric, own))
    assert_at_rest(fabric)


@pytest.mark.parametrize("seconds", [0.05, 0.0])
def test_deadline_that_passes_fails_at_both_ends(seconds: float) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=1e-6)
    listen(fabric)
    create(fabric, 1, HIGH, seconds=seconds)
    fabric.run(0.2)
    reason = ErrorCode.TIMEOUT if seconds else ErrorCode.EXPIRED
    assert [code for _, _, code in failures(fabric, HIGH)] in ([reason], [ErrorCode.TIMEOUT])
    assert failures(fabric, LOW) == ([(1, False, ErrorCode.TIMEOUT)] if seconds else [])
    assert_at_rest(fabric)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"fidelity": 0.95}, ErrorCode.FIDELITY_UNATTAINABLE),
        ({"purpose": PurposeId(0)}, ErrorCode.POLICY),
        ({"create_id": 1 << 31}, ErrorCode.POLICY),
    ],
)
def test_request_that_cannot_be_fails_at_once(more: dict[str, Any], reason: ErrorCode) -> None:
    fabric = Fabric([LOW, HIGH], fidelity=0.9)
    listen(fabric)
    create(fabric, 1, **more)
    assert [each.reason for each in fabric.places[LOW].of(CreateFailed)] == [reason]
    assert not fabric.sent


def test_full_queue_refuses() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=1e-6, link=LinkParameters(queued_requests=2))
    listen(fabric)
    for number in range(3):
        create(fabric, 1, LOW, number)
    assert failures(fabric, LOW) == [(2, True, ErrorCode.NO_RESOURCES)]


def test_more_requests_than_may_wait_for_an_answer_are_sent_one_by_one() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=LinkParameters(unanswered_requests=2))
    listen(fabric)
    for number in range(1, 6):
        create(fabric, 1, HIGH, number)
    assert sum(isinstance(message, CreateRequest) for _, _, message in fabric.sent) == 2
    fabric.run(2)
    assert sorted(done.create_id for done in fabric.places[LOW].of(CreateDone)) == [1, 2, 3, 4, 5]


def test_lost_reply_revokes_the_pairs_of_the_other_end() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], link=LinkParameters(reply_timeout_ns=200_000_000))
    lost: list[Any] = []

    def drop(source: Qna, destination: Qna, message: Any) -> bool:
        if isinstance(message, Reply | ReplyCopy) and destination == LOW:
            if not lost:
                lost.append(message)
            return bool(message.first_cycle == lost[0].first_cycle)
        return False

    fabric.drop = drop
    listen(fabric)
    create(fabric, 20, HIGH)
    fabric.run(0.6)
    [revoked] = fabric.places[HIGH].of(PairsRevoked)
    assert revoked.sequences == tuple(range(8)) and revoked.mine is not False
    held = {ok.sequence for ok in oks(fabric, HIGH)} - set(revoked.sequences)
    assert held == {ok.sequence for ok in oks(fabric, LOW)}


def test_device_that_has_gone_fails_requests_at_both_ends() -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=1e-6)
    listen(fabric)
    create(fabric, 1, HIGH)
    fabric.run(0.1)
    fabric.serve(LOW, DeviceGone())
    fabric.run(0.1)
    assert failures(fabric, LOW) == [(1, False, ErrorCode.NO_RESOURCES)]
    assert failures(fabric, HIGH) == [(1, True, ErrorCode.NO_RESOURCES)]


@pytest.mark.parametrize("gone", [HIGH, THIRD])
def test_lost_neighbour_or_station_fails_requests_at_both_ends(gone: Qna) -> None:
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=1e-6)
    listen(fabric)
    create(fabric, 1, HIGH)
    fabric.run(0.1)
    fabric.peer_down(LOW, gone)
    fabric.run(0.2)
    assert failures(fabric, LOW) == [(1, False, ErrorCode.SESSION_LOST)]
    assert failures(fabric, HIGH) == [(1, True, ErrorCode.SESSION_LOST)]
    assert_at_rest(fabric)


@pytest.mark.parametrize("seed", range(6))
def test_bad_network_never_makes_the_ends_disagree(seed: int) -> None:
    kind = list(PairKind)[seed % 3]
    fabric = Fabric(
        [LOW, HIGH], b"%d" % seed, stations=[(LOW, HIGH, THIRD)[seed % 3]], loss=0.25, duplication=0.2,
        delay_ns=(100_000, 20_000_000), probability=0.05, memories=16,
    )  # fmt: skip
    listen(fabric)
    create(fabric, 12, (LOW, HIGH)[seed % 2], kind=kind, seconds=60)
    fabric.run(20, both_done(fabric))
    low, high = oks(fabric, LOW), oks(fabric, HIGH)
    assert [(ok.sequence, ok.bell_index, ok.created) for ok in low] == [
        (ok.sequence, ok.bell_index, ok.created) for ok in high
    ]
    assert len(low) == 12 and not fabric.violations
    for own in (LOW, HIGH):
        free(fabric, own, oks(fabric, own))
    assert_at_rest(fabric)


def test_request_that_cannot_be_done_in_time_is_refused_at_once() -> None:
    """Never (UNSUPP), or not with what others want before it (NOTIME)."""
    fabric = Fabric([LOW, HIGH], probability=0.01)
    listen(fabric)
    create(fabric, number=1_000, seconds=0.05, create_id=1)
    [failed] = fabric.places[LOW].of(CreateFailed)
    assert (failed.create_id, failed.reason) == (1, ErrorCode.FIDELITY_UNATTAINABLE)
    create(fabric, number=2_000, seconds=60.0, create_id=2)
    fabric.run(0.1)
    create(fabric, number=5, seconds=0.5, create_id=3)
    failed = fabric.places[LOW].of(CreateFailed)[-1]
    assert (failed.create_id, failed.reason) == (3, ErrorCode.NO_TIME)
    create(fabric, number=5, seconds=0.5, create_id=4, priority=7)
    fabric.run(0.1)
    assert [each.create_id for each in fabric.places[LOW].of(CreateFailed)] == [1, 3]

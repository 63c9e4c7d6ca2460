"""Units from outside: what applications are told, whatever happens between the ends."""

import pytest

from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import CircuitId
from qstack.base.services import CircuitReady, ReleaseCircuit
from qstack.base.time import Instant
from qstack.base.units import MINUTE_NS, SECOND_NS
from qstack.proto.unit.states import HEAD, TAIL, HeadState, TailState
from qstack.wire.control import (
    ClaimEndpoint,
    CloseUnit,
    Failed,
    MeasurePairs,
    OpenUnit,
    PairBasis,
    PairDelivered,
    PairsMeasured,
    Refused,
    ReleasePairs,
    UnitStarted,
)
from qstack.wire.unit import UnitAccept, UnitKind
from tests.proto.unit.couple import ALICE, ARRIVAL, BOB, ENDPOINT_A, ENDPOINT_B, Couple


def refusal(couple: Couple) -> Refused:
    found = [message for message in couple.told[ALICE] if isinstance(message, Refused)]
    assert len(found) == 1, couple.told[ALICE]
    return found[0]


def test_unit_ideal_pairs_deliver_one_confirmed_key_to_both() -> None:
    couple = Couple()
    couple.open(size=256)
    (ours,), (theirs,) = couple.keys(ALICE), couple.keys(BOB)
    assert ours.key == theirs.key and len(ours.key) == 32 and ours.key != bytes(32)
    assert ours.confirmed and theirs.confirmed and ours.secret
    assert ours.errors == theirs.errors == 0 and ours.tests > 40
    assert couple.held == {ALICE: set(), BOB: set()} and couple.open_circuit is None
    assert not couple.machines[ALICE].describe() and not couple.machines[BOB].describe()


def test_unit_another_end_session_gives_another_key_schedule() -> None:
    keys = []
    for secret in (b"one", b"two"):
        couple = Couple(epoch_secret=secret)
        couple.open()
        keys.append(couple.keys(ALICE)[0].key)
    assert keys[0] != keys[1]


def test_unit_noisy_pairs_give_no_key_and_say_how_noisy() -> None:
    couple = Couple(error_rate=0.1)
    couple.open(size=256)
    for node in (ALICE, BOB):
        assert not couple.keys(node)
        (failure,) = couple.failures(node)
        assert failure.reason == ErrorCode.CONFIRMATION_FAILED and "0.97" in failure.text


@pytest.mark.parametrize("ending", ["session lost", "deadline"])
def test_unit_cut_at_every_message_never_gives_two_different_keys_and_ends_clean(ending: str) -> None:
    complete = Couple()
    complete.open()
    outcomes = set()
    for cut in range(complete.carried + 1):
        couple = Couple(cut_after=cut)
        couple.open()
        if ending == "session lost":
            couple.lose_session()
        couple.pass_time(10 * MINUTE_NS)
        ours, theirs = couple.keys(ALICE), couple.keys(BOB)
        assert len(ours) <= 1 and len(theirs) <= 1
        if ours and theirs:
            assert ours[0].key == theirs[0].key
        for delivered in ours + theirs:
            if delivered.confirmed and not (ours and theirs):
                raise AssertionError(f"cut after {cut}: confirmed at one end only")
        assert couple.held == {ALICE: set(), BOB: set()}, cut
        assert not couple.machines[ALICE].describe() and not couple.machines[BOB].describe()
        assert couple.machines[ALICE].next_deadline() is None and couple.machines[BOB].next_deadline() is None
        outcomes.add((len(ours), len(theirs), bool(theirs and theirs[0].confirmed)))
    assert {(0, 0, False), (0, 1, False), (1, 1, False), (1, 1, True)} <= outcomes


def test_unit_pairs_are_delivered_measured_and_released() -> None:
    couple = Couple()
    couple.open(UnitKind.PAIRS, size=3)
    started = next(message for message in couple.told[ALICE] if isinstance(message, UnitStarted))
    pairs = [message for message in couple.told[ALICE] if isinstance(message, PairDelivered)]
    assert [pair.pair for pair in pairs] == [0, 1, 2]
    wanted = (PairBasis(pair=1, basis=0), PairBasis(pair=0, basis=1))
    couple.request(ALICE, MeasurePairs(request=9, unit=started.unit, pairs=wanted))
    measured = next(message for message in couple.told[ALICE] if isinstance(message, PairsMeasured))
    assert [outcome.pair for outcome in measured.outcomes] == [1, 0] and measured.request == 9
    couple.request(ALICE, ReleasePairs(unit=started.unit, pairs=(2,)))
    assert couple.held[ALICE] == set() and couple.held[BOB] == {0, 1, 2}
    couple.request(ALICE, CloseUnit(unit=started.unit))
    assert couple.held[BOB] == set()
    assert [type(message) for message in couple.told[BOB]][-1] is Failed


def test_unit_measuring_a_pair_twice_is_refused_and_measures_nothing() -> None:
    couple = Couple()
    couple.open(UnitKind.PAIRS, size=2)
    started = next(message for message in couple.told[ALICE] if isinstance(message, UnitStarted))
    twice = (PairBasis(pair=1, basis=0), PairBasis(pair=1, basis=1))
    couple.request(ALICE, MeasurePairs(request=9, unit=started.unit, pairs=twice))
    assert "twice" in refusal(couple).text and couple.held[ALICE] == {0, 1}


def test_unit_endpoint_that_nobody_serves_fails_with_no_endpoint() -> None:
    couple = Couple()
    couple.request(BOB, ClaimEndpoint(request=1, urn="urn:qkd:quditto:elsewhere"))
    couple.told[BOB].clear()
    urns = (ENDPOINT_A, ENDPOINT_B, "urn:qkd:lifecycle?=size=8")
    couple.request(ALICE, OpenUnit(request=7, kind=1, urn=urns))
    assert [failure.reason for failure in couple.failures(ALICE)] == [ErrorCode.NO_ENDPOINT]


@pytest.mark.parametrize(
    ("urns", "said"),
    [
        ((ENDPOINT_A, ENDPOINT_B, "urn:qkd:lifecycle?=size=8&valid-until=1700000000"), "valid-until has passed"),
        ((ENDPOINT_A, "urn:qkd:nowhere:x", "urn:qkd:lifecycle?=size=8"), "no route"),
        (("urn:qkd:nowhere:y", "urn:qkd:nowhere:x", "urn:qkd:lifecycle?=size=8"), "exactly one"),
        ((ENDPOINT_A, ENDPOINT_B, "urn:qkd:life?=size=8"), "lifecycle"),
        ((ENDPOINT_A, ENDPOINT_B, "urn:qkd:lifecycle?=size=100000"), "limit"),
        ((ENDPOINT_A, "urn:qkd:%zz:bad", "urn:qkd:lifecycle?=size=8"), "urns[1]"),
    ],
)
def test_unit_request_that_cannot_be_is_refused_with_its_reason(urns: tuple[str, ...], said: str) -> None:
    couple = Couple()
    couple.open(urn=urns)
    assert said in refusal(couple).text and not couple.machines[ALICE].describe()


def test_unit_application_that_goes_away_takes_its_units_along() -> None:
    couple = Couple()
    couple.open(UnitKind.PAIRS, size=2)
    couple.machines[ALICE].drop_client(1, couple.now)  # type: ignore[arg-type]
    couple.settle()
    assert couple.held == {ALICE: set(), BOB: set()}
    couple.pass_time(SECOND_NS)
    assert not couple.machines[BOB].describe()


def test_unit_tables_end_over_from_every_live_state() -> None:
    for table, over in ((HEAD, HeadState.OVER), (TAIL, TailState.OVER)):
        for state in table.states:
            if state is not over:
                assert over in table.reachable(state), (table.name, state)
            else:
                assert not any(table.allows(state, event) for event in table.events)


def test_unit_closed_at_one_end_tells_the_other_that_it_was_cancelled() -> None:
    """Though its circuit may be torn down first."""
    couple = Couple()
    couple.open(kind=UnitKind.PAIRS, size=4)
    (started,) = [message for message in couple.told[ALICE] if isinstance(message, UnitStarted)]
    couple.request(ALICE, CloseUnit(unit=started.unit))
    (failure,) = couple.failures(BOB)
    assert failure.reason == ErrorCode.CANCELLED


def test_unit_second_accept_is_refused_and_leaves_the_first_in_force() -> None:
    couple = Couple()
    couple.open(UnitKind.PAIRS, size=2)
    before = couple.told[ALICE][:]
    stray = UnitAccept(request=couple.opened().request, nonce=bytes(16))
    with pytest.raises(PeerViolation):
        couple.machines[ALICE].receive(stray, Sender(BOB, Seal.END, ARRIVAL, BOB), Instant(couple.now))
    assert couple.told[ALICE] == before
    couple.request(ALICE, CloseUnit(unit=next(m.unit for m in before if isinstance(m, UnitStarted))))
    assert couple.open_circuit is None, "the circuit is still known by the first accept's context"


def test_unit_measurements_that_the_device_refuses_give_their_memories_back() -> None:
    couple = Couple(device_refuses=True)
    couple.open()
    couple.pass_time(10 * MINUTE_NS)
    assert couple.held == {ALICE: set(), BOB: set()}
    assert not couple.keys(ALICE) and [f.reason for f in couple.failures(ALICE)] == [ErrorCode.TIMEOUT]
    assert couple.machines[ALICE].open_measurements == 0


def test_unit_request_that_was_lost_with_its_session_is_made_once_more() -> None:
    couple = Couple(cut_after=0)
    couple.open()
    couple.cut_after = None
    couple.lose_session()
    (ours,), (theirs,) = couple.keys(ALICE), couple.keys(BOB)
    assert ours.key == theirs.key


def test_unit_request_that_is_lost_twice_fails() -> None:
    couple = Couple(cut_after=0)
    couple.open()
    couple.lose_session()
    assert not couple.failures(ALICE)
    couple.lose_session()
    (failure,) = couple.failures(ALICE)
    assert failure.reason == ErrorCode.SESSION_LOST


def test_unit_circuit_that_no_unit_wants_is_released() -> None:
    machine = Couple().machines[BOB]
    stray = CircuitReady(CircuitId((ALICE, 9)), bytes(16), ALICE, False)
    machine.on_service(stray, Instant(1))
    assert ReleaseCircuit(stray.circuit, ErrorCode.CANCELLED) in machine.take_effects()


def test_unit_towards_a_far_end_that_never_answered_fails_at_once() -> None:
    couple = Couple(cut_after=0)
    couple.open()
    couple.lose_session(known=False)
    (failure,) = couple.failures(ALICE)
    assert failure.reason == ErrorCode.UNREACHABLE and "no session" in failure.text

"""Whatever a neighbour or an application says, nobody else's qubits move, and nothing is left when all have gone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import Basis, Gate
from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import CreateAccepted, CreateDone, CreateFailed, PairOk, PairsRevoked, QubitsFreed
from qstack.base.time import DomainTime, Instant
from qstack.wire.control import (
    ActOnQubits,
    CancelEpr,
    CloseEprSocket,
    CreateEpr,
    FreeQubits,
    Half,
    MeasureQubits,
    OpenEprSocket,
    QubitBasis,
    QubitGate,
    QubitsMeasured,
)
from qstack.wire.epr import GivenUp, PairsGivenUp, SocketClose, SocketOpen
from qstack.wire.value import Message
from tests.proto.epr.ends import ALICE, ARRIVAL, BOB, PURPOSE, Ends

SMALL = st.integers(0, 4)
PURPOSES = st.sampled_from((0, PURPOSE, PURPOSE + 1, 2000))
GATES = st.builds(QubitGate, qubit=SMALL, second=SMALL, gate=st.sampled_from((Gate.H, Gate.CNOT, 200)),
                  angle=st.sampled_from((0, 1 << 30)))  # fmt: skip
HALVES = st.builds(Half, choice=st.integers(0, 5), x1=SMALL)

ASKED: st.SearchStrategy[Message] = st.one_of(
    st.builds(OpenEprSocket, request=SMALL, remote=st.sampled_from((ALICE, BOB)), purpose=PURPOSES),
    st.builds(CloseEprSocket, socket=SMALL),
    st.builds(CreateEpr, request=SMALL, socket=SMALL, connection=st.integers(0, 2), kind=st.integers(0, 4),
              number=st.integers(0, 5), max_time_ms=st.sampled_from((0, 1)), sequential=st.integers(0, 1),
              local=HALVES, remote=HALVES),
    st.builds(CancelEpr, socket=SMALL, create=SMALL),
    st.builds(ActOnQubits, request=SMALL, gates=st.lists(GATES, min_size=1, max_size=4).map(tuple)),
    st.builds(MeasureQubits, request=SMALL, qubits=st.lists(
        st.builds(QubitBasis, qubit=SMALL, basis=st.sampled_from((*Basis, 9))), min_size=1, max_size=3).map(tuple)),
    st.builds(FreeQubits, qubits=st.lists(SMALL, min_size=1, max_size=4).map(tuple)),
)  # fmt: skip
SAID: st.SearchStrategy[Message] = st.one_of(
    st.builds(SocketOpen, purpose=PURPOSES, life=SMALL, known=SMALL),
    st.builds(SocketClose, purpose=PURPOSES, life=SMALL, finished=st.lists(SMALL, max_size=3).map(tuple)),
    st.builds(PairsGivenUp, purpose=PURPOSES, pairs=st.lists(
        st.builds(GivenUp, create_id=SMALL, mine=st.integers(0, 1), sequence=SMALL), min_size=1, max_size=4,
    ).map(tuple)),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdn"), ASKED, SAID), max_size=40))
def test_applications_and_a_neighbour_that_say_anything_leave_nothing_behind(
    steps: list[tuple[str, Message, Message]],
) -> None:
    """Clients 1 and 2 at one node, 1 at the other; every memory is freed exactly once (`Ends` sees to that)."""
    ends = Ends()
    for who, asked, said in steps:
        match who:
            case "a" | "b":
                ends.ask(ALICE, "ab".index(who) + 1, asked)
            case "c":
                ends.ask(BOB, 1, asked)
            case "d":
                ends.sleep(10_000_000)
            case "n":
                ends.bad(ALICE, said)
                ends.run()
    for node, client in ((ALICE, 1), (ALICE, 2), (BOB, 1)):
        ends.die(node, client)
    ends.sleep(3_000_000_000)
    for node, machine in ends.machines.items():
        told = machine.describe()
        assert not told.sockets and not told.held and not machine.open_acts
        assert machine.next_deadline() is None
        assert not ends.memories[node]


SERVICES = st.one_of(
    st.builds(PairOk, st.just(BOB), PURPOSES, SMALL, st.booleans(), st.sampled_from(PairKind), SMALL,
              st.none(), SMALL, st.just(DomainTime(1)), st.just((0.0,) * 16), st.floats(-1, 2), st.integers(0, 1),
              st.sampled_from(Basis)),
    st.builds(CreateAccepted, st.just(BOB), SMALL),
    st.builds(CreateDone, st.just(BOB), PURPOSES, SMALL, st.booleans()),
    st.builds(CreateFailed, st.just(BOB), PURPOSES, SMALL, st.booleans(), st.just(ErrorCode.TIMEOUT)),
    st.builds(PairsRevoked, st.just(BOB), PURPOSES, SMALL, st.booleans(), st.lists(SMALL, max_size=3).map(tuple)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), SERVICES, ASKED), max_size=30))
def test_link_that_tells_anything_is_borne(steps: list[tuple[bool, object, Message]]) -> None:
    machine = Ends().machines[ALICE]
    for served, service, asked in steps:
        if served:
            machine.on_service(service, Instant(1_000))
        else:
            machine.request(asked, 1, 1000, Instant(1_000))
        freed = [effect for effect in machine.take_effects() if isinstance(effect, QubitsFreed)]
        assert not freed  # it was given none


def test_result_that_nobody_asked_for_is_counted() -> None:
    ends = Ends()
    ends.machines[ALICE].on_device_result(QubitsMeasured(request=1, outcomes=()), Instant(5))
    ends.carry(ALICE)
    assert ends.counted == {"epr.late_results": 1}


def test_pair_for_nobody_is_emptied_and_given_up() -> None:
    ends = Ends()
    ends.memories[ALICE].add(QubitId(1))
    estimate = (1.0,) * 16
    ends.service(ALICE, PairOk(BOB, PURPOSE, 9, False, PairKind.KEEP, 4, QubitId(1), 0, DomainTime(1), estimate, 1.0))
    assert not ends.memories[ALICE]
    [said] = ends.wires[ALICE]
    assert said == PairsGivenUp(purpose=PURPOSE, pairs=(GivenUp(create_id=9, mine=0, sequence=4),))
    by_end = Sender(ALICE, Seal.END, ARRIVAL, ALICE)
    try:
        ends.machines[BOB].receive(said, by_end, Instant(5))
    except PeerViolation:
        return
    raise AssertionError("a message under the wrong seal was taken")

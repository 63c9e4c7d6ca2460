"""Hand-written octets of every device primitive: the outside witness of the table in qstack/wire/twin.py."""

import pytest

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.errors import WireError
from qstack.base.ids import make_qna
from qstack.wire import twin
from qstack.wire.protocols import Protocol
from qstack.wire.value import UnknownTlv, decode_message_untrusted, message_classes

NODE = make_qna(64512, 7)  # 0000fc00 00000007
REQUEST = twin.request_id(Protocol.LINK, 0x2A)  # 04 | 0000000000002a
AT, KNOWN = 0x18FAE27693B40000, 0x18FAE27693B40001  # 1.8e18 ns

VECTORS = [
    ("01 040000000000002a 01 0000fc0000000007", twin.Attach(request_id=REQUEST, node=NODE)),
    (
        "02 040000000000002a 01 00000000deadbeef 80 00000010 0000000000989680 00000000003d0900",
        twin.Attached(request_id=REQUEST, identity=0xDEADBEEF, secret=1, qubits=16, t1_ns=10_000_000, t2_ns=4_000_000),
    ),
    (
        "03 040000000000002a 07 18fae27693b40000 18fae27693b40001",
        twin.Refused(request_id=REQUEST, status=twin.Status.EARLY, completed_at=AT, deliver_at=KNOWN),
    ),
    (
        "04 040000000000002a 00000003 0000a3b5840f4000 00000064 0002 00000001 00000005",
        twin.Attempt(request_id=REQUEST, link=3, first_cycle=180_000_000_000_000, cycles=100, qubits=(1, 5)),
    ),
    (
        "05 040000000000002a 18fae27693b40000 18fae27693b40001",
        twin.AttemptAccepted(request_id=REQUEST, completed_at=AT, deliver_at=KNOWN),
    ),
    (
        "06 040000000000002a 00000003 0000a3b5840f4000 00000064",
        twin.AwaitHeralds(request_id=REQUEST, link=3, first_cycle=180_000_000_000_000, cycles=100),
    ),
    (
        "07 040000000000002a 00 18fae27693b40000 18fae27693b40001 00000003 0000a3b5840f4000 00000064 03 0002"
        " 00000011 02 00000040 03",
        twin.Heralds(
            request_id=REQUEST,
            status=twin.Status.OK,
            completed_at=AT,
            deliver_at=KNOWN,
            link=3,
            first_cycle=180_000_000_000_000,
            cycles=100,
            attempted=twin.LinkEnd.LOWER | twin.LinkEnd.HIGHER,
            heralds=(
                twin.Herald(offset=17, bell_index=BellIndex.PSI_PLUS),
                twin.Herald(offset=64, bell_index=BellIndex.PSI_MINUS),
            ),
        ),
    ),
    (
        "08 040000000000002a 18fae27693b40000 0001 00000001 00000005",
        twin.Swap(request_id=REQUEST, instant=AT, couples=(twin.Couple(first=1, second=5),)),
    ),
    (
        "09 040000000000002a 18fae27693b40000 18fae27693b40001 0002 0001 0500",
        twin.Swapped(
            request_id=REQUEST,
            completed_at=AT,
            deliver_at=KNOWN,
            outcomes=(
                twin.SwapOutcome(status=twin.Status.OK, bell_index=BellIndex.PHI_MINUS),
                twin.SwapOutcome(status=twin.Status.EMPTY),
            ),
        ),
    ),
    (
        "0a 040000000000002a 18fae27693b40000 0001 00000005 01",
        twin.Measure(request_id=REQUEST, instant=AT, measurements=(twin.MeasureItem(qubit=5, basis=Basis.X),)),
    ),
    (
        "0b 040000000000002a 18fae27693b40000 18fae27693b40001 0002 0001 0400",
        twin.Measured(
            request_id=REQUEST,
            completed_at=AT,
            deliver_at=KNOWN,
            outcomes=(
                twin.Outcome(status=twin.Status.OK, bit=1),
                twin.Outcome(status=twin.Status.NO_SUCH_QUBIT),
            ),
        ),
    ),
    (
        "0c 040000000000002a 18fae27693b40000 0001 00000005 03",
        twin.ApplyGates(request_id=REQUEST, instant=AT, gates=(twin.GateItem(qubit=5, gate=Gate.Y),)),
    ),
    (
        "0d 040000000000002a 18fae27693b40000 18fae27693b40001 0002 00 0c",
        twin.GatesApplied(
            request_id=REQUEST,
            completed_at=AT,
            deliver_at=KNOWN,
            statuses=(twin.Status.OK, twin.Status.UNSUPPORTED),
        ),
    ),
    (
        "0e 040000000000002a 18fae27693b40000 0001 00000005",
        twin.Release(request_id=REQUEST, instant=AT, qubits=(5,)),
    ),
    (
        "0f 040000000000002a 18fae27693b40000 18fae27693b40001 0001 05",
        twin.Released(request_id=REQUEST, completed_at=AT, deliver_at=KNOWN, statuses=(twin.Status.EMPTY,)),
    ),
    (
        "10 040000000000002a 0000fc0000000007 00000005",
        twin.InspectPair(request_id=REQUEST, node=NODE, qubit=5),
    ),
    (
        "11 040000000000002a 18fae27693b40000 18fae27693b40001 00 0000fc0000000007 00000002 04"
        " 389fd980 01c9c380 00e4e1c0 00e4e1c0",
        twin.PairInspected(
            request_id=REQUEST,
            completed_at=AT,
            deliver_at=KNOWN,
            alone=0,
            partner_node=NODE,
            partner_qubit=2,
            fidelities=(950_000_000, 30_000_000, 15_000_000, 15_000_000),
        ),
    ),
]


@pytest.mark.parametrize(("octets", "message"), VECTORS, ids=[type(m).__name__ for _, m in VECTORS])
def test_primitive_has_the_octets_written_by_hand(octets, message):
    assert message.encode().hex() == octets.replace(" ", "")
    assert decode_message_untrusted(Protocol.TWIN, bytes.fromhex(octets)) == message


def test_vectors_cover_every_primitive():
    assert {message.CODE for _, message in VECTORS} == set(message_classes(Protocol.TWIN))


@pytest.mark.parametrize(("octets", "message"), VECTORS, ids=[type(m).__name__ for _, m in VECTORS])
def test_primitive_cut_short_anywhere_raises_the_wire_error(octets, message):
    whole = bytes.fromhex(octets)
    for length in range(len(whole)):
        with pytest.raises(WireError):
            decode_message_untrusted(Protocol.TWIN, whole[:length])


def test_primitive_unknown_tlv_survives_a_round_trip():
    octets = bytes.fromhex("01 040000000000002a 01 0000fc0000000007 0777 0002 abcd")
    message = decode_message_untrusted(Protocol.TWIN, octets)
    assert message.options == (UnknownTlv(code=0x777, value=b"\xab\xcd"),)
    assert message.encode() == octets


def test_request_identifier_joins_protocol_and_counter():
    identifier = twin.request_id(Protocol.UNIT, 2**56 + 5)
    assert identifier == 0x06_00000000000005
    assert twin.asking_protocol(identifier) == Protocol.UNIT

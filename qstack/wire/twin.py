"""Device primitives: what a node asks of its quantum device and what it is told. rfc_notes/twin.md.

One message a datagram on a Unix SOCK_SEQPACKET socket, without quantum packet header. Protocol machines emit these same
values (`qstack.base.effects.CallDevice`) and are given the results: there is no second set of classes.
"""

from enum import IntEnum, IntFlag, unique

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.ids import Cycle, LinkId, Qna, QubitId
from qstack.base.time import DomainTime
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    Form,
    boolean,
    cycle,
    domain_time,
    enum,
    flags,
    items,
    qna,
    reserved,
    u8,
    u32,
    u64,
)  # fmt: skip
from qstack.wire.value import Message, Record

__all__ = [
    "FIDELITY_UNIT", "MAXIMUM_ITEMS", "REQUEST_COUNTER_BITS", "VERSION", "ApplyGates", "Attach", "Attached", "Attempt",
    "AttemptAccepted", "AwaitHeralds", "Couple", "GateItem", "GatesApplied", "Herald", "Heralds", "InspectPair",
    "LinkEnd", "Measure", "MeasureItem", "Measured", "Outcome", "PairInspected", "Refused", "Release", "Released",
    "Status", "Swap", "SwapOutcome", "Swapped", "asking_protocol", "request_id",
]  # fmt: skip

VERSION = 1  # TWIN-5.1-1
MAXIMUM_ITEMS = 4_096  # TWIN-7: 36 KiB, inside the default limit of a Unix datagram (208 KiB)
REQUEST_COUNTER_BITS = 56  # TWIN-5-1
FIDELITY_UNIT = 1_000_000_000
"""True fidelities are told in parts of 10^9."""

_REQUEST = "asking protocol (8 bits) and its counter (56 bits)"
_COMPLETED = "instant at which it was complete"
_DELIVER = "instant before which nobody may know"


@unique
class Status(IntEnum):
    """What became of a request or of one item of it."""

    OK = 0
    NOT_ATTACHED = 1
    UNKNOWN_NODE = 2
    UNKNOWN_LINK = 3  # no such link, or the asker has no such part in it
    NO_SUCH_QUBIT = 4
    EMPTY = 5  # nothing is in that memory
    BUSY = 6  # the memory is offered or filled, or listed twice
    EARLY = 7  # before the last instant of the qubit or of the link
    LATE = 8  # the window is over
    TOO_FAR = 9  # beyond the device's horizon
    NO_PARTNER = 10  # an end did not attempt this window
    SAME_PAIR = 11
    UNSUPPORTED = 12  # version, basis, gate or message that this device does not have
    NOT_ALLOWED = 13
    NO_ROOM = 14


@unique
class LinkEnd(IntFlag):
    """Ends of a link, told apart by their addresses."""

    LOWER = 1
    HIGHER = 2


def request_id(protocol: int, counter: int) -> int:
    """Join a protocol number and its counter (taken modulo 2^56)."""
    return protocol << REQUEST_COUNTER_BITS | counter & (1 << REQUEST_COUNTER_BITS) - 1


def asking_protocol(identifier: int) -> int:
    """The protocol number in a request identifier."""
    return identifier >> REQUEST_COUNTER_BITS


# ---- attaching ----


class Attach(Message, protocol=Protocol.TWIN, code=1):
    """Serve this node on this connection from now on."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX, default=0)
    version: int = u8("of these primitives", req="TWIN-5.1-1", default=VERSION)
    node: Qna = qna("whose memories are meant", req="TWIN-5.1-2")


class Attached(Message, protocol=Protocol.TWIN, code=2, answers=("Attach",), matched_by=("request_id",)):
    """What the device is."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    version: int = u8("of these primitives", req="TWIN-5.1-1", default=VERSION)
    identity: int = u64("another one after the device has lost its states", req="TWIN-5.1-4", form=Form.HEX)
    secret: int = boolean("chance comes from the operating system", req="TWIN-5.1-5")
    _spare: int = reserved(7)
    qubits: int = u32("number of memories of the node", req="TWIN-5.1-6")
    t1_ns: int = u64("relaxation time of a memory, 0 for infinite", unit="ns", req="TWIN-5.1-6", default=0)
    t2_ns: int = u64("dephasing time of a memory, 0 for infinite", unit="ns", req="TWIN-5.1-6", default=0)


class Refused(
    Message, protocol=Protocol.TWIN, code=3, matched_by=("request_id",),
    answers=("Attach", "Attempt", "AwaitHeralds", "Swap", "Measure", "ApplyGates", "Release", "InspectPair"),
):  # fmt: skip
    """The request failed as a whole and changed nothing."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    status: int = enum(8, Status, "why", req="TWIN-5-2")
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")


# ---- making pairs ----


class Attempt(Message, protocol=Protocol.TWIN, code=4):
    """Attempt to make pairs on a link in every cycle of a window until the listed memories are filled."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is an end", req="TWIN-5.2-1")
    first_cycle: Cycle = cycle("first cycle of the window", req="TWIN-5.2-2")
    cycles: int = u32("length of the window", unit="cycles", req="TWIN-5.2-2")
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "memories in the order in which successes fill them",
                                        minimum=1, maximum=MAXIMUM_ITEMS, req="TWIN-5.2-3")  # fmt: skip


class AttemptAccepted(Message, protocol=Protocol.TWIN, code=5, answers=("Attempt",), matched_by=("request_id",)):
    """The attempts are made. Whether any succeeds is the station's to know."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")


class AwaitHeralds(Message, protocol=Protocol.TWIN, code=6):
    """Station: tell which attempts of a window succeed."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is the station", req="TWIN-5.3-1")
    first_cycle: Cycle = cycle("first cycle of the window", req="TWIN-5.3-2")
    cycles: int = u32("length of the window", unit="cycles", req="TWIN-5.3-2")


class Herald(Record):
    """One success."""

    offset: int = u32("its cycle, counted from the window's first", unit="cycles", req="TWIN-5.3-4")
    bell_index: BellIndex = enum(8, BellIndex, "state that the station saw", req="TWIN-5.3-4")


class Heralds(Message, protocol=Protocol.TWIN, code=7, answers=("AwaitHeralds",), matched_by=("request_id",)):
    """All successes of a window; status OK or NO_PARTNER."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    status: int = enum(8, Status, "OK or NO_PARTNER", req="TWIN-5.3-3")
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-5.3-2")
    link: LinkId = u32("of the request", req="TWIN-5.3-2")
    first_cycle: Cycle = cycle("of the request", req="TWIN-5.3-2")
    cycles: int = u32("of the request", unit="cycles", req="TWIN-5.3-2")
    attempted: int = flags(8, LinkEnd, "ends that did attempt the window", req="TWIN-5.3-3")
    heralds: tuple[Herald, ...] = items(16, Herald, "successes by rising cycle", maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.3-4", default=())  # fmt: skip


# ---- acting on qubits ----


class Couple(Record):
    """Two memories of the asker, each with half of another pair."""

    first: QubitId = u32("memory", req="TWIN-5.4-1")
    second: QubitId = u32("memory", req="TWIN-5.4-1")


class Swap(Message, protocol=Protocol.TWIN, code=8):
    """Bell measurements."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when they act", req="TWIN-4-1")
    couples: tuple[Couple, ...] = items(16, Couple, "what is swapped", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.4-1")  # fmt: skip


class SwapOutcome(Record):
    """Result of one Bell measurement."""

    status: int = enum(8, Status, "of this item", req="TWIN-3-4")
    bell_index: BellIndex = enum(8, BellIndex, "outcome; 0 unless the status is OK", req="TWIN-5.4-1", default=0)


class Swapped(Message, protocol=Protocol.TWIN, code=9, answers=("Swap",), matched_by=("request_id",)):
    """Outcomes, in the order of the couples."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    outcomes: tuple[SwapOutcome, ...] = items(16, SwapOutcome, "one a couple", maximum=MAXIMUM_ITEMS,
                                              req="TWIN-5.4-1")  # fmt: skip


class MeasureItem(Record):
    """A memory and the basis in which it is measured."""

    qubit: QubitId = u32("memory", req="TWIN-5.5-1")
    basis: Basis = enum(8, Basis, "basis", req="TWIN-5.5-1")


class Measure(Message, protocol=Protocol.TWIN, code=10):
    """Single-qubit measurements."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when they act", req="TWIN-4-1")
    measurements: tuple[MeasureItem, ...] = items(16, MeasureItem, "what is measured", minimum=1,
                                                  maximum=MAXIMUM_ITEMS, req="TWIN-5.5-1")  # fmt: skip


class Outcome(Record):
    """Result of one measurement."""

    status: int = enum(8, Status, "of this item", req="TWIN-3-4")
    bit: int = u8("0 for eigenvalue +1, 1 for -1; 0 unless the status is OK", req="TWIN-5.5-1", default=0)


class Measured(Message, protocol=Protocol.TWIN, code=11, answers=("Measure",), matched_by=("request_id",)):
    """Outcomes, in the order of the measurements."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    outcomes: tuple[Outcome, ...] = items(16, Outcome, "one a measurement", maximum=MAXIMUM_ITEMS,
                                          req="TWIN-5.5-1")  # fmt: skip


class GateItem(Record):
    """A memory and the gate that acts on it."""

    qubit: QubitId = u32("memory", req="TWIN-5.6-1")
    gate: Gate = enum(8, Gate, "gate", req="TWIN-5.6-1")


class ApplyGates(Message, protocol=Protocol.TWIN, code=12):
    """Single-qubit gates."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when they act", req="TWIN-4-1")
    gates: tuple[GateItem, ...] = items(16, GateItem, "what is done", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.6-1")  # fmt: skip


class GatesApplied(Message, protocol=Protocol.TWIN, code=13, answers=("ApplyGates",), matched_by=("request_id",)):
    """Statuses, in the order of the gates."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one gate"), "one a gate", maximum=MAXIMUM_ITEMS,
                                      req="TWIN-3-4")  # fmt: skip


class Release(Message, protocol=Protocol.TWIN, code=14):
    """Empty memories."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when they are emptied", req="TWIN-4-1")
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "memories", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.7-1")  # fmt: skip


class Released(Message, protocol=Protocol.TWIN, code=15, answers=("Release",), matched_by=("request_id",)):
    """Statuses, in the order of the memories."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one memory"), "one a memory", maximum=MAXIMUM_ITEMS,
                                      req="TWIN-5.7-1")  # fmt: skip


# ---- operators ----


class InspectPair(Message, protocol=Protocol.TWIN, code=16):
    """Operator: the true state of the pair of which a memory holds half."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    node: Qna = qna("whose memory", req="TWIN-5.8-1")
    qubit: QubitId = u32("memory", req="TWIN-5.8-1")


class PairInspected(Message, protocol=Protocol.TWIN, code=17, answers=("InspectPair",), matched_by=("request_id",)):
    """What the state truly is at `completed_at`."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time("instant for which it is told", req="TWIN-5.8-1")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    alone: int = boolean("the other half is in no memory any more", req="TWIN-5.8-1")
    _spare: int = reserved(7)
    partner_node: Qna = qna("where the other half is, 0.0 for nowhere", req="TWIN-5.8-1")
    partner_qubit: QubitId = u32("memory of the other half", req="TWIN-5.8-1")
    fidelities: tuple[int, ...] = items(8, u32("fidelity", unit="1/10^9"), "to Phi+, Phi-, Psi+, Psi-", minimum=4,
                                        maximum=4, req="TWIN-5.8-1")  # fmt: skip

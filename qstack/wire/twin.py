"""Device primitives: what a node asks of its quantum device and what it is told. rfc_notes/twin.md.

One message a datagram on a Unix SOCK_SEQPACKET socket, or an MQTT message, without quantum packet header. Protocol
machines emit these same values (`qstack.base.effects.CallDevice`) and are given the results: there is no second set of
classes.
"""

from enum import IntEnum, IntFlag, unique

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.ids import Cycle, LinkId, Qna, QubitId
from qstack.base.pairs import BasisChoice, PairKind
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
    u16,
    u32,
    u64,
)  # fmt: skip
from qstack.wire.value import Message, Record

__all__ = [
    "ANGLE_UNIT", "FIDELITY_UNIT", "MAXIMUM_COUNTED_CYCLES", "MAXIMUM_ITEMS", "NO_QUBIT",
    "PROBABILITY_UNIT", "REQUEST_COUNTER_BITS", "VERSION",
    "ApplyGates", "Attach", "Attached", "Attempt", "AttemptAccepted", "AwaitHeralds", "ClicksCounted", "CountClicks",
    "Couple", "FetchOutcomes", "FetchedOutcome", "GateItem", "GatesApplied", "Herald", "Heralds", "Initialise",
    "Initialised", "InspectPair", "LinkEnd", "Measure", "MeasureItem", "Measured", "MemoryKind", "MemoryRole", "Move",
    "MoveItem", "Moved", "Operation", "OperationKind", "Outcome", "OutcomesFetched", "PairInspected", "Receive",
    "Received", "Refused", "Release", "Released", "Status", "Swap", "SwapOutcome", "Swapped", "Transmit",
    "Transmitted", "asking_protocol", "request_id",
]  # fmt: skip

VERSION = 2  # TWIN-5.1-1
MAXIMUM_COUNTED_CYCLES = 65_536  # TWIN-5.13-5: each click is drawn
MAXIMUM_ITEMS = 4_096  # TWIN-7: 36 KiB, inside the default limit of a Unix datagram (208 KiB)
REQUEST_COUNTER_BITS = 56  # TWIN-5-1
NO_QUBIT = QubitId(0xFFFFFFFF)
"""Stands for no memory: the second one of a one-qubit gate."""
FIDELITY_UNIT = 1_000_000_000
"""True fidelities are told in parts of 10^9."""
PROBABILITY_UNIT = 1 << 32
"""Probabilities and populations are told in parts of 2^32; what rounds to 1 is told as 2^32 - 1."""
ANGLE_UNIT = 1 << 32
"""Angles of gates are told in parts of a full turn, 2 pi / 2^32, as a two's complement: -pi up to below pi."""

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
    LOST = 11  # what should be there was lost on the way, and the device has noticed
    UNSUPPORTED = 12  # version, basis, gate or message that this device does not have
    NOT_ALLOWED = 13
    NO_ROOM = 14
    NO_WINDOW = 15  # no such window of measurements, or its outcomes are no longer kept
    WRONG_ROLE = 16  # a communication memory where a storage memory is needed, or the other way round


@unique
class LinkEnd(IntFlag):
    """Ends of a link, told apart by their addresses."""

    LOWER = 1
    HIGHER = 2


@unique
class MemoryRole(IntEnum):
    """What a memory can do."""

    COMMUNICATION = 0  # qubits are made in it and leave from it
    STORAGE = 1  # qubits are moved into it


@unique
class Operation(IntEnum):
    """What takes a device time and is noisy."""

    INITIALISE = 0
    ONE_QUBIT = 1
    TWO_QUBIT = 2
    MEASURE = 3
    BELL_MEASURE = 4
    MOVE = 5
    STORAGE_INITIALISE = 6  # where storage memories differ from communication memories
    STORAGE_ONE_QUBIT = 7


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


class MemoryKind(Record):
    """A run of memories that are alike."""

    first: QubitId = u32("number of the first of them", req="TWIN-5.1-6")
    count: int = u32("how many there are", req="TWIN-5.1-6")
    role: int = enum(8, MemoryRole, "what they can do", req="TWIN-5.1-6", default=MemoryRole.COMMUNICATION)
    t1_ns: int = u64("relaxation time, 0 for infinite", unit="ns", req="TWIN-5.1-6", default=0)
    t2_ns: int = u64("dephasing time, 0 for infinite", unit="ns", req="TWIN-5.1-6", default=0)
    depolarising_ns: int = u64("depolarising time, 0 for infinite", unit="ns", req="TWIN-5.1-6", default=0)
    p0: int = u32("probability that a 0 is told as a 1", unit="1/2^32", req="TWIN-6-2", default=0)
    p1: int = u32("probability that a 1 is told as a 0", unit="1/2^32", req="TWIN-6-2", default=0)


class OperationKind(Record):
    """How long an operation takes and how noisy it is."""

    operation: int = enum(8, Operation, "operation", req="TWIN-5.1-7")
    duration_ns: int = u64("from its instant until it is complete", unit="ns", req="TWIN-4-6")
    error: int = u32("probability that its qubits are depolarised", unit="1/2^32", req="TWIN-6-3", default=0)


class Attached(Message, protocol=Protocol.TWIN, code=2, answers=("Attach",), matched_by=("request_id",)):
    """What the device is."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    version: int = u8("of these primitives", req="TWIN-5.1-1", default=VERSION)
    identity: int = u64("another one after the device has lost its states", req="TWIN-5.1-4", form=Form.HEX)
    secret: int = boolean("chance comes from the operating system", req="TWIN-5.1-5")
    _spare: int = reserved(7)
    qubits: int = u32("number of memories of the node", req="TWIN-5.1-6")
    memories: tuple[MemoryKind, ...] = items(16, MemoryKind, "kinds, by rising numbers", maximum=MAXIMUM_ITEMS,
                                             req="TWIN-5.1-6", default=())  # fmt: skip
    operations: tuple[OperationKind, ...] = items(8, OperationKind, "durations and errors; what is not listed takes no "
                                                  "time and is exact", maximum=64, req="TWIN-5.1-7",
                                                  default=())  # fmt: skip


class Refused(
    Message, protocol=Protocol.TWIN, code=3, matched_by=("request_id",),
    answers=("Attach", "Attempt", "AwaitHeralds", "CountClicks", "FetchOutcomes", "Initialise", "Swap", "Measure",
             "ApplyGates", "Move", "Transmit", "Receive", "Release", "InspectPair"),
):  # fmt: skip
    """The request failed as a whole and changed nothing."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    status: int = enum(8, Status, "why", req="TWIN-5-2")
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")


# ---- making pairs ----


class Attempt(Message, protocol=Protocol.TWIN, code=4):
    """Attempt to make pairs on a link in every cycle of a window, and keep or measure this end's halves."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is an end", req="TWIN-5.2-1")
    first_cycle: Cycle = cycle("first cycle of the window", req="TWIN-5.2-2")
    cycles: int = u32("length of the window", unit="cycles", req="TWIN-5.2-2")
    bright: int = u32("bright-state population, 0 for the link's own setting", unit="1/2^32", req="TWIN-5.2-6",
                      default=0)  # fmt: skip
    kind: int = enum(8, PairKind, "KEEP or MEASURE", req="TWIN-5.2-7", default=PairKind.KEEP)
    choice: int = enum(8, BasisChoice, "MEASURE: from which bases the device draws", req="TWIN-5.2-8",
                       default=BasisChoice.NONE)  # fmt: skip
    x1: int = u16("MEASURE: first a rotation about X", unit="2 pi/2^16", req="TWIN-5.2-8", default=0)
    y: int = u16("MEASURE: then one about Y", unit="2 pi/2^16", req="TWIN-5.2-8", default=0)
    x2: int = u16("MEASURE: then another about X", unit="2 pi/2^16", req="TWIN-5.2-8", default=0)
    first: int = u8("MEASURE: chance of the first basis of the choice", unit="1/256", req="TWIN-5.2-9", default=0)
    second: int = u8("MEASURE: chance of the second", unit="1/256", req="TWIN-5.2-9", default=0)
    most: int = u32("successes after which attempts end, 0 for no other bound", req="TWIN-5.2-5", default=0)
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "KEEP: memories in the order in which successes fill them; "
                                        "MEASURE: the memory that is used again and again", minimum=1,
                                        maximum=MAXIMUM_ITEMS, req="TWIN-5.2-3")  # fmt: skip


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


class CountClicks(Message, protocol=Protocol.TWIN, code=40):
    """Station: count the clicks of a window, whoever attempts in it."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is the station", req="TWIN-5.13-1")
    first_cycle: Cycle = cycle("first cycle of the window", req="TWIN-5.13-1")
    cycles: int = u32("length of the window", unit="cycles", req="TWIN-5.13-1")


class ClicksCounted(Message, protocol=Protocol.TWIN, code=41, answers=("CountClicks",), matched_by=("request_id",)):
    """What was counted."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    attempted: int = flags(8, LinkEnd, "ends that did attempt the window", req="TWIN-5.13-2")
    clicks: int = u32("cycles in which one detector clicked and the other did not", req="TWIN-5.13-3")
    arrival_ns: int = u32("from the beginning of a cycle to the click, on average", unit="ns", req="TWIN-5.13-4")


class FetchOutcomes(Message, protocol=Protocol.TWIN, code=18):
    """Tell what this end measured in attempts of a window that were heralded."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("of the window", req="TWIN-5.9-1")
    first_cycle: Cycle = cycle("first cycle of the window", req="TWIN-5.9-1")
    offsets: tuple[int, ...] = items(16, u32("offset", unit="cycles"), "cycles of successes, counted from the first",
                                     minimum=1, maximum=MAXIMUM_ITEMS, req="TWIN-5.9-1")  # fmt: skip


class FetchedOutcome(Record):
    """What was measured in one attempt."""

    status: int = enum(8, Status, "OK, or EMPTY when this attempt was no success", req="TWIN-5.9-2")
    basis: Basis = enum(8, Basis, "in which the device measured; 0 unless the status is OK", req="TWIN-5.2-8",
                        default=0)  # fmt: skip
    bit: int = u8("0 for eigenvalue +1, 1 for -1; 0 unless the status is OK", req="TWIN-5.5-1", default=0)


class OutcomesFetched(
    Message, protocol=Protocol.TWIN, code=19, answers=("FetchOutcomes",), matched_by=("request_id",)
):
    """Outcomes, in the order of the offsets."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    outcomes: tuple[FetchedOutcome, ...] = items(16, FetchedOutcome, "one an offset", maximum=MAXIMUM_ITEMS,
                                                 req="TWIN-5.9-2")  # fmt: skip


# ---- acting on qubits ----


class Initialise(Message, protocol=Protocol.TWIN, code=20):
    """Put qubits in |0> into empty memories."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when it begins", req="TWIN-4-1")
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "memories", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.10-1")  # fmt: skip


class Initialised(Message, protocol=Protocol.TWIN, code=21, answers=("Initialise",), matched_by=("request_id",)):
    """Statuses, in the order of the memories."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one memory"), "one a memory", maximum=MAXIMUM_ITEMS,
                                      req="TWIN-3-4")  # fmt: skip


class Couple(Record):
    """Two memories of the asker."""

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
    basis: Basis = enum(8, Basis, "any of the five", req="TWIN-5.5-1")


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
    """A gate and the memories on which it acts."""

    qubit: QubitId = u32("memory; of a gate of two qubits the first, which controls", req="TWIN-5.6-1")
    second: QubitId = u32("second memory, 0xFFFFFFFF for a gate of one qubit", req="TWIN-5.6-2", default=NO_QUBIT)
    gate: Gate = enum(8, Gate, "gate", req="TWIN-5.6-1")
    angle: int = u32("of a rotation, two's complement; of CLIFFORD its number; else 0", unit="2 pi/2^32",
                     req="TWIN-5.6-3", default=0)  # fmt: skip


class ApplyGates(Message, protocol=Protocol.TWIN, code=12):
    """Gates of one and two qubits."""

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


class MoveItem(Record):
    """Where a qubit is, and where it shall be."""

    source: QubitId = u32("communication memory", req="TWIN-5.11-1")
    target: QubitId = u32("empty storage memory", req="TWIN-5.11-1")


class Move(Message, protocol=Protocol.TWIN, code=22):
    """Move qubits from communication into storage memories."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    instant: DomainTime = domain_time("when they begin", req="TWIN-4-1")
    moves: tuple[MoveItem, ...] = items(16, MoveItem, "what is moved", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.11-1")  # fmt: skip


class Moved(Message, protocol=Protocol.TWIN, code=23, answers=("Move",), matched_by=("request_id",)):
    """Statuses, in the order of the moves."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one move"), "one a move", maximum=MAXIMUM_ITEMS,
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


# ---- sending qubits over a link ----


class Transmit(Message, protocol=Protocol.TWIN, code=24):
    """Let held qubits leave over a link, one a cycle."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is an end", req="TWIN-5.12-1")
    first_cycle: Cycle = cycle("cycle at whose start the first one leaves", req="TWIN-5.12-2")
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "the k-th leaves k cycles after the first", minimum=1,
                                        maximum=MAXIMUM_ITEMS, req="TWIN-5.12-2")  # fmt: skip


class Transmitted(Message, protocol=Protocol.TWIN, code=25, answers=("Transmit",), matched_by=("request_id",)):
    """Statuses, in the order of the memories. OK says that it has left, and nothing of its arrival."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-4-3")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one memory"), "one a memory", maximum=MAXIMUM_ITEMS,
                                      req="TWIN-3-4")  # fmt: skip


class Receive(Message, protocol=Protocol.TWIN, code=26):
    """Take up what the other end of a link transmits, one qubit a cycle."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    link: LinkId = u32("link of which the asker is an end", req="TWIN-5.12-1")
    first_cycle: Cycle = cycle("cycle at whose start the first one leaves the other end", req="TWIN-5.12-3")
    qubits: tuple[QubitId, ...] = items(16, u32("memory"), "empty memories; the k-th is for what leaves k cycles after "
                                        "the first", minimum=1, maximum=MAXIMUM_ITEMS,
                                        req="TWIN-5.12-3")  # fmt: skip


class Received(Message, protocol=Protocol.TWIN, code=27, answers=("Receive",), matched_by=("request_id",)):
    """What has arrived, in the order of the memories: OK, LOST on the way, or NO_PARTNER when nothing was sent."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time(_COMPLETED, req="TWIN-5.12-4")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-5.12-4")
    statuses: tuple[int, ...] = items(16, enum(8, Status, "of one arrival"), "one a memory", maximum=MAXIMUM_ITEMS,
                                      req="TWIN-5.12-4")  # fmt: skip


# ---- operators ----


class InspectPair(Message, protocol=Protocol.TWIN, code=16):
    """Operator: the true state of what a memory holds."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    node: Qna = qna("whose memory", req="TWIN-5.8-1")
    qubit: QubitId = u32("memory", req="TWIN-5.8-1")


class PairInspected(Message, protocol=Protocol.TWIN, code=17, answers=("InspectPair",), matched_by=("request_id",)):
    """What the state truly is at `completed_at`."""

    request_id: int = u64(_REQUEST, req="TWIN-5-1", form=Form.HEX)
    completed_at: DomainTime = domain_time("instant for which it is told", req="TWIN-5.8-1")
    deliver_at: DomainTime = domain_time(_DELIVER, req="TWIN-4-3")
    alone: int = boolean("of the qubits with which it has a joint state none is in a memory", req="TWIN-5.8-1")
    _spare: int = reserved(7)
    qubits: int = u32("how many qubits have this state, itself included", req="TWIN-5.8-3", default=2)
    partner_node: Qna = qna("where the other half of a pair is, 0.0 for nowhere", req="TWIN-5.8-1")
    partner_qubit: QubitId = u32("memory of the other half", req="TWIN-5.8-1")
    fidelities: tuple[int, ...] = items(8, u32("fidelity", unit="1/10^9"), "to Phi+, Phi-, Psi+, Psi-; none unless "
                                        "it is a pair", maximum=4, req="TWIN-5.8-1", default=())  # fmt: skip

"""Messages of the link layer: between the two ends of a link, and between them and its heralding station.

rfc_notes/link.md is the text of which this file is the table. Names are those of Dahlberg et al. 2019: CREATE and
EXPIRE of the EGP, the distributed queue, GEN and REPLY of the MHP.
"""

from enum import IntEnum, unique

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import ErrorCode
from qstack.base.ids import Cycle, Label, LinkId, PurposeId, Qna
from qstack.base.pairs import BasisChoice, PairKind, Reading, Rotation
from qstack.base.time import DomainTime
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    boolean,
    cycle,
    domain_time,
    enum,
    fidelity,
    flags,
    items,
    label,
    octets,
    prefixed,
    qna,
    record,
    reserved,
    u8,
    u16,
    u32,
    u64,
)  # fmt: skip
from qstack.wire.twin import LinkEnd
from qstack.wire.value import Message, Record, Tlv

__all__ = [
    "MAXIMUM_ASSIGNED", "MAXIMUM_DATA", "MAXIMUM_HERALDS", "MAXIMUM_SAMPLES", "MAXIMUM_STATIONS", "MAXIMUM_WINDOWS",
    "Assign", "CalibrationPlan", "CalibrationReport", "Cancel", "ClickCount", "ClockEcho", "ClockProbe", "CreateAck",
    "CreateReject", "CreateRequest", "DataAck", "DataBlock", "DataRefuse", "DenseBlock", "DenseDone", "DenseReady",
    "EndFacts", "Expire", "ExpireAck", "Gen", "HalfReading", "HeraldedPair", "MemoryAdvertisement", "Pass", "Reply",
    "ReplyCode", "ReplyCopy", "Room", "SampleOutcome", "SampleOutcomes", "SampleTerms", "Schedule", "SettingTlv",
]  # fmt: skip

MAXIMUM_ASSIGNED = 64  # LINK-7: in one message
MAXIMUM_HERALDS = 192  # LINK-7: a Reply fits a datagram that fits any path
MAXIMUM_STATIONS = 8
MAXIMUM_WINDOWS = 64  # LINK-7: of one plan

_LINK = "link of which both speak"
_QUEUE = "place in the link's queue"
_FIRST = "first cycle of the window"
_LENGTH = "length of a window"
_STRIDE = "from the first cycle of a window to that of the next"
_WINDOWS = "how many windows"
_ALLOWANCE = "pairs that the station may grant to the request in all"


@unique
class ReplyCode(IntEnum):
    """What the station has to say of a window (MHP)."""

    HERALDED = 0  # the attempts were made; what succeeded is listed, which may be nothing
    TIME_MISMATCH = 1  # the ends named different windows, or one that is long over
    QUEUE_MISMATCH = 2  # the ends attempted for different requests
    NO_OTHER = 3  # the other end's Gen did not come in time
    GENERATION_FAILED = 4  # an end's device did not attempt
    DECLINED = 5  # an end said that it would not attempt
    NO_HERALDS = 6  # the station's device does not answer
    EXHAUSTED = 7  # the request has been granted all that its ends allow


class Room(Record):
    """What memories an end has for a link."""

    free: int = u16("memories that hold no pair", unit="memories", req="LINK-4.4-1")
    memories: int = u16("memories that the link may use in all", unit="memories", req="LINK-4.4-2")
    stock: int = u16("pairs that it would keep in stock", unit="pairs", req="LINK-4.4-3", default=0)


class HalfReading(Record):
    """How one end measures its halves at once: turned about X, Y and X, then in a basis that is drawn."""

    choice: int = enum(8, BasisChoice, "bases that are drawn from", req="LINK-4.1-12", default=0)
    x1: int = u16("first angle, about X", unit="2 pi / 2^16", req="LINK-4.1-12", default=0)
    y: int = u16("second angle, about Y", unit="2 pi / 2^16", req="LINK-4.1-12", default=0)
    x2: int = u16("third angle, about X", unit="2 pi / 2^16", req="LINK-4.1-12", default=0)
    first: int = u8("chance of the first basis of the choice", unit="1/256", req="LINK-4.1-15", default=0)
    second: int = u8("chance of the second", unit="1/256", req="LINK-4.1-15", default=0)

    @property
    def reading(self) -> Reading:
        """As a value. Raises ValueError for a choice that there is not."""
        return Reading(BasisChoice(self.choice), Rotation(self.x1, self.y, self.x2), self.first, self.second)


class CreateRequest(Message, protocol=Protocol.LINK, code=1, reliable=True, confidential=True):
    """EGP CREATE: put a request for pairs into the queue of both ends."""

    create_id: int = u32("asker's number of the request", req="LINK-4.1-1")
    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    label: Label = label("circuit that the pairs are for, 0 for an application's", req="LINK-4.1-3", default=0)
    queue_sequence: int = u32(f"{_QUEUE}, 0 when the master is to choose it", req="LINK-4.1-4", default=0)
    kind: int = enum(8, PairKind, "what is done with a pair", req="LINK-4.1-5", default=0)
    atomic: int = boolean("all pairs exist at one time, or none is delivered", req="LINK-4.1-13", default=0)
    consecutive: int = boolean("no other request's windows in between", req="LINK-4.1-14", default=0)
    _spare: int = reserved(6)
    priority: int = u8("larger is more urgent", req="LINK-4.1-6", default=0)
    purpose: PurposeId = u16("application", req="LINK-4.1-7", default=0)
    number: int = u32("pairs", req="LINK-4.1-8")
    min_fidelity: int = fidelity("of a fresh pair", req="LINK-4.1-9", default=0)
    deadline: DomainTime = domain_time("after it the request is void", req="LINK-4.1-10")
    room: Room = record(Room, "of the asker", req="LINK-4.4-1")
    local: HalfReading = record(HalfReading, "at the asker", req="LINK-4.1-12")
    remote: HalfReading = record(HalfReading, "at the other end", req="LINK-4.1-12")
    stations: tuple[Qna, ...] = items(8, qna("station"), "stations that may herald, best first", minimum=1,
                                      maximum=MAXIMUM_STATIONS, req="LINK-4.1-11")  # fmt: skip


class CreateAck(
    Message, protocol=Protocol.LINK, code=2, reliable=True, answers=("CreateRequest",), matched_by=("create_id",)
):
    """The request is in both queues."""

    create_id: int = u32("of the request", req="LINK-4.2-1")
    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    queue_sequence: int = u32(_QUEUE, req="LINK-4.2-2")
    station: Qna = qna("the station that heralds", req="LINK-4.2-3")
    room: Room = record(Room, "of the answering end", req="LINK-4.4-1")


class CreateReject(
    Message, protocol=Protocol.LINK, code=3, reliable=True, answers=("CreateRequest",), matched_by=("create_id",)
):
    """The request is in no queue."""

    create_id: int = u32("of the request", req="LINK-4.2-1")
    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    reason: int = enum(8, ErrorCode, "why", req="LINK-4.2-4")


class Cancel(Message, protocol=Protocol.LINK, code=4, reliable=True):
    """No more pairs for a label, or for an application's request. Pairs that were delivered stay."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    label: Label = label("circuit whose requests leave the queue, 0 for one of an application", req="LINK-4.3-1",
                         default=0)  # fmt: skip
    create_id: int = u32("of the application's request", req="LINK-4.3-2", default=0)
    senders: int = boolean("the sender has asked for it; else the receiver has", req="LINK-4.3-2", default=0)
    _spare: int = reserved(7)
    reason: int = enum(8, ErrorCode, "why", req="LINK-4.3-1")


class MemoryAdvertisement(Message, protocol=Protocol.LINK, code=5, reliable=True):
    """Tell the master that there is room for pairs, or none."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    room: Room = record(Room, "of the sender", req="LINK-4.4-1")


class Schedule(Message, protocol=Protocol.LINK, code=6, reliable=True):
    """Master: both ends attempt in these windows, for this request."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    schedule: int = u32("number of the schedule on this link, from 1", req="LINK-4.5-1")
    queue_sequence: int = u32(_QUEUE, req="LINK-4.5-2")
    first_cycle: Cycle = cycle("first cycle of the first window", req="LINK-4.5-3")
    cycles: int = u32(_LENGTH, unit="cycles", req="LINK-4.5-3")
    stride: int = u32(_STRIDE, unit="cycles", req="LINK-4.5-3")
    windows: int = u8(_WINDOWS, req="LINK-4.5-3")
    memories: int = u16("most that either end offers to a window", unit="memories", req="LINK-4.5-4")
    allowance: int = u32(_ALLOWANCE, unit="pairs", req="LINK-4.5-5")


class Gen(Message, protocol=Protocol.LINK, code=7, reliable=True):
    """MHP GEN, end to station: this end attempts in these windows."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that is meant", req="LINK-4.6-1")
    first_cycle: Cycle = cycle("first cycle of the first window", req="LINK-4.6-2")
    cycles: int = u32(_LENGTH, unit="cycles", req="LINK-4.6-2")
    stride: int = u32(_STRIDE, unit="cycles", req="LINK-4.6-2")
    windows: int = u8(_WINDOWS, req="LINK-4.6-2")
    queue_sequence: int = u32(_QUEUE, req="LINK-4.6-3")
    attempts: int = boolean("0: this end will attempt in none of them", req="LINK-4.6-4", default=1)
    _spare: int = reserved(7)
    allowance: int = u32(_ALLOWANCE, unit="pairs", req="LINK-4.6-6")


class Pass(Message, protocol=Protocol.LINK, code=10, reliable=True):
    """End to station: after all, this end does not attempt in a window that it announced."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that is meant", req="LINK-4.6-1")
    first_cycle: Cycle = cycle(_FIRST, req="LINK-4.6-7")


class HeraldedPair(Record):
    """One success of a window."""

    offset: int = u32("its cycle, counted from the window's first", unit="cycles", req="LINK-4.7-3")
    bell_index: BellIndex = enum(8, BellIndex, "state that the station saw", req="LINK-4.7-3")


class Reply(
    Message, protocol=Protocol.LINK, code=8, reliable=True, answers=("Gen",), matched_by=("link", "first_cycle")
):
    """MHP REPLY, station to each end: what became of a window."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that speaks", req="LINK-4.6-1")
    first_cycle: Cycle = cycle(_FIRST, req="LINK-4.7-1")
    code: int = enum(8, ReplyCode, "whether the window counts", req="LINK-4.7-2")
    queue_sequence: int = u32("of this end's Gen, 0 if none came", req="LINK-4.7-4")
    other_queue_sequence: int = u32("of the other end's Gen, 0 if none came", req="LINK-4.7-4")
    first_sequence: int = u32("the station's number of the first pair", req="LINK-4.7-5")
    granted: int = u32("pairs granted to the request so far, these included", unit="pairs", req="LINK-4.7-7")
    surplus: int = u8("successes behind those listed, which nobody gets", req="LINK-4.7-8", default=0)
    pairs: tuple[HeraldedPair, ...] = items(8, HeraldedPair, "successes by rising cycle", maximum=MAXIMUM_HERALDS,
                                            req="LINK-4.7-3", default=())  # fmt: skip


class ReplyCopy(Message, protocol=Protocol.LINK, code=12):
    """A Reply for the second time, unreliably and out of order: where the first is lost, this one is there at once."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that speaks", req="LINK-4.6-1")
    first_cycle: Cycle = cycle(_FIRST, req="LINK-4.7-1")
    code: int = enum(8, ReplyCode, "whether the window counts", req="LINK-4.7-2")
    queue_sequence: int = u32("of this end's Gen, 0 if none came", req="LINK-4.7-4")
    other_queue_sequence: int = u32("of the other end's Gen, 0 if none came", req="LINK-4.7-4")
    first_sequence: int = u32("the station's number of the first pair", req="LINK-4.7-5")
    granted: int = u32("pairs granted to the request so far, these included", unit="pairs", req="LINK-4.7-7")
    surplus: int = u8("successes behind those listed, which nobody gets", req="LINK-4.7-8", default=0)
    pairs: tuple[HeraldedPair, ...] = items(8, HeraldedPair, "successes by rising cycle", maximum=MAXIMUM_HERALDS,
                                            req="LINK-4.7-3", default=())  # fmt: skip


class Assign(Message, protocol=Protocol.LINK, code=13, reliable=True):
    """Master: what becomes of pairs in stock. Of the other end, without pairs: it has lost its stock."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    queue_sequence: int = u32("place of the request that has them, 0: throw them away", req="LINK-4.9-1")
    sequences: tuple[int, ...] = items(8, u32("the station's number of a pair"), "pairs",
                                       maximum=MAXIMUM_ASSIGNED, req="LINK-4.9-2", default=())  # fmt: skip


class Expire(Message, protocol=Protocol.LINK, code=9, reliable=True):
    """EGP EXPIRE: the sender never learned what became of these windows; their pairs do not exist for it."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    expected_sequence: int = u32("number behind the last pair that the sender knows", req="LINK-4.8-2")
    windows: tuple[Cycle, ...] = items(8, cycle("first cycle of a window"), "windows that are void", minimum=1,
                                       maximum=64, req="LINK-4.8-1")  # fmt: skip


class ExpireAck(Message, protocol=Protocol.LINK, code=11, reliable=True, answers=("Expire",), matched_by=("link",)):
    """EGP EXPIRE acknowledged: what the windows had brought is revoked here too."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    expected_sequence: int = u32("number behind the last pair that the sender knows", req="LINK-4.8-2")
    revoked: tuple[int, ...] = items(8, u32("the station's number of a pair"), "pairs that are revoked with this",
                                     maximum=MAXIMUM_HERALDS, req="LINK-4.8-3", default=())  # fmt: skip
    windows: tuple[Cycle, ...] = items(8, cycle("first cycle of a window"), "of the Expire", minimum=1,
                                       maximum=64, req="LINK-4.8-1")  # fmt: skip


# ---- what pairs are worth (rfc_notes/estimation.md); codes from 32 ----

MAXIMUM_SAMPLES = 64  # ESTIMATION-7: in one message

_BRIGHT = "bright-state population"


class SettingTlv(Tlv, namespace=Protocol.LINK, code=0x8001):
    """In a Schedule: how the ends attempt, and whether its pairs may be samples."""

    bright: int = u32(f"{_BRIGHT} of both ends, 0 for the link's own", unit="1/2^32", req="ESTIMATION-8-3", default=0)
    terms: int = u32("terms by which samples are drawn, 0 for none", req="ESTIMATION-8-3", default=0)


class EndFacts(Message, protocol=Protocol.LINK, code=32, reliable=True):
    """What the sender does to its halves of pairs."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    t1_ns: int = u64("relaxation time of the memories of this link, 0 for infinite", unit="ns", req="ESTIMATION-8-1")
    t2_ns: int = u64("their dephasing time, 0 for infinite", unit="ns", req="ESTIMATION-8-1")
    depolarising_ns: int = u64("their depolarising time, 0 for infinite", unit="ns", req="ESTIMATION-8-1")
    p0: int = u32("probability that a 0 is told as a 1", unit="1/2^32", req="ESTIMATION-8-1")
    p1: int = u32("probability that a 1 is told as a 0", unit="1/2^32", req="ESTIMATION-8-1")
    move_ns: int = u64("how long the move to storage takes, 0 for none", unit="ns", req="ESTIMATION-8-1")
    move_error: int = u32("probability that it depolarises", unit="1/2^32", req="ESTIMATION-8-1")


class SampleTerms(Message, protocol=Protocol.LINK, code=33, reliable=True, confidential=True):
    """Master: from now on pairs may be made under these terms."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    terms: int = u32("number of the terms on this link, from 1", req="ESTIMATION-8-2")
    seed: bytes = octets(16, "seed of the draws", req="ESTIMATION-3.1-1")
    share: int = u32("share of pairs that are samples", unit="1/2^32", req="ESTIMATION-3.1-1")


class SampleOutcome(Record):
    """What one end saw of one sample."""

    sequence: int = u32("the station's number of the pair", req="ESTIMATION-3.1-1")
    basis: Basis = enum(8, Basis, "basis", req="ESTIMATION-3.2-1")
    bit: int = u8("outcome, 0 or 1", req="ESTIMATION-3.2-1")
    measured: DomainTime = domain_time("instant of the measurement", req="ESTIMATION-3.2-1")


class SampleOutcomes(Message, protocol=Protocol.LINK, code=34, reliable=True, confidential=True):
    """What one end saw of samples."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that heralded them", req="ESTIMATION-3.1-1")
    outcomes: tuple[SampleOutcome, ...] = items(8, SampleOutcome, "one a sample", minimum=1,
                                                maximum=MAXIMUM_SAMPLES, req="ESTIMATION-8-4")  # fmt: skip


class CalibrationPlan(Message, protocol=Protocol.LINK, code=35, reliable=True):
    """Master, to the other end and to the station: three windows, one after the other, in which clicks are counted."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that counts", req="ESTIMATION-6-1")
    number: int = u32("number of the round on this link, from 1", req="ESTIMATION-6-1")
    first_cycle: Cycle = cycle("first cycle of the first window", req="ESTIMATION-6-1")
    cycles: int = u32("length of each window", unit="cycles", req="ESTIMATION-6-1")
    bright: int = u32(f"{_BRIGHT} of the end that emits", unit="1/2^32", req="ESTIMATION-6-1")


class ClickCount(Record):
    """What the station counted in one window."""

    attempted: int = flags(8, LinkEnd, "ends that did attempt", req="ESTIMATION-6-3")
    clicks: int = u32("cycles in which one detector clicked and the other did not", req="ESTIMATION-6-2")
    arrival_ns: int = u32("from the beginning of a cycle to the click, on average", unit="ns", req="ESTIMATION-6-4")


class CalibrationReport(Message, protocol=Protocol.LINK, code=36, reliable=True):
    """Station, to both ends: what it counted."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that counted", req="ESTIMATION-6-1")
    number: int = u32("of the round", req="ESTIMATION-6-1")
    first_cycle: Cycle = cycle("of the round", req="ESTIMATION-6-1")
    cycles: int = u32("of the round", unit="cycles", req="ESTIMATION-6-1")
    bright: int = u32("of the round", unit="1/2^32", req="ESTIMATION-6-1")
    counts: tuple[ClickCount, ...] = items(8, ClickCount, "lower end's light, higher end's, none; none of them when "
                                           "the station's device does not count", maximum=3,
                                           req="ESTIMATION-6-2", default=())  # fmt: skip


class ClockProbe(Message, protocol=Protocol.LINK, code=37):
    """End to station: what time is it there?"""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that is meant", req="ESTIMATION-6-5")
    number: int = u32("number of the probe", req="ESTIMATION-6-5")
    sent: DomainTime = domain_time("the end's clock as it left", req="ESTIMATION-6-5")


class ClockEcho(Message, protocol=Protocol.LINK, code=38, answers=("ClockProbe",), matched_by=("link", "number")):
    """Station to end."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    station: Qna = qna("the station that answers", req="ESTIMATION-6-5")
    number: int = u32("of the probe", req="ESTIMATION-6-5")
    sent: DomainTime = domain_time("of the probe", req="ESTIMATION-6-5")
    received: DomainTime = domain_time("the station's clock as the probe came", req="ESTIMATION-6-5")


# ---- data between the two ends (rfc_notes/data.md); codes from 48 ----

MAXIMUM_DATA = 1_000  # DATA-6: octets in one block

_BLOCK = "number of the block in its direction, from 0"


class DataBlock(Message, protocol=Protocol.LINK, code=48, reliable=True, confidential=True):
    """A piece of an application's data."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    block: int = u32(_BLOCK, req="DATA-3-1")
    purpose: PurposeId = u16("application", req="DATA-3-2")
    last: int = boolean("the message ends with it", req="DATA-3-2")
    _spare: int = reserved(7)
    data: bytes = prefixed(16, "the piece", maximum=MAXIMUM_DATA, req="DATA-3-2")


class DataAck(Message, protocol=Protocol.LINK, code=49, reliable=True):
    """Blocks up to here have been handed on, or thrown away."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    block: int = u32("the first one that has not", req="DATA-3-3")


class DataRefuse(Message, protocol=Protocol.LINK, code=50, reliable=True):
    """Nobody wants data for a purpose."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    purpose: PurposeId = u16("application", req="DATA-3-4")
    reason: int = enum(8, ErrorCode, "why", req="DATA-3-4")


class DenseBlock(Message, protocol=Protocol.LINK, code=51, reliable=True, confidential=True):
    """A piece of data is about to be sent in qubits."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    block: int = u32(_BLOCK, req="DATA-3-1")
    purpose: PurposeId = u16("application", req="DATA-3-2")
    last: int = boolean("the message ends with it", req="DATA-3-2")
    _spare: int = reserved(7)
    create_id: int = u32("the sender's request whose pairs are used", req="DATA-4-2")
    first_cycle: Cycle = cycle("in which the first qubit leaves, 0 when the master is to choose it", req="DATA-4-3")
    size: int = u8("octets of data", unit="octets", req="DATA-4-4")
    parity: int = u8("octets of parity", unit="octets", req="DATA-4-4")
    nonce: bytes = octets(8, "makes the digest unlike all others", req="DATA-4-5")
    digest: bytes = octets(8, "of nonce and data", req="DATA-4-5")


class DenseReady(
    Message, protocol=Protocol.LINK, code=52, reliable=True, answers=("DenseBlock",), matched_by=("link", "block")
):
    """The receiver waits for the qubits, or will not."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    block: int = u32("of the DenseBlock", req="DATA-4-3")
    accepted: int = boolean("memories wait for the qubits", req="DATA-4-3")
    _spare: int = reserved(7)
    first_cycle: Cycle = cycle("in which the first qubit leaves", req="DATA-4-3")


class DenseDone(
    Message, protocol=Protocol.LINK, code=53, reliable=True, answers=("DenseBlock",), matched_by=("link", "block")
):
    """What became of a block."""

    link: LinkId = u32(_LINK, req="LINK-4.1-2")
    block: int = u32("of the DenseBlock", req="DATA-4-6")
    whole: int = boolean("its data has arrived", req="DATA-4-6")
    _spare: int = reserved(7)
    lost: int = u8("octets of which a qubit was lost", unit="octets", req="DATA-4-6")
    wrong: int = u8("octets that were put right, of a block that is whole", unit="octets", req="DATA-4-6")

"""Messages between an application and the daemon of its node, on a Unix socket.

Each frame is a 16-bit length and one message. The daemon knows the application's user id from the kernel (SO_PEERCRED);
nothing an application says about itself counts. Operators use the JSON of `qstack.control` on the same socket: a
frame's first octet is always below 0x40, a JSON object's is 0x7B.
"""

from enum import IntEnum, unique

from qstack.base.bell import Basis, BellIndex, Gate
from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import BasisChoice, PairKind
from qstack.base.time import DomainTime
from qstack.wire.protocols import Protocol
from qstack.wire.schema import (
    Form,
    boolean,
    domain_time,
    enum,
    fidelity,
    items,
    prefixed,
    qna,
    record,
    reserved,
    text,
    u8,
    u16,
    u32,
    u64,
)  # fmt: skip
from qstack.wire.unit import MAXIMUM_ENDPOINTS, UnitKind
from qstack.wire.value import Message, Record

__all__ = [
    "MAXIMUM_ACTS", "MAXIMUM_FRAME", "MAXIMUM_PAIRS", "MAXIMUM_SOCKET_DATA", "Accepted", "ActOnQubits", "CancelEpr",
    "ClaimEndpoint",
    "CloseEprSocket", "CloseUnit", "CreateEpr", "Delivered", "EprConnected", "EprDisconnected", "EprDone", "EprFailed",
    "EprIncomplete", "EprOutcome", "EprOutcomes", "EprPair", "EprPairs", "EprQueued", "EprSocketOpened", "Failed",
    "Fate", "FreeQubits", "Half", "MeasurePairs", "MeasureQubits", "OpenDataSocket", "OpenEprSocket", "OpenUnit",
    "PairBasis", "PairDelivered", "PairOutcome", "PairsMeasured", "QubitBasis", "QubitGate", "QubitOutcome",
    "QubitsActed", "QubitsMeasured", "QubitsRevoked", "Refused", "ReleasePairs", "SendSocketData", "SocketDataArrived",
    "SocketDataFailed", "SocketDataSent", "TakeSocketData", "UnitStarted",
]  # fmt: skip

MAXIMUM_FRAME = 0x3FFF
MAXIMUM_ACTS = 1_024  # EPR-7: gates or measurements of one message
MAXIMUM_PAIRS = 512  # EPR-7: pairs of one message
MAXIMUM_SOCKET_DATA = 16_000  # DATA-6: octets of one message of an application
_UNIT = "daemon's handle of the unit"


class ClaimEndpoint(Message, protocol=Protocol.CONTROL, code=1):
    """Serve an endpoint URN: units opened towards it are delivered here."""

    request: int = u32("application's number", req="UNIT-6.1-1")
    urn: str = text(8, "endpoint; with a q-component only units that name the same", maximum=255, minimum=8,
                    req="UNIT-6.1-1")  # fmt: skip


class OpenUnit(Message, protocol=Protocol.CONTROL, code=2):
    """Open a service unit."""

    request: int = u32("application's number", req="UNIT-6.1-2")
    kind: int = enum(8, UnitKind, "what is shared", req="UNIT-6.1-2")
    min_fidelity: int = fidelity("of each pair", req="UNIT-6.1-2", default=0)
    timeout_ms: int = u32("to establish it", unit="ms", req="UNIT-6.1-2", default=30_000)
    urn: tuple[str, ...] = items(8, text(8, "URN", maximum=255, minimum=8), "the endpoints and the lifecycle",
                                 maximum=MAXIMUM_ENDPOINTS + 1, minimum=3, req="UNIT-6.1-2")  # fmt: skip


class CloseUnit(Message, protocol=Protocol.CONTROL, code=3):
    """Give a unit up, or say that it is consumed."""

    unit: int = u64(_UNIT, req="UNIT-6.1-3", form=Form.HEX)


class PairBasis(Record):
    """A pair and how to measure it."""

    pair: int = u32("pair number", req="UNIT-6.1-4")
    basis: int = enum(8, Basis, "Pauli basis", req="UNIT-6.1-4")


class MeasurePairs(Message, protocol=Protocol.CONTROL, code=4):
    """Measure this end's qubits of delivered pairs."""

    request: int = u32("application's number", req="UNIT-6.1-4")
    unit: int = u64(_UNIT, req="UNIT-6.1-4", form=Form.HEX)
    pairs: tuple[PairBasis, ...] = items(16, PairBasis, "in order", maximum=1024, minimum=1, req="UNIT-6.1-4")


class ReleasePairs(Message, protocol=Protocol.CONTROL, code=5):
    """Give up this end's qubits of delivered pairs."""

    unit: int = u64(_UNIT, req="UNIT-6.1-5", form=Form.HEX)
    pairs: tuple[int, ...] = items(16, u32("pair number"), "to be released", maximum=2048, minimum=1, req="UNIT-6.1-5")


class Accepted(Message, protocol=Protocol.CONTROL, code=16, answers=("ClaimEndpoint",), matched_by=("request",)):
    """Done as asked."""

    request: int = u32("application's number", req="UNIT-6.2-1")
    node: Qna = qna("of the daemon", req="UNIT-6.2-1")


class Refused(
    Message, protocol=Protocol.CONTROL, code=17, matched_by=("request",),
    answers=("ClaimEndpoint", "OpenUnit", "MeasurePairs", "OpenEprSocket", "CreateEpr", "ActOnQubits",
             "MeasureQubits", "OpenDataSocket", "SendSocketData"),
):  # fmt: skip
    """Not done, and why; nothing has changed."""

    request: int = u32("application's number", req="UNIT-6.2-2")
    reason: int = enum(8, ErrorCode, "why", req="UNIT-6.2-2")
    text: str = text(16, "what, where, and how to mend it", maximum=500, req="UNIT-6.2-2", default="")


class UnitStarted(Message, protocol=Protocol.CONTROL, code=18, answers=("OpenUnit",), matched_by=("request",)):
    """A unit is being established; told to its opener, and (request 0) to whoever serves the other endpoint."""

    request: int = u32("application's number, 0 for an incoming unit", req="UNIT-6.2-3")
    unit: int = u64(_UNIT, req="UNIT-6.2-3", form=Form.HEX)
    kind: int = enum(8, UnitKind, "what is shared", req="UNIT-6.2-3")
    remote: Qna = qna("node of the other endpoint", req="UNIT-6.2-3")
    urn: tuple[str, ...] = items(8, text(8, "URN", maximum=255, minimum=8), "the endpoints and the lifecycle",
                                 maximum=MAXIMUM_ENDPOINTS + 1, minimum=3, req="UNIT-6.2-3")  # fmt: skip


class Delivered(Message, protocol=Protocol.CONTROL, code=19):
    """A key unit is delivered. `key` is empty for kind PAIRS, which is delivered pair by pair."""

    unit: int = u64(_UNIT, req="UNIT-6.2-4", form=Form.HEX)
    confirmed: int = boolean("the other end is known to hold the same key", req="UNIT-6.2-4")
    secret: int = boolean("0: some chance came from a chosen seed, the key is for tests only", req="UNIT-6.2-4")
    _spare: int = reserved(6)
    quality_pairs: int = u32("end-to-end pairs made", req="UNIT-6.2-5")
    quality_fidelity: int = fidelity("mean estimated fidelity of the pairs", req="UNIT-6.2-5")
    tests: int = u16("test rounds", req="UNIT-6.2-5")
    errors: int = u16("test rounds in which the outcomes disagreed", req="UNIT-6.2-5")
    key: bytes = prefixed(16, "the shared bits", maximum=8192, req="UNIT-6.2-4")


class PairDelivered(Message, protocol=Protocol.CONTROL, code=20):
    """This end's qubit of an end-to-end pair."""

    unit: int = u64(_UNIT, req="UNIT-6.2-6", form=Form.HEX)
    pair: int = u32("number, the same at the other end", req="UNIT-6.2-6")
    qubit: int = u32("device handle, for the operator", req="UNIT-6.2-6")
    bell_index: int = u8("Pauli frame: 0 Phi+, 1 Phi-, 2 Psi+, 3 Psi-", req="UNIT-6.2-6")
    fidelity: int = fidelity("estimated, towards that Bell state", req="UNIT-6.2-6")
    as_of: DomainTime = domain_time("instant of the estimate", req="UNIT-6.2-6")


class PairOutcome(Record):
    """The raw outcome of one measurement: the Pauli frame is the application's to take into account."""

    pair: int = u32("pair number", req="UNIT-6.2-7")
    outcome: int = u8("0 or 1", req="UNIT-6.2-7")


class PairsMeasured(Message, protocol=Protocol.CONTROL, code=21, answers=("MeasurePairs",), matched_by=("request",)):
    """Outcomes, in the order asked."""

    request: int = u32("application's number", req="UNIT-6.2-7")
    outcomes: tuple[PairOutcome, ...] = items(16, PairOutcome, "in order", maximum=1024, req="UNIT-6.2-7")


class Failed(Message, protocol=Protocol.CONTROL, code=22):
    """A unit ended without delivery; all it held is released."""

    unit: int = u64(_UNIT, req="UNIT-6.2-8", form=Form.HEX)
    reason: int = enum(8, ErrorCode, "why", req="UNIT-6.2-8")
    refused_by: Qna = qna("node that refused, 0 where none did", req="UNIT-6.2-8", default=0)
    text: str = text(16, "for people", maximum=500, req="UNIT-6.2-8", default="")


# ---- EPR sockets: what an application asks ----

_SOCKET = "daemon's handle of the socket"
_QUBIT = "node's number of the qubit, never used again"
_ANGLE = "unit 2 pi / 2^16"


class OpenEprSocket(Message, protocol=Protocol.CONTROL, code=32):
    """Hold a purpose towards a neighbour."""

    request: int = u32("application's number", req="EPR-6.1-1")
    remote: Qna = qna("node at the other end of a link", req="EPR-6.1-1")
    purpose: PurposeId = u16("1..65535, the same at the other end", req="EPR-6.1-1")


class CloseEprSocket(Message, protocol=Protocol.CONTROL, code=33):
    """Give the purpose back, and with it all that the socket holds."""

    socket: int = u64(_SOCKET, req="EPR-6.1-2", form=Form.HEX)


class Half(Record):
    """How one half of each pair is measured: turned, then in a basis drawn from a choice."""

    choice: int = enum(8, BasisChoice, "bases to draw from", req="EPR-6.1-4", default=0)
    x1: int = u16(f"first about X, {_ANGLE}", req="EPR-6.1-4", default=0)
    y: int = u16(f"then about Y, {_ANGLE}", req="EPR-6.1-4", default=0)
    x2: int = u16(f"then about X, {_ANGLE}", req="EPR-6.1-4", default=0)
    first: int = u8("chance of the first basis of the choice", unit="1/256", req="EPR-6.1-4", default=0)
    second: int = u8("chance of the second", unit="1/256", req="EPR-6.1-4", default=0)


class CreateEpr(Message, protocol=Protocol.CONTROL, code=34):
    """EGP CREATE: ask for pairs."""

    request: int = u32("application's number", req="EPR-6.1-3")
    socket: int = u64(_SOCKET, req="EPR-6.1-3", form=Form.HEX)
    connection: int = u32("the one that is meant, 0 for the next one too", req="EPR-6.1-3", default=0)
    kind: int = enum(8, PairKind, "what is done with a pair", req="EPR-6.1-3", default=0)
    number: int = u16("pairs", req="EPR-6.1-3", default=1)
    min_fidelity: int = fidelity("of a fresh pair", req="EPR-6.1-3", default=0)
    max_time_ms: int = u32("until all are there, 0 for as long as it takes", unit="ms", req="EPR-6.1-3", default=0)
    priority: int = u8("larger is more urgent", req="EPR-6.1-3", default=0)
    atomic: int = boolean("all pairs at one time, or none", req="EPR-6.1-3", default=0)
    consecutive: int = boolean("no other request's pairs in between", req="EPR-6.1-3", default=0)
    sequential: int = boolean("the next pair when the last one's qubit is measured or freed", req="EPR-6.1-5",
                              default=0)  # fmt: skip
    _spare: int = reserved(5)
    local: Half = record(Half, "how the asker's half is measured", req="EPR-6.1-4")
    remote: Half = record(Half, "how the other half is measured", req="EPR-6.1-4")


class CancelEpr(Message, protocol=Protocol.CONTROL, code=35):
    """No more pairs for a request; those delivered stay."""

    socket: int = u64(_SOCKET, req="EPR-6.1-6", form=Form.HEX)
    create: int = u32("application's number of the CreateEpr", req="EPR-6.1-6")


class QubitGate(Record):
    """A gate and what it acts on."""

    qubit: int = u32(_QUBIT, req="EPR-6.1-7")
    second: int = u32("of a gate of two: the one that the first controls; 0 for none", req="EPR-6.1-7", default=0)
    gate: Gate = enum(8, Gate, "gate", req="EPR-6.1-7")
    angle: int = u32("of a rotation, modulo 2^32; operand of CLIFFORD", unit="2 pi / 2^32", req="EPR-6.1-7", default=0)


class ActOnQubits(Message, protocol=Protocol.CONTROL, code=36):
    """Apply gates, in order."""

    request: int = u32("application's number", req="EPR-6.1-7")
    gates: tuple[QubitGate, ...] = items(16, QubitGate, "in order", maximum=MAXIMUM_ACTS, minimum=1, req="EPR-6.1-7")


class QubitBasis(Record):
    """A qubit and how to measure it."""

    qubit: int = u32(_QUBIT, req="EPR-6.1-8")
    basis: Basis = enum(8, Basis, "basis", req="EPR-6.1-8", default=0)


class MeasureQubits(Message, protocol=Protocol.CONTROL, code=37):
    """Measure qubits; they are gone afterwards."""

    request: int = u32("application's number", req="EPR-6.1-8")
    qubits: tuple[QubitBasis, ...] = items(16, QubitBasis, "none twice", maximum=MAXIMUM_ACTS, minimum=1,
                                           req="EPR-6.1-8")  # fmt: skip


class FreeQubits(Message, protocol=Protocol.CONTROL, code=38):
    """Give qubits up unmeasured."""

    qubits: tuple[int, ...] = items(16, u32(_QUBIT), "to be freed", maximum=2048, minimum=1, req="EPR-6.1-9")


# ---- EPR sockets: what an application is told ----


class EprSocketOpened(
    Message, protocol=Protocol.CONTROL, code=48, answers=("OpenEprSocket", "OpenDataSocket"), matched_by=("request",)
):
    """The purpose is held. What happens on the socket is told from now on."""

    request: int = u32("application's number", req="EPR-6.2-1")
    socket: int = u64(_SOCKET, req="EPR-6.2-1", form=Form.HEX)
    node: Qna = qna("of the daemon", req="EPR-6.2-1")


class EprConnected(Message, protocol=Protocol.CONTROL, code=49):
    """An application holds the purpose at the other end."""

    socket: int = u64(_SOCKET, req="EPR-6.2-2", form=Form.HEX)
    connection: int = u32("number of the connection on this socket, from 1", req="EPR-6.2-2")


class EprDisconnected(Message, protocol=Protocol.CONTROL, code=50):
    """It does no more; all its pairs have been told of."""

    socket: int = u64(_SOCKET, req="EPR-6.2-3", form=Form.HEX)
    connection: int = u32("that is over", req="EPR-6.2-3")
    reason: int = enum(8, ErrorCode, "why", req="EPR-6.2-3", default=0)


class EprQueued(Message, protocol=Protocol.CONTROL, code=51):
    """A request is in the queues of both nodes."""

    request: int = u32("of the CreateEpr", req="EPR-6.2-4")


class EprPair(Record):
    """This node's half of a pair, kept."""

    qubit: int = u32(_QUBIT, req="EPR-6.2-5")
    create_id: int = u32("of the request between the nodes, the same at both ends", req="EPR-6.2-5")
    sequence: int = u32("of the pair, the same at both ends", req="EPR-6.2-5")
    bell_index: int = enum(8, BellIndex, "Pauli frame", req="EPR-6.2-5")
    goodness: int = fidelity("estimated, towards that Bell state", req="EPR-6.2-5")
    created: DomainTime = domain_time("instant of the estimate", req="EPR-6.2-5")


class EprPairs(Message, protocol=Protocol.CONTROL, code=52):
    """EGP OK for halves that are kept."""

    socket: int = u64(_SOCKET, req="EPR-6.2-5", form=Form.HEX)
    connection: int = u32("whose they are", req="EPR-6.2-5")
    request: int = u32("of the CreateEpr, 0: the other end asked", req="EPR-6.2-5")
    kind: int = enum(8, PairKind, "of the request", req="EPR-6.2-5")
    pairs: tuple[EprPair, ...] = items(16, EprPair, "in order", maximum=MAXIMUM_PAIRS, minimum=1, req="EPR-6.2-5")


class EprOutcome(Record):
    """This node's half of a pair, measured."""

    create_id: int = u32("of the request between the nodes", req="EPR-6.2-6")
    sequence: int = u32("of the pair", req="EPR-6.2-6")
    bell_index: int = enum(8, BellIndex, "Pauli frame", req="EPR-6.2-6")
    goodness: int = fidelity("estimated, towards that Bell state", req="EPR-6.2-6")
    basis: int = enum(8, Basis, "that was drawn", req="EPR-6.2-6")
    outcome: int = u8("0 or 1, raw", req="EPR-6.2-6")


class EprOutcomes(Message, protocol=Protocol.CONTROL, code=53):
    """EGP OK for halves that were measured."""

    socket: int = u64(_SOCKET, req="EPR-6.2-6", form=Form.HEX)
    connection: int = u32("whose they are", req="EPR-6.2-6")
    request: int = u32("of the CreateEpr, 0: the other end asked", req="EPR-6.2-6")
    kind: int = enum(8, PairKind, "of the request", req="EPR-6.2-6")
    outcomes: tuple[EprOutcome, ...] = items(16, EprOutcome, "in order", maximum=MAXIMUM_PAIRS, minimum=1,
                                             req="EPR-6.2-6")  # fmt: skip


class EprDone(Message, protocol=Protocol.CONTROL, code=54):
    """All pairs of a request were told."""

    request: int = u32("of the CreateEpr", req="EPR-6.2-7")


class EprFailed(Message, protocol=Protocol.CONTROL, code=55):
    """EGP ERR: a request ends without all of its pairs. Those told stay."""

    request: int = u32("of the CreateEpr", req="EPR-6.2-7")
    reason: int = enum(8, ErrorCode, "why", req="EPR-6.2-7")
    text: str = text(16, "for people", maximum=500, req="EPR-6.2-7", default="")


class EprIncomplete(Message, protocol=Protocol.CONTROL, code=56):
    """EGP ERR for a request of the other end of which pairs were told: no more will come."""

    socket: int = u64(_SOCKET, req="EPR-6.2-8", form=Form.HEX)
    connection: int = u32("whose it is", req="EPR-6.2-8")
    create_id: int = u32("of the request", req="EPR-6.2-8")
    reason: int = enum(8, ErrorCode, "why", req="EPR-6.2-8")


@unique
class Fate(IntEnum):
    """What became of one act on a qubit."""

    DONE = 0
    GONE = 1  # there is nothing in the memory any more: revoked, or lost by the device
    UNSUPPORTED = 2  # the device does not have this gate or basis; the qubit is as it was


class QubitsActed(Message, protocol=Protocol.CONTROL, code=57, answers=("ActOnQubits",), matched_by=("request",)):
    """What became of the gates, in the order asked."""

    request: int = u32("application's number", req="EPR-6.2-9")
    fates: tuple[int, ...] = items(16, enum(8, Fate, "of one gate"), "one a gate", maximum=MAXIMUM_ACTS,
                                   req="EPR-6.2-9")  # fmt: skip


class QubitOutcome(Record):
    """Result of one measurement, raw."""

    fate: int = enum(8, Fate, "what became of it", req="EPR-6.2-10")
    outcome: int = u8("0 for eigenvalue +1, 1 for -1; 0 unless done", req="EPR-6.2-10", default=0)


class QubitsMeasured(Message, protocol=Protocol.CONTROL, code=58, answers=("MeasureQubits",), matched_by=("request",)):
    """Outcomes, in the order asked."""

    request: int = u32("application's number", req="EPR-6.2-10")
    outcomes: tuple[QubitOutcome, ...] = items(16, QubitOutcome, "one a qubit", maximum=MAXIMUM_ACTS,
                                               req="EPR-6.2-10")  # fmt: skip


class QubitsRevoked(Message, protocol=Protocol.CONTROL, code=59):
    """EGP EXPIRE: these qubits are no halves of pairs any more, and are emptied."""

    reason: int = enum(8, ErrorCode, "why", req="EPR-6.2-11")
    qubits: tuple[int, ...] = items(16, u32(_QUBIT), "that are gone", maximum=2048, minimum=1, req="EPR-6.2-11")


# ---- data sockets ----


class OpenDataSocket(Message, protocol=Protocol.CONTROL, code=39):
    """Hold a purpose towards a neighbour, to send and receive octets."""

    request: int = u32("application's number", req="DATA-7.2-1")
    remote: Qna = qna("node at the other end of a link", req="DATA-7.2-1")
    purpose: PurposeId = u16("1..65535, the same at the other end", req="DATA-7.2-1")


class SendSocketData(Message, protocol=Protocol.CONTROL, code=40):
    """A message for the application at the other end."""

    request: int = u32("application's number", req="DATA-7.2-2")
    socket: int = u64(_SOCKET, req="DATA-7.2-2", form=Form.HEX)
    connection: int = u32("whose application is meant", req="DATA-7.2-2")
    data: bytes = prefixed(16, "the message", maximum=MAXIMUM_SOCKET_DATA, req="DATA-7.2-2")


class TakeSocketData(Message, protocol=Protocol.CONTROL, code=41):
    """Messages are taken: there is room for as many more."""

    socket: int = u64(_SOCKET, req="DATA-7.2-3", form=Form.HEX)
    connection: int = u32("whose they were", req="DATA-7.2-3")
    number: int = u16("messages", req="DATA-7.2-3", default=1)


class SocketDataSent(Message, protocol=Protocol.CONTROL, code=60, answers=("SendSocketData",), matched_by=("request",)):
    """The node at the other end has the message, for its application."""

    request: int = u32("application's number", req="DATA-7.2-4")
    dense: int = u32("octets that went in qubits", req="DATA-7.2-4")
    plain: int = u32("octets that went otherwise", req="DATA-7.2-4")


class SocketDataFailed(
    Message, protocol=Protocol.CONTROL, code=61, answers=("SendSocketData",), matched_by=("request",)
):
    """A message was given up; the application at the other end may or may not have it."""

    request: int = u32("application's number", req="DATA-7.2-5")
    reason: int = enum(8, ErrorCode, "why", req="DATA-7.2-5")
    text: str = text(16, "for people", maximum=500, req="DATA-7.2-5", default="")


class SocketDataArrived(Message, protocol=Protocol.CONTROL, code=62):
    """A message of the application at the other end."""

    socket: int = u64(_SOCKET, req="DATA-7.2-6", form=Form.HEX)
    connection: int = u32("whose it is", req="DATA-7.2-6")
    data: bytes = prefixed(16, "the message", maximum=MAXIMUM_SOCKET_DATA, req="DATA-7.2-6")

"""Messages between an application and the daemon of its node, on a Unix socket.

Each frame is a 16-bit length and one message. The daemon knows the application's user id from the kernel (SO_PEERCRED);
nothing an application says about itself counts. Operators use the JSON of `qstack.control` on the same socket: a
frame's first octet is always below 0x40, a JSON object's is 0x7B.
"""

from qstack.base.bell import Basis
from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna
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
    "MAXIMUM_FRAME", "Accepted", "ClaimEndpoint", "CloseUnit", "Delivered", "Failed", "MeasurePairs",
    "OpenUnit", "PairBasis", "PairDelivered", "PairOutcome", "PairsMeasured", "Refused",
    "ReleasePairs", "UnitStarted",
]  # fmt: skip

MAXIMUM_FRAME = 0x3FFF
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
    Message, protocol=Protocol.CONTROL, code=17, answers=("ClaimEndpoint", "OpenUnit", "MeasurePairs"),
    matched_by=("request",),
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

"""The services that protocols offer one another, as values.

Protocols never import one another. Where one needs another's service it yields one of these as an effect; `node` gives
it to the protocol named in the comment by one table and drains the effects that follow before it returns. Names:
imperative for a request, past participle for what has happened.
"""

from dataclasses import dataclass
from typing import Protocol as Interface

from qstack.base.bell import Basis
from qstack.base.effects import Seal
from qstack.base.errors import ErrorCode
from qstack.base.ids import CircuitId, Label, LinkId, PurposeId, Qna, QubitId
from qstack.base.locator import Locator
from qstack.base.pairs import IN_Z, PairKind, Reading
from qstack.base.time import DomainTime, Instant

__all__ = [
    "CancelCreate", "CancelPairs", "CircuitClosed", "CircuitFailed", "CircuitReady", "ClaimProved", "ClaimRefuted",
    "CreateAccepted", "CreateDone", "CreateFailed", "CreatePairs", "DataArrived", "DataFailed", "DataSent",
    "DeviceGone", "DeviceReady", "EndPairReady", "EnsurePeer", "LinkRefused", "LinkReserved", "ListenData",
    "ListenPairs", "PairExpired", "PairOk", "PairReady", "PairsFailed", "PairsRevoked", "PeerDoubted", "PeerDown",
    "PeerHeard", "PeerResolved", "PeerUnresolved", "PeerUp", "ProveClaim", "QubitsFreed", "ReleaseCircuit",
    "ReleaseLink", "RequestCircuit", "RequestPairs", "ReserveLink", "Routes", "SendData", "UnlistenData",
    "UnlistenPairs",
]  # fmt: skip


# --- qarp and session: who is where, and is it really they -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnsurePeer:
    """node -> qarp (HOP) or session (END): a session with `peer` is wanted."""

    peer: Qna
    seal: Seal = Seal.HOP


@dataclass(frozen=True, slots=True)
class PeerResolved:
    """qarp -> session: traffic for `peer` may go to `locator`; connect when there is no session."""

    peer: Qna
    locator: Locator


@dataclass(frozen=True, slots=True)
class PeerUnresolved:
    """qarp -> node: nobody answers for `peer`; drop what waits for it."""

    peer: Qna


@dataclass(frozen=True, slots=True)
class ProveClaim:
    """qarp -> session: somebody at `locator` claims to be `peer`; a handshake must show it."""

    peer: Qna
    locator: Locator


@dataclass(frozen=True, slots=True)
class ClaimProved:
    """session -> qarp: a completed handshake with `locator` proved `peer`."""

    peer: Qna
    locator: Locator


@dataclass(frozen=True, slots=True)
class ClaimRefuted:
    """session -> qarp: no handshake with `locator`, or it proved somebody else."""

    peer: Qna
    locator: Locator
    reason: str


@dataclass(frozen=True, slots=True)
class PeerUp:
    """session -> everybody: a new epoch with `peer` has begun. For HOP, `locator` is where it is."""

    peer: Qna
    seal: Seal
    locator: Locator | None = None
    urn_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerDown:
    """session -> everybody: the epoch with `peer` is over; all state that hung on it is to be aborted."""

    peer: Qna
    seal: Seal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """node -> qarp: a sealed datagram of `peer` came from `locator` (confirms reachability, RFC 4861 section 7.3.1)."""

    peer: Qna
    locator: Locator


@dataclass(frozen=True, slots=True)
class PeerDoubted:
    """header -> session (END): it is said that `peer` does not know our epoch any more. A hint: it may be a lie."""

    peer: Qna


# --- the quantum device ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceGone:
    """node -> link, epr: there is no device, and what its memories held is lost."""


@dataclass(frozen=True, slots=True)
class DeviceReady:
    """node -> link, epr: there is a device again, its memories empty."""


# --- link, for circuit ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReserveLink:
    """circuit -> link: keep `memories` memories and link time towards `neighbour` for `label`.

    Answered by `LinkReserved` or `LinkRefused` before `node` returns.
    """

    neighbour: Qna
    label: Label
    memories: int
    min_fidelity: float


@dataclass(frozen=True, slots=True)
class LinkReserved:
    """link -> circuit: kept. `link_fidelity` is what a fresh pair is expected to have."""

    neighbour: Qna
    label: Label
    link: LinkId
    link_fidelity: float


@dataclass(frozen=True, slots=True)
class LinkRefused:
    """link -> circuit: not to be had."""

    neighbour: Qna
    label: Label
    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class ReleaseLink:
    """circuit -> link: give back all that is kept, queued or held for `label` towards `neighbour`."""

    neighbour: Qna
    label: Label


@dataclass(frozen=True, slots=True)
class RequestPairs:
    """circuit -> link, at the upstream end of a link: make `number` pairs for `label` (EGP CREATE, type keep)."""

    neighbour: Qna
    label: Label
    number: int
    min_fidelity: float
    purpose: PurposeId
    deadline_ns: Instant


@dataclass(frozen=True, slots=True)
class CancelPairs:
    """circuit -> link, at the upstream end: stop making pairs for `label`; those delivered stay."""

    neighbour: Qna
    label: Label


@dataclass(frozen=True, slots=True)
class PairReady:
    """link -> circuit, at both ends of a link (EGP OK): pair `sequence` of `label` exists.

    Both ends are told the same `sequence` (the station's number of the pair: rising for a label, with gaps) and
    `bell_index` (`qstack.base.bell.BellIndex`). `correlation` is the estimated state at `created` (16 floats, row-major
    R_ij with the upstream end's qubit first).
    """

    neighbour: Qna
    label: Label
    sequence: int
    qubit: QubitId
    bell_index: int
    created: DomainTime
    correlation: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PairsFailed:
    """link -> circuit: the request for `label` ends without (all of) its pairs."""

    neighbour: Qna
    label: Label
    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class PairExpired:
    """link -> circuit (EGP EXPIRE): a delivered pair is revoked; its qubit is already free."""

    neighbour: Qna
    label: Label
    sequence: int


@dataclass(frozen=True, slots=True)
class QubitsFreed:
    """circuit, unit or epr -> link: these memories hold nothing any more (swapped, measured or given up).

    `discard` says that the device has still to be told to release them.
    """

    qubits: tuple[QubitId, ...]
    discard: bool = False


# --- link, for epr -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListenPairs:
    """epr -> link (EGP RECV): requests of `neighbour` for `purpose` are welcome."""

    neighbour: Qna
    purpose: PurposeId


@dataclass(frozen=True, slots=True)
class UnlistenPairs:
    """epr -> link (EGP STOP_RECV): no longer. Requests for `purpose` that this end did not ask are cancelled, and
    nothing more is told of them."""

    neighbour: Qna
    purpose: PurposeId


@dataclass(frozen=True, slots=True)
class CreatePairs:
    """epr -> link (EGP CREATE): make `number` pairs with `neighbour`.

    `create_id` is unique at this node while the request lives. Larger `priority` is more urgent. `atomic`: all pairs
    exist at one time, or none is delivered; `consecutive`: no other request's pairs in between. `local` and `remote`
    say how the asker's and the other end's half is measured, where its kind has it measured.
    """

    neighbour: Qna
    purpose: PurposeId
    create_id: int
    kind: PairKind
    number: int
    min_fidelity: float
    priority: int
    deadline_ns: Instant
    atomic: bool = False
    consecutive: bool = False
    local: Reading = IN_Z
    remote: Reading = IN_Z


@dataclass(frozen=True, slots=True)
class CancelCreate:
    """epr -> link, at the asker: no more pairs for this request; those delivered stay."""

    neighbour: Qna
    create_id: int


@dataclass(frozen=True, slots=True)
class CreateAccepted:
    """link -> epr, at the asker: the request is in both queues."""

    neighbour: Qna
    create_id: int


@dataclass(frozen=True, slots=True)
class PairOk:
    """link -> epr, at both ends (EGP OK): one pair of a request.

    `mine`: this end asked. (asker, `create_id`) and `sequence` are equal at both ends. `qubit` is None where this half
    has been measured already, with `outcome` in `basis`, which is that before any rotation where the two together are
    one of the five. `correlation` is the estimated state at `created` (16 floats, row-major R_ij with the asker's qubit
    first) and `goodness` its fidelity to the Bell state `bell_index`.
    """

    neighbour: Qna
    purpose: PurposeId
    create_id: int
    mine: bool
    kind: PairKind
    sequence: int
    qubit: QubitId | None
    bell_index: int
    created: DomainTime
    correlation: tuple[float, ...]
    goodness: float
    outcome: int | None = None
    basis: Basis | None = None


@dataclass(frozen=True, slots=True)
class CreateFailed:
    """link -> epr (EGP ERR): a request ends without (all of) its pairs. At both ends once it was in both queues."""

    neighbour: Qna
    purpose: PurposeId
    create_id: int
    mine: bool
    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class CreateDone:
    """link -> epr, at both ends: all pairs of a request are delivered."""

    neighbour: Qna
    purpose: PurposeId
    create_id: int
    mine: bool


@dataclass(frozen=True, slots=True)
class PairsRevoked:
    """link -> epr (EGP EXPIRE): delivered pairs are void; their qubits are being emptied already."""

    neighbour: Qna
    purpose: PurposeId
    create_id: int
    mine: bool
    sequences: tuple[int, ...]


# --- link, for data between neighbours ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListenData:
    """application -> link: data of `neighbour` for `purpose` is welcome."""

    neighbour: Qna
    purpose: PurposeId


@dataclass(frozen=True, slots=True)
class UnlistenData:
    """application -> link: no longer; what has come in part is thrown away."""

    neighbour: Qna
    purpose: PurposeId


@dataclass(frozen=True, slots=True)
class SendData:
    """application -> link: a message for `neighbour`, at most 65,535 octets. `number` is the sender's own.

    The first `head` octets are counted in neither of DataSent's numbers.

    Messages of one purpose arrive whole and in order. Answered by `DataSent` or `DataFailed`.
    """

    neighbour: Qna
    purpose: PurposeId
    number: int
    octets: bytes
    head: int = 0


@dataclass(frozen=True, slots=True)
class DataSent:
    """link -> application: the other end's application has the message; `dense` octets of it came in qubits, `plain`
    otherwise."""

    neighbour: Qna
    purpose: PurposeId
    number: int
    dense: int
    plain: int


@dataclass(frozen=True, slots=True)
class DataFailed:
    """link -> application: a message was given up; the other end may or may not have it."""

    neighbour: Qna
    purpose: PurposeId
    number: int
    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class DataArrived:
    """link -> application: a message of `neighbour`."""

    neighbour: Qna
    purpose: PurposeId
    octets: bytes


# --- circuit, for unit -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestCircuit:
    """unit -> circuit: bring `number` end-to-end pairs with `destination`. `context` travels with the reservation and
    tells the far unit what it is for (16 octets)."""

    destination: Qna
    context: bytes
    number: int
    min_fidelity: float
    deadline_ns: Instant


@dataclass(frozen=True, slots=True)
class CircuitReady:
    """circuit -> unit, at both ends: reserved; pairs follow."""

    circuit: CircuitId
    context: bytes
    remote: Qna
    head: bool


@dataclass(frozen=True, slots=True)
class EndPairReady:
    """circuit -> unit, at both ends: an end-to-end pair, tracked.

    `pair` is the same number at both ends (the head's sequence). The state is |bell_index> up to noise: the Pauli
    frame, never corrected implicitly. `fidelity` is the estimate towards that Bell state at `as_of`; `expires_ns` when
    the estimate leaves what was asked, 0 for never.
    """

    circuit: CircuitId
    pair: int
    qubit: QubitId
    bell_index: int
    fidelity: float
    as_of: DomainTime
    expires_ns: Instant


@dataclass(frozen=True, slots=True)
class CircuitFailed:
    """circuit -> unit, at the head: no reservation. `domain_of` speaks for the place that refused."""

    context: bytes
    reason: ErrorCode
    refused_by: Qna


@dataclass(frozen=True, slots=True)
class CircuitClosed:
    """circuit -> unit, at both ends: over; nothing of it is held any more."""

    circuit: CircuitId
    context: bytes
    reason: ErrorCode


@dataclass(frozen=True, slots=True)
class ReleaseCircuit:
    """unit -> circuit, at either end: tear it down."""

    circuit: CircuitId
    reason: ErrorCode = ErrorCode.UNSPECIFIED


# --- route, for everybody ----------------------------------------------------------------------------------------


class Routes(Interface):
    """What `route` knows; handed to the protocols that need it, read only."""

    def next_hop(self, destination: Qna) -> Qna | None:
        """The neighbour towards `destination`; itself when it is a neighbour; None when there is no way."""

    def destination_of(self, urn: str) -> Qna | None:
        """The node that serves the longest announced prefix of an endpoint URN, or the border towards it."""

    def quantum_next_hop(self, destination: Qna) -> Qna | None:
        """The neighbour over a quantum link on the way to `destination`."""

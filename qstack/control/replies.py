"""What operators are told: JSON objects, one a line, told apart by their key `reply`.

Addresses are written AS.NODE, locators ADDRESS:PORT, handles, epochs and QUIs as hexadecimal digits, durations in
seconds (`_s`) or nanoseconds (`_ns`). Every request is answered by the reply that it names or by an `ErrorReply`;
`more` says that further lines follow.
"""

from typing import dataclass_transform

import msgspec
from msgspec import Struct

from qstack.base.errors import WireError

__all__ = [
    "AnyReply", "Circuit", "CircuitHop", "CircuitsReply", "CountersReply", "Device", "DoneReply", "EchoReply",
    "Endpoint", "EprRequest", "EprSocket", "ErrorReply", "Figures", "Link", "LinksReply", "MemoriesReply", "Memory",
    "Neighbour", "NeighboursReply", "PingReply", "Reply", "Session", "SessionsReply", "Station", "StatusReply", "Unit",
    "UnitsReply", "WaitReply", "decode_reply_untrusted", "encode_reply",
]  # fmt: skip


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Figures(Struct, frozen=True):
    """What all replies and their parts have in common: they are frozen, and made by keyword."""


class Reply(Figures, frozen=True, tag_field="reply"):
    """Any reply."""

    @property
    def more(self) -> bool:
        """Whether further lines follow to the same request."""
        return False


class ErrorReply(Reply, tag="error"):
    """The request is refused or could not be carried out. `reason`: name of a `qstack.base.errors.ErrorCode`."""

    reason: str
    text: str


class DoneReply(Reply, tag="done"):
    """Done as asked."""

    text: str = ""


class Device(Figures):
    """The quantum device. `secret`: its chance is the operating system's."""

    socket: str
    identity: str
    qubits: int
    secret: bool
    results: int = 0
    late_results: int = 0
    worst_lateness_ns: int = 0


class StatusReply(Reply, tag="status"):
    """The daemon. `state`: ready, waiting (for its device) or stopping; `address_state`: of its own address (qarp)."""

    node: str
    name: str
    version: str
    pid: int
    state: str
    uptime_s: float
    configuration: str
    listen: tuple[str, ...]
    address_state: str
    conflicts: int
    neighbours: int
    neighbours_up: int
    links: int
    circuits: int
    units: int
    endpoints: int
    max_error_ns: int
    secret: bool
    device: Device | None = None


class Neighbour(Figures):
    """A neighbour. `up`: sealed traffic flows; `resolution`: state of address resolution; `session`: of key
    establishment, "" for none; `heard_s`: how long ago it was heard, None for never."""

    node: str
    up: bool
    resolution: str
    session: str
    locator: str
    configured: bool
    capabilities: tuple[str, ...]
    device_port: int
    heard_s: float | None = None
    up_s: float | None = None


class NeighboursReply(Reply, tag="neighbours"):
    """All neighbours by address."""

    neighbours: tuple[Neighbour, ...]


class Session(Figures):
    """A session. `scope`: hop or end; `sent`: sealed datagrams of the epoch; `certificate_until`: Unix seconds."""

    node: str
    scope: str
    state: str
    role: str
    locator: str
    local_epoch: str
    remote_epoch: str
    fingerprint: str
    urn_prefixes: tuple[str, ...]
    certificate_until: int
    generation: int
    sent: int
    age_s: float | None = None
    heard_s: float | None = None


class SessionsReply(Reply, tag="sessions"):
    """All sessions, live or under way."""

    sessions: tuple[Session, ...]


class Link(Figures):
    """A quantum link of this node.

    `up`: there is a session with the neighbour; of its `memories` some are `free`, `offered` to a window or `held` by
    pairs; `rate_hz`: of late. `fidelity`: estimated of a fresh pair; `asked_fidelity`: the most that a live request of
    an application asks for, 0 for none; `true_fidelity`: mean over the pairs held, which the twin alone can tell.
    `oldest_request_s`: how long the oldest live request of an application has lasted; `errors`: requests of
    applications that ended without all their pairs, and pairs revoked. `emptying`: memories that the device is asked to
    empty; `stocked`: pairs that nobody has asked for yet, among those held. `fidelity_low` to `fidelity_high`: where
    the estimate lies (95 %); `bright`: population of the bright state that was last used, 0 for the link's own;
    `tests`: test rounds of which both ends have told, `error_rates` in Z, X and Y.
    """

    link: int
    neighbour: str
    up: bool
    master: bool
    stations: tuple[str, ...]
    memories: int
    free: int
    offered: int
    held: int
    queued_requests: int
    open_windows: int
    circuits: int
    pairs: int
    cycles_attempted: int
    rate_hz: float
    fidelity: float
    asked_fidelity: float = 0.0
    true_fidelity: float | None = None
    oldest_request_s: float | None = None
    errors: int = 0
    emptying: int = 0
    stocked: int = 0
    fidelity_low: float = 0.0
    fidelity_high: float = 1.0
    bright: float = 0.0
    tests: int = 0
    error_rates: tuple[float, ...] = ()


class EprRequest(Figures):
    """A request of an application on this host. `state`: pending, asked, queued or held; `told`: pairs delivered."""

    kind: str
    state: str
    number: int
    told: int
    min_fidelity: float
    age_s: float
    left_s: float


class EprSocket(Figures):
    """A purpose of a link, held by an application of `user`. `held`: qubits in its hands."""

    socket: str
    neighbour: str
    purpose: int
    user: int
    state: str
    connection: int
    held: int
    requests: tuple[EprRequest, ...] = ()


class Memory(Figures):
    """A memory of a link. `place`: free, offered, held or emptying; `holder`: whose its qubit is, "" for nobody.

    Of qubits that applications hold also: `number`, by which the application knows it; `sequence` of the pair; its
    `bell_index`; `fidelity`, estimated when it was made; `age_s` since then; `acts` that wait for the device.
    `true_fidelity` to that Bell state, else to the nearest one, is known to the twin alone.
    """

    qubit: int
    link: int
    neighbour: str
    place: str
    holder: str = ""
    number: int | None = None
    sequence: int | None = None
    bell_index: int | None = None
    fidelity: float | None = None
    true_fidelity: float | None = None
    age_s: float | None = None
    acts: int = 0


class MemoriesReply(Reply, tag="memories"):
    """All memories of the node's links, by number."""

    node: str
    memories: tuple[Memory, ...]


class Station(Figures):
    """A link that this node's device hears the heralds of."""

    link: int
    ends: tuple[str, ...]
    waiting: int
    windows_heralded: int
    windows_failed: int
    pairs: int


class LinksReply(Reply, tag="links"):
    """All links by number."""

    links: tuple[Link, ...]
    stations: tuple[Station, ...] = ()
    sockets: tuple[EprSocket, ...] = ()


class CircuitHop(Figures):
    """A circuit on one of its links."""

    neighbour: str
    label: str
    qui: str
    pairs: int


class Circuit(Figures):
    """A circuit at this node. `role`: head, repeater or tail; `made`: swaps at a repeater, pairs told at an end."""

    circuit: str
    role: str
    state: str
    endpoints: tuple[str, ...]
    wanted: int
    made: int
    path_fidelity: float
    left_s: float
    upstream: CircuitHop | None = None
    downstream: CircuitHop | None = None


class CircuitsReply(Reply, tag="circuits"):
    """All circuits."""

    circuits: tuple[Circuit, ...]


class Unit(Figures):
    """A service unit that ends here. `role`: head (asked for here) or tail."""

    unit: str
    role: str
    state: str
    kind: str
    remote: str
    urns: tuple[str, ...]
    pairs: int
    mean_fidelity: float
    left_s: float


class Endpoint(Figures):
    """An endpoint that an application serves."""

    urn: str
    user: int


class UnitsReply(Reply, tag="units"):
    """All units, and all endpoints that are served."""

    units: tuple[Unit, ...]
    endpoints: tuple[Endpoint, ...] = ()


class CountersReply(Reply, tag="counters"):
    """Counters by name, `<protocol>.<what>`."""

    counters: dict[str, int]


class EchoReply(Reply, tag="echo"):
    """What became of one echo request. `round_trip_ns` None: no answer, and `text` says why."""

    node: str
    sequence: int
    round_trip_ns: int | None = None
    reason: str = ""
    text: str = ""

    @property
    def more(self) -> bool:
        return True


class PingReply(Reply, tag="ping"):
    """All echo requests together."""

    node: str
    sent: int
    answered: int
    minimum_ns: int = 0
    mean_ns: int = 0
    maximum_ns: int = 0


class WaitReply(Reply, tag="wait"):
    """`missing`: the conditions that do not hold; none when the wait was successful."""

    missing: tuple[str, ...]
    waited_s: float


AnyReply = (
    ErrorReply | DoneReply | StatusReply | NeighboursReply | SessionsReply | LinksReply | MemoriesReply | CircuitsReply
    | UnitsReply | CountersReply | EchoReply | PingReply | WaitReply
)  # fmt: skip

_DECODER: msgspec.json.Decoder[AnyReply] = msgspec.json.Decoder(AnyReply)
_ENCODER = msgspec.json.Encoder()


def encode_reply(reply: Reply) -> bytes:
    """A line without its newline."""
    return _ENCODER.encode(reply)


def decode_reply_untrusted(line: bytes) -> AnyReply:
    """A reply from a line. Raises `WireError`."""
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError as error:
        raise WireError(0, "reply", str(error)) from error

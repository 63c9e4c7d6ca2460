"""The configuration file of `qstackd`, as typed values."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import field

from qstack.base.ids import PurposeId, Qna, QubitId, format_qna
from qstack.base.locator import Locator
from qstack.config.broker import Broker
from qstack.config.hardware import PhysicalLink
from qstack.config.place import DEFAULT_CONTROL
from qstack.config.value import (
    METRICS_PORT,
    Fingerprint,
    InputFile,
    ListenAddress,
    Permissions,
    Section,
    Seed,
    SocketPath,
    UrnPrefix,
    Users,
    about,
)  # fmt: skip
from qstack.wire.link import MAXIMUM_STATIONS

__all__ = ["MAXIMUM_PURPOSE", "Anchor", "CapabilityName", "Capture", "Chance", "Clock", "Control", "Device",
           "Endpoint", "Link", "Listen", "Log", "Memories", "Metrics", "Neighbour", "NodeFile", "Own", "Pin", "Purpose",
           "Route", "Segment", "Session", "Station"]  # fmt: skip

MAXIMUM_AS = (1 << 32) - 1
MAXIMUM_MEMORIES = 1 << 20
MAXIMUM_PURPOSE = (1 << 16) - 1

Memories = int | tuple[int, ...]
CapabilityName = Literal[
    "station", "memory", "swap", "purification", "detection", "time-tags", "encoding", "one-way"
]  # fmt: skip
Tuning = Annotated[dict[str, dict[str, Any]], about("parameters of protocols, as [tuning.link] lead-ns = 5000000")]
Address = Annotated[Qna, about("address of a node, AS.NODE", "64512.1")]
LocatorValue = Annotated[Locator, about("UDP locator, ADDRESS:PORT; the port may be left out when it is 4560",
                                        "192.0.2.1:4560")]  # fmt: skip
Prefix = Annotated[UrnPrefix, about("URN prefix: whole labels of a name, no components", "urn:qkd:madqci")]
Mode = Annotated[Permissions, about("permissions of the file of a socket, in octal digits", "0660")]
MaxError = Annotated[int, about("bound on the error of this host's clock against TAI, in ns", 1_000_000, ge=0)]
Digest = Annotated[Fingerprint, about("SHA-256 fingerprint of a certificate, as `qstackctl pki fingerprint` prints it",
                                      f"sha256:{'3f' * 32}")]  # fmt: skip


class Own(Section):
    """This node."""

    qna: Annotated[Qna, about("node's own quantum network address, AS.NODE", "64512.1")]
    name: Annotated[str, about("name by which logs and operators call the node; the address when it is left out",
                               "alice", max_length=64)] = ""  # fmt: skip
    capabilities: Annotated[
        tuple[CapabilityName, ...], about("what the quantum device can do; told to neighbours", ["memory", "swap"])
    ] = ("memory", "swap")
    device_port: Annotated[int, about("port of the device at which the fibre ends, told to neighbours; 0 for none", 1,
                                      ge=0, le=(1 << 32) - 1)] = 0  # fmt: skip


class Listen(Section):
    """Where the node listens besides the locators of its segments."""

    udp: Annotated[tuple[LocatorValue, ...], about("UDP locators; those of segments need not be repeated",
                                                   ["192.0.2.1:4560"], max_length=32)] = ()  # fmt: skip
    control: Annotated[SocketPath, about("Unix socket for operators and applications", DEFAULT_CONTROL)] = SocketPath(
        Path(DEFAULT_CONTROL)
    )


class Control(Section):
    """Who may use the control socket, and who may change things over it."""

    mode: Mode = Permissions(0o660)
    admins: Annotated[Users, about('users who may reload and stop the daemon, besides root and its own user; or "any"',
                                   ["operator"])] = Users(frozenset())  # fmt: skip


class Segment(Section):
    """A part of the classical network on which neighbours are looked for by address resolution (qarp)."""

    name: Annotated[str, about("name of the segment", "lab", min_length=1, max_length=64)]
    locator: Annotated[Locator, about("this node's UDP locator on the segment", "192.0.2.1:4560")]
    multicast: Annotated[Locator | None, about("multicast group of the segment", "239.64.64.1:4560")] = None
    ask: Annotated[tuple[LocatorValue, ...], about("locators to ask one by one", ["192.0.2.2:4560"],
                                                   max_length=256)] = ()  # fmt: skip


class Anchor(Section):
    """A certificate authority that is believed, and how far."""

    ca: Annotated[InputFile, about("certificate of the domain's CA (PEM), which `qstackctl pki init` makes", "ca.pem")]
    as_number: Annotated[int | None, about("quantum AS that it must be the CA of; the certificate's own when left out",
                                           64512, ge=0, le=MAXIMUM_AS)] = field(name="as", default=None)  # fmt: skip
    urn_prefixes: Annotated[tuple[Prefix, ...] | None, about("prefixes for which it is believed; those that the "
                            "certificate names when left out", ["urn:qkd:madqci"])] = None  # fmt: skip


class Pin(Section):
    """A node that is believed with one certificate and with no other."""

    qna: Address
    fingerprint: Digest


class Session(Section):
    """Who this node is to others, and whom it believes."""

    certificate: Annotated[InputFile, about("node's certificate (PEM), which `qstackctl pki issue` makes", "node.pem")]
    key: Annotated[InputFile, about("private key of the certificate (PEM), which only the daemon may read", "node.key")]
    anchors: Annotated[tuple[Anchor, ...], about("CAs that are believed")] = field(name="trust", default=())
    pins: Annotated[tuple[Pin, ...], about("nodes believed by fingerprint")] = field(name="pin", default=())
    revoked: Annotated[tuple[Digest, ...], about("fingerprints of certificates, of nodes or CAs, that are "
                                                 "believed no more")] = ()  # fmt: skip
    key_log: Annotated[Path | None, about("file to which session keys are written for Wireshark; whoever reads it "
                                          "reads the traffic", "keys.log")] = None  # fmt: skip


class Neighbour(Section):
    """A node with which this one speaks directly."""

    qna: Address
    locator: Annotated[Locator | None, about("where it is; looked for on the segments when left out",
                                             "192.0.2.2:4560")] = None  # fmt: skip


class Link(Section):
    """A quantum link to a neighbour. Both ends and the station must be told the same, but for `memories`.

    What to expect of it is said by `hardware`, from which a link that can be tuned is tuned; or else by
    `success-probability` and `fidelity` or `states`. In `hardware` the end of the lower address is the first.
    """

    id: Annotated[int, about("number of the link in its domain", 1, ge=0, le=(1 << 32) - 1)]
    neighbour: Annotated[Qna, about("node at the other end", "64512.2")]
    stations: Annotated[tuple[Address, ...], about("nodes whose device may herald, best first; an end may be one",
                                                   ["64512.2"], min_length=1, max_length=MAXIMUM_STATIONS)]  # fmt: skip
    memories: Annotated[Memories, about("how many memories of this node, or their numbers; links may share some", 32)]
    cycle_ns: Annotated[int, about("length of an attempt cycle in ns", 10_000, ge=1)] = 10_000
    slot_cycles: Annotated[int, about("cycles of a slot, in which there is at most one window", 1_000, ge=1,
                                      le=(1 << 32) - 1)] = 1_000  # fmt: skip
    success_probability: Annotated[float, about("expected probability that an attempt succeeds, above 0", 0.1, gt=0.0,
                                                le=1.0)] = 1.0  # fmt: skip
    fidelity: Annotated[float, about("expected fidelity of a fresh pair, 0 to 1", 0.97, ge=0.0, le=1.0)] = 1.0
    states: Annotated[
        tuple[tuple[float, ...], ...] | None,
        about("expected states instead of a fidelity: for each Bell index (Phi+, Phi-, Psi+, Psi-) 16 correlations, "
              "row by row, the qubit of the lower address first", min_length=4, max_length=4),
    ] = None  # fmt: skip
    hardware: PhysicalLink | None = None


class Station(Section):
    """A link between two other nodes for which this node's device hears the heralds."""

    link: Annotated[int, about("number of the link in its domain", 1, ge=0, le=(1 << 32) - 1)]
    ends: Annotated[tuple[Address, ...], about("nodes at its ends", ["64512.1", "64512.3"], min_length=2,
                                               max_length=2)]  # fmt: skip
    cycle_ns: Annotated[int, about("length of an attempt cycle in ns", 10_000, ge=1)] = 10_000


class Route(Section):
    """One line of the map: `prefix` and `node`, `destination` and `next-hop`, or `as` and `next-hop`."""

    prefix: Annotated[UrnPrefix | None, about("URN prefix of endpoints", "urn:qkd:madqci:ccips")] = None
    node: Annotated[Qna | None, about("node that serves the endpoints below the prefix", "64512.1")] = None
    destination: Annotated[Qna | None, about("node that is reached", "64512.3")] = None
    as_number: Annotated[int | None, about("quantum AS that is reached", 64513, ge=0, le=MAXIMUM_AS)] = field(
        name="as", default=None
    )
    next_hop: Annotated[Qna | None, about("neighbour on the way there", "64512.2")] = None


class Endpoint(Section):
    """Endpoints that applications on this host may serve and speak for."""

    prefix: Prefix
    users: Annotated[Users, about('users who may (names or numbers), or "any"', ["ccips"])]


class Purpose(Section):
    """Purposes of this node's links that applications on this host may hold (EPR sockets)."""

    first: Annotated[int, about("lowest purpose, 1 to 65535", 1, ge=1, le=MAXIMUM_PURPOSE)]
    users: Annotated[Users, about('users who may (names or numbers), or "any"', ["ccips"])]
    last: Annotated[int | None, about("highest one; the lowest alone when left out", 1023, ge=1,
                                      le=MAXIMUM_PURPOSE)] = None  # fmt: skip

    @property
    def range(self) -> tuple[PurposeId, PurposeId]:
        """Lowest and highest."""
        return PurposeId(self.first), PurposeId(self.first if self.last is None else self.last)


class Device(Section):
    """The quantum device, here the digital twin: on this machine at a socket, on another one behind a broker."""

    socket: Annotated[SocketPath | None, about("Unix socket of the device", "/run/qstack/qtwind.sock")] = None
    mqtt: Broker | None = None
    patience_s: Annotated[float, about("how long to wait for the device at the start, in s", 10.0, ge=0.0)] = 10.0

    @property
    def place(self) -> str:
        """Where it is, in words."""
        if self.mqtt is not None:
            return f"mqtts://{self.mqtt.url.host}:{self.mqtt.url.port}, device {self.mqtt.device}"
        return str(self.socket)


class Clock(Section):
    """How well this host knows the time."""

    max_error_ns: MaxError = 1_000_000


class Chance(Section):
    """Where chance comes from. Without a seed: from the operating system."""

    seed: Annotated[Seed | None, about("chosen seed in hexadecimal digits, for tests: every key made with it is marked "
                                       "as not secret", "00ff")] = None  # fmt: skip


class Log(Section):
    """What the daemon tells on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], about("least level that is told", "info")] = "info"
    format: Annotated[Literal["auto", "console", "json", "journal"],
                      about("form of a line; auto: console on a terminal, else journal under systemd, else json",
                            "json")] = "auto"  # fmt: skip


class Capture(Section):
    """A capture of what the node sends, for Wireshark."""

    file: Annotated[Path, about("pcapng file that is written", "alice.pcapng")]


class Metrics(Section):
    """Figures for Prometheus, over HTTP at /metrics, to whoever can reach the address."""

    listen: Annotated[ListenAddress, about("TCP address, ADDRESS:PORT, or path of a Unix socket (with a slash)",
                                           f"127.0.0.1:{METRICS_PORT}")]  # fmt: skip


class NodeFile(Section, kw_only=True):
    """The whole file. Relative paths begin at the file's folder."""

    node: Own
    listen: Listen = field(default_factory=Listen)
    control: Control = field(default_factory=Control)
    segments: tuple[Segment, ...] = field(name="segment", default=())
    session: Session
    neighbours: tuple[Neighbour, ...] = field(name="neighbour", default=())
    links: tuple[Link, ...] = field(name="link", default=())
    stations: tuple[Station, ...] = field(name="station", default=())
    routes: tuple[Route, ...] = field(name="route", default=())
    endpoints: tuple[Endpoint, ...] = field(name="endpoint", default=())
    purposes: tuple[Purpose, ...] = field(name="purpose", default=())
    twin: Device | None = None
    clock: Clock = field(default_factory=Clock)
    chance: Chance = field(default_factory=Chance)
    log: Log = field(default_factory=Log)
    capture: Capture | None = None
    metrics: Metrics | None = None
    tuning: Tuning = field(default_factory=dict)

    @property
    def locators(self) -> tuple[Locator, ...]:
        """Where the node listens: the locators of its segments, then those of `listen`, none twice."""
        return tuple(dict.fromkeys((*(segment.locator for segment in self.segments), *self.listen.udp)))

    @property
    def memories(self) -> tuple[tuple[QubitId, ...], ...]:
        """The numbers of the memories of each link, in the order of `links`."""
        return assign_memories([link.memories for link in self.links])

    @property
    def name(self) -> str:
        """How the node is called."""
        return self.node.name or format_qna(self.node.qna)


def assign_memories(wanted: list[Memories]) -> tuple[tuple[QubitId, ...], ...]:
    """Numbers for links that only said how many: the lowest that no link has named, in order."""
    named = {number for each in wanted if not isinstance(each, int) for number in each}
    free = (number for number in range(MAXIMUM_MEMORIES) if number not in named)
    return tuple(
        tuple(QubitId(next(free)) for _ in range(each)) if isinstance(each, int) else tuple(map(QubitId, each))
        for each in wanted
    )

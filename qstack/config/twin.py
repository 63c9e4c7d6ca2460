"""The configuration file of `qtwind`, as typed values."""

from typing import Annotated

from msgspec import field

from qstack.base.ids import Qna
from qstack.config.broker import Broker
from qstack.config.devices import Device
from qstack.config.hardware import PhysicalLink
from qstack.config.node import Address, Chance, Log, MaxError, Metrics, Mode
from qstack.config.value import Permissions, Section, SocketPath, Users, about

__all__ = ["Pace", "TwinFile", "TwinLink", "TwinListen", "TwinNode"]


class TwinListen(Section):
    """Where hosts reach their devices: those on this machine at a socket, others behind a broker."""

    socket: Annotated[SocketPath | None, about("Unix socket for the daemons of the nodes",
                                               "/run/qstack/qtwind.sock")] = None  # fmt: skip
    mqtt: Broker | None = None
    operator: Annotated[SocketPath | None, about("Unix socket for operators, who may look at true states; none when "
                        "left out", "/run/qstack/qtwind-operator.sock")] = None  # fmt: skip
    mode: Mode = Permissions(0o660)


class Pace(Section):
    """How simulated time goes."""

    pace: Annotated[float, about("how many seconds a simulated second takes; 1 is real time, 0 delivers at once", 1.0,
                                 ge=0.0)] = 1.0  # fmt: skip
    grace_ns: Annotated[int, about("how long after a window its requests are waited for, in ns", 500_000_000, ge=0)] = (
        500_000_000
    )
    horizon_ns: Annotated[int, about("how far ahead instants may lie, in ns", 60_000_000_000, ge=1)] = 60_000_000_000
    max_error_ns: MaxError = 1_000_000


class TwinNode(Device, kw_only=True):
    """The device of one node. One that is only a station has no qubits."""

    qna: Address
    qubits: Annotated[int, about("number of its communication memories", 32, ge=0, le=(1 << 20) - 1)] = 0
    users: Annotated[Users, about('users whose daemon may attach as this node over the Unix socket, or "any"',
                                  ["qstack"])] = Users(None)  # fmt: skip


class TwinLink(PhysicalLink, kw_only=True):
    """A quantum link between two nodes."""

    id: Annotated[int, about("number of the link, unique in the twin", 1, ge=0, le=(1 << 32) - 1)]
    ends: Annotated[tuple[Address, ...], about("nodes at its ends", ["64512.1", "64512.2"], min_length=2,
                                               max_length=2)]  # fmt: skip
    station: Annotated[Qna, about("node whose device hears the heralds; an end may be it", "64512.2")]
    cycle_ns: Annotated[int, about("length of an attempt cycle in ns", 10_000, ge=1)] = 10_000


class TwinFile(Section):
    """The whole file. Relative paths begin at the file's folder."""

    listen: TwinListen
    time: Pace = field(default_factory=Pace)
    nodes: tuple[TwinNode, ...] = field(name="node", default=())
    links: tuple[TwinLink, ...] = field(name="link", default=())
    chance: Chance = field(default_factory=Chance)
    log: Log = field(default_factory=Log)
    metrics: Metrics | None = None

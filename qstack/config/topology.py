"""The file from which `qstack-lab` makes a whole network on one machine, as typed values."""

from typing import Annotated

from msgspec import field

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.config.devices import Device
from qstack.config.hardware import PhysicalLink
from qstack.config.node import Chance, Log, Prefix, Tuning
from qstack.config.value import HostAddress, Section, UrnPrefix, Users, about

__all__ = ["Domain", "Laboratory", "LabLink", "LabNode", "TopologyFile"]

NAME_PATTERN = "^[a-z][a-z0-9-]{0,31}$"
Name = Annotated[str, about("name of a node", "alice", pattern=NAME_PATTERN)]


class Laboratory(Section):
    """The laboratory."""

    name: Annotated[str, about("name of the laboratory: small letters, digits and hyphens", "madqci-quditto",
                               pattern=NAME_PATTERN)]  # fmt: skip
    port: Annotated[int, about("UDP port of all nodes", 4560, ge=1, le=65535)] = 4560
    multicast: Annotated[Locator | None, about("multicast group of the segment; neighbours are asked one by one when "
                         "left out", "239.64.64.1:4560")] = None  # fmt: skip
    users: Annotated[Users, about('users who may serve the endpoints, or "any"', "any")] = Users(None)
    pace: Annotated[float, about("how many seconds a simulated second takes", 1.0, ge=0.0)] = 1.0
    mqtt_port: Annotated[int | None, about("TCP port on 127.0.0.1 of a broker (Mosquitto) that is started to carry the "
                         "primitives; a Unix socket does when left out", 8883, ge=1, le=65535)] = None  # fmt: skip
    capture: Annotated[bool, about("whether each node writes NODE.pcapng", True)] = False
    metrics: Annotated[bool, about("whether each node serves its metrics at the Unix socket NODE.metrics, and the twin "
                                   "at qtwind.metrics", True)] = False  # fmt: skip


class Domain(Section):
    """A quantum AS."""

    as_number: Annotated[int, about("number of the quantum AS", 64512, ge=0, le=(1 << 32) - 1)] = field(name="as")
    name: Annotated[str, about("name of the domain", "madqci", max_length=64)] = ""
    urn_prefixes: Annotated[tuple[Prefix, ...], about("URN prefixes for which its CA is believed; those of its nodes "
                            "when left out", ["urn:qkd:madqci"])] = ()  # fmt: skip


class LabNode(Device, kw_only=True):
    """A node of the laboratory."""

    name: Name
    qna: Annotated[Qna, about("quantum network address, AS.NODE", "64512.1")]
    address: Annotated[
        HostAddress | None,
        about("its own IP address; when left out, one of 127.0.0.0/8 made from the folder's name, or one of the "
              "namespaces' network", "127.0.0.11"),
    ] = None  # fmt: skip
    generation: Annotated[int | None, about("generation of repeaters that the node belongs to, 1 to 3; told to "
                          "neighbours by its capabilities", 2, ge=1, le=3)] = None  # fmt: skip
    urns: Annotated[tuple[UrnPrefix, ...], about("prefixes of the endpoints that are served at the node",
                                                 ["urn:qkd:madqci:ccips"])] = field(name="urn", default=())  # fmt: skip


class LabLink(PhysicalLink, kw_only=True):
    """A quantum link between two nodes."""

    between: Annotated[tuple[Name, ...], about("names of the nodes at its ends", ["alice", "repeater"], min_length=2,
                                               max_length=2)]  # fmt: skip
    station: Annotated[str, about("name of the node that hears the heralds; the second end when left out",
                                  "repeater")] = ""  # fmt: skip
    memories: Annotated[int, about("number of memories that each end gives to the link", 32, ge=1, le=65535)] = 32
    cycle_ns: Annotated[int, about("length of an attempt cycle in ns", 10_000, ge=1)] = 10_000
    slot_cycles: Annotated[int, about("cycles of a slot, in which there is at most one window", 1_000, ge=1,
                                      le=(1 << 32) - 1)] = 1_000  # fmt: skip


class TopologyFile(Section, kw_only=True):
    """The whole file."""

    lab: Laboratory
    domains: tuple[Domain, ...] = field(name="domain", default=())
    nodes: Annotated[tuple[LabNode, ...], about("nodes as [[node]] tables", min_length=1)] = field(name="node")
    links: tuple[LabLink, ...] = field(name="link", default=())
    chance: Chance = field(default_factory=Chance)
    log: Log = field(default_factory=Log)
    tuning: Tuning = field(default_factory=dict)

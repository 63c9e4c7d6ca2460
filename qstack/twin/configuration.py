"""What network a twin stands in for."""

from collections.abc import Mapping
from dataclasses import dataclass

from qstack.base.errors import LocalMisuse
from qstack.base.ids import LinkId, Qna, format_qna
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.memories import DeviceModel

__all__ = ["GRACE_NS", "HORIZON_NS", "TwinConfiguration", "TwinLink"]

GRACE_NS = 500 * MILLISECOND_NS  # TWIN-7: what a busy machine may delay a request beyond its window
HORIZON_NS = 60 * SECOND_NS  # TWIN-7: longest plan ahead; bounds what a confused clock can do


@dataclass(frozen=True, slots=True)
class TwinLink:
    """A link between two nodes, and the node whose device hears its heralds.

    The hardware's arms are in the order of `ends`.
    """

    ends: tuple[Qna, Qna]
    station: Qna
    hardware: LinkHardware

    def start_ns(self, cycle: int) -> int:
        """Domain time at which a cycle starts."""
        return cycle * self.hardware.cycle_ns


@dataclass(frozen=True, slots=True)
class TwinConfiguration:
    """A network of devices. Link ids are unique within a twin.

    `pace`: 1.0 is real time, 0 delivers results at once (TWIN-4-5). `grace_ns`: how long after a window its requests
    are waited for (TWIN-5.3-3). `horizon_ns`: how far ahead instants may lie (TWIN-4-1). Raises `LocalMisuse`.
    """

    nodes: Mapping[Qna, DeviceModel]
    links: Mapping[LinkId, TwinLink]
    pace: float = 1.0
    grace_ns: int = GRACE_NS
    horizon_ns: int = HORIZON_NS

    def __post_init__(self) -> None:
        if self.pace < 0 or self.grace_ns < 0 or self.horizon_ns <= 0:
            raise LocalMisuse("a twin's pace and grace are not negative, and its horizon is longer than 0 ns")
        for link_id, link in self.links.items():
            for node in (*link.ends, link.station):
                if node not in self.nodes:
                    raise LocalMisuse(f"link {link_id} names {format_qna(node)}, which is no node of the twin")
            if link.ends[0] == link.ends[1]:
                raise LocalMisuse(f"link {link_id} has the same node at both ends")

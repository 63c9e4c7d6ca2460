"""What operators are told."""

from dataclasses import dataclass

from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.proto.qarp.conflict import OwnAddress
from qstack.proto.qarp.locators import listed_locators
from qstack.proto.qarp.neighbour import Neighbour
from qstack.proto.qarp.states import AddressState, NeighbourState

__all__ = ["AddressEntry", "NeighbourEntry", "describe_address", "describe_neighbour"]


@dataclass(frozen=True, slots=True)
class NeighbourEntry:
    """One neighbour. `device_port`, `capabilities` (bits of `qstack.wire.qarp.Capability`) and `described` are what it
    said of itself under its seal, None and () before that; `hints`: how many wait to be proved or asked."""

    peer: Qna
    state: NeighbourState
    locator: Locator | None
    static: bool
    connected: bool
    device_port: int | None
    capabilities: int | None
    described: tuple[Locator, ...]
    hints: int
    heard_ns: int  # local monotonic, 0 for never


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """The own address. `rival`: the last node that proved it too."""

    own: Qna
    state: AddressState
    conflicts: int
    rival: Locator | None


def describe_neighbour(neighbour: Neighbour) -> NeighbourEntry:
    """An entry as it is now."""
    told = neighbour.whereabouts
    return NeighbourEntry(
        peer=neighbour.peer, state=neighbour.state, locator=neighbour.locator, static=bool(neighbour.configured),
        connected=neighbour.connected,
        device_port=None if told is None else told.device_port,
        capabilities=None if told is None else told.capabilities,
        described=() if told is None else tuple(listed_locators(told)),
        hints=len(neighbour.around.hints.about(neighbour.peer)), heard_ns=neighbour.heard_ns,
    )  # fmt: skip


def describe_address(own: Qna, address: OwnAddress) -> AddressEntry:
    """The own address as it is now."""
    return AddressEntry(own, address.state, address.conflicts, address.rival)

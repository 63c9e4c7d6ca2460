"""How things are called at the broker (TWIN-9.1-1): topics of a device and of its hosts, names of clients."""

from typing import NamedTuple

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, format_qna, parse_qna

__all__ = ["ASK", "HOST", "TELL", "Place", "device_topic", "node_name", "place_of", "topic"]

ASK, TELL, HOST = "ask", "tell", "host"
_ROOT = "qstack"
_SCHEME = "qna:"


class Place(NamedTuple):
    """What a topic of a node says."""

    node: Qna
    what: str


def node_name(node: Qna) -> str:
    """The common name in a node's certificate, by which the broker knows it."""
    return f"{_SCHEME}{format_qna(node)}"


def topic(device: str, node: Qna | None, what: str) -> str:
    """A topic of a node, or the filter for those of all nodes."""
    return f"{_ROOT}/{device}/{'+' if node is None else node_name(node)}/{what}"


def device_topic(device: str) -> str:
    """Where a device says whether it is there."""
    return f"{_ROOT}/{device}/device"


def place_of(name: str) -> Place | None:
    """What a topic means; None when it is none of a node."""
    parts = name.split("/")
    if len(parts) != 4 or not parts[2].startswith(_SCHEME):
        return None
    try:
        node = parse_qna(parts[2].removeprefix(_SCHEME))
    except LocalMisuse:
        return None
    return Place(node, parts[3]) if node_name(node) == parts[2] else None

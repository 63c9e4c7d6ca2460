"""What must hold between the sections of a twin's file."""

from collections.abc import Iterator

from qstack.base.ids import Qna, format_qna
from qstack.config.devices import check_device
from qstack.config.hardware import check_hardware
from qstack.config.problem import Problem, shown
from qstack.config.rule import Rule, repeated
from qstack.config.twin import TwinLink, TwinListen, TwinNode

__all__ = ["TWIN_RULES"]


def _check_listen(listen: TwinListen) -> Iterator[Problem]:
    if listen.socket is None and listen.mqtt is None:
        remedy = 'write socket = "qtwind.sock", or [listen.mqtt]'
        yield Problem("$.listen", "(empty)", "no node can reach its device", remedy)
    if listen.mqtt is not None:
        for name in ("certificate", "key"):
            if getattr(listen.mqtt, name) is None:
                remedy = f"write {name}; qstackctl pki service makes it"
                yield Problem(f"$.listen.mqtt.{name}", "(missing)", "has to be said", remedy)
    if listen.operator is not None and listen.operator == listen.socket:
        remedy = "give operators a socket of their own"
        yield Problem("$.listen.operator", shown(str(listen.operator)), "is the socket of the nodes", remedy)


def _check_nodes(nodes: tuple[TwinNode, ...]) -> Iterator[Problem]:
    yield from repeated("node", "qna", [format_qna(each.qna) for each in nodes], "list each node once")
    for n, node in enumerate(nodes):
        yield from check_device(node, f"$.node[{n}]")


def _check_links(nodes: tuple[TwinNode, ...], links: tuple[TwinLink, ...]) -> Iterator[Problem]:
    yield from repeated("link", "id", [each.id for each in links], "give each link its own number")
    qubits = {node.qna: node.qubits for node in nodes}
    for n, link in enumerate(links):
        yield from _check_link(f"$.link[{n}]", link, qubits)


def _check_link(path: str, link: TwinLink, qubits: dict[Qna, int]) -> Iterator[Problem]:
    if link.ends[0] == link.ends[1]:
        ends = shown([format_qna(end) for end in link.ends])
        yield Problem(f"{path}.ends", ends, "is one node twice", "name the two ends of the link")
    for n, node in enumerate((*link.ends, link.station)):
        where = f"{path}.station" if n == len(link.ends) else f"{path}.ends[{n}]"
        text = format_qna(node)
        if node not in qubits:
            yield Problem(where, shown(text), "is no node of the twin", f'add [[node]] qna = "{text}"')
        elif node in link.ends and not qubits[node] and n < len(link.ends):
            yield Problem(where, shown(text), "has no memories to make pairs in", "give its [[node]] qubits = 32")
    yield from check_hardware(link, link.cycle_ns, path)


TWIN_RULES = (
    Rule(("listen",), _check_listen),
    Rule(("nodes",), _check_nodes),
    Rule(("nodes", "links"), _check_links),
)

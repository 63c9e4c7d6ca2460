"""What must hold between the sections of a laboratory's topology."""

from collections.abc import Iterator
from itertools import permutations

from qstack.base.ids import as_number, format_qna
from qstack.config.devices import check_device
from qstack.config.hardware import check_hardware
from qstack.config.problem import Problem, shown
from qstack.config.rule import Rule, repeated
from qstack.config.topology import Domain, LabLink, LabNode, Laboratory

__all__ = ["RESERVED_NAMES", "TOPOLOGY_RULES"]

RESERVED_NAMES = frozenset({"qtwind", "mosquitto", "lab", "pki"})
"""Names that the laboratory's own files have."""


def _check_lab(lab: Laboratory) -> Iterator[Problem]:
    if lab.multicast is not None and not lab.multicast.ip.is_multicast:
        remedy = "write one of 224.0.0.0/4 or ff00::/8, as in 239.64.64.1:4560"
        yield Problem("$.lab.multicast", shown(str(lab.multicast)), "is not a multicast address", remedy)


def _check_domains(domains: tuple[Domain, ...], nodes: tuple[LabNode, ...]) -> Iterator[Problem]:
    yield from repeated("domain", "as", [each.as_number for each in domains], "list each quantum AS once")
    scopes = {domain.as_number: domain.urn_prefixes for domain in domains}
    for n, node in enumerate(nodes):
        scope = scopes.get(as_number(node.qna), ())
        for k, urn in enumerate(node.urns):
            if scope and not any(prefix.is_prefix_of(urn) for prefix in scope):
                remedy = f"the domain has {', '.join(map(str, scope))}"
                yield Problem(f"$.node[{n}].urn[{k}]", shown(str(urn)), "lies outside its domain's prefixes", remedy)


def _check_nodes(nodes: tuple[LabNode, ...]) -> Iterator[Problem]:
    yield from repeated("node", "name", [each.name for each in nodes], "give each node its own name")
    yield from repeated("node", "qna", [format_qna(each.qna) for each in nodes], "give each node its own address")
    yield from repeated("node", "address", [each.address for each in nodes], "give each node its own address")
    served: dict[str, str] = {}
    for n, node in enumerate(nodes):
        if node.name in RESERVED_NAMES:
            remedy = "choose another"
            yield Problem(f"$.node[{n}].name", shown(node.name), "is a name of the laboratory's own files", remedy)
        yield from check_device(node, f"$.node[{n}]")
        for k, urn in enumerate(node.urns):
            path = f"$.node[{n}].urn[{k}]"
            if served.setdefault(urn.canonical, path) != path:
                fault = f"is served already by {served[urn.canonical]}"
                yield Problem(path, shown(str(urn)), fault, "one node serves a prefix")


def _check_links(nodes: tuple[LabNode, ...], links: tuple[LabLink, ...]) -> Iterator[Problem]:
    names = [node.name for node in nodes]
    remedy = "two nodes have one link; give it more memories instead"
    yield from repeated("link", "between", [sorted(each.between) for each in links], remedy)
    for n, link in enumerate(links):
        path = f"$.link[{n}]"
        if link.between[0] == link.between[1]:
            yield Problem(f"{path}.between", shown(link.between), "is one node twice", "name the two ends of the link")
        for key, name in (("between[0]", link.between[0]), ("between[1]", link.between[1]), ("station", link.station)):
            if name and name not in names:
                yield Problem(f"{path}.{key}", shown(name), "is no node", f"there are {', '.join(names)}")
        yield from check_hardware(link, link.cycle_ns, path)


def _check_connected(nodes: tuple[LabNode, ...], links: tuple[LabLink, ...]) -> Iterator[Problem]:
    """Everybody can reach everybody, and inside a quantum AS without leaving it."""
    near: dict[str, set[str]] = {node.name: set() for node in nodes}
    for link in links:
        for one, other in permutations({*link.between, link.station or link.between[1]} & near.keys(), 2):
            near[one].add(other)
    yield from _check_reached(nodes, nodes, near, "")
    for as_ in dict.fromkeys(as_number(node.qna) for node in nodes):
        inside = tuple(node for node in nodes if as_number(node.qna) == as_)
        yield from _check_reached(nodes, inside, near, f" inside quantum AS {as_}")


def _check_reached(
    nodes: tuple[LabNode, ...], allowed: tuple[LabNode, ...], near: dict[str, set[str]], where: str
) -> Iterator[Problem]:
    names, first = {node.name for node in allowed}, allowed[0].name
    reached: set[str] = set()
    ahead = [first]
    while ahead:
        name = ahead.pop()
        if name in names - reached:
            reached.add(name)
            ahead += near[name]
    for n, node in enumerate(nodes):
        if node.name in names - reached:
            remedy = f'add [[link]] between = ["{first}", "{node.name}"]'
            yield Problem(f"$.node[{n}].name", shown(node.name), f"no links lead from {first} to it{where}", remedy)


TOPOLOGY_RULES = (
    Rule(("lab",), _check_lab),
    Rule(("nodes",), _check_nodes),
    Rule(("domains", "nodes"), _check_domains),
    Rule(("nodes", "links"), _check_links),
    Rule(("nodes", "links"), _check_connected),
)

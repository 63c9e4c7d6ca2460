"""What must hold between the sections of a node's file."""

from collections.abc import Iterable, Iterator

from qstack.base.ids import Qna, as_number, format_qna
from qstack.base.locator import Locator
from qstack.config.link_rules import check_cutoff, check_device, check_links, check_memories
from qstack.config.node import Endpoint, Listen, Neighbour, Own, Purpose, Route, Segment, Session
from qstack.config.problem import Problem, shown
from qstack.config.rule import Rule, repeated

__all__ = ["NODE_RULES"]

_SAY_LISTEN = 'add a [[segment]] with a name and a locator, or [listen] udp = ["192.0.2.1:4560"]'
_SAY_WHERE = 'write locator = "192.0.2.2:4560", or give a [[segment]] multicast or ask'
_SAY_TRUST = 'add [[session.trust]] ca = "ca.pem", or [[session.pin]] with qna and fingerprint'
_SAY_ROUTE = "write prefix and node, or destination and next-hop, or as and next-hop"


def _addresses(nodes: Iterable[Qna | None]) -> list[str | None]:
    return [None if node is None else format_qna(node) for node in nodes]


def _check_listen(listen: Listen, segments: tuple[Segment, ...]) -> Iterator[Problem]:
    if not segments and not listen.udp:
        yield Problem("$.segment", "(missing)", "the node listens nowhere", _SAY_LISTEN)


def _check_segments(segments: tuple[Segment, ...]) -> Iterator[Problem]:
    yield from repeated("segment", "name", [each.name for each in segments], "give each segment its own name")
    locators = [str(each.locator) for each in segments]
    yield from repeated("segment", "locator", locators, "a segment needs a locator of its own")
    for n, segment in enumerate(segments):
        yield from _check_segment(f"$.segment[{n}]", segment)


def _check_segment(path: str, segment: Segment) -> Iterator[Problem]:
    own, group = segment.locator, segment.multicast
    if group is not None and not group.ip.is_multicast:
        remedy = "write one of 224.0.0.0/4 or ff00::/8, as in 239.64.64.1:4560"
        yield Problem(f"{path}.multicast", shown(str(group)), "is not a multicast address", remedy)
    elif group is not None and group.ip.version != own.ip.version:
        remedy = "give group and locator the same IP version"
        yield Problem(f"{path}.multicast", shown(str(group)), f"is not of the family of {own}", remedy)
    for n, asked in enumerate(segment.ask):
        if asked == own:
            yield Problem(f"{path}.ask[{n}]", shown(str(asked)), "is this node itself", "leave it out")
        elif asked.ip.version != own.ip.version:
            remedy = "ask it on a segment of its own IP version"
            yield Problem(f"{path}.ask[{n}]", shown(str(asked)), f"cannot be reached from {own}", remedy)


def _check_neighbours(
    own: Own, listen: Listen, segments: tuple[Segment, ...], neighbours: tuple[Neighbour, ...]
) -> Iterator[Problem]:
    here = {*listen.udp, *(segment.locator for segment in segments)}
    yield from repeated("neighbour", "qna", _addresses(each.qna for each in neighbours), "list each neighbour once")
    locators = [each.locator and str(each.locator) for each in neighbours]
    yield from repeated("neighbour", "locator", locators, "give each neighbour its own locator")
    asking = any(segment.multicast or segment.ask for segment in segments)
    for n, neighbour in enumerate(neighbours):
        path = f"$.neighbour[{n}]"
        if neighbour.qna == own.qna:
            remedy = "leave it out, or correct $.node.qna"
            yield Problem(f"{path}.qna", shown(format_qna(own.qna)), "is this node itself", remedy)
        elif neighbour.locator is not None:
            yield from _check_locator(f"{path}.locator", neighbour.locator, here)
        elif not asking:
            yield Problem(f"{path}.locator", "(missing)", "no segment says whom to ask where it is", _SAY_WHERE)


def _check_locator(path: str, locator: Locator, here: set[Locator]) -> Iterator[Problem]:
    if locator in here:
        yield Problem(path, shown(str(locator)), "is a locator of this node", "write where the neighbour is")
    elif here and locator.ip.version not in {each.ip.version for each in here}:
        remedy = "add such a locator to [listen] udp, or write the neighbour's other one"
        yield Problem(path, shown(str(locator)), f"this node does not listen on IPv{locator.ip.version}", remedy)


def _check_session(own: Own, session: Session) -> Iterator[Problem]:
    if not session.anchors and not session.pins:
        yield Problem("$.session.trust", "(missing)", "the node believes nobody", _SAY_TRUST)
    yield from repeated("session.trust", "ca", [str(each.ca) for each in session.anchors], "list each CA once")
    pinned = _addresses(each.qna for each in session.pins)
    yield from repeated("session.pin", "qna", pinned, "pin one certificate a node")
    for n, pin in enumerate(session.pins):
        if pin.qna == own.qna:
            yield Problem(f"$.session.pin[{n}].qna", shown(format_qna(pin.qna)), "is this node itself", "leave it out")
        if pin.fingerprint in session.revoked:
            remedy = "take it out of $.session.revoked, or pin the node's new certificate"
            yield Problem(f"$.session.pin[{n}].fingerprint", shown(pin.fingerprint.hex()), "is revoked", remedy)


def _check_routes(own: Own, neighbours: tuple[Neighbour, ...], routes: tuple[Route, ...]) -> Iterator[Problem]:
    near = {neighbour.qna for neighbour in neighbours}
    for n, route in enumerate(routes):
        yield from _check_route(f"$.route[{n}]", own.qna, near, route)
    prefixes = [each.prefix and each.prefix.canonical for each in routes]
    yield from repeated("route", "prefix", prefixes, "one node serves a prefix")
    destinations = _addresses(each.destination for each in routes)
    yield from repeated("route", "destination", destinations, "one next hop a destination")
    yield from repeated("route", "as", [each.as_number for each in routes], "one next hop a quantum AS")
    yield from _check_reachable(own, near, routes)


def _check_route(path: str, own: Qna, near: set[Qna], route: Route) -> Iterator[Problem]:
    given = tuple(name for name in route.__struct_fields__ if getattr(route, name) is not None)
    if given not in (("prefix", "node"), ("destination", "next_hop"), ("as_number", "next_hop")):
        written = ", ".join(name.replace("as_number", "as").replace("_", "-") for name in given)
        yield Problem(path, f"{{ {written} }}", "is no route", _SAY_ROUTE)
        return
    if route.next_hop is not None and route.next_hop not in near:
        hop = format_qna(route.next_hop)
        yield Problem(f"{path}.next-hop", shown(hop), "is not among the neighbours", f'add [[neighbour]] qna = "{hop}"')
    if route.destination == own:
        yield Problem(f"{path}.destination", shown(format_qna(own)), "is this node itself", "leave the route out")
    if route.as_number is not None and route.as_number == as_number(own):
        remedy = "write destination and next-hop for nodes inside it"
        yield Problem(f"{path}.as", shown(route.as_number), "is this node's own quantum AS", remedy)


def _check_reachable(own: Own, near: set[Qna], routes: tuple[Route, ...]) -> Iterator[Problem]:
    """A prefix that is mapped to a node to which there is no way serves nobody."""
    there = near | {own.qna} | {route.destination for route in routes if route.destination is not None}
    domains = {route.as_number for route in routes}
    for n, route in enumerate(routes):
        if route.node is not None and route.node not in there and as_number(route.node) not in domains:
            node = format_qna(route.node)
            remedy = f'add [[route]] destination = "{node}" (or its as) with a next-hop'
            yield Problem(f"$.route[{n}].node", shown(node), "there is no way to this node", remedy)


def _check_endpoints(own: Own, routes: tuple[Route, ...], endpoints: tuple[Endpoint, ...]) -> Iterator[Problem]:
    prefixes = [each.prefix.canonical for each in endpoints]
    yield from repeated("endpoint", "prefix", prefixes, "name all users in one [[endpoint]]")
    served = [route.prefix for route in routes if route.prefix is not None and route.node == own.qna]
    for n, endpoint in enumerate(endpoints):
        if not any(prefix.is_prefix_of(endpoint.prefix) or endpoint.prefix.is_prefix_of(prefix) for prefix in served):
            remedy = f'add [[route]] prefix = "{endpoint.prefix}" node = "{format_qna(own.qna)}"'
            yield Problem(f"$.endpoint[{n}].prefix", shown(str(endpoint.prefix)), "no route leads to this node", remedy)


def _check_purposes(purposes: tuple[Purpose, ...]) -> Iterator[Problem]:
    for n, purpose in enumerate(purposes):
        if purpose.last is not None and purpose.last < purpose.first:
            remedy = f"write first = {purpose.last} and last = {purpose.first}"
            yield Problem(f"$.purpose[{n}].last", shown(purpose.last), "lies before the first", remedy)


NODE_RULES = (
    Rule(("listen", "segments"), _check_listen),
    Rule(("segments",), _check_segments),
    Rule(("node", "session"), _check_session),
    Rule(("node", "listen", "segments", "neighbours"), _check_neighbours),
    Rule(("node", "neighbours", "links", "stations", "twin"), check_links),
    Rule(("twin",), check_device),
    Rule(("links",), check_memories),
    Rule(("links", "tuning"), check_cutoff),
    Rule(("node", "neighbours", "routes"), _check_routes),
    Rule(("node", "routes", "endpoints"), _check_endpoints),
    Rule(("purposes",), _check_purposes),
)

"""`qstackctl status`, `neighbours`, `sessions`, `links`, `memories`, `circuits`, `units`, `counters`: tables."""

from collections.abc import Callable
from typing import Any

from qstack.cli.tables import duration, paragraph, table
from qstack.control import replies, requests

__all__ = ["LOOKS"]

_BELL_STATES = ("Phi+", "Phi-", "Psi+", "Psi-")


def _status(told: replies.StatusReply) -> str:
    facts: list[tuple[str, object]] = [
        ("node", f"{told.node} ({told.name})"),
        ("state", f"{told.state} for {duration(told.uptime_s)}, process {told.pid}, qstackd {told.version}"),
        ("configuration", told.configuration),
        ("listens on", told.listen),
        ("own address", f"{told.address_state}, {told.conflicts} conflicts"),
        ("neighbours", f"{told.neighbours_up} of {told.neighbours} up"),
        ("links", told.links),
        ("circuits", told.circuits),
        ("units", f"{told.units}, {told.endpoints} endpoints served"),
        ("clock", f"within {told.max_error_ns / 1e6:g} ms"),
        ("keys are secret", told.secret),
    ]
    if told.device is not None:
        device = told.device
        facts.append(("device", f"{device.identity} at {device.socket}, {device.qubits} memories"))
        late = f"{device.late_results} of {device.results} results late"
        facts.append(("", f"{late}, by {device.worst_lateness_ns / 1e6:.3f} ms at worst"))
    return paragraph(facts)


def _neighbours(told: replies.NeighboursReply) -> str:
    heads = ("NODE", "UP", "RESOLUTION", "SESSION", "LOCATOR", "CAPABILITIES", "HEARD", "SINCE")
    rows = [
        (each.node, each.up, each.resolution, each.session, each.locator, each.capabilities, duration(each.heard_s),
         duration(each.up_s))
        for each in told.neighbours
    ]  # fmt: skip
    return table(heads, rows, "no neighbours: the configuration names none and nobody has called")


def _sessions(told: replies.SessionsReply) -> str:
    heads = ("NODE", "SCOPE", "STATE", "ROLE", "LOCATOR", "EPOCH", "GENERATION", "SENT", "AGE", "FINGERPRINT")
    rows = [
        (each.node, each.scope, each.state, each.role, each.locator, f"{each.local_epoch}/{each.remote_epoch}",
         each.generation, each.sent, duration(each.age_s), each.fingerprint[:16])
        for each in told.sessions
    ]  # fmt: skip
    return table(heads, rows, "no sessions")


def _links(told: replies.LinksReply) -> str:
    heads = ("LINK", "NEIGHBOUR", "UP", "STATION", "MEMORIES", "FREE", "OFFERED", "HELD", "QUEUED", "WINDOWS", "PAIRS",
             "PAIRS/S", "ATTEMPTS", "ASKED", "ESTIMATED", "TESTS", "TRUE", "OLDEST", "ERRORS")  # fmt: skip
    rows = [
        (each.link, each.neighbour, each.up, each.stations, each.memories, each.free, each.offered, _held(each),
         each.queued_requests, each.open_windows, each.pairs, each.rate_hz, each.cycles_attempted,
         _fidelity(each.asked_fidelity or None), _estimate(each), each.tests, _fidelity(each.true_fidelity),
         duration(each.oldest_request_s), each.errors)
        for each in told.links
    ]  # fmt: skip
    text = table(heads, rows, "no links: this node has no end of one")
    if told.sockets:
        held = [
            (each.socket, each.neighbour, each.purpose, each.user, each.state, each.connection, each.held,
             len(each.requests))
            for each in told.sockets
        ]  # fmt: skip
        names = ("SOCKET", "NEIGHBOUR", "PURPOSE", "USER", "STATE", "CONNECTION", "QUBITS", "REQUESTS")
        text += "\n\n" + table(names, held, "")
        text += _requests(told.sockets)
    if told.stations:
        heard = [
            (each.link, each.ends, each.waiting, each.windows_heralded, each.windows_failed, each.pairs)
            for each in told.stations
        ]
        text += "\n\n" + table(("HERALDS FOR", "ENDS", "WAITING", "HERALDED", "FAILED", "PAIRS"), heard, "")
    return text


def _requests(sockets: tuple[replies.EprSocket, ...]) -> str:
    rows = [
        (each.socket, request.kind, request.state, f"{request.told}/{request.number}",
         _fidelity(request.min_fidelity or None), duration(request.age_s), duration(request.left_s))
        for each in sockets for request in each.requests
    ]  # fmt: skip
    heads = ("SOCKET", "KIND", "STATE", "PAIRS", "ASKED", "AGE", "LEFT")
    return "\n\n" + table(heads, rows, "") if rows else ""


def _memories(told: replies.MemoriesReply) -> str:
    heads = ("MEMORY", "LINK", "NEIGHBOUR", "PLACE", "HOLDER", "QUBIT", "PAIR", "STATE", "ESTIMATED", "TRUE", "AGE",
             "ACTS")  # fmt: skip
    rows = [
        (each.qubit, each.link, each.neighbour, each.place, each.holder, each.number, each.sequence,
         None if each.bell_index is None else _BELL_STATES[each.bell_index & 3], _fidelity(each.fidelity),
         _fidelity(each.true_fidelity), duration(each.age_s), each.acts)
        for each in told.memories
    ]  # fmt: skip
    return table(heads, rows, "no memories: this node has no end of a link")


def _held(link: replies.Link) -> str:
    return f"{link.held} ({link.stocked} stock)" if link.stocked else str(link.held)


def _estimate(link: replies.Link) -> str:
    known = f"{link.fidelity:.4f}"
    return f"{known} ({link.fidelity_low:.3f}..{link.fidelity_high:.3f})" if link.tests else known


def _fidelity(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _circuits(told: replies.CircuitsReply) -> str:
    heads = ("CIRCUIT", "ROLE", "STATE", "UPSTREAM", "DOWNSTREAM", "WANTED", "MADE", "FIDELITY", "LEFT")
    rows = [
        (each.circuit, each.role, each.state, each.upstream.neighbour if each.upstream else "",
         each.downstream.neighbour if each.downstream else "", each.wanted, each.made, f"{each.path_fidelity:.4f}",
         duration(each.left_s))
        for each in told.circuits
    ]  # fmt: skip
    return table(heads, rows, "no circuits")


def _units(told: replies.UnitsReply) -> str:
    heads = ("UNIT", "ROLE", "STATE", "KIND", "REMOTE", "PAIRS", "FIDELITY", "LEFT")
    rows = [
        (each.unit, each.role, each.state, each.kind, each.remote, each.pairs, f"{each.mean_fidelity:.4f}",
         duration(each.left_s))
        for each in told.units
    ]  # fmt: skip
    text = table(heads, rows, "no units")
    for each in told.units:
        text += f"\n\nunit {each.unit}:" + "".join(f"\n  {urn}" for urn in each.urns)
    served = [(each.urn, each.user) for each in told.endpoints]
    return text + "\n\n" + table(("ENDPOINT SERVED", "USER"), served, "no endpoints are served")


def _counters(told: replies.CountersReply) -> str:
    return table(("COUNTER", "VALUE"), sorted(told.counters.items()), "nothing has been counted yet")


LOOKS: dict[str, tuple[requests.Request, Callable[[Any], str], str]] = {
    "status": (requests.Status(), _status, "how the daemon is"),
    "neighbours": (requests.Neighbours(), _neighbours, "whom it speaks with directly"),
    "sessions": (requests.Sessions(), _sessions, "key establishment, with neighbours and far ends"),
    "links": (requests.Links(), _links, "quantum links, their queues, and those it heralds for"),
    "memories": (requests.Memories(), _memories, "memories of its links, and who holds their qubits"),
    "circuits": (requests.Circuits(), _circuits, "circuits through it"),
    "units": (requests.Units(), _units, "service units, and endpoints that are served"),
    "counters": (requests.Counters(), _counters, "all counters"),
}
"""By name: the request, how its reply is shown, and one line of help."""

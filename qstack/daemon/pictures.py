"""A node's own descriptions in the words of the control room: pure functions, one for each kind of reply."""

from collections.abc import Mapping

from qstack.base.effects import Seal
from qstack.base.ids import Qna, format_qna
from qstack.base.time import Instant
from qstack.base.units import SECOND_NS
from qstack.control import replies
from qstack.node.node import Node
from qstack.proto.circuit.machine import CircuitDescription, HopDescription
from qstack.proto.qarp.description import NeighbourEntry
from qstack.proto.session.view import SessionView
from qstack.wire.qarp import Capability

__all__ = ["circuits", "counters", "neighbours", "sessions", "units"]


def neighbours(node: Node, now_ns: Instant) -> replies.NeighboursReply:
    """Configured neighbours and those found by qarp, by address."""
    known = {entry.peer: entry for entry in node.machines.qarp.describe()}
    views = _best_views(node)
    wanted = sorted({*node.configuration.neighbours, *known, *views})
    return replies.NeighboursReply(
        neighbours=tuple(_neighbour(node, peer, known.get(peer), views.get(peer), now_ns) for peer in wanted)
    )


def _best_views(node: Node) -> Mapping[Qna, SessionView]:
    """The live session with each neighbour, or else one under way."""
    found: dict[Qna, SessionView] = {}
    for view in node.machines.hop_session.describe():
        if view.peer not in found or view.sent:
            found[view.peer] = view
    return found


def _neighbour(
    node: Node, peer: Qna, entry: NeighbourEntry | None, view: SessionView | None, now_ns: Instant
) -> replies.Neighbour:
    up = node.machines.hop_session.is_up(peer)
    locator = node.machines.hop_session.locator_of(peer) or (None if entry is None else entry.locator)
    told = 0 if entry is None or entry.capabilities is None else entry.capabilities
    return replies.Neighbour(
        node=format_qna(peer),
        up=up,
        resolution="" if entry is None else entry.state.name.lower(),
        session="" if view is None else view.state,
        locator="" if locator is None else str(locator),
        configured=peer in node.configuration.neighbours,
        capabilities=tuple(each.name.lower().replace("_", "-") for each in Capability if each & told and each.name),
        device_port=0 if entry is None or entry.device_port is None else entry.device_port,
        heard_s=None if view is None or not up else _since(view.last_heard_ns, now_ns),
        up_s=None if view is None or not up else _since(view.established_ns, now_ns),
    )


def sessions(node: Node, now_ns: Instant) -> replies.SessionsReply:
    """Both scopes, live or under way."""
    found = [
        _session(view, seal, now_ns)
        for seal, machine in ((Seal.HOP, node.machines.hop_session), (Seal.END, node.machines.end_session))
        for view in machine.describe()
    ]
    return replies.SessionsReply(sessions=tuple(found))


def _session(view: SessionView, seal: Seal, now_ns: Instant) -> replies.Session:
    return replies.Session(
        node=format_qna(view.peer), scope=seal.value, state=view.state, role=view.role,
        locator="" if view.locator is None else str(view.locator), local_epoch=f"{view.local_epoch:08x}",
        remote_epoch=f"{view.remote_epoch:08x}", fingerprint=view.fingerprint, urn_prefixes=view.urn_prefixes,
        certificate_until=view.certificate_until_unix, generation=view.generation, sent=view.sent,
        age_s=_since(view.established_ns, now_ns) if view.established_ns else None,
        heard_s=_since(view.last_heard_ns, now_ns) if view.last_heard_ns else None,
    )  # fmt: skip


def circuits(node: Node, now_ns: Instant) -> replies.CircuitsReply:
    """Circuits through this node."""
    return replies.CircuitsReply(
        circuits=tuple(_circuit(each, now_ns) for each in node.machines.circuit.describe())
    )


def _circuit(told: CircuitDescription, now_ns: Instant) -> replies.Circuit:
    head, number = told.circuit
    return replies.Circuit(
        circuit=f"{format_qna(head)}/{number}", role=told.role, state=told.state,
        endpoints=tuple(map(format_qna, told.endpoints)), wanted=told.number, made=told.made,
        path_fidelity=told.path_fidelity, left_s=_left(told.deadline_ns, now_ns), upstream=_hop(told.above),
        downstream=_hop(told.below),
    )  # fmt: skip


def _hop(told: HopDescription | None) -> replies.CircuitHop | None:
    if told is None:
        return None
    return replies.CircuitHop(neighbour=format_qna(told.neighbour), label=f"{told.link_label:x}", qui=f"{told.qui:x}",
                              pairs=told.pairs)  # fmt: skip


def units(node: Node, now_ns: Instant) -> replies.UnitsReply:
    """Units that end here, and endpoints that are served."""
    machine = node.machines.unit
    return replies.UnitsReply(
        units=tuple(
            replies.Unit(
                unit=f"{each.handle:x}", role=each.role, state=each.state, kind=each.kind.lower(),
                remote=format_qna(each.remote), urns=each.urns, pairs=each.pairs, mean_fidelity=each.mean_fidelity,
                left_s=_left(each.deadline_ns, now_ns),
            )
            for each in machine.describe()
        ),
        endpoints=tuple(
            replies.Endpoint(urn=str(claim.urn), user=claim.user) for claim in machine.admission.claims.values()
        ),
    )  # fmt: skip


def counters(node: Node, device_malformed: int) -> replies.CountersReply:
    """All counters by name, and how many messages of the device did not decode."""
    told = {"device.malformed": device_malformed} if device_malformed else {}
    return replies.CountersReply(counters=dict(sorted((node.counters | told).items())))


def _since(then_ns: int, now_ns: Instant) -> float:
    return round(max(0, now_ns - then_ns) / SECOND_NS, 3)


def _left(deadline_ns: int, now_ns: Instant) -> float:
    return round((deadline_ns - now_ns) / SECOND_NS, 3)

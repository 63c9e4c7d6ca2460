"""A node's links, their memories and the sockets of applications on them, in the words of the control room."""

from qstack.base.ids import Qna, format_qna
from qstack.base.time import Instant
from qstack.base.units import SECOND_NS, fidelity_from_wire
from qstack.control import replies
from qstack.node.node import Node
from qstack.proto.epr.machine import EprDescription, HeldDescription, RequestDescription, SocketDescription
from qstack.proto.link.end import LinkDescription
from qstack.proto.link.machine import MemoryDescription

__all__ = ["links", "memories"]


def links(node: Node, now_ns: Instant) -> replies.LinksReply:
    """This node's links, those that it heralds for, and the purposes that applications hold."""
    told, epr = node.machines.link.describe(), node.machines.epr.describe()
    return replies.LinksReply(
        links=tuple(_link(node, each, epr, now_ns) for each in sorted(told.links, key=lambda link: link.link)),
        stations=tuple(
            replies.Station(
                link=each.link, ends=tuple(map(format_qna, each.ends)), waiting=each.waiting,
                windows_heralded=each.windows_heralded, windows_failed=each.windows_failed, pairs=each.pairs,
            )
            for each in sorted(told.stations, key=lambda station: station.link)
        ),
        sockets=tuple(_socket(each, now_ns) for each in epr.sockets),
    )  # fmt: skip


def _link(node: Node, told: LinkDescription, epr: EprDescription, now_ns: Instant) -> replies.Link:
    asked = _requests_towards(told.neighbour, epr)
    return replies.Link(
        link=told.link, neighbour=format_qna(told.neighbour), master=told.master,
        up=node.machines.hop_session.is_up(told.neighbour), stations=tuple(map(format_qna, told.stations)),
        memories=told.memories, free=told.free, offered=told.offered, held=told.held,
        queued_requests=told.queued_requests, open_windows=told.open_windows, circuits=len(told.labels),
        pairs=told.pairs, cycles_attempted=told.cycles_attempted, rate_hz=round(told.rate_hz, 3),
        fidelity=told.fidelity,
        asked_fidelity=max((fidelity_from_wire(each.min_fidelity) for each in asked), default=0.0),
        oldest_request_s=max((_since(each.since_ns, now_ns) for each in asked), default=None),
        errors=epr.errors.get(told.neighbour, 0), emptying=told.emptying, stocked=told.stocked,
        fidelity_low=told.fidelity_bounds[0], fidelity_high=told.fidelity_bounds[1], bright=told.bright,
        tests=told.tests, error_rates=tuple(each.value for each in told.error_rates),
    )  # fmt: skip


def _requests_towards(neighbour: Qna, epr: EprDescription) -> list[RequestDescription]:
    return [each for socket in epr.sockets if socket.remote == neighbour for each in socket.requests]


def _socket(told: SocketDescription, now_ns: Instant) -> replies.EprSocket:
    requests = tuple(
        replies.EprRequest(
            kind=each.kind, state=each.state, number=each.number, told=each.told,
            min_fidelity=fidelity_from_wire(each.min_fidelity), age_s=_since(each.since_ns, now_ns),
            left_s=_since(now_ns, each.deadline_ns),
        )
        for each in told.requests
    )  # fmt: skip
    return replies.EprSocket(
        socket=f"{told.handle:x}", neighbour=format_qna(told.remote), purpose=told.purpose, user=told.user,
        state=told.state, connection=told.connection, held=told.held, requests=requests,
    )  # fmt: skip


def memories(node: Node, now_ns: Instant) -> replies.MemoriesReply:
    """All memories of this node's links, and whose their qubits are."""
    held = {each.qubit: each for each in node.machines.epr.describe().held}
    told = sorted(node.machines.link.describe_memories(), key=lambda memory: memory.qubit)
    return replies.MemoriesReply(
        node=format_qna(node.own), memories=tuple(_memory(each, held.get(each.qubit), now_ns) for each in told)
    )


def _memory(told: MemoryDescription, held: HeldDescription | None, now_ns: Instant) -> replies.Memory:
    place = {"qubit": told.qubit, "link": told.link, "neighbour": format_qna(told.neighbour), "place": told.place}
    if held is None:
        holder = f"circuit {told.label:x}" if told.label else ""
        return replies.Memory(**place, holder=holder)  # type: ignore[arg-type]
    return replies.Memory(
        **place, holder=f"purpose {held.purpose} of user {held.user}", number=held.number,  # type: ignore[arg-type]
        sequence=held.sequence, bell_index=held.bell_index, fidelity=round(held.goodness, 6),
        age_s=_since(held.since_ns, now_ns), acts=held.acts,
    )  # fmt: skip


def _since(then_ns: int, now_ns: int) -> float:
    return round(max(0, now_ns - then_ns) / SECOND_NS, 3)

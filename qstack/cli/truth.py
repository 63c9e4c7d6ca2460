"""`--twin`: true fidelities, which the twin tells its operators and no protocol, beside what the daemon estimates."""

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, QubitId, parse_qna
from qstack.cli.asking import ask_once
from qstack.control.replies import LinksReply, MemoriesReply, Memory, Reply
from qstack.control.requests import Memories
from qstack.io.operator import TwinOperator
from qstack.wire.twin import FIDELITY_UNIT

__all__ = ["with_truth"]


def with_truth(reply: Reply, daemon: Path, twin: Path) -> Reply:
    """A reply on links or memories with the true fidelities of the pairs that are held now."""
    with TwinOperator(twin) as operator:
        if isinstance(reply, MemoriesReply):
            return _measured(reply, operator)
        assert isinstance(reply, LinksReply)
        memories = ask_once(daemon, Memories())
        assert isinstance(memories, MemoriesReply)
        told = _measured(memories, operator).memories
    return replace(reply, links=tuple(
        replace(link, true_fidelity=_mean(each.true_fidelity for each in told if each.link == link.link))
        for link in reply.links
    ))  # fmt: skip


def _measured(reply: MemoriesReply, operator: TwinOperator) -> MemoriesReply:
    node = parse_qna(reply.node)
    return replace(reply, memories=tuple(
        replace(each, true_fidelity=_fidelity(operator, node, each)) if each.place == "held" else each
        for each in reply.memories
    ))  # fmt: skip


def _fidelity(operator: TwinOperator, node: Qna, memory: Memory) -> float | None:
    """To the pair's Bell state; where the daemon does not say which one, to the nearest. None: no pair is there."""
    try:
        seen = operator.inspect(node, QubitId(memory.qubit))
    except LocalMisuse:  # emptied since the daemon told of it
        return None
    if seen.alone or not seen.fidelities:
        return None
    best = max(seen.fidelities) if memory.bell_index is None else seen.fidelities[memory.bell_index & 3]
    return best / FIDELITY_UNIT


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

"""`qstackctl epr`: pairs with a neighbour on a link, from the command line, by an EPR socket."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstack.base.errors import LocalMisuse
from qstack.base.ids import format_qna
from qstack.base.pairs import PairKind

if TYPE_CHECKING:  # when it runs, only commands of this group need the sockets
    from qstack.sockets.epr_blocking import EprSocket, Qubit
    from qstack.sockets.epr_values import EprMeasured

__all__ = ["add_epr", "epr"]

_BASES = ("X", "Y", "Z", "Z+X", "Z-X")
_LINGER_S = 1.0  # for the end that asked to learn of its pairs
_CHOICES = ("none", "XZ", "XYZ", "CHSH")


def add_epr(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("epr", help="make pairs with a neighbour on a link, or receive them")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    creating = actions.add_parser("create", help="ask for pairs and print what comes of them, one a line")
    receiving = actions.add_parser("recv", help="print what comes of pairs that the other end asks for, one a line")
    for command in (creating, receiving):
        command.add_argument("remote", metavar="NODE", help="node at the other end of the link, AS.NODE")
        command.add_argument("purpose", type=int, metavar="PURPOSE", help="1 to 65535, the same at the other end")
        command.add_argument("--number", type=int, default=1, metavar="N", help="pairs (default: 1)")
        command.add_argument("--directly", action="store_true",
                             help="they are measured as they are made (NetQASM's create_measure)")  # fmt: skip
        command.add_argument("--basis", choices=_BASES, default="Z", metavar="B",
                             help="in which halves are measured: X, Y, Z, Z+X or Z-X (default: Z)")  # fmt: skip
        command.add_argument("--timeout", type=float, default=30.0, metavar="S", help="in all (default: 30)")
    creating.add_argument("--min-fidelity", type=float, default=0.0, metavar="F", help="of a fresh pair (default: 0)")
    creating.add_argument("--priority", type=int, default=0, metavar="P", help="larger is more urgent (default: 0)")
    creating.add_argument("--random", choices=_CHOICES, default="none", metavar="BASES",
                          help="with --directly: bases that both ends draw from: XZ, XYZ or CHSH")  # fmt: skip


def epr(path: Path, options: argparse.Namespace) -> int:
    """Run the group. Raises `QstackError`, `TimeoutError`."""
    from qstack.sockets.blocking import open_node  # noqa: PLC0415 - see above

    _check(options)
    with open_node(path) as node, node.open_epr_socket(options.remote, options.purpose) as socket:
        _connect(socket, options)
        if options.directly:
            _tell_measured(socket, options)
        else:
            for qubit in _kept(socket, options):
                _print(qubit.sequence, qubit.bell_state.name, qubit.goodness, options.basis,
                       _outcome(qubit, options.basis), as_json=options.json)  # fmt: skip
        if options.action == "recv":
            _linger(socket)
    return 0


def _check(options: argparse.Namespace) -> None:
    """What is wrong with the command line is said before the other end is waited for. Raises `LocalMisuse`."""
    from qstack.sockets.epr_values import terms  # noqa: PLC0415 - see above

    if options.timeout <= 0:
        raise LocalMisuse(f"--timeout {options.timeout:g}: write seconds above 0")
    terms(PairKind.KEEP, options.number, getattr(options, "min_fidelity", 0.0), None, getattr(options, "priority", 0),
          atomic=False, consecutive=False)  # fmt: skip
    if getattr(options, "random", "none") != "none" and not options.directly:
        raise LocalMisuse("--random draws the bases of pairs that are measured as they are made: add --directly")


def _connect(socket: EprSocket, options: argparse.Namespace) -> None:
    try:
        socket.wait_connected(options.timeout)
    except TimeoutError as error:
        other = "recv" if options.action == "create" else "create"
        raise TimeoutError(
            f"nobody at {format_qna(socket.remote)} opened purpose {options.purpose} towards this node within "
            f"{options.timeout:g} s: run 'qstackctl epr {other} {format_qna(socket.local)} {options.purpose}' there, "
            "or open an EPR socket of that purpose in an application"
        ) from error
    print(f"connected with {format_qna(socket.remote)}", file=sys.stderr, flush=True)


def _outcome(qubit: Qubit, basis: str) -> int | None:
    from qstack.sockets.errors import QubitLost  # noqa: PLC0415 - see above

    try:
        return qubit.measure(basis).outcome
    except QubitLost:  # told as lost; why the request or the other end has gone, the next pair tells
        return None


def _kept(socket: EprSocket, options: argparse.Namespace) -> Iterator[Qubit]:
    """One after the other: there may be more than the node has memories."""
    if options.action == "recv":
        return socket.recv_keep_each(options.number, timeout=options.timeout)
    return socket.create_keep_each(options.number, min_fidelity=options.min_fidelity, max_time=options.timeout,
                                   priority=options.priority, timeout=options.timeout + 1)  # fmt: skip


def _linger(socket: EprSocket) -> None:
    """Whoever asked may learn of the last pairs later than this end does, and would lose them if this end left."""
    from qstack.sockets.errors import EprRequestFailed, RemoteClosed  # noqa: PLC0415 - see above

    with suppress(TimeoutError, RemoteClosed, EprRequestFailed):
        socket.recv_measure(1, timeout=_LINGER_S)


def _tell_measured(socket: EprSocket, options: argparse.Namespace) -> None:
    """All of them or, before the request's failure is raised, those that came."""
    from qstack.sockets.errors import EprRequestFailed  # noqa: PLC0415 - see above

    try:
        measured = _measured(socket, options)
    except EprRequestFailed as failed:
        _print_measured(failed.delivered, options)
        raise
    _print_measured(measured, options)


def _print_measured(measured: Iterable[EprMeasured], options: argparse.Namespace) -> None:
    for each in measured:
        _print(each.sequence, each.bell_state.name, each.goodness, each.basis.name, each.outcome, as_json=options.json)


def _measured(socket: EprSocket, options: argparse.Namespace) -> list[EprMeasured]:
    if options.action == "recv":
        return socket.recv_measure(options.number, timeout=options.timeout)
    drawn = options.random != "none"
    return socket.create_measure(
        options.number, min_fidelity=options.min_fidelity, max_time=options.timeout, priority=options.priority,
        basis_local=None if drawn else options.basis, basis_remote=None if drawn else options.basis,
        random_basis_local=options.random, random_basis_remote=options.random, timeout=options.timeout + 1,
    )  # fmt: skip


def _print(sequence: int, state: str, goodness: float, basis: str, outcome: int | None, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps({"sequence": sequence, "bell_state": state, "goodness": goodness, "basis": basis,
                           "outcome": outcome})  # fmt: skip
    else:
        line = f"{sequence} {state} {goodness:.4f} {basis} {'lost' if outcome is None else outcome}"
    print(line, flush=True)

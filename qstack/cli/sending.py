"""`qstackctl data`: octets to a neighbour on a link, in qubits where pairs are in stock, by a data socket."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstack.base.ids import format_qna

if TYPE_CHECKING:  # when it runs, only commands of this group need the sockets
    from qstack.sockets.data_blocking import DataSocket

__all__ = ["add_data", "data"]

_PIECE_OCTETS = 4_000  # of standard input in one message: a few of the link's blocks


def add_data(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("data", help="send octets to a neighbour on a link, in qubits if pairs are in stock")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sending = actions.add_parser("send", help="send a text, or standard input, and print which way it went")
    receiving = actions.add_parser("recv", help="write what comes to standard output until the other end closes")
    for command in (sending, receiving):
        command.add_argument("remote", metavar="NODE", help="node at the other end of the link, AS.NODE")
        command.add_argument("purpose", type=int, metavar="PURPOSE", help="1 to 65535, the same at the other end")
        command.add_argument("--timeout", type=float, default=30.0, metavar="S",
                             help="for the other end to come, and for each message (default: 30)")  # fmt: skip
    sending.add_argument("text", nargs="?", metavar="TEXT", help="what to send (default: standard input)")


def data(path: Path, options: argparse.Namespace) -> int:
    """Run the group. Raises `QstackError`, `TimeoutError`."""
    from qstack.sockets.blocking import open_node  # noqa: PLC0415 - see above

    with open_node(path) as node, node.open_data_socket(options.remote, options.purpose) as socket:
        socket.wait_connected(options.timeout)
        print(f"connected with {format_qna(socket.remote)}", file=sys.stderr, flush=True)
        if options.action == "send":
            _send(socket, options)
        else:
            for message in socket.messages(options.timeout):
                _write(message, as_json=options.json)
    return 0


def _send(socket: DataSocket, options: argparse.Namespace) -> None:
    qubits = plain = messages = 0
    octets = options.text.encode() if options.text is not None else sys.stdin.buffer.read(_PIECE_OCTETS)
    while octets:
        for start in range(0, len(octets), _PIECE_OCTETS):
            ways = socket.send(octets[start : start + _PIECE_OCTETS], options.timeout)
            qubits, plain, messages = qubits + ways.qubits, plain + ways.plain, messages + 1
        octets = sys.stdin.buffer.read(_PIECE_OCTETS) if options.text is None else b""
    if options.json:
        print(json.dumps({"messages": messages, "octets_in_qubits": qubits, "octets_plain": plain}), flush=True)
    else:
        print(f"{qubits + plain} octets: {qubits} in qubits, {plain} plainly", flush=True)


def _write(message: bytes, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"octets": len(message), "hex": message.hex()}), flush=True)
    else:
        sys.stdout.buffer.write(message)
        sys.stdout.buffer.flush()

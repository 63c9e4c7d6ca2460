"""`qstackctl unit`: service units from the command line, as an application would open them."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstack.base.ids import format_qna

if TYPE_CHECKING:  # when it runs, only commands of this group need the sockets
    from qstack.sockets.blocking import Node, Unit

__all__ = ["add_unit", "unit"]

_LINGER_S = 1.0  # for the other end to measure its halves too

_EXAMPLES = """examples:
  qstackctl unit open 'urn:qkd:madqci:ccips?=nonce=1' urn:qkd:quditto:emulator:ipsec:controller \\
            'urn:qkd:lifecycle?=size=256&valid-until=1893456000'
  qstackctl unit listen urn:qkd:quditto:emulator:ipsec:controller --count 1

Results go to standard output, one a line, so that they can be piped: a key as hexadecimal digits; of a pair its number,
Bell state, estimated fidelity and, with --measure, the raw outcome. Everything else goes to standard error.
"""


def add_unit(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("unit", help="open service units, or serve an endpoint", epilog=_EXAMPLES,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    opening = actions.add_parser("open", help="open a unit and print what is shared")
    opening.add_argument("urns", nargs="+", metavar="URN", help="the endpoints and the lifecycle, in any order")
    opening.add_argument("--kind", choices=("key", "pairs"), default="key", help="what is shared (default: key)")
    opening.add_argument("--min-fidelity", type=float, default=0.0, metavar="F", help="of each pair (default: 0)")
    opening.add_argument("--timeout", type=float, default=30.0, metavar="S", help="to establish it (default: 30)")
    listening = actions.add_parser("listen", help="serve an endpoint and print what its units share")
    listening.add_argument("urn", metavar="URN", help="endpoint to serve")
    listening.add_argument("--count", type=int, default=0, metavar="N", help="end after N units (default: never)")
    for command in (opening, listening):
        command.add_argument("--measure", choices=("X", "Y", "Z"), metavar="BASIS", help="measure pairs in X, Y or Z")


def unit(path: Path, options: argparse.Namespace) -> int:
    """Run the group. Raises `QstackError`, `TimeoutError`."""
    from qstack.sockets.blocking import open_node  # noqa: PLC0415 - see above

    with open_node(path) as node:
        if options.action == "listen":
            return _listen(node, options)
        opened = node.open_unit(
            options.urns, options.kind, min_fidelity=options.min_fidelity, timeout=options.timeout
        )
        _say(f"unit with {format_qna(opened.remote)} is being established")
        _tell(opened, options, options.timeout)
        if options.kind == "pairs":  # what ends here is released at the other end too
            with suppress(TimeoutError):
                opened.wait_closed(_LINGER_S)
    return 0


def _listen(node: Node, options: argparse.Namespace) -> int:
    """Serve until enough units were served; one that fails is told, and the next one waited for."""
    from qstack.sockets.errors import UnitFailed  # noqa: PLC0415 - see above

    node.claim(options.urn)
    _say(f"serving {options.urn}")
    served = 0
    while not options.count or served < options.count:
        incoming = node.next_unit()
        try:
            _tell(incoming, options, None)
            if incoming.kind.name == "PAIRS":
                incoming.wait_closed()  # the end that opened it says when it is consumed
        except UnitFailed as failed:
            _say(f"unit with {format_qna(incoming.remote)}: {failed}")
        served += 1
    return 0


def _tell(shared: Unit, options: argparse.Namespace, timeout: float | None) -> None:
    if shared.kind.name == "KEY":
        _tell_key(shared, options.json, timeout)
    else:
        _tell_pairs(shared, options, timeout)


def _tell_key(shared: Unit, as_json: bool, timeout: float | None) -> None:
    key = shared.key(timeout)
    quality = key.quality
    if as_json:
        _print_json(shared, {
            "key": key.hex(), "confirmed": key.confirmed, "secret": key.secret, "pairs": quality.pairs,
            "mean_fidelity": quality.mean_fidelity, "tests": quality.tests, "errors": quality.errors,
        })  # fmt: skip
        return
    _say(f"{'confirmed' if key.confirmed else 'unconfirmed: the other end may have no key'}; {quality.pairs} pairs, "
         f"{quality.errors} of {quality.tests} test rounds disagreed"
         f"{'' if key.secret else '; not secret: a chosen seed took part'}")  # fmt: skip
    print(key.hex(), flush=True)


def _tell_pairs(shared: Unit, options: argparse.Namespace, timeout: float | None) -> None:
    """One after the other, each out of its memory before the next: there may be more than memories."""
    for _ in range(shared.size):
        pair = shared.pair(timeout)
        measured = shared.measure_all([pair], [options.measure]) if options.measure else []
        if not options.measure:
            pair.release()
        outcome = measured[0].outcome if measured else None
        if options.json:
            _print_json(shared, {"pair": pair.number, "bell_index": int(pair.bell_index), "fidelity": pair.fidelity,
                                 "as_of_ns": pair.as_of, "basis": options.measure, "outcome": outcome})  # fmt: skip
        else:
            seen = "" if outcome is None else f" {outcome}"
            print(f"{pair.number} {pair.bell_index.name} {pair.fidelity:.4f}{seen}", flush=True)


def _print_json(shared: Unit, facts: dict[str, Any]) -> None:
    print(json.dumps({**facts, "remote": format_qna(shared.remote), "urns": list(shared.urns)}), flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""`qstackctl unit`: service units from the command line, as an application would open them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from qstack.base.ids import format_qna
from qstack.sockets.blocking import Node, Unit, open_node
from qstack.sockets.values import Key

__all__ = ["add_unit", "unit"]

_EXAMPLES = """examples:
  qstackctl unit open 'urn:qkd:madqci:ccips?=nonce=1' urn:qkd:quditto:emulator:ipsec:controller \\
            'urn:qkd:lifecycle?=size=256&valid-until=1893456000'
  qstackctl unit listen urn:qkd:quditto:emulator:ipsec:controller --count 1

A key is printed as hexadecimal digits alone, so that it can be piped; everything else goes to standard error.
"""


def add_unit(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("unit", help="open service units, or serve an endpoint", epilog=_EXAMPLES,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    opening = actions.add_parser("open", help="open a key unit and print the key")
    opening.add_argument("urns", nargs="+", metavar="URN", help="the endpoints and the lifecycle, in any order")
    opening.add_argument("--min-fidelity", type=float, default=0.0, metavar="F", help="of each pair (default: 0)")
    opening.add_argument("--timeout", type=float, default=30.0, metavar="S", help="to establish it (default: 30)")
    listening = actions.add_parser("listen", help="serve an endpoint and print the keys of its units")
    listening.add_argument("urn", metavar="URN", help="endpoint to serve")
    listening.add_argument("--count", type=int, default=0, metavar="N", help="end after N units (default: never)")


def unit(path: Path, options: argparse.Namespace) -> int:
    """Run the group. Raises `QstackError`, `TimeoutError`."""
    with open_node(path) as node:
        if options.action == "listen":
            return _listen(node, options)
        opened = node.open_unit(options.urns, "key", min_fidelity=options.min_fidelity, timeout=options.timeout)
        print(f"unit with {format_qna(opened.remote)} is being established", file=sys.stderr)
        _tell(opened, opened.key(options.timeout), options.json)
    return 0


def _listen(node: Node, options: argparse.Namespace) -> int:
    node.claim(options.urn)
    print(f"serving {options.urn}", file=sys.stderr)
    served = 0
    while not options.count or served < options.count:
        incoming = node.next_unit()
        _tell(incoming, incoming.key(), options.json)
        served += 1
    return 0


def _tell(opened: Unit, key: Key, as_json: bool) -> None:
    quality = key.quality
    if as_json:
        print(json.dumps({
            "key": key.hex(), "confirmed": key.confirmed, "secret": key.secret, "pairs": quality.pairs,
            "mean_fidelity": quality.mean_fidelity, "tests": quality.tests, "errors": quality.errors,
            "remote": format_qna(opened.remote), "urns": list(opened.urns),
        }), flush=True)  # fmt: skip
        return
    print(f"{'confirmed' if key.confirmed else 'unconfirmed: the other end may have no key'}; {quality.pairs} pairs, "
          f"{quality.errors} of {quality.tests} test rounds disagreed"
          f"{'' if key.secret else '; not secret: a chosen seed took part'}", file=sys.stderr)  # fmt: skip
    print(key.hex(), flush=True)

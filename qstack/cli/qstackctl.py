"""qstackctl: looking at a daemon, and what belongs around it."""

import argparse
import sys
from pathlib import Path

from qstack import __version__
from qstack.base.errors import QstackError
from qstack.cli.asking import ask_once
from qstack.cli.certificates import add_pki, pki
from qstack.cli.examples import show_examples
from qstack.cli.looks import LOOKS
from qstack.cli.opening import add_unit, unit
from qstack.cli.pairing import add_epr, epr
from qstack.cli.sending import add_data, data
from qstack.cli.truth import with_truth
from qstack.cli.watching import change, ping, wait
from qstack.cli.wireshark import add_wireshark, wireshark
from qstack.config.place import default_socket
from qstack.control.condition import CONDITIONS
from qstack.control.replies import encode_reply

__all__ = ["main", "make_parser"]

_EXAMPLES = """examples:
  qstackctl status
  qstackctl --socket build/lab/alice.sock --json links
  qstackctl memories --twin build/lab/qtwind-operator.sock
  qstackctl ping 64513.2 --count 3
  qstackctl wait connected --timeout 5 && echo all neighbours are up
  qstackctl unit open urn:qkd:madqci:ccips urn:qkd:quditto:emulator:ipsec:controller 'urn:qkd:lifecycle?=size=256'

The daemon is the one of --socket, else of QSTACK_SOCKET, else the host's.
Exit codes: 0 done, 1 not done (a line on standard error says why), 2 wrong command line.
"""


_TRUTHS = {
    "links": (
        "quantum links: queues, rates, attempts, fidelities. ASKED is the most that a live request of an application "
        "asks for, ESTIMATED what a fresh pair is expected to have and, after TESTS, where that lies (95 %), TRUE the "
        "mean over the pairs held now, OLDEST the age of the oldest request; ERRORS counts requests without all their "
        "pairs, and pairs revoked"
    ),
    "memories": (
        "memories of the node's links, who holds their qubits, how good those are, and since when. ESTIMATED is as of "
        "the pair's creation; TRUE as of now, to the pair's Bell state or, where the daemon does not know it, to the "
        "nearest one"
    ),
}
"""Looks that the twin can add the truth to, and what their columns mean."""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="qstackctl", description="Look at a qstack daemon, and make what belongs around it.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"qstackctl {__version__}")
    parser.add_argument("--socket", type=Path, metavar="S", help="control socket of the daemon")
    parser.add_argument("--json", action="store_true", help="replies as JSON, one object a line")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, _, about) in LOOKS.items():
        look = commands.add_parser(name, help=about)
        if name in _TRUTHS:
            _add_twin(look, name)
    _add_ping(commands)
    waiting = commands.add_parser("wait", help="wait until conditions hold", description="Wait until conditions hold: "
                                  + ", ".join(CONDITIONS) + ". A FIGURE is one of neighbours, links, "
                                  "circuits, units, endpoints, or a counter, which has a dot in its name.")  # fmt: skip
    waiting.add_argument("conditions", nargs="+", metavar="COND", help="what is waited for")
    waiting.add_argument("--timeout", type=float, default=10.0, metavar="S", help="for so many seconds (default: 10)")
    commands.add_parser("reload", help="read the configuration again, all or nothing")
    commands.add_parser("stop", help="end the daemon")
    add_unit(commands)
    add_epr(commands)
    add_data(commands)
    add_pki(commands)
    add_wireshark(commands)
    _allow_behind(commands)
    show_examples(parser)
    return parser


def _allow_behind(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """--socket and --json count behind the command as well, where hands often put them."""
    for parser in commands.choices.values():
        parser.add_argument("--socket", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                _allow_behind(action)


def _add_twin(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = f"{_TRUTHS[name]}."
    parser.add_argument("--twin", type=Path, metavar="S", help="operator's socket of qtwind: tell true fidelities too")


def _add_ping(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("ping", help="ask a node whether it is there, under the end seal")
    parser.add_argument("node", metavar="NODE", help="address, AS.NODE")
    parser.add_argument("--count", type=int, default=4, metavar="N", help="echo requests (default: 4)")
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between two (default: 1)")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="seconds to wait for one (default: 5)")
    parser.add_argument("--size", type=int, default=16, metavar="OCTETS", help="octets of data (default: 16)")


def main(arguments: list[str] | None = None) -> int:
    """Run one command."""
    options = make_parser().parse_args(arguments)
    path = options.socket or default_socket()
    try:
        match options.command:
            case "ping":
                return ping(path, options)
            case "wait":
                return wait(path, options)
            case "reload" | "stop":
                return change(path, options)
            case "unit":
                return unit(path, options)
            case "epr":
                return epr(path, options)
            case "data":
                return data(path, options)
            case "pki":
                return pki(options)
            case "wireshark":
                return wireshark(options)
            case name:
                request, show, _ = LOOKS[name]
                reply = ask_once(path, request)
                if getattr(options, "twin", None) is not None:
                    reply = with_truth(reply, path, options.twin)
                print(encode_reply(reply).decode() if options.json else show(reply))
                return 0
    except BrokenPipeError:  # whoever read along has seen enough
        return 0
    except KeyboardInterrupt:
        return 130
    except (QstackError, OSError, ValueError) as error:
        print(f"qstackctl: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

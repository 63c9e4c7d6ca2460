"""qstack-lab: a whole quantum network on one machine."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from qstack import __version__
from qstack.base.errors import QstackError
from qstack.cli.examples import show_examples
from qstack.cli.laboratory import Laboratory

__all__ = ["main", "make_parser"]

_EXAMPLES = """examples:
  qstack-lab up tools/examples/madqci-quditto.toml --dir build/lab
  qstack-lab exec alice --dir build/lab -- qstackctl status
  qstackctl --socket build/lab/bob.sock links
  qstack-lab down --dir build/lab
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="qstack-lab", description="A whole quantum network on one machine: a twin and a daemon for each node.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"qstack-lab {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start a network; returns when all daemons answer")
    up.add_argument("topology", type=Path, metavar="TOPOLOGY", help="topology file (qstack.toml(5))")
    up.add_argument("--netns", action="store_true", help="a network namespace for each node (root, iproute2)")
    up.add_argument("--patience", type=float, default=20.0, metavar="S", help="seconds to wait (default: 20)")
    down = commands.add_parser("down", help="end all its processes")
    status = commands.add_parser("status", help="say which of its processes run: exit code 0 when all do")
    status.add_argument("--json", action="store_true", help="as JSON")
    execute = commands.add_parser("exec", help="run a command as if on a node")
    execute.add_argument("node", metavar="NODE", help="name of the node")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command")
    for command in (up, down, status, execute):
        command.add_argument("--dir", type=Path, required=True, metavar="DIR", help="folder of the laboratory")
    show_examples(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run. Exit codes: 0 done, 1 not done, 2 wrong command line; `exec`: the command's own."""
    options = make_parser().parse_args(_before_dashes(sys.argv[1:] if arguments is None else arguments))
    laboratory = Laboratory(options.dir)
    try:
        match options.command:
            case "up":
                return _up(laboratory, options)
            case "down":
                return _down(laboratory)
            case "status":
                return _status(laboratory, options.json)
            case _:
                words = options.words[1:] if options.words[:1] == ["--"] else options.words
                command, environment = laboratory.command_for(options.node, words or ["sh"])
                return subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        print(f"qstack-lab: {error.filename}: {error.strerror}" if error.filename else f"qstack-lab: {error}",
              file=sys.stderr)  # fmt: skip
        return 1
    except QstackError as error:
        print(f"qstack-lab: {error}", file=sys.stderr)
        return 1


def _up(laboratory: Laboratory, options: argparse.Namespace) -> int:
    processes = laboratory.up(options.topology, netns=options.netns, patience_s=options.patience)
    print(f"{len(processes)} processes run; control sockets:")
    for name in laboratory.nodes():
        print(f"  {laboratory.socket_of(name)}")
    return 0


def _down(laboratory: Laboratory) -> int:
    killed = laboratory.down()
    if killed:
        print(f"qstack-lab: {', '.join(killed)} did not end when asked and were killed", file=sys.stderr)
    return 1 if killed else 0


def _status(laboratory: Laboratory, as_json: bool) -> int:
    processes = laboratory.processes()
    if not processes:
        print(f"qstack-lab: {laboratory.folder}: nothing runs; qstack-lab up starts it", file=sys.stderr)
    rows = [{"name": each.name, "pid": each.pid, "alive": each.alive} for each in processes]
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['name']:<24} {row['pid']:>8}  {'runs' if row['alive'] else 'has ended'}")
    return 0 if rows and all(row["alive"] for row in rows) else 1


def _before_dashes(arguments: list[str]) -> list[str]:
    """`exec NODE --dir DIR [-- CMD]`: what follows the dashes is never ours; argparse wants it last, after --dir."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    ours, theirs = arguments[:at], arguments[at:]
    if ours[:1] == ["exec"] and "--dir" in ours[2:]:
        place = ours.index("--dir")
        ours = [ours[0], "--dir", ours[place + 1], *ours[1:place], *ours[place + 2 :]]
    return ours + theirs


if __name__ == "__main__":
    sys.exit(main())

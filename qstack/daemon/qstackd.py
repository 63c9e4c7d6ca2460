"""qstackd: one node of a quantum network."""

import argparse
import signal
import sys
from pathlib import Path

import trio

from qstack import __version__
from qstack.base.errors import LocalMisuse, QstackError
from qstack.config.loading import load_node
from qstack.config.node import NodeFile
from qstack.daemon.build import PARAMETERS, check
from qstack.daemon.log import configure_log
from qstack.daemon.process import NodeProcess

__all__ = ["main", "make_parser"]

_EXAMPLES = """examples:
  qstackd /etc/qstack/alice.toml                  run in the foreground until SIGTERM
  qstackd --check-config /etc/qstack/alice.toml   say what is wrong with a configuration, and end
  kill -HUP PID                                   read the configuration again: all of it or nothing
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="qstackd", description="Daemon of one node of a quantum network.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("configuration", type=Path, metavar="FILE", help="configuration (qstack.toml(5))")
    parser.add_argument("--check-config", action="store_true", help="check the configuration and end: 0 good, 1 not")
    parser.add_argument("--version", action="version", version=f"qstackd {__version__}")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run. Exit codes: 0 ended as asked, 1 configuration or start-up failed, 2 wrong command line."""
    options = make_parser().parse_args(arguments)
    try:
        file = load_node(options.configuration, PARAMETERS)
        if options.check_config:
            check(file)
            print(f"{options.configuration}: good")
            return 0
        return trio.run(_run, file, options.configuration)
    except QstackError as error:
        print(f"qstackd: {error}", file=sys.stderr)
        return 1


async def _run(file: NodeFile, path: Path) -> int:
    logger = configure_log(file.log.level, file.log.format).bind(node=file.name)
    process = NodeProcess(file, path, logger)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_watch_signals, process, nursery.cancel_scope)
            await process.run()
            nursery.cancel_scope.cancel()
    except* LocalMisuse as group:
        raise _first(group) from None
    return 0


async def _watch_signals(
    process: NodeProcess, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                process.reload()
                continue
            await process.stop(signal.Signals(number).name)
            scope.cancel()
            return


def _first(group: BaseExceptionGroup[LocalMisuse]) -> LocalMisuse:
    """The error inside nested groups: there is one cause, and it is told as one line."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


if __name__ == "__main__":
    sys.exit(main())

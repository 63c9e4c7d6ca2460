"""`qstackctl ping` and `wait`, `reload` and `stop`: commands that take their time, or change the daemon."""

import argparse
import sys
from pathlib import Path
from typing import TextIO

from qstack.cli.asking import ask, ask_once
from qstack.control.replies import DoneReply, EchoReply, PingReply, Reply, WaitReply, encode_reply
from qstack.control.requests import Ping, Reload, Request, Stop, Wait

__all__ = ["change", "ping", "wait"]

_SLACK_S = 5.0


def ping(path: Path, options: argparse.Namespace) -> int:
    """Echo requests, one line an answer. Exit code 0 when at least one was answered."""
    request = Ping(node=options.node, count=options.count, interval_ms=round(options.interval * 1000),
                   timeout_ms=round(options.timeout * 1000), octets=options.size)  # fmt: skip
    answered = 0
    for reply in ask(path, request, options.timeout + options.interval + _SLACK_S):
        _print(reply, options.json, _ping_line(reply))
        if isinstance(reply, PingReply):
            answered = reply.answered
    return 0 if answered else 1


def _ping_line(reply: Reply) -> str:
    match reply:
        case EchoReply() if reply.round_trip_ns is not None:
            return f"{reply.node}: sequence {reply.sequence}, {reply.round_trip_ns / 1e6:.3f} ms"
        case EchoReply():
            return f"{reply.node}: sequence {reply.sequence}, {reply.reason}: {reply.text}"
        case PingReply():
            times = "/".join(f"{ns / 1e6:.3f}" for ns in (reply.minimum_ns, reply.mean_ns, reply.maximum_ns))
            counted = f"{reply.node}: {reply.answered} of {reply.sent} answered"
            return f"{counted}, {times} ms least/mean/most" if reply.answered else counted
        case _:
            return str(reply)


def wait(path: Path, options: argparse.Namespace) -> int:
    """Wait for conditions. Exit code 0 when they hold, 1 when the time was over."""
    request = Wait(conditions=tuple(options.conditions), timeout_ms=round(options.timeout * 1000))
    reply = ask_once(path, request, options.timeout + _SLACK_S)
    assert isinstance(reply, WaitReply)
    missing = ", ".join(reply.missing)
    said = f"after {options.timeout:g} s not yet: {missing}" if missing else ""
    if options.json or said:
        _print(reply, options.json, said, sys.stderr if not options.json else sys.stdout)
    return 1 if reply.missing else 0


def change(path: Path, options: argparse.Namespace) -> int:
    """Reload or stop."""
    request: Request = Reload() if options.command == "reload" else Stop()
    reply = ask_once(path, request)
    _print(reply, options.json, reply.text if isinstance(reply, DoneReply) else str(reply))
    return 0


def _print(reply: Reply, as_json: bool, text: str, file: TextIO | None = None) -> None:
    print(encode_reply(reply).decode() if as_json else text, file=file or sys.stdout, flush=True)

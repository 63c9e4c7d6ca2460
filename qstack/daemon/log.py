"""Structured logs to standard error, with levels by blame.

| level | whose doing |
|---|---|
| debug | nobody's: what happened |
| info | nobody's: a change that an operator wants to know of |
| warning | a peer's |
| error | our user's, or our own |

Peers can make warnings happen, so these are limited; what was held back is told as a number. Under systemd each line
gets a priority prefix (sd-daemon(3)).
"""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from qstack.base.effects import Log, Severity
from qstack.base.time import Instant
from qstack.machine.bucket import TokenBucket

__all__ = ["LEVELS", "NodeLog", "configure_log"]

LEVELS = ("debug", "info", "warning", "error")
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_PEER_LINES_PER_S = 5
_PEER_BURST = 20


def configure_log(level: str, form: str) -> structlog.stdlib.BoundLogger:
    """Set the process's logging up once. `level`: one of `LEVELS`; `form`: auto, console, json or journal."""
    form = _choose_form() if form == "auto" else form
    processors: list[Any] = [structlog.processors.add_log_level]
    if form != "journal":
        processors.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    processors.append(_RENDERERS[form]())
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Lasting(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


class _Lasting:
    """A stream that may end, or be full: lines are lost then, and the daemon goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _choose_form() -> str:
    if sys.stderr.isatty():
        return "console"
    return "journal" if "JOURNAL_STREAM" in os.environ else "json"


def _journal() -> Any:
    inner = structlog.processors.LogfmtRenderer()

    def render(logger: Any, name: str, event: dict[str, Any]) -> str:
        priority = _PRIORITIES[event["level"]]
        return f"<{priority}>" + str(inner(logger, name, event))

    return render


_RENDERERS: dict[str, Callable[[], Any]] = {
    "console": lambda: structlog.dev.ConsoleRenderer(colors=False),
    "json": structlog.processors.JSONRenderer,
    "journal": _journal,
}


class NodeLog:
    """Writes a node's `Log` effects."""

    def __init__(self, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._peers = TokenBucket(_PEER_LINES_PER_S, _PEER_BURST)
        self._held_back = 0

    def write(self, entry: Log, now_ns: Instant) -> None:
        """One line, unless it is a peer's doing and there were too many."""
        fields = dict(entry.fields)
        if entry.severity is Severity.PEER:
            if not self._peers.take(now_ns):
                self._held_back += 1
                return
            if self._held_back:
                fields["held_back"], self._held_back = self._held_back, 0
        getattr(self._logger, entry.severity.value)(entry.event, **fields)

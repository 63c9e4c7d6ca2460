"""The key log (session note, section 7.7): off unless an operator switches it on, for Wireshark users' own traffic."""

import os
from pathlib import Path

import structlog

from qstack.base.errors import LocalMisuse

__all__ = ["KeyLog"]


class KeyLog:
    """Appends lines to a file that only its owner may read."""

    def __init__(self, path: Path, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._failed = False
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalMisuse(f"key log {path}: {error.strerror}") from error

    def write(self, line: str) -> None:
        """One key."""
        if self._failed:
            return
        try:
            os.write(self._descriptor, line.encode("ascii") + b"\n")
        except OSError as error:  # a full disk is no reason to end sessions
            self._failed = True
            self._logger.error("key log stopped", reason=error.strerror)

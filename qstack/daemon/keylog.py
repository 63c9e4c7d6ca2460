"""The key log (session note, section 7.7): off unless an operator switches it on, for Wireshark users' own traffic."""

import os
import stat
from pathlib import Path

import structlog

from qstack.base.errors import LocalMisuse

__all__ = ["KeyLog"]


class KeyLog:
    """Appends lines to a file that only its owner, this process's user, may read. Raises `LocalMisuse`."""

    def __init__(self, path: Path, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._failed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise LocalMisuse(f"key log {path}: {error.strerror}") from error
        found = os.fstat(self._descriptor)
        if stat.S_ISREG(found.st_mode) and (found.st_mode & 0o077 or found.st_uid != os.geteuid()):
            os.close(self._descriptor)
            raise LocalMisuse(f"key log {path}: others may read this file, or it is another user's: remove it")

    def write(self, line: str) -> None:
        """One key."""
        if self._failed:
            return
        try:
            os.write(self._descriptor, line.encode("ascii") + b"\n")
        except OSError as error:  # a full disk is no reason to end sessions
            self._failed = True
            self._logger.error("key log stopped", reason=error.strerror)

"""Processes that outlive the command which started them.

A process is known by its number and its start time, so one that merely got the same number later is never touched.
"""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LabProcess", "end_all", "exit_code", "spawn"]

_POLL_S = 0.01
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class LabProcess:
    """One process of a laboratory. `started`: clock ticks since boot, as the kernel counts them."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started


def spawn(name: str, command: list[str], log: Path) -> LabProcess:
    """Start a command in a session of its own, reading nothing, writing to `log`. Raises `OSError`."""
    with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        redirections = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0), (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                        (os.POSIX_SPAWN_DUP2, output.fileno(), 2)]  # fmt: skip
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=redirections, setsid=True,
                              setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGHUP))  # fmt: skip
    return LabProcess(name, pid, _start_time(pid) or 0)


def exit_code(process: LabProcess) -> int | None:
    """Exit code of a child of this process, negative for a signal; None while it runs, or when it is nobody's."""
    with suppress(ChildProcessError):
        pid, status = os.waitpid(process.pid, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
    return None


def end_all(processes: list[LabProcess]) -> list[str]:
    """Ask processes to end, kill those that do not within five seconds, and tell which these were."""
    _signal(processes, signal.SIGTERM)
    left = _wait(processes)
    _signal(left, signal.SIGKILL)
    _wait(left)
    return [each.name for each in left]


def _signal(processes: list[LabProcess], number: signal.Signals) -> None:
    for each in processes:
        if each.alive:
            with suppress(ProcessLookupError):
                os.kill(each.pid, number)


def _wait(processes: list[LabProcess]) -> list[LabProcess]:
    """Those that still run when the time is over."""
    deadline_s = time.monotonic() + _STOP_S
    while (left := [each for each in processes if _alive_after_reaping(each)]) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return left


def _alive_after_reaping(process: LabProcess) -> bool:
    if process.alive:
        return True
    exit_code(process)  # so that no zombie stays, if it was started by this very process
    return False


def _start_time(pid: int) -> int | None:
    """Start time of a process (proc(5), field 22 of stat); None when there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])

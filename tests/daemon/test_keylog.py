"""Where session keys are written, if an operator wants that: to a file that nobody else can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from qstack.base.errors import LocalMisuse
from qstack.daemon.keylog import KeyLog

LOGGER = structlog.get_logger()


def test_key_log_is_made_for_its_owner_alone_and_appended_to(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for line in ("qstack hop 1", "qstack hop 2"):
            KeyLog(tmp_path / "keys", LOGGER).write(line)
    finally:
        os.umask(before)
    assert (tmp_path / "keys").read_text() == "qstack hop 1\nqstack hop 2\n"
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_key_log_that_others_may_read_or_write_is_refused_and_left_alone(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys"
    path.write_text("older\n")
    path.chmod(mode)
    with pytest.raises(LocalMisuse, match="others may"):
        KeyLog(path, LOGGER)
    assert path.read_text() == "older\n"


def test_key_log_does_not_follow_a_link_that_somebody_has_put_there(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "keys").symlink_to(tmp_path / "target")
    with pytest.raises(LocalMisuse):
        KeyLog(tmp_path / "keys", LOGGER)


def test_key_log_at_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys")
    with pytest.raises(LocalMisuse):
        KeyLog(tmp_path / "keys", LOGGER)

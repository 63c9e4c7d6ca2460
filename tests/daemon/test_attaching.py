"""Who may attach as which node: over the Unix socket the user's id counts, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from qstack.base.ids import parse_qna
from qstack.wire.protocols import Protocol
from qstack.wire.twin import Attach, Attached, Refused, Status
from qstack.wire.value import Message, decode_message_untrusted

OURS, OTHERS, ANYBODYS = "64512.1", "64512.2", "64512.3"


def ask(path: Path, node: str) -> Message:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.send(Attach(node=parse_qna(node)).encode())
        return decode_message_untrusted(Protocol.TWIN, sock.recv(65_536))


@pytest.fixture
def twin(tmp_path: Path):
    (tmp_path / "twin.toml").write_text(
        f"""
        [listen]
        socket = "t.sock"
        [[node]]
        qna = "{OURS}"
        users = [{os.getuid()}]
        [[node]]
        qna = "{OTHERS}"
        users = [{os.getuid() + 1}]
        [[node]]
        qna = "{ANYBODYS}"
        """
    )
    process = subprocess.Popen([sys.executable, "-m", "qstack.daemon.qtwind", "twin.toml"], cwd=tmp_path,
                               stderr=subprocess.PIPE)  # fmt: skip
    assert process.stderr is not None and b"ready" in process.stderr.readline()
    yield tmp_path / "t.sock"
    process.terminate()
    process.communicate(timeout=10)


def test_attach_as_a_node_of_another_user_is_refused(twin: Path) -> None:
    assert isinstance(ask(twin, OURS), Attached)
    assert isinstance(ask(twin, ANYBODYS), Attached)
    refused = ask(twin, OTHERS)
    assert isinstance(refused, Refused) and refused.status is Status.NOT_ALLOWED
    refused = ask(twin, "64512.9")
    assert isinstance(refused, Refused) and refused.status is Status.NOT_ALLOWED  # no word of whether it exists

"""A real Mosquitto for tests: where it is, a port for it, and how it is killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

import pytest

from tests.daemon.network import Network

__all__ = ["Broker", "free_port", "mosquitto", "until_listening"]

_PATIENCE_S = 10.0


def mosquitto() -> str:
    """The path of mosquitto; the test is skipped, with the remedy, where it is not installed."""
    found = shutil.which("mosquitto", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if found is None:
        pytest.skip("mosquitto is not installed. On Debian or Ubuntu: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until_listening(port: int) -> None:
    """Until somebody accepts connections there."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline_s, f"nobody listens at {port}"


class Broker:
    """The broker of a laboratory, once it has been killed."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is None:
            self._network.kill("mosquitto")
        else:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Start it again, with the same files."""
        configuration = self._network.folder / "pki/mosquitto/mosquitto.conf"
        with (self._network.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([mosquitto(), "-c", str(configuration)], stdout=log, stderr=log)
        until_listening(self.port)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()



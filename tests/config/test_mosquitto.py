"""Mosquitto's files: complete, and as the note says who may publish and read what."""

from __future__ import annotations

from pathlib import Path

import pytest

from qstack.base.errors import LocalMisuse
from qstack.config.broker import Broker
from qstack.config.mosquitto import write_mosquitto
from qstack.config.value import BrokerUrl, InputFile


def broker(folder: Path) -> Broker:
    return Broker(url=BrokerUrl("mq", 8884), device="lab", ca=InputFile(folder / "ca.pem"))


def test_mosquitto_files_name_what_the_twin_names(tmp_path: Path) -> None:
    configuration, access = write_mosquitto(tmp_path / "mq", broker(tmp_path), "qtwind")
    said = set(configuration.read_text().splitlines())
    assert {
        "listener 8884", f"cafile {tmp_path / 'ca.pem'}", f"certfile {tmp_path / 'mq/service.pem'}",
        f"acl_file {access}", "require_certificate true", "use_identity_as_username true",
        "use_username_as_clientid true", "allow_anonymous false", "set_tcp_nodelay true", "user mosquitto",
    } <= said  # fmt: skip
    rules = [line for line in access.read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "user qtwind"
    assert sorted(rules[1:]) == sorted(
        [
            "topic read qstack/lab/+/ask",
            "topic read qstack/lab/+/host",
            "topic write qstack/lab/+/tell",
            "topic write qstack/lab/device",
            "pattern write qstack/lab/%u/ask",
            "pattern write qstack/lab/%u/host",
            "pattern read qstack/lab/%u/tell",
            "pattern read qstack/lab/device",
        ]
    )


def test_mosquitto_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "mq").write_text("")
    with pytest.raises(LocalMisuse, match="mq"):
        write_mosquitto(tmp_path / "mq", broker(tmp_path), "qtwind")

"""What can be waited for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from qstack.base.errors import LocalMisuse
from qstack.control.condition import parse_condition
from tests.control.daemon import NEAR, FakeDaemon


@pytest.fixture
def daemon() -> FakeDaemon:
    made = FakeDaemon()
    made.now = replace(made.now, state="ready")
    return made


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("ready", True),
        ("connected", False),
        ("neighbour=64512.2", True),
        ("neighbour=64512.3", False),
        ("neighbour=64512.002", True),
        ("link=64512.2", True),
        ("link=64512.3", False),
        ("endpoint=urn:QKD:a", True),
        ("endpoint=urn:qkd:a?=x=1", False),
        ("unit=measuring", True),
        ("unit=MEASURING", True),
        ("unit=sharing", False),
        ("neighbours>=1", True),
        ("neighbours >= 2", False),
        ("neighbours=1", True),
        ("links!=1", False),
        ("circuits<2", True),
        ("units>1", False),
        ("endpoints<=1", True),
        ("unit.started>=1", True),
        ("never.counted=0", True),
    ],
)
def test_condition_holds_as_it_says(text: str, holds: bool, daemon: FakeDaemon) -> None:
    assert parse_condition(text).holds(daemon) is holds


def test_connected_looks_at_configured_neighbours_only(daemon: FakeDaemon) -> None:
    daemon.near = (NEAR, replace(daemon.near[1], configured=False))
    assert parse_condition("connected").holds(daemon)


@pytest.mark.parametrize(
    "text", ["", "redy", "neighbour", "neighbour=bob", "neighbours>=", "neighbours>=-1", "cats>=1", "endpoint=nothing",
             f"units>={'9' * 5_000}", f"neighbour={'9' * 5_000}.1", "units>=\N{ARABIC-INDIC DIGIT TWO}"]
)  # fmt: skip
def test_condition_that_is_none_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(LocalMisuse):
        parse_condition(text)

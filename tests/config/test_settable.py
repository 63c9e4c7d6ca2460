"""Everything that protocols and models let one set can be set by file."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import msgspec
import pytest

from qstack.config import hardware, node, twin
from qstack.proto.link.params import LinkConfiguration, StationConfiguration
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel
from qstack.twin.configuration import TwinConfiguration, TwinLink, TwinNode

SAID_ELSEWHERE = {
    LinkConfiguration: {"link": "id"},
    MemoryModel: {"readout": "readout_error"},
    TwinNode: {"memory": "t1_ns"},
    TwinLink: {"hardware": "model"},
    TwinConfiguration: {"nodes": "pace", "links": "pace"},
}


@pytest.mark.parametrize(
    ("settable", "section"),
    [
        (LinkConfiguration, node.Link), (StationConfiguration, node.Station), (MemoryModel, hardware.Memory),
        (TwinNode, twin.TwinNode), (TwinLink, twin.TwinLink), (TwinConfiguration, twin.Pace),
    ],
)  # fmt: skip
def test_field_of_a_configuration_has_a_key(settable: Any, section: type[msgspec.Struct]) -> None:
    renamed = SAID_ELSEWHERE.get(settable, {})
    wanted = {renamed.get(field.name, field.name) for field in dataclasses.fields(settable)}
    assert not wanted - set(section.__struct_fields__)


@pytest.mark.parametrize(
    ("make", "section"),
    [
        (LinkModel.werner, hardware.Werner), (LinkModel.single_click, hardware.SingleClick),
        (LinkModel.double_click, hardware.DoubleClick),
    ],
)  # fmt: skip
def test_argument_of_a_link_model_has_a_key(make: Any, section: type[msgspec.Struct]) -> None:
    wanted = set(inspect.signature(make).parameters) - {"cycle_ns", "arm_delays_ns"}  # keys of the link itself
    assert not wanted - set(section.__struct_fields__)

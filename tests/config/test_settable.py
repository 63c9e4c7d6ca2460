"""Everything that protocols and models let one set can be set by file."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import msgspec
import pytest

from qstack.config import devices, light, node, schemes, twin
from qstack.config import hardware as files
from qstack.proto.link.params import LinkConfiguration, StationConfiguration
from qstack.quantum import (
    channels,
    codes,
    detectors,
    free_space,
    hardware,
    links,
    memories,
    raman,
    satellite,
    sources,
    turns,
)
from qstack.quantum import schemes as quantum_schemes
from qstack.quantum.memories import MemoryModel
from qstack.twin.configuration import TwinConfiguration, TwinLink

SAID_ELSEWHERE = {
    LinkConfiguration: {"link": "id", "handling": "memories", "storage": "memories"},
    MemoryModel: {"readout": "readout_error"},
    TwinLink: {"hardware": "model"},
    TwinConfiguration: {"nodes": "pace", "links": "pace"},
}

KEYS_ELSEWHERE: dict[Any, str] = {  # of the link itself, of its model, of the channel; or no file's business
    links.LinkModel.werner: "cycle_ns arm_delays_ns",
    links.LinkModel.single_click: "cycle_ns arm_delays_ns",
    links.LinkModel.double_click: "cycle_ns arm_delays_ns",
    quantum_schemes.Encoded: "scheme",
    quantum_schemes.OneWay: "code",
    free_space.FreeSpace: "beam",
    satellite.SatellitePass: "beam",
    detectors.Detector: "dark_count_probability",
    turns.Turns: "before",
    hardware.LinkHardware: "cycle_ns scheme classical blanks",
}


@pytest.mark.parametrize(
    ("settable", "section"),
    [
        (LinkConfiguration, node.Link), (StationConfiguration, node.Station), (MemoryModel, devices.Memory),
        (TwinLink, twin.TwinLink), (TwinConfiguration, twin.Pace),
    ],
)  # fmt: skip
def test_field_of_a_configuration_has_a_key(settable: Any, section: type[msgspec.Struct]) -> None:
    renamed = SAID_ELSEWHERE.get(settable, {})
    wanted = {renamed.get(field.name, field.name) for field in dataclasses.fields(settable)}
    assert not wanted - set(section.__struct_fields__)


@pytest.mark.parametrize(
    ("make", "section"),
    [
        (links.LinkModel.werner, schemes.Werner), (links.LinkModel.single_click, schemes.SingleClick),
        (links.LinkModel.double_click, schemes.DoubleClick), (quantum_schemes.SingleClick, schemes.SingleClick),
        (sources.PairSource, schemes.PairSource), (quantum_schemes.Encoded, schemes.Encoding),
        (quantum_schemes.OneWay, schemes.OneWay), (codes.ParityCode, schemes.OneWay), (channels.Fibre, light.Fibre),
        (channels.Lossless, light.Given), (free_space.FreeSpace, light.FreeSpace), (free_space.Beam, light.FreeSpace),
        (free_space.Beam, light.Satellite), (satellite.SatellitePass, light.Satellite),
        (raman.ClassicalLight, light.ClassicalLight), (detectors.Detector, light.Detector), (turns.Turns, light.Turns),
        (hardware.LinkHardware, files.PhysicalLink), (memories.GateSet, devices.Gates),
        (memories.Operation, devices.Gate),
    ],
)  # fmt: skip
def test_argument_of_a_model_has_a_key(make: Any, section: type[msgspec.Struct]) -> None:
    keys = {*section.__struct_fields__, *KEYS_ELSEWHERE.get(make, "").split()}
    assert not set(inspect.signature(make).parameters) - keys

"""Links and devices as files describe them: each is read, written back, and becomes what it says; faults are told."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from qstack.config.devices import device_model
from qstack.config.expansion import consecutive_addresses, expand
from qstack.config.hardware import link_hardware, turned_round
from qstack.config.loading import load_node, load_topology, load_twin
from qstack.config.problem import ConfigurationError
from qstack.config.twin import TwinLink
from qstack.config.writing import to_toml
from qstack.daemon.build import make_node
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.free_space import Beam, FreeSpace
from qstack.quantum.memories import MemoryModel
from qstack.quantum.photons import DownConversion
from qstack.quantum.presets import PRESETS
from qstack.quantum.raman import ClassicalLight
from qstack.quantum.satellite import SatellitePass
from qstack.quantum.schemes import DoubleClick, Encoded, OneWay, SingleClick, Werner
from qstack.quantum.sources import PairSource
from qstack.quantum.turns import Turns
from tests.config.files import NODE, TOPOLOGY, TWIN, write

MODEL = 'model = { kind = "werner", fidelity = 0.9 }'
CLICK = 'model = { kind = "single-click", bright = [0.1, 0.2], detection = [0.5, 0.6], visibility = 0.9 }'
FIBRES = 'arms = [{ kind = "fibre", length-km = 10 }, { kind = "fibre", length-km = 15.0, connectors-db = 1.0 }]'
SATELLITES = """
[[link.arms]]
kind = "satellite"
altitude-km = 500
waist-m = 0.15
aperture-m = 0.6
highest-deg = 60.0
zenith = 0.8
culmination-ns = 1000000000000
repeat-ns = 600000000000
[[link.arms]]
kind = "free-space"
length-km = 500.0
waist-m = 0.15
aperture-m = 0.6
pointing-rad = 1e-6
zenith = 0.8
elevation-deg = 40.0
"""
SHARED = """arms = [
  { kind = "fibre", length-km = 20.0, classical = { launch-dbm = -10.0, direction = "both" } },
  { kind = "given", flight-ns = 50000 },
]
[link.detector]
efficiency = 0.8
dark-count-hz = 100.0
window-ns = 20.0
dead-ns = 50
[link.turns]
frame-cycles = 100
burst-cycles = 10
guard-cycles = 5
most-cycles = 50
backlog-cycles = 500
blanks = false
"""


def link(folder: Path, *lines: str) -> TwinLink:
    """The link of a twin's file; what is written back says the same."""
    loaded = load_twin(write(folder, TWIN.replace(MODEL, "\n".join(lines))))
    again = load_twin(write(folder, to_toml(loaded).replace(f"{folder}/", "")))
    assert again == loaded
    return loaded.links[0]


def hardware(folder: Path, *lines: str) -> Any:
    found = link(folder, *lines)
    return link_hardware(found, found.cycle_ns)


def test_link_of_fibres_has_their_loss_and_delay(tmp_path: Path) -> None:
    found = hardware(tmp_path, CLICK, FIBRES)
    assert found.arms == (Fibre(10.0), Fibre(15.0, connectors_db=1.0))
    assert found.scheme == SingleClick((0.1, 0.2), (0.5, 0.6), 0.9)
    assert found.at().arm_delays_ns == (48_967, 73_451)


def test_link_over_a_satellite_changes_with_time(tmp_path: Path) -> None:
    found = hardware(tmp_path, CLICK, SATELLITES)
    beam = Beam(0.15, 0.6)
    assert found.arms == (
        SatellitePass(500.0, beam, 60.0, zenith=0.8, culmination_ns=10**12, repeat_ns=6 * 10**11),
        FreeSpace(500.0, Beam(0.15, 0.6, pointing_rad=1e-6), zenith=0.8, elevation_deg=40.0),
    )
    assert found.best().success_probability > found.at(None, 10**12 + 10**11).success_probability


def test_link_on_a_shared_fibre_has_noise_and_turns(tmp_path: Path) -> None:
    found = hardware(tmp_path, CLICK, SHARED)
    assert found.classical == (ClassicalLight(-10.0, "both"), None)
    assert found.arms[1] == Lossless(50_000)
    assert found.turns == Turns(100, 10, 5, 50, 500)
    assert not found.blanks
    assert found.during_burst().fidelity < found.at().fidelity


@pytest.mark.parametrize(
    ("model", "scheme"),
    [
        ('{ kind = "werner", success-probability = 0.5, fidelity = 0.9 }', Werner(0.5, 0.9)),
        ('{ kind = "double-click", detection = [0.1, 0.2], visibility = 0.8, dark-count-probability = 0.01 }',
         DoubleClick((0.1, 0.2), 0.8)),
        ('{ kind = "pair-source", numbers = "down-conversion", mean-pairs = 0.1, absorption = [0.7, 0.6] }',
         PairSource(DownConversion(0.1), (0.7, 0.6))),
        ('{ kind = "pair-source", bell = "phi+", counting = true }', None),
        ('{ kind = "one-way", blocks = 10, photons = 5, detection = 0.95, fidelity = 0.99 }', None),
        ('{ kind = "single-click", bright = [0.1, 0.1], detection = [1, 1], bright-range = [0.01, 0.3] }', None),
    ],
)  # fmt: skip
def test_link_of_every_model_is_read_and_turned_round_twice_the_same(tmp_path: Path, model: str, scheme: Any) -> None:
    found = link(tmp_path, f"model = {model}", FIBRES)
    built = link_hardware(found, 10_000)
    assert scheme is None or built.scheme == scheme
    other = turned_round(found)
    assert turned_round(other) == found
    mirrored = link_hardware(other, 10_000).at()
    assert mirrored.success_probability == pytest.approx(built.at().success_probability)
    assert mirrored.arm_delays_ns == built.at().arm_delays_ns[::-1]
    assert mirrored.born_delays_ns == built.at().born_delays_ns[::-1]


def test_link_that_is_encoded_costs_a_code_of_qubits(tmp_path: Path) -> None:
    found = hardware(tmp_path, MODEL, 'encoding = { code = "golay", tries = 50, gate-error = 0.001 }')
    assert isinstance(found.scheme, Encoded) and found.scheme.qubits_per_pair == 23
    one_way = hardware(tmp_path, 'model = { kind = "one-way", blocks = 3, photons = 4 }')
    assert isinstance(one_way.scheme, OneWay) and one_way.scheme.qubits_per_pair == 12


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ((MODEL, FIBRES.replace("15.0", "-1.0")), "$.link[0].arms[1].length-km", ">= 0"),
        ((MODEL, FIBRES.replace("fibre", "rope", 1)), "$.link[0].arms[0].kind", '"fibre"'),
        ((MODEL, FIBRES, "arm-delays-ns = [1, 2]"), "$.link[0].arm-delays-ns", "leave it out"),
        ((MODEL, 'arms = [{ kind = "given" }]'), "$.link[0].arms", "1 items"),
        ((CLICK, SHARED.replace("window-ns = 20.0", "")), "$.link[0].detector", "listens for no time"),
        ((CLICK, SHARED.replace("most-cycles = 50", "")), "$.link[0].turns", "never served"),
        ((CLICK, SHARED.replace("burst-cycles = 10", "burst-cycles = 95")), "$.link[0].turns", "no quantum window"),
        ((CLICK, SATELLITES.replace("600000000000", "1000000")), "$.link[0].arms[0]", "cannot come again"),
        ((CLICK, SATELLITES.replace("highest-deg = 60.0", "highest-deg = 10.0")), "$.link[0].arms[0]", "in order"),
        (('model = { kind = "pair-source", mean-pairs = 2.0 }',), "$.link[0].model", "0..1"),
        (('model = { kind = "pair-source", absorption = [0.0, 1.0] }',), "$.link[0].model", "can ever succeed"),
        ((CLICK.replace("[0.1, 0.2]", "[0, 0]"),), "$.link[0].model", "never succeed"),
        ((MODEL, 'encoding = { code = "shor" }'), "$.link[0].encoding.code", "steane"),
        ((MODEL, "[link.detector]\nefficiency = 0.0"), "$.link[0].model", "can ever succeed"),
    ],
)
def test_link_with_a_fault_tells_path_and_remedy(
    tmp_path: Path, lines: tuple[str, ...], path: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_twin(write(tmp_path, TWIN.replace(MODEL, "\n".join(lines))))
    assert [(problem.path, words in str(problem)) for problem in caught.value.problems] == [(path, True)]


# ---- nodes ----


def test_node_file_expects_what_its_hardware_says(tmp_path: Path) -> None:
    text = NODE.replace("memories = 4", f"memories = 4\n[link.hardware]\n{CLICK}\n{FIBRES}")
    [tuned, plain] = make_node(load_node(write(tmp_path, text)), None).links
    assert tuned.hardware is not None and tuned.hardware.tunable
    assert tuned.believed == tuned.hardware
    assert plain.hardware is None and plain.believed.at().success_probability == 1.0


def test_node_file_that_says_it_twice_is_refused(tmp_path: Path) -> None:
    text = NODE.replace("memories = 4", f"memories = 4\nfidelity = 0.9\n[link.hardware]\n{CLICK}")
    with pytest.raises(ConfigurationError, match="leave out success-probability"):
        load_node(write(tmp_path, text))


# ---- devices ----

KEYS = """device = "nv"
storage-qubits = 4
t2-ns = 100_000
readout-error = 0.01
[node.storage]
t1-ns = 0
readout-error = [0.02, 0.03]
[node.gates.two-qubit]
error = 0.02
[node.gates.storage-one-qubit]
duration-ns = 7
"""


def test_device_begins_with_its_preset_and_ends_with_its_own_numbers(tmp_path: Path) -> None:
    loaded = load_twin(write(tmp_path, TWIN.replace("t1-ns = 1000\nt2-ns = 2000\n", KEYS)))
    assert load_twin(write(tmp_path, to_toml(loaded).replace(f"{tmp_path}/", ""))) == loaded
    model, nv = device_model(loaded.nodes[0], loaded.nodes[0].qubits), PRESETS["nv"]
    assert (model.communication.count, model.storage.count) == (4, 4)
    assert model.communication.model == MemoryModel(nv.communication.model.t1_ns, 100_000, 0, (0.01, 0.01))
    assert model.storage.model == MemoryModel(0, nv.storage.model.t2_ns, 0, (0.02, 0.03))
    assert model.gates.two_qubit == (nv.gates.two_qubit.duration_ns, 0.02)
    assert model.gates.storage_one_qubit == (7, 0.001)
    assert model.gates.move == nv.gates.move


@pytest.mark.parametrize("preset", PRESETS)
def test_device_of_every_preset_loads(tmp_path: Path, preset: str) -> None:
    loaded = load_twin(write(tmp_path, TWIN.replace("t1-ns = 1000\nt2-ns = 2000\n", f'device = "{preset}"\n')))
    model = device_model(loaded.nodes[0], 4)
    assert model.communication.model == PRESETS[preset].communication.model
    assert model.storage == PRESETS[preset].storage
    assert device_model(loaded.nodes[0], 0).qubits == 0


def test_device_of_a_laboratory_reaches_its_twin(tmp_path: Path) -> None:
    topology = load_topology(write(tmp_path, TOPOLOGY.replace('qna = "64512.1"', f'qna = "64512.1"\n{KEYS}', 1).replace(
        'urn = ["urn:qkd:a"]\n', "")))  # fmt: skip
    twin = expand(topology, consecutive_addresses(topology, IPv4Address("127.64.0.0"))).twin
    assert device_model(twin.nodes[0], twin.nodes[0].qubits) == device_model(topology.nodes[0], 8)
    assert device_model(twin.nodes[0], 8).storage.count == 4


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ('device = "qubit"', "$.node[0].device", "nv"),
        ("t1-ns = 10\nt2-ns = 21", "$.node[0].t2-ns", "lower t2-ns"),
        ('device = "nv"\nt1-ns = 10', "$.node[0].t2-ns", "lower t2-ns"),
        ("readout-error = 0.6", "$.node[0].readout-error", "0 to 0.5"),
        ("readout-error = [0.1]", "$.node[0].readout-error", "0 to 0.5"),
        ("storage = { t1-ns = 1, t2-ns = 3 }", "$.node[0].storage.t2-ns", "lower"),
        ("gates = { move = { error = 2.0 } }", "$.node[0].gates.move.error", "<= 1"),
        ("gates = { fly = { error = 0.0 } }", "$.node[0].gates.fly", "there are"),
    ],
)
def test_device_with_a_fault_tells_path_and_remedy(tmp_path: Path, keys: str, path: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_twin(write(tmp_path, TWIN.replace("t1-ns = 1000\nt2-ns = 2000\n", f"{keys}\n")))
    assert [(problem.path, words in str(problem)) for problem in caught.value.problems] == [(path, True)]


@pytest.mark.parametrize(
    ("generation", "told"),
    [
        ("", {"station", "memory", "swap"}),
        ("generation = 1", {"station", "memory", "swap", "purification"}),
        ("generation = 2", {"station", "memory", "swap", "encoding"}),
        ("generation = 3", {"station", "memory", "swap", "encoding", "one-way"}),
    ],
)
def test_node_of_a_laboratory_tells_its_generation(tmp_path: Path, generation: str, told: set[str]) -> None:
    topology = load_topology(write(tmp_path, TOPOLOGY.replace('urn = ["urn:qkd:a"]', generation)))
    alice = expand(topology, consecutive_addresses(topology, IPv4Address("127.64.0.0"))).nodes["alice"]
    assert set(alice.node.capabilities) == told

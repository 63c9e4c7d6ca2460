"""Devices by name, repeaters by generation, and codes: numbers, costs, and simulations of what is lost."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from qstack.quantum import formulas
from qstack.quantum.channels import Fibre, Lossless
from qstack.quantum.codes import CODES, BlockCode, ParityCode
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.memories import DeviceModel, GateSet, MemoryBank, MemoryModel, Operation
from qstack.quantum.presets import PRESETS
from qstack.quantum.repeaters import GENERATIONS, Against, Signalling
from qstack.quantum.schemes import Encoded, OneWay, SingleClick, Werner


def test_nv_has_the_numbers_of_its_source():
    nv = PRESETS["nv"]
    electron, carbon, gates = nv.communication.model, nv.storage.model, nv.gates
    assert (electron.t1_ns, electron.t2_ns) == (SECOND_NS, 300 * MILLISECOND_NS)
    assert (carbon.t1_ns, carbon.t2_ns) == (150 * SECOND_NS, 1_500 * MILLISECOND_NS)
    assert electron.readout == (0.05, 0.005)
    assert gates.initialise == (2 * MICROSECOND_NS, 0.05)
    assert gates.two_qubit == (500 * MICROSECOND_NS, 0.008)
    assert gates.measure.duration_ns == 3_700
    assert gates.initialising(storage=True) == (310 * MICROSECOND_NS, 0.05)
    assert gates.turning(storage=True).error == 0.001
    assert gates.turning(storage=False) == (5 * MICROSECOND_NS, 0.0)
    assert gates.move == (1_320 * MICROSECOND_NS, pytest.approx(1 - 0.95 * 0.992**2))
    assert gates.bell_measure == (1_017_400, pytest.approx(1 - 0.992**2))


def test_ideal_forgets_nothing_and_ensemble_cannot_store():
    ideal, ensemble = PRESETS["ideal"], PRESETS["ensemble"]
    assert ideal.gates == GateSet() and ideal.communication.model == MemoryModel()
    assert ensemble.communication.model.depolarising_ns == 3_200_000
    assert ensemble.communication.model.readout == pytest.approx((0.135, 0.135))
    assert ensemble.storage.count == 0


def test_device_numbers_communication_memories_first():
    device = DeviceModel(MemoryBank(2, MemoryModel(t2_ns=1)), MemoryBank(3, MemoryModel(t2_ns=2)))
    assert device.qubits == 5
    assert [device.memory(n).t2_ns for n in range(5)] == [1, 1, 2, 2, 2]
    assert [device.is_storage(n) for n in range(5)] == [False] * 2 + [True] * 3


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: MemoryModel(t1_ns=10, t2_ns=21),
        lambda: MemoryModel(depolarising_ns=-1),
        lambda: MemoryModel(readout=(0.0, 0.6)),
        lambda: GateSet(two_qubit=Operation(-1)),
        lambda: GateSet(storage_one_qubit=Operation(0, 1.5)),
        lambda: DeviceModel(MemoryBank(-1)),
        lambda: DeviceModel(MemoryBank(1 << 20)),
        lambda: BlockCode(7, 2),
        lambda: BlockCode(3, 5),
        lambda: ParityCode(0, 3),
        lambda: Encoded(Werner(), CODES["steane"], 0),
        lambda: CODES["steane"].failure(1.5),
        lambda: OneWay(ParityCode(2, 2), 1.5),
    ],
)
def test_device_or_code_that_cannot_be_is_refused(attempt):
    with pytest.raises(LocalMisuse):
        attempt()


# ---- codes ----


@given(error=st.floats(0.0, 1.0), code=st.sampled_from([BlockCode(1, 1), BlockCode(5, 3), *CODES.values()]))
@settings(max_examples=60, deadline=None)
def test_block_fails_when_more_are_wrong_than_it_corrects(error, code):
    corrected = (code.distance - 1) // 2
    good = sum(comb(code.qubits, n) * error**n * (1 - error) ** (code.qubits - n) for n in range(corrected + 1))
    assert code.failure(error) == pytest.approx(1 - good, abs=1e-12)


def test_steane_code_has_its_quadratic_gain():
    assert CODES["steane"].failure(1e-3) == pytest.approx(21e-6, rel=0.01)
    assert CODES["golay"].failure(1e-3) == pytest.approx(8855e-12, rel=0.02)


def test_encoded_link_is_slower_better_and_dearer():
    plain = LinkHardware(10_000, Werner(0.05, 0.98))
    encoded = LinkHardware(10_000 * 100, Encoded(Werner(0.05, 0.98), CODES["steane"], 100, 0.001, 0.001))
    model = encoded.at()
    assert model.fidelity > 0.99 > plain.at().fidelity
    assert model.success_probability == pytest.approx((1 - 0.95**100) ** 7)
    assert encoded.scheme.qubits_per_pair == 7
    assert [herald.bell_index for herald in model.heralds] == [BellIndex.PHI_PLUS]


def test_encoded_link_has_the_errors_of_a_simulation():
    """Seven pairs, each wrong in bit and in phase as its weights, gate and readout say; more than one spoils."""
    rng = np.random.default_rng(3)
    blocks, weights = 200_000, np.array([0.9, 0.05, 0.03, 0.02])  # right, phase, bit, both
    pairs = rng.choice(4, (blocks, 7), p=weights)
    gate = rng.random((blocks, 7)) < 0.02
    mixed = rng.integers(0, 4, (blocks, 7)) * gate
    bit = (pairs >> 1) ^ (mixed >> 1) ^ (rng.random((blocks, 7)) < 0.01)
    phase = (pairs & 1) ^ (mixed & 1) ^ (rng.random((blocks, 7)) < 0.01)
    good = ((bit.sum(axis=1) <= 1) & (phase.sum(axis=1) <= 1)).mean()
    from qstack.quantum.heralding import HeraldedState, Heralding

    state = formulas.bell_diagonal(tuple(weights))
    found = CODES["steane"].encoded(Heralding(1.0, (HeraldedState(BellIndex.PHI_PLUS, 1.0, state),)), 1, 0.02, 0.01)
    # Bit and phase errors of a pair are corrected apart and taken as independent; here they are slightly correlated.
    assert formulas.fidelity(found.heralds[0].correlations) == pytest.approx(good, abs=0.02)


def test_encoded_link_can_be_tuned_by_its_logical_fidelity():
    link = LinkHardware(10**6, Encoded(SingleClick((0.1, 0.1), (0.3, 0.3)), CODES["steane"], 100))
    chosen = link.choose(0.99)
    assert link.tunable and chosen is not None and link.at(chosen).fidelity >= 0.99
    assert chosen > LinkHardware(10**6, SingleClick((0.1, 0.1), (0.3, 0.3))).choose(0.99)


@pytest.mark.parametrize(("code", "kept"), [(ParityCode(3, 4), 0.8), (ParityCode(10, 5), 0.7), (ParityCode(1, 1), 0.5)])
def test_parity_code_arrives_as_a_simulation_says(code, kept):
    rng = np.random.default_rng(5)
    photons = rng.random((200_000, code.blocks, code.photons)) < kept
    good = photons.any(axis=2).all(axis=1) & photons.all(axis=2).any(axis=1)
    assert code.arrival(kept) == pytest.approx(good.mean(), abs=4 * 0.5 / 200_000**0.5)


def test_one_way_link_waits_for_nobody():
    link = LinkHardware(1_000, OneWay(ParityCode(10, 5), 0.95, 0.99), (Fibre(2.0), Lossless()))
    model = link.at()
    assert model.born_delays_ns == (0, 9_793)
    assert model.herald_delay_ns == 9_793
    assert model.success_probability > 0.95
    assert link.scheme.qubits_per_pair == 50


# ---- generations ----


def test_generations_fight_loss_and_errors_as_they_are_sorted():
    assert [(each.loss, each.errors) for each in GENERATIONS.values()] == [
        (Against.HERALDING, Against.PURIFICATION), (Against.HERALDING, Against.ENCODING),
        (Against.ENCODING, Against.ENCODING),
    ]  # fmt: skip
    assert [each.signalling for each in GENERATIONS.values()] == [
        Signalling.ENDS, Signalling.NEIGHBOURS, Signalling.ONE_WAY,
    ]  # fmt: skip


def test_generations_wait_for_words_from_as_far_as_they_must():
    links = (50_000, 100_000, 20_000, 30_000)
    assert GENERATIONS[1].waiting_ns(links, 4) == 400_000
    assert GENERATIONS[1].waiting_ns(links, 2) == 300_000
    assert GENERATIONS[2].waiting_ns(links, 4) == 200_000
    assert GENERATIONS[3].waiting_ns(links, 4) == 0

"""Links made of more than one number, in virtual time: a fibre that bursts share, and a source in the middle."""

from __future__ import annotations

from math import sqrt

import pytest

from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.proto.link.end import LinkDescription
from qstack.quantum.channels import Fibre
from qstack.quantum.detectors import Detector
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.photons import DownConversion
from qstack.quantum.raman import ClassicalLight
from qstack.quantum.schemes import SingleClick
from qstack.quantum.sources import PairSource
from qstack.quantum.turns import Turns
from tests.sim.test_link_estimate import CYCLE_NS, LOW, Net

LIGHT = ClassicalLight(-10.0)


def run(truth: LinkHardware, min_fidelity: float, seconds: float = 4.0) -> tuple[Net, int, LinkDescription]:
    """A link that somebody wants pairs of all the time. Gives how many came, and what operators see."""
    net = Net(truth)
    net.reserve(min_fidelity)
    net.request(min_fidelity, 30.0)
    net.simulation.run_for(200 * MILLISECOND_NS)
    before = len(net.ends[LOW].pairs)
    net.simulation.run_for(round(seconds * SECOND_NS))
    return net, len(net.ends[LOW].pairs) - before, net.link()


@pytest.mark.parametrize("turns", [Turns(1_000, 500, 50), Turns(70, 30, 5)], ids=["a frame a slot", "many a slot"])
def test_shared_fibre_brings_pairs_in_its_quantum_windows(turns: Turns) -> None:
    scheme, arms = SingleClick((0.1, 0.1), (0.05, 0.05), 0.9), (Fibre(5.0), Fibre(5.0))
    truth = LinkHardware(CYCLE_NS, scheme, arms, Detector(window_ns=100.0), (LIGHT, LIGHT), turns)
    model = truth.at()
    net, made, _ = run(truth, model.fidelity - 1e-3)
    quantum = model.success_probability * turns.share * 4.0 / (CYCLE_NS * 1e-9)
    assert 0.7 * quantum < made < quantum + 5 * sqrt(quantum)
    mean = sum(net.ends[LOW].truths) / len(net.ends[LOW].truths)
    assert mean == pytest.approx(model.fidelity, abs=0.01)


def test_source_in_the_middle_brings_pairs_of_its_model() -> None:
    truth = LinkHardware(CYCLE_NS, PairSource(DownConversion(0.05), (0.5, 0.5)), (Fibre(10.0), Fibre(10.0)))
    model = truth.at()
    net, made, _ = run(truth, 0.5)
    expected = model.rate_hz * 4.0
    assert 0.7 * expected < made < expected + 5 * sqrt(expected)
    truths = net.ends[LOW].truths
    mean = sum(truths) / len(truths)
    spread = sqrt(sum((each - mean) ** 2 for each in truths) / len(truths))
    assert spread > 0.0  # some are of two pairs at once
    assert mean == pytest.approx(model.fidelity, abs=4 * spread / sqrt(len(truths)))

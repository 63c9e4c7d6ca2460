"""A link of two nodes and a station, in virtual time: real nodes and the real twin, held to the single-click model."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, PurposeId, Qna, make_qna
from qstack.base.pairs import BasisChoice, PairKind, Reading
from qstack.base.services import (
    CreateDone,
    CreatePairs,
    LinkRefused,
    LinkReserved,
    ListenPairs,
    PairOk,
    PairReady,
    PairsFailed,
    QubitsFreed,
    RequestPairs,
    ReserveLink,
)
from qstack.base.time import Instant
from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.node.configuration import NodeConfiguration
from qstack.node.switchboard import Server
from qstack.proto.link.calibration import CalibrationParameters
from qstack.proto.link.end import LinkDescription
from qstack.proto.link.estimation import EstimationParameters
from qstack.proto.link.params import LinkParameters
from qstack.proto.link.tally import TallyParameters
from qstack.quantum.channels import Lossless
from qstack.quantum.detectors import Detector
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.memories import MemoryModel
from qstack.quantum.schemes import SingleClick
from qstack.testing.simulation import Simulation
from qstack.testing.topology import Topology, TopologyLink, TopologyNode

LOW, HIGH, STATION = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 7)
LABEL = Label(2)
CYCLE_NS = 10_000


def single_click(visibility: float = 0.9, detection: float = 0.01, dark: float = 0.0) -> LinkHardware:
    return LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (detection, detection), visibility),
                        detector=Detector(dark_count_probability=dark))  # fmt: skip


class Consumer:
    """In the circuit layer's place at one end: frees pairs as they come, and looks at some of them first."""

    def __init__(self, net: Net, own: Qna) -> None:
        self.net, self.own = net, own
        self.pairs: list[PairReady] = []
        self.truths: list[float] = []
        self.told: list[Any] = []
        self._effects: list[Any] = []

    def on_service(self, service: Any, now_ns: Instant) -> None:
        if isinstance(service, PairReady):
            self.pairs.append(service)
            self.net.simulation.after(0, lambda: self._use(service))
        else:
            self.told.append(service)

    def _use(self, pair: PairReady) -> None:
        if self.own == LOW and len(self.truths) < 200:
            seen = self.net.simulation.inspect(self.own, pair.qubit)
            if seen is not None and seen.fidelities and not seen.alone:
                self.truths.append(seen.fidelities[pair.bell_index] * 1e-9)
        self.net.serve(self.own, QubitsFreed((pair.qubit,), discard=True))

    def take_effects(self) -> list[Any]:
        return []

    def next_deadline(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class Net:
    """Two ends and a station of their own."""

    def __init__(
        self, truth: LinkHardware, believed: LinkHardware | None = None, *, share: float = 0.0, memories: int = 64,
        memory: MemoryModel | None = None, calibration: CalibrationParameters | None = None,
        station: str = "station", seed: bytes = b"estimate", remembered: int = 2_000,
    ) -> None:  # fmt: skip
        estimation = EstimationParameters(share=share, tally=TallyParameters(remembered_tests=remembered),
                                          calibration=calibration or CalibrationParameters(interval_ns=0))  # fmt: skip
        template = NodeConfiguration(qna=Qna(0), link=LinkParameters(estimation=estimation))
        kind = memory or MemoryModel()
        topology = Topology(
            (TopologyNode("low", LOW, memory=kind), TopologyNode("high", HIGH, memory=kind),
             TopologyNode("station", STATION)),
            (TopologyLink(("low", "high"), station, memories=memories, cycle_ns=CYCLE_NS, hardware=truth,
                          believed=believed),),
            static=True, template=template,
        )  # fmt: skip
        self.simulation: Simulation = topology.simulate(seed)
        self.simulation.boot_all()
        self.ends = {own: Consumer(self, own) for own in (LOW, HIGH)}
        for own, consumer in self.ends.items():
            self.node(own).machines.by_server[Server.CIRCUIT] = consumer
        self.simulation.run_for(SECOND_NS)

    def node(self, own: Qna) -> Any:
        return self.simulation.places[own].node

    def serve(self, own: Qna, service: Any) -> None:
        place = self.simulation.places[own]
        assert place.node is not None
        place.node._effects.append(service)
        place.node._settle(place.local(self.simulation.now_ns))
        self.simulation._settle(place)

    def reserve(self, min_fidelity: float) -> Any:
        for own, other in ((LOW, HIGH), (HIGH, LOW)):
            self.serve(own, ReserveLink(other, LABEL, 1, min_fidelity))
        return self.ends[LOW].told[-1]

    def request(self, min_fidelity: float, seconds: float, number: int = 1_000_000) -> None:
        deadline = self.simulation.places[LOW].local(self.simulation.now_ns + round(seconds * SECOND_NS))
        self.serve(LOW, RequestPairs(HIGH, LABEL, number, min_fidelity, PurposeId(0), deadline))

    def link(self, own: Qna = LOW) -> LinkDescription:
        [link] = self.node(own).machines.link.describe().links
        assert isinstance(link, LinkDescription)
        return link


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_rate_and_fidelity_are_those_of_the_single_click_model(alpha: float) -> None:
    """The fidelity asked for is what the formula gives for alpha; so alpha is what the estimation unit has to find."""
    truth = single_click()
    model = truth.at(alpha)
    net = Net(truth)
    assert isinstance(net.reserve(model.fidelity - 1e-4), LinkReserved)
    net.request(model.fidelity - 1e-4, 30.0)
    net.simulation.run_for(200 * MILLISECOND_NS)
    before, seconds = len(net.ends[LOW].pairs), 4.0
    net.simulation.run_for(round(seconds * SECOND_NS))
    made = len(net.ends[LOW].pairs) - before
    mean = model.rate_hz * seconds
    assert made == pytest.approx(mean, abs=4.0 * sqrt(mean) + 0.01 * mean), f"{made / seconds} pairs/s"
    assert net.link().bright == pytest.approx(alpha, abs=2e-4)
    truths = net.ends[LOW].truths
    assert len(truths) >= 100 and min(truths) == pytest.approx(model.fidelity, abs=2e-4) == max(truths)
    pairs = [[(p.sequence, p.bell_index, p.created) for p in net.ends[own].pairs] for own in (LOW, HIGH)]
    shorter = min(map(len, pairs))
    assert pairs[0][:shorter] == pairs[1][:shorter]


def test_device_that_is_worse_than_configured_is_noticed_and_the_link_is_driven_dimmer() -> None:
    truth = single_click(visibility=0.6)
    net = Net(truth, single_click(), share=0.25)
    net.reserve(0.8)
    net.request(0.8, 1_000.0)
    net.simulation.run_for(SECOND_NS, lambda: net.link().bright > 0.0)
    first = net.link()
    assert first.bright == pytest.approx(0.179, abs=0.02), "what the model says is good enough"
    net.simulation.run_for(20 * SECOND_NS)
    for own in (LOW, HIGH):
        link = net.link(own)
        true = truth.at(link.bright).fidelity
        assert link.fidelity == pytest.approx(true, abs=0.025), "what was told is what is"
        assert link.fidelity_bounds[0] <= true <= link.fidelity_bounds[1]
        assert link.tests > 500
    assert truth.at(net.link().bright).fidelity == pytest.approx(0.8, abs=0.02)
    assert net.link().bright < first.bright - 0.03


def test_samples_are_never_delivered_and_do_not_count() -> None:
    net = Net(single_click(), share=0.25)
    net.reserve(0.7)
    net.request(0.7, 100.0, number=300)
    net.simulation.run_for(20 * SECOND_NS, lambda: len(net.ends[HIGH].pairs) >= 300)
    net.simulation.run_for(SECOND_NS)
    for own in (LOW, HIGH):
        assert len(net.ends[own].pairs) == 300
        assert not [each for each in net.ends[own].told if isinstance(each, PairsFailed)]
        link = net.link(own)
        assert link.samples == pytest.approx(100, abs=40) and link.free == link.memories
        assert link.tests == net.link(LOW).tests and link.tests >= link.samples - 8
    assert net.simulation.twin.live_pairs == 0


def test_request_is_failed_when_tests_leave_no_doubt_that_the_link_cannot() -> None:
    truth = single_click(visibility=0.3)  # at best 0.774
    net = Net(truth, single_click(), share=0.25)
    net.reserve(0.85)
    net.request(0.85, 1_000.0)
    failed = lambda: any(isinstance(each, PairsFailed) for each in net.ends[LOW].told)  # noqa: E731
    net.simulation.run_for(60 * SECOND_NS, failed)
    [reason] = [each.reason for each in net.ends[LOW].told if isinstance(each, PairsFailed)]
    assert reason is ErrorCode.FIDELITY_UNATTAINABLE
    net.serve(LOW, ReserveLink(HIGH, Label(4), 1, 0.85))
    assert isinstance(net.ends[LOW].told[-1], LinkRefused)
    net.serve(LOW, ReserveLink(HIGH, Label(6), 1, 0.6))
    assert isinstance(net.ends[LOW].told[-1], LinkReserved)


def test_fidelity_that_the_model_cannot_reach_is_refused_at_once() -> None:
    net = Net(single_click())
    refused = net.reserve(0.98)
    assert isinstance(refused, LinkRefused) and refused.reason is ErrorCode.FIDELITY_UNATTAINABLE


def test_forgetting_memories_are_reckoned_with_when_pairs_are_delivered() -> None:
    """Every pair is as good as asked for when it is known, and the station's word has been waited for."""
    memory = MemoryModel(t2_ns=400 * MILLISECOND_NS)
    net = Net(single_click(), memory=memory)
    assert isinstance(net.reserve(0.8), LinkReserved)
    net.request(0.8, 30.0)
    net.simulation.run_for(3 * SECOND_NS)
    truths = net.ends[LOW].truths
    assert len(truths) >= 100 and 0.8 <= min(truths) <= 0.82, "and no better than it has to be"


@pytest.mark.parametrize("station", ["station", "low", "high"])
def test_calibration_of_an_idle_link_finds_what_its_arms_and_detectors_are(station: str) -> None:
    believed = single_click(detection=0.05)
    arms = (Lossless(20_000), Lossless(60_000))
    truth = LinkHardware(CYCLE_NS, SingleClick((0.1, 0.1), (0.03, 0.06), 0.9), arms,
                         Detector(dark_count_probability=2e-4))  # fmt: skip
    net = Net(truth, believed, calibration=CalibrationParameters(interval_ns=SECOND_NS), station=station)
    before = net.simulation.weather.sent
    net.simulation.run_for(600 * SECOND_NS)
    for own in (LOW, HIGH):
        [end] = net.node(own).machines.link._ends.values()
        scheme = end.unit.hardware.scheme
        assert scheme.detection == pytest.approx((0.03, 0.06), rel=0.1)
        assert end.unit.hardware.detector.dark == pytest.approx(2e-4, rel=0.3)
        assert end.unit.calibration.arrival_ns(0) == pytest.approx(20_000, rel=0.1)
        assert end.unit.calibration.arrival_ns(1) == pytest.approx(60_000, rel=0.1)
        link = net.link(own)
        assert link.calibrations > 500 and link.free == link.memories
        assert link.clock_offset_ns is not None and abs(link.clock_offset_ns) < 1_000_000
    sent = net.simulation.weather.sent - before
    assert sent < 16 * 600, "datagrams a round, their acknowledgements included"
    assert net.simulation.twin.live_pairs == 0


def test_lost_messages_cost_rounds_and_nothing_else() -> None:
    net = Net(single_click(detection=0.03), single_click(detection=0.05),
              calibration=CalibrationParameters(interval_ns=SECOND_NS))  # fmt: skip
    net.simulation.weather.report = replace(net.simulation.weather.report, loss=0.1)
    net.simulation.run_for(300 * SECOND_NS)
    link = net.link()
    assert link.calibrations > 250 and link.free == link.memories
    net.reserve(0.7)
    net.request(0.7, 100.0, number=50)
    net.simulation.run_for(10 * SECOND_NS)
    assert len(net.ends[LOW].pairs) == len(net.ends[HIGH].pairs) == 50


def test_pairs_that_are_measured_at_once_are_tested_too() -> None:
    """Half of them in equal bases; the device's noise is found, the delivered outcomes are whole."""
    truth = single_click(visibility=0.5)
    net = Net(truth, single_click(), share=0.4)
    told: dict[Qna, list[Any]] = {LOW: [], HIGH: []}
    for own, other in ((LOW, HIGH), (HIGH, LOW)):
        net.node(own).machines.by_server[Server.EPR] = Listener(told[own])
        net.serve(own, ListenPairs(other, PurposeId(5)))
    deadline = net.simulation.places[LOW].local(net.simulation.now_ns + 100 * SECOND_NS)
    xyz = Reading(BasisChoice.XYZ)
    net.serve(
        LOW, CreatePairs(HIGH, PurposeId(5), 1, PairKind.MEASURE, 1_500, 0.75, 0, deadline, local=xyz, remote=xyz)
    )
    net.simulation.run_for(60 * SECOND_NS, lambda: told[HIGH] != [] and isinstance(told[HIGH][-1], CreateDone))
    pairs = {own: {each.sequence: each for each in told[own] if isinstance(each, PairOk)} for own in told}
    assert pairs[LOW].keys() == pairs[HIGH].keys() and len(pairs[LOW]) == 1_500
    link = net.link()
    assert link.tests == pytest.approx(link.samples / 3, rel=0.15) and link.samples > 500
    true = truth.at(link.bright).fidelity
    assert link.fidelity == pytest.approx(true, abs=0.06) and link.fidelity_bounds[0] <= true <= link.fidelity_bounds[1]


class Listener:
    """In the place of applications at one end."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def on_service(self, service: Any, now_ns: Instant) -> None:
        self.told.append(service)

    def take_effects(self) -> list[Any]:
        return []

    def next_deadline(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None

"""What Prometheus is told of a node. Names begin with `qstack_` and carry their unit."""

from collections.abc import Iterator

from qstack.base.ids import Qna, format_qna
from qstack.base.units import SECOND_NS
from qstack.control.replies import LinksReply, StatusReply
from qstack.control.service import ControlService
from qstack.daemon.exposition import CONTENT_TYPE, Family, Histogram, Labels, counter, exposition, gauge, histogram
from qstack.io.pages import Page
from qstack.node.node import Node

__all__ = ["PATH", "NodeMetrics"]

PATH = "/metrics"
_PLACES = ("free", "offered", "held", "emptying")
_TIME_TO_PAIR_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class NodeMetrics:
    """The page of a node. It looks at what operators may see, when it is asked; only histograms are kept here."""

    def __init__(self, node: Node, service: ControlService) -> None:
        self._node = node
        self._service = service
        self._waits: dict[Qna, Histogram] = {}
        node.machines.epr.on_first_pair = self._note_first_pair
        self.page = Page(PATH, CONTENT_TYPE, lambda: exposition(self._families()))

    def _note_first_pair(self, neighbour: Qna, waited_ns: int) -> None:
        self._waits.setdefault(neighbour, Histogram(_TIME_TO_PAIR_S)).observe(waited_ns / SECOND_NS)

    def _families(self) -> Iterator[Family]:
        status = self._service.status()
        yield gauge("qstack_info", "The daemon; always 1.", [(
            {"node": status.node, "name": status.name, "version": status.version}, 1,
        )])  # fmt: skip
        yield gauge("qstack_ready", "Whether the node serves, its device attached.", [({}, status.state == "ready")])
        yield gauge("qstack_uptime_seconds", "Since the daemon began.", [({}, status.uptime_s)])
        yield gauge("qstack_clock_max_error_seconds", "Bound on the error of the node's clock.",
                    [({}, status.max_error_ns / SECOND_NS)])  # fmt: skip
        yield gauge("qstack_neighbour_up", "Whether sealed traffic flows with a neighbour.", [
            ({"neighbour": each.node}, each.up) for each in self._service.neighbours().neighbours
        ])  # fmt: skip
        yield gauge("qstack_circuits", "Circuits through this node.", [({}, status.circuits)])
        yield gauge("qstack_units", "Service units that end here.", [({}, status.units)])
        yield gauge("qstack_endpoints", "Endpoints that applications serve.", [({}, status.endpoints)])
        yield from _device(status)
        yield from _links(self._service.links())
        yield histogram("qstack_epr_time_to_pair_seconds", "From a request of an application to its first pair.", [
            ({"neighbour": format_qna(neighbour)}, waits) for neighbour, waits in sorted(self._waits.items())
        ])  # fmt: skip
        yield counter("qstack_events_total", "The node's counters, by protocol and event.", [
            (_event(name), value) for name, value in self._service.counters().counters.items()
        ])  # fmt: skip


def _event(name: str) -> Labels:
    protocol, _, event = name.partition(".")
    return {"protocol": protocol, "event": event}


def _device(status: StatusReply) -> Iterator[Family]:
    yield gauge("qstack_device_attached", "Whether the quantum device is there.", [({}, status.device is not None)])
    if status.device is not None:
        device = status.device
        yield counter("qstack_device_results_total", "Results of the quantum device.", [({}, device.results)])
        yield counter("qstack_device_late_results_total", "Results that came after their instant.",
                      [({}, device.late_results)])  # fmt: skip
        yield gauge("qstack_device_worst_lateness_seconds", "How late the latest of them was.",
                    [({}, device.worst_lateness_ns / SECOND_NS)])  # fmt: skip


def _links(told: LinksReply) -> Iterator[Family]:
    links = [({"link": str(each.link), "neighbour": each.neighbour}, each) for each in told.links]
    yield gauge("qstack_link_up", "Whether the link can be used.", [(labels, each.up) for labels, each in links])
    yield counter("qstack_link_pairs_total", "Pairs made.", [(labels, each.pairs) for labels, each in links])
    yield counter("qstack_link_attempts_total", "Cycles in which a pair was attempted.",
                  [(labels, each.cycles_attempted) for labels, each in links])  # fmt: skip
    yield counter("qstack_link_errors_total", "Requests of applications without all their pairs, and pairs revoked.",
                  [(labels, each.errors) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_pair_rate_hertz", "Pairs a second, of late.",
                [(labels, each.rate_hz) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_fidelity_estimated", "Of a fresh pair.",
                [(labels, each.fidelity) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_fidelity_bound", "Where the estimate lies (95 %).", [
        ({**labels, "bound": bound}, getattr(each, f"fidelity_{bound}"))
        for labels, each in links for bound in ("low", "high")
    ])  # fmt: skip
    yield counter("qstack_link_tests_total", "Test rounds of which both ends have told.",
                  [(labels, each.tests) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_test_error_ratio", "Of test rounds, those that disagreed, by basis.", [
        ({**labels, "basis": basis}, rate)
        for labels, each in links if each.tests
        for basis, rate in zip(("Z", "X", "Y"), each.error_rates, strict=False)
    ])  # fmt: skip
    yield gauge("qstack_link_stocked_pairs", "Pairs that nobody has asked for yet.",
                [(labels, each.stocked) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_fidelity_asked", "The most that a live request of an application asks for.",
                [(labels, each.asked_fidelity) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_queued_requests", "Requests in the link's queue.",
                [(labels, each.queued_requests) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_open_windows", "Windows of attempts that are not known yet.",
                [(labels, each.open_windows) for labels, each in links])  # fmt: skip
    yield gauge("qstack_link_memories", "Memories by what they are used for.", [
        ({**labels, "place": place}, getattr(each, place)) for labels, each in links for place in _PLACES
    ])  # fmt: skip
    yield gauge("qstack_epr_sockets", "EPR sockets of applications, by state.", [
        ({"state": state}, sum(each.state == state for each in told.sockets))
        for state in ("waiting", "connected", "draining")
    ])  # fmt: skip
    yield gauge("qstack_epr_requests", "Requests of applications that are not over.",
                [({}, sum(len(each.requests) for each in told.sockets))])  # fmt: skip
    yield gauge("qstack_epr_qubits", "Qubits in the hands of applications.",
                [({}, sum(each.held for each in told.sockets))])  # fmt: skip

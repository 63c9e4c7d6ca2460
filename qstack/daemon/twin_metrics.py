"""What Prometheus is told of a twin. Names begin with `qtwind_` and carry their unit."""

from collections.abc import Callable, Iterator

from qstack import __version__
from qstack.base.units import SECOND_NS
from qstack.daemon.exposition import CONTENT_TYPE, Family, counter, exposition, gauge
from qstack.daemon.metrics import PATH
from qstack.io.pages import Page
from qstack.twin.statistics import TwinStatistics

__all__ = ["twin_page"]


def twin_page(statistics: Callable[[], TwinStatistics]) -> Page:
    """The page of a twin."""

    def families() -> Iterator[Family]:
        told = statistics()
        yield gauge("qtwind_info", "The digital twin; always 1.", [({"version": __version__}, 1)])
        yield counter("qtwind_pairs_created_total", "Pairs created.", [({}, told.created)])
        yield counter("qtwind_operations_total", "What was done to qubits, by primitive.", [
            ({"primitive": name}, getattr(told, name)) for name in ("swapped", "measured", "turned", "released")
        ])  # fmt: skip
        yield counter("qtwind_windows_total", "Windows of attempts that were resolved.", [({}, told.windows)])
        yield counter("qtwind_unmatched_windows_total", "Windows without both ends or their station.",
                      [({}, told.unmatched)])  # fmt: skip
        yield counter("qtwind_refused_total", "Requests and parts of requests that were refused.", [({}, told.refused)])
        yield counter("qtwind_malformed_total", "Datagrams that did not decode.", [({}, told.malformed)])
        yield counter("qtwind_late_results_total", "Results made after the instant at which they were to be known.",
                      [({}, told.late)])  # fmt: skip
        yield gauge("qtwind_worst_lateness_seconds", "How late the latest of them was.",
                    [({}, told.worst_lateness_ns / SECOND_NS)])  # fmt: skip

    return Page(PATH, CONTENT_TYPE, lambda: exposition(families()))

"""Metrics of a node and of a twin, read by Prometheus's own parser."""

from __future__ import annotations

import http.client
import socket
import subprocess
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from qstack.base.ids import make_qna
from qstack.cli.laboratory import Laboratory
from qstack.cli.qstackctl import main as qstackctl
from qstack.daemon.exposition import Histogram, exposition, gauge
from qstack.daemon.metrics import NodeMetrics
from qstack.daemon.twin_metrics import twin_page
from qstack.twin.statistics import TwinStatistics
from tests.control.daemon import FakeDaemon

FAR = make_qna(64512, 2)
TOPOLOGY = """
[lab]
name = "two"
metrics = true
[[node]]
name = "alice"
qna = "64512.1"
urn = ["urn:qkd:a"]
[[node]]
name = "bob"
qna = "64512.2"
urn = ["urn:qkd:b"]
[[link]]
between = ["alice", "bob"]
memories = 8
"""


def read(page: bytes) -> dict[str, Any]:
    """Families by name. The parser refuses what the format does not allow."""
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    assert all(family.documentation for family in families.values())
    return families


def value(families: dict[str, Any], name: str, **labels: str) -> float:
    [found] = [
        sample.value for family in families.values() for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]  # fmt: skip
    return float(found)


def node_page(daemon: FakeDaemon) -> tuple[bytes, Any]:
    epr = SimpleNamespace(on_first_pair=None)
    metrics = NodeMetrics(SimpleNamespace(machines=SimpleNamespace(epr=epr)), daemon)  # type: ignore[arg-type]
    epr.on_first_pair(FAR, 30_000_000)
    epr.on_first_pair(FAR, 2_000_000_000)
    return metrics.page.make(), metrics


def test_links_without_tests_tell_no_ratio_of_errors() -> None:
    daemon = FakeDaemon()
    told = daemon.links()
    daemon.links = lambda: msgspec.structs.replace(  # type: ignore[method-assign]
        told, links=tuple(msgspec.structs.replace(each, tests=0) for each in told.links)
    )
    assert b"qstack_link_test_error_ratio{" not in node_page(daemon)[0]


def test_node_tells_its_links_memories_requests_and_counters() -> None:
    families = read(node_page(FakeDaemon())[0])
    link = {"link": "1", "neighbour": "64512.2"}
    assert value(families, "qstack_link_pairs_total", **link) == 5
    assert value(families, "qstack_link_attempts_total", **link) == 100
    assert value(families, "qstack_link_pair_rate_hertz", **link) == 2.5
    assert value(families, "qstack_link_fidelity_estimated", **link) == 0.98
    assert value(families, "qstack_link_fidelity_asked", **link) == 0.95
    assert value(families, "qstack_link_errors_total", **link) == 3
    assert value(families, "qstack_link_fidelity_bound", bound="low", **link) == 0.965
    assert value(families, "qstack_link_test_error_ratio", basis="X", **link) == 0.02
    assert value(families, "qstack_link_stocked_pairs", **link) == 1
    assert value(families, "qstack_link_memories", place="held", **link) == 2
    assert value(families, "qstack_epr_sockets", state="connected") == 1
    assert value(families, "qstack_events_total", protocol="unit", event="started") == 1
    assert value(families, "qstack_info", node="64512.1") == 1
    assert value(families, "qstack_neighbour_up", neighbour="64512.3") == 0


def test_time_to_a_pair_is_a_histogram() -> None:
    families = read(node_page(FakeDaemon())[0])
    name = "qstack_epr_time_to_pair_seconds"
    assert families[name].type == "histogram"
    assert [value(families, f"{name}_bucket", le=bound) for bound in ("0.025", "0.05", "2.5", "+Inf")] == [0, 1, 2, 2]
    assert value(families, f"{name}_sum") == pytest.approx(2.03)


def test_twin_tells_primitives_and_lateness() -> None:
    told = TwinStatistics(created=3, measured=4, late=1, worst_lateness_ns=2_000_000)
    families = read(twin_page(lambda: told).make())
    assert value(families, "qtwind_pairs_created_total") == 3
    assert value(families, "qtwind_operations_total", primitive="measured") == 4
    assert value(families, "qtwind_worst_lateness_seconds") == 0.002


def test_labels_that_need_it_are_escaped() -> None:
    text = 'a "quoted" \\ text\nin two lines'
    [family] = read(exposition([gauge("x", text, [({"label": text}, 1.5)])])).values()
    assert family.samples[0].labels["label"] == text


def test_histogram_counts_a_value_on_its_bound_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.0)
    assert [count for suffix, _, count in histogram.samples({}) if suffix == "_bucket"] == [1, 1, 1]


def test_metrics_pass_promtool(tmp_path: Path) -> None:
    if which("promtool") is None:
        pytest.skip("promtool is not there: apt-get install prometheus")
    for page in (node_page(FakeDaemon())[0], twin_page(TwinStatistics).make()):
        ran = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_daemons_serve_their_metrics_where_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TOPOLOGY)
    laboratory = Laboratory(tmp_path / "dir")
    laboratory.up(tmp_path / "two.toml")
    try:
        assert qstackctl(["--socket", str(laboratory.socket_of("alice")), "wait", "connected"]) == 0
        families = read(over_unix(tmp_path / "dir" / "alice.metrics"))
        assert value(families, "qstack_link_up", neighbour="64512.2") == 1
        assert value(families, "qstack_link_memories", place="free") == 8
        assert read(over_unix(tmp_path / "dir" / "bob.metrics"))
        assert "qtwind_info" in read(over_unix(tmp_path / "dir" / "qtwind.metrics"))
    finally:
        laboratory.down()


def over_unix(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return answer.read()

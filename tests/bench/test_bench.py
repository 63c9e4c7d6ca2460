"""The benchmarks run, tell what they must, and the codec keeps its distance: ratios hold on a busy machine as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.benchmarks import __main__ as bench
from tools.benchmarks import circuit, codec, engine, peers, seal, session, starting
from tools.benchmarks.comparison import Comparison, best_us
from tools.benchmarks.peers import PeerAbsent

KEYS = ["name", "ours", "theirs", "peer", "unit", "ratio", "command"]
WANTED = {
    "codec.decode/scapy", "codec.encode/scapy", "codec.decode/dpkt", "session.handshake/dtls",
    "seal.datagrams/bare-udp", "nodes.start/simulaqron", "engine.swap/sequence", "engine.swap/c.1e3",
    "engine.swap/c.1e6", "engine.circuit/qutip", "twin.primitives/s", "twin.items/s", "twin.round-trip/p50",
}  # fmt: skip


def test_comparison_ratio_says_how_many_times_better_ours_is() -> None:
    assert Comparison("a.b/c", 2.0, 6.0, "C", "us").ratio == 3.0
    assert Comparison("a.b/c", 6.0, 2.0, "C", "datagrams per second", larger_is_better=True).ratio == 3.0
    assert Comparison("a.b/c", 6.0, None, "C (absent)", "us").ratio is None


def test_entries_are_those_that_are_wanted() -> None:
    assert set(bench.ENTRIES) >= WANTED


@pytest.mark.parametrize("name", ["nothing", "codec.", "code", "codec.decode/sca"])
def test_entry_that_does_not_exist_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(SystemExit, match=r"codec\.decode/scapy"):
        bench.chosen([name])


def test_entries_are_chosen_by_name_or_by_subject() -> None:
    assert bench.chosen(["codec.decode"]) == [codec.decode_scapy, codec.decode_dpkt]
    assert bench.chosen(["seal.datagrams/bare-udp"]) == [seal.datagrams]
    assert len(bench.chosen([])) == len(bench.ENTRIES)


def test_results_are_written_as_the_list_that_was_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [Comparison("a.b/c", 1.23456, 6.0, "C 1", "us"), Comparison("a.b/d", 2.0, None, "D (absent: no)", "s")]
    monkeypatch.setattr(bench, "ENTRIES", {result.name: lambda result=result: result for result in results})
    monkeypatch.setattr("sys.argv", ["bench", "--json", str(tmp_path / "out.json")])
    assert bench.main() == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert [list(entry) for entry in written] == [KEYS, KEYS]
    assert (written[0]["ours"], written[0]["ratio"], written[0]["command"]) == (1.235, 4.86, "./tools/bench a.b/c")
    assert (written[1]["theirs"], written[1]["ratio"]) == (None, None)
    assert "absent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entry", "at_least"), [(codec.decode_scapy, 50), (codec.encode_scapy, 50), (codec.decode_dpkt, 3)]
)
def test_codec_keeps_its_distance(entry: bench.Entry, at_least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scapy")
    monkeypatch.setattr(codec, "SECONDS", 0.4)
    result = entry()
    assert result.ratio is not None and result.ratio >= at_least, result


def test_handshake_is_measured_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HANDSHAKES", 3)
    result = session.handshake()
    assert result.ratio is not None and result.ratio > 0.1  # a busy machine may hold theirs up, too


def test_seal_is_slower_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "SECONDS", 0.2)
    result = seal.datagrams()
    assert result.ratio is not None and 0.01 < result.ratio < 1


def test_swap_keeps_up_with_a_plain_c_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROUND_SECONDS", 0.05)
    result = engine.swap_c(1000, "1e3")
    assert result.ratio is None or result.ratio >= 1 / 1.5, result


def test_swap_keeps_its_distance_from_sequence_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (peers.PEERS / "sequence" / "ready").exists():
        pytest.skip("SeQUeNCe is not installed: ./tools/bench engine.swap/sequence")
    monkeypatch.setattr(engine, "ROUND_SECONDS", 0.1)
    result = engine.swap_sequence()
    assert result.ratio is not None and result.ratio >= 50, result


def test_circuit_is_faster_than_qutip(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("qutip")
    monkeypatch.setattr(circuit, "SECONDS", 0.4)
    result = circuit.circuit()
    assert result.ratio is not None and result.ratio >= 5, result


def test_peer_of_the_engine_that_cannot_be_had_is_reported_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise PeerAbsent("no Python 3.12")

    monkeypatch.setattr(engine, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(engine, "sequence", refuse)
    monkeypatch.setattr(engine, "compile_loop", refuse)
    for result in (engine.swap_sequence(), engine.swap_c(100, "1e2")):
        assert result.ours > 0 and (result.theirs, result.ratio) == (None, None) and "3.12" in result.peer


def test_peer_that_cannot_be_had_is_reported_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise PeerAbsent("no network")

    monkeypatch.setattr(starting, "simulaqron", refuse)
    monkeypatch.setattr(starting, "_start_ours", lambda: 0.5)
    result = starting.starts()
    assert (result.ours, result.theirs, result.ratio) == (0.5, None, None)
    assert "absent: no network" in result.peer


def test_best_time_is_that_of_one_call() -> None:
    calls = []
    best = best_us(lambda: calls.append(None), 0.02)
    assert 0 < best < 1_000
    assert len(calls) > 10

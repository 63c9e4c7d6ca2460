"""Pairs over noisy links: what the protocols estimate, what the twin knows, and what theory says."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, sqrt
from pathlib import Path
from statistics import fmean

import pytest

from qstack.base.bell import Basis
from qstack.base.ids import QubitId, parse_qna
from qstack.config.expansion import OPERATOR_SOCKET
from qstack.io.operator import TwinOperator
from qstack.wire.control import PairDelivered
from qstack.wire.twin import FIDELITY_UNIT
from tests.daemon.application import Application
from tests.daemon.network import ALICE, BOB, ROOT, SERVED, Network, endpoint_urns, running

FRESH = 0.97
PAIRS = 160
T1_S, T2_S = 4.0, 1.0
ROUNDING = 1 / 65_535
_EXAMPLE = (ROOT / "tools/examples/madqci-quditto-noisy.toml").read_text()
NOISY = _EXAMPLE.replace("fidelity = 0.98", f"fidelity = {FRESH}").replace("memories = 32", "memories = 192")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Werner pairs, memories that keep them for ever."""
    text = NOISY.replace("t1-ns = 10_000_000_000\nt2-ns = 1_000_000_000\n", "")
    with running(tmp_path_factory.mktemp("lasting"), text) as network:
        yield network


def after_swaps(fidelity: float, links: int) -> float:
    """Werner pairs joined by perfect Bell measurements: their weights multiply."""
    return (1 + 3 * ((4 * fidelity - 1) / 3) ** links) / 4


def after_storage(fidelity: float, bell_index: int, seconds: float) -> float:
    """Both halves of a Werner pair in memories: correlations shrink, |1> falls towards |0> (Z to I with 1 - e1)."""
    weight = (4 * fidelity - 1) / 3
    e1, e2 = exp(-seconds / T1_S), exp(-seconds / T2_S)
    xx = yy = weight * e2**2
    even = -1 if bell_index >> 1 else 1  # Psi states anticorrelate in Z
    zz = weight * e1**2 + even * (1 - e1) ** 2
    return (1 + xx + yy + zz) / 4


def look(network: Network, pairs: list[PairDelivered]) -> list[tuple[PairDelivered, float, int]]:
    """Each pair with its true fidelity and the instant at which that was seen."""
    with TwinOperator(network.folder / OPERATOR_SOCKET) as twin:
        seen = [(pair, twin.inspect(parse_qna("64512.1"), QubitId(pair.qubit))) for pair in pairs]
    assert all(not inspected.alone for _, inspected in seen)
    return [(pair, i.fidelities[pair.bell_index] / FIDELITY_UNIT, i.completed_at) for pair, i in seen]


def test_pairs_over_four_werner_links_have_the_fidelity_of_theory(lasting: Network) -> None:
    with Application(lasting.socket(ALICE)) as alice, Application(lasting.socket(BOB)) as bob:
        bob.claim(SERVED)
        ours = alice.open_unit(endpoint_urns(PAIRS), "PAIRS")
        near = ours.pairs(PAIRS)
        theirs = bob.next_unit()
        far = {pair.pair: pair for pair in theirs.pairs(PAIRS)}
        theory = after_swaps(FRESH, 4)
        for pair, true, _ in look(lasting, near):
            assert true == pytest.approx(theory, abs=1e-6)
            assert pair.fidelity / 65_535 == pytest.approx(theory, abs=ROUNDING)
            assert far[pair.pair].bell_index == pair.bell_index
        assert {pair.bell_index for pair in near} == {0, 1, 2, 3}
        mine, other = ours.measure(near, Basis.Z), theirs.measure(list(far.values()), Basis.Z)
    wrong = sum(mine[pair.pair] ^ other[pair.pair] ^ pair.bell_index >> 1 for pair in near)
    rate = 2 * (1 - theory) / 3  # facts of Werner states: two of the three wrong Bell states differ in Z
    assert abs(wrong - PAIRS * rate) < 5 * sqrt(PAIRS * rate * (1 - rate))
    lasting.nothing_held()


def test_key_over_noisy_links_is_refused_at_both_ends_with_the_reason(lasting: Network) -> None:
    lasting.wait(BOB, "endpoints=0")
    with Application(lasting.socket(ALICE)) as alice, Application(lasting.socket(BOB)) as bob:
        bob.claim(SERVED)
        unit = alice.open_unit(endpoint_urns(128))
        failures = (unit.failure(), bob.next_unit().failure())
    assert all("test rounds disagreed" in each.text for each in failures)
    lasting.nothing_held()


def test_pairs_in_forgetful_memories_are_estimated_as_they_are(tmp_path: Path) -> None:
    text = NOISY.replace("t1-ns = 10_000_000_000", f"t1-ns = {T1_S:.0f}_000_000_000")
    with running(tmp_path / "lab", text) as network:
        with Application(network.socket(ALICE)) as alice, Application(network.socket(BOB)) as bob:
            bob.claim(SERVED)
            unit = alice.open_unit(endpoint_urns(64), "PAIRS")
            seen = look(network, unit.pairs(64))
            theirs = {pair.pair: pair for pair in bob.next_unit().pairs(64)}
        fresh = after_swaps(FRESH, 4)
        errors = []
        for pair, true, at in seen:
            estimated = pair.fidelity / 65_535
            assert estimated < fresh, "time passed before the last swap"
            expected = after_storage(estimated, pair.bell_index, (at - pair.as_of) / 1e9)
            errors.append(true - expected)
            assert theirs[pair.pair].bell_index == pair.bell_index
        assert max(map(abs, errors)) < 0.01
        assert abs(fmean(errors)) < 0.002
        network.nothing_held()

"""Whole networks from one number each: in continuous integration as many as two minutes hold, never less than 300."""

import os

import pytest

from qstack.testing.campaign import summarize

LEAST = 300
BUDGET_S = float(os.environ.get("QSTACK_SIM_SECONDS", "0"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_seeds_no_invariant_is_broken_in_any_of_them() -> None:
    summary = summarize(os.cpu_count() or 1, least=LEAST, budget_s=BUDGET_S)
    print(summary.text())
    assert summary.trials >= LEAST
    for result in summary.failed[:1]:
        pytest.fail("\n".join((f"tools/sim --replay {result.seed}", result.story, *result.faults)), pytrace=False)
    # A campaign in which nothing goes wrong, or nothing succeeds, would show nothing.
    assert min(summary.outcomes[name] for name in ("confirmed", "shared", "failed timeout", "died")) > LEAST // 30
    assert len(summary.points) > 10

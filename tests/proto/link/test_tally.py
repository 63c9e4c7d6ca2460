"""Test rounds counted: the correction converges to what is true, follows a drift, and is honest about its doubt."""

import random

import pytest

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import LocalMisuse
from qstack.base.time import Instant
from qstack.base.units import MINUTE_NS, SECOND_NS
from qstack.proto.link.tally import TESTED_BASES, ErrorTally, TallyParameters
from qstack.quantum.formulas import bell_diagonal, error_rates, fidelities, fidelity, werner
from qstack.quantum.links import LinkModel


def rate(state: tuple[float, ...], bell: int, basis: Basis) -> float:
    return getattr(error_rates(state, bell), basis.name.lower())  # type: ignore[no-any-return]


def observe(tally: ErrorTally, tests: int, truth: tuple[float, ...], model: tuple[float, ...], bell: int = 0,
                  seed: int = 1, start: int = 0) -> int:  # fmt: skip
    """Make tests, a second apart, of pairs that are `truth`; the instant after them."""
    dice = random.Random(seed)
    for n in range(tests):
        basis = dice.choice(TESTED_BASES)
        agreement = dice.random() >= rate(truth, bell, basis)
        tally.note(basis, agreement, 1.0 - 2.0 * rate(model, bell, basis), Instant(start + n * SECOND_NS // 100))
    return start + tests * SECOND_NS // 100


def test_untested_link_is_what_its_model_says() -> None:
    tally = ErrorTally(TallyParameters())
    seen = tally.fidelity(werner(0.93), 0)
    assert seen.value == pytest.approx(0.93)
    assert seen.low < 0.55 and seen.high == 1.0


@pytest.mark.parametrize("truth", [0.97, 0.9, 0.8, 0.7])
def test_worse_device_is_noticed_and_the_estimate_converges_to_the_truth(truth: float) -> None:
    model = werner(0.97)
    tally = ErrorTally(TallyParameters(remembered_tests=4_000))
    observe(tally, 9_000, werner(truth), model)
    seen = tally.fidelity(model, 0)
    assert seen.value == pytest.approx(truth, abs=0.01)
    assert seen.low < truth < seen.high and seen.high - seen.low < 0.03


def test_better_device_is_noticed_too() -> None:
    tally = ErrorTally(TallyParameters())
    observe(tally, 3_000, werner(0.95), werner(0.85))
    assert tally.fidelity(werner(0.85), 0).value == pytest.approx(0.95, abs=0.015)


def test_biased_noise_shows_in_its_bases() -> None:
    truth = bell_diagonal((0.85, 0.15, 0.0, 0.0))  # dephasing: none in Z, 0.15 in X and Y
    tally = ErrorTally(TallyParameters(remembered_tests=5_000))
    observe(tally, 12_000, truth, werner(1.0))
    assert tally.error_rate(Basis.Z).value == 0.0
    for basis in (Basis.X, Basis.Y):
        seen = tally.error_rate(basis)
        assert seen.low < 0.15 < seen.high
    told = fidelities(tally.corrected(werner(1.0)))
    assert told[0] == pytest.approx(0.85, abs=0.015) and told[1] == pytest.approx(0.15, abs=0.015)


def test_correction_of_one_setting_serves_another() -> None:
    """A link whose light interferes worse than its model says (visibility 0.6 instead of 0.9), tested at one alpha."""

    def single_click(bright: float, visibility: float) -> tuple[float, ...]:
        return LinkModel.single_click(cycle_ns=1_000, bright=(bright, bright), detection=(1e-3, 1e-3),
                                      visibility=visibility).state(BellIndex.PSI_PLUS)  # fmt: skip

    tally = ErrorTally(TallyParameters(remembered_tests=5_000))
    observe(tally, 15_000, single_click(0.1, 0.6), single_click(0.1, 0.9), BellIndex.PSI_PLUS)
    for bright in (0.05, 0.1, 0.3):
        told = tally.fidelity(single_click(bright, 0.9), BellIndex.PSI_PLUS)
        assert told.value == pytest.approx(fidelity(single_click(bright, 0.6), BellIndex.PSI_PLUS), abs=0.015)


def test_drift_is_followed() -> None:
    tally = ErrorTally(TallyParameters(remembered_tests=300))
    later = observe(tally, 6_000, werner(0.95), werner(0.95))
    assert tally.fidelity(werner(0.95), 0).value == pytest.approx(0.95, abs=0.02)
    observe(tally, 3_000, werner(0.8), werner(0.95), start=later, seed=2)
    assert tally.fidelity(werner(0.95), 0).value == pytest.approx(0.8, abs=0.03)


def test_what_is_old_becomes_uncertain_and_the_model_counts_again() -> None:
    tally = ErrorTally(TallyParameters(memory_ns=10 * MINUTE_NS))
    later = observe(tally, 3_000, werner(0.8), werner(0.95))
    before = tally.fidelity(werner(0.95), 0)
    tally.age(Instant(later + 90 * MINUTE_NS))
    after = tally.fidelity(werner(0.95), 0)
    assert after.high - after.low > 2 * (before.high - before.low)
    assert before.value < 0.83 and after.value > 0.93


def test_corrected_state_is_a_state() -> None:
    tally = ErrorTally(TallyParameters(prior_tests=0.1))
    for _ in range(50):
        tally.note(Basis.X, True, 0.5, Instant(0))
        tally.note(Basis.Y, False, 0.5, Instant(0))
        tally.note(Basis.Z, True, 0.5, Instant(0))
    weights = fidelities(tally.corrected(werner(0.9)))
    assert min(weights) >= -1e-12 and sum(weights) == pytest.approx(1.0)


def test_coverage_of_the_interval() -> None:
    inside = 0
    for seed in range(120):
        tally = ErrorTally(TallyParameters(remembered_tests=100_000, prior_tests=0.0))
        observe(tally, 300, werner(0.9), werner(1.0), seed=seed)
        seen = tally.fidelity(werner(1.0), 0)
        inside += seen.low <= 0.9 <= seen.high
    assert inside >= 0.9 * 120, "an interval of 95 %"


def test_parameters_without_sense_are_refused() -> None:
    with pytest.raises(LocalMisuse):
        TallyParameters(remembered_tests=0)
    with pytest.raises(LocalMisuse):
        TallyParameters(prior_tests=-1.0)

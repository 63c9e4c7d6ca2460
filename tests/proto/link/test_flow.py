"""The flow control bound, against exact binomial tails and against Hoeffding's form of it."""

from math import comb, log, sqrt

import pytest

from qstack.base.errors import LocalMisuse
from qstack.proto.link.flow import MOST_ATTEMPTS, attempts_in_flight

RISK = 1e-3


def overflow(attempts: int, places: int, probability: float) -> float:
    """P[more than `places` of `attempts` succeed]."""
    return 1.0 - sum(
        comb(attempts, k) * probability**k * (1.0 - probability) ** (attempts - k) for k in range(places + 1)
    )


def hoeffding(places: int, probability: float, risk: float) -> int:
    """Largest n with n p + sqrt(n ln(1/risk) / 2) <= places."""
    width = sqrt(log(1.0 / risk) / 2.0)
    root = (-width + sqrt(width * width + 4.0 * probability * places)) / (2.0 * probability)
    return int(root * root)


@pytest.mark.parametrize("places", [1, 2, 5, 12])
@pytest.mark.parametrize("probability", [0.02, 0.2, 0.7])
def test_bound_holds_and_is_not_far_from_the_best(places: int, probability: float) -> None:
    allowed = attempts_in_flight(places, probability, RISK)
    assert overflow(allowed, places, probability) <= RISK
    best = next(n for n in range(allowed, 10_000) if overflow(n + 1, places, probability) > RISK)
    assert allowed >= 0.45 * best


@pytest.mark.parametrize("places", [1, 10, 192])
@pytest.mark.parametrize("probability", [1e-5, 1e-3, 0.1, 0.9])
def test_bound_allows_no_less_than_the_heuristic_of_hoeffding(places: int, probability: float) -> None:
    assert attempts_in_flight(places, probability, RISK) >= hoeffding(places, probability, RISK)


def test_as_many_attempts_as_places_are_always_allowed() -> None:
    assert attempts_in_flight(7, 1.0, 1e-9) == 7
    assert attempts_in_flight(0, 0.5, RISK) == 0
    assert attempts_in_flight(3, 0.0, RISK) == MOST_ATTEMPTS


def test_ten_places_at_one_success_in_ten_thousand() -> None:
    assert attempts_in_flight(10, 1e-4, RISK) == 27_811
    assert hoeffding(10, 1e-4, RISK) == 28


@pytest.mark.parametrize(("probability", "risk"), [(-0.1, 0.1), (1.1, 0.1), (0.1, 0.0), (0.1, 1.0)])
def test_what_is_no_probability_is_refused(probability: float, risk: float) -> None:
    with pytest.raises(LocalMisuse):
        attempts_in_flight(1, probability, risk)

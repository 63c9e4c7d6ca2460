"""What operators are told of a link's speed does not depend on when they look."""

import pytest

from qstack.base.units import MILLISECOND_NS, SECOND_NS
from qstack.proto.link.rate import Rate


def test_rate_is_that_of_the_last_second_whoever_looked_before() -> None:
    rate = Rate(SECOND_NS)
    for now_ns in range(1000 * SECOND_NS, 1010 * SECOND_NS, 10 * MILLISECOND_NS):  # after a long idle time
        rate.count(7, now_ns)
    assert rate.hz(now_ns) == pytest.approx(700, rel=0.01)
    assert rate.hz(now_ns) == rate.hz(now_ns)
    assert rate.hz(now_ns + 10 * SECOND_NS) < 0.1


def test_rate_of_a_link_without_pairs_is_nothing() -> None:
    assert Rate(SECOND_NS).hz(SECOND_NS) == 0.0

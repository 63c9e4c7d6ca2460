"""Flow control: how many attempts may be in flight for so many places (ESTIMATION-4).

Whoever attempts does not know yet what the attempts before have brought. Let each succeed with probability p: how many
may be made at once, if more than `places` successes are to be as rare as `risk`? The heuristic of Dahlberg et al. 2019
asks Hoeffding's inequality, n p + sqrt(n ln(1/risk) / 2) <= places. That bound does not know that p is small: with p
1e-4 and risk 1e-3 it allows 28 attempts for ten places, where 27,811 are safe. The inequality that it is derived from
(Chernoff's, in the relative entropy D) is as cheap to ask: P[at least k successes of n] <= exp(-n D(k/n || p)).
"""

from math import log, log1p

from qstack.base.errors import LocalMisuse

__all__ = ["MOST_ATTEMPTS", "attempts_in_flight"]

MOST_ATTEMPTS = 1 << 32  # a window has no more cycles


def attempts_in_flight(places: int, success_probability: float, risk: float) -> int:
    """The most attempts, 0..2^32, of which more than `places` succeed with a probability of at most `risk`.

    Raises `LocalMisuse` unless 0 <= success_probability <= 1 and 0 < risk < 1.
    """
    if not 0.0 <= success_probability <= 1.0 or not 0.0 < risk < 1.0:
        raise LocalMisuse(f"flow control with success probability {success_probability} and risk {risk}")
    if places < 0:
        return 0
    allowed, refused = places, MOST_ATTEMPTS + 1  # as many attempts as places are always allowed
    while refused - allowed > 1:
        middle = (allowed + refused) // 2
        if _overflow_exponent(middle, places + 1, success_probability) <= log(risk):
            allowed = middle
        else:
            refused = middle
    return allowed


def _overflow_exponent(attempts: int, successes: int, probability: float) -> float:
    """Logarithm of a bound on P[at least `successes` of `attempts`]."""
    share = successes / attempts
    if probability <= 0.0 or share > 1.0:
        return -float("inf")
    if share <= probability:
        return 0.0  # no more than is expected: no bound
    divergence = share * log(share / probability)
    if share < 1.0:
        divergence += (1.0 - share) * (log1p(-share) - log1p(-probability))
    return -attempts * divergence

"""What no link can beat, and how long several links take: sums and logarithms to hold models and plans against."""

from math import comb, inf, log2

from qstack.base.errors import LocalMisuse
from qstack.quantum.heralding import check_probabilities

__all__ = ["direct_capacity", "direct_squashed_bound", "slowest_attempts"]


def direct_capacity(transmissivity: float) -> float:
    """Secret bits, or pairs, that one use of a lossy channel can give at most: -log2(1 - eta) (Pirandola et al., Nature
    Communications 8 (2017) 15043). A station in the middle of a link is held to the channel of its darker arm."""
    check_probabilities(transmissivity)
    return inf if transmissivity >= 1.0 else -log2(1.0 - transmissivity)


def direct_squashed_bound(transmissivity: float) -> float:
    """The older, looser bound log2((1 + eta) / (1 - eta)) (Takeoka, Guha and Wilde, Nature Communications 5 (2014)
    5235)."""
    check_probabilities(transmissivity)
    return inf if transmissivity >= 1.0 else log2((1.0 + transmissivity) / (1.0 - transmissivity))


def slowest_attempts(links: int, success_probability: float) -> float:
    """Expected attempts until each of `links` links that try side by side has succeeded once.

    sum over k of (-1)^(k+1) C(n, k) / (1 - (1-p)^k); infinite for a link that never succeeds. The sum loses digits as n
    grows: `links` is at most 30.
    """
    if not 1 <= links <= 30:
        raise LocalMisuse(f"{links} links side by side are not 1 to 30")
    check_probabilities(success_probability)
    if success_probability == 0.0:
        return inf
    fails = 1.0 - success_probability
    terms = (comb(links, k) / (1.0 - fails**k) for k in range(1, links + 1))
    return sum(-term if n % 2 else term for n, term in enumerate(terms))

"""Which pairs are tests, and how two ends' words are put together."""

from collections import Counter
from itertools import product

import pytest

from qstack.base.bell import Basis, BellIndex
from qstack.base.ids import Cycle, Qna
from qstack.base.time import DomainTime
from qstack.proto.link.rounds import (
    SHARE_UNIT,
    OwnSample,
    PairName,
    Sampler,
    SamplingTerms,
    Seen,
    agrees,
    draw_basis,
)
from qstack.quantum.formulas import BELL_SIGNS

STATION = Qna(7)
TERMS = SamplingTerms(3, bytes(range(16)), SHARE_UNIT // 8)


def name(n: int, station: Qna = STATION) -> PairName:
    return PairName(station, n, Cycle(1_000_000 + 17 * n))


def own(bit: int = 0) -> OwnSample:
    return OwnSample(Seen(Basis.X, bit, DomainTime(5)), 0, 0, DomainTime(1))


def test_share_of_pairs_is_tested_and_bases_are_even() -> None:
    drawn = Counter(draw_basis(TERMS, name(n)) for n in range(40_000))
    assert sum(drawn[basis] for basis in (Basis.X, Basis.Y, Basis.Z)) == pytest.approx(5_000, abs=250)
    for basis in (Basis.X, Basis.Y, Basis.Z):
        assert drawn[basis] == pytest.approx(5_000 / 3, abs=150)


@pytest.mark.parametrize(("share", "tested"), [(0, 0), (SHARE_UNIT - 1, 500)])
def test_none_and_all(share: int, tested: int) -> None:
    terms = SamplingTerms(1, b"seed", share)
    assert sum(draw_basis(terms, name(n)) is not None for n in range(500)) == tested


def test_draw_depends_on_seed_and_on_all_that_names_a_pair() -> None:
    def draws(terms: SamplingTerms, shift: int = 0, station: Qna = STATION) -> list[Basis | None]:
        return [draw_basis(terms, PairName(station, n, Cycle(n + shift))) for n in range(400)]

    whole = SamplingTerms(1, b"a", SHARE_UNIT - 1)
    assert draws(whole) == draws(whole)
    others = (draws(SamplingTerms(1, b"b", SHARE_UNIT - 1)), draws(whole, 1), draws(whole, 0, Qna(8)))
    for other in others:
        same = sum(one == another for one, another in zip(draws(whole), other, strict=True))
        assert same < 200, "a third of the bases by chance"


@pytest.mark.parametrize("bell", BellIndex)
def test_agreement_is_what_the_bell_state_has_as_sign(bell: BellIndex) -> None:
    for basis, (mine, theirs) in product((Basis.X, Basis.Y, Basis.Z), product((0, 1), repeat=2)):
        sign = BELL_SIGNS[bell][{Basis.X: 1, Basis.Y: 2, Basis.Z: 3}[basis]]
        assert agrees(bell, basis, mine, theirs) == ((-1) ** (mine ^ theirs) == sign)


def test_words_meet_in_either_order_and_once() -> None:
    sampler, theirs = Sampler(), Seen(Basis.X, 1, DomainTime(6))
    assert sampler.measured(STATION, 1, own()) is None
    assert sampler.told(STATION, 1, theirs) == (own(), theirs)
    assert sampler.told(STATION, 2, theirs) is None
    assert sampler.measured(STATION, 2, own()) == (own(), theirs)
    assert sampler.told(STATION, 1, theirs) is None and sampler.measured(Qna(8), 1, own()) is None


def test_what_is_never_told_is_forgotten() -> None:
    sampler = Sampler()
    for n in range(5_000):
        sampler.told(STATION, n, Seen(Basis.Z, 0, DomainTime(0)))
    assert sampler.unmatched == 5_000 - 4_096
    assert sampler.measured(STATION, 0, own()) is None and sampler.measured(STATION, 4_999, own()) is not None


def test_terms_are_known_by_number_and_the_last_are_remembered() -> None:
    sampler = Sampler()
    for number in range(1, 20):
        sampler.agree(SamplingTerms(number, bytes((number,)), SHARE_UNIT - 1))
    assert sampler.knows(0) and sampler.knows(19) and sampler.knows(4) and not sampler.knows(3)
    assert sampler.basis_of(0, name(1)) is None and sampler.basis_of(3, name(1)) is None
    assert sampler.basis_of(19, name(1)) == draw_basis(SamplingTerms(19, b"\x13", SHARE_UNIT - 1), name(1))
    sampler.restart()
    assert not sampler.knows(19)

"""Units of kind PAIRS: which pairs are delivered."""

import pytest

from qstack.base.effects import CallDevice
from qstack.base.units import MINUTE_NS, fidelity_to_wire
from qstack.wire.control import PairDelivered
from qstack.wire.unit import UnitKind
from tests.proto.unit.couple import ALICE, BOB, Couple


@pytest.mark.parametrize("asked, delivered", [(0.96, 5), (0.98, 0)])
def test_unit_pairs_are_delivered_only_as_good_as_they_were_asked_for(asked: float, delivered: int) -> None:
    """Those of the couple are estimated at 0.97."""
    couple = Couple()
    couple.open(UnitKind.PAIRS, 5, min_fidelity=fidelity_to_wire(asked))
    for node in (ALICE, BOB):
        assert sum(isinstance(message, PairDelivered) for message in couple.told[node]) == delivered
        assert len(couple.held[node]) == delivered


def test_unit_whose_pairs_do_not_fit_says_what_holds_it_up() -> None:
    couple = Couple()
    couple.open(UnitKind.PAIRS, 40, min_fidelity=fidelity_to_wire(0.98))
    couple.pass_time(MINUTE_NS)
    assert "time is over, 0 of 40 pairs came" in couple.failures(ALICE)[0].text
    held = Couple(memories=8)
    held.open(UnitKind.PAIRS, 40)
    held.pass_time(MINUTE_NS)
    assert "8 of 40 pairs came; 8 are held, each in a memory until it is measured" in held.failures(ALICE)[0].text


def test_unit_key_is_judged_by_its_tests_and_not_by_estimates() -> None:
    couple = Couple()
    couple.open(min_fidelity=fidelity_to_wire(0.98))
    assert couple.keys(ALICE)[0].key == couple.keys(BOB)[0].key


def test_unit_whose_device_never_answers_leaves_no_measurement_behind() -> None:
    couple = Couple()
    carry = couple._carry
    couple._carry = lambda own, effect: None if isinstance(effect, CallDevice) else carry(own, effect)
    couple.open()
    assert couple.machines[ALICE].open_measurements
    couple.pass_time(MINUTE_NS)
    for node in (ALICE, BOB):
        assert couple.failures(node) and not couple.machines[node].open_measurements

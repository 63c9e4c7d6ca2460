"""Labels: whose they are, and that they do not come back."""

import pytest

from qstack.base.errors import ResourceLimit
from qstack.base.ids import Label, make_qna
from qstack.proto.circuit.labels import LabelTable, is_of

LOW, OWN, HIGH = make_qna(64512, 1), make_qna(64512, 5), make_qna(64513, 1)


def test_label_belongs_to_one_end_of_the_link() -> None:
    table: LabelTable[str] = LabelTable(OWN, 100, 0)
    for neighbour in (LOW, HIGH) * 10:
        label = table.give(neighbour, "x")
        assert is_of(label, OWN, neighbour) and not is_of(label, neighbour, OWN)


def test_zero_is_nobodys_label() -> None:
    assert not is_of(Label(0), LOW, OWN) and not is_of(Label(0), OWN, LOW)
    table: LabelTable[str] = LabelTable(LOW, 100, 0xFFFF_FFFE)
    assert [table.give(OWN, "x") for _ in range(2)] == [0xFFFF_FFFE, 2]


def test_label_is_found_until_it_is_taken_back_and_not_given_again_soon() -> None:
    table: LabelTable[str] = LabelTable(OWN, 2, 7)
    first = table.give(HIGH, "first")
    assert table.find(first) == "first"
    table.take_back(first)
    table.take_back(first)
    assert table.find(first) is None and len(table) == 0
    given = set()
    for _ in range(50):
        label = table.give(HIGH, "later")
        given.add(label)
        table.take_back(label)
    assert len(given) == 50 and first not in given


def test_labels_are_bounded() -> None:
    table: LabelTable[str] = LabelTable(OWN, 2, 0)
    table.give(HIGH, "a")
    table.give(LOW, "b")
    with pytest.raises(ResourceLimit):
        table.give(HIGH, "c")

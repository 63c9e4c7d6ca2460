"""Bit diagrams: drawn to scale, every field named, as RFCs have them."""

from __future__ import annotations

import pytest

from qstack.dissect import catalogue
from qstack.dissect.diagrams import Cell, cells, draw
from qstack.wire.header import QuantumPayloadTlv
from qstack.wire.value import Record

STRUCTURES = [cls for protocol in catalogue.namespaces() for cls in catalogue.structures(protocol)]

QUANTUM_PAYLOAD = """\
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|         type = 0x8002         |             length            |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                              qui                              |
+                                                               +
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|             count             |    encoding   |t|   reserved  |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                            channel                            |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                            guard ns                           |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                          duration ns                          |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                             leaves                            |
+                                                               +
|                                                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|       required fidelity       |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+"""


def test_diagram_of_a_tlv_is_drawn_as_in_an_rfc() -> None:
    assert draw(cells(QuantumPayloadTlv)) == QUANTUM_PAYLOAD


def test_diagram_of_a_field_that_begins_in_mid_row_is_open_where_it_goes_through() -> None:
    drawn = draw([Cell("a", 16), Cell("long", 64), Cell("b", 16)]).splitlines()[2:]
    assert drawn == [
        "+" + "-+" * 32,
        "|" + "a".center(31) + "|" + " " * 31 + "|",
        "+" + "-+" * 16 + " " * 31 + "+",
        "|" + "long".center(63) + "|",
        "+" + " " * 31 + "+" + "-+" * 16,
        "|" + " " * 31 + "|" + "b".center(31) + "|",
        "+" + "-+" * 32,
    ]


def test_diagram_of_what_has_no_fixed_length_is_a_row_between_tildes() -> None:
    drawn = draw([Cell("n", 8), Cell("names", 0), Cell("last", 8)]).splitlines()
    assert drawn[3] == "|" + "n".center(15) + "|"
    assert drawn[5] == "~" + "names".center(63) + "~"
    assert drawn[7] == "|" + "last".center(15) + "|"


@pytest.mark.parametrize("cls", STRUCTURES, ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}-{cls.NAME}")
def test_diagram_of_every_structure_is_to_scale(cls: type[Record]) -> None:
    what = list(cells(cls))
    lines = draw(what).splitlines()
    assert all(len(line) <= 65 and line == line.rstrip() for line in lines[2:])
    rows = [line for line in lines[2:] if line[0] in "|~"]
    drawn_bits = sum((len(line) - 1) // 2 for line in rows if line[0] == "|")
    assert drawn_bits == sum(cell.bits for cell in what)
    assert sum(line[0] == "~" for line in rows) == sum(cell.bits == 0 for cell in what)


@pytest.mark.parametrize("cls", STRUCTURES, ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}-{cls.NAME}")
def test_diagram_of_every_structure_names_every_field_with_room_for_its_name(cls: type[Record]) -> None:
    drawn = draw(cells(cls))
    for cell in cells(cls):
        label = cell.label.replace("_", " ")
        room = min(2 * cell.bits - 1, 31) if cell.bits else 63  # a field may lie half in one row, half in the next
        if len(label) <= room // 2:
            assert label in drawn

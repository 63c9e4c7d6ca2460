"""Bit diagrams as RFCs draw them: 32 bits a row, one column of two characters a bit.

Fields are drawn where they lie as long as that is fixed. What has no fixed length gets a row of its own between tildes,
and whatever follows it begins a new row, wherever it lies.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qstack.wire.schema import Field, Kind, Layout
from qstack.wire.value import Message, Record, Tlv

__all__ = ["Cell", "cells", "draw"]

WIDTH = 32
_RULER = (
    " " + " ".join(f"{bit // 10}" if bit % 10 == 0 else " " for bit in range(WIDTH)).rstrip(),
    " " + " ".join(f"{bit % 10}" for bit in range(WIDTH)),
)
_LARGEST_DRAWN = 16  # octets; longer fields are drawn as those without a fixed length


@dataclass(frozen=True, slots=True)
class Cell:
    """Something to draw. `bits` 0: of no fixed length."""

    label: str
    bits: int


def cells(cls: type[Record]) -> Iterator[Cell]:
    """What stands in a message, TLV or record, in order."""
    if issubclass(cls, Message):
        yield Cell(f"code = {cls.CODE}", 8)
    if issubclass(cls, Tlv):
        yield from (Cell(f"type = 0x{cls.CODE:04x}", 16), Cell("length", 16))
    for field in cls.LAYOUT.fields:
        yield from _cells_of(field)


def _cells_of(field: Field, owner: str = "") -> Iterator[Cell]:
    name = f"{owner}{field.name}"
    match field.kind:
        case Kind.RESERVED:
            yield Cell("0" if field.bits < 4 else "reserved", field.bits)
        case Kind.UNSIGNED:
            yield Cell(name, field.bits)
        case Kind.FIXED if field.size <= _LARGEST_DRAWN:
            yield Cell(name, 8 * field.size)
        case Kind.FIXED:
            yield Cell(f"{name} ({field.size} octets)", 0)
        case Kind.PREFIXED | Kind.TEXT:
            yield from (Cell(f"{name} length", field.bits), Cell(name, 0))
        case Kind.LIST:
            yield from (Cell(f"{name} count", field.bits), Cell(f"{name} ({_item_name(field)} each)", 0))
        case Kind.RECORD:
            yield from _record_cells(field, name)
        case Kind.TLVS if field.bits:
            yield from (Cell(f"{name} length", field.bits), Cell(f"{name} (TLVs)", 0))
        case Kind.TLVS:
            yield Cell(f"{name} (TLVs, to the end)", 0)
        case _:
            yield Cell(f"{name} (to the end)", 0)


def _record_cells(field: Field, name: str) -> Iterator[Cell]:
    """A record of fixed and small size is drawn in place."""
    layout: Layout = field.item.LAYOUT
    if layout.maximum_size == layout.minimum_size <= _LARGEST_DRAWN:
        for inner in layout.fields:
            yield from _cells_of(inner, f"{name}.")
    else:
        yield Cell(f"{name} ({layout.name})", 0)


def _item_name(field: Field) -> str:
    if not isinstance(field.item, Field):
        return str(field.item.NAME)
    if field.item.kind is Kind.UNSIGNED:
        return f"{field.item.bits} bits"
    if field.item.kind is Kind.FIXED:
        return f"{field.item.size} octets"
    return f"length in {field.item.bits} bits, octets"


def draw(what: Iterable[Cell]) -> str:
    """The diagram, with its ruler, without a last newline."""
    drawn = list(what)
    rows = list(_rows(drawn))
    lines = list(_RULER)
    for above, row, below in zip([[], *rows], rows, [*rows[1:], []], strict=False):
        lines += [_rule(above, row), _line(above, row, below, drawn)]
    return "\n".join([*lines, _rule(rows[-1] if rows else [], [])])


def _rows(drawn: list[Cell]) -> Iterator[list[int]]:
    """Rows of up to 32 columns, each column the number of its cell."""
    row: list[int] = []
    for number, cell in enumerate(drawn):
        if cell.bits == 0:
            if row:
                yield row
            yield [number] * WIDTH
            row = []
        for _ in range(cell.bits):
            row.append(number)
            if len(row) == WIDTH:
                yield row
                row = []
    if row:
        yield row


def _rule(above: list[int], below: list[int]) -> str:
    """The line between two rows: open where one cell goes through, no longer than the longer of the two."""
    width = max(len(above), len(below))
    through = [c < len(above) and c < len(below) and above[c] == below[c] for c in range(width)]
    line = "+"
    for column, is_open in enumerate(through):
        goes_on = is_open and column + 1 < width and through[column + 1] and above[column] == above[column + 1]
        line += (" " if is_open else "-") + (" " if goes_on else "+")
    return line


def _line(above: list[int], row: list[int], below: list[int], drawn: list[Cell]) -> str:
    """A row with the labels of its cells. A cell that goes over several rows is named in the first of the widest."""
    starts = [column for column in range(len(row)) if column == 0 or row[column] != row[column - 1]]
    line = ""
    for start, end in zip(starts, [*starts[1:], len(row)], strict=True):
        cell = drawn[row[start]]
        is_named = not _is_wider(above, row, start, end, or_equal=True) and not _is_wider(below, row, start, end)
        line += ("|" if cell.bits else "~") + _fitted(cell.label if is_named else "", 2 * (end - start) - 1)
    return line + ("|" if drawn[row[-1]].bits else "~")


def _is_wider(other: list[int], row: list[int], start: int, end: int, *, or_equal: bool = False) -> bool:
    """Whether the cell at columns start..end also lies in `other`, joined to here, and is wider there."""
    joined = any(column < len(other) and other[column] == row[start] for column in range(start, end))
    return joined and other.count(row[start]) + or_equal > end - start


def _fitted(label: str, width: int) -> str:
    """The label in the middle, cut when there is no room."""
    spaced = label.replace("_", " ")
    return (spaced if len(spaced) <= width else spaced[:width].strip()).center(width)

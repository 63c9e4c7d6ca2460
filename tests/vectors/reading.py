"""Vectors written by hand: how a file is read, and what its values are in the tables' own classes.

A file is named as its table. A vector tells `of` which class it is, its `octets` in hexadecimal with what they mean
behind `#`, and the `fields` that they say: numbers; QNAs as `64512.7`; octets in hexadecimal; records as tables; TLVs
as tables with their class's name, or the number of a type that is not declared, under `tlv`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from qstack.base.ids import parse_qna
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.tables import TABLES
from qstack.wire.value import Record, UnknownTlv

__all__ = ["Vector", "vectors"]

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Vector:
    """One value and its octets. Of a TLV the octets begin with type and length."""

    cls: type[Record]
    octets: bytes
    value: Record
    name: str


def vectors() -> Iterator[Vector]:
    """All vectors of all tables."""
    tables = {table.__name__.rpartition(".")[2]: table for table in TABLES}
    for file in sorted(FOLDER.glob("*.toml")):
        for number, entry in enumerate(tomllib.loads(file.read_text())["vector"]):
            yield _vector(tables[file.stem], entry, f"{file.stem}.{entry['of']}-{number}")


def _vector(table: ModuleType, entry: dict[str, Any], name: str) -> Vector:
    cls = getattr(table, entry["of"])
    return Vector(cls, _octets(entry["octets"]), _value(cls, entry["fields"]), name)


def _octets(text: str) -> bytes:
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in text.splitlines()))


def _value(cls: type[Record], told: dict[str, Any]) -> Record:
    fields = {field.name: field for field in cls.LAYOUT.fields if field.kind is not Kind.RESERVED}
    alone = sorted({*told} ^ {*fields})
    assert not alone, f"{cls.NAME}: {alone} is told but not declared, or declared but not told"
    return cls(**{name: _field(cls, fields[name], what) for name, what in told.items()})


def _field(owner: type[Record], field: Field, told: Any) -> Any:
    match field.kind:
        case Kind.UNSIGNED:
            return parse_qna(told) if field.form is Form.QNA and isinstance(told, str) else told
        case Kind.FIXED | Kind.PREFIXED | Kind.REST:
            return bytes.fromhex(told)
        case Kind.RECORD:
            return _value(field.item, told)
        case Kind.LIST if isinstance(field.item, Field):
            return tuple(_field(owner, field.item, item) for item in told)
        case Kind.LIST:
            return tuple(_value(field.item, item) for item in told)
        case Kind.TLVS:
            return tuple(_tlv(owner, dict(tlv)) for tlv in told)
    return told


def _tlv(owner: type[Record], told: dict[str, Any]) -> Record:
    kind = told.pop("tlv")
    if isinstance(kind, int):
        return UnknownTlv(code=kind, value=bytes.fromhex(told["value"]))
    by_name = {cls.NAME: cls for cls in owner.TLVS.values()}
    return _value(by_name[kind], told)

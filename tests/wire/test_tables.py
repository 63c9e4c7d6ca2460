"""All tables together: what every declared field must tell, and that the notes know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qstack.wire.header import EndHeader, Header
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Kind
from qstack.wire.tables import TABLES
from qstack.wire.value import Record, message_classes, tlv_classes

REQUIREMENT = re.compile(r"[A-Z]+(?:-\d+(?:\.\d+)*)+-\d+")


def ours() -> list[type[Record]]:
    """Every declared class of the package, records within others too."""
    tops: list[type[Record]] = [Header, EndHeader]
    for protocol in Protocol:
        tops += [*message_classes(protocol).values(), *tlv_classes(protocol).values()]
    found = dict.fromkeys(cls for top in tops for cls in within(top))
    return [cls for cls in found if cls.__module__.startswith("qstack.")]


def within(cls: type[Record]) -> Iterator[type[Record]]:
    yield cls
    for field in cls.LAYOUT.fields:
        if isinstance(field.item, type):
            yield from within(field.item)


def fields() -> list[tuple[str, Field]]:
    return [(f"{cls.__module__}.{cls.NAME}.{field.name}", field) for cls in ours() for field in cls.LAYOUT.fields]


def test_tables_are_all_that_declare_in_the_room(root: Path) -> None:
    declares = re.compile(r"^class \w+\(\s*(?:Message|Tlv|Record), (?:protocol|namespace|tlvs_of)=Protocol", re.M)
    declaring = {file.stem for file in (root / "qstack" / "wire").glob("*.py") if declares.search(file.read_text())}
    assert declaring == {table.__name__.rpartition(".")[2] for table in TABLES}


def test_fields_all_tell_their_meaning_and_requirement() -> None:
    telling = [(name, field) for name, field in fields() if field.kind is not Kind.RESERVED]
    assert not [name for name, field in telling if not field.meaning]
    named = [(name, field) for name, field in telling if not name.endswith(".options")]
    assert not [name for name, field in named if not REQUIREMENT.fullmatch(field.req)]


def test_names_of_classes_are_unique_in_their_table() -> None:
    names = [f"{cls.__module__}.{cls.NAME}" for cls in ours()]
    assert len(names) == len(set(names))


def test_classes_are_told_in_a_docstring() -> None:
    assert not [cls.NAME for cls in ours() if not cls.__doc__]


def test_answers_name_requests_and_the_fields_that_both_have() -> None:
    for protocol in Protocol:
        by_name = {cls.NAME: cls for cls in message_classes(protocol).values()}
        for cls in by_name.values():
            assert bool(cls.ANSWERS) == bool(cls.MATCHED_BY), cls.NAME
            for request in cls.ANSWERS:
                assert set(cls.MATCHED_BY) <= field_names(cls) & field_names(by_name[request]), cls.NAME


def field_names(cls: type[Record]) -> set[str]:
    return {field.name for field in cls.LAYOUT.fields}


def test_messages_fit_a_length_of_sixteen_bits() -> None:
    for protocol in Protocol:
        for cls in message_classes(protocol).values():
            assert (cls.LAYOUT.maximum_size or 0) < 0x10000, cls.NAME


@pytest.mark.parametrize("protocol", [p for p in Protocol if message_classes(p)], ids=lambda p: p.name.lower())
def test_requirements_of_a_table_stand_in_a_note(protocol: Protocol, root: Path) -> None:
    notes = "\n".join(file.read_text() for file in (root / "rfc_notes").glob("*.md"))
    known = set(REQUIREMENT.findall(notes))
    tops = [*message_classes(protocol).values(), *tlv_classes(protocol).values()]
    used = {field.req for top in tops for cls in within(top) for field in cls.LAYOUT.fields if field.req}
    if protocol is Protocol.HEADER:
        used |= {field.req for cls in (Header, EndHeader) for field in cls.LAYOUT.fields if field.req}
    assert not used - known

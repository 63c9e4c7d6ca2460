"""What the renderers ask of the tables."""

from __future__ import annotations

import pytest

from qstack.dissect.catalogue import Member, Run, messages, namespaces, singular, snake, steps, structures, title, tlvs
from qstack.wire import tables
from qstack.wire.header import EndHeader, Header, QuantumPayloadTlv, TraceHop, TraceTlv
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Kind
from qstack.wire.value import message_classes, tlv_classes


def test_tables_import_fills_every_registry() -> None:
    modules = {table.__name__.rpartition(".")[2] for table in tables.TABLES}
    declared = {protocol.name.lower() for protocol in namespaces()}
    assert declared == modules


def test_catalogue_lists_what_the_registries_hold() -> None:
    for protocol in Protocol:
        assert list(messages(protocol)) == [cls for _, cls in sorted(message_classes(protocol).items())]
        assert set(tlvs(protocol)) == set(tlv_classes(protocol).values())


def test_structures_come_behind_the_records_they_hold() -> None:
    found = structures(Protocol.HEADER)
    assert found[:2] == (Header, EndHeader)
    assert found.index(TraceHop) < found.index(TraceTlv)
    assert len(set(found)) == len(found)


def test_steps_gather_bits_into_runs_of_whole_octets() -> None:
    run = next(step for step in steps(QuantumPayloadTlv.LAYOUT) if isinstance(step, Run))
    trailer, spare = run.members
    assert run.octets == 1
    assert (trailer.field.name, trailer.at) == ("trailer", 0)
    assert spare == Member(spare.field, 1)
    assert spare.field.kind is Kind.RESERVED


def test_steps_of_the_header_keep_every_field_in_order() -> None:
    names: list[str] = []
    for step in steps(Header.LAYOUT):
        names += [member.field.name for member in step.members] if isinstance(step, Run) else [step.name]
    assert names == [field.name for field in Header.LAYOUT.fields]


@pytest.mark.parametrize(
    ("many", "one"),
    [("urns", "urn"), ("entries", "entry"), ("addresses", "address"), ("urn", "urn"), ("loss", "loss")],
)
def test_singular_names_one_item(many: str, one: str) -> None:
    assert singular(many) == one


def test_titles_are_words() -> None:
    assert title("hop_limit") == "Hop limit"
    assert title("guard_ns", "ns") == "Guard"
    assert title("ipv4_locators") == "IPv4 locators"
    assert title("qui") == "QUI"
    assert snake("CreateRequest") == "create_request"
    assert snake("Ipv4Locator") == "ipv4_locator"

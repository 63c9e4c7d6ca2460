"""Every declared message, TLV and header against octets that a person wrote down from the note.

The table makes codec, dissectors and documents agree, also when all are wrong; these do not come from the table.
"""

from __future__ import annotations

from typing import Any

import pytest

from qstack.wire import reference
from qstack.wire.header import EndHeader, Header
from qstack.wire.protocols import Protocol
from qstack.wire.schema import tlvs
from qstack.wire.value import Record, Tlv, message_classes, tlv_classes
from tests.vectors.reading import Vector, vectors

VECTORS = list(vectors())
by_name = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


def holder(vector: Vector) -> tuple[type[Record], Record]:
    """The class whose octets these are, and its value: a TLV is seen in a list of TLVs, behind its type and length."""
    if not issubclass(vector.cls, Tlv):
        return vector.cls, vector.value

    class Holder(Record, tlvs_of=vector.cls.NAMESPACE):
        inner: tuple[Any, ...] = tlvs(0, "the TLV")

    return Holder, Holder(inner=(vector.value,))


@by_name
def test_vector_decodes_to_what_is_written_beside_it(vector: Vector) -> None:
    cls, value = holder(vector)
    assert cls.decode_untrusted(vector.octets) == value
    assert reference.decode_untrusted(cls, vector.octets) == value


@by_name
def test_vector_is_what_its_value_encodes_to(vector: Vector) -> None:
    _, value = holder(vector)
    assert value.encode().hex(" ") == vector.octets.hex(" ")
    assert reference.encode(value) == vector.octets


def test_vectors_there_is_one_for_everything_declared() -> None:
    declared: set[type[Record]] = {Header, EndHeader}
    for protocol in Protocol:
        declared |= {*message_classes(protocol).values(), *tlv_classes(protocol).values()}
    ours = {cls for cls in declared if cls.__module__.startswith("qstack.")}
    missing = ours - {vector.cls for vector in VECTORS}
    assert not sorted(f"{cls.__module__}.{cls.NAME}" for cls in missing), "write one by hand into tests/vectors"
